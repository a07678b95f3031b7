"""Rules over recurrent layers: gates that are shut or stuck, and weights by which no state passes, or chaos."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

from goodinit.model_records import ModelStart
from goodinit.results import Finding
from goodinit.wording import listed

__all__ = ["RULES"]

SATURATED: Final = 0.5
MANY_SATURATED: Final = 0.25
SHUT: Final = 0.1  # mean of a forget gate; half of a state is lost at each step by a bias of 0
SMALL: Final = 0.2  # times 1 / sqrt(units), at which a state keeps its size; PyTorch's own start has 0.58
LARGE: Final = 3.0
FAR: Final = 10.0
REMEDY: Final = 'goodinit.initialize(model, "lecun_normal", seed=0, inputs=inputs)'


def gates(start: ModelStart) -> Iterator[Finding]:
    """Gates at their flat ends, and forget gates that let nothing through."""
    stuck = [each for each in start.gates if (each.saturated or 0.0) >= MANY_SATURATED]
    if stuck:
        worst = max(stuck, key=lambda each: each.saturated or 0.0)
        yield Finding(
            "gates-saturated",
            "severe" if (worst.saturated or 0.0) >= SATURATED else "warning",
            f"{worst.saturated:.0%} of the gates of {listed([each.name for each in stuck])} are at their flat ends "
            "over the batch, where no gradient passes",
            where=worst.name,
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
            f"the forget gates of {listed([each.name for each in shut])} are at {keeps:.2g} in the mean: of a cell's "
            f"state {keeps**2:.1g} is left after two steps; a bias of 1 keeps 0.73 a step",
            where=worst.name,
            measured=keeps,
            expected=1 / (1 + math.exp(-1)),
            remedy=REMEDY,
        )


def sizes(start: ModelStart) -> Iterator[Finding]:
    """Recurrent weights by which a state vanishes at once, or fills every gate."""
    told = [
        (each.rms / each.std_expected, each)
        for each in start.parameters
        if each.role == "recurrent hidden" and each.std_expected and each.finite
    ]
    small, large = [pair for pair in told if pair[0] < SMALL], [pair for pair in told if pair[0] > LARGE]
    for code, chosen in (("recurrent-too-small", small), ("recurrent-too-large", large)):
        if not chosen:
            continue
        times, worst = max(chosen, key=lambda pair: abs(math.log(max(pair[0], 1e-300))))
        wanted = worst.std_expected or math.nan
        effect = "next to nothing of a state comes to the next step" if times < 1 else "the state rules every gate"
        yield Finding(
            code,
            "severe" if times < SMALL / FAR or times > FAR else "warning",
            f"{listed([each.name for _, each in chosen])}: the recurrent weights of {worst.name} have rms "
            f"{worst.rms:.3g}, {times:.2g} times the {wanted:.3g} that keeps a state's size: {effect}",
            where=worst.name,
            measured=worst.rms,
            expected=wanted,
            remedy="\n".join(f"torch.nn.init.orthogonal_(model.get_parameter({each.name!r}))" for _, each in chosen),
        )


RULES: Final = (gates, sizes)
