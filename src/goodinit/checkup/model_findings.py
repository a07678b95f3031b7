"""All that is found in the numbers of a model's start."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from goodinit.checkup.rules import attention, batch, gradients, recurrent, signals, weights, whole
from goodinit.findings import Severity
from goodinit.model_records import ModelStart
from goodinit.results import Finding

__all__ = ["SEVERITIES", "model_findings"]

RULES: Final[tuple[Callable[[ModelStart], Iterator[Finding]], ...]] = (
    *batch.RULES,
    *weights.RULES,
    *signals.RULES,
    *gradients.RULES,
    *recurrent.RULES,
    *attention.RULES,
    *whole.RULES,
)

SEVERITIES: Final[tuple[Severity, ...]] = ("severe", "warning", "info")
"""The most severe first."""


def model_findings(start: ModelStart) -> tuple[Finding, ...]:
    """What every rule finds, the most severe first; of a batch at fault nothing that the fault brings about."""
    found = [finding for rule in RULES for finding in rule(start)]
    if batch.at_fault(start):
        found = [finding for finding in found if finding.code not in batch.CONSEQUENCES]
    return tuple(sorted(found, key=lambda finding: SEVERITIES.index(finding.severity)))
