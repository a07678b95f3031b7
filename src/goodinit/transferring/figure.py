"""The figure of a transfer check: changes over the sizes, their exponents, and the losses over the rates."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from goodinit.report.colours import COLOURS, STYLES
from goodinit.report.figure_file import without_box, write_drawn
from goodinit.report.lettering import plain_number, printable
from goodinit.report.study_figures import Drawing
from goodinit.transferring.records import LayerRow, TransferFacts
from goodinit.wording import shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from goodinit.transferring.proof import Proof

__all__ = ["drawing", "write_figure"]

_MOST: Final = 28  # rows of exponents
_LINES: Final = 12
_LEVEL: Final = 50.0
_JUDGED: Final = {"grows": COLOURS[1], "shrinks": COLOURS[3], "unclear": COLOURS[4]}


def drawing(found: TransferFacts) -> Drawing:
    """The figure with its caption."""
    from matplotlib.figure import Figure

    rows = [row for row in found.layers if "change" in row.coordinates]
    panels = 2 + (found.proof is not None)
    height = max(3.8, 1.2 + 0.22 * min(len(rows), _MOST))
    figure = Figure(figsize=(5.0 * panels, height), layout="constrained")
    axes = figure.subplots(1, panels, squeeze=False)[0]
    _changes(axes[0], found, rows[:: max(1, -(-len(rows) // _LINES))])
    _exponents(axes[1], found, rows[:_MOST])
    if found.proof is not None:
        _losses(axes[2], found.proof)
    caption = (
        f"Left: the rms of each layer's change after {found.steps} steps over the {found.axis}. Middle: its exponent "
        "with the 95 % interval, from all sizes and seeds; a rate carries over where they lie at 0."
    )
    if found.proof is not None:
        caption += (
            f" Right: the loss after {found.proof.steps} steps over the rate, mean over the seeds; best ones marked."
        )
    return Drawing("transfer", f"What moves as the {found.axis} grows", caption, figure)


def _changes(axes: Axes, found: TransferFacts, rows: list[LayerRow]) -> None:
    for number, row in enumerate(rows):
        values = [math.nan if each is None else each for each in row.values["change"]]
        axes.plot(
            found.sizes,
            values,
            color=COLOURS[number % len(COLOURS)],
            linestyle=STYLES[number // len(COLOURS) % len(STYLES)],
            marker="o",
            ms=3.5,
            label=shorten(row.name, 24),
        )
    axes.set(xscale="log", yscale="log", xlabel=found.axis, ylabel=f"change after {found.steps} steps, rms")
    axes.set_xticks(list(found.sizes), [str(each) for each in found.sizes])
    axes.minorticks_off()
    shown = [each for row in rows for each in row.values["change"] if each]
    if shown and max(shown) < _LEVEL * min(shown):  # a level line is to look level
        middle = math.sqrt(max(shown) * min(shown))
        axes.set_ylim(middle / math.sqrt(_LEVEL), middle * math.sqrt(_LEVEL))
    axes.yaxis.set_major_formatter(plain_number)
    axes.legend(fontsize=7, frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=3)
    without_box(axes)


def _exponents(axes: Axes, found: TransferFacts, rows: list[LayerRow]) -> None:
    for place, row in enumerate(rows):
        each = row.coordinates["change"]
        colour = _JUDGED.get(each.judged, COLOURS[0])
        axes.plot([each.slope.low, each.slope.high], [place, place], color=colour, linewidth=1.6)
        axes.plot([each.slope.value], [place], color=colour, marker="o", ms=4.5)
    axes.axvline(0, color="0.5", linewidth=1, linestyle=":")
    axes.set_yticks(range(len(rows)), [printable(shorten(row.name, 26)) for row in rows], fontsize=7)
    axes.invert_yaxis()
    reach = max([1.0, *(abs(row.coordinates["change"].slope.value) * 1.3 for row in rows)])
    axes.set_xlim(-reach, reach)
    axes.set_xlabel(f"exponent of the change over {found.axis}")
    without_box(axes)


def _losses(axes: Axes, proof: Proof) -> None:
    for number, (size, best) in enumerate(zip(proof.sizes, proof.best, strict=True)):
        means = proof.losses[number].mean(axis=1)
        shown = np.where(np.isfinite(means), means, np.nan)
        colour = COLOURS[number % len(COLOURS)]
        axes.plot(proof.rates, shown, color=colour, marker="o", ms=3, label=f"{proof.axis} {size}")
        if np.isfinite(shown).any():
            axes.axvline(best.rate, color=colour, linewidth=0.8, linestyle="--")
            axes.plot([best.rate], [np.nanmin(shown)], color=colour, marker="x", ms=8, mew=2)
    axes.set(xscale="log", yscale="log", xlabel="learning rate", ylabel="loss")
    axes.xaxis.set_major_formatter(plain_number)
    axes.yaxis.set_major_formatter(plain_number)
    axes.yaxis.set_minor_formatter(plain_number)
    axes.tick_params(axis="y", which="both", labelsize=7)
    axes.legend(fontsize=8, frameon=False)
    without_box(axes)


def write_figure(found: TransferFacts, path: str | os.PathLike[str]) -> Path:
    """Write the figure as SVG, PDF or PNG.

    Raises GoodinitError for another ending, or where it cannot be written.
    """
    return write_drawn(drawing(found).figure, path)
