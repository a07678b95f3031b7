"""Branch ends scaled by depth, as in GPT-2."""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import MappingProxyType

from goodinit.errors import GoodinitError
from goodinit.methods.assignment import Assignment
from goodinit.methods.over import OverInitializer
from goodinit.methods.probe import Probe
from goodinit.methods.registry import register
from goodinit.methods.scaling import scaled
from goodinit.structure import Structure

__all__ = ["ResidualScaling"]


@register
@dataclass(frozen=True)
class ResidualScaling(OverInitializer):
    """An initializer on every weight, divided by sqrt(B) at the end of each of the B branches of a residual stream.

    The sum of B independent branches of variance v then has variance v, however deep the model. GPT-2 writes
    1/sqrt(N) with N the number of residual layers, which is B: 2 for each block of attention and feed-forward.
    B is counted for each stream, so that every stage of a convolutional network has its own.

    >>> import torch, goodinit
    >>> class Residual(torch.nn.Linear):
    ...     def forward(self, x):
    ...         return x + super().forward(torch.tanh(x))
    >>> model = torch.nn.Sequential(torch.nn.Linear(3, 8), *(Residual(8, 8) for _ in range(4)))
    >>> done = goodinit.initialize(model, "residual_scaling(of=lecun_normal)", seed=0, inputs=torch.ones(1, 3))
    >>> done["1.weight"].initializer, done["0.weight"].initializer
    ('scaled(of=lecun_normal, gain=0.5)', 'lecun_normal')

    Raises GoodinitError where one run shows no residual stream.
    """

    name = "residual_scaling"
    summary = "an initializer on every weight; the ends of residual branches divided by the root of their number"
    formula = "w = of / sqrt(B) at the ends of the B branches of a residual stream, w = of elsewhere"
    reference = "Radford et al. 2019 (GPT-2, section 2.3)"
    needs = ("run",)
    elsewhere = MappingProxyType(
        {
            "nanoGPT": "of=normal(std=0.02), with c_proj at 0.02 / sqrt(2 n_layer)",
            "Megatron-LM": "output projections at init_method_std / sqrt(2 num_layers)",
        }
    )

    def prepare(self, structure: Structure, probe: Probe | None = None) -> tuple[Assignment, ...]:
        """The initializer on every weight, scaled at the branches' ends."""
        depths = self.ran(structure).depths
        if not depths:
            raise GoodinitError(f"{self}: the network has no residual stream, so that there is no branch to scale")
        said = self.every(structure)
        return tuple(
            scaled(each, 1 / math.sqrt(branches), f"end of 1 of {branches} branches")
            if (branches := depths.get(each.name))
            else each
            for each in said
        )

    def suits(self, structure: Structure) -> str | None:
        """Where many branches are added to one stream."""
        most = max(structure.depths.values(), default=0)
        return (
            f"{most} branches add up on one stream, which keeps its size where each end is divided by sqrt({most})"
            if most > 2
            else None
        )
