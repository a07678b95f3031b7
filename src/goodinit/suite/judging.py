"""The suite's rule: a start is told from another only where it beats it at the rate of each.

Two starts are tuned apart, from few runs, so that chance gives equal starts unequal rates, and then they do differ: in
their rates. What is called better has to be better at its own rate than the other at the other's, and than the other at
that same rate. `recommend` asks the same of a rival.

Where two starts are equal, their paired losses at one rate differ by signs that are fair coins; so each of the two
comparisons at one rate, of which the direction picks one, is decided its way with at most half the error. The larger of
the two p values of the direction is then a p value, and Holm's correction of such is one for all starts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from goodinit.statistics import holm, wilcoxon
from goodinit.statistics.hypotheses import signed_ranks

__all__ = ["ERROR", "StartVerdict", "behind", "judge"]

ERROR: Final = 0.05
"""The chance that any start of a task, at a tuning budget, is told from one that it equals."""

LossesAt = Callable[[str, float], Sequence[float]]
"""The losses of a start at a rate, a seed each in their order, infinite where a run diverged."""


@dataclass(frozen=True)
class StartVerdict:
    """A start against the base: the corrected p value, the verdict, and `crossed`, where both rates were needed.

    Those are the losses of the one that is behind at the rate of the other.
    """

    p_value: float
    verdict: str
    crossed: tuple[float, ...] = ()


@dataclass(frozen=True)
class _PairAtOwnRates:
    """Two starts at their own rates, and which is ahead: 1 for the first, -1 for the base, 0 for neither."""

    first: str
    base: str
    rates: tuple[float, float]
    ahead: int
    p_value: float

    @property
    def leader(self) -> tuple[str, float]:
        """The start that is ahead, and its rate."""
        return (self.first, self.rates[0]) if self.ahead > 0 else (self.base, self.rates[1])

    @property
    def follower(self) -> tuple[str, float]:
        """The start that is behind, and the rate of the other."""
        return self.base if self.ahead > 0 else self.first, self.leader[1]


def behind(rates: Mapping[str, float], losses: LossesAt) -> list[tuple[str, float]]:
    """The starts that have to be trained at another's rate: of pairs that are told apart at their own, which differ.

    `rates` has the rate of each start, the base first.
    """
    pairs = _at_their_own(rates, losses)
    return list(dict.fromkeys(each.follower for each in _significant(pairs) if len(set(each.rates)) == 2))


def judge(rates: Mapping[str, float], losses: LossesAt) -> dict[str, StartVerdict]:
    """What is said of each start but the base, which is the first of `rates`; `losses` knows what `behind` asks for.

    A pair that is not told apart at its own rates has that p value, which the other comparison could only raise.
    """
    pairs = _at_their_own(rates, losses)
    both, crossed = {each.first: each.p_value for each in pairs}, dict[str, tuple[float, ...]]()
    for each in _significant(pairs):
        if len(set(each.rates)) == 1:
            continue
        other = tuple(losses(*each.follower))
        lead, p_value = _compared(other, losses(*each.leader))
        both[each.first] = max(each.p_value, p_value) if lead < 0 else 1.0
        crossed[each.first] = other
    corrected = holm(list(both.values())).tolist()
    words = {1: "better", -1: "worse"}
    return {
        each.first: StartVerdict(
            p_value, words[each.ahead] if p_value <= ERROR else "not separable", crossed.get(each.first, ())
        )
        for each, p_value in zip(pairs, corrected, strict=True)
    }


def _at_their_own(rates: Mapping[str, float], losses: LossesAt) -> list[_PairAtOwnRates]:
    base, *others = rates
    made = []
    for first in others:
        ahead, p_value = _compared(losses(first, rates[first]), losses(base, rates[base]))
        made.append(_PairAtOwnRates(first, base, (rates[first], rates[base]), ahead, p_value))
    return made


def _significant(pairs: Sequence[_PairAtOwnRates]) -> list[_PairAtOwnRates]:
    corrected = holm([each.p_value for each in pairs]).tolist()
    return [each for each, p_value in zip(pairs, corrected, strict=True) if p_value <= ERROR]


def _compared(own: Sequence[float], base: Sequence[float]) -> tuple[int, float]:
    """Which is ahead, 1 for the first, by the signed ranks, and Wilcoxon's p value; two diverged runs tie."""
    differences = [0.0 if a == b else a - b for a, b in zip(own, base, strict=True)]
    total = float(signed_ranks(differences).sum())
    return (total < 0) - (total > 0), wilcoxon(differences)
