"""What a finite width does to the size of a signal: the typical network is smaller than the average one."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from goodinit.arguments import check_choice, check_count, check_number

__all__ = ["LogNormDrift", "log_norm_drift"]

Float64s = NDArray[np.float64]
_CRITICAL = {"relu": 2.0, "linear": 1.0}


@dataclass(frozen=True)
class LogNormDrift:
    """The logarithm of M_L / M_0, the mean square over units of the last layer over that of the first, over networks.

    `mean` and `std` are those of log(M_L / M_0) among random networks, given that no layer is all zeros;
    `survival` is the probability that none is.
    """

    mean: float
    std: float
    survival: float


def log_norm_drift(activation: str, *, width: int, depth: int, weight_variance: float | None = None) -> LogNormDrift:
    """The expected drift of the log of a signal's mean square through `depth` layers of `width` units, no biases.

    One layer of Gaussian weights multiplies the mean square by (weight_variance / n) S, with S chi-square: of n degrees
    of freedom for a linear layer, and of K ~ Binomial(n, 1/2) for ReLU, the units that are on. Exactly,
    E log S = log 2 + E[digamma(K / 2)] and Var log S = E[trigamma(K / 2)] + Var[digamma(K / 2)], given K > 0; the
    layers are independent. To first order in 1 / n the drift at the critical weight variance is -2.5 L / n for ReLU,
    -L / n for linear, and the variance is -2 times the drift.

    `activation` is `relu` or `linear`; `width` is n, `depth` is L; `weight_variance`, fan_in times a weight's variance,
    is by default the critical one (2 for relu, 1 for linear).

    Raises GoodinitError for another activation, a width or depth below 1, or a weight variance that is not above 0.

    >>> round(log_norm_drift("relu", width=128, depth=50).mean, 3)
    -0.989

    Source: Sussillo & Abbott 2014, Random walk initialization; to first order Hanin & Nica 2018, Products of many
    large random matrices and gradients in deep neural networks.
    """
    check_choice("activation", str(activation), tuple(_CRITICAL))
    n, layers = check_count("width", width), check_count("depth", depth)
    sw2 = _CRITICAL[str(activation)]
    if weight_variance is not None:
        sw2 = check_number("weight_variance", weight_variance, low=0, above=True)
    if str(activation) == "linear":
        on, chance, survival = np.array([float(n)]), np.ones(1), 1.0
    else:
        on, chance = _binomial(n)
        survival = math.exp(layers * math.log1p(-math.ldexp(1.0, -n)))
    psi = special.digamma(on / 2)
    mean = float(chance @ psi)
    variance = float(chance @ special.polygamma(1, on / 2) + chance @ (psi - mean) ** 2)
    return LogNormDrift(layers * (mean + math.log(2 * sw2 / n)), math.sqrt(layers * variance), survival)


def _binomial(n: int) -> tuple[Float64s, Float64s]:
    """The counts k > 0 that matter and their probabilities under Binomial(n, 1/2) given k > 0."""
    reach = 20 * math.sqrt(n)  # 40 standard deviations
    k = np.arange(max(1, math.floor(n / 2 - reach)), min(n, math.ceil(n / 2 + reach)) + 1, dtype=np.float64)
    log = special.gammaln(n + 1) - special.gammaln(k + 1) - special.gammaln(n - k + 1)
    weight = np.exp(log - log.max())
    return k, weight / weight.sum()
