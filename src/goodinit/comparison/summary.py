"""What the seeds of a study say: each task's initializations ranked, with every difference and its uncertainty."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from goodinit.comparison.origins import mixture
from goodinit.comparison.tuning import rate_summaries
from goodinit.errors import GoodinitError
from goodinit.results import RateSummary, ScoreName, Study, Task, TaskSummary, Trial
from goodinit.statistics import Ranking, compare_groups

__all__ = ["summarize_tasks", "target_loss"]

FLOORS: Final[Mapping[ScoreName, float]] = {"accuracy": 0.0, "r2": -1.0}
"""What a diverged run, and a score below, counts as where sizes count; an R² of -1 errs by twice the variance."""
HALF = 0.5  # of the loss of guessing: the target, unless another is given


def target_loss(task: Task, given: float | None) -> float:
    """The training loss that counts as learned: the one given, or half of that of guessing (with seed 0's data)."""
    return HALF * task.chance_loss if given is None else given


def summarize_tasks(
    study: Study, trials: Sequence[Trial], tuned: Sequence[Trial] = (), *, margin: float, target: float | None
) -> tuple[TaskSummary, ...]:
    """One summary a task; without a ranking where there is one seed only, or too few could be trained.

    The score is the test accuracy at the end, or the test R² where numbers are predicted. A trial that diverged, or
    whose training raised an error, is the worst there is: where its size counts it has an accuracy of 0, or an R² of
    -1, as has whatever is below. A trial that the machine ended is no result: its seed is left out for every
    initialization, which a note says. A trial learned at the first recorded step from which its training loss stays at
    or below the target to the end; one that ends above has not learned.
    """
    return tuple(
        _summarize(
            study,
            task,
            [trial for trial in trials if trial.task == task.name],
            [trial for trial in tuned if trial.task == task.name],
            margin,
            target,
        )
        for task in study.tasks
    )


def _summarize(
    study: Study, task: Task, trials: list[Trial], tuned: list[Trial], margin: float, target: float | None
) -> TaskSummary:
    names = list(dict.fromkeys(trial.initialization for trial in trials))
    seeds = list(dict.fromkeys(trial.seed for trial in trials))
    goal = target_loss(task, target)
    place = {(trial.initialization, trial.seed): trial for trial in trials}
    if any((name, seed) not in place for name in names for seed in seeds):
        raise GoodinitError(f"task {task.name!r}: some seeds are missing for some initializations; run the study again")
    rows = {name: [place[name, seed] for seed in seeds] for name in names}
    untrained = {
        name: tuple(trial.seed for trial in row if trial.machine_failure)
        for name, row in rows.items()
        if any(trial.machine_failure for trial in row)
    }
    ranked = {called: row for called, row in rows.items() if len(untrained.get(called, ())) < len(seeds)}
    kept = [not any(row[at].machine_failure for row in ranked.values()) for at in range(len(seeds))]
    grid = {called: [trial for trial, keep in zip(row, kept, strict=True) if keep] for called, row in ranked.items()}
    ranking = _ranking(task, grid, goal, margin) if grid and sum(kept) > 1 else None
    mixed, rates = mixture([*tuned, *trials]), rate_summaries(study, tuned, task.name, goal)
    notes = [*_untrained(untrained, len(seeds), sum(kept) if grid else 0), *_edges(rates), *([mixed] if mixed else [])]
    return TaskSummary(
        task=task.name,
        groups=tuple(names),
        seeds=tuple(seeds),
        target_loss=goal,
        ranking=ranking,
        score_name=task.metric.score,
        untrained=tuple(untrained.items()),
        notes=tuple(notes),
        rates=rates,
    )


def _edges(rates: Sequence[RateSummary]) -> list[str]:
    """Sentences on rates that lie at the end of those tried."""
    ends = [
        f"{each.chosen:g}, the {each.edge} tried, for {each.initialization}"
        for each in rates
        if each.edge in ("lowest", "highest")
    ]
    flat = [each.initialization for each in rates if each.edge == "flat"]
    notes = [f"The best learning rate may lie beyond: {'; '.join(ends)}."] if ends else []
    return notes + ([f"Every learning rate does alike for {', '.join(flat)}; the smallest was taken."] if flat else [])


def _ranking(task: Task, grid: Mapping[str, Sequence[Trial]], goal: float, margin: float) -> Ranking:
    """The groups' trials, of the same seeds in each, ranked."""
    rows = list(grid.values())
    score = np.array([[t.test_score for t in row] for row in rows])
    lost = np.array([[t.diverged or t.failure is not None for t in row] for row in rows]) | np.isnan(score)
    steps = np.array([[_steps_to(t, goal) for t in row] for row in rows])
    return compare_groups(
        list(grid),
        score,
        diverged=lost,
        success=np.isfinite(steps),
        steps=steps,
        budget=task.schedule.steps,
        floor=FLOORS[task.metric.score],
        margin=margin,
    )


def _untrained(untrained: Mapping[str, Sequence[int]], seeds: int, kept: int) -> list[str]:
    """Sentences on trials that the machine ended."""
    if not untrained:
        return []
    parts = [f"{len(each)} of {seeds} of {called}" for called, each in untrained.items()]
    sentence = (
        f"Not trained, and no result of their starts: {', '.join(parts)}; retry='failed' (--retry failed) tries again."
    )
    whole = [called for called, each in untrained.items() if len(each) == seeds]
    if len(whole) < len(untrained):
        sentence += f" What is compared are the {kept} seeds that the others all have."
    if whole:
        sentence += f" {', '.join(whole)}: nothing is known."
    return [sentence]


def _steps_to(trial: Trial, goal: float) -> float:
    """The first recorded step from which the loss stays at or below the goal; infinite where it does not end there."""
    curve = [*zip(trial.loss_steps, trial.loss_values, strict=True), (trial.steps, trial.final_loss)]
    found = math.inf
    for step, value in reversed(curve):
        if not value <= goal:
            break
        found = float(step)
    return found
