"""The records of a benchmark: what was timed, and the ratios that follow. They time nothing."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["Bench", "Contest", "Entry", "GridCell", "Growth", "Timing"]

TrainerKind = Literal["goodinit", "peer", "loop"]


@dataclass(frozen=True)
class Timing:
    """The seconds of each repetition of the same work.

    >>> Timing((2.0, 1.0, 4.0)).median
    2.0
    """

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle repetition, the figure that is reported."""
        return statistics.median(self.seconds)

    @property
    def spread(self) -> float:
        """The slowest less the fastest repetition, as a share of the median."""
        return (max(self.seconds) - min(self.seconds)) / self.median


@dataclass(frozen=True)
class Entry:
    """One contestant of a contest: `work` units were done in each repetition, each of `operations` (0: not counted).

    `kind` is `goodinit`, `peer`, or `loop` for one network or model after the other.
    """

    name: str
    kind: TrainerKind
    timing: Timing
    work: float
    operations: float = 0.0
    remark: str = ""

    @property
    def rate(self) -> float:
        """Units of work a second, by the median repetition."""
        return self.work / self.timing.median

    @property
    def gflops(self) -> float:
        """Arithmetic operations a second, in units of 1e9."""
        return self.rate * self.operations / 1e9


@dataclass(frozen=True)
class Contest:
    """The same work done by several contestants in turn.

    `matrix_product` is the time of this machine's own matrix products, measured in the same turns, and `peak` that of
    fused operations on registers alone, on all processors, which no program exceeds; or None. `absent` says why a
    contestant did not take part.
    """

    title: str
    unit: str
    entries: tuple[Entry, ...]
    matrix_product: Timing | None = None
    matrix_operations: float = 0.0
    peak: Timing | None = None
    peak_operations: float = 0.0
    absent: Mapping[str, str] = field(default_factory=dict)

    def best(self, kind: TrainerKind) -> Entry | None:
        """The fastest entry of that kind; a contestant that took part at several sizes counts by its fastest."""
        return max((entry for entry in self.entries if entry.kind == kind), key=lambda e: e.rate, default=None)

    def ratio(self, over: TrainerKind) -> float | None:
        """How many times as fast as the fastest entry of that kind the fastest of goodinit's is; None without both."""
        ours, theirs = self.best("goodinit"), self.best(over)
        return ours.rate / theirs.rate if ours is not None and theirs is not None else None

    @property
    def matrix_gflops(self) -> float | None:
        """GFLOP/s of this machine's matrix products."""
        return self.matrix_operations / self.matrix_product.median / 1e9 if self.matrix_product else None

    @property
    def peak_gflops(self) -> float | None:
        """GFLOP/s of fused multiplications and additions on registers alone, by the fastest turn: it is a bound."""
        return self.peak_operations / min(self.peak.seconds) / 1e9 if self.peak else None

    @property
    def bound(self) -> float | None:
        """The most units of work a second that the peak allows to any program that does these operations."""
        operations = max((entry.operations for entry in self.entries), default=0.0)
        return self.peak_gflops * 1e9 / operations if self.peak_gflops and operations else None

    def share(self, entry: Entry) -> float | None:
        """The entry's arithmetic rate as a share of the matrix-product rate."""
        return entry.gflops / self.matrix_gflops if self.matrix_gflops and entry.operations else None

    def share_of_peak(self, entry: Entry) -> float | None:
        """The entry's arithmetic rate as a share of the peak."""
        return entry.gflops / self.peak_gflops if self.peak_gflops and entry.operations else None


@dataclass(frozen=True)
class Growth:
    """A rate along one axis: `rates[name][i]` is at `values[i]`, None where that contestant was not run.

    `operations[i]` is of one unit of work; 0 where none are counted.
    """

    axis: str
    unit: str
    values: tuple[int, ...]
    rates: Mapping[str, tuple[float | None, ...]]
    operations: tuple[float, ...]
    note: str = ""


@dataclass(frozen=True)
class GridCell:
    """Networks of one width and depth (hidden layers), so many at once: network steps a second of each contestant.

    `operations` are those of one step of one network.
    """

    width: int
    depth: int
    networks: int
    rates: Mapping[str, float]
    operations: float

    @property
    def ours(self) -> float:
        """Network steps a second of goodinit."""
        return max(rate for name, rate in self.rates.items() if name.startswith("goodinit"))

    @property
    def best_peer(self) -> str | None:
        """The fastest of the others; None where there are none."""
        peers = {name: rate for name, rate in self.rates.items() if not name.startswith("goodinit")}
        return max(peers, key=peers.__getitem__, default=None)

    @property
    def ratio(self) -> float | None:
        """How many times as fast as the best peer goodinit is."""
        return None if self.best_peer is None else self.ours / self.rates[self.best_peer]


@dataclass(frozen=True)
class Bench:
    """All that `goodinit bench` measured, and on what machine."""

    machine: Mapping[str, str]
    settings: Mapping[str, Any]
    contests: tuple[Contest, ...]
    growths: tuple[Growth, ...]
    grid: tuple[GridCell, ...] = ()

    @property
    def absent(self) -> dict[str, str]:
        """The contestants that did not take part somewhere, and why."""
        return {name: why for contest in self.contests for name, why in contest.absent.items()}

    def to_dict(self) -> dict[str, Any]:
        """The figures as plain values, for JSON."""
        return {
            "machine": dict(self.machine),
            "settings": dict(self.settings),
            "absent": self.absent,
            "contests": [_contest(contest) for contest in self.contests],
            "growth": [
                {
                    "axis": growth.axis,
                    "unit": growth.unit,
                    "values": list(growth.values),
                    "rates": {name: list(rates) for name, rates in growth.rates.items()},
                    "operations": list(growth.operations),
                    "note": growth.note,
                }
                for growth in self.growths
            ],
            "grid": [
                {
                    "width": cell.width,
                    "depth": cell.depth,
                    "networks": cell.networks,
                    "network_steps_per_second": dict(cell.rates),
                    "times_best_peer": cell.ratio,
                    "gflops": cell.ours * cell.operations / 1e9,
                }
                for cell in self.grid
            ],
        }


def _contest(contest: Contest) -> dict[str, Any]:
    return {
        "title": contest.title,
        "unit": contest.unit,
        "times_best_peer": contest.ratio("peer"),
        "times_numpy_loop": contest.ratio("loop"),
        "matrix_product_gflops": contest.matrix_gflops,
        "peak_gflops": contest.peak_gflops,
        "bound": contest.bound,
        "entries": [
            {
                "name": entry.name,
                "kind": entry.kind,
                "remark": entry.remark,
                "rate": entry.rate,
                "gflops": entry.gflops if entry.operations else None,
                "share_of_matrix_product": contest.share(entry),
                "share_of_peak": contest.share_of_peak(entry),
                "spread": entry.timing.spread,
                "seconds": list(entry.timing.seconds),
                "work": entry.work,
            }
            for entry in contest.entries
        ],
    }
