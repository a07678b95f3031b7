"""Comparisons by training: the design of a comparison, its running, and its result."""

from __future__ import annotations

from goodinit.comparison.design import CLASSIC_INITIALIZATIONS, design
from goodinit.comparison.result import Comparison
from goodinit.comparison.run import Progress, compare

__all__ = ["CLASSIC_INITIALIZATIONS", "Comparison", "Progress", "compare", "design"]
