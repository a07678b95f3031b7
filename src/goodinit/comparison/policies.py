"""Policies: what of a study is trained next, decided from what has been. One protocol for all that trains studies."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Protocol

from goodinit.comparison.tuning import best_rates, tuning_jobs
from goodinit.results import Job, Study, Trial

__all__ = ["Finished", "Policy", "TuneThenEvaluate", "Wave", "wanted_tuning"]

Finished = Callable[[Collection[Job]], list[Trial]]
"""Those of some jobs' trials that have ended, in the order task, initialization, learning rate, seed."""


@dataclass(frozen=True)
class Wave:
    """Jobs that are trained before anything more is decided; `what` they are for, as progress tells it.

    Each start of the wave is also trained `perturbations` times with its weights changed by one part in 1e15.
    """

    what: str
    jobs: tuple[Job, ...]
    perturbations: int = 0


class Policy(Protocol):
    """Decides what is trained next. It keeps nothing that the finished trials do not say, so that a stop loses nothing.

    What runs a policy asks for a wave, trains what is not stored of it, and asks for the next.
    """

    def waves(self, finished: Finished) -> Iterator[Wave]:
        """The waves in order; when the next is asked for, `finished` knows the trials of the last."""
        ...


@dataclass(frozen=True)
class TuneThenEvaluate:
    """What `compare` does: every rate on the tuning seeds, then each initialization at its best one on all seeds.

    A growing grid is tuned until no best rate lies at its end. The first seed comes before the others, with
    `perturbations`.
    """

    study: Study
    perturbations: int = 0

    def waves(self, finished: Finished) -> Iterator[Wave]:
        """The tuning, the first seed, all seeds."""
        jobs = self.study.tuning_jobs()
        while jobs:
            yield Wave("tuning", tuple(jobs))
            known, _ = wanted_tuning(self.study, finished)
            if len(known) == len(jobs):
                break
            jobs = known
        evaluation = self.evaluation(finished)
        first = tuple(job for job in evaluation if job.seed == self.study.seeds[0])
        yield Wave("first seed", first, self.perturbations)
        yield Wave("all seeds", evaluation)

    def evaluation(self, finished: Finished) -> tuple[Job, ...]:
        """The trials that the study is about, each initialization's at its best rate."""
        _, tuned = wanted_tuning(self.study, finished)
        return tuple(self.study.jobs(best_rates(tuned, self.study.criterion)))


def wanted_tuning(study: Study, finished: Finished) -> tuple[list[Job], list[Trial]]:
    """The trials of the tuning that are known to be wanted, and those of them that have ended."""
    jobs, tuned = study.tuning_jobs(), list[Trial]()
    while jobs:
        tuned = finished(jobs)
        wanted = tuning_jobs(study, tuned)
        if len(wanted) == len(jobs):
            break
        jobs = wanted
    return jobs, tuned
