"""`Recommendation`: the answer of a race, and how it is shown and kept."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from goodinit.recommending.figure import write_figure
from goodinit.recommending.page import recommendation_html, write_recommendation
from goodinit.recommending.records import RaceFacts
from goodinit.recommending.table import table

if TYPE_CHECKING:
    from rich.console import Group

__all__ = ["Recommendation"]


@dataclass(frozen=True)
class Recommendation(RaceFacts):
    """What to start with, and the race that says so; prints as a table."""

    def report(self, path: str | os.PathLike[str], overwrite: bool = False) -> Path:
        """Write the page, one HTML file: the answer, the race drawn, the finals, the rungs, what dropped out.

        Raises GoodinitError where it exists and `overwrite` is not set, or cannot be written.
        """
        return write_recommendation(self, path, overwrite)

    def figure(self, path: str | os.PathLike[str]) -> Path:
        """Write the race as a picture: `.svg`, `.pdf` or `.png`, by the name's ending.

        Raises GoodinitError for another ending, or where it cannot be written.
        """
        return write_figure(self, path)

    def _repr_html_(self) -> str:
        return recommendation_html(self)

    def __rich__(self) -> Group:
        return table(self)

    def __str__(self) -> str:
        from goodinit.report import text

        return text(table(self))
