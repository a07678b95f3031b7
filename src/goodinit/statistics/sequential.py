"""Evidence that may be looked at after every pair: e-values of signs, and confidence bounds of a share.

A p value is for one look at a number of runs that was fixed before. What is here keeps its error however often one
looks and whenever one stops, so that a race may end when its time is out.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from goodinit.arguments import check_count
from goodinit.errors import GoodinitError
from goodinit.statistics.arguments import check_level

__all__ = ["adjust_evidence", "pairs_needed", "share_at_least", "sign_evidence"]

_MOST = 10_000  # pairs


def sign_evidence(wins: int, losses: int, *, share: float = 0.5) -> float:
    """The e-value of paired signs against "it wins at most this share of the pairs that differ", half unless told.

    With w wins and l losses, E is the mean of (p / share)^w ((1 - p) / (1 - share))^l over p from `share` to 1, p with
    the density of Beta(1/2, 1/2) there. Where a pair is won with chance at most `share`, whatever came before, E is a
    nonnegative supermartingale that starts at 1: the chance that it ever reaches 1 / a is at most a. Ties are left out.

    Raises GoodinitError for numbers that are not integers of at least 0, or a share outside (0, 1).

    >>> [round(sign_evidence(wins, 0), 1) for wins in (0, 5, 6, 7)]
    [1.0, 15.6, 28.8, 53.5]

    Source: Ville 1939; Krichevsky & Trofimov 1981 (the mixture); Ramdas et al. 2023, Game-theoretic statistics.
    """
    w, lost = check_count("wins", wins, low=0), check_count("losses", losses, low=0)
    p0 = check_level(share, "share")
    above = float(special.betainc(lost + 0.5, w + 0.5, 1 - p0))  # the Beta's mass above the share
    if above == 0:
        return 0.0
    log = float(special.betaln(w + 0.5, lost + 0.5)) - math.log(math.pi) - w * math.log(p0) - lost * math.log1p(-p0)
    before = float(special.betainc(0.5, 0.5, 1 - p0))
    return math.exp(min(log + math.log(above / before), 700.0))


def adjust_evidence(evidence: ArrayLike) -> NDArray[np.float64]:
    """e-values of several claims, lowered so that the chance of any false one among those of 1 / a is at most a.

    Each becomes the smallest mean of itself and any others: closed testing, with the mean as the e-value of a claim
    that several are false. Unlike p values, e-values of one race may depend on each other in any way, and claims that
    are followed no longer keep their last.

    `evidence` has shape (m,), numbers of at least 0.

    Raises GoodinitError for another shape, or a number below 0.

    >>> adjust_evidence([60.0, 1.0, 0.5]).tolist()
    [20.5, 0.75, 0.5]

    Source: Vovk & Wang 2021, E-values: calibration, combination and applications, section 5.
    """
    e = np.asarray(evidence, dtype=np.float64)
    if e.ndim != 1 or not (e >= 0).all():
        raise GoodinitError(f"evidence={evidence!r}: give one row of numbers of at least 0")
    adjusted = e.copy()
    for place, own in enumerate(e):
        others = np.sort(np.delete(e, place))
        sums = own + np.cumsum(others)
        means = sums / np.arange(2, e.size + 1)
        adjusted[place] = min(own, float(means.min(initial=math.inf)))
    return adjusted


def share_at_least(wins: int, losses: int, *, level: float = 0.95) -> float:
    """A lower bound of the share of pairs that are won, right after every pair at once with that probability.

    The largest share that `sign_evidence` does not speak against by 1 / (1 - level): the lower side of a confidence
    sequence. It is above a half where the evidence against a half is as large.

    Raises GoodinitError for numbers that are not integers of at least 0, or a level outside (0, 1).

    >>> round(share_at_least(6, 0), 3), round(share_at_least(10, 0), 3), share_at_least(0, 3)
    (0.535, 0.686, 0.0)

    Source: Robbins 1970, Statistical methods related to the law of the iterated logarithm; Darling & Robbins 1967.
    """
    w, lost = check_count("wins", wins, low=0), check_count("losses", losses, low=0)
    bound = math.log(1 / (1 - check_level(level)))

    def over(share: float) -> float:
        return math.log(max(sign_evidence(w, lost, share=share), 1e-300)) - bound

    low, high = 1e-9, max(w / (w + lost) if w + lost else 0.0, 1e-9)
    if over(low) <= 0:
        return 0.0
    from scipy import optimize  # here, since it takes longer to import than all else

    return float(optimize.brentq(over, low, min(high, 1 - 1e-9)))


def pairs_needed(wins: int, losses: int, *, comparisons: int = 1, level: float = 0.95) -> int | None:
    """About how many pairs more it takes until the signs tell, if wins go on as they did; None where they are no more.

    The share that is expected is (w + 1/2) / (w + l + 1), and the e-value has to reach `comparisons` / (1 - level). 0
    where it has.

    >>> pairs_needed(4, 0), pairs_needed(7, 0), pairs_needed(3, 5)
    (2, 0, None)
    """
    w, lost = check_count("wins", wins, low=0), check_count("losses", losses, low=0)
    goal = check_count("comparisons", comparisons) / (1 - check_level(level))
    share = (w + 0.5) / (w + lost + 1)
    for more in range(_MOST):
        won = math.floor(share * more + 0.5)
        if sign_evidence(w + won, lost + more - won) >= goal:
            return more
        if share <= 0.5:
            return None
    return None
