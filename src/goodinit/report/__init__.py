"""What a person sees of finished results: tables, figures, and the folder they are kept in."""

from __future__ import annotations

from goodinit.report.catalogue import activation, catalogue, entry, forecast, recipe
from goodinit.report.checkup_page import checkup_html, write_checkup
from goodinit.report.checkup_tables import MAX_ROWS, CheckupTable
from goodinit.report.figure_file import check_drawn
from goodinit.report.figures import decision_boundaries, figures, loss_curves
from goodinit.report.folder import OutputFolder, check_new, check_place, write_file
from goodinit.report.latex import ranking_latex
from goodinit.report.page import check_page, notebook_html, page_html, write_page
from goodinit.report.phases import depth_scales, phase_diagram, theory_figures
from goodinit.report.study_result import Rerun, StudyResult
from goodinit.report.tables import summary, text

__all__ = [
    "MAX_ROWS",
    "CheckupTable",
    "OutputFolder",
    "Rerun",
    "StudyResult",
    "activation",
    "catalogue",
    "check_drawn",
    "check_new",
    "check_page",
    "check_place",
    "checkup_html",
    "decision_boundaries",
    "depth_scales",
    "entry",
    "figures",
    "forecast",
    "loss_curves",
    "notebook_html",
    "page_html",
    "phase_diagram",
    "ranking_latex",
    "recipe",
    "summary",
    "text",
    "theory_figures",
    "write_checkup",
    "write_file",
    "write_page",
]
