"""The singular values of the input-output Jacobian at criticality, in the limit of infinite width.

J = D_L W_L ... D_1 W_1 with D the diagonal of phi'. In free probability the S-transforms multiply:
S_{J J^T} = (S_{D^2} S_{W W^T})^L, with S_{W W^T}(z) = 1 / (sw2 (1 + z)) for Gaussian weights and 1 / sw2 for
orthogonal ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import special

from goodinit.activations import Activation
from goodinit.arguments import check_choice, check_count
from goodinit.theory.arguments import check_activation
from goodinit.theory.criticality import critical_point
from goodinit.theory.maps import derivative_moment, is_homogeneous
from goodinit.theory.quadrature import expectation

__all__ = ["JacobianSpectrum", "jacobian_spectrum"]

Float64s = NDArray[np.float64]
_WEIGHTS: Final = ("gaussian", "orthogonal")
_FLAT: Final = 1e-13


@dataclass(frozen=True)
class JacobianSpectrum:
    """Two figures of the eigenvalues of J J^T, whose mean is 1 at criticality.

    `relative_variance` is their variance over their squared mean; `largest` the upper end of their distribution, the
    largest squared singular value of J, both for width towards infinity at fixed depth. `weight_variance`,
    `bias_variance` and `q_star` are the critical point it is for.
    """

    activation: str
    weights: str
    depth: int
    weight_variance: float
    bias_variance: float
    q_star: float
    relative_variance: float
    largest: float


def jacobian_spectrum(
    activation: str | Activation, *, depth: int, weights: str = "gaussian", bias_variance: float = 0.0
) -> JacobianSpectrum:
    """The relative variance of the eigenvalues of J J^T, and the largest, for a network on the critical line.

    relative_variance = L (mu_2 / mu_1^2 - 1 - s_1), mu_k = E[phi'(u)^(2k)], u ~ N(0, q_star), with s_1 = -1 for
    Gaussian and 0 for orthogonal weights. The largest eigenvalue is the minimum over z > 0 of the inverse of the
    moment function, M^-1(z) = ((1 + z) / z) / S(z). In closed form: Gaussian linear L and (L + 1)^(L + 1) / L^L;
    orthogonal linear 0 and 1; Gaussian ReLU 2 L; orthogonal ReLU L and L^L / (L - 1)^(L - 1). Orthogonal weights help
    where phi' is nearly constant.

    `activation` is any with a derivative; `depth` is L, the number of layers; `weights` is `gaussian` or `orthogonal`;
    `bias_variance` chooses the point of the critical line, and so q_star (tanh without biases has q_star = 0, where
    it is linear). Finite width makes the largest smaller: at width 600 by 5 % at L = 5, and 10 to 20 % at L = 20.

    Raises GoodinitError for an unknown activation or word, a depth below 1, or where there is no critical point.

    >>> spectrum = jacobian_spectrum("relu", depth=5, weights="orthogonal")
    >>> round(spectrum.relative_variance, 9), round(spectrum.largest, 2)
    (5.0, 12.21)

    Source: Pennington, Schoenholz & Ganguli 2017, Resurrecting the sigmoid in deep learning through dynamical
    isometry; 2018, The emergence of spectral universality in deep networks.
    """
    found = check_activation(activation)
    check_choice("weights", weights, _WEIGHTS)
    layers = check_count("depth", depth)
    point = critical_point(found, bias_variance=bias_variance)
    q = 1.0 if is_homogeneous(found) else point.q_star
    mu_1, mu_2 = derivative_moment(found, q), derivative_moment(found, q, 4)
    spread = max(0.0, mu_2 / mu_1**2 - 1)
    variance = layers * (spread + (weights == "gaussian"))
    largest = _largest(found, q, mu_1, spread, layers, weights == "gaussian")
    return JacobianSpectrum(
        str(found), weights, layers, point.weight_variance, point.bias_variance, point.q_star, variance, largest
    )


def _largest(activation: Activation, q: float, mu_1: float, spread: float, layers: int, gaussian: bool) -> float:
    """The minimum of log M^-1 along w > top, where z = M_{D^2}(w) and the S-transform of D^2 is (1 + z) / (z w)."""
    from scipy import optimize

    if spread <= _FLAT:  # D is a multiple of the identity
        return (layers + 1) * math.exp(layers * math.log1p(1 / layers)) if gaussian else 1.0
    top, where = _largest_square(activation, q)
    moment = _moment_function(activation, q, top, where)

    def log_inverse(t: float) -> float:
        above = math.exp(t)
        z = moment(above)
        whitened = math.log(z) + math.log(top + above) - math.log(mu_1)
        return math.log1p(z) - math.log(z) + layers * (whitened - (0.0 if gaussian else math.log1p(z)))

    # The critical z is about 1 / L, and z about mu_1 / w far out; near the top the digits of top - phi'^2 run out.
    grid = np.linspace(math.log(top) - 24, math.log(top) + math.log(layers + 1) + 5, 24)
    values = [log_inverse(t) for t in grid]
    at = int(np.argmin(values))
    if at == 0:  # an isolated largest value, as for two orthogonal ReLU layers: the limit w -> top
        return math.exp(values[0])
    best = optimize.minimize_scalar(
        log_inverse, bounds=(grid[at - 1], grid[min(at + 1, grid.size - 1)]), method="bounded", options={"xatol": 1e-9}
    )
    return math.exp(float(best.fun))


def _moment_function(activation: Activation, q: float, top: float, where: float) -> Callable[[float], float]:
    """The moment function of D^2, E[X / (top + above - X)] for X = phi'(u)^2, u ~ N(0, q), as a function of `above`."""
    values, chances = _plateaus(activation, q)
    if values.size:
        return lambda above: float(chances @ (values / ((top - values) + above)))

    def moment(above: float) -> float:
        def integrand(u: Float64s) -> Float64s:
            x: Float64s = np.minimum(activation.derivative(u) ** 2, top)
            return x / ((top - x) + above)

        # The integrand peaks where phi'^2 is largest, on a scale of sqrt(above).
        steps = math.sqrt(above) * 2.0 ** np.arange(-1, 30)
        steps = steps[steps < 10 * math.sqrt(q)]
        return expectation(
            integrand, math.sqrt(q), (*activation.kinks, where, *(where - steps), *(where + steps)), 1e-12
        )

    return moment


def _plateaus(activation: Activation, q: float) -> tuple[Float64s, Float64s]:
    """The values of phi'(u)^2 and their probabilities, where there are finitely many; else none."""
    if q == 0:
        return activation.derivative(np.array([-1e-150, 1e-150])) ** 2, np.full(2, 0.5)
    ends = np.array([-math.inf, *sorted(activation.kinks), math.inf])
    inside = np.clip(ends, ends[1] - 50 if ends.size > 2 else -50, ends[-2] + 50 if ends.size > 2 else 50)
    points = inside[:-1, None] + np.diff(inside)[:, None] * np.array([0.1, 0.3, 0.5, 0.7, 0.9, 0.99])
    squares = activation.derivative(points) ** 2
    if np.ptp(squares, axis=1).max() > 0:
        return np.empty(0), np.empty(0)
    return squares[:, 0], np.diff(special.ndtr(ends / math.sqrt(q)))


def _largest_square(activation: Activation, q: float) -> tuple[float, float]:
    """The supremum of phi'(u)^2 over all u, or over 0- and 0+ for q = 0, and a u near which it is."""
    from scipy import optimize

    values, _ = _plateaus(activation, q)
    if values.size:
        return float(values.max()), 0.0
    grid = np.linspace(-50, 50, 20001)
    inner = int(np.argmax(activation.derivative(grid) ** 2))
    best = optimize.minimize_scalar(
        lambda u: -float(activation.derivative(np.array([u]))[0] ** 2),
        bounds=(grid[max(inner - 1, 0)], grid[min(inner + 1, grid.size - 1)]),
        method="bounded",
        options={"xatol": 1e-10},
    )
    beside = [kink + side for kink in activation.kinks for side in (-1e-12, 1e-12)]
    points = np.array([float(best.x), float(grid[inner]), -1e9, 1e9, *beside])
    squares = activation.derivative(points) ** 2
    at = int(np.argmax(squares))
    return float(squares[at]), float(points[at])
