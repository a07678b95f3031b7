"""Fixup: residual networks without norms, whose branches' updates add up to one of the right size."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType

from goodinit.errors import GoodinitError
from goodinit.initializers import Zeros
from goodinit.methods.assignment import Assignment
from goodinit.methods.over import OverInitializer
from goodinit.methods.probe import Probe
from goodinit.methods.registry import register
from goodinit.methods.scaling import scaled
from goodinit.structure import MULTIPLYING, Structure

__all__ = ["Fixup"]


@register
@dataclass(frozen=True)
class Fixup(OverInitializer):
    """Fixup's values: in each of L branches of m layers the last is 0, the others are times L^(-1 / (2 m - 2)).

    The readout is 0 too. L counts the branches of all streams, m the layers that lie one behind another. The scalar
    biases and the scalar multiplier of the paper change what is computed and are no part of the values; biases that are
    there start at 0, and a scale that ends a branch at 1. A query and a key count as inner layers.

    >>> import torch, goodinit
    >>> class Residual(torch.nn.Sequential):
    ...     def forward(self, x):
    ...         return x + super().forward(x)
    >>> def block():
    ...     return Residual(torch.nn.Linear(8, 8), torch.nn.ReLU(), torch.nn.Linear(8, 8))
    >>> model = torch.nn.Sequential(torch.nn.Linear(3, 8), *(block() for _ in range(4)), torch.nn.Linear(8, 2))
    >>> done = goodinit.initialize(model, "fixup", seed=0, inputs=torch.ones(1, 3))
    >>> [done[f"{name}.weight"].initializer for name in ("1.0", "1.2", "5")]
    ['scaled(gain=0.5)', 'zeros', 'zeros']

    Raises GoodinitError where one run shows no residual stream, and where norms lie in or between its branches.
    """

    name = "fixup"
    summary = "residual networks without norms: branches end in 0 and are scaled by their number and depth"
    formula = "last layer of a branch and readout 0; its other layers of * L^(-1 / (2 m - 2)); of elsewhere"
    reference = "Zhang, Dauphin & Ma 2019 (Fixup)"
    needs = ("run",)
    elsewhere = MappingProxyType(
        {"Fixup (hongyi-zhang)": "He by fan out: of='he_normal' is by fan in, as the paper says 'a standard method'"}
    )

    def prepare(self, structure: Structure, probe: Probe | None = None) -> tuple[Assignment, ...]:
        """Zeros at the ends of branches and in the readout, the initializer scaled inside branches."""
        streams = self.streams(structure)
        branches = [branch for stream in streams for branch in stream.branches]
        normed = next((b for b in branches if b.norm_before or b.norm_inside or b.norm_at_end), None)
        if normed is not None or any(stream.norms == "after" for stream in streams):
            where = (normed or branches[0]).ends[0].module
            raise GoodinitError(
                f"{self}: it is for networks without norms, and one lies at the branch that ends in {where}; "
                "zero_branches is for those with norms"
            )
        gains: dict[str, float] = {}
        ends: set[str] = set(structure.readouts)
        for branch in branches:
            ends |= {structure[call.weight].name for call in branch.ends}
            if branch.depth > 1:
                gain = float(len(branches)) ** (-1 / (2 * branch.depth - 2))
                gains |= {structure[call.weight].name: gain for call in branch.calls}
        tied = next((name for name in structure.readouts if structure[name].role == "tied embedding"), None)
        if tied is not None:
            raise GoodinitError(f"{self}: {tied} is the embedding and the readout, which is to be 0; untie them")
        made = []
        for each in self.every(structure):
            if each.name in ends and structure[each.name].role in MULTIPLYING:
                text = "readout" if each.name in structure.readouts else "end of a branch"
                each = replace(each, initializer=Zeros(), because=text, activation=None, caution=None)
            elif each.name in gains and structure[each.name].role in MULTIPLYING:
                each = scaled(each, gains[each.name], f"in 1 of {len(branches)} branches")
            made.append(each)
        return tuple(made)
