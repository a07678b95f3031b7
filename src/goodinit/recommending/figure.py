"""The race drawn: the rungs with what went on, and the evidence of the finals seed by seed."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from goodinit.recommending.finals import ERROR
from goodinit.recommending.records import RaceFacts, Standing
from goodinit.recommending.table import CRITERIA
from goodinit.report.colours import COLOURS, STYLES
from goodinit.report.figure_file import without_box, write_drawn
from goodinit.report.lettering import plain_number
from goodinit.report.study_figures import Drawing
from goodinit.wording import shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["drawing", "write_figure"]

_FADED: Final = 0.22
_RANGE: Final = 50  # times the best value: what is above is drawn at the top


def drawing(found: RaceFacts) -> Drawing:
    """The figure with its caption."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12.5, 4.6), layout="constrained")
    left, middle, right = figure.subplots(1, 3, width_ratios=(1.35, 1, 1))
    names = list(dict.fromkeys(each.initialization for rung in found.rungs for each in rung.standings))
    names = list(dict.fromkeys((found.baseline, *(each.initialization for each in found.finals), *names)))
    look = {
        name: (COLOURS[at % len(COLOURS)], STYLES[at // len(COLOURS) % len(STYLES)]) for at, name in enumerate(names)
    }
    _rungs(left, found, look)
    _finals(middle, found, look)
    _evidence(right, found, look)
    handles, labels = left.get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside lower center", ncols=5, fontsize=8, frameon=False)
    caption = (
        f"Left: each line is a start at one learning rate; its height is the median {CRITERIA[found.criterion]} on the "
        "seeds of a rung, lower for better; lines that end dropped out. Middle: the finals, a point a fresh seed, with "
        f"the median. Right: how strongly the seeds so far say that a finalist is better than {found.baseline}, "
        "at every rate that it has in the finals; from "
        f"{1 / ERROR:.0f} (dashed) on, after correction for the number of finalists, it is called better."
    )
    return Drawing("race", "The race", caption, figure)


Styles = dict[str, tuple[str, str]]


def _rungs(axes: Axes, found: RaceFacts, look: Styles) -> None:
    sign = -1 if found.criterion == "validation_score" else 1
    values = [each.value * sign for rung in found.rungs for each in rung.standings if math.isfinite(each.value)]
    if not values:
        _nothing(axes, "no rung has ended")
        return
    logarithmic = sign == 1 and min(values) > 0 and max(values) > 4 * min(values)
    top = min(max(values), _RANGE * min(values)) if logarithmic else max(values)
    paths: dict[tuple[str, float], list[tuple[int, Standing]]] = {}
    for place, rung in enumerate(found.rungs):
        for each in rung.standings:
            paths.setdefault((each.initialization, each.learning_rate), []).append((place, each))
    chosen = {(each.initialization, each.learning_rate) for each in found.finals}
    labelled = set[str]()
    for key, path in sorted(paths.items(), key=lambda item: item[0] in chosen):
        colour, style = look[key[0]]
        bold = key in chosen
        heights = [min(each.value * sign, top) if math.isfinite(each.value) else top for _, each in path]
        label = None
        if key[0] not in labelled and (bold or not any(name == key[0] for name, _ in chosen)):
            labelled.add(key[0])
            label = shorten(key[0], 30)
        axes.plot(
            [place for place, _ in path],
            heights,
            color=colour,
            linestyle=style,
            linewidth=2.4 if bold else 1.0,
            alpha=1.0 if bold else _FADED if label is None else 0.6,
            marker="o",
            ms=4 if bold else 2.5,
            label=label,
        )
        if bold:
            axes.annotate(
                f"{key[1]:g}", (path[-1][0], heights[-1]), (6, 0), textcoords="offset points", fontsize=7.5, va="center"
            )
    if logarithmic:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(plain_number)
        axes.yaxis.set_minor_formatter(plain_number)
        axes.tick_params(axis="y", which="both", labelsize=7.5)
    ticks = [f"{rung.steps:,} steps\n{len(rung.standings)} raced" for rung in found.rungs]
    axes.set_xticks(range(len(found.rungs)), ticks, fontsize=8)
    axes.set_xlim(-0.15, max(len(found.rungs) - 1, 0.4) + 0.25)
    axes.set_ylabel(f"median {CRITERIA[found.criterion]}, held out")
    axes.set_title("Halving: start x learning rate", fontsize=10)
    without_box(axes)


def _finals(axes: Axes, found: RaceFacts, look: Styles) -> None:
    rows = [each for each in found.finals if any(map(math.isfinite, each.values))]
    if not rows:
        _nothing(axes, "no seed of the finals has ended")
        return
    sign = -1 if found.criterion == "validation_score" else 1
    for at, each in enumerate(rows):
        finite = [value * sign for value in each.values if math.isfinite(value)]
        spread = [(0.5 - (k % 7) / 6) * 0.3 for k in range(len(finite))]
        colour = look[each.initialization][0]
        axes.plot([at + off for off in spread], finite, "o", color=colour, ms=4, alpha=0.55)
        if math.isfinite(each.median):
            axes.plot([at - 0.28, at + 0.28], [each.median * sign] * 2, color=colour, linewidth=2.4)
    labels = [f"{shorten(each.initialization, 18)}\n{each.learning_rate:g}" for each in rows]
    axes.set_xticks(range(len(rows)), labels, fontsize=8)
    if len(rows) > 2:
        axes.tick_params(axis="x", labelrotation=35)
        for label in axes.get_xticklabels():
            label.set(ha="right", rotation_mode="anchor", multialignment="right")
    axes.set_xlim(-0.6, len(rows) - 0.4)
    axes.yaxis.set_major_formatter(plain_number)
    where = "" if found.criterion in ("final_loss", "area") else ", test examples"
    axes.set_ylabel(f"{CRITERIA[found.criterion]}{where}")
    axes.set_title("Finals: fresh seeds", fontsize=10)
    without_box(axes)


def _evidence(axes: Axes, found: RaceFacts, look: Styles) -> None:
    rows = [each for each in found.finals if each.evidence]
    if not rows:
        _nothing(axes, "no evidence yet")
        return
    bound = 1 / ERROR
    for each in rows:
        colour, style = look[each.initialization]
        values = [max(value, 1e-3) for value in (1.0, *each.evidence)]
        axes.plot(range(len(values)), values, color=colour, linestyle=style, linewidth=2, marker="o", ms=3)
    axes.axhline(bound, color="#666666", linewidth=1, linestyle="--")
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(plain_number)
    axes.set_ylim(top=max(bound * 3, *(max(each.evidence) * 2 for each in rows)))
    axes.set_xlabel("fresh seeds")
    axes.set_ylabel(f"e-value: better than {shorten(found.baseline, 18)}")
    axes.set_title("Evidence", fontsize=10)
    without_box(axes)


def _nothing(axes: Axes, why: str) -> None:
    axes.text(0.5, 0.5, why, ha="center", va="center", transform=axes.transAxes, color="#666666")
    axes.set_axis_off()


def write_figure(found: RaceFacts, path: str | os.PathLike[str]) -> Path:
    """Write the figure as SVG, PDF or PNG.

    Raises GoodinitError for another ending, or where it cannot be written.
    """
    return write_drawn(drawing(found).figure, path)
