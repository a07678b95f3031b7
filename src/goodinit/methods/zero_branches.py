"""Residual branches that start as nothing: a zero last scale, or zero last weights."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from goodinit.errors import GoodinitError
from goodinit.initializers import Constant, Initializer, Zeros
from goodinit.methods.assignment import Assignment
from goodinit.methods.over import OverInitializer
from goodinit.methods.probe import Probe
from goodinit.methods.registry import register
from goodinit.structure import MULTIPLYING, Branch, Structure

__all__ = ["ZeroBranches", "zeroed"]

_SCALES: Final = ("norm scale", "norm offset", "scale")


@register
@dataclass(frozen=True)
class ZeroBranches(OverInitializer):
    """An initializer on every weight, and every residual branch zero: a network that starts as its streams alone.

    Where a branch's output goes through a norm or a layer's scale before it is added, the last such scale is 0 and the
    weights before it are as ever, as zero gamma, SkipInit and ReZero have it; else the weights of its last layer are 0.
    Only one factor is 0, so that it has a gradient.

    >>> import torch, goodinit
    >>> class Residual(torch.nn.Linear):
    ...     def forward(self, x):
    ...         return x + super().forward(torch.tanh(x))
    >>> model = torch.nn.Sequential(torch.nn.Linear(3, 8), Residual(8, 8))
    >>> done = goodinit.initialize(model, "zero_branches", seed=0, inputs=torch.ones(1, 3))
    >>> done["1.weight"].initializer
    'zeros'

    Raises GoodinitError where one run shows no residual stream, and where a norm without a scale ends a branch.
    """

    name = "zero_branches"
    summary = "an initializer on every weight; residual branches zero, by their last scale or their last weights"
    formula = "the last scale of a branch 0, or where it has none w = 0 in its last layer; w = of elsewhere"
    reference = "Goyal et al. 2017 (zero gamma); De & Smith 2020 (SkipInit); Bachlechner et al. 2021 (ReZero)"
    needs = ("run",)
    elsewhere = MappingProxyType(
        {"torchvision": "zero_init_residual=True, off unless asked for", "timm": "zero_init_last, on"}
    )

    def prepare(self, structure: Structure, probe: Probe | None = None) -> tuple[Assignment, ...]:
        """The initializer on every weight, and zeros that end the branches."""
        found: dict[str, Initializer] = {}
        for stream in self.streams(structure):
            for branch in stream.branches:
                found |= zeroed(structure, branch, str(self))
        return tuple(
            replace(each, initializer=found[each.name], because="end of a branch", activation=None, caution=None)
            if each.name in found
            else each
            for each in self.every(structure)
        )


def zeroed(structure: Structure, branch: Branch, method: str) -> dict[str, Initializer]:
    """What fills the parameters that make a branch 0: its last scale, or the weights of its last layers."""
    scales = [structure[name] for name in branch.passed if structure[name].role in _SCALES]
    if scales:
        last = scales[-1]
        return {last.name: Constant(-1.0) if last.role == "norm offset" else Zeros()}
    ends = [structure[call.weight].name for call in branch.ends if structure[call.weight].role in MULTIPLYING]
    if branch.norm_at_end or not ends:
        where = branch.ends[0].module
        raise GoodinitError(f"{method}: the branch that ends in {where} has no scale and no weights that could be 0")
    return {name: Zeros() for name in ends}
