"""The one seam to where trials are trained: batches go in, finished trials come back in any order."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Protocol

from goodinit.comparison.study import Batch, Job
from goodinit.comparison.trials import train_batch
from goodinit.errors import GoodinitError
from goodinit.results import Task, Trial
from goodinit.training import Engine

__all__ = ["Executor", "LocalExecutor"]


class Executor(Protocol):
    """Trains batches somewhere. A batch whose training fails comes back as failed trials, never as an exception."""

    def run(self, batches: Iterable[Batch]) -> Iterator[tuple[Batch, list[Trial]]]:
        """Each batch with its finished trials, in the order of its jobs; batches in any order."""
        ...


class LocalExecutor:
    """This machine, one batch after the other; the engine uses its cores. `progress` is told trained networks."""

    def __init__(
        self, engine: Engine = "auto", perturbations: int = 0, progress: Callable[[float], None] = lambda trained: None
    ) -> None:
        self.engine, self.perturbations, self.progress = engine, perturbations, progress

    def run(self, batches: Iterable[Batch]) -> Iterator[tuple[Batch, list[Trial]]]:
        """Each batch with its finished trials."""
        trained = 0.0
        for batch in batches:
            done = trained

            def step(finished: int, done: float = done, batch: Batch = batch) -> None:
                self.progress(done + len(batch.jobs) * finished / batch.task.schedule.steps)

            yield batch, self._train(batch, step)
            trained += len(batch.jobs)
            self.progress(trained)

    def _train(self, batch: Batch, progress: Callable[[int], None]) -> list[Trial]:
        """The batch's trials; a batch that fails is halved until the job that fails is alone."""
        try:
            return train_batch(batch, perturbations=self.perturbations, engine=self.engine, progress=progress)
        except GoodinitError:  # a value that cannot be used, which the person must hear of
            raise
        except (ArithmeticError, MemoryError, RuntimeError, ValueError) as error:
            if len(batch.jobs) == 1:
                return [_failed(batch.task, batch.jobs[0], error)]
            middle = len(batch.jobs) // 2
            halves = (replace(batch, jobs=batch.jobs[:middle]), replace(batch, jobs=batch.jobs[middle:]))
            return [trial for half in halves for trial in self._train(half, progress)]


def _failed(task: Task, job: Job, error: Exception) -> Trial:
    """The trial of a job that could not be trained: it counts as the worst there is."""
    reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    worst = 0.0 if task.yardstick.bounded else math.nan
    return Trial(
        task=task.name,
        phase=job.phase,
        initialization=str(job.initializer),
        seed=job.seed,
        learning_rate=job.learning_rate,
        steps=task.schedule.steps,
        loss_steps=(),
        loss_values=(),
        final_loss=math.nan,
        train_score=worst,
        test_score=worst,
        score_name=task.yardstick.score,
        diverged=False,
        diverged_by=None,
        sensitivity=None,
        findings=(),
        why=f"The trial could not be trained: {reason}.",
        failure=reason,
        parameters={},
    )
