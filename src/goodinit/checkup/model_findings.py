"""All that is found in the numbers of a model's start."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from goodinit.checkup.rules import gradients, signals, weights, whole
from goodinit.model_records import ModelStart
from goodinit.results import Finding

__all__ = ["model_findings"]

RULES: Final[tuple[Callable[[ModelStart], Iterator[Finding]], ...]] = (
    *weights.RULES,
    *signals.RULES,
    *gradients.RULES,
    *whole.RULES,
)

_ORDER: Final = ("severe", "warning", "info")


def model_findings(start: ModelStart) -> tuple[Finding, ...]:
    """What every rule finds, the most severe first."""
    found = [finding for rule in RULES for finding in rule(start)]
    return tuple(sorted(found, key=lambda finding: _ORDER.index(finding.severity)))
