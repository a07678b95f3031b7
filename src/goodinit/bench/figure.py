"""The figure of a benchmark: the classic experiment's contestants, and every rate along its axis."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from goodinit.bench.records import Bench, Contest, GridCell, Growth

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["heat_map", "png"]

_GOODINIT: Final = "#0072B2"  # Okabe & Ito 2008
_PEERS: Final = ("#D55E00", "#009E73", "#CC79A7", "#E69F00")
_DPI: Final = 150


def png(result: Bench) -> bytes:
    """The figure as a PNG file."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 7.5), layout="constrained")
    panels = figure.subplots(2, 3).ravel()
    _bars(panels[0], result.contests[0])
    for axes, growth in zip(panels[1:], result.growths, strict=False):
        _lines(axes, growth)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=_DPI)
    return buffer.getvalue()


def heat_map(cells: Sequence[GridCell]) -> bytes:
    """How many times as fast as the best peer, over width, depth and number, as a PNG file; red where it is slower."""
    from matplotlib.colors import TwoSlopeNorm
    from matplotlib.figure import Figure

    widths = sorted({cell.width for cell in cells})
    rows = sorted({(cell.depth, cell.networks) for cell in cells})
    ratios = np.full((len(rows), len(widths)), np.nan)
    for cell in cells:
        if cell.ratio is not None:
            ratios[rows.index((cell.depth, cell.networks)), widths.index(cell.width)] = cell.ratio
    figure = Figure(figsize=(2.5 + len(widths), 1.5 + 0.5 * len(rows)), layout="constrained")
    axes = figure.subplots()
    bound = max(1.0, float(np.nanmax(np.abs(np.log2(ratios)), initial=0)))
    image = axes.imshow(np.log2(ratios), cmap="RdBu", norm=TwoSlopeNorm(0, -bound, bound), aspect="auto")
    for (row, column), ratio in np.ndenumerate(ratios):
        if np.isfinite(ratio):
            dark = abs(np.log2(ratio)) > 0.6 * bound
            axes.text(column, row, f"{ratio:.2g}", ha="center", va="center", color="white" if dark else "black")
    axes.set_xticks(range(len(widths)), [f"{width:,}" for width in widths])
    axes.set_yticks(range(len(rows)), [f"{depth} x {networks}" for depth, networks in rows])
    axes.set_xlabel("width")
    axes.set_ylabel("hidden layers x networks")
    axes.set_title("goodinit over the best peer, times as fast", fontsize=10)
    figure.colorbar(image, ax=axes, label="log2 of the ratio")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=_DPI)
    return buffer.getvalue()


def _bars(axes: Axes, contest: Contest) -> None:
    entries = sorted(contest.entries, key=lambda entry: entry.rate)
    bars = axes.barh(
        [entry.name for entry in entries],
        [entry.rate for entry in entries],
        color=[_GOODINIT if entry.kind == "goodinit" else "0.6" for entry in entries],
    )
    axes.bar_label(bars, [f"{entry.rate:.3g}" for entry in entries], padding=3)
    axes.set_title(contest.title, fontsize=10)
    axes.set_xlabel(contest.unit)
    axes.margins(x=0.15)
    axes.spines[["top", "right"]].set_visible(False)


def _lines(axes: Axes, growth: Growth) -> None:
    peers = [name for name in growth.rates if not name.startswith("goodinit")]
    for name, rates in growth.rates.items():
        known = [(value, rate) for value, rate in zip(growth.values, rates, strict=True) if rate is not None]
        ours = name not in peers
        axes.plot(
            [value for value, _ in known],
            [rate for _, rate in known],
            color=_GOODINIT if ours else _PEERS[peers.index(name) % len(_PEERS)],
            linewidth=2.5 if ours else 1.5,
            marker="o",
            markersize=4,
            label=name,
        )
    axes.set_xscale("log", base=10 if growth.axis in ("networks", "samples", "weights") else 2)
    axes.set_yscale("log")
    axes.set_xlabel(growth.axis)
    axes.set_ylabel(growth.unit)
    axes.set_title(growth.note, fontsize=8)
    axes.legend(fontsize=8, frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
