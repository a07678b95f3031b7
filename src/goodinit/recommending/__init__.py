"""Recommending: starts raced on a person's own task, and what the race says, with its evidence."""

from __future__ import annotations

from goodinit.recommending.outcome import Recommendation
from goodinit.recommending.run import recommend

__all__ = ["Recommendation", "recommend"]
