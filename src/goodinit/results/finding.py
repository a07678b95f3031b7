"""One judgement of a start."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from goodinit.jsonable import finite_or_none

__all__ = ["Finding"]


@dataclass(frozen=True)
class Finding:
    """One judgement: a code, how severe it is, and one sentence with the measured evidence.

    A finding about a model also says `where` (a layer, a parameter, or nothing for the whole), what was `measured` and
    what was `expected`, and its `remedy`: Python that can be pasted where `model`, `inputs`, `torch` and `goodinit`
    are at hand.
    """

    code: str
    severity: Literal["severe", "warning", "info"]
    message: str
    where: str | None = None
    measured: float | None = None
    expected: float | None = None
    remedy: str = ""

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {"code": self.code, "severity": self.severity, "message": self.message}

    def details(self) -> dict[str, Any]:
        """All of it, as the JSON of a model's checkup holds it."""
        return {
            **self.to_dict(),
            "where": self.where,
            "measured": finite_or_none(self.measured),
            "expected": finite_or_none(self.expected),
            "remedy": self.remedy or None,
        }
