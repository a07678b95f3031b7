"""Initializers that draw from one distribution whatever the weight's fans are."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from goodinit.errors import GoodinitError
from goodinit.initializers.base import Initializer, same_everywhere
from goodinit.streams import Law, Stream
from goodinit.weights import Weight

__all__ = ["Normal", "TruncatedNormal", "Uniform"]


@dataclass(frozen=True)
class Normal(Initializer):
    """Normal with a fixed mean and standard deviation, blind to the layer's size."""

    name = "normal"
    summary = "normal with a fixed standard deviation, blind to the layer's size"
    formula = "w ~ N(mean, std^2)"
    reference = "the classic experiment's too-large start is normal(std=10)"
    elsewhere = MappingProxyType({"PyTorch": "std 1", "Keras": "std 0.05", "JAX": "std 0.01"})

    std: float = 1.0
    mean: float = 0.0

    def __post_init__(self) -> None:
        self._check_number("std", low=0, alone=True)
        self._check_number("mean", alone=True)

    def expected_mean(self, weight: Weight) -> float:
        return float(self.mean)

    def expected_variance(self, weight: Weight) -> float:
        return float(self.std) * float(self.std)  # inf, not an error, where it overflows

    def elements(self, weight: Weight, stream: Stream, start: int, stop: int) -> NDArray[np.float64]:
        values = stream.normal(weight.name, start, stop) * self.std
        return values + self.mean if self.mean else values

    def law(self, weight: Weight) -> Law | None:
        return Law("normal", self.std, self.mean or None)


@lru_cache
def _truncated_moments(low: float, high: float) -> tuple[float, float]:
    """The mean and variance of a standard normal between low and high."""
    from scipy.stats import truncnorm  # takes half a second to import

    mean, variance = truncnorm.stats(low, high)
    return float(mean), float(variance)


@dataclass(frozen=True)
class TruncatedNormal(Initializer):
    """Normal, cut at two bounds: never an outlier, in any precision.

    `bounds` says what `low` and `high` are: `sigmas`, in standard deviations from the mean (Keras, JAX), or
    `absolute` (PyTorch), which cuts nothing off in practice where std is small. Cutting makes the realised deviation
    smaller than std, 0.8796 std at +-2 sigmas; `corrected` widens the normal that is cut so that the realised one
    is std, for bounds in sigmas.

    >>> from goodinit.weights import Weight
    >>> weight = Weight.linear("W", 10, 10)
    >>> round(TruncatedNormal().expected_variance(weight) ** 0.5, 4)
    0.8796
    >>> round(TruncatedNormal(corrected=True).expected_variance(weight) ** 0.5, 4)
    1.0
    """

    name = "truncated_normal"
    summary = "normal cut at bounds, in sigmas or absolute, its deviation corrected or not"
    formula = "w ~ N(mean, std^2) given low <= (w - mean) / std <= high, or low <= w <= high"
    reference = "Abadi et al. 2016 (TensorFlow's truncated_normal); drawn by the quantile function"
    elsewhere = MappingProxyType(
        {
            "PyTorch": "std 1, bounds absolute, +-2 by default: truncated_normal(bounds=absolute)",
            "Keras": "std 0.05, cut at 2 sigmas, not corrected",
            "JAX": "std 0.01, cut at 2 sigmas, not corrected",
        }
    )

    choices = MappingProxyType({"bounds": ("sigmas", "absolute")})

    std: float = 1.0
    mean: float = 0.0
    low: float = -2.0
    high: float = 2.0
    bounds: str = "sigmas"
    corrected: bool = False

    def __post_init__(self) -> None:
        self._check_number("std", above=0)
        for option in ("mean", "low", "high"):
            self._check_number(option)
        self._check_choices()
        if not self.low < self.high:
            raise GoodinitError(f"{self}: low must be below high; exchange them")
        if self.corrected and self.bounds == "absolute":
            raise GoodinitError(f"{self}: corrected goes with bounds=sigmas; absolute bounds leave nothing to widen")
        low, high = self._sigmas()
        if low > 37 or high < -37:
            raise GoodinitError(f"{self}: the bounds are more than 37 sigmas from the mean, where no normal falls")

    def _sigmas(self) -> tuple[float, float]:
        if self.bounds == "sigmas":
            return float(self.low), float(self.high)
        return (self.low - self.mean) / self.std, (self.high - self.mean) / self.std

    def _spread(self) -> float:
        """The deviation of the normal that is cut."""
        if not self.corrected:
            return float(self.std)
        return self.std / same_everywhere(math.sqrt(_truncated_moments(*self._sigmas())[1]))

    def expected_mean(self, weight: Weight) -> float:
        return self.mean + self._spread() * _truncated_moments(*self._sigmas())[0]

    def expected_variance(self, weight: Weight) -> float:
        return self._spread() ** 2 * _truncated_moments(*self._sigmas())[1]

    def elements(self, weight: Weight, stream: Stream, start: int, stop: int) -> NDArray[np.float64]:
        values = self._spread() * stream.truncated_normal(weight.name, *self._sigmas(), start, stop)
        values = values + self.mean if self.mean else values
        return np.clip(values, self.low, self.high) if self.bounds == "absolute" else values

    def law(self, weight: Weight) -> Law | None:
        if self.bounds == "absolute":
            return None
        return Law("truncated_normal", self._spread(), self.mean or None, *self._sigmas())


@dataclass(frozen=True)
class Uniform(Initializer):
    """Uniform on [low, high], blind to the layer's size."""

    name = "uniform"
    summary = "uniform between fixed bounds, blind to the layer's size"
    formula = "w ~ U(low, high)"
    reference = "LeCun, Bottou, Orr & Mueller 1998 (why the bound should depend on the fan in)"
    elsewhere = MappingProxyType({"PyTorch": "U(0, 1)", "Keras": "U(-0.05, 0.05)", "JAX": "U[0, 0.01)"})

    low: float = -1.0
    high: float = 1.0

    def __post_init__(self) -> None:
        self._check_number("low")
        self._check_number("high")
        if self.high < self.low:
            raise GoodinitError(f"{self}: low must not be above high; exchange them")

    def expected_mean(self, weight: Weight) -> float:
        return (self.low + self.high) / 2

    def expected_variance(self, weight: Weight) -> float:
        return (self.high - self.low) * (self.high - self.low) / 12

    def elements(self, weight: Weight, stream: Stream, start: int, stop: int) -> NDArray[np.float64]:
        return self.low + (self.high - self.low) * stream.uniform(weight.name, start, stop)

    def law(self, weight: Weight) -> Law | None:
        return Law("uniform", self.high - self.low, self.low)
