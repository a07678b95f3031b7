"""What the causes ask of the rows again and again, and how a finding is made."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from goodinit.findings import Finding
from goodinit.transferring.judging import Table
from goodinit.transferring.records import LayerRow, ParameterRow
from goodinit.wording import listed

__all__ = ["Evidence", "any_fact", "finding", "group_of", "off_line", "rate_of"]


def finding(
    code: str,
    where: str | None,
    values: Mapping[str, Any],
    measured: float | None,
    expected: float | None,
    remedy: str = "",
    severity: Literal["severe", "warning", "info"] = "severe",
) -> Finding:
    """One judgement of a transfer check."""
    return Finding(code, severity, where, values, measured, expected, remedy)


class Evidence:
    """The rows, and what is asked of them again and again."""

    def __init__(self, table: Table, layers: Sequence[LayerRow], parameters: Sequence[ParameterRow]) -> None:
        self.table, self.layers, self.parameters = table, layers, parameters
        self.explained: set[str] = set()

    def of(self, role: str, measure: str, judged: str) -> list[ParameterRow]:
        """The parameters of a role whose measure was judged so, and that no earlier cause explains."""
        return [
            row
            for row in self.parameters
            if row.role == role
            and measure in row.coordinates
            and row.coordinates[measure].judged == judged
            and row.name not in self.explained
        ]

    def exponent(self, rows: Sequence[ParameterRow], measure: str) -> float:
        """The median exponent of a measure."""
        values = [row.coordinates[measure].slope.value for row in rows if measure in row.coordinates]
        return float(np.median(values)) if values else math.nan

    def take(self, rows: Sequence[ParameterRow]) -> list[str]:
        """Mark the parameters as explained; their names."""
        self.explained |= {row.name for row in rows}
        return [row.name for row in rows]

    def last(self, row: ParameterRow, fact: str) -> float:
        """A fact's mean at the largest size."""
        values = self.table.parameter(row.name, fact)[-1]
        good = values[np.isfinite(values)]
        return float(good.mean()) if good.size else math.nan


def rate_of(row: ParameterRow) -> float:
    """The exponent of its rate; nan where no optimizer has it."""
    return row.coordinates["rate"].slope.value if "rate" in row.coordinates else math.nan


def any_fact(table: Table, row: ParameterRow, fact: str) -> bool:
    """Whether the fact holds at any size."""
    return any(
        bool(getattr(each, fact)) for size in table.sizes for each in table.facts(row.name, size, table.seeds[0])
    )


def off_line(sizes: Sequence[int], values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> float:
    """How far the means of logarithms lie from a line, at most; 0 where they cannot be compared."""
    good = np.isfinite(values) & (values > 0)
    if len(sizes) < 3 or not good.all():
        return 0.0
    x, y = np.log(np.asarray(sizes, dtype=float)), np.log(values).mean(axis=1)
    return float(np.abs(y - np.polyval(np.polyfit(x, y, 1), x)).max())


def group_of(rows: Sequence[ParameterRow], rate: str) -> str:
    """A parameter group with that rate."""
    names = [row.name for row in rows]
    if any("*" in name for name in names):
        return f'group["lr"] = {rate}  # of {listed(names)}'
    return f"names = {names!r}\ngroup = {{'params': [model.get_parameter(name) for name in names], 'lr': {rate}}}"
