"""Equivalence: bounds of a mean difference that hold where runs fail so rarely that none was seen to."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import special

from goodinit.statistics.estimate import Estimate
from goodinit.statistics.runs import Runs

__all__ = ["RARE", "equivalence_bounds", "unseen", "worst_loss"]

Float64s = NDArray[np.float64]
RARE: Final = 0.05  # the share of runs that may fail unseen where nobody tells how much a failure costs


def unseen(runs: int, level: float) -> float:
    """The largest share of runs that may fail though none of `runs` did: p with (1 - p)^runs = (1 - level) / 2.

    >>> round(unseen(10, 0.95), 3), round(unseen(72, 0.95), 3)
    (0.308, 0.05)

    Source: Clopper & Pearson 1934, the limit at 0 of n.
    """
    return float(-math.expm1(math.log((1 - level) / 2) / runs))


def _needed(share: float, level: float) -> int:
    """The fewest runs after which no more than that share may fail unseen."""
    return math.ceil(math.log((1 - level) / 2) / math.log1p(-share) - 1e-9)


def worst_loss(floor: float | None, one: Runs, two: Runs) -> float | None:
    """What a failure may cost: the best score of both less the floor that the caller told; None without a floor."""
    if floor is None:
        return None
    finite = np.concatenate([runs.ranked[~runs.diverged] for runs in (one, two)])
    return max(0.0, float(finite.max(initial=-math.inf)) - one.sign * floor) if finite.size else 0.0


def equivalence_bounds(
    differences: Float64s, mean: Estimate, loss: float | None, margin: float
) -> tuple[Estimate, int | None]:
    """Bounds of the mean of paired differences to call two groups equivalent by, and the runs that it takes at least.

    Two one-sided t tests, joined with the bootstrap interval `mean`, hold where no rare failure hides: of runs of which
    one in twenty fails, 36 % of samples of 20 show none, and their mean difference looks small and sure. So both ends
    are moved by what may be unseen: the largest share that may fail though none did, times `loss`, what one failure
    may cost. Where that is not told (None) there are no bounds until at most one run in twenty may fail unseen, 72
    runs at 95 %.

    Source: Schuirmann 1987 (two one-sided tests); Lakens 2017; Clopper & Pearson 1934 (0 of n).
    """
    n, level, value = differences.size, mean.level, mean.value
    share = unseen(n, level)
    if loss is None:
        needed = _needed(RARE, level)
        beyond = 0.0 if n >= needed else math.inf
    else:
        beyond = share * loss
        needed = _needed(margin / loss, level) if 0 < margin < loss else 2
    scale = float(np.abs(differences).max())
    spread = float((differences / scale).std(ddof=1)) * scale if scale > 0 else 0.0
    half = -float(special.stdtrit(n - 1, (1 - level) / 2)) * spread / math.sqrt(n)
    low, high = min(mean.low, value - half) - beyond, max(mean.high, value + half) + beyond
    return Estimate(
        value, low, high, level, "t and bootstrap, widened by failures unseen"
    ), needed if margin > 0 else None
