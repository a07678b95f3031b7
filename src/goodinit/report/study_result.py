"""What a study's page is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from goodinit.results import Study, Task, TaskSummary, Trial
from goodinit.statistics import Aggregate

__all__ = ["Rerun", "StudyResult", "trial_groups"]


@dataclass(frozen=True)
class Rerun:
    """How a study is run again: a command line, where there is one, a Python call, a TOML file where it takes one."""

    command: str | None
    call: str
    toml: str | None = None
    notes: tuple[str, ...] = ()


class StudyResult(Protocol):
    """What a page reads of a finished study, which `Comparison` has."""

    @property
    def study(self) -> Study:
        """What was to be trained."""

    @property
    def trials(self) -> tuple[Trial, ...]:
        """The trials of the evaluation."""

    @property
    def summaries(self) -> tuple[TaskSummary, ...]:
        """What the seeds say, task by task."""

    @property
    def tuning_curves(self) -> Mapping[tuple[str, str], Mapping[float, float]]:
        """The median of the study's criterion in the tuning by (task, initialization) and learning rate."""

    @property
    def across_tasks(self) -> Aggregate | None:
        """The initializations over all tasks; None for one task or one seed, and for tasks of different scores."""

    @property
    def rerun(self) -> Rerun:
        """How the study is run again."""


def trial_groups(result: StudyResult, task: Task, summary: TaskSummary) -> dict[str, list[Trial]]:
    """The trials of each group of a task's summary, in the order of the seeds."""
    found: dict[str, list[Trial]] = {name: [] for name in summary.groups}
    for trial in result.trials:
        if trial.task == task.name:
            found[trial.initialization].append(trial)
    return found
