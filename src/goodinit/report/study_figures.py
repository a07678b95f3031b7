"""Figures of a study over its seeds: learning curves, final results, learning rates, profiles over tasks."""

from __future__ import annotations

import io
import math
import re
import textwrap
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from goodinit.report.colours import COLOURS, STYLES
from goodinit.report.figures import decision_boundaries
from goodinit.report.fits import fits
from goodinit.report.lettering import as_written, plain_number
from goodinit.results import Task, TaskSummary, Trial
from goodinit.statistics import performance_profile
from goodinit.wording import shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "FIGURE_KINDS",
    "Drawing",
    "FigureKind",
    "final_results",
    "learned",
    "learning_curves",
    "profiles",
    "rate_map",
    "render",
]

Floats = NDArray[np.float64]
Groups = Mapping[str, Sequence[Trial]]
"""The trials of each group of a task, in the order of the seeds."""

_DPI: Final = 150
_METADATA: Final[Mapping[str, dict[str, None]]] = {  # nothing that changes from run to run
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}
_MANY: Final = 3000  # points from which they are drawn as a picture, not one by one
_THRESHOLDS: Final = 201
_PROFILE_RESAMPLES: Final = 1000
LOWEST_SHOWN: Final = -1.0  # an R² below stands there, and does not squeeze the others
_INK, _PAPER = "#010101", "#fefefe"  # text on a coloured cell: the same on a light and on a dark page


@dataclass(frozen=True)
class Drawing:
    """A figure with its name as a file, its heading, and what it shows in words.

    `light` keeps a light background on a dark page; `task` is empty where it shows all tasks.
    """

    name: str
    heading: str
    caption: str
    figure: Figure
    light: bool = False
    task: str = ""


FigureKind = Literal["svg", "png", "pdf"]
"""What a figure is written as."""
FIGURE_KINDS: Final[tuple[FigureKind, ...]] = get_args(FigureKind)


def render(drawing: Drawing, kinds: Sequence[FigureKind] = ("svg",)) -> dict[FigureKind, bytes]:
    """The figure as files of these kinds; text is taken as it is, never as mathematics."""
    as_written(drawing.figure)
    files = {}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from font")  # drawn as a box
        for kind in kinds:
            buffer = io.BytesIO()
            drawing.figure.savefig(buffer, format=kind, dpi=_DPI, metadata=_METADATA[kind])
            files[kind] = buffer.getvalue()
            drawing.figure.set_layout_engine("none")  # the places of the first hold for all
    if "svg" in files:
        files["svg"] = re.sub(rb"<!--.*?-->\s*", b"", files["svg"], flags=re.DOTALL)  # comments repeat each text
    return files


def lost(trial: Trial) -> bool:
    """Whether the trial has no result: it diverged or failed."""
    no_number = not math.isfinite(trial.final_loss) or math.isnan(trial.test_score)
    return trial.diverged or trial.failure is not None or no_number


