"""A study: every trial of tasks x initializations x learning rates x seeds."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from goodinit.methods import Start
from goodinit.results.task import Task
from goodinit.results.trial import Phase

__all__ = ["Job", "Study", "key_of"]


@dataclass(frozen=True)
class Job:
    """One trial to be trained: its task's place in the study, initialization, learning rate, seed and phase."""

    task: int
    initializer: Start
    learning_rate: float
    seed: int
    phase: Phase = "evaluation"


@dataclass(frozen=True)
class Study:
    """All trials of a comparison.

    Where there are several `learning_rates`, every initialization is trained with every one of them on `tuning_seeds`
    first, and with its best one, by `criterion`, on `seeds`; where there are none, with the task's own. `growing` says
    that rates beyond the grid are tried where the best one lies at its end. With a criterion on validation data a
    quarter of the examples to train on is held out in the tuning.
    Trials are paired: a seed gives every initialization the same examples in the same order.
    """

    tasks: tuple[Task, ...]
    initializers: tuple[Start, ...]
    learning_rates: tuple[float, ...]
    seeds: tuple[int, ...]
    tuning_seeds: tuple[int, ...] = ()
    criterion: str = "final_loss"
    growing: bool = False

    @property
    def tune(self) -> bool:
        """Whether the learning rate is chosen for each initialization."""
        return len(self.learning_rates) > 1

    @property
    def holds_out(self) -> bool:
        """Whether the tuning keeps validation data."""
        return self.tune and self.criterion.startswith("validation")

    def task_of(self, job: Job) -> Task:
        """The task as the job trains it: in a tuning on validation data, those take the test data's place."""
        task = self.tasks[job.task]
        if job.phase == "tuning" and self.holds_out:
            return replace(task, source=replace(task.source, held_out=True))
        return task

    @property
    def size(self) -> int:
        """The number of trials, tuning included."""
        starts = len(self.tasks) * len(self.initializers)
        rates = len(self.learning_rates) or 1
        if self.tune:
            return starts * (rates * len(self.tuning_seeds) + len(self.seeds))
        return starts * len(self.seeds)

    def tuning_jobs(self) -> list[Job]:
        """Every rate of the grid for every task and initialization, on the tuning seeds; none without tuning."""
        if not self.tune:
            return []
        return [
            Job(task, initializer, rate, seed, "tuning")
            for task in range(len(self.tasks))
            for seed in self.tuning_seeds
            for initializer in self.initializers
            for rate in self.learning_rates
        ]

    def jobs(self, chosen: Mapping[tuple[str, str], float]) -> list[Job]:
        """The trials of the evaluation; `chosen` holds the tuned rate for each (task name, initialization)."""
        jobs = []
        for place, task in enumerate(self.tasks):
            for seed in self.seeds:
                for initializer in self.initializers:
                    rate = next(iter(self.learning_rates), task.schedule.learning_rate)
                    if self.tune:
                        rate = chosen[task.name, str(initializer)]
                    jobs.append(Job(place, initializer, rate, seed))
        return jobs

    @cached_property
    def _identities(self) -> tuple[str, ...]:
        """The tasks' identities; each costs a look at all of its data."""
        return tuple(task.identity for task in self.tasks)

    def key(self, job: Job) -> str:
        """What a trial is, as a hash: the same for the same trial in any study."""
        phase = () if job.phase == "evaluation" else (job.phase, *(["held out"] if self.holds_out else []))
        start, source = str(job.initializer), job.initializer.source
        called = start if source is None else f"{start} of the source {source}"
        return key_of(self._identities[job.task], called, job.learning_rate, job.seed, *phase)


def key_of(identity: str, initialization: str, learning_rate: float, seed: int, *phase: str) -> str:
    """What a trial is, as a hash; `phase` is empty for the evaluation, and else says what the trial was for."""
    facts = [identity, initialization, repr(float(learning_rate)), seed, *phase]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]
