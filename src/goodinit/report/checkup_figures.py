"""Figures of a model's checkup: sizes over depth beside the theory, and how values lie."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from goodinit.model_records import Histogram, LayerStart, ModelStart
from goodinit.report.colours import COLOURS
from goodinit.report.figure_file import without_box
from goodinit.report.lettering import printable
from goodinit.report.study_figures import Drawing
from goodinit.wording import shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["profile", "spark"]

_MOST_NAMES: Final = 24
_LEAST: Final = 1e-30
Pick = Callable[[LayerStart], float | None]


def profile(start: ModelStart) -> Drawing:
    """Outputs, gradients and the likeness of different inputs, layer call by layer call."""
    from matplotlib.figure import Figure

    layers = start.layers
    rows: list[tuple[str, Pick, Pick | None]] = [
        ("output, rms", lambda e: e.signal.rms, lambda e: e.signal.rms_expected)
    ]
    if start.backward:
        rows.append(("gradient, rms", lambda e: e.gradient.rms, lambda e: e.gradient.rms_expected))
    likeness = any(layer.signal.spread is not None for layer in layers)
    panels = len(rows) + likeness
    figure = Figure(figsize=(9.5, 1.1 + 2.3 * panels), layout="constrained")
    axes = figure.subplots(panels, 1, sharex=True, squeeze=False)[:, 0]
    for panel, (words, measured, expected) in zip(axes, rows, strict=False):
        _sizes(panel, layers, measured, expected)
        panel.set_ylabel(words)
    if likeness:
        _likeness(axes[-1], layers)
    _name_layers(axes[-1], layers)
    axes[0].legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, frameon=False, fontsize=9)
    figure.align_ylabels()
    return Drawing(
        "profile",
        "Signals and gradients over depth",
        "Layer calls in execution order, on logarithmic axes. Lines: measured over the whole batch. Crosses: what "
        "mean-field theory expects one layer on from what was measured before it (for gradients, one layer "
        "back), where "
        "it has an answer. A sound start keeps both lines level. Lowest: the mean cosine between the outputs of "
        "different "
        "inputs; at 1 the layer cannot tell them apart, however large its outputs are.",
        figure,
    )


def _sizes(axes: Axes, layers: Sequence[LayerStart], measured: Pick, expected: Pick | None) -> None:
    found = _points(layers, measured)
    from matplotlib.ticker import FuncFormatter, NullFormatter

    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.plot(*found, color=COLOURS[0], linewidth=1.8, marker="o", ms=3.5, label="measured")
    if expected is not None:
        theory = _points(layers, expected)
        axes.plot(*theory, color=COLOURS[1], linestyle="", marker="x", ms=6, mew=1.6, label="theory")
    values = [value for value in found[1] if value > 0]
    if values and max(values) < 20 * min(values):  # a level line is to look level
        middle = math.sqrt(max(values) * min(values))
        axes.set_ylim(middle / 10, middle * 10)
    axes.grid(axis="y", color="0.5", alpha=0.25, linewidth=0.7)
    without_box(axes)


def _points(layers: Sequence[LayerStart], pick: Pick) -> tuple[list[int], list[float]]:
    pairs = [(place, value) for place, layer in enumerate(layers) if (value := pick(layer)) is not None]
    pairs = [(place, value) for place, value in pairs if math.isfinite(value) and value > _LEAST]
    return [place for place, _ in pairs], [value for _, value in pairs]


def _likeness(axes: Axes, layers: Sequence[LayerStart]) -> None:
    pairs = [
        (place, layer.signal.correlation) for place, layer in enumerate(layers) if layer.signal.correlation is not None
    ]
    axes.plot(
        [place for place, _ in pairs], [value for _, value in pairs], color=COLOURS[2], lw=1.8, marker="o", ms=3.5
    )
    axes.axhline(1, color="0.5", linewidth=1, linestyle=":")
    axes.set_ylim(min(-0.1, *(value for _, value in pairs)), 1.1)
    axes.set_ylabel("cosine of\ntwo inputs")
    without_box(axes)


def _name_layers(axes: Axes, layers: Sequence[LayerStart]) -> None:
    step = max(1, -(-len(layers) // _MOST_NAMES))
    places = list(range(0, len(layers), step))
    names = [printable(shorten(layers[place].title, 28, 0.6)) for place in places]
    axes.set_xticks(places, names, rotation=90 if len(places) > 8 or max(map(len, names)) > 10 else 0, fontsize=8)
    axes.set_xlim(-0.6, len(layers) - 0.4)


def spark(histogram: Histogram | None, label: str) -> str:
    """A histogram as a small drawing of bars; numbers only, nothing of the model's own text."""
    if histogram is None or not any(histogram.counts):
        return ""
    counts = np.asarray(histogram.counts, dtype=float)
    heights = 20 * counts / counts.max()
    bars = "".join(
        f"M{place} 22v-{height:.1f}h1v{height:.1f}z" for place, height in enumerate(heights) if height >= 0.05
    )
    title = f"{label} from {histogram.low:.2g} to {histogram.high:.2g}"
    return (
        f'<svg role="img" aria-label="{title}" class="spark" viewBox="0 0 {len(counts)} 22" preserveAspectRatio="none">'
        f'<title>{title}</title><path d="{bars}"/></svg>'
    )
