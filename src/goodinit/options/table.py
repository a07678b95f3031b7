"""The table of options, in the order of `compare`'s arguments, and those of tasks."""

from __future__ import annotations

from typing import Final

from goodinit.options.conducted import CONDUCTED
from goodinit.options.record import Option
from goodinit.options.trained import TRAINED

__all__ = ["OPTIONS", "task_options"]

OPTIONS: Final[dict[str, Option]] = {option.name: option for option in (*TRAINED, *CONDUCTED)}
"""Every option of `compare` that a person can write down; it has callbacks besides, which only Python can hand over."""


def task_options() -> list[Option]:
    """The options that describe a task."""
    return [option for option in OPTIONS.values() if option.scope == "task"]
