"""Numbers as JSON holds them."""

from __future__ import annotations

import math

__all__ = ["finite_or_none"]


def finite_or_none(value: float) -> float | None:
    """The number, or None (null in JSON) for nan and the infinities."""
    return value if math.isfinite(value) else None
