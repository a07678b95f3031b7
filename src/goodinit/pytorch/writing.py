"""Writing what was planned into tensors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from goodinit.pytorch.fill import Moments, fill, local_box
from goodinit.pytorch.plan import Planned
from goodinit.pytorch.staging import Staged
from goodinit.streams import KeyedStream

__all__ = ["tensors_of", "write"]


def write(
    made: Iterable[Planned], staged: Mapping[str, Staged], stream: KeyedStream, held: Mapping[str, Tensor]
) -> dict[str, Moments]:
    """Write every value into the tensors held by name. What is staged is copied, the rest drawn in its place."""
    moments: dict[str, Moments] = {}
    with torch.no_grad():
        for each in made:
            weight = each.weight
            if each.initializer is None:
                continue
            ready = staged.get(weight.name)
            if ready is None:
                tensor = held[weight.parameters[0]]
                moments[weight.name] = fill(tensor, each.initializer, each.target, stream, weight.zero_row)
                continue
            moments[weight.name] = ready.moments
            for name, value in ready.values.items():
                if name in held:
                    here, box = local_box(held[name])
                    here.copy_(value if box is None else value[tuple(slice(*span) for span in box)])
    return moments


def tensors_of(model: nn.Module) -> dict[str, Tensor]:
    """Every parameter and buffer that has a shape, by all its names."""
    named = (*model.named_parameters(remove_duplicate=False), *model.named_buffers(remove_duplicate=False))
    return {name: tensor for name, tensor in named if not is_lazy(tensor)}
