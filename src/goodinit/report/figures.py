"""Figures of a comparison, drawn with matplotlib without its global state."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from goodinit.report.colours import CLASSES, COLOURS, STYLES
from goodinit.report.fits import fits
from goodinit.report.kept import drawn_from, kept, signed
from goodinit.report.lettering import as_written, plain_number
from goodinit.results import Task, Trial
from goodinit.training import forward, predict, probabilities
from goodinit.wording import count

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

__all__ = ["decision_boundaries", "figures", "loss_curves", "png"]

_DPI: Final = 150
_GRID: Final = 300  # points along each axis of a decision boundary's picture
_MOST_POINTS: Final = 2000


def figures(task: Task, trials: Sequence[Trial], earlier: Sequence[Path] = ()) -> dict[str, bytes]:
    """The figures of a comparison as PNG files by name.

    Beside the losses there is what was learned: a fit of numbers, or decision boundaries where the data of classes has
    two features. What lies in one of the `earlier` folders, drawn from the same, is not drawn again.
    """
    wanted: dict[str, Callable[[Task, Sequence[Trial]], Figure]] = {"loss.png": loss_curves}
    if task.data.regression and task.network.keeps_parameters:
        wanted["fit.png"] = fits
    elif len(task.data.features) == 2 and task.network.keeps_parameters:
        wanted["decision_boundary.png"] = decision_boundaries
    source = drawn_from(task, trials)
    return {
        name: kept(name, earlier, source) or signed(png(as_written(draw(task, trials))), source)
        for name, draw in wanted.items()
    }


def png(figure: Figure) -> bytes:
    """The figure as a PNG file."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=_DPI)
    return buffer.getvalue()


