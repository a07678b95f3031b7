"""The suite's page: figures, tables, and what was registered."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

from goodinit.report import svg
from goodinit.report.folder import write_new
from goodinit.report.page import template_environment
from goodinit.report.page_parts import environment
from goodinit.report.study_figures import render
from goodinit.suite.claims import counted, judge_claims
from goodinit.suite.figure import drawings
from goodinit.suite.records import SuiteResult
from goodinit.suite.registered import registered
from goodinit.suite.table import (
    CLAIM_COLUMNS,
    budgets_of,
    claim_cells,
    claims_note,
    families,
    not_applied,
    note,
    standing_cells,
    standings,
    task_cell,
)
from goodinit.wording import count, listed

__all__ = ["suite_html", "write_page"]


def write_page(found: SuiteResult, path: str | os.PathLike[str], overwrite: bool = False) -> Path:
    """Write the page at `path`, whole or not at all.

    Raises GoodinitError where it exists and `overwrite` is not set, or cannot be written.
    """
    return write_new(path, suite_html(found).encode("utf-8", "replace"), overwrite, "suite.html")


def suite_html(found: SuiteResult) -> str:
    """The page's text."""
    from markupsafe import Markup

    figures = []
    for at, drawn in enumerate(drawings(found)):
        picture = svg.inline(render(drawn)["svg"], f"f{at}", drawn.heading)
        # Safe: our own drawing, in which foreign text is shapes of letters.
        figures.append(
            {"heading": drawn.heading, "caption": drawn.caption, "svg": Markup(picture), "light": drawn.light}
        )
    claims = judge_claims(found) if found.name == "claims" else ()
    return (
        template_environment()
        .get_template("suite.html")
        .render(
            title="Published claims about starts" if claims else f"The suite of initializations, {found.name} set",
            answer=_answer(found),
            notes=[claims_note(claims) if claims else note(found), _run_of(found)],
            figures=figures,
            claims=[(each, claim_cells(each)) for each in claims],
            claim_columns=CLAIM_COLUMNS,
            budgets=[] if claims else [_budget(found, budget) for budget in budgets_of(found)],
            left_out=[(listed(starts), listed(tasks, len(tasks)), why) for starts, tasks, why in not_applied(found)],
            origin=[(name, str(value)) for name, value in found.origin.items()],
            environment=environment(datetime.now(UTC)),
        )
    )


def _budget(found: SuiteResult, budget: int) -> dict[str, object]:
    starts = list(dict.fromkeys(row.start for task in found.tasks for row in task.of(budget)))
    tasks = []
    for task in found.tasks:
        rows = {row.start: row for row in task.of(budget)}
        tasks.append((task.name, [(task_cell(rows[s]), rows[s].verdict) if s in rows else ("", "") for s in starts]))
    return {
        "title": f"{count(budget, 'learning rate')} to tune on",
        "columns": ("tasks", "mean rank", "without one task", "better", "worse", "=", "diverged", *families(found)),
        "standings": [standing_cells(each) for each in standings(found, budget)],
        "starts": starts,
        "tasks": tasks,
    }


def _answer(found: SuiteResult) -> str:
    """What the results say on the whole, in a sentence."""
    if found.name == "claims":
        claims = judge_claims(found)
        return f"Of {count(len(claims), 'published claim')}, at tuned rates: {counted(claims)}."
    budget = budgets_of(found)[-1]
    ranked = [each for each in standings(found, budget) if each.rank is not None]
    first = ranked[0]
    level = [
        each.start for each in ranked[1:] if each.low is not None and first.high is not None and each.low <= first.high
    ]
    sentence = f"With {count(budget, 'rate')} to tune on, {first.start} has the lowest mean rank, {first.rank:.2f}"
    if level:
        return f"{sentence}; its interval overlaps those of {listed(level)}, which are not separable from it by ranks."
    return f"{sentence}, and its interval overlaps no other."


def _run_of(found: SuiteResult) -> str:
    """How much of what is registered was run."""
    have, plan = {task.name for task in found.tasks}, registered(found.name).tasks
    missing = [task.name for task in plan if task.name not in have]
    done = f"{len(plan) - len(missing)} of {count(len(plan), 'registered task')} were run"
    return f"{done}; not {listed(missing)}." if missing else f"{done}."
