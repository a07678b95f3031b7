"""What a start does to a network: forecast, measures, findings (rules over numbers), and the sentence that says why."""

from __future__ import annotations

from goodinit.checkup.findings import findings
from goodinit.checkup.forecast import forecast
from goodinit.checkup.measure import NetworkMeasure, measure
from goodinit.checkup.why import why

__all__ = ["NetworkMeasure", "findings", "forecast", "measure", "why"]
