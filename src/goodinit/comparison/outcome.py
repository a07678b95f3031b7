"""The one place that makes a trial: of a run that ended, and of a job that could not be trained."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from goodinit.networks import Parameters
from goodinit.results import Finding, Job, Sensitivity, Task, Trial

__all__ = ["failed", "finished", "has_diverged", "stopped"]

BLOWN_UP: Final = 10  # a run that ends so many times above both its first loss and that of guessing has diverged
ROUNDING: Final = 1e-6  # a curve that a change of 1e-15 moves further than this amplifies rounding


def has_diverged(diverged_by: int | None, final_loss: float, first_loss: float, chance_loss: float) -> bool:
    """Whether a run diverged: a number was no longer finite, or the loss ended far above its start and guessing."""
    return diverged_by is not None or final_loss > BLOWN_UP * max(first_loss, chance_loss)


def finished(
    task: Task,
    job: Job,
    *,
    losses: Sequence[float],
    final_loss: float,
    scores: Sequence[float],
    test_loss: float = math.nan,
    diverged: bool,
    diverged_by: int | None,
    findings: tuple[Finding, ...],
    why: str,
    sensitivity: Sensitivity | None = None,
    parameters: Parameters | None = None,
) -> Trial:
    """The trial of a run that ended.

    `losses` are those at the task's recorded steps, not finite where there is none; `scores` those on the training and
    on the test examples, whose loss is `test_loss`. What training itself showed is added to the findings.
    """
    kept = [(step, value) for step, value in zip(task.schedule.recorded, losses, strict=True) if math.isfinite(value)]
    return Trial(
        task=task.name,
        phase=job.phase,
        initialization=str(job.initializer),
        seed=job.seed,
        learning_rate=job.learning_rate,
        steps=task.schedule.steps,
        loss_steps=tuple(step for step, _ in kept),
        loss_values=tuple(value for _, value in kept),
        final_loss=final_loss,
        train_score=scores[0],
        test_score=scores[1],
        test_loss=test_loss,
        score_name=task.metric.score,
        diverged=diverged,
        diverged_by=diverged_by,
        sensitivity=sensitivity,
        findings=(*findings, *_findings(diverged, diverged_by, sensitivity, job.learning_rate)),
        why=why,
        parameters=parameters or {},
    )


def stopped(trial: Trial, best: int | None, at: int | None) -> Trial:
    """The trial of a run with early stopping, best before one step and ended at another; None where it diverged."""
    if best is None:
        return trial
    end = "" if at is None else f", and training ended at step {at:,}"
    why = f"{trial.why} The validation loss was lowest before step {best:,}, whose parameters count{end}."
    return replace(trial, best_step=best, stopped_at=at, why=why)


def failed(task: Task, job: Job, reason: str) -> Trial:
    """The trial of a job that could not be trained; where the machine was the reason, it is counted apart."""
    worst = 0.0 if task.metric.bounded else math.nan
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
        score_name=task.metric.score,
        diverged=False,
        diverged_by=None,
        sensitivity=None,
        findings=(),
        why=f"The trial could not be trained: {reason}.",
        failure=reason,
    )


def _findings(
    diverged: bool, diverged_by: int | None, sensitivity: Sensitivity | None, rate: float
) -> tuple[Finding, ...]:
    """What training itself showed."""
    if diverged:
        case = None if diverged_by is None else "not-finite"
        values = {"case": case, "step": diverged_by, "learning_rate": rate}
        return (Finding("diverged", "severe", values=values),)
    if sensitivity is not None and not math.isnan(sensitivity.largest) and sensitivity.largest > ROUNDING:
        return (Finding("sensitive-to-rounding", "warning", measured=sensitivity.largest, expected=0.0),)
    return ()
