"""What a parametrization promises, and the verdict."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from goodinit.findings import Finding
from goodinit.transferring.evidence import finding
from goodinit.transferring.judging import Table
from goodinit.transferring.records import LayerRow, ParameterRow
from goodinit.wording import listed

__all__ = ["promise_of", "verdict_of"]


def promise_of(table: Table, parameters: Sequence[ParameterRow]) -> str:
    """What the rates and multipliers look like: muP divides hidden rates by the width; CompleteP branches by depth."""
    rows = [row for row in parameters if row.role == "hidden" and "rate" in row.coordinates]
    if table.axis == "depth":
        powers = [
            each.value
            for name in table.layers
            if any(call.branch for call in table.series(name, table.sizes[-1], table.seeds[0]))
            and (each := table.slope(table.factor(name))) is not None
        ]
        return "completep" if powers and float(np.median(powers)) < -0.75 else "standard"
    every = [row for row in parameters if "rate" in row.coordinates]
    rate = float(np.median([row.coordinates["rate"].slope.value for row in rows])) if rows else 0.0
    if rate < -0.5:
        return "mup"
    scaled = any(abs(row.coordinates["rate"].slope.value) > 0.1 for row in every)
    return "none" if scaled or not rows else "standard"


def verdict_of(
    table: Table,
    layers: Sequence[LayerRow],
    parameters: Sequence[ParameterRow],
    findings: Sequence[Finding],
    promise: str,
) -> tuple[str, str, list[Finding]]:
    """The verdict, its sentence, and what else is to be said where no cause was found."""

    axis = table.axis
    more: list[Finding] = []
    if table.diverged:
        last = max(table.diverged)
        more.append(
            finding(
                "diverged",
                None,
                {"steps": table.steps, "sizes": [str(size) for size in table.diverged], "case": axis},
                float(last),
                None,
                "goodinit.transfer(make, learning_rate=1e-4, ...)  # small enough that every size trains",
            )
        )
    rows: list[LayerRow | ParameterRow] = [*layers, *(row for row in parameters if row.role != "vector")]
    judged = [(row, key, each) for row in rows for key, each in row.coordinates.items() if each.judged]
    rising = [(row, key, each) for row, key, each in judged if each.judged == "grows"]
    falling = [(row, key, each) for row, key, each in judged if each.judged == "shrinks"]
    severe = [each for each in findings if each.severity == "severe"]
    hidden = [each for each in severe if each.code == "zero-readout"]
    if hidden:
        return "not enough data", f"Not enough data to tell: {hidden[0].message}", more
    if table.diverged and len(table.diverged) == len(table.sizes):
        return "not enough data", "Not enough data to tell: every size diverges at this rate", more
    named = [row for row in layers if any(row is each[0] for each in (rising or falling))]
    steepest = max(
        (each for each in (rising or falling) if each[0] in layers),
        key=lambda each: abs(each[2].slope.value),
        default=None,
    )
    if severe or rising or falling or table.diverged:
        down = not table.diverged and (_falls(severe[0]) if severe else not rising)
        if not severe and not table.diverged:
            row, key, each = (rising or falling)[0]
            more.append(
                finding(
                    "unexplained-exponent",
                    row.name,
                    {"low": each.slope.low, "high": each.slope.high, "case": axis},
                    each.slope.value,
                    each.expected,
                )
            )
        verdict = "shrinks" if down else "grows"
        where = ""
        if steepest is not None:
            row, key, each = steepest
            since = f", from step {row.since}" if isinstance(row, LayerRow) and row.since else ""
            where = (
                f" {listed([each.name for each in named])}; fastest the {_words(key)} of {row.name}, as "
                f"{axis}^{each.slope.value:+.2f} [{each.slope.low:+.2f}, {each.slope.high:+.2f}]{since}"
            )
        causes = ", ".join(dict.fromkeys(each.code for each in severe)) or "no known cause"
        lead = "shrinks" if down else "grows"
        answer = (
            f"The rate does not transfer: what is learned {lead} with {axis}{':' if where else ''}{where} ({causes})"
        )
        if promise == "standard":
            answer += "; standard parametrization promises no more"
        return verdict, answer, more
    unclear = [(row, key) for row, key, each in judged if each.judged == "unclear"]
    if unclear:
        row, key = unclear[0]
        text = (
            f"Not enough data to tell: the intervals of {len(unclear)} measures are too wide, first the "
            f"{_words(key)} of {row.name}; give more seeds, or more and larger {axis}s"
        )
        return "not enough data", text, more
    return "transfers", f"The rate transfers: nothing that was measured grows or shrinks with {axis}", more


def _falls(first: Finding) -> bool:
    """Whether what a cause does is lost with size."""
    if first.code == "epsilon-not-scaled":
        return True
    return first.measured is not None and first.expected is not None and first.measured < first.expected


def _words(measure: str) -> str:
    return {"size": "size", "start": "start", "change": "change", "spectral": "update", "moved": "change"}.get(
        measure, measure
    )
