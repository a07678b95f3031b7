"""Why a rate does not carry over: one function a cause, each from the rows that were measured."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final, Literal

import numpy as np

from goodinit.results import Finding
from goodinit.transferring.judging import Table
from goodinit.transferring.records import LayerRow, ParameterRow
from goodinit.wording import listed

__all__ = ["Evidence", "causes", "finding"]

_ORTHOGONAL: Final = 0.6  # stable rank over the smaller side: Newton-Schulz leaves singular values of 0.7 to 1.2
_BENT_RATE: Final = 0.05  # of a rate, which is exact
_BENT_START: Final = 0.2  # of a start, which is drawn
_EPSILON: Final = 0.1  # share of epsilon in Adam's denominator that is felt
_FELT_DECAY: Final = 0.1  # times the gradient: what the updates then do is the decay's doing


def finding(
    code: str,
    message: str,
    where: str | None,
    measured: float | None,
    expected: float | None,
    remedy: str = "",
    severity: Literal["severe", "warning", "info"] = "severe",
) -> Finding:
    """One judgement of a transfer check."""
    return Finding(code, severity, where, {"message": message}, measured, expected, remedy)


class Evidence:
    """The rows, and what is asked of them again and again."""

    def __init__(self, table: Table, layers: Sequence[LayerRow], parameters: Sequence[ParameterRow]) -> None:
        self.table, self.layers, self.parameters = table, layers, parameters
        self.explained: set[str] = set()

    def of(self, role: str, measure: str, judged: str) -> list[ParameterRow]:
        """The parameters of a role whose measure was judged so, and that no earlier cause explains."""
        return [
            row
            for row in self.parameters
            if row.role == role
            and measure in row.coordinates
            and row.coordinates[measure].judged == judged
            and row.name not in self.explained
        ]

    def exponent(self, rows: Sequence[ParameterRow], measure: str) -> float:
        """The median exponent of a measure."""
        values = [row.coordinates[measure].slope.value for row in rows if measure in row.coordinates]
        return float(np.median(values)) if values else math.nan

    def take(self, rows: Sequence[ParameterRow]) -> str:
        """Mark the parameters as explained, and list their names."""
        self.explained |= {row.name for row in rows}
        return listed([row.name for row in rows])

    def last(self, row: ParameterRow, fact: str) -> float:
        """A fact's mean at the largest size."""
        values = self.table.parameter(row.name, fact)[-1]
        good = values[np.isfinite(values)]
        return float(good.mean()) if good.size else math.nan


def causes(table: Table, layers: Sequence[LayerRow], parameters: Sequence[ParameterRow]) -> list[Finding]:
    """The findings, the most telling first; a parameter is blamed for one cause of each kind only."""
    seen = Evidence(table, layers, parameters)
    found: list[Finding] = []
    for rule in _DEPTH if table.axis == "depth" else _WIDTH:
        found += rule(seen)
    return found


def _muon(seen: Evidence) -> list[Finding]:
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
            f"the optimizer makes the updates of {seen.take(rows)} orthogonal, and their spectral norm goes as "
            f"{seen.table.axis}^{slope:+.2f} beside sqrt(fan out / fan in), which it should keep to",
            rows[0].name,
            slope,
            0.0,
            "update = update * max(1, update.shape[0] / update.shape[1]) ** 0.5"
            if rows[0].role == "hidden"
            else "update = update * (update.shape[0] / update.shape[1]) ** 0.5",
        )
    ]


def _base_shapes(seen: Evidence) -> list[Finding]:
    table = seen.table
    bent = [
        row
        for row in seen.parameters
        if _off_line(table.sizes, table.parameter(row.name, "rate")) > _BENT_RATE
        or (row.role != "vector" and _off_line(table.sizes, table.parameter(row.name, "std")) > _BENT_START)
    ]
    if bent and len(table.sizes) > 2:
        off = _off_line(table.sizes, table.parameter(bent[0].name, "rate"))
        return [
            finding(
                "base-shapes-mixed",
                f"the rates or starts of {seen.take(bent)} follow no one power of the width: some widths are scaled "
                "from another base than the others",
                bent[0].name,
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
                f"the rates of {seen.take(down + vectors)} fall with the width, and that of {seen.take(up)} does not: "
                "fan out was taken for fan in",
                up[0].name,
                seen.exponent(up, "rate"),
                -1.0,
                "multiplier = weight.shape[1] / base_weight.shape[1]  # fan in, not fan out\n"
                "rate = learning_rate / multiplier  # Adam; where fan in does not grow it is 1",
            )
        ]
    return []


