"""What trained networks predict where targets are numbers: a curve for one feature, else predicted against true."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from goodinit.datasets import Dataset
from goodinit.report.colours import COLOURS
from goodinit.report.columns import score_text
from goodinit.results import Task, Trial
from goodinit.training import forward

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["fits"]

_GRID: Final = 1000
_MOST_POINTS: Final = 2000


def fits(task: Task, trials: Sequence[Trial]) -> Figure:
    """What each network predicts, side by side, in the target's own unit.

    Over the feature where there is one, with the examples; else against the true values, with the line of a perfect
    prediction.
    """
    from matplotlib.figure import Figure

    columns = min(len(trials), 4)
    rows = -(-len(trials) // columns)
    figure = Figure(figsize=(3.6 * columns + 0.6, 4.2 * rows + 0.8), layout="constrained")
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    one_feature = len(task.data.features) == 1
    for panel, trial in zip(panels.flat, trials, strict=False):
        data = task.source.dataset(trial.seed)
        (_curve if one_feature else _scatter)(panel, task, trial, data)
        panel.set_box_aspect(1)
        panel.set_title(
            f"{trial.name}\ntrain R² {score_text(trial.train_score)}, test R² {score_text(trial.test_score)}",
            fontsize=10.5,
        )
    for panel in panels.flat[len(trials) :]:
        panel.set_axis_off()
    for panel in panels[:, 0]:
        panel.set_ylabel(task.data.target if one_feature else f"predicted {task.data.target}")
    for panel in panels[-1]:
        panel.set_xlabel(task.data.features[0] if one_feature else f"true {task.data.target}")
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False, fontsize=9)
    figure.suptitle(f"{task.data.name}: what each network predicts after {trials[0].steps:,} steps")
    return figure


def _predictions(task: Task, trial: Trial, data: Dataset, X: NDArray[np.float64]) -> NDArray[np.float64]:
    if not trial.parameters:  # it could not be trained
        return np.full(len(X), np.nan)
    with np.errstate(all="ignore"):
        outputs = forward(task.mlp, trial.parameters, X.T)[0][-1][0]
    return _own_unit(data, np.where(np.isfinite(outputs), outputs, np.nan))


def _own_unit(data: Dataset, y: NDArray[np.floating] | NDArray[np.intp]) -> NDArray[np.float64]:
    return data.target_mean + data.target_scale * np.asarray(y, dtype=np.float64)


def _limits(values: NDArray[np.float64]) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    margin = 0.15 * (high - low)
    return low - margin, high + margin


def _curve(axes: Axes, task: Task, trial: Trial, data: Dataset) -> None:
    """The prediction over one feature, and the examples."""
    low, high = _limits(np.concatenate([data.X_train, data.X_test]))
    x = np.linspace(low, high, _GRID)
    for X, y, marker, colour, label in (
        (data.X_train, data.y_train, "o", COLOURS[5], "train"),
        (data.X_test, data.y_test, "^", COLOURS[4], "test"),
    ):
        known = _own_unit(data, y[:_MOST_POINTS])
        axes.scatter(X[:_MOST_POINTS, 0], known, s=10, marker=marker, color=colour, lw=0, alpha=0.8, label=label)
    predicted = _predictions(task, trial, data, x[:, np.newaxis])
    axes.set_xlim(low, high)
    axes.set_ylim(*_limits(_own_unit(data, np.concatenate([data.y_train, data.y_test]))))
    axes.plot(x, predicted, color="black", linewidth=1.8, label="prediction")
    _say_if_lost(axes, predicted)


def _scatter(axes: Axes, task: Task, trial: Trial, data: Dataset) -> None:
    """The prediction of each example against the true value; what lies beyond the axes stands at their edge."""
    low, high = _limits(_own_unit(data, np.concatenate([data.y_train, data.y_test])))
    axes.plot([low, high], [low, high], color="0.5", linewidth=1, linestyle=":", label="perfect")
    for X, y, marker, colour, label in (
        (data.X_train, data.y_train, "o", COLOURS[0], "train"),
        (data.X_test, data.y_test, "^", COLOURS[1], "test"),
    ):
        predicted = _predictions(task, trial, data, X[:_MOST_POINTS])
        inside = np.clip(predicted, low, high)
        axes.scatter(
            _own_unit(data, y[:_MOST_POINTS]), inside, s=12, marker=marker, color=colour, lw=0, alpha=0.6, label=label
        )
        if label == "train":
            _say_if_lost(axes, predicted)
    axes.set_xlim(low, high)
    axes.set_ylim(low, high)


def _say_if_lost(axes: Axes, predicted: NDArray[np.float64]) -> None:
    if np.isnan(predicted).any():
        axes.text(0.5, 0.5, "diverged:\nno prediction", transform=axes.transAxes, ha="center", va="center")
