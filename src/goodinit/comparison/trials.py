"""From a batch of jobs to finished trials: draw the starts, train them together, measure, and say why."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from goodinit import checkup
from goodinit.comparison.batches import Batch
from goodinit.comparison.model_tasks import train_models
from goodinit.comparison.outcome import finished, has_diverged, stopped
from goodinit.comparison.starts import start_of
from goodinit.comparison.stopping import Stopping
from goodinit.networks import Parameters, stack
from goodinit.results import Job, Sensitivity, Task, Trial
from goodinit.statistics import determination
from goodinit.streams import KeyedStream
from goodinit.threads import blas_threads
from goodinit.training import EngineName, Run, batches, decide, forward, loss, train

__all__ = ["PERTURBATION", "train_batch", "trial_of"]

PERTURBATION: Final = 1e-15  # relative: four or five units in the last place of float64


def train_batch(
    batch: Batch,
    *,
    perturbations: int = 0,
    engine: EngineName = "auto",
    threads: int | None = None,
    progress: Callable[[int], None] = lambda step: None,
) -> list[Trial]:
    """Train the jobs of a batch and return their trials, in the order of the jobs.

    Networks are trained as one ensemble; with `perturbations`, each start is also trained so many times with its
    parameters changed by one part in 1e15, and the trials say how far that moves their curves. Models are trained one
    after the other, by their framework.
    """
    if batch.task.network.together:
        return _train_networks(batch, perturbations, engine, threads, progress)
    return train_models(batch, progress)


def _train_networks(
    batch: Batch, perturbations: int, engine: EngineName, threads: int | None, progress: Callable[[int], None]
) -> list[Trial]:
    groups: dict[_Multiplied, list[int]] = {}
    for at, job in enumerate(batch.jobs):
        groups.setdefault(_multiplied(batch.task, job), []).append(at)
    trials: dict[int, Trial] = {}
    for multiplied, places in groups.items():
        part = replace(batch, jobs=tuple(batch.jobs[at] for at in places))
        done, share = len(trials) / len(batch.jobs), len(places) / len(batch.jobs)

        def step(finished: int, done: float = done, share: float = share) -> None:
            progress(round(done * batch.task.schedule.steps + share * finished))

        trained = _train_together(part, multiplied, perturbations, engine, threads, step)
        trials |= dict(zip(places, trained, strict=True))
    return [trials[at] for at in range(len(batch.jobs))]


_Multiplied = tuple[tuple[tuple[str, float], ...], tuple[tuple[str, float], ...]]


def _multiplied(task: Task, job: Job) -> _Multiplied:
    """What the job's initialization multiplies each parameter's learning rate and decay by, where that is not 1."""
    said = {each.name: each.multipliers(task.schedule.optimizer) for each in task.mlp.assignments(job.initializer)}
    rates = tuple((name, each.rate) for name, each in said.items() if each.rate != 1)
    decays = tuple((name, each.decay) for name, each in said.items() if each.decay != 1 and task.schedule.decay)
    return rates, decays


def _train_together(
    batch: Batch,
    multiplied: _Multiplied,
    perturbations: int,
    engine: EngineName,
    threads: int | None,
    progress: Callable[[int], None],
) -> list[Trial]:
    """The trials of jobs whose learning rates and decays are multiplied alike."""
    task, jobs = batch.task, batch.jobs
    examples = task.source.dataset(jobs[0].seed)
    starts = [start_of(task, job.initializer, job.seed) for job in jobs]
    copies = 1 + perturbations
    members = [
        start if copy == 0 else _perturbed(start, job.seed, copy)
        for job, start in zip(jobs, starts, strict=True)
        for copy in range(copies)
    ]
    X, Y = np.ascontiguousarray(examples.X_train.T), examples.targets
    stopping = None
    if task.schedule.early_stopping is not None:
        stopping = Stopping(task, jobs[0].seed, len(members), copies)
    run = train(
        task.mlp,
        stack(members),
        X,
        Y,
        task.schedule,
        batches(Y.shape[1], task.schedule, KeyedStream(jobs[0].seed)),
        progress,
        learning_rates=np.repeat([job.learning_rate for job in jobs], copies),
        rate_multipliers=dict(multiplied[0]) or None,
        decay_multipliers=dict(multiplied[1]) or None,
        snapshots=stopping.steps if stopping is not None else (),
        watch=stopping,
        engine=engine,
        dtype=task.dtype,
        threads=threads,
    )
    if stopping is not None:
        run = stopping.applied(run)
    trials = [
        trial_of(task, job, start, run, slice(at * copies, (at + 1) * copies))
        for at, (job, start) in enumerate(zip(jobs, starts, strict=True))
    ]
    if stopping is None:
        return trials
    return [stopped(*each) for each in zip(trials, stopping.best, stopping.stopped, strict=True)]


def trial_of(task: Task, job: Job, start: Parameters, run: Run, members: slice) -> Trial:
    """The trial of a start, from a run whose `members` are that start and its perturbed copies."""
    examples, own = task.source.dataset(job.seed), members.start
    X, Y = np.ascontiguousarray(examples.X_train.T), examples.targets
    trained = {name: np.asarray(value[own], dtype=np.float64) for name, value in run.parameters.items()}
    final_loss, diverged_by = float(run.final_loss[own]), run.diverged_by[own]
    before = checkup.measure(task.mlp, start, X, Y, task.dtype)
    after = checkup.measure_end(task.mlp, trained, final_loss, task.dtype)
    diverged = has_diverged(diverged_by, final_loss, before.loss, before.chance_loss)
    found = checkup.findings(before)
    train_outputs, test_outputs = (_outputs(task, trained, points) for points in (X, examples.X_test.T))
    scores = [_score(task, train_outputs, examples.y_train), _score(task, test_outputs, examples.y_test)]
    losses = run.losses[members]
    return finished(
        task,
        job,
        losses=losses[0].tolist(),
        final_loss=final_loss,
        scores=scores,
        test_loss=_loss(task, test_outputs, examples.test_targets),
        diverged=diverged,
        diverged_by=diverged_by,
        findings=found,
        why=checkup.why(
            before,
            after,
            found,
            steps=task.schedule.steps,
            learning_rate=job.learning_rate,
            test_score=scores[1],
            diverged=diverged,
            diverged_by=diverged_by,
        ),
        sensitivity=_sensitivity(losses[:, np.isfinite(losses[0])]),
        parameters=trained,
    )


def _outputs(task: Task, parameters: Parameters, X: NDArray[np.float64]) -> NDArray[np.float64]:
    """The logits of the examples, in the precision that the task is trained in."""
    network = task.mlp
    with np.errstate(all="ignore"), blas_threads(2.0 * X.shape[1] * network.size / network.depth):
        rounded = {name: np.asarray(value, task.dtype) for name, value in parameters.items()}
        return forward(network, rounded, np.asarray(X, task.dtype))[0][-1]


def _score(task: Task, outputs: NDArray[np.float64], answers: NDArray[Any]) -> float:
    """The task's score; nan where it is not finite."""
    if task.metric.score == "r2":
        score = float(determination.r_squared(outputs[0], answers))
    else:
        score = float((decide(task.mlp, outputs) == answers).mean())
    return score if math.isfinite(score) else math.nan


def _loss(task: Task, outputs: NDArray[np.float64], targets: NDArray[np.float64]) -> float:
    """The task's loss; nan where it is not finite."""
    with np.errstate(over="ignore", invalid="ignore"):
        value = float(loss(task.mlp, outputs, targets))
    return value if math.isfinite(value) else math.nan


def _perturbed(start: Parameters, seed: int, copy: int) -> Parameters:
    """The start with every parameter multiplied by 1 + 1e-15 or 1 - 1e-15, the signs from the seed."""
    stream = KeyedStream(seed)

    def change(name: str, value: NDArray[np.float64]) -> NDArray[np.float64]:
        signs = stream.signs(f"perturbation/{copy}/{name}", 0, value.size).reshape(value.shape)
        return value * (1 + PERTURBATION * signs)

    return {name: change(name, value) for name, value in start.items()}


def _sensitivity(losses: NDArray[np.float64]) -> Sensitivity | None:
    """The spread of the curves of a start and its perturbed copies, (copies, records); None without copies."""
    if len(losses) == 1:
        return None
    lowest, highest = (tuple(edge(losses, axis=0).tolist()) for edge in (np.min, np.max))
    return Sensitivity(PERTURBATION, len(losses) - 1, lowest, highest)
