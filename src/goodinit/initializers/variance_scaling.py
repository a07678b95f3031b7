"""The one family behind LeCun, Glorot and He: a variance of scale / fan, in three distributions."""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from goodinit.initializers.base import Initializer
from goodinit.streams import Stream
from goodinit.weights import Weight

__all__ = [
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "LecunNormal",
    "LecunUniform",
    "VarianceScaling",
]

MODES: Final = ("fan_in", "fan_out", "fan_avg", "fan_geo_avg")
DISTRIBUTIONS: Final = ("normal", "uniform", "truncated_normal")
TRUNCATED_STD: Final = 0.87962566103423978  # std of N(0, 1) cut at +-2: sqrt(1 - 4 phi(2) / (2 Phi(2) - 1))


def fan(weight: Weight, mode: str) -> float:
    """The fan of the weight by that mode: in, out, their mean, or their geometric mean."""
    if mode == "fan_in":
        return weight.fan_in
    if mode == "fan_out":
        return weight.fan_out
    if mode == "fan_avg":
        return (weight.fan_in + weight.fan_out) / 2
    return math.sqrt(weight.fan_in * weight.fan_out)


@dataclass(frozen=True)
class _Scaled(Initializer):
    """Draws with mean 0 and variance `_scale()` / fan. Subclasses say the scale, the mode and the distribution."""

    _mode: ClassVar[str] = "fan_in"
    _distribution: ClassVar[str] = "normal"

    def _scale(self) -> float:
        return 1.0

    def _rule(self) -> tuple[str, str]:
        return self._mode, self._distribution

    def expected_variance(self, weight: Weight) -> float:
        units = fan(weight, self._rule()[0])
        return self._scale() / units if units > 0 else 0.0

    def elements(self, weight: Weight, stream: Stream, start: int, stop: int) -> NDArray[np.float64]:
        std = math.sqrt(self.expected_variance(weight))
        distribution = self._rule()[1]
        if distribution == "normal":
            return std * stream.normal(weight.name, start, stop)
        if distribution == "uniform":
            limit = math.sqrt(3) * std
            return limit * (2 * stream.uniform(weight.name, start, stop) - 1)
        return std / TRUNCATED_STD * stream.truncated_normal(weight.name, -2.0, 2.0, start, stop)


@dataclass(frozen=True)
class VarianceScaling(_Scaled):
    """Variance scale / fan, with the fan and the distribution to choose; the truncated one keeps its variance."""

    name = "variance_scaling"
    summary = "variance scale / fan, with the fan and the distribution to choose"
    formula = "Var w = scale / fan"
    reference = "He et al. 2015, eq. 10; the general form is TensorFlow's VarianceScaling"
    elsewhere = MappingProxyType({"Keras": "same options", "JAX": "same options and fan_geo_avg"})

    scale: float = 1.0
    mode: str = "fan_in"
    distribution: str = "normal"

    def __post_init__(self) -> None:
        self._check_number("scale", above=0)
        self._check_choice("mode", MODES)
        self._check_choice("distribution", DISTRIBUTIONS)

    def _scale(self) -> float:
        return float(self.scale)

    def _rule(self) -> tuple[str, str]:
        return self.mode, self.distribution


@dataclass(frozen=True)
class LecunNormal(_Scaled):
    """Normal with variance 1 / fan_in: a linear layer keeps the variance of its input."""

    name = "lecun_normal"
    summary = "normal, variance 1 / fan_in"
    formula = "Var w = 1 / fan_in"
    reference = "LeCun, Bottou, Orr & Mueller 1998, Efficient BackProp, sec. 4.6"
    activations = ("linear", "tanh", "selu")
    elsewhere = MappingProxyType({"PyTorch": "none", "Keras": "truncated normal", "JAX": "truncated normal"})


@dataclass(frozen=True)
class LecunUniform(_Scaled):
    """Uniform with variance 1 / fan_in: a linear layer keeps the variance of its input."""

    name = "lecun_uniform"
    summary = "uniform, variance 1 / fan_in"
    formula = "w ~ U(+-sqrt(3 / fan_in)), Var w = 1 / fan_in"
    reference = LecunNormal.reference
    activations = LecunNormal.activations
    elsewhere = MappingProxyType({"PyTorch": "none", "Keras": "the same", "JAX": "the same"})
    _distribution = "uniform"


@dataclass(frozen=True)
class _Glorot(_Scaled):
    _mode = "fan_avg"

    gain: float = 1.0

    def __post_init__(self) -> None:
        self._check_number("gain", above=0)

    def _scale(self) -> float:
        return float(self.gain) ** 2


@dataclass(frozen=True)
class GlorotNormal(_Glorot):
    """Normal with variance 2 gain^2 / (fan_in + fan_out): a compromise between forward and backward."""

    name = "glorot_normal"
    aliases = ("xavier_normal",)
    summary = "normal, variance 2 / (fan_in + fan_out)"
    formula = "Var w = 2 gain^2 / (fan_in + fan_out)"
    reference = "Glorot & Bengio 2010, eq. 12"
    activations = ("linear", "tanh", "softsign")
    elsewhere = MappingProxyType(
        {"PyTorch": "xavier_normal_, the same", "Keras": "truncated normal", "JAX": "truncated normal"}
    )


@dataclass(frozen=True)
class GlorotUniform(_Glorot):
    """Uniform with variance 2 gain^2 / (fan_in + fan_out): a compromise between forward and backward."""

    name = "glorot_uniform"
    aliases = ("xavier_uniform",)
    summary = "uniform, variance 2 / (fan_in + fan_out)"
    formula = "w ~ U(+-gain sqrt(6 / (fan_in + fan_out)))"
    reference = "Glorot & Bengio 2010, eq. 16"
    activations = GlorotNormal.activations
    elsewhere = MappingProxyType({"PyTorch": "xavier_uniform_, the same", "Keras": "the same", "JAX": "the same"})
    _distribution = "uniform"


@dataclass(frozen=True)
class _He(_Scaled):
    def _scale(self) -> float:
        return 2.0


@dataclass(frozen=True)
class HeNormal(_He):
    """Normal with variance 2 / fan_in: a ReLU layer keeps the mean square of its input."""

    name = "he_normal"
    aliases = ("kaiming_normal",)
    summary = "normal, variance 2 / fan_in"
    formula = "Var w = 2 / fan_in"
    reference = "He, Zhang, Ren & Sun 2015, eq. 10"
    activations = ("relu",)
    elsewhere = MappingProxyType(
        {
            "PyTorch": "kaiming_normal_ defaults to leaky_relu with slope 0: the same",
            "Keras": "truncated normal",
            "JAX": "truncated normal",
        }
    )


@dataclass(frozen=True)
class HeUniform(_He):
    """Uniform with variance 2 / fan_in: a ReLU layer keeps the mean square of its input."""

    name = "he_uniform"
    aliases = ("kaiming_uniform",)
    summary = "uniform, variance 2 / fan_in"
    formula = "w ~ U(+-sqrt(6 / fan_in)), Var w = 2 / fan_in"
    reference = HeNormal.reference
    activations = HeNormal.activations
    elsewhere = MappingProxyType({"PyTorch": "kaiming_uniform_, the same", "Keras": "the same", "JAX": "the same"})
    _distribution = "uniform"
