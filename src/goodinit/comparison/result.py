"""`Comparison`: the finished trials of a comparison, their ranking, and how they are kept and shown."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from goodinit import report
from goodinit.results import Task, Trial

__all__ = ["Comparison"]


@dataclass(frozen=True)
class Comparison:
    """The task and its trials, one for each initialization, in the order they were given."""

    task: Task
    trials: tuple[Trial, ...]

    def ranking(self) -> list[Trial]:
        """The trials from best to worst: by test accuracy, then by final loss; what diverged comes last."""
        return sorted(
            self.trials,
            key=lambda t: (t.diverged, -t.test_accuracy, t.final_loss if math.isfinite(t.final_loss) else math.inf),
        )

    def to_dict(self) -> dict[str, Any]:
        """The result as JSON holds it: `task`, `trials` and `summary`."""
        return {
            "task": self.task.to_dict(),
            "trials": [trial.to_dict() for trial in self.trials],
            "summary": {
                "ranking": [trial.name for trial in self.ranking()],
                "why": {trial.name: trial.why for trial in self.trials},
            },
        }

    def to_json(self) -> str:
        """`to_dict` as the text of one JSON object."""
        return json.dumps(self.to_dict(), indent=2, allow_nan=False)

    def save(self, out: str | Path | report.OutputFolder, overwrite: bool = False) -> Path:
        """Write the figures and `result.json` into a folder, all of them or none, and return the folder.

        Raises GoodinitError where the folder cannot be written, or holds another run's files and `overwrite` is
        not set.
        """
        folder = out if isinstance(out, report.OutputFolder) else report.OutputFolder(out, overwrite)
        return folder.write({"result.json": (self.to_json() + "\n").encode(), **report.figures(self.task, self.trials)})

    def __str__(self) -> str:
        return report.text(report.summary(self.task, self.trials))
