"""The one seam to where trials are trained: batches go in, finished trials come back in any order."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Protocol

from goodinit.comparison.batches import Batch
from goodinit.comparison.limits import time_limit
from goodinit.comparison.origins import origin_of
from goodinit.comparison.outcome import failed
from goodinit.comparison.side_by_side import TrialPace, places, trained
from goodinit.comparison.trials import train_batch
from goodinit.errors import GoodinitError
from goodinit.results import Task, Trial
from goodinit.training import REGISTRY, Engine, EngineName, choose, for_models

__all__ = ["Executor", "LocalExecutor", "engine_of"]


class Executor(Protocol):
    """Trains batches somewhere. A batch whose training fails comes back as failed trials, never as an exception."""

    def run(self, batches: Iterable[Batch]) -> Iterator[tuple[Batch, list[Trial]]]:
        """Each batch with its finished trials, in the order of its jobs; batches in any order."""
        ...


class LocalExecutor:
    """This machine, one batch after the other; small models side by side. `progress` is told trained networks.

    The engine uses all cores, or `threads` of them. A trial that takes longer than `time_limit` seconds by itself has
    failed; `deadly` lets the process end where its code cannot be interrupted. `pace` is what executors that
    follow one another have seen of each task.
    """

    def __init__(
        self,
        engine: EngineName = "auto",
        perturbations: int = 0,
        progress: Callable[[float], None] = lambda trained: None,
        *,
        threads: int | None = None,
        time_limit: float | None = None,
        deadly: bool = False,
        pace: TrialPace | None = None,
    ) -> None:
        self.engine, self.perturbations, self.progress = engine, perturbations, progress
        self.threads, self.time_limit, self.deadly = threads, time_limit, deadly
        self.pace = pace or TrialPace()

    def run(self, batches: Iterable[Batch]) -> Iterator[tuple[Batch, list[Trial]]]:
        """Each batch with its finished trials."""
        done = 0

        def step(part: float) -> None:
            self.progress(done + part)

        for batch, trials in self._run(batches, step):
            yield batch, trials
            done += len(batch.jobs)
            step(0)

    def _run(self, batches: Iterable[Batch], progress: Callable[[float], None]) -> Iterator[tuple[Batch, list[Trial]]]:
        """The same; `progress` is told trained networks of the batch that is trained here."""
        waiting = iter(batches)
        held: Batch | None = None  # looked at, and not trained side by side with those before
        while (batch := held or next(waiting, None)) is not None:
            held, together = None, [batch]
            count = self._places(batch)
            while count > 1 and held is None and len(together) < count * self.pace.load(batch.task):
                if (another := next(waiting, None)) is None:
                    break
                if self._places(another) > 1:
                    together.append(another)
                else:
                    held = another
            if len(together) > 1:
                yield from trained(together, count, self.train, self.pace)
                continue

            def step(finished: int, batch: Batch = batch) -> None:
                progress(len(batch.jobs) * finished / batch.task.schedule.steps)

            started = time.perf_counter()
            trials = self.train(batch, step)
            self.pace.note(batch.task, time.perf_counter() - started)
            yield batch, trials

    def _places(self, batch: Batch) -> int:
        return places(batch.task, self.threads) if self.pace.pays(batch) else 1

    def train(self, batch: Batch, progress: Callable[[int], None] = lambda step: None) -> list[Trial]:
        """The batch's trials; a batch that fails is halved until the job that fails is alone."""
        try:
            self._prepare(batch)
            with time_limit(self.time_limit, deadly=self.deadly):
                trials = train_batch(
                    batch,
                    perturbations=self.perturbations,
                    engine=self.engine,
                    threads=self.threads,
                    progress=progress,
                )
            origin = origin_of(batch.task, engine_of(batch.task, self.engine), self.time_limit)
            return [replace(trial, origin=origin) for trial in trials]
        except GoodinitError:  # a value that cannot be used, which the person must hear of
            raise
        except (ArithmeticError, MemoryError, RuntimeError, TimeoutError, ValueError) as error:
            if len(batch.jobs) == 1:
                reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
                return [failed(batch.task, batch.jobs[0], reason)]
            middle = len(batch.jobs) // 2
            halves = (replace(batch, jobs=batch.jobs[:middle]), replace(batch, jobs=batch.jobs[middle:]))
            return [trial for half in halves for trial in self.train(half, progress)]

    def _prepare(self, batch: Batch) -> None:
        """What a process does once, and no trial's time is to count: reading the data, imports."""
        batch.task.source.dataset(batch.jobs[0].seed)
        engine_of(batch.task, self.engine).prepare()


def engine_of(task: Task, engine: EngineName) -> Engine:
    """The engine that trains a task's networks or models."""
    if not task.network.engines:
        return for_models()
    if engine in REGISTRY:
        return REGISTRY[engine]
    return REGISTRY[choose(task.mlp, task.dtype, optimizer=task.schedule.optimizer)]
