"""What a person sees of finished results: tables, figures, and the folder they are kept in."""

from __future__ import annotations

from goodinit.report.figures import decision_boundaries, figures, loss_curves
from goodinit.report.folder import OutputFolder
from goodinit.report.tables import catalogue, entry, summary, text

__all__ = [
    "OutputFolder",
    "catalogue",
    "decision_boundaries",
    "entry",
    "figures",
    "loss_curves",
    "summary",
    "text",
]
