"""The suite's tables: ranks over the tasks with intervals, each family, and what each task says of each start."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median
from typing import Final

import numpy as np
from rich.console import Group
from rich.table import Table
from rich.text import Text
from scipy import stats

from goodinit.statistics import bootstrap
from goodinit.suite.records import SuiteResult, SuiteTask
from goodinit.wording import count

__all__ = ["mean_ranks", "suite_table"]

_MARKS: Final = {"better": "+", "worse": "-", "not separable": "=", "": ""}


def mean_ranks(tasks: Sequence[SuiteTask], budget: int) -> dict[str, list[float]]:
    """The rank of each start on each task by its median test loss, 1 for the lowest; of starts that all tasks have."""
    common = set.intersection(*({each.start for each in task.of(budget)} for task in tasks))
    ranks: dict[str, list[float]] = {}
    for task in tasks:
        rows = [each for each in task.of(budget) if each.start in common]
        medians = [median(each.losses) for each in rows]
        for each, rank in zip(rows, stats.rankdata(medians), strict=True):
            ranks.setdefault(each.start, []).append(float(rank))
    return ranks


def suite_table(found: SuiteResult) -> Group:
    """All tables."""
    budgets = sorted({each.budget for task in found.tasks for each in task.results})
    parts: list[Table | Text] = []
    for budget in budgets:
        parts += [_overall(found, budget), _tasks(found, budget)]
    seeds = len(found.tasks[0].seeds) if found.tasks else 0
    parts.append(
        Text(
            f"{count(len(found.tasks), 'task')}, {count(seeds, 'paired seed')} each. Ranks are of median test losses, "
            "with 95 % bootstrap intervals over the tasks; so few tasks say little of others. +, - and = are better, "
            "worse and not separable against the model's own start on that task (Wilcoxon, Holm over its starts, 5 %).",
            "dim",
        )
    )
    for task in found.tasks:
        parts += [Text(f"{task.name}: {name} does not apply ({why})", "dim") for name, why in task.left_out]
    return Group(*parts)


def _overall(found: SuiteResult, budget: int) -> Table:
    ranks = mean_ranks(found.tasks, budget)
    families = list(dict.fromkeys(task.family for task in found.tasks))
    made = Table(title=f"{count(budget, 'learning rate')} to tune on", box=None, padding=(0, 1), header_style="dim")
    for head in ("start", "mean rank", "without one task", "better", "worse", "diverged", *families):
        made.add_column(Text(head), justify="left" if head == "start" else "right")
    for start in sorted(ranks, key=lambda name: float(np.mean(ranks[name]))):
        own = ranks[start]
        mean = f"{np.mean(own):.2f}"
        if len(own) > 1:
            each = bootstrap(own, "mean")
            mean += f" [{each.low:.1f}, {each.high:.1f}]"
        left = [float(np.mean(own[:at] + own[at + 1 :])) for at in range(len(own))] if len(own) > 1 else own
        rows = [row for task in found.tasks for row in task.of(budget) if row.start == start]
        verdicts = [row.verdict for row in rows]
        by_family = [
            f"{np.mean([rank for rank, task in zip(own, found.tasks, strict=True) if task.family == family]):.1f}"
            for family in families
        ]
        made.add_row(
            Text(start),
            mean,
            f"{min(left):.2f} to {max(left):.2f}",
            str(verdicts.count("better")),
            str(verdicts.count("worse")),
            f"{sum(row.diverged for row in rows)}",
            *by_family,
        )
    return made


def _tasks(found: SuiteResult, budget: int) -> Table:
    starts = list(dict.fromkeys(row.start for task in found.tasks for row in task.of(budget)))
    made = Table(box=None, padding=(0, 1), header_style="dim")
    made.add_column("median test loss (rate)")
    for start in starts:
        made.add_column(Text(start), justify="right")
    for task in found.tasks:
        rows = {row.start: row for row in task.of(budget)}
        cells = []
        for start in starts:
            row = rows.get(start)
            if row is None:
                cells.append("")
                continue
            value = median(row.losses)
            loss = f"{value:.3g}" if math.isfinite(value) else "diverged"
            cells.append(f"{loss} ({row.learning_rate:g}) {_MARKS[row.verdict]}".rstrip())
        made.add_row(Text(task.name), *cells)
    return made
