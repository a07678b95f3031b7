"""Comparisons by training: studies, their store, their running, and their results."""

from __future__ import annotations

from goodinit.comparison.design import CLASSIC_INITIALIZATIONS, design
from goodinit.comparison.plan import Plan, estimate
from goodinit.comparison.rerun import PERTURBATIONS, rerun
from goodinit.comparison.result import Comparison, open_study
from goodinit.comparison.run import Progress, compare, run_study
from goodinit.comparison.toml import load_study
from goodinit.options import LOSSES, TASKS

__all__ = [
    "CLASSIC_INITIALIZATIONS",
    "LOSSES",
    "PERTURBATIONS",
    "TASKS",
    "Comparison",
    "Plan",
    "Progress",
    "compare",
    "design",
    "estimate",
    "load_study",
    "open_study",
    "rerun",
    "run_study",
]
