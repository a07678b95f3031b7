"""Shares of runs: how many succeeded or diverged, with an interval that is right at 0 and at all of them."""

from __future__ import annotations

import math

from scipy import special

from goodinit.arguments import check_count, check_number
from goodinit.errors import GoodinitError, shown
from goodinit.statistics.arguments import check_level
from goodinit.statistics.estimate import Estimate

__all__ = ["wilson"]


def wilson(count: float, runs: int, *, level: float = 0.95) -> Estimate:
    """The share p = count / runs with Wilson's score interval.

    The limits are (p + z^2 / 2n -+ z sqrt(p (1 - p) / n + z^2 / 4n^2)) / (1 + z^2 / n), n runs, z the normal
    quantile. They stay inside [0, 1], and are not point at 0 of n: up to z^2 / (n + z^2).

    `count` is from 0 to `runs`; half a count serves for a tie, which makes the interval wider than it need be.

    Raises GoodinitError for a count outside 0 to `runs`, no runs, or a level outside (0, 1).

    >>> print(wilson(20, 20))
    1 [0.8389, 1]

    Source: Wilson 1927; Brown, Cai & DasGupta 2001, Interval estimation for a binomial proportion.
    """
    n = check_count("runs", runs)
    if check_number("count", count, low=0) > n:
        raise GoodinitError(f"count={shown(count)}: there are {n} runs; a count cannot exceed them")
    z = -float(special.ndtri((1 - check_level(level)) / 2))
    p, whole = float(count) / n, 1 + z * z / n
    middle = (p + z * z / (2 * n)) / whole
    half = z * math.sqrt(p * (1 - p) / n + (z / (2 * n)) ** 2) / whole
    low = 0.0 if count == 0 else min(middle - half, p)
    high = 1.0 if count == n else max(middle + half, p)
    return Estimate(p, low, high, level, "Wilson")
