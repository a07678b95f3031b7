"""Numbers of a command line, read."""

from __future__ import annotations

import typer

from goodinit.errors import shown

__all__ = ["integer", "number"]


def integer(text: str) -> int:
    """The integer, or an error that says what one is."""
    try:
        return int(text)
    except ValueError:
        raise typer.BadParameter(f"{shown(text)} is not an integer; give one such as 100") from None


def number(text: str) -> float:
    """The number, or an error that says what one is."""
    try:
        return float(text)
    except ValueError:
        raise typer.BadParameter(f"{shown(text)} is not a number; give one such as 0.01") from None
