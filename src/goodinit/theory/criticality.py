"""Where gradients neither vanish nor explode: the critical line, and where on it variances stand still too."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from goodinit.activations import Activation
from goodinit.arguments import check_number
from goodinit.errors import GoodinitError
from goodinit.theory.arguments import check_activation
from goodinit.theory.fixed_points import mean_field
from goodinit.theory.maps import derivative_moment, is_homogeneous, jumps, second_moment, variance_slope

__all__ = [
    "CriticalPoint",
    "critical_line",
    "critical_point",
    "critical_weight_variance",
    "half_stable_critical_point",
]

Float64s = NDArray[np.float64]
_GRID: Final = np.geomspace(1e-8, 1e9, 121)  # variances looked at
_NEAR: Final = 1e-12  # relative to q: a difference below this is not told from 0
_MARGINAL: Final = 1e-4  # a slope of the variance map that near to 1: a thousand layers and more make no difference


@dataclass(frozen=True)
class CriticalPoint:
    """A point of the critical line: the two variances, and the variance of the pre-activations at depth."""

    weight_variance: float
    bias_variance: float
    q_star: float


def critical_weight_variance(activation: str | Activation, *, bias_variance: float = 0.0) -> float:
    """The weight variance at which chi_1 = weight_variance E[phi'(u)^2] = 1, u ~ N(0, q_star).

    On the critical line a small difference between inputs, and a gradient, keep their size through depth.
    `bias_variance` is the variance of a bias; weight variances are fan_in times the variance of a weight. For linear,
    ReLU and leaky ReLU it is 1 / E[phi'(u)^2] for any bias variance, though with biases their q_star is inf.

    Only points count whose q_star networks come to from variance 1, as `mean_field` has it, or where the variance map
    is within 1e-4 of slope 1, so that no network is deep enough to leave. tanh and its kind have one for every bias
    variance; gelu, silu and mish only from some bias variance on (0.173 for gelu); softplus none.

    Raises GoodinitError for an unknown activation, a negative bias variance, or where there is no such point.

    >>> round(critical_weight_variance("tanh", bias_variance=0.01), 7)
    1.4242053
    >>> round(critical_weight_variance("relu"), 12)
    2.0

    Source: Poole et al. 2016 (chi_1); Schoenholz et al. 2017 (critical line); Hayou et al. 2019 (edge of chaos).
    """
    return critical_point(activation, bias_variance=bias_variance).weight_variance


def critical_point(activation: str | Activation, *, bias_variance: float = 0.0) -> CriticalPoint:
    """The point of the critical line with that bias variance, with its q_star; see `critical_weight_variance`.

    >>> critical_point("tanh")
    CriticalPoint(weight_variance=1.0, bias_variance=0.0, q_star=0.0)
    """
    found = _continuous(activation)
    sb2 = check_number("bias_variance", bias_variance, low=0)
    point = _point(found, sb2, _biases(found))
    if point is None:
        raise GoodinitError(
            f"{found} has no critical weight variance at bias_variance={sb2:g} that networks come to from variance 1; "
            "try a larger bias variance, or half_stable_critical_point"
        )
    return point


def critical_line(activation: str | Activation, bias_variances: ArrayLike) -> Float64s:
    """The critical weight variance for each of an array of bias variances, an array of the same shape.

    nan stands where there is none. Raises GoodinitError for an unknown activation or a negative bias variance.

    >>> critical_line("tanh", [0.001, 0.1]).round(7)
    array([1.1891896, 1.9860726])
    """
    found, variances = _continuous(activation), np.asarray(bias_variances, dtype=np.float64)
    biases, line = _biases(found), np.full(variances.shape, math.nan)
    for at in np.ndindex(variances.shape):
        point = _point(found, check_number("bias_variances", float(variances[at]), low=0), biases)
        if point is not None:
            line[at] = point.weight_variance
    return line


def half_stable_critical_point(activation: str | Activation) -> CriticalPoint:
    """The point where both susceptibilities are 1: that of differences, chi_perp, and that of size, chi_par.

    chi_perp = sw2 E[phi'(u)^2] and chi_par = dV/dq = sw2 E[phi(u) phi'(u) u] / q, u ~ N(0, q). There the variance map
    touches the diagonal: variances on one side of q_star creep towards it and on the other away, hence half-stable.
    gelu, silu and mish have one; it is what criticality means for them. The map is so flat there that gelu's and
    silu's has a stable fixed point close by (3.035 beside gelu's 3.5616, 14.593 beside silu's 14.3202), which is where
    `mean_field` ends, and no network is deep enough to tell: between the two a layer changes the variance by less
    than 2 in a million.

    Raises GoodinitError where there is none: for linear, ReLU and leaky ReLU every variance is such a point, and for
    tanh and its kind only q = 0.

    >>> point = half_stable_critical_point("gelu")
    >>> round(point.weight_variance, 8), round(point.bias_variance, 8), round(point.q_star, 4)
    (1.98305826, 0.17292239, 3.5616)

    Source: Roberts, Yaida & Hanin 2022, The Principles of Deep Learning Theory, ch. 5; Hayou et al. 2019.
    """
    found = _continuous(activation)
    if is_homogeneous(found):
        raise GoodinitError(
            f"{found} keeps every variance at weight_variance {1 / derivative_moment(found, 1.0):g} without biases; no "
            "point is half-stable; use critical_weight_variance"
        )

    def difference(q: float) -> float:
        return 1 - variance_slope(found, q) / derivative_moment(found, q)

    for q in _roots(difference, np.array([difference(q) for q in _GRID]), _NEAR):
        sw2 = 1 / derivative_moment(found, q)
        sb2 = q - sw2 * second_moment(found, q)
        if sb2 >= 0:
            return CriticalPoint(sw2, sb2, q)
    raise GoodinitError(f"{found} has no half-stable critical point; use critical_weight_variance")


def _continuous(activation: str | Activation) -> Activation:
    """The activation, which must not jump: close inputs part without bound at a jump, at any weight variance."""
    found = check_activation(activation)
    if jumps(found):
        raise GoodinitError(
            f"{found} jumps, so that no weight variance is critical: close inputs part without bound; mean_field has "
            "its fixed points"
        )
    return found


def _bias(activation: Activation, q: float) -> float:
    """The bias variance with which q is a fixed point at the weight variance that is critical for it."""
    return q - second_moment(activation, q) / derivative_moment(activation, q)


def _biases(activation: Activation) -> Float64s:
    return np.array([_bias(activation, q) for q in _GRID])


def _point(activation: Activation, sb2: float, biases: Float64s) -> CriticalPoint | None:
    if is_homogeneous(activation):
        # chi_1 does not depend on q, and every q is fixed where it is 1.
        return CriticalPoint(1 / derivative_moment(activation, 1.0), sb2, 1.0 if sb2 == 0 else math.inf)
    for q in _roots(lambda q: _bias(activation, q) - sb2, biases - sb2, _NEAR * _GRID):
        sw2 = 1 / derivative_moment(activation, q)
        reached = mean_field(activation, weight_variance=sw2, bias_variance=sb2).q_star
        if math.isclose(reached, q, rel_tol=1e-6) or abs(sw2 * variance_slope(activation, q) - 1) < _MARGINAL:
            return CriticalPoint(sw2, sb2, q)
    slope = derivative_moment(activation, 0.0)
    vanishing = sb2 < _NEAR and second_moment(activation, 0.0) == 0 < slope
    if vanishing and mean_field(activation, weight_variance=1 / slope).q_star == 0:
        return CriticalPoint(1 / slope, sb2, 0.0)
    return None


def _roots(f: Callable[[float], float], values: Float64s, near: float | Float64s) -> list[float]:
    """The zeros of f that its values on the grid tell apart, in increasing order; below `near` a value is noise."""
    from scipy import optimize

    clear = np.abs(values) > near
    grid, values = _GRID[clear], values[clear]
    changes = np.flatnonzero(values[:-1] * values[1:] < 0)
    return [float(optimize.brentq(f, grid[i], grid[i + 1], xtol=1e-300, rtol=1e-14)) for i in changes]
