"""Rules over recurrent layers: gates that are shut or stuck, and weights by which no state passes, or chaos."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

from goodinit.checkup.rules.remedies import orthogonal
from goodinit.findings import LIMITS
from goodinit.model_records import ModelStart
from goodinit.results import Finding

__all__ = ["RULES"]

SHUT: Final = 0.1  # mean of a forget gate; half of a state is lost at each step by a bias of 0
SMALL: Final = 0.2  # times 1 / sqrt(units), at which a state keeps its size; PyTorch's own start has 0.58
LARGE: Final = 3.0
FAR: Final = 10.0
REMEDY: Final = 'goodinit.initialize(model, "lecun_normal", seed=0, inputs=inputs)'


def gates(start: ModelStart) -> Iterator[Finding]:
    """Gates at their flat ends, and forget gates that let nothing through."""
    limit = LIMITS["gates-saturated"]
    stuck = [each for each in start.gates if limit.severity(each.saturated or 0.0)]
    if stuck:
        worst = max(stuck, key=lambda each: each.saturated or 0.0)
        yield Finding(
            "gates-saturated",
            limit.severity(worst.saturated or 0.0) or "warning",
            worst.name,
            {"names": [each.name for each in stuck]},
            measured=worst.saturated,
            expected=0.0,
            remedy=REMEDY,
        )
    shut = [each for each in start.gates if each.kind == "LSTM" and each.keeps is not None and each.keeps < SHUT]
    if shut:
        worst = min(shut, key=lambda each: each.keeps or 0.0)
        keeps = worst.keeps or 0.0
        yield Finding(
            "forget-gate-shut",
            "severe",
            worst.name,
            {"names": [each.name for each in shut], "left": keeps**2},
            measured=keeps,
            expected=1 / (1 + math.exp(-1)),
            remedy=REMEDY,
        )


def sizes(start: ModelStart) -> Iterator[Finding]:
    """Recurrent weights by which a state vanishes at once, or fills every gate."""
    scaled = [
        (each.rms / each.std_expected, each)
        for each in start.parameters
        if each.role == "recurrent hidden" and each.std_expected and each.finite
    ]
    small, large = [pair for pair in scaled if pair[0] < SMALL], [pair for pair in scaled if pair[0] > LARGE]
    for chosen in (small, large):
        if not chosen:
            continue
        times, worst = max(chosen, key=lambda pair: abs(math.log(max(pair[0], 1e-300))))
        yield Finding(
            "recurrent-too-small" if times < 1 else "recurrent-too-large",
            "severe" if times < SMALL / FAR or times > FAR else "warning",
            worst.name,
            {"names": [each.name for _, each in chosen], "times": times},
            worst.rms,
            worst.std_expected,
            orthogonal(start, [each.name for _, each in chosen]),
        )


RULES: Final = (gates, sizes)
