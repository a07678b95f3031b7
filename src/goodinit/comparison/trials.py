"""From a batch of jobs to finished trials: draw the starts, train them together, measure, and say why."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from goodinit import checkup
from goodinit.comparison.batches import Batch
from goodinit.comparison.model_tasks import BLOWN_UP, train_models
from goodinit.networks import MLP, Parameters, stack
from goodinit.results import Finding, Job, Sensitivity, Task, Trial
from goodinit.streams import KeyedStream, as_stream
from goodinit.training import EngineName, Run, accuracy, batches, r_squared, train

__all__ = ["PERTURBATION", "train_batch", "trial_of"]

PERTURBATION: Final = 1e-15  # relative: four or five units in the last place of float64
CHAOTIC: Final = 1e-6  # a curve that such a perturbation moves further than this amplifies rounding


def train_batch(
    batch: Batch,
    *,
    perturbations: int = 0,
    engine: EngineName = "auto",
    threads: int | None = None,
    progress: Callable[[int], None] = lambda step: None,
) -> list[Trial]:
    """Train the jobs of a batch as one ensemble and return their trials, in the order of the jobs.

    With `perturbations`, each start is also trained so many times with its parameters changed by one part in 1e15,
    and the trials say how far that moves their curves.
    """
    task, jobs = batch.task, batch.jobs
    if not isinstance(task.network, MLP):
        return train_models(batch, progress)
    examples = task.source.dataset(jobs[0].seed)
    starts = [task.mlp.parameters(job.initializer, as_stream(job.seed, task.stream)) for job in jobs]
    copies = 1 + perturbations
    members = [
        start if copy == 0 else _perturbed(start, job.seed, copy)
        for job, start in zip(jobs, starts, strict=True)
        for copy in range(copies)
    ]
    X, Y = np.ascontiguousarray(examples.X_train.T), examples.targets
    run = train(
        task.mlp,
        stack(members),
        X,
        Y,
        task.schedule,
        batches(Y.shape[1], task.schedule, KeyedStream(jobs[0].seed)),
        progress,
        learning_rates=np.repeat([job.learning_rate for job in jobs], copies),
        engine=engine,
        dtype=task.dtype,
        threads=threads,
    )
    return [
        trial_of(task, job, start, run, slice(at * copies, (at + 1) * copies))
        for at, (job, start) in enumerate(zip(jobs, starts, strict=True))
    ]


def trial_of(task: Task, job: Job, start: Parameters, run: Run, members: slice) -> Trial:
    """The trial of a start, from a run whose `members` are that start and its perturbed copies."""
    examples, own = task.source.dataset(job.seed), members.start
    X, Y = np.ascontiguousarray(examples.X_train.T), examples.targets
    trained = {name: np.asarray(value[own], dtype=np.float64) for name, value in run.parameters.items()}
    before, after = (checkup.measure(task.mlp, p, X, Y) for p in (start, trained))
    final_loss, diverged_by = float(run.final_loss[own]), run.diverged_by[own]
    diverged = diverged_by is not None or final_loss > BLOWN_UP * max(before.loss, before.chance_loss)
    found = checkup.findings(before)
    train_score, test_score = (
        _score(task, trained, points.T, answers)
        for points, answers in ((examples.X_train, examples.y_train), (examples.X_test, examples.y_test))
    )
    kept = np.isfinite(run.losses[own])
    sensitivity = _sensitivity(run.losses[members][:, kept])
    return Trial(
        task=task.name,
        phase=job.phase,
        initialization=str(job.initializer),
        seed=job.seed,
        learning_rate=job.learning_rate,
        steps=task.schedule.steps,
        loss_steps=tuple(np.array(run.recorded)[kept].tolist()),
        loss_values=tuple(run.losses[own][kept].tolist()),
        final_loss=final_loss,
        train_score=train_score,
        test_score=test_score,
        score_name=task.metric.score,
        diverged=diverged,
        diverged_by=diverged_by,
        sensitivity=sensitivity,
        findings=found + _findings_of_training(diverged, diverged_by, sensitivity, job.learning_rate),
        why=checkup.why(
            before,
            after,
            found,
            steps=task.schedule.steps,
            learning_rate=job.learning_rate,
            test_score=test_score,
            diverged=diverged,
            diverged_by=diverged_by,
        ),
        parameters=trained,
    )


def _score(task: Task, parameters: Parameters, X: NDArray[np.float64], answers: NDArray[Any]) -> float:
    """The task's score; nan where it is not finite."""
    score = float((r_squared if task.metric.score == "r2" else accuracy)(task.mlp, parameters, X, answers))
    return score if math.isfinite(score) else math.nan


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


def _findings_of_training(
    diverged: bool, diverged_by: int | None, sensitivity: Sensitivity | None, learning_rate: float
) -> tuple[Finding, ...]:
    if diverged:
        how = "the loss ended far above its start"
        if diverged_by is not None:
            how = f"a number was no longer finite by step {diverged_by}"
        return (Finding("diverged", "severe", f"{how} at learning rate {learning_rate:g}; try a tenth of it"),)
    if sensitivity is not None and not math.isnan(sensitivity.largest) and sensitivity.largest > CHAOTIC:
        return (
            Finding(
                "chaotic",
                "warning",
                f"changing the initial weights by one part in 1e15 moves the loss curve by up to "
                f"{sensitivity.largest:.2g}: digits beyond that are rounding's",
            ),
        )
    return ()
