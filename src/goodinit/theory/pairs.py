"""Expectations of functions of two correlated Gaussian numbers, exact where they are nearly equal.

For u1, u2 ~ N(0, q) with correlation c = 1 - delta, write u1, u2 = sqrt(q) (a x +- b y) with x, y independent,
a^2 = 1 - delta / 2 and b^2 = delta / 2. What is integrated is (f(u1) - f(u2))^2 / 2, small as delta is small, so that
1 - c keeps all its digits however near c is to 1; E[f(u1) f(u2)] is E[f(u)^2] less it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from goodinit.activations import Array
from goodinit.theory.quadrature import legendre

__all__ = ["half_square_difference"]

Float64s = NDArray[np.float64]
_REACH: Final = 8.7  # exp(-8.7^2 / 2) is 4e-17
_NODES: Final = 12
_PANELS: Final = 8  # of equal width within reach, for the Gaussian
_FINEST: Final = 2.0**-8  # the smallest step of the trapezoidal rule
_STEEP: Final = 12.0  # the standard deviation from which an activation is held for a step
_CHUNK: Final = 1 << 18  # numbers of an intermediate array, so that it stays in cache


def half_square_difference(f: Callable[[Array], Array], q: float, delta: float, breaks: Sequence[float]) -> float:
    """E[(f(u1) - f(u2))^2] / 2 for u1, u2 ~ N(0, q) with correlation 1 - delta, 0 <= delta <= 2.

    `breaks` are the points where f is not analytic. Without any, the trapezoidal rule converges exponentially, unless q
    is so large that f looks like a step at 0; then, and with breaks, the plane is cut along the lines where u1 or u2
    passes such a point.
    """
    if delta == 0:
        return 0.0
    a, b = math.sqrt(q * (1 - delta / 2)), math.sqrt(q * delta / 2)
    found = None if breaks else _trapezoid(f, a, b)
    return _cut(f, a, b, breaks or (0.0,)) if found is None else found


def _trapezoid(f: Callable[[Array], Array], a: float, b: float) -> float | None:
    """The integral, or None where f is too steep for equal steps, and does not oscillate."""
    scale, z = math.hypot(a, b), np.linspace(-_REACH, _REACH, 4097)
    values, density = f(scale * z), np.exp(-0.5 * z * z)
    if scale > _STEEP:
        rises = np.diff(values)
        rises = np.sign(rises[np.abs(rises) > 1e-9 * np.abs(values).max()])
        if np.count_nonzero(rises[1:] != rises[:-1]) < 8:
            return None
    size = float(density @ values**2)
    turns = math.sqrt(float(density @ np.gradient(values, z) ** 2) / size) if size > 0 else 0.0
    before, step = math.inf, max(_FINEST, 1 / max(4.0, turns))  # a fast oscillation must not slip between the points
    while True:
        count = math.ceil(_REACH / step)
        x = step * np.arange(-count, count + 1)
        y = step * np.arange(1, count + 1)  # symmetric in y, and 0 at y = 0
        px, py = (step / math.sqrt(2 * math.pi) * np.exp(-0.5 * t * t) for t in (x, y))
        total, rows = 0.0, max(1, _CHUNK // y.size)
        for at in range(0, x.size, rows):
            ax = a * x[at : at + rows, None]
            total += float(px[at : at + rows] @ ((f(ax + b * y) - f(ax - b * y)) ** 2 @ py))
        # Halving the step squares the error of this rule, so the last figure is good to the square of this.
        if abs(total - before) <= 1e-7 * total or step <= _FINEST:
            return total
        before, step = total, max(_FINEST, step / 2)


def _outer_edges(a: float, b: float, breaks: Sequence[float]) -> Float64s:
    """Panels in x: about unit steps, and finer towards the crossings of two cuts, near which the rest varies faster."""
    edges = [np.linspace(-_REACH, _REACH, _PANELS * 2 + 1)]
    reach = 2.0 ** np.arange(-2, 60) * (min(b, 2.0) / a if a > 0 else math.inf)
    steps = np.concatenate([[0.0], reach[reach < _REACH]])
    for i, first in enumerate(breaks):
        for second in breaks[i:]:
            crossing = (first + second) / 2
            if abs(crossing) < a * _REACH:
                edges += [crossing / a + steps, crossing / a - steps]
    joined = np.unique(np.concatenate(edges))
    return joined[np.abs(joined) <= _REACH]


def _cut(f: Callable[[Array], Array], a: float, b: float, breaks: Sequence[float]) -> float:
    nodes, weights = legendre(_NODES)
    outer = _outer_edges(a, b, breaks)
    wide = np.diff(outer)
    x = (outer[:-1, None] + wide[:, None] * nodes).ravel()
    px = (wide[:, None] * weights).ravel() * np.exp(-0.5 * x * x) / (2 * math.pi)
    fixed = np.linspace(0.0, _REACH, _PANELS + 1)
    # About a cut f varies on the scale of 1 in u, and ever more slowly away from it.
    away = 1.5 * 3.0 ** np.arange(0, 30) / b
    steps = np.concatenate([[0.0], *((s, -s) for s in away[away < _REACH])])
    panels = fixed.size - 1 + len(breaks) * steps.size
    total, rows = 0.0, max(1, _CHUNK // (panels * _NODES))
    for at in range(0, x.size, rows):
        ax = a * x[at : at + rows]
        cuts = [np.clip((np.abs(point - ax) / b)[:, None] + steps, 0.0, _REACH) for point in breaks]
        inner = np.sort(np.concatenate([np.broadcast_to(fixed, (ax.size, fixed.size)), *cuts], axis=1), axis=1)
        tall = np.diff(inner, axis=1)[:, :, None]
        y = inner[:, :-1, None] + tall * nodes
        by, middle = b * y, ax[:, None, None]
        square = (f(middle + by) - f(middle - by)) ** 2 * np.exp(-0.5 * y * y)
        total += float(px[at : at + rows] @ ((square @ weights) * tall[:, :, 0]).sum(axis=1))
    return total
