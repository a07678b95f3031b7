"""From runs to rows: slopes of every measure over the sizes, and whether each is what transfer needs."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from goodinit.statistics import Slope, fit_slope
from goodinit.transferring.records import Coordinate, LayerRow, ParameterRow
from goodinit.transferring.runs import CallSeries, ParameterFacts, ScaledRun

__all__ = ["TOLERANCE", "Table", "judged", "layer_rows", "parameter_rows"]

TOLERANCE: Final = {"size": 0.5, "change": 0.35, "spectral": 0.35, "moved": 0.3, "start": 0.2, "decay": 0.25}
"""How far an exponent may lie from what it should be: the finite widths of a correct model reach these with small
widths (docs/transfer.md has the count), and the mistakes' exponents are multiples of a half."""
_DEPTH_TOLERANCE: Final = 0.6  # of sizes and changes: of few blocks the first and last weigh much; mistakes are at 1
MEASURES: Final = ("size", "change", "step", "own", "passed", "gain")
Floats = NDArray[np.float64]


class Table:
    """All runs, as arrays of (sizes, seeds)."""

    def __init__(self, runs: Sequence[ScaledRun], axis: str) -> None:
        self.axis = axis
        self.sizes = tuple(dict.fromkeys(run.size for run in runs))
        self.seeds = tuple(dict.fromkeys(run.seed for run in runs))
        self.runs = {(run.size, run.seed): run for run in runs}
        self.steps = max(len(run.losses) for run in runs)
        self.diverged = tuple(size for size in self.sizes if any(self.runs[size, s].diverged for s in self.seeds))
        first, last = (self.runs[size, self.seeds[0]] for size in (self.sizes[0], self.sizes[-1]))
        self.pooled = axis == "depth" or set(first.parameters) != set(last.parameters)
        self.layers = self._names([list(self.runs[size, self.seeds[0]].calls) for size in self.sizes])
        self.parameters = self._names([list(self.runs[size, self.seeds[0]].parameters) for size in self.sizes])

    def pattern(self, name: str) -> str:
        """The name that a layer has at every size: of repeated blocks, all together."""
        if not self.pooled:
            return name
        name = re.sub(r"(^|(?<=[. ]))\d+(?=[. ]|$)", "*", name)
        return "attention scores *" if name.startswith("attention scores") else name

    def _names(self, lists: list[list[str]]) -> list[str]:
        every = [dict.fromkeys(self.pattern(name) for name in names) for names in lists]
        return [name for name in every[0] if all(name in others for others in every)]

    def series(self, name: str, size: int, seed: int) -> list[CallSeries]:
        """The layer calls of that name in one run."""
        return [each for key, each in self.runs[size, seed].calls.items() if self.pattern(key) == name]

    def facts(self, name: str, size: int, seed: int) -> list[ParameterFacts]:
        """The parameters of that name in one run."""
        return [each for key, each in self.runs[size, seed].parameters.items() if self.pattern(key) == name]

    def call(self, name: str, measure: str, step: int) -> Floats:
        """A measure of a layer after that many steps: of several blocks, the rms over them."""

        def of(size: int, seed: int) -> float:
            found = self.series(name, size, seed)
            values = [each.values[measure][step] for each in found if len(each.values.get(measure, ())) > step]
            if self.axis == "depth":  # a branch counts as it is before its multiplier: the stream tells the sum
                values = [
                    value / abs(each.factor) if each.branch and each.factor else value
                    for value, each in zip(values, found, strict=False)
                ]
            return _root_mean(values)

        return self._array(of)

    def parameter(self, name: str, fact: str) -> Floats:
        """A fact of a parameter: of several blocks, the rms over them."""

        def of(size: int, seed: int) -> float:
            found = [getattr(each, fact) for each in self.facts(name, size, seed)]
            return _root_mean([float(each) for each in found])

        return self._array(of)

    def factor(self, name: str) -> Floats:
        """The number that the outputs of a layer are multiplied by."""
        return self._array(lambda size, seed: _root_mean([abs(each.factor) for each in self.series(name, size, seed)]))

    def _array(self, of: Callable[[int, int], float]) -> Floats:
        return np.array([[of(size, seed) for seed in self.seeds] for size in self.sizes], dtype=np.float64)

    def slope(self, values: Floats) -> Slope | None:
        """The exponent over the sizes."""
        return fit_slope(self.sizes, values)


