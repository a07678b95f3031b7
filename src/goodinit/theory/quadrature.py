"""Expectations of functions of one Gaussian number, to about 1e-14 of their scale.

The line is cut into panels: at the kinks, where the function would spoil a rule of high order; at unit steps, for
the Gaussian; and finer about 0 when the standard deviation is large, since activations turn there. Each panel is
integrated by 24 Gauss-Legendre nodes, once whole and once in halves; where the two differ the panel is bisected. So
a kink that nobody told of is found and closed in on, at the price of a few dozen more evaluations.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from goodinit.activations import Activation, Array
from goodinit.errors import GoodinitError

__all__ = ["expectation", "integrate", "legendre", "singular_points"]

Float64s = NDArray[np.float64]
_NODES: Final = 24
_UNIT: Final = np.concatenate([np.arange(13.0), [15.0, 18.0, 22.0, 28.0, 38.0]])  # exp(-38^2 / 2) is 1e-314
_GRADED: Final = np.concatenate([[0.5, 1.0, 2.0, 3.0, 4.0], 6.0 * 2.0 ** np.arange(0, 40)])
_TOLERANCE: Final = 5e-16  # how much a panel and its halves may differ, as a part of the whole integral
_DEEPEST: Final = 48  # bisections: a jump is closed in to 1e-14
_MOST_PANELS: Final = 4096  # at one depth; a function that needs more is noise
_ROUGH: Final = 12  # a panel bisected that often holds a point where the function is not smooth


@functools.cache
def legendre(count: int) -> tuple[Float64s, Float64s]:
    """Nodes and weights of Gauss-Legendre quadrature on [0, 1]."""
    nodes, weights = np.polynomial.legendre.leggauss(count)
    return (nodes + 1) / 2, weights / 2


def _panels(f: Callable[[Float64s], Float64s], low: Float64s, width: Float64s) -> Float64s:
    nodes, weights = legendre(_NODES)
    with np.errstate(over="ignore", invalid="ignore"):  # refused below
        values = f((low[:, None] + width[:, None] * nodes).ravel()).reshape(low.size, _NODES)
    if not np.isfinite(values).all():
        raise GoodinitError("the activation is not finite everywhere; it must be, for every real number")
    return (values @ weights) * width


def integrate(
    f: Callable[[Float64s], Float64s], edges: Float64s, tolerance: float = _TOLERANCE
) -> tuple[float, list[float]]:
    """The integral of f over the panels between `edges`, and points where f is not smooth, the best located first."""
    low, width = edges[:-1], np.diff(edges)
    whole = _panels(f, low, width)
    total, scale, rough = 0.0, 0.0, []
    for depth in range(_DEEPEST + 1):
        half = width / 2
        lows = np.stack([low, low + half])
        parts = _panels(f, lows.ravel(), np.tile(half, 2)).reshape(2, -1)
        both = parts.sum(axis=0)
        scale = max(scale, float(np.abs(both).sum()))
        open_ = np.abs(both - whole) > tolerance * scale
        if depth == _DEEPEST or open_.sum() > _MOST_PANELS:
            open_[:] = False
        total += float(both[~open_].sum())
        if depth >= _ROUGH:
            rough += [float(x) for x in (low + half)[~open_]]  # later ones are the middles of narrower panels
        if not open_.any():
            break
        low, width, whole = lows[:, open_].ravel(), np.tile(half[open_], 2), parts[:, open_].ravel()
    return total, rough[::-1]


def expectation(
    f: Callable[[Float64s], Float64s],
    std: float = 1.0,
    kinks: Sequence[float] = (),
    tolerance: float = _TOLERANCE,
) -> float:
    """E[f(u)] for u ~ N(0, std^2), std > 0; f maps an array to an array and may have kinks, best told of.

    Raises GoodinitError where the expectation is infinite or f is not finite.
    """
    graded = _GRADED / std
    ends = np.array([kink / std for kink in kinks if abs(kink) < _UNIT[-1] * std])
    graded = graded[graded < _UNIT[-1]]
    edges = np.unique(np.concatenate([-_UNIT, _UNIT, -graded, graded, ends]))

    def weighted(z: Float64s) -> Float64s:
        density: Float64s = np.exp(-0.5 * z * z) / np.sqrt(2 * np.pi)
        return f(std * z) * density

    total, _ = integrate(weighted, edges, tolerance)
    outermost = _panels(weighted, edges[[0, -2]], np.diff(edges)[[0, -1]])
    if np.abs(outermost).max() > 1e-12 * abs(total):
        raise GoodinitError("the activation grows so fast that its mean square under a Gaussian is infinite")
    return total


def singular_points(activation: Activation) -> tuple[float, ...]:
    """Where the activation is not analytic within [-32, 32]: its kinks, and any found that it does not tell of.

    A kink of the second derivative, as softsign's at 0, counts: it too spoils a rule of high order.
    """
    offset = 0.381966  # no kink that a person writes down sits on an edge, where it would go unnoticed
    edges = np.unique(np.concatenate([np.arange(-32.0, 33.0) + offset, [k for k in activation.kinks if abs(k) < 32]]))

    def test(u: Array) -> Array:
        return (activation.derivative(u) + activation.value(u)) * np.exp(-0.5 * (u / 8) ** 2)

    found = list(activation.kinks)
    for point in integrate(test, edges)[1]:
        if all(abs(point - other) > 1e-2 for other in found):
            found.append(0.0 if abs(point) < 1e-4 else point)  # a mild kink is not closed in on further
    return tuple(sorted(found))
