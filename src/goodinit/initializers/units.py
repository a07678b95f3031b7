"""What a measurement gives weights and biases unit by unit: another initializer's weights times gains, and numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from goodinit.initializers.base import Initializer
from goodinit.streams import Stream
from goodinit.weights import Weight

__all__ = ["GainByUnit", "GivenValues"]


@dataclass(frozen=True)
class GainByUnit(Initializer):
    """Another initializer's weights, those of each output unit times a gain of its own; `gains` has one for each."""

    name = "gain_by_unit"
    summary = "another initializer's weights times one gain for each output unit, as measured on a batch"
    formula = "w[unit] = gain[unit] * of"
    reference = "Salimans & Kingma 2016"

    inner: Initializer
    gains: tuple[float, ...]

    def _gain(self, weight: Weight, start: int, stop: int) -> NDArray[np.float64]:
        """The gain of each element in C order."""
        elements = np.arange(start, stop)

        def place(axis: int) -> NDArray[Any]:
            return np.asarray(elements // math.prod(weight.shape[axis + 1 :]) % weight.shape[axis])

        unit, size = place(weight.out_axis), weight.shape[weight.out_axis]
        if size != len(self.gains):  # a group's units only, as in a transposed convolution: its inputs tell the group
            unit = unit + size * (place(weight.in_axis) * weight.groups // weight.shape[weight.in_axis])
        gains: NDArray[np.float64] = np.asarray(self.gains, dtype=np.float64)[unit]
        return gains

    def elements(self, weight: Weight, stream: Stream, start: int, stop: int) -> NDArray[np.float64]:
        return self._gain(weight, start, stop) * self.inner.elements(weight, stream, start, stop)

    def expected_mean(self, weight: Weight) -> float:
        return float(np.mean(self.gains)) * self.inner.expected_mean(weight)

    def expected_variance(self, weight: Weight) -> float:
        square = self.inner.expected_variance(weight) + self.inner.expected_mean(weight) ** 2
        return float(np.mean(np.square(self.gains))) * square - self.expected_mean(weight) ** 2

    def caution(self, weight: Weight) -> str | None:
        return self.inner.caution(weight)

    def __str__(self) -> str:
        return f"{self.inner} times {_range(self.gains)} by unit"


@dataclass(frozen=True)
class GivenValues(Initializer):
    """Numbers, one for each element."""

    name = "given_values"
    summary = "numbers as measured on a batch"
    formula = "b[unit] = value[unit]"
    reference = "Salimans & Kingma 2016"

    values: tuple[float, ...]

    def elements(self, weight: Weight, stream: Stream, start: int, stop: int) -> NDArray[np.float64]:
        return np.asarray(self.values[start:stop], dtype=np.float64)

    def expected_mean(self, weight: Weight) -> float:
        return float(np.mean(self.values)) if self.values else 0.0

    def expected_variance(self, weight: Weight) -> float:
        return float(np.var(self.values)) if self.values else 0.0

    def __str__(self) -> str:
        return f"{_range(self.values)} by unit"


def _range(values: tuple[float, ...]) -> str:
    return f"{min(values, default=0):.4g} to {max(values, default=0):.4g}"
