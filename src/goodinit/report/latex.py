"""A ranking as a table for a paper: LaTeX with the package booktabs, a row an initialization."""

from __future__ import annotations

import re
from typing import Final

from goodinit.report.columns import cell, heading
from goodinit.results import Task, TaskSummary
from goodinit.statistics import COLUMNS
from goodinit.wording import count

__all__ = ["ranking_latex"]

_ESCAPED: Final = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "²": r"\textsuperscript{2}",
    "µ": r"\textmu{}",
    **{sign: f"\\{sign}" for sign in "#$%&_{}"},
}


def _escape(text: str) -> str:
    """Text as LaTeX prints it."""
    return re.sub("|".join(map(re.escape, _ESCAPED)), lambda found: _ESCAPED[found[0]], " ".join(text.split()))


def ranking_latex(task: Task, summary: TaskSummary) -> str:
    """The ranking of a task as a `table`, its notes beneath; empty where nothing was ranked."""
    ranking = summary.ranking
    if ranking is None:
        return ""
    columns = [column for column in COLUMNS if any(cell(column, group.summary)[0] for group in ranking.groups)]
    head = ["rank", "initialization", *(heading(column, task.metric.test) for column in columns)]
    lines = [
        r"% \usepackage{booktabs}",
        r"\begin{table}",
        r"  \centering",
        rf"  \caption{{Initializations on {_escape(task.name)}, {count(len(summary.seeds), 'seed')}, with "
        rf"{_escape(f'{ranking.level:.0%}')} intervals.}}",
        rf"  \label{{tab:{re.sub('[^a-z0-9]+', '-', task.name.lower()).strip('-') or 'task'}}}",
        rf"  \begin{{tabular}}{{rl{'l' * len(columns)}}}",
        r"    \toprule",
        f"    {' & '.join(map(_escape, head))} \\\\",
        r"    \midrule",
    ]
    for group in ranking.groups:
        cells = []
        for value, interval in (cell(column, group.summary) for column in columns):
            cells.append(_escape(value) + (rf" {{\footnotesize {_escape(interval)}}}" if interval else ""))
        name = rf"\texttt{{{_escape(group.name)}}}"
        lines.append(f"    {' & '.join([str(group.rank), name, *cells])} \\\\")
    lines += [r"    \bottomrule", r"  \end{tabular}"]
    notes = [*ranking.notes, *summary.notes]
    if notes:
        lines.append(rf"  \par\smallskip{{\footnotesize {_escape(' '.join(notes))}}}")
    return "\n".join([*lines, r"\end{table}", ""])
