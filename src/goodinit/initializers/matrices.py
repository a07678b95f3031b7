"""What the initializers share that make a weight's matrices as a whole, not element by element."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from goodinit.errors import GoodinitError
from goodinit.initializers.base import Initializer
from goodinit.streams import Stream
from goodinit.weights import Weight

__all__ = ["MatrixInitializer"]

Float64s = NDArray[np.float64]


@dataclass(frozen=True)
class MatrixInitializer(Initializer):
    """Fills every independent matrix of a weight alone: each group of a convolution, each part of a packed weight.

    The matrices come in stacks of shape (count, out, in, *kernel), as `Weight.stacks` gives them, so that a weight
    means the same in every layout. A weight with fewer than two axes is a stack of 1 x 1 matrices. A slice is cut
    from the whole.
    """

    whole = True

    def elements(self, weight: Weight, stream: Stream, start: int, stop: int) -> Float64s:
        """The elements start <= i < stop of the weight in C order, one-dimensional, in float64."""
        shapes = weight.stack_shapes
        for shape in shapes:
            self._check(weight, shape)
        ends = np.cumsum([self._normals(shape) for shape in shapes])
        normals = np.empty(0)
        if ends[-1]:
            if start:
                stream.normal(weight.name, start, start)  # no number, but a sequential stream refuses slices here
            normals = stream.normal(weight.name, 0, int(ends[-1]))
        whole = np.zeros(weight.shape)
        for stack, own in zip(weight.stacks(whole), np.split(normals, ends[:-1]), strict=True):
            if stack.size:
                self._fill(weight, stack, own)
        return whole.reshape(-1)[start:stop]

    def expected_mean(self, weight: Weight) -> float:
        """The expected mean of an element of the weight."""
        return self._moments(weight)[0]

    def expected_variance(self, weight: Weight) -> float:
        """The expected variance of an element of the weight about `expected_mean`, over all its elements."""
        mean, square = self._moments(weight)
        return max(square - mean * mean, 0.0)

    def _moments(self, weight: Weight) -> tuple[float, float]:
        """The expected mean and mean square of an element."""
        total = squares = 0.0
        for shape in weight.stack_shapes:
            self._check(weight, shape)
            if 0 not in shape:
                sums = self._sums(weight, shape)
                total, squares = total + sums[0], squares + sums[1]
        return total / max(weight.size, 1), squares / max(weight.size, 1)

    def _check(self, weight: Weight, shape: tuple[int, ...]) -> None:
        """Refuse a weight that has no such matrix; `shape` is one of its stacks'."""

    def _normals(self, shape: tuple[int, ...]) -> int:
        """How many standard normals a stack of that shape takes."""
        return 0

    @abstractmethod
    def _fill(self, weight: Weight, stack: Float64s, normals: Float64s) -> None:
        """Fill a stack of zeros; it has at least one element."""

    @abstractmethod
    def _sums(self, weight: Weight, shape: tuple[int, ...]) -> tuple[float, float]:
        """The expected sum of a stack's elements and of their squares."""

    def _refuse(self, weight: Weight, found: str, advice: str) -> GoodinitError:
        return GoodinitError(f"{self} cannot fill weight {weight.name!r} of shape {weight.shape}: {found}; {advice}")

    def _check_kernel(self, weight: Weight) -> None:
        """Refuse the weight of a layer that multiplies its inputs, where a kernel's centre has no meaning."""
        if weight.kind == "bilinear":
            raise self._refuse(weight, "a bilinear layer has no kernel", "use orthogonal or a scaled distribution")


def centre(stack: Float64s) -> Float64s:
    """The matrices (count, out, in) at the kernel's centre, (k - 1) // 2 along each axis, as a view."""
    return stack[(..., *((size - 1) // 2 for size in stack.shape[3:]))]


def diagonal(stack: Float64s, value: float | Float64s) -> None:
    """Write `value`, a number or a kernel, on the main diagonal of each matrix of a stack (count, out, in, ...)."""
    units = np.arange(min(stack.shape[1:3]))
    stack[:, units, units] = value
