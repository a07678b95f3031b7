"""`Advice`: the initializations that a model's structure makes sound, in order."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from goodinit import report
from goodinit.jsonable import json_value
from goodinit.results import Finding

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["Advice", "Advised"]


@dataclass(frozen=True)
class Advised:
    """One initialization: `init` as it is written wherever one is named, why it is sound here, and what was measured.

    `accuracy` is the measured one on a small model of the same structure, None where that start was not measured.
    """

    init: str
    reason: str
    evidence: str
    accuracy: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {key: json_value(getattr(self, key)) for key in ("init", "reason", "evidence", "accuracy")}


@dataclass(frozen=True)
class Advice:
    """What is right for a model: `options`, the best first, what was found of its own start, and what was left out.

    `structure` says in a few words what the run showed, `kind` which of the measured structures it is like. `findings`
    are those of the model's own start. `left_out` are initializations that would suit, each with why not this model.
    `setting` says how the accuracies were measured.
    """

    structure: str
    kind: str
    options: tuple[Advised, ...]
    findings: tuple[Finding, ...]
    left_out: tuple[tuple[str, str], ...] = ()
    setting: str = ""

    @property
    def healthy(self) -> bool:
        """Whether nothing severe was found of the model's own start."""
        return not any(finding.severity == "severe" for finding in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {
            "structure": self.structure,
            "kind": self.kind,
            "setting": self.setting,
            "healthy": self.healthy,
            "options": [each.to_dict() for each in self.options],
            "findings": [each.to_dict() for each in self.findings],
            "left_out": [{"init": init, "why": why} for init, why in self.left_out],
        }

    def to_json(self) -> str:
        """One JSON object."""
        return json.dumps(self.to_dict(), indent=2, allow_nan=False)

    def __rich__(self) -> Table:
        from rich.box import SIMPLE_HEAD
        from rich.table import Table
        from rich.text import Text

        table = Table(title=self.structure, title_justify="left", caption_justify="left", box=SIMPLE_HEAD)
        for heading in ("initialization", "why"):
            table.add_column(heading, overflow="fold")
        table.add_column("measured", justify="right")
        for each in self.options:
            accuracy = "" if each.accuracy is None else f"{each.accuracy:.3f}"
            table.add_row(Text(each.init), Text(each.reason), accuracy)
        table.caption = Text("\n".join(self._notes()))
        return table

    def _notes(self) -> list[str]:
        severe = [each.message for each in self.findings if each.severity == "severe"]
        notes = [f"Its own start: {message}" for message in severe] or ["Its own start: nothing severe was found."]
        notes += [f"{init} is left out: {why}" for init, why in self.left_out]
        if any(each.accuracy is not None for each in self.options):
            notes.append(f"Measured: test accuracy at the best rate, of a small model like it ({self.setting}).")
        if self.options:
            notes.append(f'goodinit.initialize(model, "{self.options[0].init}", seed=0, inputs=inputs)')
        return notes

    def __str__(self) -> str:
        return report.text(self.__rich__())
