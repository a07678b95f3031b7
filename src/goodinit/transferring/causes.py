"""Why a rate does not carry over: one function a cause, each from the rows that were measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from goodinit.findings import Finding
from goodinit.transferring.evidence import Evidence, finding, group_of, rate_of
from goodinit.transferring.judging import Table
from goodinit.transferring.optimizer_causes import base_shapes, decay, epsilon, muon_scale
from goodinit.transferring.records import LayerRow, ParameterRow

__all__ = ["causes"]


def causes(table: Table, layers: Sequence[LayerRow], parameters: Sequence[ParameterRow]) -> list[Finding]:
    """The findings, the most telling first; a parameter is blamed for one cause of each kind only."""
    seen = Evidence(table, layers, parameters)
    found: list[Finding] = []
    for rule in _DEPTH if table.axis == "depth" else _WIDTH:
        found += rule(seen)
    return found


def _inputs(seen: Evidence) -> list[Finding]:
    rows = [row for row in seen.of("input", "spectral", "shrinks") if row.coordinates["rate"].slope.value < -0.2]
    rows += [row for row in seen.parameters if row.role == "tied" and rate_of(row) < -0.5]
    if not rows:
        return []
    slope = seen.exponent(rows, "rate")
    return [
        finding(
            "embedding-rate-scaled",
            rows[0].name,
            {"names": seen.take(rows)},
            slope,
            0.0,
            group_of(rows, "learning_rate"),
        )
    ]


def _readout(seen: Evidence) -> list[Finding]:
    found = []
    tied = seen.of("tied", "start", "grows")
    if tied:
        slope = tied[0].coordinates["start"].slope.value
        found.append(
            finding(
                "tied-readout",
                tied[0].name,
                {"names": seen.take(tied)},
                slope,
                -1.0,
                "logits = self.readout(x) * (base_width / width)",
            )
        )
    rates, starts = seen.of("readout", "spectral", "grows"), seen.of("readout", "start", "grows")
    rows = list(dict.fromkeys(row.name for row in (*rates, *starts)))
    if rows:
        both = [row for row in seen.parameters if row.name in rows]
        lines = []
        said: dict[str, float] = {}
        if starts:
            said["start"] = seen.exponent(starts, "start")
            lines.append(f"torch.nn.init.normal_(model.get_parameter({rows[0]!r}), std=base_width**0.5 / width)")
        if rates:
            said["updates"] = seen.exponent(rates, "spectral")
            lines.append(group_of(both, "learning_rate * base_width / width"))
        measured = seen.exponent(rates or starts, "spectral" if rates else "start")
        found.append(
            finding(
                "readout-not-scaled",
                rows[0],
                {"names": seen.take(both), **said},
                measured,
                0.0 if rates else -1.0,
                "\n".join(lines),
            )
        )
    return found


def _hidden(seen: Evidence) -> list[Finding]:
    found = []
    rows = seen.of("hidden", "spectral", "grows")
    if rows:
        slope, rate = seen.exponent(rows, "spectral"), seen.exponent(rows, "rate")
        found.append(
            finding(
                "hidden-rate-not-scaled",
                rows[0].name,
                {"names": seen.take(rows), "rate": rate},
                slope,
                0.0,
                group_of(rows, "learning_rate * base_width / width"),
            )
        )
    rows = seen.of("hidden", "spectral", "shrinks")
    if rows:
        slope, rate = seen.exponent(rows, "spectral"), seen.exponent(rows, "rate")
        found.append(
            finding(
                "hidden-rate-too-small",
                rows[0].name,
                {"names": seen.take(rows), "rate": rate},
                slope,
                0.0,
                group_of(rows, "learning_rate * base_width / width"),
            )
        )
    starts = [row for judged in ("grows", "shrinks") for row in seen.of("hidden", "start", judged)]
    if starts:
        slope = seen.exponent(starts, "start")
        found.append(
            finding(
                "hidden-start-not-scaled",
                starts[0].name,
                {"names": seen.take(starts)},
                slope,
                -0.5,
                f"weight = model.get_parameter({starts[0].name!r})\n"
                "torch.nn.init.normal_(weight, std=weight.shape[1] ** -0.5)",
            )
        )
    return found


def _vectors(seen: Evidence) -> list[Finding]:
    rows = [row for judged in ("grows", "shrinks") for row in seen.of("vector", "moved", judged)]
    rows = [row for row in rows if abs(rate_of(row)) > 0.2 or not seen.last(row, "adaptive")]
    if len(rows) * 4 < sum(row.role == "vector" for row in seen.parameters):
        return []
    slope = seen.exponent(rows, "moved")
    return [
        finding(
            "vector-rate-scaled",
            rows[0].name,
            {"names": seen.take(rows)},
            slope,
            0.0,
            group_of(rows, "learning_rate"),
        )
    ]


def _attention(seen: Evidence) -> list[Finding]:
    table, rows = seen.table, [row for row in seen.layers if row.kind == "scores"]
    for row in rows:
        inner = np.array(
            [[table.series(row.name, size, seed)[0].inner for seed in table.seeds] for size in table.sizes]
        )
        grown = table.slope(inner)
        if grown is None or grown.value < 0.1:
            continue  # heads of one size: nothing to scale
        factor = table.slope(table.factor(row.name))
        start = row.coordinates.get("start")
        unknown = factor is None or (factor.value == 0 and np.all(table.factor(row.name) == 1))
        if unknown:
            exponent = start.slope.value / grown.value - 0.5 if start else -1.0
            wrong = start is not None and exponent > -0.7
        else:
            assert factor is not None
            exponent = factor.value / grown.value
            wrong = exponent > -0.75
        if wrong:
            return [
                finding(
                    "attention-scale",
                    row.name,
                    {"count": len(rows)},
                    exponent,
                    -1.0,
                    "scale = base_head_size**0.5 / head_size\n"
                    "y = torch.nn.functional.scaled_dot_product_attention(q, k, v, scale=scale)",
                )
            ]
    return []


def _zero_readout(seen: Evidence) -> list[Finding]:
    table = seen.table
    outer = [row for row in seen.parameters if row.role in ("readout", "tied")]
    zero = [row for row in outer if not np.nanmax(table.parameter(row.name, "std")) > 0]
    if not zero or table.steps > 1:
        return []
    return [
        finding(
            "zero-readout",
            zero[0].name,
            {"names": [row.name for row in zero]},
            float(table.steps),
            4.0,
            "goodinit.transfer(make, steps=4, ...)",
        )
    ]


def _branches(seen: Evidence) -> list[Finding]:
    table = seen.table
    streams = [
        row
        for row in seen.layers
        if row.kind == "sum"
        and any(row.coordinates[each].judged == "grows" for each in ("start", "change") if each in row.coordinates)
    ]
    if not streams:
        return []
    ends = [row for row in seen.layers if _any_branch(table, row)]
    exponents = [each.value for row in ends if (each := table.slope(table.factor(row.name))) is not None]
    power = float(np.median(exponents)) if exponents else 0.0
    if power < -0.75:
        return []
    measure = "change" if streams[0].coordinates.get("change") else "start"
    slope = float(np.median([row.coordinates[measure].slope.value for row in streams if measure in row.coordinates]))
    return [
        finding(
            "branch-multiplier-missing",
            streams[0].name,
            {"names": [row.name for row in ends], "power": power, "case": measure},
            slope,
            0.0,
            "x = x + branch(x) * (base_depth / depth)",
        )
    ]


def _depth_rate(seen: Evidence) -> list[Finding]:
    rows = seen.of("hidden", "spectral", "shrinks")
    rows = [row for row in rows if rate_of(row) < -0.2]
    if not rows:
        return []
    slope = seen.exponent(rows, "rate")
    return [
        finding(
            "depth-rate-scaled",
            rows[0].name,
            {"names": seen.take(rows)},
            slope,
            0.0,
            group_of(rows, "learning_rate"),
        )
    ]


CauseRule = Callable[[Evidence], list[Finding]]
_WIDTH: Final[tuple[CauseRule, ...]] = (
    _zero_readout,
    muon_scale,
    base_shapes,
    epsilon,
    decay,
    _hidden,
    _readout,
    _inputs,
    _vectors,
    _attention,
)
_DEPTH: Final[tuple[CauseRule, ...]] = (_branches, _depth_rate, epsilon)


def _any_branch(table: Table, row: LayerRow) -> bool:
    return any(each.branch for each in table.series(row.name, table.sizes[-1], table.seeds[0]))
