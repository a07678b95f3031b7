"""The options of `compare`, each declared once: what it takes, what it means, and where a person meets it."""

from __future__ import annotations

from goodinit.options.conducted import DEFAULT_OUT
from goodinit.options.record import Bounds, Option, OptionKind
from goodinit.options.table import OPTIONS, task_options
from goodinit.options.tasks import TASKS
from goodinit.options.trained import LOSSES

__all__ = ["DEFAULT_OUT", "LOSSES", "OPTIONS", "TASKS", "Bounds", "Option", "OptionKind", "task_options"]
