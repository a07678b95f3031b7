"""Weights that start smaller the deeper their block lies: DS-init, and ends of branches by their depth."""

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
from goodinit.methods.scaling import scaled
from goodinit.structure import MULTIPLYING, Structure

__all__ = ["DepthScaled"]


@register
@dataclass(frozen=True)
class DepthScaled(OverInitializer):
    """An initializer on every weight, divided by the root of the depth of its block in its residual stream.

    With `where=all`, DS-init: every weight of block l, counted from 1, is divided by sqrt(l). With `where=ends` only
    the ends of branches are, by the root of the number of branches up to and with their block's, which is sqrt(2 l)
    for blocks of attention and feed-forward.

    >>> import torch, goodinit
    >>> class Residual(torch.nn.Linear):
    ...     def forward(self, x):
    ...         return x + super().forward(torch.tanh(x))
    >>> model = torch.nn.Sequential(torch.nn.Linear(3, 8), *(Residual(8, 8) for _ in range(4)))
    >>> done = goodinit.initialize(model, "depth_scaled(of=lecun_normal)", seed=0, inputs=torch.ones(1, 3))
    >>> done["1.weight"].initializer, done["4.weight"].initializer
    ('lecun_normal', 'scaled(of=lecun_normal, gain=0.5)')

    Raises GoodinitError where one run shows no residual stream, and for a weight that several depths share.
    """

    name = "depth_scaled"
    summary = "an initializer on every weight, smaller the deeper its block lies (DS-init)"
    formula = "w = of / sqrt(l) in block l; where=ends: w = of / sqrt(branches up to block l) at their ends"
    reference = "Zhang, Titov & Sennrich 2019 (depth-scaled initialization); where=ends: torchtitan, models/llama3"
    needs = ("run",)
    plain = True
    elsewhere = MappingProxyType(
        {
            "zero (bzhangGo)": "Glorot uniform with its range times alpha / sqrt(l), alpha = 1",
            "torchtitan": "wo, w2 and w3 at 0.02 / sqrt(2 (l + 1)), l from 0: w3, the gate's linear half, is no end",
        }
    )

    of: str | Initializer = "glorot_uniform"
    where: str = "all"

    def __post_init__(self) -> None:
        if self.where not in ("all", "ends"):
            raise GoodinitError(f"depth_scaled(where={self.where}): where must be all or ends")
        super().__post_init__()

    def prepare(self, structure: Structure, probe: Probe | None = None) -> tuple[Assignment, ...]:
        """The initializer on every weight, scaled by depth."""
        found: dict[str, dict[float, str]] = {}
        for stream in self.streams(structure):
            for branch in stream.branches:
                depth = branch.block + 1
                if self.where == "ends":
                    depth = sum(each.block <= branch.block for each in stream.branches)
                text = f"block {branch.block + 1} of {stream.blocks}"
                for call in branch.ends if self.where == "ends" else branch.calls:
                    parameter = structure[call.weight]
                    if parameter.role in MULTIPLYING:
                        found.setdefault(parameter.name, {})[depth] = text
        shared = next((name for name, depths in found.items() if len(depths) > 1), None)
        if shared is not None:
            raise GoodinitError(f"{self}: {shared} is used at several depths, so that no one depth scales it")
        return tuple(
            scaled(each, 1 / math.sqrt(depth), text)
            for each in self.every(structure)
            for depth, text in found.get(each.name, {1: ""}).items()
        )
