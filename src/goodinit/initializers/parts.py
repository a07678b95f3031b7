"""An initializer whose weights are scaled for some of the output units: the values of packed queries, keys, values."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from goodinit.errors import GoodinitError
from goodinit.initializers.base import Initializer
from goodinit.initializers.lookup import get, register
from goodinit.streams import Stream
from goodinit.weights import Weight

__all__ = ["ScaledUnits"]


@dataclass(frozen=True)
class ScaledUnits(Initializer):
    """Another initializer's weights, times `gain` for the output units start <= i < stop of each range in `units`.

    >>> weight = Weight.linear("qkv", 2, 6)
    >>> w = ScaledUnits("ones", 0.5, ((4, 6),)).draw(weight)
    >>> w[:, 0].tolist()
    [1.0, 1.0, 1.0, 1.0, 0.5, 0.5]
    """

    name = "scaled_units"
    summary = "another initializer's weights, times a gain for some of the output units"
    formula = "w = gain * of for the units in the ranges, w = of for the others"
    reference = "none of its own: what methods scale of a packed weight"

    of: str | Initializer = "he_normal"
    gain: float = 1.0
    units: tuple[tuple[int, int], ...] = ()
    inner: Initializer = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._check_number("gain", low=0)
        inner = get(self.of)
        object.__setattr__(self, "of", str(inner))
        object.__setattr__(self, "inner", inner)
        try:
            units = tuple((int(start), int(stop)) for start, stop in self.units)
        except (TypeError, ValueError) as error:
            raise GoodinitError(f"scaled_units(units={self.units!r}): give ranges such as [[4, 6]]") from error
        object.__setattr__(self, "units", units)

    def _gains(self, weight: Weight) -> NDArray[np.float64]:
        """The gain of each output unit."""
        count = weight.shape[weight.out_axis]
        gains = np.ones(count)
        for start, stop in self.units:
            if not 0 <= start <= stop <= count:
                raise GoodinitError(f"{self}: weight {weight.name!r} has {count} output units, no range {start}-{stop}")
            gains[start:stop] = self.gain
        return gains

    def elements(self, weight: Weight, stream: Stream, start: int, stop: int) -> NDArray[np.float64]:
        """The elements start <= i < stop of the weight in C order."""
        below = int(np.prod(weight.shape[weight.out_axis + 1 :]))
        unit = np.arange(start, stop) // max(below, 1) % max(weight.shape[weight.out_axis], 1)
        return self._gains(weight)[unit] * self.inner.elements(weight, stream, start, stop)

    def expected_mean(self, weight: Weight) -> float:
        """The expected mean over all units."""
        return float(self._gains(weight).mean()) * self.inner.expected_mean(weight)

    def expected_variance(self, weight: Weight) -> float:
        """The expected variance over all units."""
        mean = self.inner.expected_mean(weight)
        square = self.inner.expected_variance(weight) + mean * mean
        own = self.expected_mean(weight)
        return float((self._gains(weight) ** 2).mean()) * square - own * own

    def caution(self, weight: Weight) -> str | None:
        """That of the other initializer."""
        return self.inner.caution(weight)

    def bias_std(self) -> float:
        """That of the other initializer."""
        return self.inner.bias_std()


register((ScaledUnits,), listed=False)
