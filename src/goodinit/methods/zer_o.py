"""ZerO: residual networks that start from zeros and ones alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType

from goodinit.errors import GoodinitError
from goodinit.initializers import ZeroHadamard, Zeros
from goodinit.methods.assignment import Assignment
from goodinit.methods.base import Method
from goodinit.methods.every import EveryWeight
from goodinit.methods.probe import Probe
from goodinit.methods.registry import register
from goodinit.structure import MULTIPLYING, Structure

__all__ = ["ZerO"]


@register
@dataclass(frozen=True)
class ZerO(Method):
    """`zero_hadamard` on every weight, and 0 for the last layer of each residual branch and for the readout.

    It is not all zeros: where a layer keeps its width it is the identity, where it widens it is columns of a Hadamard
    matrix. There is no chance in it, but for tables, which start normal.

    >>> import torch, goodinit
    >>> class Residual(torch.nn.Linear):
    ...     def forward(self, x):
    ...         return x + super().forward(torch.tanh(x))
    >>> model = torch.nn.Sequential(torch.nn.Linear(3, 8), Residual(8, 8), torch.nn.Linear(8, 2))
    >>> done = goodinit.initialize(model, "zer_o", seed=0, inputs=torch.ones(1, 3))
    >>> [done[f"{name}.weight"].initializer for name in range(3)]
    ['zero_hadamard', 'zeros', 'zeros']

    Raises GoodinitError for a readout that is tied to the embedding.
    """

    name = "zer_o"
    aliases = ("zero_init",)
    summary = "ZerO: identities and Hadamard matrices, with zeros at the ends of branches and in the readout"
    formula = "w = zero_hadamard; w = 0 at the ends of residual branches and in the readout"
    reference = "Zhao, Schaefer & Anandkumar 2022, ZerO Initialization, algorithm 2"
    needs = ("run",)
    elsewhere = MappingProxyType({"ZerO-initialization (jiaweizzhao)": "Hadamard matrices 1 / sqrt(2) as large"})

    def prepare(self, structure: Structure, probe: Probe | None = None) -> tuple[Assignment, ...]:
        """Identities and Hadamard matrices, and zeros where the network ends."""
        streams = self.ran(structure).streams
        tied = next((name for name in structure.readouts if structure[name].role == "tied embedding"), None)
        if tied is not None:
            raise GoodinitError(f"{self}: {tied} is the embedding and the readout, which is to be 0; untie them")
        ends = {structure[call.weight].name for each in streams for branch in each.branches for call in branch.ends}
        return tuple(
            replace(each, initializer=Zeros(), because="readout" if each.name in structure.readouts else "branch end")
            if each.name in ends | structure.readouts and structure[each.name].role in MULTIPLYING
            else each
            for each in EveryWeight(ZeroHadamard()).prepare(structure)
        )
