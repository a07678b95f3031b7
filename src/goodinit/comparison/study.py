"""A study: every trial of tasks x initializations x learning rates x seeds, and the batches they are trained in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from goodinit.comparison.rows import key_of
from goodinit.factories import ModelFactory
from goodinit.initializers import Initializer
from goodinit.results import Phase, Task

__all__ = ["BATCH_WORK", "Batch", "Job", "Study", "operations"]

BATCH_WORK: Final = 2e11  # multiplications and additions: seconds of work, which is what a stop loses at most
BATCH_NUMBERS: Final = 2**25  # parameters in a batch, which bounds memory
FULL: Final = 16  # networks that an engine trains in about the time of one


@dataclass(frozen=True)
class Job:
    """One trial to be trained: its task's place in the study, initialization, learning rate, seed and phase."""

    task: int
    initializer: Initializer
    learning_rate: float
    seed: int
    phase: Phase = "evaluation"


@dataclass(frozen=True)
class Batch:
    """Jobs of one task that see the same examples in the same order, and so can be trained together."""

    task: Task
    jobs: tuple[Job, ...]


@dataclass(frozen=True)
class Study:
    """All trials of a comparison.

    With `tune`, every initialization is trained with every one of `learning_rates` on `tuning_seeds` first, and
    with its best one on `seeds`; without, with all of `learning_rates` on `seeds`; with none, with the task's own.
    Trials are paired: a seed gives every initialization the same examples in the same order.
    """

    tasks: tuple[Task, ...]
    initializers: tuple[Initializer, ...]
    learning_rates: tuple[float, ...]
    tune: bool
    seeds: tuple[int, ...]
    tuning_seeds: tuple[int, ...]

    @property
    def size(self) -> int:
        """The number of trials, tuning included."""
        starts = len(self.tasks) * len(self.initializers)
        rates = len(self.learning_rates) or 1
        if self.tune:
            return starts * (rates * len(self.tuning_seeds) + len(self.seeds))
        return starts * rates * len(self.seeds)

    def tuning_jobs(self) -> list[Job]:
        """Every learning rate for every task and initialization, on the tuning seeds; none without tuning."""
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
                    rates = self.learning_rates or (task.schedule.learning_rate,)
                    if self.tune:
                        rates = (chosen[task.name, str(initializer)],)
                    jobs += [Job(place, initializer, rate, seed) for rate in rates]
        return jobs

    @cached_property
    def _identities(self) -> tuple[str, ...]:
        """The tasks' identities; each costs a look at all of its data."""
        return tuple(task.identity for task in self.tasks)

    def key(self, job: Job) -> str:
        """What a trial is, as a hash: the same for the same trial in any study."""
        phase = () if job.phase == "evaluation" else (job.phase,)
        return key_of(self._identities[job.task], str(job.initializer), job.learning_rate, job.seed, *phase)

    def batches(self, jobs: Iterable[Job]) -> list[Batch]:
        """The jobs in batches: those of a task whose examples and order are the same, some seconds of work each."""
        groups: dict[Any, list[Job]] = {}
        for job in jobs:
            task = self.tasks[job.task]
            shared = not task.source.varies and task.schedule.batch_size is None
            groups.setdefault((job.task, None if shared else job.seed), []).append(job)
        batches = []
        for (place, _), group in groups.items():
            largest = _largest(self.tasks[place])
            batches += [
                Batch(self.tasks[place], tuple(group[at : at + largest])) for at in range(0, len(group), largest)
            ]
        return batches


def _largest(task: Task) -> int:
    """How many networks of a task make a batch; of somebody's models one, so that each is kept as it ends."""
    if isinstance(task.network, ModelFactory):
        return 1
    wanted = max(FULL, int(BATCH_WORK / operations(task)) // FULL * FULL)
    return max(1, min(wanted, BATCH_NUMBERS // task.network.size))


def operations(task: Task) -> float:
    """The multiplications and additions that train one network of a task."""
    examples = min(task.schedule.batch_size or len(task.data.y_train), len(task.data.y_train))
    return (
        6.0 * task.network.size * examples * task.schedule.steps
    )  # a product forward, and two backward, of 2 operations each
