"""What was measured of starts on small models, a model of each structure: `examples/advice/measure.py` measured it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

__all__ = ["MeasuredStarts", "evidence"]


@dataclass(frozen=True)
class MeasuredStarts:
    """The test accuracies of starts on one structure, each at its best rate, by the starts' texts."""

    kind: str
    setting: str
    accuracies: Mapping[str, float]

    @property
    def best(self) -> float:
        """The highest of them."""
        return max(self.accuracies.values(), default=float("nan"))

    def of(self, init: str) -> str:
        """What it says of a start, as a sentence."""
        found = self.accuracies.get(init)
        if found is None:
            return "not measured on such a model"
        return f"test accuracy {found:.3f}, the best there {self.best:.3f}: {self.kind}, {self.setting}"


@cache
def evidence(kind: str) -> MeasuredStarts:
    """The evidence for a structure; empty where there is none."""
    text = files("goodinit.advising").joinpath("evidence.json").read_text(encoding="utf-8")
    facts = json.loads(text)
    found = facts["structures"].get(kind, {})
    setting = f"{facts['data']}, {facts['steps']} steps of {facts['optimizer']}, {facts['seeds']} seeds"
    return MeasuredStarts(kind, setting, {init: row["accuracy"] for init, row in found.items()})
