"""`Transfer`: the verdict, and how it is shown and kept."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from goodinit.transferring.figure import write_figure
from goodinit.transferring.page import write_transfer
from goodinit.transferring.records import TransferFacts
from goodinit.transferring.table import table

if TYPE_CHECKING:
    from rich.console import Group

__all__ = ["Transfer"]


@dataclass(frozen=True)
class Transfer(TransferFacts):
    """Whether a learning rate carries over; prints as a table."""

    def report(self, path: str | os.PathLike[str], overwrite: bool = False) -> Path:
        """Write the page: verdict, findings, figure, layers, parameters and the proof where there is one.

        Raises GoodinitError where it exists and `overwrite` is not set, or cannot be written.
        """
        return write_transfer(self, path, overwrite)

    def figure(self, path: str | os.PathLike[str]) -> Path:
        """Write the figure: `.svg`, `.pdf` or `.png`, by the name's ending.

        Raises GoodinitError for another ending, or where it cannot be written.
        """
        return write_figure(self, path)

    def __rich__(self) -> Group:
        return table(self)

    def __str__(self) -> str:
        from goodinit.report import text

        return text(table(self), width=120)
