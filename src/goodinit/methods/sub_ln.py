"""Sub-LN: pre-norm transformers with one more norm in each branch, whose weights may start larger."""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import MappingProxyType

from goodinit.errors import GoodinitError
from goodinit.initializers import Initializer
from goodinit.methods.assignment import Assignment
from goodinit.methods.over import OverInitializer
from goodinit.methods.probe import Probe
from goodinit.methods.registry import register
from goodinit.methods.scaling import Units, scaled, value_path
from goodinit.structure import ResidualStream, Structure

__all__ = ["SubLN"]


@register
@dataclass(frozen=True)
class SubLN(OverInitializer):
    """Magneto's gains: values, outputs and feed-forward layers times sqrt(ln(2 N)), N the blocks of the stream.

    With an encoder of N and a decoder of M blocks it is sqrt(ln(3 M) ln(2 N) / 3) in the encoder and sqrt(ln(3 M)) in
    the decoder, whose attention to the encoder is left as it is. Each branch is to have a norm before its last layer.

    >>> import torch, goodinit
    >>> class Residual(torch.nn.Sequential):
    ...     def forward(self, x):
    ...         return x + super().forward(x)
    >>> def block():
    ...     norm, up = torch.nn.LayerNorm(8), torch.nn.Linear(8, 32)
    ...     return Residual(norm, up, torch.nn.GELU(), torch.nn.LayerNorm(32), torch.nn.Linear(32, 8))
    >>> model = torch.nn.Sequential(torch.nn.Linear(3, 8), *(block() for _ in range(4)))
    >>> done = goodinit.initialize(model, "sub_ln", seed=0, inputs=torch.ones(1, 3))
    >>> done["1.1.weight"].initializer
    'scaled(of=glorot_normal, gain=1.4420268866)'

    Raises GoodinitError where one run shows no residual stream, or a branch without that norm.
    """

    name = "sub_ln"
    summary = "transformers with a norm before and inside each branch: its weights larger by the log of the depth"
    formula = (
        "values, outputs, feed-forward: of * sqrt(ln(2 N)); decoders sqrt(ln(3 M)), encoders sqrt(ln(3 M) ln(2 N) / 3)"
    )
    reference = "Wang et al. 2022 (Magneto, Foundation Transformers), figure 2"
    needs = ("run",)
    plain = True
    elsewhere = MappingProxyType({"torchscale": "subln=True; it starts feed-forward layers from PyTorch's uniform"})

    of: str | Initializer = "glorot_normal"

    def prepare(self, structure: Structure, probe: Probe | None = None) -> tuple[Assignment, ...]:
        """The initializer on every weight, larger on the branches' way."""
        streams = self.streams(structure)
        found: dict[str, tuple[float, Units]] = {}
        for stream in streams:
            for branch in stream.branches:
                if not (branch.norm_before and branch.norm_inside):
                    where = branch.ends[0].module
                    missing = "inside" if branch.norm_before else "before"
                    raise GoodinitError(
                        f"{self}: it is for branches with a norm before them and one inside, before their last layer, "
                        f"and that which ends in {where} has none {missing}"
                    )
                if not branch.memory:
                    gain = _gain(stream, streams)
                    found |= {name: (gain, units) for name, units in value_path(structure, branch, str(self)).items()}
        return tuple(
            scaled(each, *found[each.name][:1], "values, outputs, feed-forward", found[each.name][1])
            if each.name in found
            else each
            for each in self.every(structure)
        )


def _gain(stream: ResidualStream, streams: tuple[ResidualStream, ...]) -> float:
    if stream.memory:
        return math.sqrt(math.log(3 * stream.blocks))
    decoder = next((each for each in streams if stream.number in each.memory), None)
    if decoder is None:
        return math.sqrt(math.log(2 * stream.blocks))
    return math.sqrt(math.log(3 * decoder.blocks) * math.log(2 * stream.blocks) / 3)