def _epsilon(seen: Evidence) -> list[Finding]:
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
            f"epsilon is {share:.0%} of Adam's denominator of {worst.name} at the largest width, and its share grows "
            f"with the width, so that the updates shrink ({seen.take(rows)})",
            worst.name,
            share,
            0.0,
            'for group in optimizer.param_groups:\n    group["eps"] = group["eps"] * base_width / width',
        )
    ]


def _inputs(seen: Evidence) -> list[Finding]:
    rows = [row for row in seen.of("input", "spectral", "shrinks") if row.coordinates["rate"].slope.value < -0.2]
    rows += [row for row in seen.parameters if row.role == "tied" and _rate(row) < -0.5]
    if not rows:
        return []
    slope = seen.exponent(rows, "rate")
    return [
        finding(
            "embedding-rate-scaled",
            f"the rate of {seen.take(rows)} goes as width^{slope:+.2f}, though what comes in is no wider: what it "
            "learns is lost as the width grows",
            rows[0].name,
            slope,
            0.0,
            _group(rows, "learning_rate"),
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
                f"{seen.take(tied)} is the embedding and the readout, and its outputs are not divided by the width: "
                f"the logits' weight goes as width^{slope:+.2f}",
                tied[0].name,
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
        said = []
        if starts:
            said.append(f"its start goes as width^{seen.exponent(starts, 'start'):+.2f}")
            lines.append(f"torch.nn.init.normal_(model.get_parameter({rows[0]!r}), std=base_width**0.5 / width)")
        if rates:
            said.append(f"its updates as width^{seen.exponent(rates, 'spectral'):+.2f} of what they should be")
            lines.append(_group(both, "learning_rate * base_width / width"))
        measured = seen.exponent(rates or starts, "spectral" if rates else "start")
        found.append(
            finding(
                "readout-not-scaled",
                f"the readout {seen.take(both)} is not scaled as transfer needs: {' and '.join(said)}",
                rows[0],
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
                f"the updates of {seen.take(rows)} grow as width^{slope:+.2f} beside what they should be; their rate "
                f"goes as width^{rate:+.2f}",
                rows[0].name,
                slope,
                0.0,
                _group(rows, "learning_rate * base_width / width"),
            )
        )
    rows = seen.of("hidden", "spectral", "shrinks")
    if rows:
        slope, rate = seen.exponent(rows, "spectral"), seen.exponent(rows, "rate")
        found.append(
            finding(
                "hidden-rate-too-small",
                f"the updates of {seen.take(rows)} shrink as width^{slope:+.2f} beside what they should be; their rate "
                f"goes as width^{rate:+.2f}: features are no longer learned",
                rows[0].name,
                slope,
                0.0,
                _group(rows, "learning_rate * base_width / width"),
            )
        )
    starts = [row for judged in ("grows", "shrinks") for row in seen.of("hidden", "start", judged)]
    if starts:
        slope = seen.exponent(starts, "start")
        found.append(
            finding(
                "hidden-start-not-scaled",
                f"the start of {seen.take(starts)} goes as width^{slope:+.2f}; it must go as 1 / sqrt(fan in)",
                starts[0].name,
                slope,
                -0.5,
                f"weight = model.get_parameter({starts[0].name!r})\n"
                "torch.nn.init.normal_(weight, std=weight.shape[1] ** -0.5)",
            )
        )
    return found


def _vectors(seen: Evidence) -> list[Finding]:
    rows = [row for judged in ("grows", "shrinks") for row in seen.of("vector", "moved", judged)]
    rows = [row for row in rows if abs(_rate(row)) > 0.2 or not seen.last(row, "adaptive")]
    if len(rows) * 4 < sum(row.role == "vector" for row in seen.parameters):
        return []
    slope = seen.exponent(rows, "moved")
    return [
        finding(
            "vector-rate-scaled",
            f"biases and norms ({seen.take(rows)}) move as width^{slope:+.2f}; each serves one unit, so that their "
            "updates must not depend on the width",
            rows[0].name,
            slope,
            0.0,
            _group(rows, "learning_rate"),
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
                    f"the scores of {len(rows)} attentions are scaled as (head size)^{exponent:+.2f}, and the head "
                    "size grows: once queries and keys are learned their products grow as the head size itself",
                    row.name,
                    exponent,
                    -1.0,
                    "scale = base_head_size**0.5 / head_size\n"
                    "y = torch.nn.functional.scaled_dot_product_attention(q, k, v, scale=scale)",
                )
            ]
    return []


def _decay(seen: Evidence) -> list[Finding]:
    found = []
    table = seen.table
    adaptive = [
        row for row in seen.parameters if _any(table, row, "coupled") and row.role in ("hidden", "readout", "tied")
    ]
    grown = [row for row in adaptive if "decay" in row.coordinates and row.coordinates["decay"].slope.value > 0.25]
    if grown:
        worst = max(grown, key=lambda row: seen.last(row, "decay"))
        share = seen.last(worst, "decay")
        names = seen.take(grown) if share > _FELT_DECAY else listed([row.name for row in grown])
        found.append(
            finding(
                "decay-coupled",
                f"Adam adds the decay to the gradient ({names}): beside the gradient it grows as "
                f"width^{seen.exponent(grown, 'decay'):+.2f}, and is {share:.2g} times as large at the largest width",
                worst.name,
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
        and abs(_rate(row)) > 0.2
    ]
    if rows:
        slope = seen.exponent(rows, "decay")
        found.append(
            finding(
                "decay-coupled",
                f"one step's decay of {listed([row.name for row in rows])} is rate x weight_decay, and goes as "
                f"width^{slope:+.2f} with the rate: wide models are decayed less; a few steps do not show it",
                rows[0].name,
                slope,
                0.0,
                'for group in optimizer.param_groups:\n    group["weight_decay"] = decay * learning_rate / group["lr"]',
            )
        )
    return found


def _zero_readout(seen: Evidence) -> list[Finding]:
    table = seen.table
    outer = [row for row in seen.parameters if row.role in ("readout", "tied")]
    zero = [row for row in outer if not np.nanmax(table.parameter(row.name, "std")) > 0]
    if not zero or table.steps > 1:
        return []
    return [
        finding(
            "zero-readout",
            f"{listed([row.name for row in zero])} starts at zero, so that no gradient comes to anything before it at "
            "step 1: whatever is wrong there is hidden; look at more steps",
            zero[0].name,
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
            f"the residual stream's {'change' if measure == 'change' else 'start'} grows as depth^{slope:+.2f}: the "
            f"branches ({listed([row.name for row in ends])}) are multiplied by depth^{power:+.2f} before they are "
            "added, and each moves as far as in a shallow model",
            streams[0].name,
            slope,
            0.0,
            "x = x + branch(x) * (base_depth / depth)",
        )
    ]


def _depth_rate(seen: Evidence) -> list[Finding]:
    rows = seen.of("hidden", "spectral", "shrinks")
    rows = [row for row in rows if _rate(row) < -0.2]
    if not rows:
        return []
    slope = seen.exponent(rows, "rate")
    return [
        finding(
            "depth-rate-scaled",
            f"the rate of {seen.take(rows)} goes as depth^{slope:+.2f}, so that each layer learns less as the model "
            "gets deeper; with branches times 1 / depth it need not fall",
            rows[0].name,
            slope,
            0.0,
            _group(rows, "learning_rate"),
        )
    ]


CauseRule = Callable[[Evidence], list[Finding]]
_WIDTH: Final[tuple[CauseRule, ...]] = (
    _zero_readout,
    _muon,
    _base_shapes,
    _epsilon,
    _decay,
    _hidden,
    _readout,
    _inputs,
    _vectors,
    _attention,
)
_DEPTH: Final[tuple[CauseRule, ...]] = (_branches, _depth_rate, _epsilon)


def _rate(row: ParameterRow) -> float:
    return row.coordinates["rate"].slope.value if "rate" in row.coordinates else math.nan


def _any(table: Table, row: ParameterRow, fact: str) -> bool:
    return any(
        bool(getattr(each, fact)) for size in table.sizes for each in table.facts(row.name, size, table.seeds[0])
    )


def _any_branch(table: Table, row: LayerRow) -> bool:
    return any(each.branch for each in table.series(row.name, table.sizes[-1], table.seeds[0]))


def _off_line(sizes: Sequence[int], values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> float:
    """How far the means of logarithms lie from a line, at most; 0 where they cannot be compared."""
    good = np.isfinite(values) & (values > 0)
    if len(sizes) < 3 or not good.all():
        return 0.0
    x, y = np.log(np.asarray(sizes, dtype=float)), np.log(values).mean(axis=1)
    return float(np.abs(y - np.polyval(np.polyfit(x, y, 1), x)).max())


def _group(rows: Sequence[ParameterRow], rate: str) -> str:
    """A parameter group with that rate."""
    names = [row.name for row in rows]
    if any("*" in name for name in names):
        return f'group["lr"] = {rate}  # of {listed(names)}'
    return f"names = {names!r}\ngroup = {{'params': [model.get_parameter(name) for name in names], 'lr': {rate}}}"
