"""Activations shifted and scaled so that a deep network's kernel keeps its shape: DKS and TAT.

phi_hat(u) = gamma (phi(alpha u + beta) + delta). With standard normal u, Q(1) = E[phi_hat^2], C(0) = E[phi_hat]^2,
Q'(1) = E[phi_hat phi_hat' u], C'(1) = E[phi_hat'^2] and C''(1) = E[phi_hat''^2].
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from goodinit import activations
from goodinit.activations import Activation, Array
from goodinit.errors import GoodinitError
from goodinit.theory.quadrature import expectation

__all__ = ["ShapedActivation", "kernel_shaped", "leaky_tailored", "tailored"]

_TOLERANCE: Final = 1e-13
_STEP: Final = 2.0**-12  # of the difference of slopes that a second derivative is taken as
_SHARP: Final = 2.0  # alpha gamma, from which on a solution is of the unstable kind that the paper's code rejects
_BROKEN: Final = ("relu", "leaky_relu", "relu6", "linear")


@dataclass(frozen=True)
class ShapedActivation:
    """`output_scale` (phi(`input_scale` u + `input_shift`) + `output_shift`), phi the activation of that name."""

    activation: str
    input_scale: float = 1.0
    input_shift: float = 0.0
    output_shift: float = 0.0
    output_scale: float = 1.0


def kernel_shaped(activation: str, depth: int, slope: float = 1.5) -> ShapedActivation:
    """DKS: Q(1) = Q'(1) = 1, C(0) = 0, and C'(1) of `depth` layers together is `slope`.

    >>> shaped = kernel_shaped("tanh", 10)
    >>> round(shaped.input_scale, 4), round(shaped.output_scale, 4)
    (0.2967, 4.9646)

    Raises GoodinitError for an activation that no such numbers are found for, as for ReLU.

    Source: Martens et al. 2021, Rapid training of deep neural networks without skip connections or normalization layers
    using Deep Kernel Shaping.
    """
    phi = _smooth("dks", activation)
    local = slope ** (1 / depth)

    def numbers(point: Array) -> ShapedActivation:
        return _scaled(phi, float(point[0]), float(point[1]), None)

    def errors(point: Array) -> list[float]:
        shaped = numbers(point)
        return [_q_slope(phi, shaped) - 1, _c_slope(phi, shaped) - local]

    return _solved("dks", activation, numbers, errors, itertools.product((1.0, 0.1), (0.0, 1.0, -1.0)))


def tailored(activation: str, depth: int, curve: float = 0.3) -> ShapedActivation:
    """TAT of a smooth activation: Q(1) = Q'(1) = C'(1) = 1, and C''(1) of `depth` layers together is `curve`.

    Raises GoodinitError for an activation that no such numbers are found for.

    Source: Zhang, Botev & Martens 2022, Deep learning without shortcuts: shaping the kernel with tailored rectifiers.
    """
    phi = _smooth("tat", activation)

    def numbers(point: Array) -> ShapedActivation:
        return _scaled(phi, float(point[0]), float(point[1]), float(point[2]))

    def errors(point: Array) -> list[float]:
        shaped = numbers(point)
        return [_q_slope(phi, shaped) - 1, _c_slope(phi, shaped) - 1, _c_curve(phi, shaped) - curve / depth]

    starts = itertools.product((1.0, 0.1), (0.0, 1.0, -1.0), (0.0, 1.0, -1.0))
    return _solved("tat", activation, numbers, errors, starts)


def leaky_tailored(depth: int, correlation: float = 0.9) -> ShapedActivation:
    """TAT of ReLU: the leaky ReLU for which `depth` layers map a correlation of 0 to `correlation`, and Q(1) = 1.

    Raises GoodinitError for a correlation that is not within 0 and 1.

    Source: Zhang, Botev & Martens 2022, equation 9.
    """
    if not 0 < correlation < 1:
        raise GoodinitError(f"tat(correlation={correlation}): correlation must lie between 0 and 1")

    def reached(slope: float) -> float:
        c, scale = 0.0, (1 - slope) ** 2 / (math.pi * (1 + slope**2))
        for _ in range(depth):
            c = min(c + scale * (math.sqrt(max(1 - c * c, 0.0)) - c * math.acos(c)), 1.0)
        return c

    low, high = 0.0, 1.0  # the more of a line it is, the less correlations grow
    if reached(low) <= correlation:
        high = low
    for _ in range(200 if high > low else 0):
        middle = (low + high) / 2
        low, high = (middle, high) if reached(middle) > correlation else (low, middle)
    slope = (low + high) / 2
    return ShapedActivation(f"leaky_relu(slope={slope!r})", output_scale=math.sqrt(2 / (1 + slope**2)))


def _smooth(what: str, activation: str) -> Activation:
    phi = activations.get(activation)
    if phi.family in _BROKEN:
        raise GoodinitError(f"{what}: {activation} has too few numbers to shape; it is for smooth activations")
    return phi


def _scaled(phi: Activation, alpha: float, beta: float, delta: float | None) -> ShapedActivation:
    """With the output scale that makes Q(1) = 1, and unless it is given the output shift that makes C(0) = 0."""
    mean = _mean(phi, alpha, beta, lambda u: phi.value(u))
    square = _mean(phi, alpha, beta, lambda u: phi.value(u) ** 2)
    shift = -mean if delta is None else delta
    spread = square + 2 * shift * mean + shift * shift
    return ShapedActivation(phi.name, alpha, beta, shift, 1 / math.sqrt(max(spread, 1e-300)))


def _mean(phi: Activation, alpha: float, beta: float, function: Callable[[Array], Array]) -> float:
    """E[function(alpha z + beta)]."""
    kinks = [(kink - beta) / alpha for kink in phi.kinks] if alpha else []
    return expectation(lambda z: function(alpha * z + beta), kinks=kinks, tolerance=_TOLERANCE)


def _q_slope(phi: Activation, by: ShapedActivation) -> float:
    alpha, beta = by.input_scale, by.input_shift
    square = by.output_scale**2
    if not alpha:
        return 0.0
    found = _mean(
        phi, alpha, beta, lambda u: (phi.value(u) + by.output_shift) * phi.derivative(u) * (u - beta)
    )  # alpha z = u - beta
    return square * found


def _c_slope(phi: Activation, by: ShapedActivation) -> float:
    found = _mean(phi, by.input_scale, by.input_shift, lambda u: phi.derivative(u) ** 2)
    return (by.output_scale * by.input_scale) ** 2 * found


def _c_curve(phi: Activation, by: ShapedActivation) -> float:
    def second(u: Array) -> Array:
        return np.asarray((phi.derivative(u + _STEP) - phi.derivative(u - _STEP)) / (2 * _STEP))

    found = _mean(phi, by.input_scale, by.input_shift, lambda u: second(u) ** 2)
    return (by.output_scale * by.input_scale**2) ** 2 * found


def _solved(
    what: str,
    activation: str,
    numbers: Callable[[Array], ShapedActivation],
    errors: Callable[[Array], list[float]],
    starts: itertools.product[tuple[float, ...]],
) -> ShapedActivation:
    """The first solution from these starts whose slopes are not too steep."""
    from scipy.optimize import root

    for start in starts:
        try:
            with np.errstate(all="ignore"):
                found = root(errors, np.asarray(start))
        except (GoodinitError, OverflowError):
            continue
        if found.success:
            shaped = numbers(found.x)
            if what == "dks" or shaped.input_scale * shaped.output_scale < _SHARP:
                return shaped
    raise GoodinitError(f"{what}: no shifts and scales are found that shape {activation}; use another activation")
