"""Evidence that may be looked at after every pair: e-values of signs and signed ranks, and bounds of a share.

A p value is for one look at a number of runs that was fixed before. What is here keeps its error however often one
looks and whenever one stops, so that a race may end when its time is out.
"""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from goodinit.arguments import check_count
from goodinit.errors import GoodinitError
from goodinit.statistics.arguments import check_level

__all__ = ["SignedRankEvidence", "adjust_evidence", "pairs_needed", "share_at_least", "sign_evidence"]

_MOST = 2_000  # pairs
_STRENGTHS = (0.5, 1.0, 2.0, 4.0, 8.0)  # from a start that wins two seeds of three to one that wins all


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


class SignedRankEvidence:
    """The e-value of paired differences, one after the other, against "whatever its size, it is no likelier a win".

    A difference above 0 is a win, of 0 a tie, which is left out. The rank r of its size among those up to it, less a
    half, over their number n is its weight w = (r - 1/2) / n; E is the mean over strengths c of 1/2, 1, 2, 4 and 8 of
    the product of 2 / (1 + exp(-2 c w)) for each win and 2 / (1 + exp(2 c w)) for each loss. Where the size says
    nothing of the sign, and a win has a chance of at most a half, as between two starts that are the same, that is a
    nonnegative supermartingale which starts at 1: the chance that it ever reaches 1 / a is at most a. Large differences
    count more than small ones, as in Wilcoxon's test, so that it takes fewer pairs than `sign_evidence`: about two
    thirds where differences are normal.

    `value` is the e-value, `opposite` that of "it loses", `wins` and `losses` are counts, `differences` all so far.

    >>> found = SignedRankEvidence([0.3, 0.1, 0.4, -0.1, 0.5, 0.9, 0.2, 0.6])
    >>> found.wins, round(found.value, 1), round(found.opposite, 2)
    (7, 16.4, 0.02)

    Source: Vovk & Wang 2024, Nonparametric e-tests of symmetry; Reynolds 1975, A sequential signed-rank test.
    """

    def __init__(self, differences: Iterable[float] = ()) -> None:
        self._seen: list[float] = []
        self._sizes: list[float] = []
        self._weight = 0.0
        self._logs = [0.0] * len(_STRENGTHS)
        self.wins = self.losses = 0
        for each in differences:
            self.add(each)

    def add(self, difference: float) -> None:
        """A further pair's; infinite where one of the two runs diverged.

        Raises GoodinitError for what is no number.
        """
        if math.isnan(difference):
            raise GoodinitError("difference=nan: give a number; 0 where both runs diverged")
        self._seen.append(difference)
        if difference == 0:
            return
        size, won = abs(difference), difference > 0
        bisect.insort(self._sizes, size)
        first, after = bisect.bisect_left(self._sizes, size), bisect.bisect_right(self._sizes, size)
        weight = (first + after) / 2 / len(self._sizes) * (1 if won else -1)
        self._weight += weight
        self._logs = [
            log + math.log(2) - math.log1p(math.exp(-2 * each * weight))
            for log, each in zip(self._logs, _STRENGTHS, strict=True)
        ]
        self.wins, self.losses = self.wins + won, self.losses + (not won)

    @property
    def differences(self) -> tuple[float, ...]:
        """All that were added, in order."""
        return tuple(self._seen)

    @property
    def value(self) -> float:
        """The e-value of "it wins"."""
        return sum(math.exp(min(each, 700.0)) for each in self._logs) / len(_STRENGTHS)

    @property
    def opposite(self) -> float:
        """The e-value of "it loses": that of the differences with their signs turned round."""
        turned = (log - 2 * each * self._weight for log, each in zip(self._logs, _STRENGTHS, strict=True))
        return sum(math.exp(min(each, 700.0)) for each in turned) / len(_STRENGTHS)


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


def pairs_needed(differences: Sequence[float], *, comparisons: int = 1, level: float = 0.95) -> int | None:
    """About how many pairs more it takes until `SignedRankEvidence` tells, if the same differences come again.

    The e-value has to reach `comparisons` / (1 - level). 0 where it has, None where 2,000 pairs would not do, or no
    more are won than lost.

    >>> pairs_needed([0.2, 0.1, 0.3, 0.4]), pairs_needed([0.2, 0.1, 0.3] * 3), pairs_needed([0.2, -0.1, -0.4])
    (2, 0, None)
    """
    goal = check_count("comparisons", comparisons) / (1 - check_level(level))
    found = SignedRankEvidence(differences)
    if found.value >= goal:
        return 0
    if found.wins <= found.losses:
        return None
    for more, each in zip(range(1, _MOST + 1), itertools.cycle(differences), strict=False):
        found.add(each)
        if found.value >= goal:
            return more
    return None