def _root_mean(values: Sequence[float]) -> float:
    return math.sqrt(sum(value * value for value in values) / len(values)) if values else math.nan


def judged(slope: Slope, low: float, high: float, tolerance: float) -> str:
    """Whether an exponent lies within `low` to `high` give or take a tolerance.

    To be off, its interval must lie off by a third of that; where the interval reaches beyond twice that, it is
    unclear.
    """
    if slope.value > high + tolerance and slope.low > high + tolerance / 3:
        return "grows"
    if slope.value < low - tolerance and slope.high < low - tolerance / 3:
        return "shrinks"
    far = slope.high > high + 2 * tolerance or slope.low < low - 2 * tolerance
    return "unclear" if far or not low - tolerance <= slope.value <= high + tolerance else "level"


def layer_rows(table: Table) -> list[LayerRow]:
    """A row a layer call, sum, attention and output."""
    roles = {row.name: row.role for row in parameter_rows(table)}
    rows = []
    for name in table.layers:
        first = table.series(name, table.sizes[0], table.seeds[0])[0]
        role = roles.get(table.pattern(first.weight), "") if first.kind not in ("sum", "scores", "output") else ""
        coordinates = {}
        for measure, step in (("start", 0), *((each, table.steps) for each in MEASURES)):
            slope = table.slope(table.call(name, "size" if measure == "start" else measure, step))
            if slope is not None:
                coordinates[measure] = _coordinate(measure, slope, first.kind, role, table.axis)
        values = {
            measure: [_log_mean(row) for row in table.call(name, measure, step)]
            for measure, step in (("size", table.steps), ("change", table.steps))
        }
        rows.append(
            LayerRow(name, first.kind, first.weight, role, coordinates, _since(table, name, coordinates), values)
        )
    return rows


def _coordinate(measure: str, slope: Slope, kind: str, role: str, axis: str) -> Coordinate:
    if measure not in ("start", "size", "change"):
        return Coordinate(measure, slope)
    final = role in ("readout", "tied") or kind in ("output", "scores")
    low = -1.0 if final else 0.0  # muP's outputs and scores may start small, and come to a size of their own later
    tolerance = TOLERANCE["change" if measure == "change" else "size"] if axis == "width" else _DEPTH_TOLERANCE
    verdict = judged(slope, low, 0.0, tolerance)
    return Coordinate(measure, slope, 0.0, verdict)


def _since(table: Table, name: str, coordinates: dict[str, Coordinate]) -> int | None:
    found = coordinates.get("change")
    if found is None or found.judged not in ("grows", "shrinks"):
        return None
    for step in range(1, table.steps + 1):
        slope = table.slope(table.call(name, "change", step))
        if slope is not None and _coordinate("change", slope, "", "", table.axis).judged == found.judged:
            return step
    return table.steps


def _log_mean(row: Floats) -> float | None:
    good = row[np.isfinite(row) & (row > 0)]
    return float(np.exp(np.log(good).mean())) if good.size else None


