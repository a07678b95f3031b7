"""What a measured quantity is: a value with its interval, and how records become JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from goodinit.jsonable import json_fields

__all__ = ["Estimate", "Record"]


@dataclass(frozen=True)
class Record:
    """A frozen result of this room."""

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it: arrays and tuples as lists, nan and the infinities as null."""
        return json_fields(self)


@dataclass(frozen=True)
class Estimate(Record):
    """A value with the interval low <= value <= high of that level, and the method that made the interval.

    >>> str(Estimate(0.951, 0.93, 0.962, 0.95, "bootstrap"))
    '0.951 [0.93, 0.962]'
    """

    value: float
    low: float
    high: float
    level: float
    method: str

    def __str__(self) -> str:
        return f"{self.value:.4g} [{self.low:.4g}, {self.high:.4g}]"

    def negated(self) -> Estimate:
        """The estimate of minus the quantity."""
        return Estimate(-self.value, -self.high, -self.low, self.level, self.method)

    def complement(self) -> Estimate:
        """The estimate of one minus the quantity."""
        return Estimate(1 - self.value, 1 - self.high, 1 - self.low, self.level, self.method)
