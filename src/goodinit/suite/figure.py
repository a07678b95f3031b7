"""The suite drawn: ranks with intervals, performance profiles, families, tasks; of claims their ratios."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final

import numpy as np

from goodinit.report.colours import COLOURS, STYLES
from goodinit.report.figure_file import without_box, write_drawn
from goodinit.report.lettering import plain_number
from goodinit.report.study_figures import Drawing
from goodinit.suite.claims import ALIKE, ClaimResult, judge_claims
from goodinit.suite.records import SuiteResult
from goodinit.suite.table import budgets_of, families, standings
from goodinit.wording import count, shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["drawings", "profile", "write_figure"]

_FACTORS: Final = np.geomspace(1, 10, 181)
_LEAST: Final = 1e-6  # a loss counts as at least so much, so that a factor of it means something


def drawings(found: SuiteResult) -> list[Drawing]:
    """The figures of some results, with their captions."""
    if found.name == "claims":
        return [_claims(judge_claims(found))]
    return [_ranks(found), _profiles(found), _tasks(found)]


def profile(found: SuiteResult, budget: int, start: str) -> np.ndarray:
    """The share of tasks on which a start's median loss is within each factor, from 1 to 10, of the task's lowest.

    Of the tasks that it applies to; a diverged median is within none.

    Source: Dolan & Moré 2002, Benchmarking optimization software with performance profiles.
    """
    ratios = []
    for task in found.tasks:
        medians = {row.start: max(median(row.losses), _LEAST) for row in task.of(budget)}
        if start in medians:
            ratios.append(medians[start] / min(medians.values()))
    return np.array([np.mean([ratio <= factor for ratio in ratios]) for factor in _FACTORS])


def _looks(names: Sequence[str]) -> dict[str, tuple[str, str]]:
    return {
        name: (COLOURS[at % len(COLOURS)], STYLES[at // len(COLOURS) % len(STYLES)]) for at, name in enumerate(names)
    }


def _order(found: SuiteResult) -> list[str]:
    return [each.start for each in standings(found, budgets_of(found)[-1])]


def _ranks(found: SuiteResult) -> Drawing:
    from matplotlib.figure import Figure

    budgets, order = budgets_of(found), _order(found)
    ranked = [
        name for name in order if any(s.start == name and s.rank is not None for s in standings(found, budgets[-1]))
    ]
    figure = Figure(figsize=(12.5, 1.6 + 0.42 * len(ranked)), layout="constrained")
    axes = np.atleast_1d(figure.subplots(1, len(budgets) + 1, sharey=True))
    for place, budget in enumerate(budgets):
        rows = {each.start: each for each in standings(found, budget)}
        for at, name in enumerate(ranked):
            each = rows[name]
            assert each.rank is not None
            if each.without is not None:
                axes[place].plot(
                    each.without, [at, at], color=COLOURS[1], linewidth=6, alpha=0.35, solid_capstyle="butt"
                )
            if each.low is not None and each.high is not None:
                axes[place].plot([each.low, each.high], [at, at], color=COLOURS[0], linewidth=1.4)
            axes[place].plot([each.rank], [at], "o", color=COLOURS[0], ms=5)
        axes[place].set_title(f"{count(budget, 'rate')} to tune on", fontsize=10)
        axes[place].set_xlabel("mean rank, 1 is best")
        without_box(axes[place])
    last = {each.start: each for each in standings(found, budgets[-1])}
    kinds = families(found)
    for at, family in enumerate(kinds):
        axes[-1].plot(
            [last[name].families[at] for name in ranked],
            range(len(ranked)),
            "odsv^<>p"[at % 8],
            color=COLOURS[at % len(COLOURS)],
            ms=5,
            alpha=0.8,
            label=family,
        )
    axes[-1].set_title(f"each family, {count(budgets[-1], 'rate')}", fontsize=10)
    axes[-1].set_xlabel("mean rank")
    without_box(axes[-1])
    axes[0].set_yticks(range(len(ranked)), [shorten(name, 26) for name in ranked], fontsize=9)
    axes[0].invert_yaxis()
    figure.legend(loc="outside lower center", ncols=min(7, len(kinds)), fontsize=8, frameon=False)
    caption = (
        "The mean over the tasks of each start's rank by its median test loss, for each number of learning rates that "
        "it was tuned on; thin: its 95 % bootstrap interval over the tasks; wide: its range with one task left out. "
        "Starts whose intervals overlap are not told apart by this. Right: the mean rank in each family of tasks. "
        "Starts that some tasks refuse are not ranked."
    )
    return Drawing("ranks", "Ranks over the tasks", caption, figure)


def _profiles(found: SuiteResult) -> Drawing:
    from matplotlib.figure import Figure

    budgets, order = budgets_of(found), _order(found)
    look = _looks(order)
    figure = Figure(figsize=(12.5, 4.8), layout="constrained")
    axes = np.atleast_1d(figure.subplots(1, len(budgets), sharey=True))
    for place, budget in enumerate(budgets):
        for name in order:
            colour, style = look[name]
            axes[place].step(
                _FACTORS,
                profile(found, budget, name),
                where="post",
                color=colour,
                linestyle=style,
                label=shorten(name, 30) if place == 0 else None,
            )
        axes[place].set_xscale("log")
        axes[place].set_xticks([1, 2, 5, 10])
        axes[place].xaxis.set_major_formatter(plain_number)
        axes[place].xaxis.set_minor_formatter(lambda value, at: "")
        axes[place].set_ylim(-0.02, 1.02)
        axes[place].set_xlabel("times the task's lowest median loss")
        axes[place].set_title(f"{count(budget, 'rate')} to tune on", fontsize=10)
        without_box(axes[place])
    axes[0].set_ylabel("share of tasks")
    figure.legend(loc="outside lower center", ncols=5, fontsize=8, frameon=False)
    caption = (
        "Performance profiles (Dolan & Moré 2002): the share of tasks on which a start's median test loss is within a "
        "factor of the lowest of all starts there; higher and further left is better. Each start counts on the tasks "
        "that it applies to."
    )
    return Drawing("profiles", "How near to the best", caption, figure)


def _tasks(found: SuiteResult) -> Drawing:
    from matplotlib.figure import Figure

    budget, order = budgets_of(found)[-1], _order(found)
    others = [
        name for name in order if any(row.start == name and row.verdict for t in found.tasks for row in t.of(budget))
    ]
    values = np.full((len(found.tasks), len(others)), np.nan)
    marks = [["" for _ in others] for _ in found.tasks]
    for at, task in enumerate(found.tasks):
        rows = {row.start: row for row in task.of(budget)}
        base = next(row for row in task.of(budget) if not row.verdict)
        for place, name in enumerate(others):
            if name in rows and rows[name].verdict:
                own, first = (max(median(row.losses), _LEAST) for row in (rows[name], base))
                ratio = math.log2(own / first) if math.isfinite(own) and math.isfinite(first) else math.nan
                values[at, place] = math.copysign(4, own - first) if math.isnan(ratio) and own != first else ratio
                marks[at][place] = {"better": "+", "worse": "\u2212", "not separable": "="}[rows[name].verdict]
    figure = Figure(figsize=(12.5, 1.9 + 0.29 * len(found.tasks)), layout="constrained")
    axes: Axes = figure.subplots()
    shown = axes.imshow(values, cmap="RdBu_r", vmin=-2, vmax=2, aspect="auto")
    for at, row in enumerate(marks):
        for place, mark in enumerate(row):
            dark = abs(values[at, place]) > 1.3
            axes.text(place, at, mark, ha="center", va="center", fontsize=9, color="white" if dark else "black")
    axes.set_xticks(range(len(others)), [shorten(name, 26) for name in others], rotation=35, ha="right", fontsize=8)
    axes.set_yticks(range(len(found.tasks)), [shorten(task.name, 44) for task in found.tasks], fontsize=8)
    bar = figure.colorbar(shown, ax=axes, shrink=0.8, extend="both")
    bar.set_ticks([-2, -1, 0, 1, 2], labels=["1/4", "1/2", "1", "2", "4"])
    bar.set_label("times the own start's loss", fontsize=8)
    caption = (
        f"Each start's median test loss over that of the model's own, each tuned on {count(budget, 'rate')}: blue is "
        "lower. +, \u2212 and = are better, worse and not separable, at the rate of each (Wilcoxon, Holm over the "
        "starts of the task, 5 %); an empty place is a start that does not apply."
    )
    return Drawing("tasks", "Task by task", caption, figure, light=True)


def _claims(claims: Sequence[ClaimResult]) -> Drawing:
    from matplotlib.figure import Figure

    colours = {"survives": COLOURS[2], "vanishes": COLOURS[4], "reverses": COLOURS[1], "cannot be told": "#888888"}
    figure: Figure = Figure(figsize=(10.5, 1.4 + 0.42 * len(claims)), layout="constrained")
    axes: Axes = figure.subplots()
    axes.axvspan(1 / (1 + ALIKE), 1 + ALIKE, color="#888888", alpha=0.2, linewidth=0)
    axes.axvline(1, color="#888888", linewidth=1)
    for at, each in enumerate(claims):
        if each.ratio is None:
            why = f"{each.diverged[0]} and {each.diverged[1]} runs diverged"
            axes.text(1, at, f"  {why}", va="center", fontsize=8, color=colours[each.outcome])
        else:
            axes.plot([each.ratio.low, each.ratio.high], [at, at], color=colours[each.outcome], linewidth=2)
            axes.plot([each.ratio.value], [at], "o", color=colours[each.outcome], ms=6)
    axes.set_yticks(range(len(claims)), [f"{each.name}: {each.outcome}" for each in claims], fontsize=9)
    axes.set_ylim(len(claims) - 0.4, -0.6)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(plain_number)
    axes.xaxis.set_minor_formatter(plain_number)
    axes.tick_params(axis="x", which="both", labelsize=8)
    axes.set_xlabel("test loss of the claimed start over the other's, each at its best rate")
    without_box(axes)
    caption = (
        "The median of the paired ratios of test losses with its 95 % bootstrap interval; left of 1 the claimed start "
        f"is better. Grey: within {ALIKE:.0%} of 1."
    )
    return Drawing("claims", "Published claims at tuned rates", caption, figure)


def write_figure(found: SuiteResult, path: str | os.PathLike[str]) -> Path:
    """Write the first figure as SVG, PDF or PNG.

    Raises GoodinitError for another ending, or where it cannot be written.
    """
    return write_drawn(drawings(found)[0].figure, path)