def loss_curves(task: Task, trials: Sequence[Trial]) -> Figure:
    """The training loss of every trial on one axis, each line named at its end.

    A first loss far above the rest is written down instead of squeezing the other curves; the band around a curve
    is its spread under changes of the start by one part in 1e15.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 5.2), layout="constrained")
    axes = figure.add_subplot()
    chance = task.chance_loss
    everything = np.array([value for trial in trials for value in (*trial.loss_values, trial.final_loss)])
    everything = everything[np.isfinite(everything)]
    typical = [
        np.median(trial.loss_values[1:] or trial.loss_values)
        for trial in trials
        if trial.loss_values and not trial.diverged
    ]
    ends = [trial.final_loss for trial in trials if trial.final_loss > 0]
    squared = task.network.loss == "squared_error"
    falls = squared and min(ends, default=chance) < chance / 10  # which is where squared errors matter
    logarithmic = bool(typical) and (max(typical) > 3 * chance or falls)
    off_scale = []
    top = float(everything.max(initial=chance))
    if logarithmic:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(plain_number)
        axes.yaxis.set_minor_formatter("")
    else:
        top = min(top, 2 * chance) * 1.06
        axes.set_ylim(0, top)
    for number, trial in enumerate(trials):
        colour, style = COLOURS[number % len(COLOURS)], STYLES[number // len(COLOURS) % len(STYLES)]
        steps = np.array([*trial.loss_steps, trial.steps])
        values = np.array([*trial.loss_values, trial.final_loss])
        shown = values if logarithmic else np.where(values > top, np.nan, values)
        axes.plot(steps, shown, color=colour, linestyle=style, linewidth=2, marker="o", ms=3.5, label=_label(trial))
        if trial.sensitivity:
            axes.fill_between(
                trial.loss_steps, trial.sensitivity.lowest, trial.sensitivity.highest, color=colour, alpha=0.3, lw=0
            )
        if not logarithmic and trial.loss_values and trial.loss_values[0] > top:
            off_scale.append(f"{trial.name} starts at {trial.loss_values[0]:,.1f}, above this axis \u2191")
    axes.axhline(chance, color="0.5", linewidth=1, linestyle=":", zorder=0)
    axes.annotate(
        task.chance,
        (1, chance),
        xycoords=("axes fraction", "data"),
        xytext=(-6, 4),
        textcoords="offset points",
        ha="right",
        color="0.4",
        fontsize=9,
    )
    if off_scale:
        axes.annotate(
            "\n".join(off_scale), (0.012, 0.985), xycoords="axes fraction", va="top", fontsize=9, color="0.25"
        )
    axes.set_xlim(0, trials[0].steps)
    axes.set_xlabel("step")
    scale = ", log scale" if logarithmic else ""
    axes.set_ylabel(f"training loss ({task.metric.loss}{scale})")
    axes.set_title(
        f"{task.data.name}: one network, {count(len(trials), 'start')} ({task.network.title}, seed {trials[0].seed})"
    )
    figure.legend(loc="outside lower center", ncols=min(len(trials), 3), frameon=False, fontsize=9.5)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return figure


def _label(trial: Trial) -> str:
    if trial.failure is not None:
        return f"{trial.name}: not trained"
    if trial.diverged:
        return f"{trial.name}: diverged"
    return f"{trial.name}: ends at {trial.final_loss:.4g}"


def decision_boundaries(task: Task, trials: Sequence[Trial]) -> Figure:
    """For data with two features: what each network predicts over the plane, side by side, over the data."""
    from matplotlib.figure import Figure

    columns = min(len(trials), 4)
    rows = -(-len(trials) // columns)
    figure = Figure(figsize=(3.6 * columns + 0.6, 4.2 * rows + 0.8), layout="constrained")
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for panel, trial in zip(panels.flat, trials, strict=False):
        _boundary(panel, task, trial)
    for panel in panels.flat[len(trials) :]:
        panel.set_axis_off()
    for panel in panels[:, 0]:
        panel.set_ylabel(task.data.features[1])
    for panel in panels[-1]:
        panel.set_xlabel(task.data.features[0])
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(len(handles), 6), frameon=False, fontsize=9)
    figure.suptitle(f"{task.data.name}: what each network predicts after {trials[0].steps:,} steps")
    return figure


def _boundary(axes: Axes, task: Task, trial: Trial) -> None:
    from matplotlib.colors import ListedColormap

    data, network = task.source.dataset(trial.seed), task.mlp
    points = np.vstack([data.X_train, data.X_test])
    low, high = points.min(axis=0), points.max(axis=0)
    margin = 0.1 * np.maximum(high - low, 1e-12)
    xs, ys = (np.linspace(low[i] - margin[i], high[i] + margin[i], _GRID) for i in (0, 1))
    plane = np.stack([grid.ravel() for grid in np.meshgrid(xs, ys)])
    colours = [CLASSES[i % len(CLASSES)] for i in range(len(data.classes))]
    axes.set_box_aspect(1)
    scores = f"\ntrain {trial.train_score:.1%}, test {trial.test_score:.1%}" if trial.parameters else ""
    axes.set_title(trial.name + scores, fontsize=10.5)
    logits = np.array([np.nan])
    if trial.parameters:
        with np.errstate(all="ignore"):
            logits = forward(network, trial.parameters, plane)[0][-1]
    if not trial.parameters:
        axes.text(0.5, 0.5, "not trained", transform=axes.transAxes, ha="center", va="center")
    elif not np.isfinite(logits).all():
        axes.text(0.5, 0.5, "diverged:\nno prediction", transform=axes.transAxes, ha="center", va="center")
    elif network.loss == "binary_cross_entropy":
        p = probabilities(network, logits).reshape(_GRID, _GRID)
        axes.pcolormesh(xs, ys, p, cmap=_two_colours(colours), vmin=0, vmax=1, alpha=0.55, lw=0, rasterized=True)
        if np.ptp(p) < 1e-9:
            note = f"probability {p.mean():.3g} everywhere"
            box = {"facecolor": "white", "alpha": 0.85, "edgecolor": "none"}
            axes.text(0.5, 0.5, note, transform=axes.transAxes, ha="center", va="center", bbox=box, zorder=5)
        elif p.min() < 0.5 < p.max():
            axes.contour(xs, ys, p, levels=[0.5], colors="black", linewidths=1.4)
    else:
        regions = predict(network, trial.parameters, plane).reshape(_GRID, _GRID)
        axes.pcolormesh(
            xs,
            ys,
            regions,
            cmap=ListedColormap(colours),
            vmin=-0.5,
            vmax=len(colours) - 0.5,
            alpha=0.3,
            lw=0,
            rasterized=True,
        )
    for number, (name, colour) in enumerate(zip(data.classes, colours, strict=True)):
        for X, y, marker, what in ((data.X_train, data.y_train, "o", ""), (data.X_test, data.y_test, "^", ", test")):
            x1, x2 = X[y == number][:_MOST_POINTS].T
            axes.scatter(
                x1,
                x2,
                s=11 if marker == "o" else 15,
                marker=marker,
                color=colour,
                edgecolor="white",
                lw=0.4,
                label=name + what,
            )


def _two_colours(colours: list[str]) -> Colormap:
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("classes", [colours[0], "white", colours[1]])
