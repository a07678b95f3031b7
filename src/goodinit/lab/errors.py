"""What the page is told of a request that cannot be served: a code to translate by, and a sentence."""

from __future__ import annotations

import math
from typing import Any

from goodinit.errors import GoodinitError, shown

__all__ = ["BusyError", "Cancelled", "LabError"]


class LabError(GoodinitError):
    """A request that cannot be served: `code` and `status` for the page, the field and what was given and allowed."""

    def __init__(
        self,
        code: str,
        message: str,
        *,
        field: str | None = None,
        given: Any = None,
        allowed: dict[str, Any] | None = None,
        status: int = 422,
    ) -> None:
        super().__init__(message)
        self.code, self.field, self.allowed, self.status = code, field, allowed, status
        self.given = _short(given)

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        facts = {"code": self.code, "field": self.field, "message": str(self)}
        return {"error": {**facts, "given": self.given, "allowed": self.allowed}}


class BusyError(LabError):
    """Too many trainings are under way or wait."""

    def __init__(self) -> None:
        super().__init__("busy", "the lab is busy with other pages' trainings; try again in some seconds", status=503)


class Cancelled(Exception):  # noqa: N818  # no error: the page has gone on to something else
    """The page that asked has cancelled, or is gone."""


def _short(given: Any) -> Any:
    """What was given, short enough to be shown."""
    if given is None or isinstance(given, bool):
        return given
    if isinstance(given, int | float):
        return given if abs(given) < 1e300 and math.isfinite(given) else shown(given)[:40]
    text = given if isinstance(given, str) else shown(given)
    return text if len(text) <= 80 else f"{text[:80]}..."