def parameter_rows(table: Table) -> list[ParameterRow]:
    """A row a parameter, with its role as the sizes grow."""
    rows = []
    gradients = [
        g for name in table.parameters if (g := float(np.nanmax(_or_nan(table.parameter(name, "gradient"))))) > 0
    ]
    least = 1e-4 * float(np.median(gradients)) if gradients else 0.0
    for name in table.parameters:
        every = [table.facts(name, size, table.seeds[0])[0] for size in table.sizes]
        role = _role(table, name, every)
        idle = not float(np.nanmax(_or_nan(table.parameter(name, "gradient")))) > least
        coordinates: dict[str, Coordinate] = {}
        factor = _factor_of(table, name)
        given = {
            "start": table.parameter(name, "std") * factor,
            "rate": table.parameter(name, "rate"),
            "spectral": table.parameter(name, "spectral") * factor,
            "moved": table.parameter(name, "moved"),
            "decay": table.parameter(name, "decay"),
            "epsilon": table.parameter(name, "epsilon"),
        }
        for measure, values in given.items():
            slope = table.slope(values)
            if slope is None or (idle and measure in ("spectral", "moved", "epsilon")):
                continue
            coordinates[measure] = _of_parameter(measure, slope, role, table, name)
        rows.append(ParameterRow(name, role, tuple(each.shape for each in every), coordinates))
    return rows


def _or_nan(values: Floats) -> Floats:
    return np.where(np.isfinite(values), values, -1.0)


def _of_parameter(measure: str, slope: Slope, role: str, table: Table, name: str) -> Coordinate:
    matrix = role in ("hidden", "input", "readout", "tied")
    if measure == "start" and table.axis == "width" and matrix:
        needed = {"hidden": -0.5, "input": 0.0, "readout": -1.0, "tied": -1.0}[role]
        low = -2.0 if role in ("readout", "tied") else needed
        high = -0.9 if role in ("readout", "tied") else needed
        return Coordinate(measure, slope, needed, judged(slope, low, high, TOLERANCE["start"]))
    if measure == "spectral" and role in ("hidden", "input", "readout"):
        return Coordinate(measure, slope, 0.0, judged(slope, 0.0, 0.0, TOLERANCE["spectral"]))
    if measure == "moved" and role == "vector":
        return Coordinate(measure, slope, 0.0, judged(slope, 0.0, 0.0, TOLERANCE["moved"]))
    if measure == "decay" and role in ("hidden", "readout") and table.axis == "width":
        return Coordinate(measure, slope, 0.0, judged(slope, 0.0, 0.0, TOLERANCE["decay"]))
    return Coordinate(measure, slope)


def _factor_of(table: Table, name: str) -> Floats:
    """What the outputs of this weight's layer are multiplied by; 1 where it is used in several ways."""
    uses = [
        key
        for key in table.layers
        if any(
            table.pattern(each.weight) == name and each.kind not in ("sum", "scores", "embedding")
            for each in table.series(key, table.sizes[0], table.seeds[0])
        )
    ]
    ones = np.ones((len(table.sizes), len(table.seeds)))
    if len(uses) != 1 or table.axis == "depth":
        embedded = [
            key
            for key in table.layers
            if any(
                table.pattern(each.weight) == name and each.kind == "embedding"
                for each in table.series(key, table.sizes[0], table.seeds[0])
            )
        ]
        return table.factor(embedded[0]) if len(embedded) == 1 and not uses and table.axis == "width" else ones
    return table.factor(uses[0])


def _role(table: Table, name: str, every: list[ParameterFacts]) -> str:
    """hidden, input, readout, tied, vector or fixed: by which fans grow with the width; over depth, by its shape."""
    first, last = every[0], every[-1]
    if len(first.shape) < 2:
        return "vector" if first.shape != last.shape or table.axis == "depth" else "fixed"
    if first.role == "tied embedding":
        return "tied"
    into, out = last.fan_in > first.fan_in, last.fan_out > first.fan_out
    if table.axis == "depth":
        return "input" if first.role in ("embedding", "position") else "hidden"
    if first.shape[0] == last.shape[0] == 1 and out and not into:
        return "vector" if first.role != "position" else "input"
    return {(True, True): "hidden", (False, True): "input", (True, False): "readout", (False, False): "fixed"}[
        into, out
    ]
