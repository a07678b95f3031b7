"""The spectral condition: weights and updates whose spectral norms are sqrt(fan out / fan in)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from types import MappingProxyType

from goodinit.initializers import LecunNormal, Normal
from goodinit.initializers.base import same_everywhere
from goodinit.methods.assignment import Assignment
from goodinit.methods.base import Method
from goodinit.methods.mup import MuP
from goodinit.methods.probe import Probe
from goodinit.methods.registry import register
from goodinit.structure import MULTIPLYING, Structure

__all__ = ["Spectral"]


@register
@dataclass(frozen=True)
class Spectral(Method):
    """Normal weights of spectral norm about sqrt(fan out / fan in), with muP's learning rates.

    Their standard deviation is sqrt(min(1, fan out / fan in) / fan in). Learning rates go as 1 / fan in under Adam and
    as fan out / fan in under gradient descent, which is muP's table beside the base width: 1 for all at `base_width`.

    >>> from goodinit import activations, networks
    >>> network = networks.MLP((2, 256, 256, 4), activations.get("relu"), "cross_entropy")
    >>> for each in network.assignments("spectral(base_width=64)")[::2]:
    ...     print(each.name, each.initializer, each.gradient.rate, each.adaptive.rate)
    W1 normal(std=0.707106781187) 4.0 1.0
    W2 normal(std=0.0625) 1.0 0.25
    W3 normal(std=0.0078125) 0.25 0.25

    Raises GoodinitError as `mup` does.
    """

    name = "spectral"
    summary = "weights and updates of spectral norm sqrt(fan out / fan in), so that features move alike at any width"
    formula = "std = sqrt(min(1, fan_out / fan_in) / fan_in); rates as 1 / fan_in (Adam), fan_out / fan_in (SGD)"
    reference = "Yang, Simon & Bernstein 2023, A spectral condition for feature learning, parametrization 1"
    needs = ("run",)
    elsewhere = MappingProxyType({"modula": "weights are orthogonal, and updates too"})

    base_width: int = 64

    def __post_init__(self) -> None:
        MuP(self.base_width)

    def prepare(self, structure: Structure, probe: Probe | None = None) -> tuple[Assignment, ...]:
        """Weights by both fans, and muP's rates."""
        made = []
        for each in MuP(self.base_width, LecunNormal()).beneath(self, structure):
            target = structure[each.name].target
            if structure[each.name].role in MULTIPLYING and each.initializer is not None:
                std = math.sqrt(min(1.0, target.fan_out / target.fan_in) / target.fan_in)
                each = replace(each, initializer=Normal(std=same_everywhere(std)), because="init", activation=None)
            made.append(each)
        return tuple(made)

    def suits(self, structure: Structure) -> None:
        """No claim: it is for what is tuned at one size and trained at another."""
