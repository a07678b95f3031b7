"""How much better: probabilities of improvement, Cliff's delta, matched-pairs rank-biserial, Cohen's d_z."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from goodinit.errors import GoodinitError
from goodinit.statistics.arguments import check_level, read_numbers
from goodinit.statistics.estimate import Estimate
from goodinit.statistics.hypotheses import signed_ranks
from goodinit.statistics.rates import wilson

__all__ = ["cohens_d_z", "probability_of_improvement", "rank_biserial"]

Float64s = NDArray[np.float64]


def probability_of_improvement(
    a: ArrayLike, b: ArrayLike, *, paired: bool = True, same_seeds: bool = False, level: float = 0.95
) -> Estimate:
    """The chance that a scores above b, a tie counting half: on the same seed, or on any two seeds.

    `paired`: (wins + ties / 2) / n over seeds, with Wilson's interval, which ties make wider than need be.
    Not `paired`: P(A > B) + P(A = B) / 2 over all pairs of a run of a with a run of b, which is Mann-Whitney's U / mn.
    Its limits are the t with (estimate - t)^2 = z^2 V(t), V(t) = t (1 - t) (1 + N ((1 - t) / (2 - t) + t / (1 + t)))
    / mn, N = (m + n) / 2 - 1. With `same_seeds` the two are correlated seed by seed, and V is multiplied by the ratio
    of the variances with and without that correlation, estimated from the placements, and at least 1/4. In
    simulations with 10 and 20 seeds the 95 % limits hold 91 to 98 % of the time, at any correlation.

    `a` and `b` have shapes (m,) and (n,), higher better, -inf for diverged; m = n unless both options are off.

    Raises GoodinitError for fewer than two scores, nan, unequal lengths of paired ones, or a level outside (0, 1).

    >>> print(probability_of_improvement([3, 5, 4, 6], [1, 5, 2, 7]))
    0.625 [0.2194, 0.9081]
    >>> probability_of_improvement([3, 5, 4, 6], [1, 5, 2, 7], paired=False).value
    0.59375

    Source: Agarwal et al. 2021 (not paired); Newcombe 2006, method 5 (limits); DeLong et al. 1988 (correlation).
    """
    x, y = read_numbers("a", a, ndim=1), read_numbers("b", b, ndim=1)
    wanted = check_level(level)
    if np.isnan(x).any() or np.isnan(y).any():
        raise GoodinitError("a and b must hold no nan; give diverged runs -inf, the worst score")
    if (paired or same_seeds) and x.size != y.size:
        raise GoodinitError(f"a has {x.size} runs and b has {y.size}; pairs need the same seeds in both")
    if paired:
        return wilson(float((x > y).sum()) + float((x == y).sum()) / 2, x.size, level=wanted)
    over, under = _placements(x, y), 1 - _placements(y, x)
    value, m, n = float(over.mean()), x.size, y.size
    factor = 1.0
    if same_seeds:
        apart = float(over.var() + under.var())
        factor = max(float((over + under).var()) / apart, 0.25) if apart > 0 else 1.0
    z2 = float(special.ndtri((1 - wanted) / 2)) ** 2

    def excess(t: float) -> float:
        inner = 1 + ((m + n) / 2 - 1) * ((1 - t) / (2 - t) + t / (1 + t))
        return (value - t) ** 2 - z2 * factor * t * (1 - t) * inner / (m * n)

    return Estimate(value, _crossing(excess, 0.0, value), _crossing(excess, 1.0, value), wanted, "Newcombe")


def rank_biserial(differences: ArrayLike, *, rounding: ArrayLike = 0.0) -> float:
    """The matched-pairs rank-biserial correlation: (R+ - R-) / (n (n + 1) / 2), of Wilcoxon's signed ranks.

    R+ and R- are the sums of the ranks of positive and negative differences; zeros keep their ranks and so pull
    towards 0. It is 1 where every difference is positive.

    >>> rank_biserial([0.3, 0.1, -0.2, 0.4])
    0.6

    Source: Kerby 2014, The simple difference formula.
    """
    ranks = signed_ranks(differences, rounding=rounding)
    return float(ranks.sum()) / (ranks.size * (ranks.size + 1) / 2)


def cohens_d_z(differences: ArrayLike) -> float:
    """The mean of paired differences over their standard deviation (n - 1 in its denominator).

    Infinite where all are equal and not 0, and 0 where all are 0.

    >>> cohens_d_z([1.0, 2.0, 3.0])
    2.0

    Source: Cohen 1988, Statistical power analysis for the behavioral sciences.
    """
    d = read_numbers("differences", differences, ndim=1)
    if not np.isfinite(d).all():
        raise GoodinitError("differences hold a number that is not finite; put a floor in place of diverged runs")
    if (d == d[0]).all():
        return math.copysign(math.inf, d[0]) if d[0] else 0.0
    d = np.ldexp(d, -int(np.frexp(np.abs(d).max())[1]))  # at most 1: squares cannot overflow
    return float(d.mean()) / float(d.std(ddof=1))


def _placements(x: Float64s, y: Float64s) -> Float64s:
    """For each of x the share of y below it, ties counting half."""
    ordered = np.sort(y)
    both = np.searchsorted(ordered, x, side="left") + np.searchsorted(ordered, x, side="right")
    return np.asarray(both / (2 * y.size), dtype=np.float64)


def _crossing(f: Callable[[float], float], outside: float, inside: float) -> float:
    """Where f, above 0 outside and not inside, comes to 0."""
    if f(outside) <= 0:
        return outside
    for _ in range(60):
        middle = (outside + inside) / 2
        outside, inside = (middle, inside) if f(middle) > 0 else (outside, middle)
    return inside
