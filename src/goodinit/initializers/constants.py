"""Initializers without chance: every element is the same."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from goodinit.initializers.base import Initializer
from goodinit.streams import Stream
from goodinit.weights import Weight

__all__ = ["Constant", "Ones", "Zeros"]


@dataclass(frozen=True)
class _SameEverywhere(Initializer):
    def expected_mean(self, weight: Weight) -> float:
        raise NotImplementedError

    def expected_variance(self, weight: Weight) -> float:
        return 0.0

    def elements(self, weight: Weight, stream: Stream, start: int, stop: int) -> NDArray[np.float64]:
        return np.full(stop - start, self.expected_mean(weight))


@dataclass(frozen=True)
class Zeros(_SameEverywhere):
    """Every element 0: right for biases; in weights the units of a layer never become different."""

    name = "zeros"
    summary = "every element 0; units of a layer stay identical and learn nothing"
    formula = "w = 0"
    reference = "Rumelhart, Hinton & Williams 1986 (symmetry breaking)"

    def expected_mean(self, weight: Weight) -> float:
        return 0.0


@dataclass(frozen=True)
class Ones(_SameEverywhere):
    """Every element 1: right for the scales of normalizations; in weights the units stay identical."""

    name = "ones"
    summary = "every element 1; for the scale of a normalization"
    formula = "w = 1"
    reference = "Ioffe & Szegedy 2015 (the scale of batch normalization)"

    def expected_mean(self, weight: Weight) -> float:
        return 1.0


@dataclass(frozen=True)
class Constant(_SameEverywhere):
    """Every element `value`."""

    name = "constant"
    summary = "every element the same value"
    formula = "w = value"
    reference = "Rumelhart, Hinton & Williams 1986 (symmetry breaking)"

    value: float = 0.0

    def __post_init__(self) -> None:
        self._check_number("value")

    def expected_mean(self, weight: Weight) -> float:
        return float(self.value)
