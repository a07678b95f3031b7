"""CompleteP: a learning rate found at one width and depth is right at every width and depth."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from goodinit.arguments import is_integer
from goodinit.errors import GoodinitError
from goodinit.initializers import Initializer
from goodinit.methods.assignment import Assignment, Multipliers
from goodinit.methods.base import Method
from goodinit.methods.mup import MuP
from goodinit.methods.probe import Probe
from goodinit.methods.registry import register
from goodinit.methods.scaling import divided
from goodinit.structure import MULTIPLYING, Structure

__all__ = ["CompleteP"]


@register
@dataclass(frozen=True)
class CompleteP(Method):
    """muP, with branches divided by m_L^alpha, m_L = blocks / base_depth, and rates and epsilons that go with it.

    Beside `mup` at m_N = width / base_width: the branches' hidden weights move at the rate times m_L^(alpha - 1) with
    Adam's epsilon / (m_N m_L^alpha), and so do their biases and norms (epsilon the same). The multiplier of a branch is
    put into its last layer's weight and bias: they start / m_L^alpha and move as slowly. It is for Adam and AdamW.

    >>> import torch, goodinit
    >>> class Residual(torch.nn.Linear):
    ...     def forward(self, x):
    ...         return x + super().forward(torch.tanh(x))
    >>> first, last = torch.nn.Linear(3, 64), torch.nn.Linear(64, 2)
    >>> model = torch.nn.Sequential(first, *(Residual(64, 64) for _ in range(8)), last)
    >>> done = goodinit.initialize(model, "completep(base_width=64)", seed=0, inputs=torch.ones(1, 3))
    >>> done["1.weight"].initializer, done["1.weight"].adaptive.rate, done["1.weight"].adaptive.epsilon
    ('scaled(of="he_normal(activation=linear)", gain=0.25)', 0.25, 1.0)

    Raises GoodinitError as `mup` does, where one run shows no residual stream, and for options out of range.
    """

    name = "completep"
    summary = "muP in width and depth: one learning rate is right at every width and every number of blocks"
    formula = "branch / m_L^alpha; mup's rates, in branches * m_L^(alpha - 1); epsilon / (m_N m_L^alpha) in branches"
    reference = "Dey, Zhang, Noci, Li, Bordelon, Bergsma, Pehlevan, Hanin & Hestness 2025 (CompleteP), table 1"
    needs = ("run",)
    elsewhere = MappingProxyType({"nanoGPT-mup": "branch completep: multipliers in forward, std 0.02 / sqrt(m_N)"})

    base_width: int = 256
    base_depth: int = 2
    alpha: float = 1.0
    of: str | Initializer = "he_normal"
    width: MuP = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not is_integer(self.base_depth) or self.base_depth < 1:
            raise GoodinitError(f"completep(base_depth={self.base_depth}): base_depth must be an integer of at least 1")
        if not isinstance(self.alpha, int | float) or not 0.5 <= self.alpha <= 1:
            raise GoodinitError(f"completep(alpha={self.alpha}): alpha must be a number from 0.5 to 1")
        width = MuP(self.base_width, self.of)
        object.__setattr__(self, "of", str(width.inner))
        object.__setattr__(self, "width", width)

    @property
    def base(self) -> Initializer:
        """The initializer at the base width."""
        return self.width.inner

    def prepare(self, structure: Structure, probe: Probe | None = None) -> tuple[Assignment, ...]:
        """What muP says, and what the depth adds to it."""
        streams = self.ran(structure).streams
        if len(streams) != 1:
            raise GoodinitError(f"{self}: the depth is that of one residual stream, and the network has {len(streams)}")
        if streams[0].norms == "after":
            raise GoodinitError(f"{self}: it is for norms before the branches, and here they come after the sums")
        said = self.width.beneath(self, structure)
        m_depth, m_width = streams[0].blocks / self.base_depth, self.width.times(structure)
        by = m_depth**self.alpha
        inside = _inside(structure)
        ends = {structure[name].name for each in streams[0].branches for call in each.ends for name in call.parameters}
        made = []
        for each in said:
            within = each.name in inside
            rate = m_depth ** (self.alpha - 1) if within else 1.0
            epsilon = 1 / (m_width * by) if within else 1 / m_width
            was = each.adaptive
            adaptive = Multipliers(was.rate * rate, was.epsilon * epsilon, was.decay / rate)
            each = replace(each, gradient=Multipliers(rate=math.nan), adaptive=adaptive)
            if each.name in ends:
                weighs = structure[each.name].role in MULTIPLYING
                each = divided(each, by, "end of a branch" if weighs else None)
            made.append(each)
        return tuple(made)

    def suits(self, structure: Structure) -> None:
        """No claim: it is for what is tuned at one size and trained at another."""


def _inside(structure: Structure) -> frozenset[str]:
    """The parameters of the layers in branches, and of the norms that their inputs come through."""
    calls = [call for each in structure.streams for branch in each.branches for call in branch.calls]
    return frozenset(structure[name].name for call in calls for name in (*call.parameters, *call.passed))
