"""Unit scaling as far as values and rates express it: unit weights behind constants, which go into the weights."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from types import MappingProxyType

from goodinit.errors import GoodinitError
from goodinit.initializers import Normal
from goodinit.initializers.base import same_everywhere
from goodinit.methods.assignment import Assignment, Multipliers
from goodinit.methods.autoinit import AutoInit, input_moments
from goodinit.methods.base import Method
from goodinit.methods.probe import Probe
from goodinit.methods.registry import register
from goodinit.structure import MULTIPLYING, Structure

__all__ = ["UnitScaling"]


@register
@dataclass(frozen=True)
class UnitScaling(Method):
    """Weights of variance 1 behind a constant c that gives every layer's output variance 1, as one weight.

    c = 1 / sqrt(fan_in (nu + mu^2)) for an input of mean mu and variance nu, as `autoinit` finds them. The weight
    w = c W then starts with the standard deviation c, and moves as W does at one rate for all: under Adam at the rate
    times c, with epsilon / c and AdamW's decay / c. Unit scaling also scales gradients, which Adam does not see but
    for epsilon; of gradient descent's rates nothing is said. It weighs the sums of residual streams anew, which
    changes the model: with those it is refused.

    >>> from goodinit import activations, networks
    >>> network = networks.MLP((2, 8, 8, 1), activations.get("relu"), "binary_cross_entropy")
    >>> for each in network.assignments("unit_scaling")[::2]:
    ...     print(each.name, each.initializer, each.adaptive.rate)
    W1 normal(std=0.707106781187) 0.707106781187
    W2 normal(std=0.5) 0.5
    W3 normal(std=0.5) 0.5

    Raises GoodinitError where no run was made, and where one shows a residual stream.
    """

    name = "unit_scaling"
    summary = "weights that train as if of variance 1 behind constants: one rate for layers of all sizes under Adam"
    formula = "std c = 1 / sqrt(fan_in (nu + mu^2)); Adam: rate * c, epsilon / c, decay / c"
    reference = "Blake, Orr & Luschi 2023, Unit scaling, sections 4 and A"
    needs = ("run",)
    elsewhere = MappingProxyType(
        {
            "unit-scaling (Graphcore)": "constants of activations are fitted to the standard deviation; its optimizers "
            "also have u-muP's rates / sqrt(fan_in)"
        }
    )

    def prepare(self, structure: Structure, probe: Probe | None = None) -> tuple[Assignment, ...]:
        """The values of AutoInit, and the rates of the unit weights behind them."""
        trace = self.ran(structure).trace
        if trace is not None and trace.sums:
            raise GoodinitError(
                f"{self}: it weighs the sums of residual streams anew, which changes the model; autoinit is for those"
            )
        found = input_moments(structure)
        made = []
        for each in AutoInit().prepare(structure, probe):
            each = replace(each, gradient=Multipliers(rate=math.nan))
            if structure[each.name].role in MULTIPLYING and each.name in found and isinstance(each.initializer, Normal):
                c = same_everywhere(each.initializer.std)
                each = replace(each, adaptive=Multipliers(rate=c, epsilon=1 / c, decay=1 / c))
            made.append(each)
        return tuple(made)