def learning_curves(task: Task, groups: Groups, target_loss: float) -> Figure:
    """The median training loss of each group over its seeds with its interquartile band, on one axis."""
    seeds = max(len(trials) for trials in groups.values())
    chance = task.chance_loss
    curves = {name: _quartiles(trials) for name, trials in groups.items()}
    medians = np.concatenate([median for _, _, median, _ in curves.values()])
    shown = medians[np.isfinite(medians) & (medians > 0)]
    logarithmic = shown.size > 0 and shown.max() > 20 * shown.min()
    edges = np.concatenate([np.concatenate(found[1:]) for found in curves.values()])
    edges = edges[np.isfinite(edges) & (edges > 0)]
    if logarithmic:
        top = min(float(shown.max()) * 2, 300 * chance)
        bottom = max(float(edges[edges <= top].min(initial=top)), 1e-4 * float(shown.min())) * 0.8
    else:
        top, bottom = min(float(edges.max(initial=chance)), 2 * chance) * 1.08, 0.0
    labels = {name: _label(name, groups[name], found[2], top) for name, found in curves.items()}
    columns = _columns(list(labels.values()))
    figure = _figure(9.5, 4.6 + 0.24 * -(-len(labels) // columns))
    axes = figure.add_subplot()
    if logarithmic:
        _plain_log(axes, "y")
    axes.set_ylim(bottom, top)
    for number, (name, (steps, low, median, high)) in enumerate(curves.items()):
        colour, style = _look(number)
        values = np.clip(median, bottom / 10, None)
        axes.plot(
            steps,
            np.where(np.isfinite(values), values, np.nan),
            color=colour,
            linestyle=style,
            linewidth=2,
            marker="o" if steps.size <= 60 else None,
            ms=3.2,
            label=labels[name],
        )
        if seeds > 1:
            lower, upper = (np.clip(edge, bottom / 10, top * 10) for edge in (low, high))
            axes.fill_between(steps, lower, upper, color=colour, alpha=0.2 if len(groups) <= 6 else 0.08, lw=0)
    guess = "the mean" if task.network.loss == "squared_error" else "guessing"
    higher, lower_line = ("bottom", "top") if chance >= target_loss else ("top", "bottom")
    for level, words, side in (
        (chance, f"{guess}: {chance:.3g}", higher),
        (target_loss, f"learned: {target_loss:.3g}", lower_line),
    ):
        if bottom < level < top:
            axes.axhline(level, color="0.5", linewidth=1, linestyle=":", zorder=0)
            place = axes.get_yaxis_transform()
            axes.text(1.008, level, words, transform=place, va=side, color="0.4", fontsize=8.5)
    if not shown.size:
        axes.text(0.5, 0.5, "no run has a finite loss", transform=axes.transAxes, ha="center", va="center")
    axes.set_xlim(0, task.schedule.steps)
    axes.set_xlabel("step (updates of the weights)")
    axes.set_ylabel(f"training loss ({task.metric.loss}{', log scale' if logarithmic else ''})")
    over = f"median and middle half of {seeds} seeds" if seeds > 1 else f"seed {next(iter(groups.values()))[0].seed}"
    axes.set_title(f"{shorten(task.name, 40)}: training loss, {over}")
    figure.legend(loc="outside lower center", ncols=columns, frameon=False, fontsize=9)
    return _bare(figure)


def final_results(task: Task, groups: Groups, summary: TaskSummary) -> Figure:
    """The final training loss and test score of every seed, a row a group; runs that were lost stand apart."""
    ranked = [name for name in summary.ranking.names if name in groups] if summary.ranking else []
    names = [*ranked, *(name for name in groups if name not in ranked)]
    numbers = {name: number for number, name in enumerate(groups)}
    losses = {name: np.array([math.nan if lost(t) else t.final_loss for t in groups[name]]) for name in names}
    everything = np.concatenate(list(losses.values()))
    finite = everything[np.isfinite(everything)]
    positive = finite[finite > 0]
    logarithmic = positive.size > 0 and positive.max() > 20 * positive.min()
    floor = max(float(positive.min()), 1e-12) / 3 if positive.size else 0.0
    missing = bool(np.isnan(everything).any())
    labels = [_wrapped(name) for name in names]
    heights = [0.42 + 0.15 * label.count("\n") for label in labels]
    figure = _figure(9.5, 1.7 + sum(heights))
    panels = figure.subplots(
        1, 3 if missing else 2, sharey=True, squeeze=False, width_ratios=[5, 0.9, 4] if missing else [5, 4]
    )[0]
    left, right = panels[0], panels[-1]
    rasterized = everything.size > _MANY
    for row, name in enumerate(names):
        colour = COLOURS[numbers[name] % len(COLOURS)]
        trials, values = groups[name], losses[name]
        spread = (np.arange(values.size) * 0.618034 % 1 - 0.5) * 0.5 if values.size > 1 else np.zeros(1)
        size = 16 if values.size <= 60 else 7
        look = {"s": size, "color": colour, "alpha": 0.8, "lw": 0, "rasterized": rasterized}
        kept = np.isfinite(values)
        loss = np.maximum(values[kept], floor) if logarithmic else values[kept]
        left.scatter(loss, row + spread[kept], **look)
        middle = _quantile(np.where(kept, values, math.inf), 0.5)
        if values.size > 1 and math.isfinite(middle):
            left.plot([max(middle, floor) if logarithmic else middle], [row], "|", color="black", ms=17, mew=1.8)
        scores = np.array([trial.test_score for trial in trials])
        right.scatter(np.maximum(scores[kept], LOWEST_SHOWN), row + spread[kept], **look)
        if summary.ranking and name in ranked:
            iqm = summary.ranking[name].summary.iqm
            low, value, high = (max(edge, LOWEST_SHOWN) for edge in (iqm.low, iqm.value, iqm.high))
            right.plot([low, high], [row, row], color="black", lw=1.6)
            right.plot([value], [row], "D", color="black", ms=5)
        if missing:
            panels[1].scatter(np.full((~kept).sum(), 0.3), row + spread[~kept], marker="x", s=16, color=colour, lw=1)
            if (~kept).any():
                panels[1].text(0.55, row, str((~kept).sum()), va="center", fontsize=9)
    if logarithmic:
        _plain_log(left, "x")
    if not finite.size:
        left.text(0.5, 0.5, "no run has a finite loss", transform=left.transAxes, ha="center", va="center")
        right.set_xlim(0, 1)
    if missing:
        panels[1].set_xlim(0, 1)
        panels[1].set_xticks([])
        panels[1].set_xlabel("diverged\nor failed")
    left.set_yticks(range(len(names)), labels, fontsize=9)
    left.set_ylim(len(names) - 0.5, -0.5)
    own = task.network.own_loss
    unit = own.text if own is not None else "mean square" if task.network.loss == "squared_error" else "nats"
    left.set_xlabel(f"final training loss ({unit}{', log scale' if logarithmic else ''})")
    right.set_xlabel(f"{task.metric.test} ({task.metric.share})")
    seeds = len(summary.seeds)
    figure.suptitle(f"{shorten(task.name, 40)}: how {'every run' if seeds > 1 else 'the run'} ended")
    for panel in panels:
        panel.grid(axis="y", color="0.5", alpha=0.2)
        panel.set_axisbelow(True)
        panel.tick_params(axis="y", length=0)
    return _bare(figure)


def rate_map(
    task: Task,
    values: Mapping[str, Mapping[float, float]],
    meaning: str,
    *,
    lower_is_better: bool,
    chosen: Sequence[float],
) -> Figure:
    """A number for each initialization and learning rate; infinite ones are told as diverged, chosen rates framed."""
    from matplotlib import colormaps
    from matplotlib.colors import LogNorm, Normalize
    from matplotlib.patches import Rectangle

    names = list(values)
    rates = sorted({rate for row in values.values() for rate in row})
    grid = np.array([[values[name].get(rate, math.nan) for rate in rates] for name in names])
    finite = grid[np.isfinite(grid)]
    logarithmic = lower_is_better and finite.size > 0 and finite.min() > 0 and finite.max() > 20 * finite.min()
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    if low == high:
        low, high = (low / 2, high * 2) if logarithmic else (low - 0.05, high + 0.05)
    if not lower_is_better:
        low = max(low, min(LOWEST_SHOWN, high - 0.05))
    norm = LogNorm(low, high) if logarithmic else Normalize(low, high)
    colours = colormaps["cividis_r" if lower_is_better else "cividis"]
    labels = [_wrapped(name) for name in names]
    figure = _figure(3.6 + 0.78 * len(rates), 1.8 + sum(0.42 + 0.15 * label.count("\n") for label in labels))
    axes = figure.add_subplot()
    picture = axes.imshow(np.where(np.isfinite(grid), grid, np.nan), cmap=colours, norm=norm, aspect="auto")
    for row, column in np.ndindex(grid.shape):
        value = grid[row, column]
        if math.isnan(value):
            continue
        if math.isinf(value):
            patch = Rectangle(
                (column - 0.5, row - 0.5), 1, 1, facecolor="#9a9a9a", edgecolor="#7a7a7a", hatch="///", lw=0
            )
            axes.add_patch(patch)
        words, ink = "lost", _INK
        if math.isfinite(value):
            r, g, b = colours(norm(value))[:3]
            words = f"{value:.2g}" if lower_is_better else f"{value:.3f}"
            ink = _INK if 0.299 * r + 0.587 * g + 0.114 * b > 0.5 else _PAPER
        axes.text(column, row, words, ha="center", va="center", color=ink, fontsize=9)
    for row, rate in enumerate(chosen):
        if rate in rates:
            place = (rates.index(rate) - 0.47, row - 0.45)
            axes.add_patch(Rectangle(place, 0.94, 0.9, fill=False, edgecolor="#D55E00", lw=3, zorder=5))
    axes.set_xticks(range(len(rates)), [f"{rate:g}" for rate in rates], fontsize=9)
    axes.set_yticks(range(len(names)), labels, fontsize=9)
    axes.set_xlabel("learning rate")
    axes.set_title(f"{shorten(task.name, 40)}: initialization and learning rate")
    axes.tick_params(length=0)
    if finite.size:
        bar = figure.colorbar(picture, ax=axes, label=meaning, fraction=0.05, pad=0.02)
        if logarithmic:
            bar.ax.yaxis.set_major_formatter(plain_number)
            bar.ax.yaxis.set_minor_formatter("")
    return _bare(figure, all_sides=True)


def learned(task: Task, groups: Groups, seed: int) -> Figure | None:
    """What was learned with one seed, a panel a group: fits of numbers, or decision boundaries in the plane.

    None for classes with other than two features, and where no parameters were kept.
    """
    if not task.data.regression and len(task.data.features) != 2:
        return None
    trials = [
        replace(trial, initialization=_wrapped(name, 30))
        for name, found in groups.items()
        for trial in found
        if trial.seed == seed and trial.parameters
    ]
    if not trials:
        return None
    figure = fits(task, trials) if task.data.regression else decision_boundaries(task, trials)
    figure.set_facecolor("white")
    return figure


def profiles(groups_of: Mapping[str, Groups], names: Sequence[str], level: float, score: str) -> Figure:
    """For each group the share of its runs, over all tasks alike, that end above each test score from 0 on."""
    scores = {name: [[trial.test_score for trial in groups[name]] for groups in groups_of.values()] for name in names}
    flags = {name: [[lost(trial) for trial in groups[name]] for groups in groups_of.values()] for name in names}
    everything = [value for rows in scores.values() for row in rows for value in row if math.isfinite(value)]
    thresholds = np.linspace(max(min(everything, default=0.0), 0.0) * 0.98, 1.0, _THRESHOLDS)
    labels = [shorten(name) for name in names]
    columns = _columns(labels)
    figure = _figure(9.5, 4.4 + 0.24 * -(-len(labels) // columns))
    axes = figure.add_subplot()
    for number, name in enumerate(names):
        found = performance_profile(
            scores[name], thresholds, diverged=flags[name], level=level, resamples=_PROFILE_RESAMPLES
        )
        colour, style = _look(number)
        axes.plot(thresholds, found.share, color=colour, linestyle=style, linewidth=2, label=labels[number])
        axes.fill_between(
            thresholds, found.low, found.high, color=colour, alpha=0.15 if len(names) <= 6 else 0.06, lw=0
        )
    axes.set_xlim(thresholds[0], 1)
    axes.set_ylim(0, 1.02)
    axes.set_xlabel(f"{score} \u03c4")
    axes.set_ylabel("share of runs above \u03c4")
    axes.set_title(f"Performance profile over {len(groups_of)} tasks")
    figure.legend(loc="outside lower center", ncols=columns, frameon=False, fontsize=9)
    return _bare(figure)


def _quartiles(trials: Sequence[Trial]) -> tuple[NDArray[np.int64], Floats, Floats, Floats]:
    """The recorded steps, and the quartiles of the loss over the seeds there; a run that ended counts as infinite."""
    steps = np.array(sorted({step for trial in trials for step in (*trial.loss_steps, trial.steps)}))
    place = {int(step): number for number, step in enumerate(steps)}
    curves = np.full((len(trials), steps.size), math.inf)
    for row, trial in zip(curves, trials, strict=True):
        for step, value in [*zip(trial.loss_steps, trial.loss_values, strict=True), (trial.steps, trial.final_loss)]:
            row[place[step]] = math.inf if math.isnan(value) else value
    low, median, high = (np.array([_quantile(column, q) for column in curves.T]) for q in (0.25, 0.5, 0.75))
    return steps, low, median, high


def _quantile(values: Floats, q: float) -> float:
    """The q-quantile, linear between neighbours, of values some of which may be infinite."""
    ordered = np.sort(values)
    at = q * (ordered.size - 1)
    below, share = math.floor(at), at - math.floor(at)
    if share == 0 or ordered[below] == ordered[below + 1]:
        return float(ordered[below])
    return float(ordered[below] + share * (ordered[below + 1] - ordered[below]))


def _label(name: str, trials: Sequence[Trial], median: Floats, top: float) -> str:
    """The name with what the axes cannot show: a start above them, and runs that were lost."""
    more = []
    if median.size and top < median[0] < math.inf:
        more.append(f"starts at {median[0]:,.3g} \u2191")
    ended = sum(lost(trial) for trial in trials)
    if ended:
        more.append(f"{f'{ended} of {len(trials)}' if ended < len(trials) else 'all'} lost")
    return f"{shorten(name)} ({', '.join(more)})" if more else shorten(name)


def _columns(labels: Sequence[str]) -> int:
    """How many columns of a legend fit."""
    longest = max(len(label) for label in labels)
    return min(len(labels), max(1, 110 // (longest + 8)), 5)


def _wrapped(name: str, width: int = 26) -> str:
    return "\n".join(textwrap.wrap(shorten(name, 3 * width - 4), width)) or name


def _plain_log(axes: Axes, which: Literal["x", "y"]) -> None:
    """A log scale whose ticks are plain numbers."""
    if which == "x":
        axes.set_xscale("log")
    else:
        axes.set_yscale("log")
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_formatter(plain_number)
    axis.set_minor_formatter("")


def _look(number: int) -> tuple[str, str]:
    return COLOURS[number % len(COLOURS)], STYLES[number // len(COLOURS) % len(STYLES)]


def _figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _bare(figure: Figure, *, all_sides: bool = False) -> Figure:
    """Without frames: the data's axes are enough."""
    axes: Axes
    for axes in figure.axes:
        for side in ("top", "right", "left", "bottom") if all_sides else ("top", "right"):
            axes.spines[side].set_visible(False)
    return figure
