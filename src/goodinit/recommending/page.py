"""The page of a race."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

from goodinit.recommending.figure import drawing
from goodinit.recommending.records import RaceFacts
from goodinit.recommending.table import cells, columns, facts, number
from goodinit.report import svg
from goodinit.report.folder import write_new
from goodinit.report.page import template_environment
from goodinit.report.page_parts import environment
from goodinit.report.study_figures import render

__all__ = ["recommendation_html", "write_recommendation"]


def write_recommendation(found: RaceFacts, path: str | os.PathLike[str], overwrite: bool = False) -> Path:
    """Write the page at `path`, whole or not at all.

    Raises GoodinitError where it exists and `overwrite` is not set, or cannot be written.
    """
    return write_new(path, recommendation_html(found).encode("utf-8", "replace"), overwrite, "race.html")


def recommendation_html(found: RaceFacts) -> str:
    """The page's text."""
    from markupsafe import Markup

    drawn = drawing(found)
    picture = svg.inline(render(drawn)["svg"], "f0", drawn.heading)
    # Safe: our own drawing, in which foreign text is shapes of letters.
    figure = {"heading": drawn.heading, "caption": drawn.caption, "svg": Markup(picture), "light": False}
    return (
        template_environment()
        .get_template("recommend.html")
        .render(
            title=f"A start for {found.name}",
            found=found,
            facts=facts(found),
            figure=figure,
            columns=columns(found),
            finals=[(each, cells(found, each)) for each in found.finals],
            rungs=[
                {
                    "title": f"{rung.steps:,} steps, {len(rung.seeds)} seed{'s' * (len(rung.seeds) != 1)}",
                    "rows": [
                        (each, f"{each.learning_rate:g}", number(each.value, found.criterion))
                        for each in rung.standings
                    ],
                }
                for rung in found.rungs
            ],
            environment=environment(datetime.now(UTC)),
        )
    )
