"""An identity that is repeated to fill a matrix of any shape, with noise around it: what several methods start from."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from goodinit.initializers.base import Initializer
from goodinit.initializers.lookup import register
from goodinit.streams import Stream
from goodinit.weights import Weight

__all__ = ["PaddedIdentity"]


@dataclass(frozen=True)
class PaddedIdentity(Initializer):
    """`gain` where output i and input j agree modulo the smaller number of the two, plus normal noise.

    The noise has variance noise^2 / fan_in. In a kernel the identity lies at the centre. Every part and every group is
    a matrix of its own.

    >>> PaddedIdentity().draw(Weight.linear("W", 2, 3)).tolist()
    [[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]
    """

    name = "padded_identity"
    summary = "the identity, repeated to fill a matrix of any shape, plus normal noise"
    formula = "W[i, j] = gain if i = j modulo min(outputs, inputs), else 0; plus noise / sqrt(fan_in) z"
    reference = "Lee, Choi & Kim 2025 (tanh); Pan et al. 2025 (IDInit)"

    gain: float = 1.0
    noise: float = 0.0

    def __post_init__(self) -> None:
        self._check_number("gain", low=0)
        self._check_number("noise", low=0)

    def _pattern(self, weight: Weight, places: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Where the elements at these places lie on the repeated diagonal."""
        if len(weight.shape) < 2 or weight.kind == "elementwise":
            return np.ones(places.size, dtype=bool)
        at = np.unravel_index(places, weight.shape)
        out, into = at[weight.out_axis], at[weight.in_axis]
        outs: Any = weight.shape[weight.out_axis]
        ins = weight.shape[weight.in_axis]
        if weight.parts:
            sizes = np.asarray(weight.parts, dtype=np.intp)
            ends = np.cumsum(sizes)
            part = np.searchsorted(ends, out, side="right")
            out, outs = out - (ends - sizes)[part], sizes[part]
        elif weight.groups > 1 and weight.group_axis in (None, weight.out_axis):
            outs = outs // weight.groups
            out = out % outs
        elif weight.groups > 1:
            ins = ins // weight.groups
            into = into % ins
        least = np.maximum(np.minimum(outs, ins), 1)
        on: NDArray[np.bool_] = np.asarray(out % least == into % least)
        if weight.kind in ("conv", "conv_transpose"):
            for axis, size in enumerate(weight.shape):
                if axis not in (weight.out_axis, weight.in_axis):
                    on &= at[axis] == (size - 1) // 2
        return on

    def elements(self, weight: Weight, stream: Stream, start: int, stop: int) -> NDArray[np.float64]:
        """The elements start <= i < stop of the weight in C order."""
        values = np.where(self._pattern(weight, np.arange(start, stop)), float(self.gain), 0.0)
        if self.noise:
            values += self._spread(weight) * stream.normal(weight.name, start, stop)
        return values

    def _spread(self, weight: Weight) -> float:
        return float(self.noise) / math.sqrt(max(weight.fan_in, 1))

    def _share(self, weight: Weight) -> float:
        ones: float = sum(count * max(out, into) for count, out, into, *_ in weight.stack_shapes if out and into)
        return ones / max(weight.size, 1)

    def expected_mean(self, weight: Weight) -> float:
        """The expected mean of an element."""
        return self.gain * self._share(weight)

    def expected_variance(self, weight: Weight) -> float:
        """The expected variance of an element."""
        share = self._share(weight)
        return float(self.gain) ** 2 * share * (1 - share) + self._spread(weight) ** 2


register((PaddedIdentity,), listed=False)
