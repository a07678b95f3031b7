"""What a study will take: its trials, and about how long this machine needs for those that are missing."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from goodinit import checkup
from goodinit.comparison.batches import Batch, batched
from goodinit.comparison.model_tasks import train_models
from goodinit.comparison.starts import start_of
from goodinit.comparison.tuning import best_rates, tuning_jobs
from goodinit.networks import stack
from goodinit.results import Job, Study, Task, Trial
from goodinit.streams import KeyedStream
from goodinit.training import EngineName, batches, train
from goodinit.wording import count, duration

__all__ = ["Plan", "TrialTime", "estimate", "measured_time", "missing_jobs"]

SAMPLE: Final = 16  # networks trained to measure the rate: what fills the lanes of an engine
SAMPLE_WORK: Final = 5e8  # operations a step, beyond which fewer networks are taken
ENOUGH: Final = 0.1  # seconds of steps from which a rate is read
BRIEF: Final = 1.0  # seconds of a run that is made twice, since another program may have come between
LONG: Final = 8.0  # seconds from which a step is not repeated to be free of imports, which take some


@dataclass(frozen=True)
class Plan:
    """The trials of a study, how many of them are stored already, and about how many seconds the others take here.

    With learning rates that are not tuned yet, no trial of the evaluation counts as stored. `seconds` is measured on
    a few steps of each task: it leaves out that a trial which diverges ends early, and what else the machine does. It
    is None where that could not be, or was not to be, measured.
    """

    trials: int
    stored: int
    seconds: float | None

    def __str__(self) -> str:
        trials = count(self.trials, "trial")
        if self.stored:
            trials += f", {self.stored:,} of them stored already"
        if self.stored == self.trials:
            return f"{trials}: nothing is left to train"
        return f"{trials}: {_time(self.seconds)}"


def estimate(
    study: Study,
    *,
    engine: EngineName | None = "auto",
    perturbations: int = 0,
    tuned: Collection[Trial] = (),
    stored: Collection[str] = (),
) -> Plan:
    """The plan of a study, by training a few networks of each task for a few steps.

    `perturbations` are those of `compare`; `tuned` are finished trials of the tuning, and `stored` the keys of all
    trials that need no training. With `engine` None, nothing is measured, and the time is not told.

    >>> from goodinit.comparison.design import design
    >>> plan = estimate(design(["zeros", "he_normal"], seeds="0-9", steps=100))
    >>> plan.trials, plan.stored, 0 < plan.seconds < 60
    (20, 0, True)
    """
    missing = missing_jobs(study, tuned, stored)
    if engine is None:
        return Plan(study.size, study.size - len(missing), None)
    seconds: float | None = 0.0
    for place, task in enumerate(study.tasks):
        jobs = [job for job in missing if job.task == place]
        if not jobs:
            continue
        first = sum(job.seed == study.seeds[0] and job.phase == "evaluation" for job in jobs)
        sample = _sample(study, task, jobs)
        first = first if task.network.engines else 0  # models have no perturbations
        pace = measured_time(task, sample, engine)
        each = None if pace is None else pace.trial(task)
        seconds = None if seconds is None or each is None else seconds + each * (len(jobs) + perturbations * first)
    return Plan(study.size, study.size - len(missing), seconds)


def missing_jobs(study: Study, tuned: Collection[Trial], stored: Collection[str]) -> list[Job]:
    """The jobs that are not stored; all of the evaluation where the tuning is not complete."""
    tuning = tuning_jobs(study, list(tuned))
    left = [job for job in tuning if study.key(job) not in stored]
    if left or (tuning and not tuned):
        guess = {(task.name, str(each)): study.learning_rates[0] for task in study.tasks for each in study.initializers}
        return [*left, *study.jobs(guess)]
    return [job for job in study.jobs(best_rates(list(tuned), study.criterion)) if study.key(job) not in stored]


def _sample(study: Study, task: Task, jobs: list[Job]) -> tuple[Job, ...]:
    """Some jobs of the largest batch; all of it where models are trained as one, or each by itself."""
    largest = max(batched(study, jobs), key=lambda batch: len(batch.jobs)).jobs
    if not task.network.engines:
        return largest
    examples = min(task.schedule.batch_size or len(task.data.y_train), len(task.data.y_train))
    work = 6.0 * sum(weight.size for weight in task.mlp.weights) * examples
    return largest[: max(1, min(SAMPLE, int(SAMPLE_WORK / work)))]


@dataclass(frozen=True)
class TrialTime:
    """The seconds of one trial here: what is done once, and each step."""

    once: float
    step: float

    def trial(self, task: Task) -> float:
        """The seconds of a trial of the task: its start and measures, its steps, and the losses that it records."""
        schedule, examples = task.schedule, len(task.data.y_train)
        forward = examples / (3 * min(schedule.batch_size or examples, examples))  # in steps: backward is twice as much
        return self.once + self.step * (schedule.steps - 1 + forward * (len(schedule.recorded) - 1))


def measured_time(task: Task, sample: Sequence[Job], engine: EngineName = "auto") -> TrialTime | None:
    """The pace at which the sample's jobs are trained here, by training some of their steps; None where that fails."""
    if task.network.engines:
        return _pace_of_networks(Batch(task, tuple(sample)), engine)
    return _pace_of_models(task, sample)


