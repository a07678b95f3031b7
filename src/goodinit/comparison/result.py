"""`Comparison`: the finished trials of a study, their ranking, and how they are kept and shown."""

from __future__ import annotations

import csv
import io
import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from goodinit import report
from goodinit.comparison.across import across_tasks
from goodinit.comparison.damage import Content
from goodinit.comparison.rerun import rerun
from goodinit.comparison.rows import TaskRow
from goodinit.comparison.store import Store, read_file
from goodinit.comparison.summary import summarize_tasks
from goodinit.comparison.tuning import tuning_curves
from goodinit.errors import GoodinitError, shown
from goodinit.jsonable import json_value
from goodinit.report import Rerun
from goodinit.results import Origin, Study, Task, TaskSummary, Trial
from goodinit.statistics import Aggregate, Ranking
from goodinit.statistics.frames import data_frame
from goodinit.training import EngineName

if TYPE_CHECKING:
    import pandas  # type: ignore[import-untyped]  # it ships no types, and is optional

__all__ = ["Comparison", "StoredTrials", "open_study"]

_COLUMNS = (
    "task",
    "phase",
    "initialization",
    "learning_rate",
    "seed",
    "steps",
    "first_loss",
    "final_loss",
    "test_loss",
    "train_accuracy",
    "test_accuracy",
    "train_r2",
    "test_r2",
    "diverged",
    "diverged_by",
    "failure",
    "findings",
    "engine",
    "goodinit",
    "packages",
    "processor",
)


class _Table(ABC):
    """What holds trials can be exported as a table, a row a trial."""

    @abstractmethod
    def _all(self) -> Sequence[Trial]:
        """The trials, those of tuning first."""

    def to_frame(self) -> pandas.DataFrame:
        """A pandas DataFrame, a row a trial. Raises GoodinitError where pandas is not installed."""
        return data_frame(_rows(self._all()), _COLUMNS)

    def to_csv(self, path: str | Path) -> Path:
        """Write a CSV file, a row a trial. A text that a spreadsheet would take for a formula begins with `'`."""
        buffer = io.StringIO(newline="")
        writer = csv.DictWriter(buffer, _COLUMNS)
        writer.writeheader()
        writer.writerows({name: _no_formula(value) for name, value in row.items()} for row in _rows(self._all()))
        return report.write_file(path, buffer.getvalue().encode())

    def to_parquet(self, path: str | Path) -> Path:
        """Write a Parquet file, a row a trial. Raises GoodinitError where pandas and pyarrow are not installed."""
        buffer = io.BytesIO()
        try:
            self.to_frame().to_parquet(buffer)
        except ImportError as error:
            raise GoodinitError("to_parquet needs pandas and pyarrow; pip install pandas pyarrow") from error
        return report.write_file(path, buffer.getvalue())


def _rows(trials: Sequence[Trial]) -> list[dict[str, Any]]:
    return [
        {
            **{column: getattr(trial, column, None) for column in _COLUMNS},
            "first_loss": trial.loss_values[0] if trial.loss_values else None,
            "findings": " ".join(finding.code for finding in trial.findings),
            **_origin(trial.origin),
        }
        for trial in trials
    ]


