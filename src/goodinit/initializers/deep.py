"""Initializers that theory makes for deep networks: the activation, the width or the place decides the variance."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

from goodinit import activations, theory
from goodinit.initializers.base import same_everywhere
from goodinit.initializers.critical_table import CRITICAL
from goodinit.initializers.variance_scaling import DISTRIBUTIONS, FanScaled

__all__ = ["EdgeOfChaos", "RandomWalk", "Siren"]

_NOWHERE = MappingProxyType({"PyTorch": "none", "Keras": "none", "JAX": "none"})


@lru_cache
def _critical_weight_variance(activation: str, bias_variance: float) -> float:
    kept = CRITICAL.get(activation) if bias_variance == 0 else None
    return kept or same_everywhere(theory.critical_weight_variance(activation, bias_variance=bias_variance))


@dataclass(frozen=True)
class EdgeOfChaos(FanScaled):
    """Variance on the critical line of mean-field theory, chi_1 = 1: signals and gradients travel furthest in depth.

    `bias_variance` is that of the biases, which are drawn normally with it where the network draws its own.

    >>> from goodinit.weights import Weight
    >>> EdgeOfChaos(activation="tanh", bias_variance=0.01).expected_variance(Weight.linear("W", 1, 1))
    1.42420529049

    Raises GoodinitError for an activation that has no critical point at that bias variance.
    """

    name = "edge_of_chaos"
    summary = "the critical weight variance of any activation, where depth costs a signal least"
    formula = "Var w = sigma_w^2 / fan_in with chi_1 = sigma_w^2 E[phi'(sqrt(q*) z)^2] = 1"
    reference = "Poole et al. 2016; Schoenholz, Gilmer, Ganguli & Sohl-Dickstein 2017, Deep Information Propagation"
    elsewhere = _NOWHERE
    follows = "activation"
    choices = MappingProxyType({"distribution": DISTRIBUTIONS})

    activation: str = "tanh"
    bias_variance: float = 0.0
    distribution: str = "normal"

    def __post_init__(self) -> None:
        object.__setattr__(self, "activation", activations.get(self.activation).name)
        self._check_number("bias_variance", low=0)
        self._check_choices()
        self._scale(1)  # refuses what has no critical point now, not at the first weight

    def _scale(self, units: float) -> float:
        return _critical_weight_variance(self.activation, float(self.bias_variance))

    def _rule(self) -> tuple[str, str]:
        return self._mode, self.distribution

    def bias_std(self) -> float:
        return math.sqrt(self.bias_variance)


@dataclass(frozen=True)
class RandomWalk(FanScaled):
    """Normal with the gain that keeps the logarithm of the norm, not its square, in narrow deep networks.

    The width in the formula is the weight's fan in.
    """

    name = "random_walk"
    summary = "normal with a gain a little above He's, so that the typical norm of a deep network stays"
    formula = "Var w = g^2 / fan_in; relu g = sqrt(2) exp(1.2 / (max(N, 6) - 2.4)), linear g = exp(1 / (2 N))"
    reference = "Sussillo & Abbott 2014, Random walk initialization for training very deep feedforward networks"
    activations = ("relu", "linear")
    elsewhere = _NOWHERE
    follows = "activation"
    choices = MappingProxyType({"activation": activations})

    activation: str = "relu"

    def __post_init__(self) -> None:
        self._check_choices()

    def _scale(self, units: float) -> float:
        return same_everywhere(theory.random_walk_gain(self.activation, width=max(1, round(units))) ** 2)


@dataclass(frozen=True)
class Siren(FanScaled):
    """Uniform for layers of sin(frequency * z): pre-activations after the first layer are standard normal.

    `first` is for the first layer, U(+-1 / fan_in) on inputs in [-1, 1]; the others are
    U(+-sqrt(6 / fan_in) / frequency).
    """

    name = "siren"
    summary = "uniform for networks of sines; the first layer apart"
    formula = "w ~ U(+-sqrt(6 / fan_in) / frequency), first layer U(+-1 / fan_in); the activation is sin(frequency z)"
    reference = "Sitzmann, Martel, Bergman, Lindell & Wetzstein 2020, SIREN, sec. 3.2 and theorem 1.8"
    activations = ("sine(frequency=30)",)
    elsewhere = _NOWHERE
    _distribution = "uniform"

    first: bool = False
    frequency: float = 30.0

    def __post_init__(self) -> None:
        self._check_number("frequency", above=0)
        self._check_choices()

    def _scale(self, units: float) -> float:
        return 1 / (3 * units) if self.first else 2 / float(self.frequency) ** 2
