"""The statistics of a group, each declared once: what measures it, what it is called, how it is shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import ArrayLike

from goodinit.errors import GoodinitError
from goodinit.statistics.arguments import check_level, read_flags
from goodinit.statistics.bootstrap import Statistic, bootstrap
from goodinit.statistics.estimate import Estimate
from goodinit.statistics.rates import wilson
from goodinit.statistics.runs import Runs
from goodinit.statistics.survival import StepsToTarget, steps_to_target

__all__ = ["ALL_DIVERGED", "COLUMNS", "Column", "GroupRuns", "Measured", "NumberForm"]

ALL_DIVERGED: Final = "all diverged"
"""The method of an estimate that is only a floor: no run has a score."""
NumberForm = Literal["score", "share", "steps"]
Measured = Estimate | StepsToTarget | None
"""What a statistic is: None where what it needs was not given."""


@dataclass(frozen=True, eq=False)
class GroupRuns:
    """What a statistic is measured from: a group's runs, with the arguments of `summarize`."""

    runs: Runs
    floor: float | None
    success: ArrayLike | None
    steps: ArrayLike | None
    budget: ArrayLike | None
    level: float
    resamples: int
    seed: int

    @property
    def size(self) -> int:
        """The number of runs."""
        return int(self.runs.ranked.size)

    def centre(self, statistic: Statistic) -> Estimate:
        """A statistic of the scores with its bootstrap interval."""
        filled = self.runs.filled(self.floor)
        if self.runs.diverged.all():  # what is then known of the scores is the floor, where there is one
            worst = float(filled[0])
            return Estimate(worst, worst, worst, check_level(self.level), ALL_DIVERGED)
        return bootstrap(filled, statistic, level=self.level, resamples=self.resamples, seed=self.seed)


@dataclass(frozen=True)
class Column:
    """A statistic of a group: its function, and the column that it is in every table.

    `name` is its name in JSON and data frames, `heading` elsewhere, where `{score}` stands for the score's name and
    `note` is what a page adds; `form` says how its numbers are written, `help` what it is, for the docs.
    """

    name: str
    measure: Callable[[GroupRuns], Measured]
    heading: str
    form: NumberForm
    help: str
    note: str = ""

    @property
    def row(self) -> str:
        """Its row in the docs."""
        return f"| {self.heading.replace('{score}', 'score')} (`{self.name}`) | {self.help} |"


def _success(group: GroupRuns) -> Estimate | None:
    if group.success is None:
        return None
    return wilson(int(read_flags("success", group.success, (group.size,)).sum()), group.size, level=group.level)


def _steps(group: GroupRuns) -> StepsToTarget | None:
    if group.steps is None:
        return None
    if group.budget is None:
        raise GoodinitError("steps without budget: say how many steps a run was given; the others are censored there")
    if np.shape(group.steps) != (group.size,):
        raise GoodinitError(
            f"steps has shape {np.shape(group.steps)}, but there are {group.size} scores; give one a run, or nan"
        )
    return steps_to_target(group.steps, group.budget, level=group.level, resamples=group.resamples, seed=group.seed)


_BOOTSTRAP: Final = "bootstrap interval from one seeded generator (percentile, widened for few seeds)"

COLUMNS: Final[list[Column]] = [
    Column(
        "iqm",
        lambda group: group.centre("iqm"),
        "{score} (IQM)",
        "score",
        f"interquartile mean, by which groups are ranked; {_BOOTSTRAP}",
        "interquartile mean",
    ),
    Column("median", lambda group: group.centre("median"), "median", "score", f"of the score; {_BOOTSTRAP}"),
    Column("success", _success, "learned", "share", "share of the runs, with Wilson's interval"),
    Column(
        "divergence",
        lambda group: wilson(int(group.runs.diverged.sum()), group.size, level=group.level),
        "diverged",
        "share",
        "share of the runs that diverged or failed, with Wilson's interval",
        "or failed",
    ),
    Column(
        "steps",
        _steps,
        "steps to learn",
        "steps",
        "median by Kaplan-Meier: a run that never does is censored at its budget, not dropped",
        "median",
    ),
]
"""Every statistic, in the order of the tables; groups are ranked by the first."""
