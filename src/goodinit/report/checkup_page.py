"""The page of a model's checkup, and what a notebook shows of it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from goodinit.model_records import ModelStart
from goodinit.report import svg
from goodinit.report.checkup_figures import profile, spark
from goodinit.report.checkup_rows import FoldedRow, folded, number, ratio
from goodinit.report.checkup_tables import flat, headline, whole_facts
from goodinit.report.folder import write_new
from goodinit.report.judged import finding_facts
from goodinit.report.page import template_environment
from goodinit.report.page_parts import environment
from goodinit.report.study_figures import render
from goodinit.results import Finding

__all__ = ["checkup_html", "write_checkup"]

_MOST_LAYERS: Final = 400  # of a page's table
_MOST_IN_A_NOTEBOOK: Final = 40


def write_checkup(
    start: ModelStart, findings: Sequence[Finding], path: str | os.PathLike[str], overwrite: bool = False
) -> Path:
    """Write the page at `path`, whole or not at all.

    Raises GoodinitError where it exists and `overwrite` is not set, or cannot be written.
    """
    return write_new(path, _page(start, findings).encode("utf-8", "replace"), overwrite, "checkup.html")


def checkup_html(start: ModelStart, findings: Sequence[Finding]) -> str:
    """The summary as HTML for a notebook's output: findings and layers, with a style of their own."""
    return (
        template_environment().get_template("checkup_summary.html").render(_facts(start, findings, _MOST_IN_A_NOTEBOOK))
    )


def _page(start: ModelStart, findings: Sequence[Finding]) -> str:
    from markupsafe import Markup

    figure = None
    if start.layers:
        drawing = profile(start)
        picture = svg.inline(render(drawing)["svg"], "f0", drawing.heading)
        # Safe: our own drawing, in which foreign text is shapes of letters.
        figure = {"heading": drawing.heading, "caption": drawing.caption, "svg": Markup(picture)}
    return (
        template_environment()
        .get_template("checkup.html")
        .render(**_facts(start, findings, _MOST_LAYERS), figure=figure, environment=environment(datetime.now(UTC)))
    )


def _facts(start: ModelStart, findings: Sequence[Finding], most: int) -> dict[str, Any]:
    rows, left_out = folded(start.layers, most)
    return {
        "title": f"The start of {start.model}",
        "answer": headline(start, findings),
        "sound": not any(finding.severity == "severe" for finding in findings),
        "kicker": "checkup",
        "nothing": "None: nothing that was measured is out of its bounds.",
        "facts": whole_facts(start),
        "findings": [finding_facts(finding) for finding in findings],
        "layers": [_layer(row) for row in rows],
        "left_out": left_out,
        "backward": any(layer.gradient.rms is not None for layer in start.layers),
        "folded": any(len(row.layers) > 1 for row in rows),
        "parameters": [_parameter(each) for each in start.parameters[:most]],
        "notes": start.notes,
    }


def _layer(row: FoldedRow) -> dict[str, Any]:
    from markupsafe import Markup

    layer, several = row.first, len(row.layers) > 1
    context = [word for word, said in (("norm", layer.call.norm_after), ("sum", layer.call.residual)) if said]
    rank = (
        ""
        if layer.signal.effective_rank is None or several
        else f"{number(layer.signal.effective_rank)} of {layer.signal.rank_limit}"
    )
    shape = " x ".join(str(size) for size in layer.call.output_shape)
    return {
        "name": row.name,
        "kind": f"{len(row.layers)} of {layer.call.kind}" if several else f"{layer.call.kind}, {shape}",
        "then": ", ".join([*context, *([layer.call.activation] if layer.call.activation else [])]),
        "weight": row.cell(lambda each: each.weight_std, lambda each: each.weight_std_expected),
        "output": row.cell(lambda each: each.signal.rms, lambda each: each.signal.rms_expected),
        "gain": row.cell(lambda each: each.signal.gain, lambda each: each.signal.gain_expected, ranges=False),
        "after": row.cell(
            lambda each: each.signal.activation_rms, lambda each: each.signal.activation_rms_expected, ranges=False
        ),
        "cosine": row.cell(lambda each: each.signal.correlation),
        "rank": rank,
        "flat": flat(row.layers),
        "gradient": row.cell(lambda each: each.gradient.rms, lambda each: each.gradient.rms_expected),
        "outputs": Markup(spark(layer.signal.histogram, "outputs")),  # safe: numbers only
        "gradients": Markup(spark(layer.gradient.histogram, "gradients, powers of ten")),  # the same
    }


def _parameter(each: Any) -> dict[str, Any]:
    return {
        "name": each.name,
        "role": each.role,
        "shape": " x ".join(str(size) for size in each.shape) or "1",
        "std": ratio(each.std, each.std_expected),
        "gradient": number(each.gradient_rms) if each.has_gradient is not False else "none",
        "share": number(each.gradient_to_weight),
        "first_update": number(each.update_to_weight),
    }
