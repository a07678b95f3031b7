"""SmallInit: one small standard deviation, from the width of the stream, on every weight of a transformer."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from types import MappingProxyType

from goodinit.errors import GoodinitError
from goodinit.initializers import Normal
from goodinit.initializers.base import same_everywhere
from goodinit.methods.assignment import Assignment
from goodinit.methods.base import Method
from goodinit.methods.every import EveryWeight
from goodinit.methods.probe import Probe
from goodinit.methods.registry import register
from goodinit.structure import MULTIPLYING, Structure

__all__ = ["SmallInit"]


@register
@dataclass(frozen=True)
class SmallInit(Method):
    """Every weight and table normal with variance 2 / (5 d), d the width of the residual stream.

    It is Glorot's variance for the feed-forward's layers, of d and 4 d units, on all layers. With `ends=wang` the ends
    of branches have the standard deviation 2 / (L sqrt(d)), L the number of blocks, as GPT-NeoX has them.

    >>> import torch, goodinit
    >>> class Residual(torch.nn.Linear):
    ...     def forward(self, x):
    ...         return x + super().forward(torch.tanh(x))
    >>> model = torch.nn.Sequential(torch.nn.Linear(3, 10), *(Residual(10, 10) for _ in range(4)))
    >>> done = goodinit.initialize(model, "small_init(ends=wang)", seed=0, inputs=torch.ones(1, 3))
    >>> done["0.weight"].initializer, done["1.weight"].initializer
    ('normal(std=0.2)', 'normal(std=0.158113883008)')

    Raises GoodinitError where one run shows no residual stream, or streams of several widths.
    """

    name = "small_init"
    summary = "normal weights whose variance the width of the residual stream alone decides, as in GPT-NeoX"
    formula = "Var w = 2 / (5 d); ends=wang: std 2 / (L sqrt(d)) at the ends of branches, L blocks"
    reference = "Nguyen & Salazar 2019 (SmallInit); ends=wang: Wang & Komatsuzaki 2021 (GPT-J)"
    needs = ("run",)
    elsewhere = MappingProxyType(
        {
            "GPT-NeoX": "small_init_init_method(dim) and wang_init_method(n_layers, dim)",
            "litgpt": "its GPT-NeoX start has 1 / (L sqrt(d)) at the ends, half of GPT-NeoX's",
        }
    )

    ends: str = "small"

    def __post_init__(self) -> None:
        if self.ends not in ("small", "wang"):
            raise GoodinitError(f"small_init(ends={self.ends}): ends must be small or wang")

    def prepare(self, structure: Structure, probe: Probe | None = None) -> tuple[Assignment, ...]:
        """The same normal on every weight and table, or a smaller one at the ends of branches."""
        streams = self.ran(structure).streams
        ends = {structure[call.weight].name for each in streams for branch in each.branches for call in branch.ends}
        widths = {structure[name].target.fan_out for name in ends if structure[name].role in MULTIPLYING}
        if len(widths) != 1:
            found = ", ".join(f"{width:g}" for width in sorted(widths)) or "none"
            raise GoodinitError(f"{self}: it needs one width of residual streams, and found {found}")
        (width,) = widths
        small, wang = math.sqrt(2 / (5 * width)), 2 / (max(each.blocks for each in streams) * math.sqrt(width))
        made = []
        for each in EveryWeight(Normal(std=same_everywhere(small))).prepare(structure):
            if each.name in ends and self.ends == "wang" and structure[each.name].role in MULTIPLYING:
                each = replace(each, initializer=Normal(std=same_everywhere(wang)), because="end of a branch")
            elif structure[each.name].role in ("recurrent hidden", "embedding", "tied embedding"):
                each = replace(each, initializer=Normal(std=same_everywhere(small)), because="init")
            made.append(each)
        return tuple(made)
