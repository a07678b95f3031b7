"""Values that are a model's own choice, which filling it leaves: deliberate zeros, scales of its own, and others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import nn

from goodinit.methods.complete import Reason
from goodinit.pytorch.held import whole_tensor
from goodinit.pytorch.read import ModelWeight, plain_values
from goodinit.structure import MULTIPLYING, Trace

__all__ = ["ZeroStarts", "own_starts"]

ZeroStarts = Literal["keep", "fill"]
"""What becomes of a weight that is exactly zero where a model may start so."""


def own_starts(
    model: nn.Module,
    read: Sequence[ModelWeight],
    weights: Sequence[ModelWeight],
    trace: Trace | None,
    *,
    zeros: bool,
    closed: bool,
) -> dict[str, Reason]:
    """What is kept, by its name, and why: with `zeros` the deliberate ones, with `closed` what takes no values.

    `read` are the weights as their classes tell of them, and `weights` as a run told of the others too. What such a
    class adds or scales by may begin with numbers of its own: a norm at 1 / sqrt(width), a gate's bias at 1, what mixes
    the streams of hyper-connections at ones and zeros. One number or two in all elements are no draw's.
    """
    found: dict[str, Reason] = {}
    if trace is not None and zeros:
        caution = "it is zero as its model wants it, and was kept; zero_starts='fill' fills it"
        found |= dict.fromkeys(_zeros(model, weights, trace), ("zero start", caution))
        for classed, traced in zip(read, weights, strict=True):
            if classed.role == "unknown" and traced.role not in (*MULTIPLYING, "embedding", "unknown"):
                numbers = _numbers(model, traced)
                if numbers and numbers not in ((0,), (1,) if traced.role == "norm scale" else (0,)):
                    what = " and ".join(f"{each:.3g}" for each in numbers)
                    found[traced.name] = "its own", f"its model begins it with {what} alone, and it was kept"
    for each in weights if closed else ():
        if each.form == "parametrized" and (kinds := _without_inverse(model, each)):
            what = f"{' and '.join(kinds)} of its parametrization" + (" has" if len(kinds) == 1 else " have")
            found[each.name] = "unknown", f"{what} no right_inverse, so that it takes no values, and it was kept"
    return found


def _numbers(model: nn.Module, weight: ModelWeight) -> tuple[float, ...]:
    """The one number or the two that all elements are; none where there are more."""
    values = plain_values(model, weight)
    if type(values) is not torch.Tensor:  # of a shard alone nothing is said
        return ()
    low, high = torch.aminmax(values)
    few = low == high or (values.numel() > 2 and bool(((values == low) | (values == high)).all()))
    return tuple(dict.fromkeys((float(low), float(high)))) if few else ()


def _without_inverse(model: nn.Module, weight: ModelWeight) -> list[str]:
    """The classes of its parametrizations that no value can be given to."""
    chain: Any = model.get_submodule(weight.module)
    kinds = [type(each) for each in chain.parametrizations[weight.local]]
    return [kind.__name__ for kind in dict.fromkeys(kinds) if not hasattr(kind, "right_inverse")]


def _zeros(model: nn.Module, weights: Sequence[ModelWeight], trace: Trace) -> frozenset[str]:
    """The names of the weights that are exactly zero where that is a start and no fault.

    A matrix may be zero where no other layer takes its output alone: at the end of a branch or of the model, or before
    a product of two signals. A norm's scale may be zero where others are not. A model of zeros only has no start.
    """
    matrices = [each for each in weights if each.role in MULTIPLYING]
    scales = [each for each in weights if each.role == "norm scale"]
    zero = {each.name for each in (*matrices, *scales) if _is_zero(model, each)}
    if all(each.name in zero for each in matrices):
        return frozenset()
    alone = {call.sources[0] for call in trace.calls if len(call.sources) == 1 and not call.mixed}
    feeding = {name for call in trace.calls if call.index in alone and not call.residual for name in call.parameters}
    used = {name for call in trace.calls for name in call.parameters}
    ends = {
        each.name
        for each in matrices
        if each.name in zero and used.intersection(each.parameters) and not feeding.intersection(each.parameters)
    }
    some = not all(each.name in zero for each in scales)
    return frozenset(ends | {each.name for each in scales if some and each.name in zero})


def _is_zero(model: nn.Module, weight: ModelWeight) -> bool:
    values = plain_values(model, weight)
    return values is not None and float(whole_tensor(torch.linalg.vector_norm(values, torch.inf))) == 0
