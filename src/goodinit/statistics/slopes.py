"""The slope of a measure on logarithmic axes, from runs of several sizes and seeds, with an interval."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from goodinit.errors import GoodinitError
from goodinit.statistics.arguments import check_level

__all__ = ["Slope", "fit_slope"]

_BENT = 0.05  # level of the test of a line against the sizes' own means


@dataclass(frozen=True)
class Slope:
    """An exponent with its interval; `bent` says that the sizes' means do not lie on a line within the seeds' spread.

    `spread` is the standard deviation of the logarithm over the seeds of one size, nan for a single seed.
    """

    value: float
    low: float
    high: float
    spread: float
    bent: bool
    points: int

    def to_dict(self) -> dict[str, float | bool | int | None]:
        """As JSON holds it."""
        found = {"value": self.value, "low": self.low, "high": self.high, "spread": self.spread}
        numbers = {key: float(each) if math.isfinite(each) else None for key, each in found.items()}
        return {**numbers, "bent": self.bent, "points": self.points}


def fit_slope(sizes: ArrayLike, values: ArrayLike, level: float = 0.95) -> Slope | None:
    """The exponent b of `value = a * size ** b`, over all runs.

    Every run is a point. The spread of the seeds within a size is known apart from how far the sizes' means lie from a
    line: where that distance is more than the seeds account for (an F test of lack of fit at 5 %), the interval comes
    from it, with as many degrees of freedom as there are sizes beyond two; otherwise both are pooled.

    Arguments:
        sizes: (W,), at least two different.
        values: (W, S), a row a size, a column a seed. Points that are not finite, or not above 0, do not count.
        level: of the interval.

    Returns None where fewer than two sizes have a point, or fewer than three points are left.

    >>> fit_slope([1, 2, 4], [[1, 1.1], [2, 2.2], [4, 4.4]]).value.__round__(9)
    1.0

    Raises GoodinitError where the shapes do not fit.

    Source: Draper and Smith, Applied Regression Analysis, 3rd ed., section 2.1 (lack of fit and pure error).
    """
    from scipy import stats

    level = check_level(level)
    x = np.log(np.asarray(sizes, dtype=np.float64))
    given: NDArray[np.float64] = np.asarray(values, dtype=np.float64)
    if x.ndim != 1 or given.ndim != 2 or len(given) != len(x):
        raise GoodinitError(f"sizes have shape {x.shape}, values {given.shape}; give (W,) and (W, S)")
    good = np.isfinite(given) & (given > 0)
    rows, columns = np.nonzero(good)
    if len(np.unique(rows)) < 2 or len(rows) < 3:
        return None
    y, at = np.log(given[rows, columns]), x[rows]
    middle = at.mean()
    total = float(((at - middle) ** 2).sum())
    slope = float(((at - middle) * y).sum() / total)
    residuals = y - y.mean() - slope * (at - middle)
    means = {row: y[rows == row].mean() for row in np.unique(rows)}
    within = y - np.array([means[row] for row in rows])
    count, groups = len(y), len(means)
    pure, free = float((within**2).sum()), count - groups
    lack = max(0.0, float((residuals**2).sum()) - pure)
    spread = math.sqrt(pure / free) if free else math.nan
    variance, degrees, bent = (pure + lack) / (count - 2), count - 2, False
    if groups > 2 and free and lack > 0:
        bent = pure == 0 or float(stats.f.sf(lack / (groups - 2) / (pure / free), groups - 2, free)) < _BENT
        if bent:
            variance, degrees = lack / (groups - 2), groups - 2
    half = float(stats.t.ppf((1 + level) / 2, degrees)) * math.sqrt(variance / total)
    return Slope(slope, slope - half, slope + half, spread, bent, count)
