"""The last stage of a race: what is left of the budget goes to the starts that may be recommended, and their rates."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from goodinit.comparison.policies import Finished, Wave
from goodinit.comparison.tuning import criterion_value
from goodinit.recommending.duels import Duels, seeds_at_once
from goodinit.recommending.halving import Arm
from goodinit.recommending.ranking import duels_lost
from goodinit.recommending.records import RateResult
from goodinit.results import Job, Study
from goodinit.wording import listed

__all__ = ["RateStage", "order"]

_BESIDE: Final = 10**0.25  # to the next rate beyond the highest or the lowest
_BEYOND: Final = 2  # rates that are tried there, at most


def order(found: RateResult) -> tuple[float, float]:
    """Lower for the better of two that were trained on the same seeds."""
    return found.lost, found.median


@dataclass(frozen=True)
class RateStage:
    """Starts at a few rates on the finals' seeds, of which they have some already, then on further ones.

    Tuning chooses a rate from few runs of a part of the examples; the finals say which starts are better, each at that
    rate. Which of those is best, and at which rate, is then read from as many seeds as there are trainings left for: it
    is the one that loses the fewest duels, which are told on about half of the seeds that medians need. It is no test.
    Where the best on the `first` seeds has the highest or the lowest rate of its start, the next one is tried on them
    too, `within` what was raced. From then on those that clearly lose to the best get no further seed.
    """

    study: Study
    task: int
    arms: tuple[Arm, ...]
    seeds: tuple[int, ...]
    first: int
    within: tuple[float, float]
    at_once: int = 1
    trainings: int | None = None

    def waves(self, finished: Finished) -> Iterator[Wave]:
        """A wave for every `at_once` seeds or more, while there are two to choose between."""
        trainings, arms, at = math.inf if self.trainings is None else self.trainings, self.arms, 0
        while at < len(self.seeds) and len(left := self._walked(arms, finished).left) > 1:
            step = seeds_at_once(self.at_once, at) if at >= self.first else min(self.at_once, self.first - at)
            jobs = self._jobs(left, self.seeds[at : at + step])
            trainings -= len(jobs) - len(finished(jobs))
            if trainings < 0:
                return
            yield Wave(f"rates of {listed(dict.fromkeys(str(arm.start) for arm in arms))}", jobs)
            at += step
            if at == self.first:
                known, arms = len(arms), self._entered(finished, begun=True)
                at = at if len(arms) == known else 0  # one beyond is tried on them too

    def results(self, finished: Finished) -> tuple[RateResult, ...]:
        """The starts and their rates, in order."""
        arms = self._entered(finished)
        found = [each for each in self._results(arms, self._walked(arms, finished).rows) if each.values]
        starts = list(dict.fromkeys(str(arm.start) for arm in arms))
        return tuple(sorted(found, key=lambda each: (starts.index(each.initialization), each.learning_rate)))

    def _walked(self, arms: Sequence[Arm], finished: Finished) -> _Walk:
        """The criterion of each arm on each seed that all which were left have ended, and the machine did not end."""
        place = {
            (trial.initialization, trial.learning_rate, trial.seed): criterion_value(trial, self.study.criterion)
            for trial in finished(self._jobs(arms, self.seeds))
            if not trial.machine_failure
        }
        walk = _Walk(arms, self.first)
        for seed in self.seeds:
            if all((*arm.key, seed) in place for arm in walk.left):
                walk.add({arm: place[*arm.key, seed] for arm in walk.left})
        return walk

    def _entered(self, finished: Finished, *, begun: bool = False) -> tuple[Arm, ...]:
        """The arms with those beyond that have ended the first seeds, or, if `begun`, are to."""
        arms = self.arms
        for _ in range(_BEYOND):
            rows = self._walked(arms, finished).rows[: self.first]
            if len(rows) < self.first:
                break
            best = min(self._results(arms, rows), key=order)
            own = [arm for arm in arms if str(arm.start) == best.initialization]
            rates, rate = [arm.rate for arm in own], best.learning_rate
            beyond = {max(rates): rate * _BESIDE, min(rates): rate / _BESIDE}
            next_rate = float(f"{beyond.get(rate, rate):.2g}")
            if rate not in beyond or not self.within[0] <= next_rate <= self.within[1]:
                break
            more = (*arms, Arm(own[0].start, next_rate))
            if not begun and len(self._walked(more, finished).rows) < self.first:
                break
            arms = more
        return arms

    def _results(self, arms: Sequence[Arm], rows: Sequence[dict[Arm, float]]) -> tuple[RateResult, ...]:
        found, values = [], [tuple(row[arm] for row in rows if arm in row) for arm in arms]
        for arm, own in zip(arms, values, strict=True):
            met = [each[: len(own)] for each in values if len(each) >= len(own)]
            lost = float(duels_lost(met)[met.index(own)]) if own else math.nan
            found.append(RateResult(*arm.key, own, float(median(own)) if own else math.nan, lost))
        return tuple(found)

    def _jobs(self, arms: Sequence[Arm], seeds: Sequence[int]) -> tuple[Job, ...]:
        return tuple(Job(self.task, arm.start, arm.rate, seed, "evaluation") for seed in seeds for arm in arms)


class _Walk:
    """The seeds one after the other, and the arms that are left: after the `first` what does not clearly lose."""

    def __init__(self, arms: Sequence[Arm], first: int) -> None:
        self.rows: list[dict[Arm, float]] = []
        self.left = tuple(arms)
        self._first = first
        self._duels = Duels(self.left)

    def add(self, row: dict[Arm, float]) -> None:
        """A further seed of all that are left."""
        self.rows.append(row)
        self._duels.add(row)
        if len(self.rows) >= self._first:
            best = min(self.left, key=self._order)
            self.left = tuple(arm for arm in self.left if arm == best or not self._duels.beaten(arm, best))

    def _order(self, arm: Arm) -> tuple[float, float]:
        """Lower for one that lost fewer duels to those that are left."""
        return self._duels.lost(arm, self.left), median(row[arm] for row in self.rows)
