"""How a statistic is written, the same in every table: its heading, its number, its interval."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Final

from goodinit.statistics import Column, Estimate, GroupSummary
from goodinit.statistics.columns import ALL_DIVERGED, NumberForm

__all__ = ["cell", "heading", "score_text"]

FEW_SEEDS: Final = 8
"""Seeds below which an interval says that they are few: where three runs in ten fail it then holds too rarely."""
Cell = tuple[str, str]
"""A number and its interval, as they are written."""


def heading(column: Column, score: str) -> str:
    """The column's heading; `score` is what the score is called."""
    return column.heading.format(score=score)


def cell(column: Column, summary: GroupSummary) -> Cell:
    """A group's number in the column with its interval, empty where it was not measured."""
    found = summary.estimate(column.name)
    if found is None:
        return "", ""
    value, interval = _FORMS[column.form](found)
    few = column.form == "score" and interval and summary.runs < FEW_SEEDS
    return value, f"{interval}, few seeds" if few else interval


def score_text(value: float, digits: int = 3) -> str:
    """A score as it is written."""
    if math.isnan(value):
        return "none"
    return f"{value:.{digits}f}" if abs(value) < 100 else f"{value:.3g}"  # an R² has no lower bound


def _score(found: Estimate) -> Cell:
    if found.method == ALL_DIVERGED:
        return ALL_DIVERGED, ""
    return score_text(found.value), f"{score_text(found.low)} to {score_text(min(found.high, 1.0))}"  # 1 is perfect


def _share(found: Estimate) -> Cell:
    return f"{found.value:.0%}", f"{found.low:.0%} to {found.high:.0%}"


def _steps(found: Estimate) -> Cell:
    if not math.isfinite(found.value):
        return "never, for half", f"from {found.low:,.0f}" if math.isfinite(found.low) else ""
    high = f"{found.high:,.0f}" if math.isfinite(found.high) else "never"
    return f"{found.value:,.0f}", f"{found.low:,.0f} to {high}"


_FORMS: Final[Mapping[NumberForm, Callable[[Estimate], Cell]]] = {"score": _score, "share": _share, "steps": _steps}
