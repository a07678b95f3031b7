"""What a start does to a network: forecast, measures, findings (rules over numbers), and the sentence that says why."""

from __future__ import annotations

from goodinit.checkup.findings import findings
from goodinit.checkup.forecast import forecast
from goodinit.checkup.measure import EndMeasure, NetworkMeasure, measure, measure_end
from goodinit.checkup.why import why

__all__ = ["EndMeasure", "NetworkMeasure", "findings", "forecast", "measure", "measure_end", "why"]
