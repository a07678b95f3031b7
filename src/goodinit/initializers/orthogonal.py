"""Orthogonal initializers: matrices that keep the length of what passes through them."""

from __future__ import annotations

import math
from contextlib import nullcontext
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np

from goodinit.initializers.matrices import Float64s, MatrixInitializer, centre
from goodinit.threads import blas_threads
from goodinit.weights import Weight

__all__ = ["DeltaOrthogonal", "Orthogonal"]

_SMALL: Final = 4096  # numbers of a matrix up to which OpenBLAS takes one thread by itself


def haar(normals: Float64s) -> Float64s:
    """Matrices with orthonormal rows or columns, whichever are fewer, uniformly distributed, from normal ones.

    `normals` has the shape (count, rows, columns), and so has the result. The factor Q of a QR decomposition is
    uniform (Haar) only where R's diagonal is positive, which LAPACK does not see to: the columns of Q take the
    signs of that diagonal. `copysign`, since the sign of 0 is 0 and would wipe a column out.

    Source: Mezzadri 2007, "How to generate random matrices from the classical compact groups".
    """
    wide = normals.shape[1] < normals.shape[2]
    size = math.prod(normals.shape[1:])
    with blas_threads(2.0 * size) if size > _SMALL else nullcontext():  # threads meet at every column
        q, r = np.linalg.qr(normals.swapaxes(1, 2) if wide else normals)
    q *= np.copysign(1.0, np.diagonal(r, axis1=1, axis2=2))[:, None, :]
    return q.swapaxes(1, 2) if wide else q


@dataclass(frozen=True)
class Orthogonal(MatrixInitializer):
    """Orthogonal matrices, uniformly distributed: all singular values are `gain`.

    Each group and each part is a matrix of its own: of an LSTM's four gates, each has all its singular values equal.
    Where a matrix is not square, its fewer rows or columns are orthonormal. A convolution's matrix is
    (out, in * kernel), from a patch to a point; a transposed one's is (out * kernel, in), from a point to a patch,
    so that it keeps lengths where its stride is at least its kernel. A weight with fewer than two axes becomes random
    signs, times gain. QR runs in float64 whatever the dtype; its last bits are the linear algebra library's.

    >>> from goodinit.weights import Weight
    >>> w = Orthogonal(gain=2).draw(Weight.linear("W1", 3, 5), 0)
    >>> bool(np.allclose(w.T @ w, 4 * np.eye(3)))
    True
    """

    name = "orthogonal"
    summary = "random orthogonal matrix, each gate and group alone; all singular values are the gain"
    formula = "W'W = gain^2 I or WW' = gain^2 I, W uniform (Haar); Var w = gain^2 / max(rows, columns)"
    reference = "Saxe, McClelland & Ganguli 2014; the sign of R's diagonal: Mezzadri 2007"
    activations = ("linear", "tanh")
    elsewhere = MappingProxyType(
        {
            "PyTorch": "one matrix for packed gates and for all groups; sign(0) = 0; fails in half precision",
            "Keras": "one (u, 4u) matrix for an LSTM's gates, so that a gate's singular values are below 1",
            "JAX": "one matrix a tensor, fails in half precision; Flax keeps a tensor a gate, and so draws each alone",
        }
    )
    follows = "gain"

    gain: float = 1.0

    def __post_init__(self) -> None:
        self._check_number("gain", above=0)

    def _normals(self, shape: tuple[int, ...]) -> int:
        return math.prod(shape)

    def _fill(self, weight: Weight, stack: Float64s, normals: Float64s) -> None:
        stack[...] = self.gain * orthogonal_stack(weight, stack.shape, normals)

    def _sums(self, weight: Weight, shape: tuple[int, ...]) -> tuple[float, float]:
        rows, columns = flat(weight, shape)
        return 0.0, float(self.gain) ** 2 * shape[0] * min(rows, columns)


def orthogonal_stack(weight: Weight, shape: tuple[int, ...], normals: Float64s) -> Float64s:
    """Haar matrices in the shape (count, out, in, *kernel), from as many normals; singular values 1."""
    count, _, into, *kernel = shape
    rows, columns = flat(weight, shape)
    matrices = haar(normals.reshape(count, rows, columns))
    if weight.kind != "conv_transpose":
        return matrices.reshape(shape)
    return np.moveaxis(matrices.reshape(count, shape[1], *kernel, into), -1, 2)


def flat(weight: Weight, shape: tuple[int, ...]) -> tuple[int, int]:
    """The rows and columns of the matrix that a kernel is."""
    _, out, into, *kernel = shape
    taps = math.prod(kernel)
    return (out * taps, into) if weight.kind == "conv_transpose" else (out, into * taps)


@dataclass(frozen=True)
class DeltaOrthogonal(MatrixInitializer):
    """An orthogonal matrix at the kernel's centre and zero elsewhere: the convolution keeps lengths exactly.

    The centre is (k - 1) // 2 along each axis. It takes at least as many outputs as inputs in each group, for the
    columns to be orthonormal; a layer without a kernel is all centre.

    Raises GoodinitError for a weight with fewer outputs than inputs, or of a bilinear layer.
    """

    name = "delta_orthogonal"
    summary = "orthogonal at the kernel's centre, zero elsewhere: a convolution that keeps lengths"
    formula = "W[:, :, centre] = gain Q, Q'Q = I (Haar), centre = (k - 1) // 2; the rest 0"
    reference = "Xiao, Bahri, Sohl-Dickstein, Schoenholz & Pennington 2018, Dynamical isometry and CNNs"
    activations = ("linear", "tanh")
    elsewhere = MappingProxyType({"PyTorch": "none", "Keras": "none", "JAX": "the same, but groups are not told apart"})
    follows = "gain"

    gain: float = 1.0

    def __post_init__(self) -> None:
        self._check_number("gain", above=0)

    def _check(self, weight: Weight, shape: tuple[int, ...]) -> None:
        self._check_kernel(weight)
        _, out, into, *_ = shape
        if out < into:
            found = f"a matrix of it has {out} outputs for {into} inputs"
            raise self._refuse(weight, found, "give it at least as many outputs as inputs, or use orthogonal")

    def _normals(self, shape: tuple[int, ...]) -> int:
        return math.prod(shape[:3]) if 0 not in shape else 0

    def _fill(self, weight: Weight, stack: Float64s, normals: Float64s) -> None:
        centre(stack)[...] = self.gain * haar(normals.reshape(stack.shape[:3]))

    def _sums(self, weight: Weight, shape: tuple[int, ...]) -> tuple[float, float]:
        return 0.0, float(self.gain) ** 2 * shape[0] * shape[2]
