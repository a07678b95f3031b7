"""AutoInit: the variance of each layer's weights from the mean and variance of what reaches it, without data."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from goodinit.errors import GoodinitError
from goodinit.initializers import Initializer, Normal, TruncatedNormal, Uniform
from goodinit.initializers.base import same_everywhere
from goodinit.methods.assignment import Assignment
from goodinit.methods.base import Method
from goodinit.methods.every import EveryWeight
from goodinit.methods.moments import InputMoments, moments_of
from goodinit.methods.probe import Probe
from goodinit.methods.registry import register
from goodinit.structure import MULTIPLYING, Structure

__all__ = ["AutoInit", "input_moments"]

_CUT: Final = 0.87962566103423978  # the standard deviation of a standard normal cut at 2


@register
@dataclass(frozen=True)
class AutoInit(Method):
    """Var w = 1 / (fan_in (variance + mean^2)) of what reaches a layer, propagated analytically from layer to layer.

    Every layer's output then has mean 0 and variance 1, where its inputs are independent. Mean and variance go through
    activations (by quadrature), sums, products, joins, norms, dropout and pooling; what attends passes on the mean and
    the variance of its values, as if all places agreed. The model's own inputs count as standardised. Of a weight that
    meets several inputs the largest mean square counts; what comes through a function that goodinit has no rule for
    counts as standardised too, and is told.

    >>> from goodinit import activations, networks
    >>> network = networks.MLP((2, 8, 8, 1), activations.get("relu"), "binary_cross_entropy")
    >>> [str(each.initializer) for each in network.assignments("autoinit")[:3:2]]
    ['normal(std=0.707106781187)', 'normal(std=0.5)']

    Raises GoodinitError where no run was made, and for another distribution.
    """

    name = "autoinit"
    summary = "variances from the mean and variance of each layer's input, propagated analytically through one run"
    formula = "Var w = 1 / (fan_in (nu + mu^2)), mu and nu the mean and variance of the layer's input"
    reference = "Bingham & Miikkulainen 2023, AutoInit: analytic signal-preserving weight initialization (2109.08958)"
    needs = ("run",)
    elsewhere = MappingProxyType({"autoinit (cognizant-ai-labs)": "for Keras; truncated normal unless told"})

    distribution: str = "normal"

    def __post_init__(self) -> None:
        if self.distribution not in ("normal", "truncated_normal", "uniform"):
            raise GoodinitError(
                f"autoinit(distribution={self.distribution}): distribution must be normal, truncated_normal or uniform"
            )

    def prepare(self, structure: Structure, probe: Probe | None = None) -> tuple[Assignment, ...]:
        """The analytic variance on every weight that the run met."""
        found = input_moments(self.ran(structure))
        made = []
        for each in EveryWeight(Normal()).prepare(structure):
            parameter = structure[each.name]
            if each.because == "init" and parameter.role in MULTIPLYING:
                moments = found.get(each.name)
                caution = None
                if moments is None:
                    moments, caution = (
                        InputMoments(0.0, 1.0),
                        "the batch did not use it: its input counts as standardised",
                    )
                elif not moments.known:
                    caution = "what reaches it came through a function without a rule, and counts as standardised"
                square = moments.square if moments.square > 0 else 1.0
                std = same_everywhere(1 / math.sqrt(max(parameter.target.fan_in, 1) * square))
                each = replace(each, initializer=self._drawn(std), activation=None, caution=caution)
            made.append(each)
        return tuple(made)

    def _drawn(self, std: float) -> Initializer:
        if self.distribution == "uniform":
            bound = same_everywhere(std * math.sqrt(3))
            return Uniform(low=-bound, high=bound)
        if self.distribution == "truncated_normal":
            return TruncatedNormal(std=same_everywhere(std / _CUT))
        return Normal(std=std)


def input_moments(structure: Structure) -> dict[str, InputMoments]:
    """By a weight's name the moments of what reaches it; of several uses those of the largest mean square."""
    trace = structure.trace
    assert trace is not None
    tables = {each.name: each for each in EveryWeight(Normal()).prepare(structure)}

    def of_layer(index: int) -> float:
        parameter = structure[trace.calls[index].weight]
        said = tables[parameter.name].initializer
        if parameter.role in ("embedding", "tied embedding") and said is not None and not parameter.lazy:
            return said.expected_variance(parameter.target)
        return 1.0

    found: dict[str, InputMoments] = {}
    for call, moments in zip(trace.calls, moments_of(trace.forms, of_layer), strict=False):
        for name in {structure[name].name for name in call.parameters}:
            if name not in found or moments.square > found[name].square:
                found[name] = moments
    return found
