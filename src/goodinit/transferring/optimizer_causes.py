"""Causes that lie in the optimizer: orthogonal updates, mixed bases, epsilon and decay; one function each."""

from __future__ import annotations

from typing import Final

from goodinit.findings import Finding
from goodinit.transferring.evidence import Evidence, any_fact, finding, off_line, rate_of

__all__ = ["base_shapes", "decay", "epsilon", "muon_scale"]

_ORTHOGONAL: Final = 0.6  # stable rank over the smaller side: Newton-Schulz leaves singular values of 0.7 to 1.2
_BENT_RATE: Final = 0.05  # of a rate, which is exact
_BENT_START: Final = 0.2  # of a start, which is drawn
_EPSILON: Final = 0.1  # share of epsilon in Adam's denominator that is felt
_FELT_DECAY: Final = 0.1  # times the gradient: what the updates then do is the decay's doing


def muon_scale(seen: Evidence) -> list[Finding]:
    """Orthogonal updates whose spectral norm does not go as sqrt(fan out / fan in)."""
    rows = [
        row
        for role in ("hidden", "input", "readout")
        for judged in ("grows", "shrinks")
        for row in seen.of(role, "spectral", judged)
        if seen.last(row, "stable_rank") > _ORTHOGONAL and not seen.last(row, "adaptive")
    ]
    if not rows:
        return []
    slope = seen.exponent(rows, "spectral")
    return [
        finding(
            "muon-scale",
            rows[0].name,
            {"names": seen.take(rows)},
            slope,
            0.0,
            "update = update * max(1, update.shape[0] / update.shape[1]) ** 0.5"
            if rows[0].role == "hidden"
            else "update = update * (update.shape[0] / update.shape[1]) ** 0.5",
        )
    ]


def base_shapes(seen: Evidence) -> list[Finding]:
    """Rates or starts that follow no one power, or fan out taken for fan in."""
    table = seen.table
    bent = [
        row
        for row in seen.parameters
        if off_line(table.sizes, table.parameter(row.name, "rate")) > _BENT_RATE
        or (row.role != "vector" and off_line(table.sizes, table.parameter(row.name, "std")) > _BENT_START)
    ]
    if bent and len(table.sizes) > 2:
        off = off_line(table.sizes, table.parameter(bent[0].name, "rate"))
        return [
            finding(
                "base-shapes-mixed",
                bent[0].name,
                {"names": seen.take(bent), "case": "bent"},
                off,
                0.0,
                "base = 64  # one width, and the same for every model\nmultiplier = width / base",
            )
        ]
    up, down = seen.of("readout", "spectral", "grows"), seen.of("input", "spectral", "shrinks")
    if up and down and seen.exponent(up, "rate") > -0.5 and seen.exponent(down, "rate") < -0.5:
        vectors = [row for row in seen.of("vector", "moved", "shrinks") if row.coordinates["rate"].slope.value < -0.5]
        return [
            finding(
                "base-shapes-mixed",
                up[0].name,
                {"names": seen.take(down + vectors), "others": seen.take(up)},
                seen.exponent(up, "rate"),
                -1.0,
                "multiplier = weight.shape[1] / base_weight.shape[1]  # fan in, not fan out\n"
                "rate = learning_rate / multiplier  # Adam; where fan in does not grow it is 1",
            )
        ]
    return []


def epsilon(seen: Evidence) -> list[Finding]:
    """An epsilon that is felt in Adam's denominator, and more so the wider."""
    rows = [
        row
        for row in seen.parameters
        if "epsilon" in row.coordinates
        and row.coordinates["epsilon"].slope.value > 0.15
        and row.coordinates["epsilon"].slope.low > 0
        and seen.last(row, "epsilon") > _EPSILON
        and row.role in ("hidden", "input", "readout", "tied", "vector")
    ]
    matrices = [row for row in rows if row.role in ("hidden", "input", "readout", "tied")]
    if not matrices:
        return []
    worst = max(matrices, key=lambda row: seen.last(row, "epsilon"))
    share = seen.last(worst, "epsilon")
    return [
        finding(
            "epsilon-not-scaled",
            worst.name,
            {"names": seen.take(rows), "case": seen.table.axis},
            share,
            0.0,
            'for group in optimizer.param_groups:\n    group["eps"] = group["eps"] * base_width / width',
        )
    ]


def decay(seen: Evidence) -> list[Finding]:
    """A decay that outgrows Adam's gradient, or that falls with the rate."""
    found = []
    table = seen.table
    adaptive = [
        row for row in seen.parameters if any_fact(table, row, "coupled") and row.role in ("hidden", "readout", "tied")
    ]
    grown = [row for row in adaptive if "decay" in row.coordinates and row.coordinates["decay"].slope.value > 0.25]
    if grown:
        worst = max(grown, key=lambda row: seen.last(row, "decay"))
        share = seen.last(worst, "decay")
        names = seen.take(grown) if share > _FELT_DECAY else [row.name for row in grown]
        found.append(
            finding(
                "decay-coupled",
                worst.name,
                {"names": names, "share": share, "case": "gradient"},
                seen.exponent(grown, "decay"),
                0.0,
                "optimizer = torch.optim.AdamW(groups)  # weight_decay * width / base_width where the rate is divided",
            )
        )
        return found
    rows = [
        row
        for row in seen.parameters
        if row not in adaptive
        and "decay" in row.coordinates
        and row.coordinates["decay"].judged in ("grows", "shrinks")
        and abs(rate_of(row)) > 0.2
    ]
    if rows:
        slope = seen.exponent(rows, "decay")
        found.append(
            finding(
                "decay-coupled",
                rows[0].name,
                {"names": [row.name for row in rows]},
                slope,
                0.0,
                'for group in optimizer.param_groups:\n    group["weight_decay"] = decay * learning_rate / group["lr"]',
            )
        )
    return found
