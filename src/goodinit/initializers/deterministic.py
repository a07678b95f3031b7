"""Initializers from papers that leave chance out: sine waves, and identities with Hadamard matrices."""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from goodinit.initializers.matrices import Float64s, MatrixInitializer, centre, diagonal
from goodinit.initializers.structured import unequal
from goodinit.weights import Weight

__all__ = ["Sinusoidal", "ZeroHadamard"]


@dataclass(frozen=True)
class Sinusoidal(MatrixInitializer):
    """Each unit's weights are a sine wave of its own frequency and phase, scaled to Glorot's variance.

    W[i, j] = a sin(2 pi i j / n + 2 pi i / m) for unit i of m and input j of n, both counted from 1, a kernel's taps
    among the inputs; a makes the variance of each matrix 2 / (fan_in + fan_out). There is no chance in it: every
    seed gives the same values. The authors' published code counts j from 0, which turns each row by one place, and
    divides by the channels out + in * kernel, where a convolution's fan_out has the kernel too.

    Frequencies above n / 2 repeat the lower ones, so that the rank is about half of full where the matrix is square:
    for m = n = 64 it is 31, and units 32 and 64 have no weight but 0. `caution` says so for a weight.

    Raises GoodinitError where every element would be 0, as for a 1 x 1 or a 2 x 2 matrix.
    """

    name = "sinusoidal"
    summary = "a sine wave a unit, Glorot's variance, no chance; about half of full rank"
    formula = "W[i, j] = a sin(2 pi i j / n + 2 pi i / m), Var w = 2 / (fan_in + fan_out)"
    reference = "Fernandez-Hernandez, Mestre, Dolz, Duato & Quintana-Orti 2025, Sinusoidal Initialization"
    elsewhere = MappingProxyType({"PyTorch": "none", "Keras": "none", "JAX": "none"})

    def _check(self, weight: Weight, shape: tuple[int, ...]) -> None:
        if 0 not in shape and _rank(*_matrix(shape)) == 0:
            m, n = _matrix(shape)
            found = f"the sines of a {m} x {n} matrix are all 0"
            raise self._refuse(weight, found, "use glorot_normal for so small a layer, zeros for a bias")

    def _fill(self, weight: Weight, stack: Float64s, normals: Float64s) -> None:
        stack[...] = self._amplitude(weight, stack.shape) * _waves(*_matrix(stack.shape)).reshape(stack.shape[1:])

    def _sums(self, weight: Weight, shape: tuple[int, ...]) -> tuple[float, float]:
        m, n = _matrix(shape)
        amplitude, elements = self._amplitude(weight, shape), math.prod(shape)
        mean, square = _wave_moments(m, n)
        return elements * amplitude * mean, elements * amplitude**2 * square

    def _amplitude(self, weight: Weight, shape: tuple[int, ...]) -> float:
        m, n = _matrix(shape)
        fans = weight.part_fans[weight.parts.index(m) if len(set(weight.parts)) > 1 else 0]
        mean, square = _wave_moments(m, n)
        return math.sqrt(2 / (sum(fans) * (square - mean**2))) if sum(fans) else 0.0

    def caution(self, weight: Weight) -> str | None:
        """The rank where it is not full, and how many units have no weight but 0."""
        for shape in weight.stack_shapes:
            m, n = _matrix(shape)
            if 0 in shape or (rank := _rank(m, n)) == min(m, n):
                continue
            twice = 2 * np.arange(1, m + 1)
            silent = int(np.sum((twice % n == 0) & (twice % m == 0)))
            more = f"; {silent} of its units have no weight but 0" if silent else ""
            return f"a {m} x {n} matrix of it has rank {rank}{more}"
        return None


def _matrix(shape: tuple[int, ...]) -> tuple[int, int]:
    """Units, and inputs with the kernel's taps."""
    return shape[1], math.prod(shape[2:])


def _waves(m: int, n: int) -> Float64s:
    """sin(2 pi i j / n + 2 pi i / m), i = 1..m, j = 1..n: the turns are counted in integers, so that 0 is 0."""
    i, j = np.arange(1, m + 1)[:, None], np.arange(1, n + 1)
    turns = (i * j % n * m + i * n) % (m * n)  # of a circle of m n parts
    return np.where(2 * turns % (m * n) == 0, 0.0, np.sin(2 * np.pi / (m * n) * turns))


def _wave_moments(m: int, n: int) -> tuple[float, float]:
    """The mean and the mean square of the waves, by row: a row sums to 0 unless n divides i."""
    i = np.arange(1, m + 1)
    flat = np.sin(2 * np.pi / m * i)
    square = np.where(2 * i % n == 0, flat * flat, 0.5)  # at i = n, and at n / 2, which alternates
    return float(flat[i % n == 0].sum()) / m, float(square.mean())


