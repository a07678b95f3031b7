"""The last stage of a race: what is left of the budget goes to the rate of the start that is recommended."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

from goodinit.comparison.policies import Finished, Wave
from goodinit.comparison.tuning import criterion_value
from goodinit.recommending.policies import Arm
from goodinit.recommending.records import RateResult
from goodinit.results import Job, Study

__all__ = ["RateStage"]


@dataclass(frozen=True)
class RateStage:
    """A start at a few rates on the finals' seeds, of which it has some already, while there are trainings left.

    Tuning chooses a rate from few runs of a part of the examples; the finals say whether the start is better, at that
    rate. Which of its rates is best is then read from as many seeds as there is time for. It is no test.
    """

    study: Study
    task: int
    arms: tuple[Arm, ...]
    seeds: tuple[int, ...]
    at_once: int = 1
    trainings: int | None = None

    def waves(self, finished: Finished) -> Iterator[Wave]:
        """A wave for every `at_once` seeds."""
        if len(self.arms) < 2:
            return
        left = math.inf if self.trainings is None else self.trainings
        for at in range(0, len(self.seeds), self.at_once):
            jobs = self._jobs(self.seeds[at : at + self.at_once])
            left -= len(jobs) - len(finished(jobs))
            if left < 0:
                return
            yield Wave(f"rates of {self.arms[0].start}", jobs)

    def results(self, finished: Finished) -> tuple[RateResult, ...]:
        """The rates in order, on the seeds that all of them have ended."""
        trials = finished(self._jobs(self.seeds))
        place = {(trial.learning_rate, trial.seed): trial for trial in trials if not trial.machine_failure}
        seeds = [seed for seed in self.seeds if all((arm.rate, seed) in place for arm in self.arms)]
        found = []
        for rate in sorted(arm.rate for arm in self.arms) if seeds else ():
            values = tuple(criterion_value(place[rate, seed], self.study.criterion) for seed in seeds)
            found.append(RateResult(rate, values, float(median(values))))
        return tuple(found)

    def _jobs(self, seeds: tuple[int, ...]) -> tuple[Job, ...]:
        return tuple(Job(self.task, arm.start, arm.rate, seed, "evaluation") for seed in seeds for arm in self.arms)
