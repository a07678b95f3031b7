"""What a study's page is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from goodinit.results import Task, TaskSummary, Trial

__all__ = ["Rerun", "StudyResult"]


@dataclass(frozen=True)
class Rerun:
    """How a study is run again: a command line, where there is one, a Python call, a TOML file where it takes one."""

    command: str | None
    call: str
    toml: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class StudyResult:
    """What a page is made of.

    `trials` are those of the evaluation, `tuned` says that `learning_rates` were tried on `tuning_seeds` and the best
    one used, and `tuning_curves` holds the median final training loss found there by (task, initialization) and rate.
    """

    tasks: tuple[Task, ...]
    initializations: tuple[str, ...]
    learning_rates: tuple[float, ...]
    tuned: bool
    seeds: tuple[int, ...]
    tuning_seeds: tuple[int, ...]
    trials: tuple[Trial, ...]
    tuning_curves: Mapping[tuple[str, str], Mapping[float, float]]
    summaries: tuple[TaskSummary, ...]
    rerun: Rerun

    def groups(self, task: Task, summary: TaskSummary) -> dict[str, list[Trial]]:
        """The trials of each group of a task's summary, in the order of the seeds."""
        found: dict[tuple[str, float], list[Trial]] = {}
        for trial in self.trials:
            if trial.task == task.name:
                found.setdefault((trial.initialization, trial.learning_rate), []).append(trial)
        return dict(zip(summary.groups, found.values(), strict=True))
