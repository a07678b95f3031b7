"""Rules that networks and models share, from plain numbers; a model's rule adds its places and its remedy.

A part says of one layer which it is, `{"layer": 1}` of a network's hidden layers or `{"name": "0.weight"}`, and its
numbers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from goodinit.findings import LIMITS, Finding

__all__ = [
    "Part",
    "dead_units",
    "excess",
    "identical_units",
    "loss_above_chance",
    "outputs_saturated",
    "saturated_units",
    "signal",
]

Part = Mapping[str, Any]


def identical_units(parts: Sequence[Part], case: str | None = None) -> Finding | None:
    """Units with the weights of another in their layer: each part has `units`, `duplicates` and `stuck`.

    Those that are not known to be stuck, as their gradients may part them, are warned of.
    """
    if not parts:
        return None
    share = max((part["duplicates"] / part["units"] for part in parts if part["stuck"]), default=0.0)
    layers = [{key: value for key, value in part.items() if key != "stuck"} for part in parts]
    severity = LIMITS["identical-units"].severity(share) or "warning"
    count = float(sum(part["duplicates"] for part in parts))
    return Finding("identical-units", severity, None, {"case": case, "layers": layers}, count, 0.0)


def outputs_saturated(share: float | None, wrong: float | None, logit_rms: float | None) -> Finding | None:
    """Outputs that are sure of a class before any training."""
    if share is None or (severity := LIMITS["output-saturated"].severity(share)) is None:
        return None
    values = {"share": share, "wrong": wrong, "rms": logit_rms}
    return Finding("output-saturated", severity, None, values, share, 0.0)


def loss_above_chance(loss: float, chance: float, numbers: bool, offset: bool = False) -> Finding | None:
    """A first loss far above that of equal probabilities, or, where `numbers` are predicted, of their mean.

    Where the loss is an `offset` of the outputs' mean, which the last bias mends, it is a warning at most.
    """
    ratio = loss / chance
    case = "offset" if offset else "numbers" if numbers else None
    severity = LIMITS["/".join(part for part in ("loss-above-chance", case) if part)].severity(ratio)
    if severity is None:
        return None
    values = {"case": case, "loss": loss, "ratio": ratio, "chance": chance}
    return Finding("loss-above-chance", "warning" if offset else severity, None, values, loss, chance)


def dead_units(parts: Sequence[Part], **more: Any) -> Finding | None:
    """Units that no example can switch on: each part has their `share` of the layer."""
    worst = max((part["share"] for part in parts), default=0.0)
    severity = LIMITS["dead-units"].severity(worst)
    if severity is None:
        return None
    return Finding("dead-units", severity, None, {"layers": parts, **more}, worst, 0.0)


def excess(share: float | None, usual: float) -> float:
    """A saturated share beyond the usual one, as a share of the rest; 0 where there is none."""
    return 0.0 if share is None else (share - usual) / (1 - usual)


def saturated_units(parts: Sequence[Part], usual: float | None, **more: Any) -> Finding | None:
    """Activations at their flat ends: each part has their `share` and what it is beyond the usual one, `excess`."""
    worst = max(parts, key=lambda part: float(part["excess"]), default=None)
    severity = None if worst is None else LIMITS["saturated-units"].severity(worst["excess"])
    if worst is None or severity is None:
        return None
    layers = [{key: value for key, value in part.items() if key != "excess"} for part in parts]
    return Finding("saturated-units", severity, None, {"layers": layers, **more}, worst["share"], usual)


def signal(ratio: float, **more: Any) -> Finding | None:
    """Activations that shrink or grow from the first layers to the last: `ratio` is the last's rms over the first's."""
    shrinks = ratio < 1
    size = math.inf if ratio == 0 or math.isnan(ratio) else max(ratio, 1 / ratio)
    severity = LIMITS["vanishing-signal" if shrinks else "exploding-signal"].severity(size)
    if severity is None:
        return None
    code = "vanishing-signal" if shrinks else "exploding-signal"
    return Finding(code, severity, None, {"ratio": ratio, **more}, ratio, 1.0)
