"""Sparse weights: few connections a unit, the rest exactly zero."""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from goodinit.initializers.matrices import Float64s, MatrixInitializer
from goodinit.weights import Weight

__all__ = ["Sparse"]


@dataclass(frozen=True)
class Sparse(MatrixInitializer):
    """Normal weights of which every unit keeps the same number, chosen at random; the others are 0.

    `counts` says what `sparsity` is a share of: `zeros` as in PyTorch, or `nonzeros` as in Lasagne. The number is
    rounded to the nearest, and at least one connection stays unless all shall go: PyTorch rounds the zeros up, so
    that 0.9 of 5 rows leaves none. `per` says whose connections are counted: `output`, the incoming weights of a
    unit, as in the paper; `input`, the outgoing ones, as in PyTorch, which counts by columns of (out, in).
    """

    name = "sparse"
    summary = "normal, but every unit keeps few connections; the rest are exactly 0"
    formula = "k of the n weights of a unit ~ N(0, std^2), the rest 0; Var w = std^2 k / n"
    reference = "Martens 2010, Deep learning via Hessian-free optimization, sec. 5 (15 connections a unit)"
    elsewhere = MappingProxyType(
        {
            "PyTorch": "counts zeros per input (column of (out, in)), rounded up: may zero everything",
            "Lasagne": "counts nonzeros per output",
            "Keras": "none",
            "JAX": "none",
        }
    )

    choices = MappingProxyType({"counts": ("zeros", "nonzeros"), "per": ("output", "input")})

    sparsity: float = 0.9
    std: float = 0.01
    counts: str = "zeros"
    per: str = "output"

    def __post_init__(self) -> None:
        self._check_number("std", low=0)
        self._check_number("sparsity", low=0, high=1)
        self._check_choices()

    def _kept(self, connections: int) -> int:
        share = self.sparsity if self.counts == "nonzeros" else 1 - self.sparsity
        return max(round(share * connections), 1) if share > 0 and connections else 0

    def _normals(self, shape: tuple[int, ...]) -> int:
        return 2 * math.prod(shape)  # values, and numbers whose order chooses the connections

    def _axis(self, shape: tuple[int, ...]) -> tuple[tuple[int, int, int], int]:
        """The stack's shape as matrices (count, out, in * kernel), and the axis along which connections are counted."""
        count, out, *rest = shape
        return (count, out, math.prod(rest)), 2 if self.per == "output" else 1

    def _fill(self, weight: Weight, stack: Float64s, normals: Float64s) -> None:
        shape, axis = self._axis(stack.shape)
        values, lots = (half.reshape(shape) for half in np.split(normals, 2))
        order = np.argsort(lots, axis=axis, kind="stable").take(range(self._kept(shape[axis])), axis=axis)
        mask = np.zeros(shape)
        np.put_along_axis(mask, order, 1.0, axis=axis)
        stack[...] = (self.std * values * mask).reshape(stack.shape)

    def _sums(self, weight: Weight, shape: tuple[int, ...]) -> tuple[float, float]:
        flat, axis = self._axis(shape)
        return 0.0, float(self.std) ** 2 * math.prod(flat) * self._kept(flat[axis]) / flat[axis]

    def caution(self, weight: Weight) -> str | None:
        """That a unit is left without a connection, where sparsity asks for it."""
        return "every weight is 0" if weight.size and self.expected_variance(weight) == 0 and self.std else None
