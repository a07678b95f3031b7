"""The suite's tables: ranks over the tasks with intervals, each family, and what each task says of each start."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

import numpy as np
from rich.console import Group
from rich.table import Table
from rich.text import Text
from scipy import stats

from goodinit.statistics import bootstrap
from goodinit.suite.claims import ALIKE, ClaimResult, counted, judge_claims
from goodinit.suite.records import StartResult, SuiteResult, SuiteTask
from goodinit.wording import count, listed

__all__ = [
    "CLAIM_COLUMNS",
    "SuiteRank",
    "budgets_of",
    "claim_cells",
    "claims_note",
    "families",
    "loss_text",
    "mean_ranks",
    "not_applied",
    "note",
    "standing_cells",
    "standings",
    "suite_table",
    "task_cell",
]

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


@dataclass(frozen=True)
class SuiteRank:
    """A start over tasks. The mean rank is among the starts that all tasks have, None for one that some tasks refuse.

    `low` and `high` are its bootstrap interval over the tasks, `without` its range with each task left out, `tasks` how
    many the start applies to; `better`, `worse` and `alike` count verdicts against the model's own start. `families`
    are the mean ranks of each family.
    """

    start: str
    tasks: int
    rank: float | None
    low: float | None
    high: float | None
    without: tuple[float, float] | None
    better: int
    worse: int
    alike: int
    diverged: int
    families: tuple[float, ...]


def families(found: SuiteResult) -> list[str]:
    """The families of the tasks, in their order."""
    return list(dict.fromkeys(task.family for task in found.tasks))


def standings(found: SuiteResult, budget: int) -> list[SuiteRank]:
    """The starts at a tuning budget, those of the lowest mean rank first, then those that some tasks refuse."""
    ranks = mean_ranks(found.tasks, budget)
    names = list(dict.fromkeys(row.start for task in found.tasks for row in task.of(budget)))
    made = []
    for start in names:
        rows = [row for task in found.tasks for row in task.of(budget) if row.start == start]
        verdicts = [row.verdict for row in rows]
        better, worse, alike = (verdicts.count(each) for each in ("better", "worse", "not separable"))
        own = ranks.get(start, [])
        some = len(own) > 1
        limits = bootstrap(own, "mean") if some else None
        left = [float(np.mean(own[:at] + own[at + 1 :])) for at in range(len(own))] if some else []
        made.append(
            SuiteRank(
                start,
                len(rows),
                float(np.mean(own)) if own else None,
                max(1.0, limits.low) if limits else None,  # of few tasks the interval reaches beyond what ranks can be
                min(float(len(ranks)), limits.high) if limits else None,
                (min(left), max(left)) if left else None,
                better,
                worse,
                alike,
                sum(row.diverged for row in rows),
                tuple(_mean_of(found, own, family) for family in families(found)) if own else (),
            )
        )
    return sorted(made, key=lambda each: math.inf if each.rank is None else each.rank)


def _mean_of(found: SuiteResult, ranks: Sequence[float], family: str) -> float:
    return float(np.mean([rank for rank, task in zip(ranks, found.tasks, strict=True) if task.family == family]))


def budgets_of(found: SuiteResult) -> list[int]:
    """The tuning budgets of the tasks, the smallest first."""
    return sorted({budget for task in found.tasks for budget in task.budgets})


def note(found: SuiteResult) -> str:
    """What the numbers are."""
    seeds = len(found.tasks[0].seeds) if found.tasks else 0
    return (
        f"{count(len(found.tasks), 'task')}, {count(seeds, 'paired seed')} each. Ranks are of median test losses, "
        "with 95 % bootstrap intervals over the tasks; so few tasks say little of others. +, - and = are better, "
        "worse and not separable against the model's own start on that task: the one ahead, each at its own rate, is "
        "ahead of the other at that same rate too (Wilcoxon, the larger p of both, Holm over the task's starts, 5 %)."
    )


def suite_table(found: SuiteResult) -> Group:
    """All tables; of claims what became of each."""
    if found.name == "claims":
        return claims_table(judge_claims(found))
    parts: list[Table | Text] = []
    for budget in budgets_of(found):
        parts += [_overall(found, budget), _tasks(found, budget)]
    parts.append(Text(note(found), "dim"))
    for starts, tasks, why in not_applied(found):
        verb = "does" if len(starts) == 1 else "do"
        parts.append(Text(f"{listed(starts)} {verb} not apply to {listed(tasks)}: {why}", "dim"))
    return Group(*parts)


def not_applied(found: SuiteResult) -> list[tuple[tuple[str, ...], tuple[str, ...], str]]:
    """(starts, tasks, why) for the starts that do not apply: what shares its reason and its starts is one line."""
    starts: dict[tuple[str, str], list[str]] = {}
    for task in found.tasks:
        for name, why in task.left_out:
            starts.setdefault((why.removeprefix(f"{name}: "), task.name), []).append(name)
    tasks: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for (why, task_name), names in starts.items():
        tasks.setdefault((why, tuple(names)), []).append(f'"{task_name}"')
    return [(names, tuple(each), why) for (why, names), each in tasks.items()]


def claims_table(claims: Sequence[ClaimResult]) -> Group:
    """What became of each claim."""
    made = Table(box=None, padding=(0, 1), header_style="dim")
    for head in CLAIM_COLUMNS:
        made.add_column(head)
    for each in claims:
        made.add_row(*claim_cells(each))
    return Group(made, Text(claims_note(claims), "dim"))


CLAIM_COLUMNS: Final = ("claim", "against", "usual rate", "median losses (rates)", "ratio", "p", "outcome")


def claim_cells(each: ClaimResult) -> tuple[str, ...]:
    """The row of a claim."""
    losses = " to ".join(f"{loss_text(loss)} ({rate:g})" for loss, rate in zip(each.losses, each.rates, strict=True))
    ratio = "" if each.ratio is None else f"{each.ratio.value:.3f} [{each.ratio.low:.3f}, {each.ratio.high:.3f}]"
    usual = each.usual
    return each.name, each.base, usual, losses, ratio, f"{each.p_value:.2g}", each.outcome


def claims_note(claims: Sequence[ClaimResult]) -> str:
    """What the numbers are."""
    return (
        f"{count(len(claims), 'claim')}: {counted(claims)}. Test losses of the start that the claim was made against, "
        "to that of the one claimed, at the best rate of each, and the median of their paired ratios with its 95 % "
        "interval. A claim survives where the one claimed is better: at its own rate, than the other at the other's "
        "and than the other at that same rate (Wilcoxon, the larger p of both, at most 0.05). It vanishes where "
        f"neither is and the interval lies within {ALIKE:.0%} of 1."
    )


def loss_text(value: float) -> str:
    """A median loss in a table."""
    return f"{value:.3g}" if math.isfinite(value) else "diverged"


def _overall(found: SuiteResult, budget: int) -> Table:
    made = Table(title=f"{count(budget, 'learning rate')} to tune on", box=None, padding=(0, 1), header_style="dim")
    heads = ("start", "tasks", "mean rank", "without one task", "better", "worse", "=", "diverged", *families(found))
    for head in heads:
        made.add_column(Text(head), justify="left" if head == "start" else "right")
    for each in standings(found, budget):
        made.add_row(*map(Text, standing_cells(each)))
    return made


def standing_cells(each: SuiteRank) -> tuple[str, ...]:
    """The row of a start."""
    rank = "" if each.rank is None else f"{each.rank:.2f}"
    if each.low is not None:
        rank += f" [{each.low:.1f}, {each.high:.1f}]"
    without = "" if each.without is None else f"{each.without[0]:.2f} to {each.without[1]:.2f}"
    counts = (each.better, each.worse, each.alike, each.diverged)
    return each.start, str(each.tasks), rank, without, *map(str, counts), *(f"{mean:.1f}" for mean in each.families)


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
            cells.append(task_cell(row))
        made.add_row(Text(task.name), *cells)
    return made


def task_cell(row: StartResult) -> str:
    """A start on a task: its median test loss, its rate and the verdict."""
    return f"{loss_text(median(row.losses))} ({row.learning_rate:g}) {_MARKS[row.verdict]}".rstrip()
