"""Every two of a race's arms against each other, seed by seed."""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Iterable, Mapping
from typing import Final, Generic, TypeVar

from goodinit.statistics import SignedRankEvidence

__all__ = ["LOST", "Duels", "lead_over", "seeds_at_once"]

LOST: Final = 8  # the e-value of "it loses" at which an arm drops out: some four seeds of four
_LOOKS: Final = 20  # seeds for which there is one more between two looks: each look reads all seeds so far

_Arm = TypeVar("_Arm", bound=Hashable)


def lead_over(own: float, base: float) -> float:
    """By how much a criterion is lower, and so better, than another; 0 for a tie, as of two runs that diverged."""
    return 0.0 if own == base else base - own


def seeds_at_once(least: int, known: int) -> int:
    """How many seeds are trained before the duels are looked at again, where so many are known."""
    return max(least, known // _LOOKS)


class Duels(Generic[_Arm]):
    """The duels of every two arms on the seeds that both were trained on, added one after the other."""

    def __init__(self, arms: Iterable[_Arm]) -> None:
        self._duels = {pair: SignedRankEvidence() for pair in itertools.combinations(arms, 2)}

    def add(self, values: Mapping[_Arm, float]) -> None:
        """A further seed, with the criterion of each arm that was trained on it."""
        for (one, other), duel in self._duels.items():
            if one in values and other in values:
                duel.add(lead_over(values[one], values[other]))

    def beaten(self, arm: _Arm, by: _Arm) -> bool:
        """Whether the arm clearly loses to the other."""
        found = self._duels.get((by, arm))
        return (self._duels[arm, by].opposite if found is None else found.value) >= LOST

    def lost(self, arm: _Arm, among: Iterable[_Arm]) -> float:
        """How many duels the arm lost to those, a tie as half."""
        others, lost = set(among) - {arm}, 0.0
        for (one, other), duel in self._duels.items():
            if (arm == one and other in others) or (arm == other and one in others):
                ties = len(duel.differences) - duel.wins - duel.losses
                lost += ties / 2 + (duel.losses if arm == one else duel.wins)
        return lost
