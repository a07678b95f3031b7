"""The last stage of a race: what is left of the budget goes to the rate of the start that is recommended."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from goodinit.comparison.policies import Finished, Wave
from goodinit.comparison.tuning import criterion_value
from goodinit.recommending.policies import Arm
from goodinit.recommending.records import RateResult
from goodinit.results import Job, Study

__all__ = ["RateStage"]


_BESIDE: Final = 10**0.25  # to the next rate beyond the highest or the lowest
_BEYOND: Final = 2  # rates that are tried there, at most


@dataclass(frozen=True)
class RateStage:
    """A start at a few rates on the finals' seeds, of which it has some already, then on further ones.

    Tuning chooses a rate from few runs of a part of the examples; the finals say whether the start is better, at that
    rate. Which of its rates is best is then read from as many seeds as there are trainings left for. It is no test.
    Where the best on the `first` seeds is the highest or the lowest rate, the next one is tried on them too, `within`
    what was raced.
    """

    study: Study
    task: int
    arms: tuple[Arm, ...]
    seeds: tuple[int, ...]
    first: int
    within: tuple[float, float]
    at_once: int = 1
    trainings: int | None = None

    def waves(self, finished: Finished) -> Generator[Wave, None, None]:
        """A wave for every `at_once` seeds."""
        if len(self.arms) < 2:
            return
        left, arms = math.inf if self.trainings is None else self.trainings, self.arms
        while left >= 0:
            left = yield from self._trained(arms, self.seeds[: self.first], finished, left)
            known, arms = len(arms), self._entered(finished, begun=True)
            if len(arms) == known:  # none is to be tried beyond
                break
        if left >= 0:
            yield from self._trained(arms, self.seeds[self.first :], finished, left)

    def _trained(
        self, arms: Sequence[Arm], seeds: Sequence[int], finished: Finished, left: float
    ) -> Generator[Wave, None, float]:
        """The waves of these; gives the trainings that are left, below 0 where there were too few."""
        for jobs in self._jobs(arms, seeds):
            left -= len(jobs) - len(finished(jobs))
            if left < 0:
                break
            yield Wave(f"rates of {self.arms[0].start}", jobs)
        return left

    def results(self, finished: Finished) -> tuple[RateResult, ...]:
        """The rates in order, on the seeds that all of them have ended."""
        return self._results(self._entered(finished), self.seeds, finished)

    def _entered(self, finished: Finished, *, begun: bool = False) -> tuple[Arm, ...]:
        """The arms with those beyond that have ended the first seeds, or, if `begun`, are to."""
        arms, first = self.arms, self.seeds[: self.first]
        for _ in range(_BEYOND):
            found = self._results(arms, first, finished)
            if not self._whole(found):
                break
            best = min(found, key=lambda each: each.median).learning_rate
            beyond = {found[-1].learning_rate: best * _BESIDE, found[0].learning_rate: best / _BESIDE}
            rate = float(f"{beyond.get(best, best):.2g}")
            if best not in beyond or not self.within[0] <= rate <= self.within[1]:
                break
            more = (*arms, Arm(arms[0].start, rate))
            if not begun and not self._whole(self._results(more, first, finished)):
                break
            arms = more
        return arms

    def _whole(self, found: Sequence[RateResult]) -> bool:
        return bool(found) and len(found[0].values) >= self.first

    def _results(self, arms: Sequence[Arm], seeds: Sequence[int], finished: Finished) -> tuple[RateResult, ...]:
        trials = finished([job for jobs in self._jobs(arms, seeds) for job in jobs])
        place = {(trial.learning_rate, trial.seed): trial for trial in trials if not trial.machine_failure}
        whole = [seed for seed in seeds if all((arm.rate, seed) in place for arm in arms)]
        found = []
        for rate in sorted(arm.rate for arm in arms) if whole else ():
            values = tuple(criterion_value(place[rate, seed], self.study.criterion) for seed in whole)
            found.append(RateResult(rate, values, float(median(values))))
        return tuple(found)

    def _jobs(self, arms: Sequence[Arm], seeds: Sequence[int]) -> Iterator[tuple[Job, ...]]:
        """Those of `at_once` seeds each."""
        for at in range(0, len(seeds), self.at_once):
            some = seeds[at : at + self.at_once]
            yield tuple(Job(self.task, arm.start, arm.rate, seed, "evaluation") for seed in some for arm in arms)
