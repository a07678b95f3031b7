"""The simplest method: one initializer on every weight, and what the other parameters start from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from goodinit.initializers import Initializer, Normal, get
from goodinit.initializers.base import same_everywhere
from goodinit.methods.assignment import Assignment
from goodinit.methods.base import Method
from goodinit.methods.gains import following, with_gain
from goodinit.methods.probe import Probe
from goodinit.methods.scaling import scaled
from goodinit.structure import Parameter, Role, Structure

__all__ = ["DEFAULTS", "EveryWeight", "decided"]

DEFAULTS: Final[Mapping[Role, str]] = MappingProxyType(
    {
        "recurrent hidden": "orthogonal",  # a state passes through it at every step: lengths must last
        "embedding": "normal",  # a row is looked up, not summed: fan in 1, variance 1 behind what multiplies it
        "tied embedding": "lecun_normal",  # it multiplies in the output layer, whose logits then have variance 1
        "bias": "zeros",
        "gate bias": "forget_bias",
        "norm scale": "ones",
        "norm shift": "zeros",
        "norm offset": "zeros",  # (1 + w) times a normalized signal
        "position": "normal(std=0.02)",  # beside a signal of size 1, as in BERT and ViT
        "slope": "constant(value=0.25)",  # He et al. 2015, and PyTorch's
    }
)
"""What a role starts from unless a rule says another; all other weights take the initializer."""


@dataclass(frozen=True)
class EveryWeight(Method):
    """An initializer on every weight that multiplies; biases, norms, tables and others by their role."""

    name = "every_weight"
    summary = "one initializer on every weight; biases, norms and tables by their role"
    formula = "that of the initializer"
    reference = "that of the initializer"

    of: Initializer

    @property
    def base(self) -> Initializer:
        """The initializer itself."""
        return self.of

    def prepare(self, structure: Structure, probe: Probe | None = None) -> tuple[Assignment, ...]:
        """Each weight the initializer, with the gain of the activation behind it where that is left open."""
        return tuple(self._assigned(each, structure) for each in structure.parameters)

    def _assigned(self, parameter: Parameter, structure: Structure) -> Assignment:
        if parameter.role == "embedding" and (scale := _looked_up(parameter, structure)) != 1:
            return Assignment(parameter.name, Normal(std=same_everywhere(1 / scale)), "default")
        if parameter.role in DEFAULTS:
            return Assignment(parameter.name, get(DEFAULTS[parameter.role]), "default")
        return scaled(decided(parameter, structure, self.of, "init"), 1 / _gated(parameter, structure), "its gate")


def _looked_up(parameter: Parameter, structure: Structure) -> float:
    """What the model multiplies a table's rows by: a transformer's sqrt(width) would make its attention saturated."""
    calls = structure.trace.calls if structure.trace is not None else ()
    scales = (abs(call.output_scale) for call in calls if call.weight == parameter.name and call.kind == "embedding")
    scale = next(scales, 1.0)
    return scale if math.isfinite(scale) and scale > 0 else 1.0


def _gated(parameter: Parameter, structure: Structure) -> float:
    """What the model multiplies a gate by before its sigmoid, where that would saturate it; 1 for all others."""
    gates = [call for call in structure.calls_of(parameter.name) if call.activation in ("sigmoid", "hardsigmoid")]
    scale = max((abs(call.output_scale) for call in gates), default=1.0)
    return max(scale, 1.0) if math.isfinite(scale) else 1.0


def decided(parameter: Parameter, structure: Structure, initializer: Initializer, because: str) -> Assignment:
    """The assignment of an initializer to a weight, with the gain of what follows it."""
    if parameter.lazy or not structure.adapts:
        return Assignment(parameter.name, initializer, because)
    activation, caution = following(parameter, structure.trace)
    filled, further = with_gain(initializer, activation, initializer.given)
    if initializer.follows is None:
        caution = None  # its gain is the rule's own whatever follows
    return Assignment(parameter.name, filled, because, activation, further or caution)
