"""The normal distribution's quantile function in IEEE basic operations, so that its bits are the same everywhere.

Only +, -, *, / and sqrt are used, which IEEE 754 rounds correctly on every machine, and scaling by powers of
two, which is exact. No library function whose last bit depends on the platform is called, and nothing is
contracted into fused operations (NumPy applies one operation at a time).

Where the nearer tail's probability p is at least 2^-9, the quantile is q, the probability less 1/2, times a polynomial
on each of 32 segments, derived by `tools/derive_quantile.py` (relative error below 2^-54 before rounding): no
division, and tables small enough for a processor's registers. Beyond are the rational functions of Wichura 1988,
"Algorithm AS 241: the percentage points of the normal distribution", PPND16 (about 1e-16 before rounding), in the
square root of minus the logarithm of p. Against the exact quantile the result is within 4 units in the last place.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from goodinit.normal_table import CENTRE, NEAR

__all__ = ["cdf_lower", "quantile", "quantile_lower"]

Float64s = NDArray[np.float64]

# Two tables of polynomials on 16 segments, which the bits of a variable name: for the centre, |q| < 15/32, that is
# 1/2 - |q| (less 2^-54), and for the near tails, p down to 2^-9, p itself.
_TAIL = 0.46875
_BELOW_HALF = 0.5 - 2.0**-54
_DEEP = 2.0**-9
_ABOVE_NEAR = 2.0**-5 - 2.0**-58  # the near tails' largest p
_CENTRE_ROWS, _NEAR_ROWS = np.array(CENTRE), np.array(NEAR)
_SEGMENT_SHIFT = 50  # above it lie the exponent and the first two bits of the mantissa
_SEGMENT_FIRST = ~((1 << _SEGMENT_SHIFT) - 1)  # the bits of a segment's first number
_SEGMENT_MIDDLE = 1 << (_SEGMENT_SHIFT - 1)  # what its middle has besides

# Numerator and denominator of AS 241's two rational functions for the tails, highest power first.
_MIDDLE = (
    (
        7.74545014278341407640e-4, 2.27238449892691845833e-2, 2.41780725177450611770e-1, 1.27045825245236838258e0,
        3.64784832476320460504e0, 5.76949722146069140550e0, 4.63033784615654529590e0, 1.42343711074968357734e0,
    ),
    (
        1.05075007164441684324e-9, 5.47593808499534494600e-4, 1.51986665636164571966e-2, 1.48103976427480074590e-1,
        6.89767334985100004550e-1, 1.67638483018380384940e0, 2.05319162663775882187e0, 1.0,
    ),
)  # fmt: skip
_FAR = (
    (
        2.01033439929228813265e-7, 2.71155556874348757815e-5, 1.24266094738807843860e-3, 2.65321895265761230930e-2,
        2.96560571828504891230e-1, 1.78482653991729133580e0, 5.46378491116411436990e0, 6.65790464350110377720e0,
    ),
    (
        2.04426310338993978564e-15, 1.42151175831644588870e-7, 1.84631831751005468180e-5, 7.86869131145613259100e-4,
        1.48753612908506148525e-2, 1.36929880922735805310e-1, 5.99832206555887937690e-1, 1.0,
    ),
)  # fmt: skip

_LN2_HIGH = 6.93147180369123816490e-01  # ln 2 in two parts: the high one has its last 21 bits clear, so that
_LN2_LOW = 1.90821492927058770002e-10  # an exponent times it is exact (Sun's fdlibm, e_log.c)
_ATANH_TERMS = tuple(1.0 / n for n in range(3, 26, 2))  # 1/3, 1/5, ..., 1/25; the next is below 2^-64


def _polynomial(coefficients: Sequence[float | Float64s], x: Float64s) -> Float64s:
    """The polynomial, lowest power first: by fours, and those by Horner's rule in x^4, so that few steps wait."""
    x2 = x * x
    x4 = x2 * x2
    value: Float64s | None = None
    for at in range((len(coefficients) - 1) // 4 * 4, -1, -4):
        four = coefficients[at : at + 4]
        part = (
            np.broadcast_to(four[0], x.shape)
            if len(four) == 1
            else (four[3] * x + four[2]) * x2 + (four[1] * x + four[0])
        )
        value = part if value is None else value * x4 + part
    assert value is not None
    return value


def _ratio(coefficients: tuple[tuple[float, ...], tuple[float, ...]], x: Float64s) -> Float64s:
    return _polynomial(coefficients[0][::-1], x) / _polynomial(coefficients[1][::-1], x)


def _log(x: Float64s) -> Float64s:
    """ln x for positive normal x, within about one ulp: exponent times ln 2, and ln m = 2 atanh((m-1)/(m+1))."""
    m, exponent = np.frexp(x)
    low = m < math.sqrt(0.5)
    m = np.where(low, m * 2.0, m)
    e = (exponent - low).astype(np.float64)
    s = (m - 1.0) / (m + 1.0)
    s2 = s * s
    series = _polynomial(_ATANH_TERMS, s2)
    s += s
    return e * _LN2_HIGH + (s + (s * (s2 * series) + e * _LN2_LOW))


def _quotient(rows: Float64s, p: Float64s) -> Float64s:
    """The quantile over q by a table's polynomials; finite numbers of no meaning where p is none of the table's."""
    bits = p.view(np.int64)
    t = p - ((bits & _SEGMENT_FIRST) | _SEGMENT_MIDDLE).view(np.float64)
    segment = (bits >> _SEGMENT_SHIFT) & 15
    return _polynomial([row.take(segment) for row in rows], t)


def _deep(p: Float64s) -> Float64s:
    """The size of the quantile in the deep tails, by AS 241."""
    with np.errstate(divide="ignore", invalid="ignore"):
        r = np.sqrt(-_log(p))
    far = r > 5.0
    size = _ratio(_MIDDLE, np.where(far, 5.0, r) - 1.6)
    if far.any():
        size[far] = _ratio(_FAR, r[far] - 5.0)
    size[p == 0.0] = np.inf
    return size


def quantile_lower(p: Float64s) -> Float64s:
    """The normal quantile of lower-tail probabilities 0 < p <= 1/2: zero or negative, full relative accuracy.

    `p` is a one-dimensional float64 array. Exact zeros give -inf.
    """
    q = p - 0.5  # exact or nearly so wherever the centre's formula is used
    return quantile(q, p)


def quantile(q: Float64s, p: Float64s) -> Float64s:
    """The normal quantile where `q` is the probability less 1/2 and `p` that of the nearer tail, 0 <= p <= 1/2.

    Both are one-dimensional float64 arrays: near the centre q is accurate relatively, in the tails p is, and
    each formula reads the one that is. The result has q's sign.
    """
    size = np.abs(q)
    x = _quotient(_CENTRE_ROWS, _BELOW_HALF - size)
    x *= q
    tail = np.flatnonzero(size >= _TAIL)
    if tail.size:
        tail_q, tail_p = q[tail], p[tail]
        y = _quotient(_NEAR_ROWS, np.minimum(tail_p, _ABOVE_NEAR))
        y *= tail_q
        deep = np.flatnonzero(tail_p < _DEEP)
        y[deep] = np.copysign(_deep(tail_p[deep]), tail_q[deep])
        x[tail] = y
    return x


def cdf_lower(x: float) -> float:
    """The normal distribution function at x <= 0, found as the p whose `quantile_lower` is x.

    Bisection over the float64 numbers themselves: the largest p in [0, 1/2] whose quantile is not above x. It has
    the same bits on every machine because the quantile has; the accuracy is that of the quantile.
    """
    if not x <= 0:
        raise ValueError(f"cdf_lower takes x <= 0, got {x!r}")
    if x < -37.0:  # the probability leaves the normal float64 numbers here
        return 0.0
    low, high = 0, int(np.float64(0.5).view(np.int64))
    if quantile_lower(np.array([0.5]))[0] <= x:
        return 0.5
    while high - low > 1:
        middle = (low + high) // 2
        p = np.array([middle], dtype=np.int64).view(np.float64)
        if quantile_lower(p)[0] <= x:
            low = middle
        else:
            high = middle
    return float(np.array([low], dtype=np.int64).view(np.float64)[0])