def _no_formula(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value


def _origin(origin: Origin | None) -> dict[str, str | None]:
    if origin is None:
        return dict.fromkeys(("engine", "goodinit", "packages", "processor"))
    packages = " ".join(f"{name} {version}" for name, version in origin.packages)
    return {
        "engine": origin.engine,
        "goodinit": origin.goodinit,
        "packages": packages,
        "processor": origin.processor,
    }


@dataclass(frozen=True)
class Comparison(_Table):
    """A study and its trials, task by task and seed by seed; `tuning` holds those that chose learning rates.

    `margin` is the difference in test accuracy or R² up to which two initializations are called equivalent,
    `target_loss` the training loss that counts as learned (None: half of that of guessing), `engine` what trained.
    """

    study: Study
    trials: tuple[Trial, ...]
    tuning: tuple[Trial, ...] = ()
    margin: float = 0.0
    target_loss: float | None = None
    engine: EngineName = "auto"

    def _all(self) -> Sequence[Trial]:
        return (*self.tuning, *self.trials)

    @property
    def task(self) -> Task:
        """The first task, which figures are drawn for."""
        return self.study.tasks[0]

    @property
    def shown(self) -> tuple[Trial, ...]:
        """The trials of the first task and the first seed: those that figures and reasons are shown for."""
        first = self.task.name, self.study.seeds[0]
        return tuple(trial for trial in self.trials if (trial.task, trial.seed) == first)

    @cached_property
    def summaries(self) -> tuple[TaskSummary, ...]:
        """What the seeds say, task by task."""
        return summarize_tasks(self.study, self.trials, self.tuning, margin=self.margin, target=self.target_loss)

    @cached_property
    def tuning_curves(self) -> dict[tuple[str, str], dict[float, float]]:
        """The median of the study's criterion over the tuning seeds, infinite where it diverged, by (task, start)."""
        return tuning_curves(self.tuning, self.study.criterion)

    @cached_property
    def across_tasks(self) -> Aggregate | None:
        """The initializations over all tasks; None for one task or one seed, and for tasks of different scores."""
        return across_tasks(self.study, self.trials)

    @property
    def rerun(self) -> Rerun:
        """How the study is run again: as a command line, a Python call, a TOML file."""
        repeats = [trial.sensitivity.repeats for trial in self.shown if trial.sensitivity]
        return rerun(
            self.study,
            engine=self.engine,
            perturbations=max(repeats, default=0),
            margin=self.margin,
            target_loss=self.target_loss,
        )

    def ranking(self, task: str | None = None) -> Ranking:
        """The initializations ranked over the seeds of a task, the first one unless it is named.

        Raises GoodinitError for a study of one seed, and for a task that it does not have.
        """
        for summary in self.summaries:
            if task in (None, summary.task):
                if summary.ranking is None:
                    raise GoodinitError("one seed ranks nothing; give several, such as seeds='0-19'")
                return summary.ranking
        known = ", ".join(summary.task for summary in self.summaries)
        raise GoodinitError(f"task {shown(task)} was not compared; there are {known}")

    def to_dict(self) -> dict[str, Any]:
        """The result as JSON holds it: `task`, `trials` and `summary`."""
        return {
            "task": self.task.to_dict(),
            "tasks": [task.to_dict() for task in self.study.tasks],
            "trials": [trial.to_dict() for trial in self.trials],
            "tuning": [
                {
                    "task": task,
                    "initialization": name,
                    "learning_rate": list(curve),
                    "criterion": self.study.criterion,
                    "median": json_value(list(curve.values())),
                }
                for (task, name), curve in self.tuning_curves.items()
            ],
            "summary": {
                "ranking": list(self.summaries[0].ranking.names) if self.summaries[0].ranking else None,
                "why": {trial.name: trial.why for trial in self.shown},
                "tasks": [summary.to_dict() for summary in self.summaries],
                "across_tasks": self.across_tasks.to_dict() if self.across_tasks else None,
            },
        }

    def to_json(self) -> str:
        """`to_dict` as the text of one JSON object."""
        return json.dumps(self.to_dict(), indent=2, allow_nan=False)

    def to_latex(self, task: str | None = None) -> str:
        """The ranking of a task, the first one unless it is named, as a LaTeX table (package booktabs).

        Raises what `ranking` raises.
        """
        self.ranking(task)
        at = 0 if task is None else [each.name for each in self.study.tasks].index(task)
        return report.ranking_latex(self.study.tasks[at], self.summaries[at])

    def save(self, out: str | Path | report.OutputFolder, overwrite: bool = False) -> Path:
        """Write the figures and `result.json` into a folder, all of them or none, and return the folder.

        Raises GoodinitError where the folder cannot be written, or holds another run's files and `overwrite` is
        not set.
        """
        folder = out if isinstance(out, report.OutputFolder) else report.OutputFolder(out, overwrite)
        drawn = report.figures(self.task, self.shown, folder.earlier)
        return folder.write({"result.json": (self.to_json() + "\n").encode(), **drawn})

    def report(self, path: str | Path, overwrite: bool = False) -> Path:
        """Write one self-contained HTML page, and return its path.

        `Comparison.report("x/report.html")` also writes the folder `x/report-figures` with every figure as PNG, SVG
        and PDF, and each task's ranking as a LaTeX table; all of it is written, or nothing.

        Raises GoodinitError where the page or the folder exists and `overwrite` is not set, where the folder holds
        anything but figures, or where they cannot be written.
        """
        return report.write_page(self, path, overwrite)

    def report_html(self) -> str:
        """The report's page as text, without the folder of figures: one self-contained HTML file."""
        return report.page_html(self)

    def _repr_html_(self) -> str:
        return report.notebook_html(self)

    def __str__(self) -> str:
        return report.text(report.summary(self.task, self.shown, self.summaries, self.across_tasks))


@dataclass(frozen=True)
class StoredTrials(_Table):
    """What a study's file holds: its trials, those that chose learning rates, and the facts of its tasks by name.

    `notes` say what is lost, where the file is damaged.
    """

    path: Path
    tasks: dict[str, dict[str, Any]]
    trials: tuple[Trial, ...]
    tuning: tuple[Trial, ...]
    notes: tuple[str, ...] = ()
    content: Content | None = field(default=None, repr=False, compare=False)

    def _all(self) -> Sequence[Trial]:
        return (*self.tuning, *self.trials)

    def copy(self, path: str | Path) -> Path:
        """Keep what was read in a new file, with which a study goes on where its own is damaged.

        Raises GoodinitError where the file exists or cannot be written.
        """
        place = Path(path)
        if place.exists():
            raise GoodinitError(f"{place} exists; choose another name for the copy")
        content = self.content or Content((), (), (), 0, 0, True, ())
        known = {row.name for row in content.tasks}
        missing = [TaskRow(name, "", "{}", None).sealed() for name in {row.task for row in content.trials} - known]
        with Store(place) as store:
            store.insert_tasks([*(row.sealed() for row in content.tasks), *missing])
            store.insert([row.migrated(content.tasks) for row in content.trials])
        return place


def open_study(path: str | Path) -> StoredTrials:
    """Read a study's file, also while it is being written, or on a medium that cannot be: what has ended so far.

    A file that is damaged is read as far as it goes, and `notes` say which trials are lost.

    Raises GoodinitError where there is no such file, it cannot be read, or it is not a study.
    """
    content, notes = read_file(path)
    ordered = sorted(content.trials, key=lambda row: (row.task, row.initialization, row.learning_rate, row.seed))
    tuning, trials = (tuple(row.trial() for row in ordered if (row.phase == "tuning") == is_) for is_ in (True, False))
    return StoredTrials(
        Path(path), {row.name: json.loads(row.facts) for row in content.tasks}, trials, tuning, tuple(notes), content
    )
