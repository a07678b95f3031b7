"""Conducting a study: where it is trained, what is stored of it, and the waves of a policy one after the other."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Final

from goodinit.comparison.batches import Batch, batched
from goodinit.comparison.cluster import Cluster
from goodinit.comparison.executor import Executor, LocalExecutor, engine_of
from goodinit.comparison.origins import check_mixed, origin_of
from goodinit.comparison.plan import missing_jobs
from goodinit.comparison.policies import Policy, Wave, wanted_tuning
from goodinit.comparison.ray_executor import RayExecutor
from goodinit.comparison.remembered import StillToTrainError
from goodinit.comparison.side_by_side import TrialPace
from goodinit.comparison.store import Store
from goodinit.errors import GoodinitError
from goodinit.results import Job, Study, Trial
from goodinit.results.trial import Phase
from goodinit.training import EngineName

__all__ = ["Conductor", "Progress", "conducting"]

_LIMIT: Final = re.compile(r"time limit of ([\d.e+-]+) s")

Progress = Callable[[str, float, float], None]
"""Told what is being done, how many networks are trained, and how many there are."""
MakeExecutor = Callable[[int, Callable[[float], None]], Executor]
"""Gives an executor for a number of perturbations and one to tell the trained networks to."""


@dataclass(frozen=True)
class Conductor:
    """Trains jobs that are not stored yet, or are to be tried `again`, and stores each batch as it ends."""

    store: Store
    study: Study
    trainer: MakeExecutor
    again: frozenset[str]
    check: Callable[[Sequence[Job]], None] | None
    tell: Progress
    done: set[str] = field(default_factory=set)  # tried here: what failed again is not tried once more

    def conduct(self, policy: Policy) -> None:
        """Train every wave of the policy."""
        for wave in policy.waves(self.finished):
            self.run(wave)

    def finished(self, jobs: Collection[Job]) -> list[Trial]:
        """Those of the jobs' trials that are stored, in the order task, initialization, learning rate, seed."""
        keys: dict[Phase, set[str]] = {}
        for job in jobs:
            keys.setdefault(job.phase, set()).add(self.study.key(job))
        return [trial for phase, wanted in keys.items() for trial in self.store.trials(phase, wanted)]

    def run(self, wave: Wave, deadline: float | None = None) -> None:
        """Train what is missing of a wave; after the deadline, of `time.monotonic`, no batch is begun."""
        study, stored = self.study, self.store.keys()
        if self.again & stored:
            stored = self.store.stored(stored, self.again - self.done)
        missing = [job for job in wave.jobs if study.key(job) not in stored]
        if not missing:
            return
        if self.check is not None:
            self.check(missing)
        self.tell(wave.what, 0, len(missing))
        executor = self.trainer(wave.perturbations, lambda trained: self.tell(wave.what, trained, len(missing)))
        for batch, trials in executor.run(self._still_missing(missing, deadline)):
            self.store.add(
                (study.key(job), trial, job.seed == study.seeds[0])
                for job, trial in zip(batch.jobs, trials, strict=True)
            )
            self.done.update(map(study.key, batch.jobs))

    def _still_missing(self, jobs: Iterable[Job], deadline: float | None) -> Iterator[Batch]:
        """The batches of the jobs, each without what another process has stored meanwhile."""
        for batch in batched(self.study, jobs):
            if deadline is not None and time.monotonic() > deadline:
                return
            keys = {self.study.key(job): job for job in batch.jobs}
            stored = self.store.stored(keys, self.again - self.done)
            left = tuple(job for key, job in keys.items() if key not in stored)
            if left:
                yield replace(batch, jobs=left)


@contextmanager
def conducting(
    study: Study,
    *,
    path: str | Path | None,
    engine: EngineName = "auto",
    cluster: str | None = None,
    time_limit: float | None = None,
    retry: str | None = None,
    mixed: bool = False,
    progress: Progress | None = None,
) -> Iterator[Conductor]:
    """What trains the study's jobs within the block; trials are kept in the file at `path`, or in memory.

    Raises GoodinitError where the file cannot be used, or a task's name stands for another task in it, and
    StillToTrainError, before anything is written, where something is to be trained of a model that was not read.
    """
    with (
        Store(path if path is not None else ":memory:") as store,
        _trainer(cluster, study, engine, time_limit) as trainer,
    ):
        for note in store.notes:
            sys.stderr.write(f"goodinit: {note}\n")
        again = _tried_again(store.failures(), retry, time_limit)
        check = None if mixed else partial(_check_mixed, engine, study, store)
        conductor = Conductor(store, study, trainer, again, check, progress or (lambda what, trained, total: None))
        if any(task.network.remembered for task in study.tasks):
            _, tuned = wanted_tuning(study, conductor.finished)
            if missing_jobs(study, tuned, store.keys() - again):
                raise StillToTrainError
        for task in study.tasks:
            store.register(task.name, task.identity, task.to_dict())
        _check_sources(study, store)
        yield conductor


@contextmanager
def _trainer(cluster: str | None, study: Study, engine: EngineName, time_limit: float | None) -> Iterator[MakeExecutor]:
    """Where the study is trained: this process, or a cluster, which is left with the block."""
    if cluster is None:
        yield partial(LocalExecutor, engine, time_limit=time_limit, pace=TrialPace())
        return
    with Cluster(cluster, study.tasks, engine, time_limit, frozenset(study.seeds[:1])) as joined:
        yield partial(RayExecutor, joined)


def _tried_again(failures: Mapping[str, str], retry: str | None, time_limit: float | None) -> frozenset[str]:
    """The keys of stored trials that could not be trained and are to be tried again."""
    if retry is not None:
        return frozenset(failures if retry == "failed" else ())
    found = {key: _LIMIT.search(reason) for key, reason in failures.items()}
    return frozenset(
        key for key, match in found.items() if match and (time_limit is None or time_limit > float(match[1]))
    )


def _check_sources(study: Study, store: Store) -> None:
    """Raise GoodinitError where stored trials of a person's own initialization were made by another file."""
    own = {str(start): start for start in study.initializers if start.source is not None}
    if not own:
        return
    keys, names = store.keys(), [task.name for task in study.tasks]
    ways = [replace(study, learning_rates=(1.0, 2.0), criterion=each) for each in ("final_loss", "validation_loss")]
    phases: tuple[Phase, ...] = ("evaluation", "tuning")
    for phase in phases:
        for trial in store.trials(phase, parameters=False):
            if trial.initialization not in own or trial.task not in names:
                continue
            job = Job(names.index(trial.task), own[trial.initialization], trial.learning_rate, trial.seed, phase)
            if keys.isdisjoint(way.key(job) for way in ways):
                raise GoodinitError(
                    f"{store.path}: its trials of {trial.initialization} were trained with another version of the "
                    "file; use another study, or give the initialization another name"
                )


def _check_mixed(engine: EngineName, study: Study, store: Store, jobs: Sequence[Job]) -> None:
    """Raise GoodinitError where the stored trials of the jobs' tasks come from another engine or version."""
    stored = [trial for phase in ("evaluation", "tuning") for trial in store.trials(phase, parameters=False)]
    for place in {job.task for job in jobs}:
        task = study.tasks[place]
        here = origin_of(task, engine_of(task, engine))
        check_mixed(task.name, [trial for trial in stored if trial.task == task.name and not trial.failure], here)
