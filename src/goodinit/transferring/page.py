"""The page of a transfer check."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from goodinit.report import svg
from goodinit.report.folder import write_new
from goodinit.report.judged import finding_facts
from goodinit.report.page import template_environment
from goodinit.report.page_parts import environment
from goodinit.report.study_figures import render
from goodinit.transferring.figure import drawing
from goodinit.transferring.records import LayerRow, ParameterRow, TransferFacts
from goodinit.transferring.table import LAYER_COLUMNS, PARAMETER_COLUMNS, cell, facts

__all__ = ["transfer_html", "write_transfer"]

_MOST: Final = 400  # rows of a table


def write_transfer(found: TransferFacts, path: str | os.PathLike[str], overwrite: bool = False) -> Path:
    """Write the page at `path`, whole or not at all.

    Raises GoodinitError where it exists and `overwrite` is not set, or cannot be written.
    """
    return write_new(path, transfer_html(found).encode("utf-8", "replace"), overwrite, "transfer.html")


def transfer_html(found: TransferFacts) -> str:
    """The page's text."""
    from markupsafe import Markup

    drawn = drawing(found)
    picture = svg.inline(render(drawn)["svg"], "f0", drawn.heading)
    # Safe: our own drawing, in which foreign text is shapes of letters.
    figure = {"heading": drawn.heading, "caption": drawn.caption, "svg": Markup(picture)}
    return (
        template_environment()
        .get_template("transfer.html")
        .render(
            title=f"Transfer of {found.model} over {found.axis}",
            kicker="transfer",
            answer=found.answer,
            sound=bool(found.transfers),
            facts=facts(found),
            findings=[finding_facts(each) for each in found.findings],
            figure=figure,
            layer_columns=list(LAYER_COLUMNS.values()),
            layers=_rows(found.layers, list(LAYER_COLUMNS)),
            parameter_columns=list(PARAMETER_COLUMNS.values()),
            parameters=_rows(found.parameters, list(PARAMETER_COLUMNS)),
            proof=found.proof,
            best=[
                {
                    "size": each.size,
                    "rate": f"{each.rate:.3g}",
                    "interval": f"{each.low:.3g} to {each.high:.3g}",
                    "edge": "at the edge of the rates" if each.edge else "",
                }
                for each in (found.proof.best if found.proof else ())
            ],
            environment=environment(datetime.now(UTC)),
        )
    )


def _rows(rows: tuple[LayerRow, ...] | tuple[ParameterRow, ...], columns: list[str]) -> list[dict[str, Any]]:
    return [
        {
            "name": row.name,
            "role": row.role or getattr(row, "kind", ""),
            "since": getattr(row, "since", None),
            "cells": [(cell(each), each.judged if each else "") for each in map(row.coordinates.get, columns)],
        }
        for row in rows[:_MOST]
    ]
