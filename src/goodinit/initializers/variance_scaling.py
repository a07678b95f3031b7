"""The one family behind LeCun, Glorot, He and PyTorch's default: a variance of scale / fan, in three distributions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from goodinit import activations, theory
from goodinit.initializers.base import Initializer, same_everywhere
from goodinit.streams import Law, Stream
from goodinit.weights import Weight

__all__ = [
    "FanScaled",
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "LecunNormal",
    "LecunUniform",
    "PytorchLinear",
    "VarianceScaling",
]

MODES: Final = ("fan_in", "fan_out", "fan_avg", "fan_geo_avg")
DISTRIBUTIONS: Final = ("normal", "uniform", "truncated_normal")
TRUNCATED_STD: Final = 0.87962566103423978  # std of N(0, 1) cut at +-2: sqrt(1 - 4 phi(2) / (2 Phi(2) - 1))


def fan(fans: tuple[float, float], mode: str) -> float:
    """The fan by that mode of (fan in, fan out): in, out, their mean, or their geometric mean."""
    fan_in, fan_out = fans
    if mode == "fan_in":
        return fan_in
    if mode == "fan_out":
        return fan_out
    if mode == "fan_avg":
        return (fan_in + fan_out) / 2
    return math.sqrt(fan_in * fan_out)


@lru_cache
def squared_gain(activation: str) -> float:
    """gain^2 of the activation by quadrature, 1 / E[phi(z)^2]; 2 for ReLU."""
    return same_everywhere(theory.gain(activation) ** 2)


@dataclass(frozen=True)
class FanScaled(Initializer):
    """Draws with mean 0 and variance scale / fan. Subclasses say the scale, the mode and the distribution."""

    _mode: ClassVar[str] = "fan_in"
    _distribution: ClassVar[str] = "normal"

    def _scale(self, units: float) -> float:
        """What is divided by the fan, `units`."""
        return 1.0

    def _rule(self) -> tuple[str, str]:
        """The mode and the distribution."""
        return self._mode, self._distribution

    def _variances(self, weight: Weight) -> list[float]:
        """The variance of each part of the weight; of the one matrix where nothing is packed."""
        units = [fan(fans, self._rule()[0]) for fans in weight.part_fans]
        return [self._scale(each) / each if each > 0 else 0.0 for each in units]

    def expected_variance(self, weight: Weight) -> float:
        variances = self._variances(weight)
        sizes = weight.parts or (1,)
        return sum(size * v for size, v in zip(sizes, variances, strict=True)) / (sum(sizes) or 1)

    def elements(self, weight: Weight, stream: Stream, start: int, stop: int) -> NDArray[np.float64]:
        stds: Sequence[float] = [math.sqrt(variance) for variance in self._variances(weight)]
        std = stds[0] if len(set(stds)) == 1 else weight.spread(stds, start, stop)
        distribution = self._rule()[1]
        if distribution == "normal":
            return std * stream.normal(weight.name, start, stop)
        if distribution == "uniform":
            limit = math.sqrt(3) * std
            return limit * (2 * stream.uniform(weight.name, start, stop) - 1)
        return std / TRUNCATED_STD * stream.truncated_normal(weight.name, -2.0, 2.0, start, stop)

    def law(self, weight: Weight) -> Law | None:
        variances = set(self._variances(weight))
        if len(variances) != 1:
            return None  # parts of different fans
        std = math.sqrt(variances.pop())
        distribution = self._rule()[1]
        if distribution == "normal":
            return Law("normal", std)
        if distribution == "uniform":
            return Law("centred", math.sqrt(3) * std)
        return Law("truncated_normal", std / TRUNCATED_STD, None, -2.0, 2.0)


@dataclass(frozen=True)
class VarianceScaling(FanScaled):
    """Variance scale / fan, with the fan and the distribution to choose; the truncated one keeps its variance.

    `bias_variance` is that of the biases, which are drawn normally with it where the network draws its own.
    """

    name = "variance_scaling"
    summary = "variance scale / fan, with the fan and the distribution to choose"
    formula = "Var w = scale / fan"
    reference = "He et al. 2015, eq. 10; the general form is TensorFlow's VarianceScaling"
    elsewhere = MappingProxyType(
        {
            "PyTorch": "none",
            "Keras": "the same, but normal means truncated (untruncated_normal is not); no fan_geo_avg",
            "JAX": "the same, with fan_geo_avg",
        }
    )

    choices = MappingProxyType({"mode": MODES, "distribution": DISTRIBUTIONS})

    scale: float = 1.0
    mode: str = "fan_in"
    distribution: str = "normal"
    bias_variance: float = 0.0

    def __post_init__(self) -> None:
        self._check_number("scale", above=0)
        self._check_number("bias_variance", low=0)
        self._check_choices()

    def _scale(self, units: float) -> float:
        return float(self.scale)

    def _rule(self) -> tuple[str, str]:
        return self.mode, self.distribution

    def bias_std(self) -> float:
        return math.sqrt(self.bias_variance)


@dataclass(frozen=True)
class LecunNormal(FanScaled):
    """Normal with variance 1 / fan_in: a linear layer keeps the variance of its input."""

    name = "lecun_normal"
    summary = "normal, variance 1 / fan_in"
    formula = "Var w = 1 / fan_in"
    reference = "LeCun, Bottou, Orr & Mueller 1998, Efficient BackProp, sec. 4.6"
    activations = ("linear", "tanh", "selu")
    elsewhere = MappingProxyType({"PyTorch": "none", "Keras": "truncated normal", "JAX": "truncated normal"})


@dataclass(frozen=True)
class LecunUniform(FanScaled):
    """Uniform with variance 1 / fan_in: a linear layer keeps the variance of its input."""

    name = "lecun_uniform"
    summary = "uniform, variance 1 / fan_in"
    formula = "w ~ U(+-sqrt(3 / fan_in)), Var w = 1 / fan_in"
    reference = LecunNormal.reference
    activations = LecunNormal.activations
    elsewhere = MappingProxyType({"PyTorch": "none", "Keras": "the same", "JAX": "the same"})
    _distribution = "uniform"


@dataclass(frozen=True)
class _Glorot(FanScaled):
    _mode = "fan_avg"
    follows = "gain"

    gain: float = 1.0

    def __post_init__(self) -> None:
        self._check_number("gain", above=0)

    def _scale(self, units: float) -> float:
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
class _He(FanScaled):
    follows = "activation"
    choices = MappingProxyType({"mode": MODES})

    activation: str = "relu"
    mode: str = "fan_in"

    def __post_init__(self) -> None:
        object.__setattr__(self, "activation", activations.get(self.activation).name)
        self._check_choices()

    def _scale(self, units: float) -> float:
        return squared_gain(self.activation)

    def _rule(self) -> tuple[str, str]:
        return self.mode, self._distribution


@dataclass(frozen=True)
class HeNormal(_He):
    """Normal with variance gain^2 / fan_in, 2 / fan_in for ReLU: a layer keeps the mean square of its input.

    The gain is the activation's own, 1 / sqrt(E[phi(z)^2]) for z ~ N(0, 1), by quadrature; PyTorch's table has
    other values for tanh and selu, and none for gelu, silu, elu and mish.

    >>> round(HeNormal(activation="tanh").expected_variance(Weight.linear("W1", 100, 10)), 6)
    0.025362
    """

    name = "he_normal"
    aliases = ("kaiming_normal",)
    summary = "normal, variance gain^2 / fan_in: 2 / fan_in for ReLU"
    formula = "Var w = gain^2 / fan_in, gain^2 = 1 / E[phi(z)^2], 2 for ReLU"
    reference = "He, Zhang, Ren & Sun 2015, eq. 10"
    activations = ("relu",)
    elsewhere = MappingProxyType(
        {
            "PyTorch": "kaiming_normal_ defaults to leaky_relu with slope 0: the same; other gains from a table "
            "(tanh 5/3), not by quadrature, and none for gelu, silu, elu, mish",
            "Keras": "truncated normal; no gain",
            "JAX": "truncated normal; no gain",
            "Lasagne, MLX": "gain 1 by default",
            "MXNet": "MSRAPrelu: fan_avg, slope 0.25",
        }
    )


@dataclass(frozen=True)
class HeUniform(_He):
    """Uniform with variance gain^2 / fan_in, 2 / fan_in for ReLU; the gain as for `HeNormal`."""

    name = "he_uniform"
    aliases = ("kaiming_uniform",)
    summary = "uniform, variance gain^2 / fan_in: 2 / fan_in for ReLU"
    formula = "w ~ U(+-gain sqrt(3 / fan_in)), gain^2 = 1 / E[phi(z)^2], 2 for ReLU"
    reference = HeNormal.reference
    activations = HeNormal.activations
    elsewhere = MappingProxyType({"PyTorch": "kaiming_uniform_, the same", "Keras": "the same", "JAX": "the same"})
    _distribution = "uniform"


@dataclass(frozen=True)
class PytorchLinear(FanScaled):
    """Uniform between +-1 / sqrt(fan_in): what PyTorch's Linear and Conv layers start from, biases too.

    PyTorch writes it as `kaiming_uniform_(a=sqrt(5))`, an accident of history: its variance is 1 / (3 fan_in), a
    sixth of what ReLU needs. Thirty ReLU layers of it shrink a signal to a standard deviation of 1e-12.
    """

    name = "pytorch_linear"
    aliases = ("pytorch_default",)
    summary = "PyTorch's default for linear and convolution layers; too small for depth"
    formula = "w ~ U(+-1 / sqrt(fan_in)), Var w = 1 / (3 fan_in)"
    reference = "PyTorch, torch.nn.Linear.reset_parameters; in no paper"
    elsewhere = MappingProxyType(
        {
            "PyTorch": "kaiming_uniform_(a=sqrt(5)), the default of Linear and Conv, biases too",
            "Keras": "none; Glorot uniform is the default",
            "JAX": "none; LeCun normal is Flax's default",
        }
    )
    _distribution = "uniform"

    def _scale(self, units: float) -> float:
        return 1 / 3
