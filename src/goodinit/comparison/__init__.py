"""Comparisons by training: studies, their store, their running, and their results."""

from __future__ import annotations

from goodinit.comparison.design import CLASSIC_INITIALIZATIONS, TASKS, design
from goodinit.comparison.plan import Plan, estimate
from goodinit.comparison.result import Comparison, open_study
from goodinit.comparison.run import Progress, compare
from goodinit.comparison.toml import load_study

__all__ = [
    "CLASSIC_INITIALIZATIONS",
    "TASKS",
    "Comparison",
    "Plan",
    "Progress",
    "compare",
    "design",
    "estimate",
    "load_study",
    "open_study",
]
