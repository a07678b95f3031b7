"""T-Fixup: transformers without norms and without a warm-up of the learning rate."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from types import MappingProxyType

from goodinit.errors import GoodinitError
from goodinit.initializers import Initializer, Normal
from goodinit.initializers.base import same_everywhere
from goodinit.methods.assignment import Assignment
from goodinit.methods.over import OverInitializer
from goodinit.methods.probe import Probe
from goodinit.methods.registry import register
from goodinit.methods.scaling import Units, scaled, value_path
from goodinit.structure import Structure

__all__ = ["TFixup"]


@register
@dataclass(frozen=True)
class TFixup(OverInitializer):
    """T-Fixup's values, for transformers without norms: small values, outputs, feed-forward layers and tables.

    In a stream of N blocks they are times 0.67 N^(-1/4); in a decoder of M blocks, which attends to an encoder, times
    (9 M)^(-1/4). Tables of words are normal with variance 1 / d, times (9 N)^(-1/4), d their features.

    >>> import torch, goodinit
    >>> class Attention(torch.nn.MultiheadAttention):
    ...     def forward(self, x):
    ...         return x + super().forward(x, x, x)[0]
    >>> model = torch.nn.Sequential(torch.nn.Embedding(9, 16), *(Attention(16, 2) for _ in range(16)))
    >>> done = goodinit.initialize(model, "t_fixup", seed=0, inputs=torch.arange(9)[None])
    >>> done["1.out_proj.weight"].initializer
    'scaled(of=glorot_uniform, gain=0.335)'

    Raises GoodinitError where one run shows no stream that attends, and where a stream has norms.
    """

    name = "t_fixup"
    summary = "transformers without norms and warm-up: small values, outputs, feed-forward layers and tables"
    formula = (
        "values, outputs, feed-forward: of * 0.67 N^(-1/4), decoders of * (9 M)^(-1/4); tables std (9 N d^2)^(-1/4)"
    )
    reference = "Huang, Perez, Ba & Volkovs 2020 (T-Fixup), section 4.2"
    needs = ("run",)
    plain = True
    elsewhere = MappingProxyType(
        {"T-Fixup (layer6ai-labs)": "queries and keys 1 / sqrt(2) as large, which fairseq's attention starts from"}
    )

    of: str | Initializer = "glorot_uniform"

    def prepare(self, structure: Structure, probe: Probe | None = None) -> tuple[Assignment, ...]:
        """The initializer on every weight, smaller on the branches' way, and small tables."""
        streams = self.streams(structure)
        found: dict[str, tuple[float, Units]] = {}
        tables: dict[str, int] = {}
        for stream in streams:
            where = stream.branches[0].ends[0].module
            if not stream.attends:
                raise GoodinitError(
                    f"{self}: it is for transformers, and the stream that begins at {where} has no attention; use fixup"
                )
            if stream.norms != "none" or any(each.norm_inside or each.norm_at_end for each in stream.branches):
                raise GoodinitError(
                    f"{self}: it is for transformers without norms, and the stream that begins at {where} has some; "
                    "take them out, or use deepnorm (norms after the sums) or residual_scaling"
                )
            blocks = stream.blocks
            gain = (9 * blocks) ** -0.25 if stream.memory else 0.67 * blocks**-0.25
            for branch in stream.branches:
                found |= {name: (gain, units) for name, units in value_path(structure, branch, str(self)).items()}
            tables |= _tables(structure, stream.branches[0].calls[0].index, blocks)
        made = []
        for each in self.every(structure):
            if each.name in found:
                gain, units = found[each.name]
                each = scaled(each, gain, "values, outputs, feed-forward", units)
            elif structure[each.name].role in ("embedding", "tied embedding") and each.name in tables:
                features = structure[each.name].target.shape[-1]
                std = same_everywhere(math.sqrt(1 / features) * (9 * tables[each.name]) ** -0.25)
                each = replace(each, initializer=Normal(std=std), because="table")
            made.append(each)
        return tuple(made)


def _tables(structure: Structure, first: int, blocks: int) -> dict[str, int]:
    """The tables whose look-ups are the beginning of the stream of that first layer call."""
    assert structure.trace is not None
    calls = structure.trace.calls
    return {
        structure[calls[index].weight].name: blocks for index in calls[first].after if calls[index].kind == "embedding"
    }
