"""What a start does to a network: measures (numbers), findings (rules over numbers), and the sentence that says why."""

from __future__ import annotations

from goodinit.checkup.findings import findings
from goodinit.checkup.measure import NetworkMeasure, measure
from goodinit.checkup.why import why

__all__ = ["NetworkMeasure", "findings", "measure", "why"]
