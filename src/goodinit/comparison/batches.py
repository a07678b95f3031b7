"""The batches that a study's trials are trained in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from goodinit.results import Job, Study, Task

__all__ = ["BATCH_WORK", "Batch", "batched", "operations"]

BATCH_WORK: Final = 2e11  # multiplications and additions: seconds of work, which is what a stop loses at most
BATCH_NUMBERS: Final = 2**25  # parameters in a batch, which bounds memory
FULL: Final = 16  # networks that an engine trains in about the time of one


@dataclass(frozen=True)
class Batch:
    """Jobs of one task that can be trained together: networks see the same examples in the same order."""

    task: Task
    jobs: tuple[Job, ...]


def batched(study: Study, jobs: Iterable[Job]) -> list[Batch]:
    """The jobs in batches: those of a task whose examples and order are the same, some seconds of work each.

    Models that are trained as an ensemble may have examples of their own seeds.
    """
    groups: dict[Any, list[Job]] = {}
    for job in jobs:
        task = study.task_of(job)
        shared = task.network.ensemble > 1 or (not task.source.varies and task.schedule.batch_size is None)
        groups.setdefault((job.task, job.phase, None if shared else job.seed), []).append(job)
    batches = []
    for group in groups.values():
        task = study.task_of(group[0])
        largest = _largest(task)
        batches += [Batch(task, tuple(group[at : at + largest])) for at in range(0, len(group), largest)]
    return batches


def _largest(task: Task) -> int:
    """How many networks of a task make a batch, or models, which are one where each is trained by itself."""
    if not task.network.together:
        return task.network.ensemble
    wanted = max(FULL, int(BATCH_WORK / operations(task)) // FULL * FULL)
    return max(1, min(wanted, BATCH_NUMBERS // task.network.size))


def operations(task: Task) -> float:
    """The multiplications and additions that train one network of a task."""
    examples = min(task.schedule.batch_size or len(task.data.y_train), len(task.data.y_train))
    return 6.0 * task.network.size * examples * task.schedule.steps  # a product forward, two backward, of 2 each
