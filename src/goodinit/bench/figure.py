"""The figure of a benchmark: the classic experiment's contestants, and every rate along its axis."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final

from goodinit.bench.records import Bench, Contest, Growth

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["png"]

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
