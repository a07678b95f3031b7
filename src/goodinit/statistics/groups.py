"""One group of runs, the same thing tried over seeds: what it scores, how often it works, how long it takes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from goodinit.errors import GoodinitError
from goodinit.statistics.arguments import RESAMPLES, check_level, read_flags
from goodinit.statistics.bootstrap import Statistic, bootstrap
from goodinit.statistics.estimate import Estimate, Record
from goodinit.statistics.rates import wilson
from goodinit.statistics.runs import Runs, find_floor, read_runs
from goodinit.statistics.survival import StepsToTarget, steps_to_target

__all__ = ["GroupSummary", "summarize", "summarize_runs"]


@dataclass(frozen=True)
class GroupSummary(Record):
    """A group over its seeds. `success` and `steps` are None where they were not told.

    `floor` is the score that stood in for diverged runs and for worse ones, None where none was needed, or none is
    known because every run diverged: `iqm` and `median` are then infinite on the bad side.
    """

    name: str
    runs: int
    iqm: Estimate
    median: Estimate
    success: Estimate | None
    divergence: Estimate
    steps: StepsToTarget | None
    floor: float | None


def summarize(
    name: str,
    scores: ArrayLike,
    *,
    success: ArrayLike | None = None,
    diverged: ArrayLike | None = None,
    steps: ArrayLike | None = None,
    budget: ArrayLike | None = None,
    higher_is_better: bool = True,
    floor: float | None = None,
    level: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> GroupSummary:
    """Interquartile mean, median, success and divergence rate, and steps to a target, each with its interval.

    `scores` has shape (n,), one a seed, n >= 2. A run diverged if `diverged` flags it or its score is infinite on the
    bad side; `floor` (0 for an accuracy) stands in for it, and for a worse score where sizes count, or else the worst
    finite score of the group. `success` are flags, shape (n,). `steps` and `budget` are those of `steps_to_target`.
    `level`, `resamples` and `seed` are those of `bootstrap`; rates have Wilson intervals.

    Raises GoodinitError for fewer than two runs, a nan that is not flagged as diverged, shapes that do not match,
    `steps` without `budget`, or a level outside (0, 1).

    >>> nan = float("nan")
    >>> he = summarize("he", [0.95, 0.96, nan, 0.97], success=[1, 1, 0, 1], diverged=[0, 0, 1, 0], floor=0.5)
    >>> he.median.value, he.success.value, he.divergence.value
    (0.955, 0.75, 0.25)

    Source: Agarwal et al. 2021 (interquartile mean); Wilson 1927; Kaplan & Meier 1958.
    """
    runs = read_runs("scores", scores, diverged, higher_is_better=higher_is_better)
    return summarize_runs(
        name,
        runs,
        find_floor(floor, runs),
        success=success,
        steps=steps,
        budget=budget,
        level=level,
        resamples=resamples,
        seed=seed,
    )


def summarize_runs(
    name: str,
    runs: Runs,
    floor: float | None,
    *,
    success: ArrayLike | None,
    steps: ArrayLike | None,
    budget: ArrayLike | None,
    level: float,
    resamples: int,
    seed: int,
) -> GroupSummary:
    """As `summarize`, of runs already read and with the floor decided."""
    n = runs.ranked.size
    filled = runs.filled(floor)

    def centre(statistic: Statistic) -> Estimate:
        if runs.diverged.all():  # what is then known of the scores is the floor, where there is one
            return Estimate(float(filled[0]), float(filled[0]), float(filled[0]), check_level(level), "all diverged")
        return bootstrap(filled, statistic, level=level, resamples=resamples, seed=seed)

    taken = None
    if steps is not None:
        if budget is None:
            raise GoodinitError(
                "steps without budget: say how many steps a run was given; the others are censored there"
            )
        if np.shape(steps) != (n,):
            raise GoodinitError(f"steps has shape {np.shape(steps)}, but there are {n} scores; give one a run, or nan")
        taken = steps_to_target(steps, budget, level=level, resamples=resamples, seed=seed)
    worked = None
    if success is not None:
        worked = wilson(int(read_flags("success", success, (n,)).sum()), n, level=level)
    return GroupSummary(
        name=name,
        runs=n,
        iqm=centre("iqm"),
        median=centre("median"),
        success=worked,
        divergence=wilson(int(runs.diverged.sum()), n, level=level),
        steps=taken,
        floor=floor if runs.lowered(floor) else None,
    )
