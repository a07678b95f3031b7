"""What the seeds of a study say: each task's initializations ranked, with every difference and its uncertainty."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from goodinit.errors import GoodinitError
from goodinit.results import Task, TaskSummary, Trial
from goodinit.statistics import Ranking, compare_groups

__all__ = ["group_names", "summarize_tasks", "target_loss"]

HALF = 0.5  # of the loss of guessing: the target, unless another is given


def target_loss(task: Task, given: float | None) -> float:
    """The training loss that counts as learned: the one given, or half of that of guessing (with seed 0's data)."""
    return HALF * task.chance_loss if given is None else given


def group_names(trials: Sequence[Trial], tuned: bool) -> dict[tuple[str, float], str]:
    """What each (initialization, learning rate) is called: the rate is told where several were run untuned."""
    pairs = list(dict.fromkeys((trial.initialization, trial.learning_rate) for trial in trials))
    several = not tuned and len({rate for _, rate in pairs}) > 1
    return {(name, rate): f"{name} @ {rate:g}" if several else name for name, rate in pairs}


def summarize_tasks(
    tasks: Sequence[Task], trials: Sequence[Trial], *, tuned: bool, margin: float, target: float | None
) -> tuple[TaskSummary, ...]:
    """One summary a task; without a ranking where there is one seed only.

    The score is the test accuracy at the end, or the test R² where numbers are predicted. A trial that diverged or
    failed is the worst there is: where its size counts it has an accuracy of 0, or the R² of predicting the mean, 0,
    or the lowest one of the task below that. A trial succeeded if its final training loss is at most the target, and
    its steps to the target are the first recorded step there.
    """
    return tuple(
        _summarize(task, [trial for trial in trials if trial.task == task.name], tuned, margin, target)
        for task in tasks
    )


def _summarize(task: Task, trials: list[Trial], tuned: bool, margin: float, target: float | None) -> TaskSummary:
    names = group_names(trials, tuned)
    seeds = list(dict.fromkeys(trial.seed for trial in trials))
    goal = target_loss(task, target)
    ranking = _ranking(task, trials, names, seeds, goal, margin) if len(seeds) > 1 else None
    return TaskSummary(task.name, tuple(names.values()), tuple(seeds), goal, ranking, task.metric.score)


def _ranking(
    task: Task,
    trials: list[Trial],
    names: dict[tuple[str, float], str],
    seeds: list[int],
    goal: float,
    margin: float,
) -> Ranking:
    place = {(trial.initialization, trial.learning_rate, trial.seed): trial for trial in trials}
    if any((name, rate, seed) not in place for name, rate in names for seed in seeds):
        raise GoodinitError(f"task {task.name!r}: some seeds are missing for some initializations; run the study again")
    grid = [[place[name, rate, seed] for seed in seeds] for name, rate in names]
    score = np.array([[t.test_score for t in row] for row in grid])
    lost = np.array([[t.diverged or t.failure is not None for t in row] for row in grid]) | np.isnan(score)
    success = np.array([[math.isfinite(t.final_loss) and t.final_loss <= goal for t in row] for row in grid])
    steps = np.array([[_steps_to(t, goal) for t in row] for row in grid])
    return compare_groups(
        list(names.values()),
        score,
        diverged=lost,
        success=success,
        steps=steps,
        budget=task.schedule.steps,
        floor=float(np.min(score[~lost], initial=0.0)),
        margin=margin,
    )


def _steps_to(trial: Trial, goal: float) -> float:
    """The first recorded step at or below the goal, infinite where there is none."""
    curve = [*zip(trial.loss_steps, trial.loss_values, strict=True), (trial.steps, trial.final_loss)]
    return next((float(step) for step, value in curve if value <= goal), math.inf)
