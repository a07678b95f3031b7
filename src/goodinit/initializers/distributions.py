"""Initializers that draw from one distribution whatever the weight's fans are."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from goodinit.errors import GoodinitError
from goodinit.initializers.base import Initializer
from goodinit.streams import Stream
from goodinit.weights import Weight

__all__ = ["Normal", "Uniform"]


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
        self._check_number("std", low=0)
        self._check_number("mean")

    def expected_mean(self, weight: Weight) -> float:
        return float(self.mean)

    def expected_variance(self, weight: Weight) -> float:
        return float(self.std) ** 2

    def elements(self, weight: Weight, stream: Stream, start: int, stop: int) -> NDArray[np.float64]:
        values = stream.normal(weight.name, start, stop) * self.std
        return values + self.mean if self.mean else values


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
        return (self.high - self.low) ** 2 / 12

    def elements(self, weight: Weight, stream: Stream, start: int, stop: int) -> NDArray[np.float64]:
        return self.low + (self.high - self.low) * stream.uniform(weight.name, start, stop)