def _pace_of_networks(batch: Batch, engine: EngineName) -> TrialTime | None:
    task, jobs, schedule = batch.task, batch.jobs, batch.task.schedule
    examples = task.source.dataset(jobs[0].seed)
    X, Y = np.ascontiguousarray(examples.X_train.T), examples.targets
    rates = np.array([job.learning_rate for job in jobs])
    began = time.perf_counter()
    starts = [start_of(task, job.initializer, job.seed) for job in jobs]
    drawing = (time.perf_counter() - began) / len(jobs)
    ensemble = stack(starts)

    def run(steps: int) -> float:
        short = replace(schedule, steps=steps, record_every=steps)
        order = batches(Y.shape[1], short, KeyedStream(jobs[0].seed))
        began = time.perf_counter()
        train(task.mlp, ensemble, X, Y, short, order, learning_rates=rates, engine=engine, dtype=task.dtype)
        return time.perf_counter() - began

    try:
        run(1)  # imports and caches
        once, steps = run(1), min(8, schedule.steps)
        taken = run(steps)
        while taken - once < ENOUGH and steps < schedule.steps:
            steps = min(4 * steps, schedule.steps)
            taken = run(steps)
    except (ArithmeticError, MemoryError, RuntimeError, ValueError):  # the run itself will say what is wrong
        return None
    began = time.perf_counter()
    checkup.measure(task.mlp, starts[0], X, Y)
    measures = 2 * (time.perf_counter() - began)  # of the start and of the end
    each_step = max(taken - once, 0.0) / max(steps - 1, 1)
    return TrialTime(float(drawing + measures + once / len(jobs)), float(each_step / len(jobs)))


def _pace_of_models(task: Task, jobs: Sequence[Job]) -> TrialTime | None:
    schedule = task.schedule

    def run(steps: int) -> float:
        short = replace(task, schedule=replace(schedule, steps=steps, record_every=steps))
        began = time.perf_counter()
        train_models(Batch(short, tuple(jobs)))
        return time.perf_counter() - began

    try:
        once = run(1)
        if once < LONG:
            once = run(1)  # the first time had imports and caches
        steps = min(2, schedule.steps)
        taken = run(steps) if steps > 1 else once
        while taken - once < ENOUGH and steps < schedule.steps:
            steps = min(4 * steps, schedule.steps)
            taken = run(steps)
        if taken < BRIEF:
            once, taken = min(once, run(1)), min(taken, run(steps))
    except (ArithmeticError, MemoryError, RuntimeError, ValueError):  # the run itself will say what is wrong
        return None
    return TrialTime(once / len(jobs), max(taken - once, 0.0) / max(steps - 1, 1) / len(jobs))


def _time(seconds: float | None) -> str:
    return "how long they take is not known" if seconds is None else f"about {duration(seconds)}"
