"""One group of runs, the same thing tried over seeds: what it scores, how often it works, how long it takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from numpy.typing import ArrayLike

from goodinit.jsonable import json_value
from goodinit.statistics.arguments import RESAMPLES
from goodinit.statistics.columns import COLUMNS, GroupRuns, Measured
from goodinit.statistics.estimate import Estimate, Record
from goodinit.statistics.runs import Runs, find_floor, read_runs
from goodinit.statistics.survival import StepsToTarget

__all__ = ["GroupSummary", "summarize", "summarize_runs"]


@dataclass(frozen=True)
class GroupSummary(Record):
    """A group over its seeds: `statistics` holds what was measured, by the names of `COLUMNS`.

    `floor` is the score that stood in for diverged runs and for worse ones, None where none was needed, or none is
    known because every run diverged: `iqm` and `median` are then infinite on the bad side.
    """

    name: str
    runs: int
    statistics: Mapping[str, Measured]
    floor: float | None

    @property
    def iqm(self) -> Estimate:
        """The interquartile mean of the scores."""
        return cast(Estimate, self.statistics["iqm"])

    @property
    def median(self) -> Estimate:
        """The median of the scores."""
        return cast(Estimate, self.statistics["median"])

    @property
    def success(self) -> Estimate | None:
        """The share of runs that succeeded, None where that was not given."""
        return cast("Estimate | None", self.statistics["success"])

    @property
    def divergence(self) -> Estimate:
        """The share of runs that diverged."""
        return cast(Estimate, self.statistics["divergence"])

    @property
    def steps(self) -> StepsToTarget | None:
        """The steps to the target, None where they were not given."""
        return cast("StepsToTarget | None", self.statistics["steps"])

    def estimate(self, name: str) -> Estimate | None:
        """The statistic of that name as one number with its interval: of steps, their median."""
        found = self.statistics[name]
        return found.median if isinstance(found, StepsToTarget) else found

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it, each statistic under its name."""
        return {"name": self.name, "runs": self.runs, **json_value(self.statistics), "floor": json_value(self.floor)}


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
    group = GroupRuns(runs, floor, success, steps, budget, level, resamples, seed)
    measured = {column.name: column.measure(group) for column in COLUMNS}
    return GroupSummary(name, group.size, measured, floor if runs.lowered(floor) else None)
