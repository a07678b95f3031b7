"""Mean field at depth: the fixed points of the variance and correlation maps, and the depths they are reached in."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from goodinit.activations import Activation
from goodinit.arguments import check_count, check_number
from goodinit.errors import GoodinitError, shown
from goodinit.theory.arguments import check_activation
from goodinit.theory.maps import (
    complement_map,
    derivative_moment,
    is_homogeneous,
    jumps,
    pair_slope,
    second_moment,
    variance_map,
    variance_slope,
)
from goodinit.theory.quadrature import singular_points

__all__ = ["MeanField", "correlation_map", "mean_field"]

Float64s = NDArray[np.float64]
_EQUAL = 1e-13  # two numbers of order 1 are held equal within this: a few times the quadrature's error
_TANGENT = 1e-9  # a map that comes that close to the diagonal, relatively, without crossing it touches it
_NOISE = 1e-9  # of a slope that is a difference of maps
_MARGINAL = 1e-12  # a slope that near to 1 is 1


@dataclass(frozen=True)
class MeanField:
    """What an infinitely wide network does at depth, for one activation, weight and bias variance.

    `q_star` is the variance of the pre-activations that depth leads to from variance 1; 0 where signals vanish and
    inf where they explode. `chi_1`, weight_variance E[phi'(u)^2], u ~ N(0, q_star), is the factor by which one layer
    multiplies the mean square of a gradient, and the slope of the correlation map at c = 1: below 1 (`phase` ordered)
    all inputs become alike and gradients vanish, above 1 (chaotic) close inputs part and gradients explode.
    `c_star` is the correlation that any two different inputs tend to. `xi_q` and `xi_c` are the numbers of layers
    in which the distance to q_star and to c_star shrinks e-fold: inf at criticality, where it shrinks as a power
    of depth; 0 where one layer is enough. nan says that there is no such number: `xi_q` where q_star is inf; `c_star`
    and `xi_c` where q_star is 0 or inf, unless the activation is homogeneous (linear, ReLU, leaky ReLU).
    """

    activation: Activation
    weight_variance: float
    bias_variance: float
    q_star: float
    chi_1: float
    c_star: float
    xi_q: float
    xi_c: float

    def __repr__(self) -> str:
        facts = (f"{f.name}={getattr(self, f.name):.6g}" for f in fields(self) if f.name != "activation")
        return f"MeanField({self.activation}, {', '.join(facts)})"

    @property
    def phase(self) -> str:
        """`ordered` for chi_1 < 1, `critical` for chi_1 = 1 within 1e-9, `chaotic` for chi_1 > 1.

        `exploding` for chi_1 > 1 where q_star is inf, as for ReLU: there it is the signals' size that has no bound.
        """
        if self.chi_1 > 1 + 1e-9 and math.isinf(self.q_star):
            return "exploding"
        return "critical" if abs(self.chi_1 - 1) < 1e-9 else "ordered" if self.chi_1 < 1 else "chaotic"

    def variance_map(self, q: float) -> float:
        """The next layer's variance for this layer's variance `q`; see `goodinit.theory.variance_map`."""
        return variance_map(self.activation, q, weight_variance=self.weight_variance, bias_variance=self.bias_variance)

    def correlation_map(self, c: float) -> float:
        """The next layer's correlation of two inputs of correlation `c`, -1 <= c <= 1, both of variance q_star.

        c -> (weight_variance E[phi(u1) phi(u2)] + bias_variance) / q_star. Raises GoodinitError for c outside [-1, 1],
        or where q_star is 0 or inf and the activation is not homogeneous.
        """
        return 1.0 - self._complement()(1.0 - check_number("c", c, low=-1, high=1))

    def variances(self, depth: int, start: float = 1.0) -> Float64s:
        """The variances of the pre-activations of layers 0 to `depth`, an array (depth + 1,) that begins with `start`.

        Raises GoodinitError for a depth below 1 or a negative start.
        """
        q = [check_number("start", start, low=0)]
        for _ in range(check_count("depth", depth)):
            q.append(self.variance_map(q[-1]) if math.isfinite(q[-1]) else math.inf)
        return np.array(q)

    def correlations(self, depth: int, start: float = 0.0) -> Float64s:
        """The correlations of two inputs in layers 0 to `depth`, an array (depth + 1,) that begins with `start`.

        Both inputs have variance q_star throughout. Raises GoodinitError as `correlation_map`, and for a depth below 1.
        """
        return 1.0 - self.complements(depth, 1.0 - check_number("start", start, low=-1, high=1))

    def complements(self, depth: int, start: float = 1.0) -> Float64s:
        """1 - c in layers 0 to `depth`, to full relative precision however near c comes to 1, where `correlations`
        has lost its digits; `start` is 1 - c of layer 0, from 0 to 2.
        """
        delta, step = [check_number("start", start, low=0, high=2)], self._complement()
        for _ in range(check_count("depth", depth)):
            delta.append(min(2.0, step(delta[-1])))
        return np.array(delta)

    def _complement(self) -> Callable[[float], float]:
        q, bias_variance = self.q_star, self.bias_variance
        if q == 0 or math.isinf(q):
            if not is_homogeneous(self.activation) or self.weight_variance == 0:
                raise GoodinitError(
                    f"{self.activation} at weight_variance={self.weight_variance:g}, bias_variance={bias_variance:g} "
                    f"has q_star={q:g}, where a correlation is not defined; give goodinit.theory.correlation_map a q"
                )
            q, bias_variance = 1.0, 0.0  # no scale is special, and a bias is nothing beside an infinite signal
        return _complement(self.activation, q, self.weight_variance, bias_variance)


def _complement(
    activation: Activation, q: float, weight_variance: float, bias_variance: float
) -> Callable[[float], float]:
    breaks = singular_points(activation)
    scale = weight_variance / (weight_variance * second_moment(activation, q) + bias_variance)
    return lambda delta: complement_map(activation, delta, q, scale, breaks)


def mean_field(activation: str | Activation, *, weight_variance: float, bias_variance: float = 0.0) -> MeanField:
    """The fixed points and depth scales of a deep, infinitely wide network.

    q_star = sw2 E[phi(u)^2] + sb2 with u ~ N(0, q_star); chi_1 = sw2 E[phi'(u)^2];
    c_star = (sw2 E[phi(u1) phi(u2)] + sb2) / q_star at correlation c_star; 1 / xi_q = -ln(chi_1 + sw2 E[phi'' phi]);
    1 / xi_c = -ln(sw2 E[phi'(u1) phi'(u2)]) at c_star.

    `activation` is a name or an Activation; `weight_variance` (sw2) is fan_in times the variance of a weight, 2 for
    He and 1 for LeCun; `bias_variance` (sb2) is the variance of a bias.

    Of several fixed points of the variance, q_star is the first that is met from q = 1 in the direction in which the
    map moves q: for an increasing map, as all of the table have, the one that plain iteration from 1 tends to. It is
    found by bracketing, so it is as exact near criticality, where iteration crawls. A ReLU network has q_star = 0 for
    sw2 < 2 without biases and inf for sw2 > 2; at sw2 = 2 without biases every q is a fixed point, and q_star is 1.
    Beyond 1e12 a variance counts as infinite, below 1e-12 as 0. Of the correlation, c_star = 1 where chi_1 <= 1, and
    else the one fixed point in [0, 1), which attracts. Where the activation itself jumps (a step, a sign), close inputs
    part without bound: chi_1 is inf, and slopes are those of the maps, for no derivative tells of a jump.

    Raises GoodinitError for an unknown activation, a plain function, or a variance that is negative or not finite.

    >>> field = mean_field("tanh", weight_variance=2.5, bias_variance=0.05)
    >>> round(field.q_star, 5), round(field.chi_1, 5), round(field.c_star, 4), field.phase
    (1.06396, 1.13352, 0.4468, 'chaotic')
    >>> mean_field("relu", weight_variance=2.0).xi_c
    inf

    Source: Poole et al. 2016 (length and correlation maps, chi_1); Schoenholz et al. 2017 (depth scales).
    """
    found = check_activation(activation)
    sw2 = check_number("weight_variance", weight_variance, low=0)
    sb2 = check_number("bias_variance", bias_variance, low=0)
    q = _variance_fixed_point(lambda q: sw2 * second_moment(found, q) + sb2)
    if sw2 > 0 and jumps(found):
        return _with_a_jump(found, sw2, sb2, q)
    chi_1 = sw2 * derivative_moment(found, q)
    xi_q = math.nan if math.isinf(q) else _depth_scale(sw2 * variance_slope(found, q) if q > 0 else chi_1)
    c, xi_c = _correlation_fixed_point(found, q, sw2, sb2, chi_1)
    return MeanField(found, sw2, sb2, q, chi_1, c, xi_q, xi_c)


def _with_a_jump(activation: Activation, sw2: float, sb2: float, q: float) -> MeanField:
    """The mean field of an activation that jumps: the slopes are differences of the maps, which are exact."""
    if q == 0 or math.isinf(q):
        return MeanField(activation, sw2, sb2, q, math.inf, math.nan, math.nan, math.nan)
    step = _complement(activation, q, sw2, sb2)
    c, delta = _chaotic_fixed_point(step, math.inf)

    def slope(f: Callable[[float], float], at: float) -> float:
        h = 1e-4 * at
        found = (f(at + h) - f(at - h)) / (2 * h)
        return found if abs(found) > _NOISE else 0.0

    xi_c = _depth_scale(slope(lambda d: step(min(d, 2.0)), delta))
    xi_q = _depth_scale(slope(lambda v: sw2 * second_moment(activation, v) + sb2, q))
    return MeanField(activation, sw2, sb2, q, math.inf, c, xi_q, xi_c)


def _chaotic_fixed_point(step: Callable[[float], float], chi_1: float) -> tuple[float, float]:
    """c_star where close inputs part, and 1 - c_star."""
    from scipy import optimize

    if abs(step(1.0) - 1) <= _EQUAL:
        return 0.0, 1.0
    # In the root of delta: smooth for kinked activations too. At 0 the function is chi_1 - 1.
    low, start = 1e-9, 0.0 if math.isfinite(chi_1) else 1e-6
    root = float(
        optimize.brentq(lambda t: (step(t * t) / (t * t) if t > low else chi_1) - 1, start, 1.0, xtol=1e-14, rtol=1e-13)
    )
    return 1.0 - root * root, root * root


def _depth_scale(slope: float) -> float:
    """The number of layers in which a distance that each layer multiplies by `slope` shrinks e-fold."""
    size = abs(slope)
    return math.inf if size > 1 - _MARGINAL else 0.0 if size < 1e-300 else -1 / math.log(size)


def _variance_fixed_point(step: Callable[[float], float]) -> float:
    """The first fixed point from 1 in the direction of step(1) - 1; 0 or inf where there is none."""
    from scipy import optimize  # here, since it takes longer to import than all else

    def excess(q: float) -> float:
        return step(q) / q - 1

    first = excess(1.0)
    if abs(first) <= _EQUAL:
        return 1.0
    sign = math.copysign(1.0, first)
    before, here, there = (1.0, first), (1.0, first), (1.0, first)
    for k in range(1, 56):
        # Fine near 1, where fixed points usually are; then doubling up to 2^40.
        q = math.exp(sign * (0.25 * k if k <= 16 else 4 + math.log(2) * (k - 16)))
        before, here, there = here, there, (q, excess(q))
        if abs(there[1]) <= _EQUAL:
            if abs(here[1]) <= _EQUAL:
                break  # the map has run into the diagonal, towards 0 or infinity, and cannot be told from it
            continue
        if there[1] * sign < 0:
            clear = before if abs(here[1]) <= _EQUAL else here
            return float(optimize.brentq(excess, clear[0], q, xtol=1e-300, rtol=1e-15))
        if here[1] * sign < min(before[1] * sign, there[1] * sign) - _EQUAL and here[1] * sign < 0.1:
            # The map comes near to the diagonal and leaves again: two crossings may be close together, or one touch.
            low, high = sorted([before[0], q])
            nearest = optimize.minimize_scalar(
                lambda q: sign * excess(q), bounds=(low, high), method="bounded", options={"xatol": 1e-9 * high}
            )
            if nearest.fun <= -_EQUAL:
                return float(optimize.brentq(excess, before[0], float(nearest.x), xtol=1e-300, rtol=1e-15))
            if nearest.fun <= _TANGENT:
                return float(nearest.x)
        if not 1e-12 < q < 1e12:
            break
    return math.inf if sign > 0 else 0.0


def _correlation_fixed_point(
    activation: Activation, q: float, sw2: float, sb2: float, chi_1: float
) -> tuple[float, float]:
    """c_star and xi_c. The map's Taylor coefficients in c are not negative, so it crosses the diagonal once at most."""
    if q == 0 or math.isinf(q):
        if not is_homogeneous(activation) or sw2 == 0:
            return math.nan, math.nan
        # Sizes change from layer to layer, but the map of correlations is the same in each.
        q, sb2 = 1.0, 0.0
        chi_1 = derivative_moment(activation, 1.0) / second_moment(activation, 1.0)
        sw2 = 1 / second_moment(activation, 1.0)
    if chi_1 <= 1 + _MARGINAL:
        return 1.0, _depth_scale(chi_1)
    c, delta = _chaotic_fixed_point(_complement(activation, q, sw2, sb2), chi_1)
    return c, _depth_scale(sw2 * pair_slope(activation, delta, q, singular_points(activation)))


def correlation_map(
    activation: str | Activation,
    c: float,
    *,
    weight_variance: float,
    bias_variance: float = 0.0,
    q: float | None = None,
) -> float:
    """The correlation, in the next layer, of two inputs of correlation `c` and variance `q` in this one.

    c -> (sw2 E[phi(u1) phi(u2)] + sb2) / (sw2 E[phi(u)^2] + sb2), exact to about 1e-14; for kinked activations too.
    `q` is the variance of the pre-activations, and without it q_star of `mean_field`. `MeanField.correlations`
    repeats it over depth.

    Raises GoodinitError for an unknown activation, c outside [-1, 1], a negative variance, or no q where q_star is
    0 or inf and the activation is not homogeneous.

    >>> round(correlation_map("relu", 0.0, weight_variance=2.0), 5)
    0.31831

    Source: Poole et al. 2016, the correlation map; for ReLU in closed form Cho & Saul 2009, the kernel of degree 1.
    """
    found, c = check_activation(activation), check_number("c", c, low=-1, high=1)
    if q is None:
        return mean_field(found, weight_variance=weight_variance, bias_variance=bias_variance).correlation_map(c)
    q = check_number("q", q, low=0, above=True)
    after = variance_map(found, q, weight_variance=weight_variance, bias_variance=bias_variance)
    if after == 0:
        raise GoodinitError(f"weight_variance={shown(weight_variance)}: without a signal there is no correlation")
    return 1.0 - _complement(found, q, weight_variance, bias_variance)(1.0 - c)