def _rank(m: int, n: int) -> int:
    """The rank of the waves: rows of frequency i and n - i span at most two dimensions, by their phases."""
    i = np.arange(1, m + 1, dtype=np.int64)
    low = 2 * (i % n) <= n
    frequency = np.where(low, i % n, n - i % n)
    phase = np.where(low, 2 * i, -2 * i) % m  # in parts of half a circle, at which a row only changes its sign
    alone = 2 * frequency % n == 0  # no cosine there: a row is a multiple of one wave, or 0
    paired = np.unique(np.stack([frequency, phase])[:, ~alone], axis=1)
    _, phases = np.unique(paired[0], return_counts=True)
    return int(np.minimum(phases, 2).sum()) + len(np.unique(frequency[alone & (phase != 0)]))


@dataclass(frozen=True)
class ZeroHadamard(MatrixInitializer):
    """ZerO: zeros and ones only, up to a factor; the identity, or a Hadamard matrix where a layer widens.

    Algorithms 1 and 2 of the paper: the identity where outputs = inputs; its first rows where there are fewer outputs;
    c times the first columns of the Hadamard matrix H of 2^m rows where there are more, cut to the outputs, with
    m = ceil(log2(outputs)) and c = 2^-((m - 1) / 2). In a convolution that is the kernel's centre, (k - 1) // 2, and
    the rest is 0. The authors' published code has c = 2^(-m / 2): `gain` 0.7071 gives its widening layers. The
    Hadamard matrix keeps the units of a widening layer different, where a partial identity would leave training
    with a rank of at most the input's size (their theorem 1). The paper also sets the last layer and the last one of
    each residual branch to `zeros`. There is no chance in it: every seed gives the same values.

    >>> from goodinit.weights import Weight
    >>> ZeroHadamard().draw(Weight.linear("W1", 2, 4)).round(4).tolist()
    [[0.7071, 0.7071], [0.7071, -0.7071], [0.7071, 0.7071], [0.7071, -0.7071]]

    Raises GoodinitError for the weight of a bilinear layer.
    """

    name = "zero_hadamard"
    summary = "ZerO: the identity, or a Hadamard matrix where a layer widens; no chance"
    formula = "I; the first rows of I for fewer outputs; 2^-((m - 1) / 2) H, m = ceil(log2(out)), for more"
    reference = "Zhao, Schaefer & Anandkumar 2022, ZerO Initialization, algorithms 1 and 2"
    activations = ("relu",)
    elsewhere = MappingProxyType({"PyTorch": "none", "Keras": "none", "JAX": "none"})

    gain: float = 1.0

    def __post_init__(self) -> None:
        self._check_number("gain", above=0)

    def _check(self, weight: Weight, shape: tuple[int, ...]) -> None:
        self._check_kernel(weight)

    def _fill(self, weight: Weight, stack: Float64s, normals: Float64s) -> None:
        out, into = stack.shape[1:3]
        if out <= into:
            diagonal(centre(stack), float(self.gain))
        else:
            centre(stack)[...] = self.gain * _scale(out) * _hadamard(out, into)

    def _sums(self, weight: Weight, shape: tuple[int, ...]) -> tuple[float, float]:
        count, out, into, *_ = shape
        if out <= into:
            return self.gain * count * out, self.gain**2 * count * out
        factor = self.gain * _scale(out)
        return factor * count * _hadamard_sum(out, into), factor**2 * count * out * into

    def caution(self, weight: Weight) -> str | None:
        """What the identity leaves out where a layer narrows."""
        if all(out >= into for _, out, into, *_ in weight.stack_shapes):
            return None
        return unequal(weight)


def _scale(out: int) -> float:
    return math.pow(2.0, -(_order(out) - 1) / 2)


def _order(out: int) -> int:
    """The smallest m with 2^m >= out."""
    return (out - 1).bit_length()


def _hadamard(out: int, into: int) -> Float64s:
    """The first rows and columns of Sylvester's matrix: element (i, j) is -1 to the number of ones in i and j."""
    common = np.arange(out)[:, None] & np.arange(into)
    return np.where(np.bitwise_count(common) & 1, -1.0, 1.0)


def _hadamard_sum(out: int, into: int) -> int:
    """The sum of those: of h rows, h a power of 2, all columns but the first are 0 in sum, up to the h-th."""
    if min(out, into) <= 1:
        return out * into
    half = 1 << (max(out, into) - 1).bit_length() - 1
    more, less = max(out, into) - half, min(out, into)
    if less <= half:
        return half + _hadamard_sum(more, less)
    return 3 * half - _hadamard_sum(more, less - half)
