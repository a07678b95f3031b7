"""One layer of an infinitely wide network: what becomes of the variance and of the correlation of its inputs.

A network of width towards infinity, weights of variance `weight_variance` / fan_in and biases of variance
`bias_variance`, has Gaussian pre-activations: of variance q for one input, and of correlation c for two.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from goodinit.activations import Activation
from goodinit.arguments import check_number
from goodinit.theory.arguments import check_activation
from goodinit.theory.pairs import half_square_difference
from goodinit.theory.quadrature import expectation, singular_points

__all__ = [
    "complement_map",
    "derivative_moment",
    "is_homogeneous",
    "jumps",
    "pair_slope",
    "second_moment",
    "second_moment_ratio",
    "variance_map",
    "variance_slope",
]

_SMALL = 1e-150  # stands for 0+ in a one-sided derivative
_BESIDE = 1e-7  # relative: a step to either side of a point where a function may jump; such points are known to 1e-13
_LARGE = 1e9  # stands for infinity in an asymptotic slope


def jumps(activation: Activation) -> bool:
    """Whether the activation itself jumps at one of the points where it is not analytic; none of the table's does."""
    breaks = () if activation.family is not None else singular_points(activation)
    if not breaks:
        return False
    points = np.array(breaks)
    near = _BESIDE * np.maximum(1.0, np.abs(points))
    over = np.abs(activation.value(points + near) - activation.value(points - near))
    slope = np.abs(activation.derivative(points + near)) + np.abs(activation.derivative(points - near))
    return bool((over > 1e-6 + 10 * near * slope).any())


def second_moment(activation: Activation, q: float) -> float:
    """E[phi(u)^2], u ~ N(0, q)."""
    if q == 0:
        return float(activation.value(np.zeros(1))[0]) ** 2
    return expectation(lambda u: activation.value(u) ** 2, math.sqrt(q), activation.kinks)


def derivative_moment(activation: Activation, q: float, power: int = 2) -> float:
    """E[phi'(u)^power], u ~ N(0, q); for q = 0 or infinity its limit, made of the slopes on either side."""
    if q == 0 or math.isinf(q):
        ends = np.array([-1.0, 1.0]) * (_SMALL if q == 0 else _LARGE)
        return float((activation.derivative(ends) ** power).mean())
    return expectation(lambda u: activation.derivative(u) ** power, math.sqrt(q), activation.kinks)


def variance_slope(activation: Activation, q: float) -> float:
    """The slope d E[phi(u)^2] / dq = E[phi(u) phi'(u) u] / q: E[phi'^2 + phi'' phi] without a second derivative."""
    if q == 0 or math.isinf(q):  # a fixed point there has phi(0) = 0, or a straight phi far out
        return derivative_moment(activation, q)
    return expectation(lambda u: activation.value(u) * activation.derivative(u) * u, math.sqrt(q), activation.kinks) / q


def complement_map(activation: Activation, delta: float, q: float, scale: float, breaks: Sequence[float]) -> float:
    """The correlation map in delta = 1 - c, where it keeps all digits; `scale` is weight_variance / variance_map(q)."""
    return scale * half_square_difference(activation.value, q, delta, breaks)


def pair_slope(activation: Activation, delta: float, q: float, breaks: Sequence[float]) -> float:
    """E[phi'(u1) phi'(u2)] for u1, u2 ~ N(0, q) of correlation 1 - delta."""
    return derivative_moment(activation, q) - half_square_difference(activation.derivative, q, delta, breaks)


def is_homogeneous(activation: Activation) -> bool:
    """True where phi(k u) = k phi(u) for every k > 0: linear, ReLU, leaky ReLU. No scale is then special."""
    points = np.array([-2.7, -1.0, -0.3, 0.3, 1.0, 2.7])
    value, slope = activation.value(points), activation.derivative(points)
    scaled = (activation.value(k * points) / k for k in (1e-3, 1e3))
    straight = np.allclose(slope[:3], slope[0], rtol=1e-13) and np.allclose(slope[3:], slope[3], rtol=1e-13)
    return bool(straight) and all(np.allclose(value, other, rtol=1e-13, atol=0) for other in scaled)


def variance_map(
    activation: str | Activation, q: float, *, weight_variance: float, bias_variance: float = 0.0
) -> float:
    """The variance of the next layer's pre-activations: weight_variance E[phi(u)^2] + bias_variance, u ~ N(0, q).

    `q` is this layer's variance; `weight_variance` is fan_in times a weight's variance (2 for He).

    Raises GoodinitError for an unknown activation, or a variance that is negative or not finite.

    >>> round(variance_map("relu", 3.0, weight_variance=2.0), 12)
    3.0

    Source: Poole et al. 2016, the length map.
    """
    found = check_activation(activation)
    q = check_number("q", q, low=0)
    weight_variance = check_number("weight_variance", weight_variance, low=0)
    return weight_variance * second_moment(found, q) + check_number("bias_variance", bias_variance, low=0)


def second_moment_ratio(activation: str | Activation, *, weight_variance: float, q: float = 1.0) -> float:
    """What one layer multiplies the mean square by: weight_variance E[phi(u)^2] / q, u ~ N(0, q), without biases.

    For ReLU it is weight_variance / 2 at any q: He keeps the mean square, and PyTorch's default for linear
    layers, of variance 1 / (3 fan_in), shrinks it to 1/6 a layer.

    Raises GoodinitError for an unknown activation, a negative variance, or a q that is not above 0.

    >>> round(second_moment_ratio("relu", weight_variance=1 / 3), 12) == round(1 / 6, 12)
    True

    Source: He et al. 2015, eq. 10, where it is 1.
    """
    q = check_number("q", q, low=0, above=True)
    return variance_map(activation, q, weight_variance=weight_variance) / q
