"""Rules over numbers: each reads a network's measure at its start and gives a finding, or none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from goodinit.checkup.measure import NetworkMeasure
from goodinit.checkup.rules import shared
from goodinit.findings import LIMITS, ZERO_GRADIENT
from goodinit.results import Finding

__all__ = ["findings"]


def identical_units(start: NetworkMeasure) -> Finding | None:
    """Units with the same weights in and out get the same gradient and stay the same."""
    parts: list[dict[str, object]] = [
        {
            "case": "all" if layer.distinct == 1 else None,
            "layer": number,
            "units": layer.units,
            "duplicates": layer.units - layer.distinct,
            "stuck": True,
        }
        for number, layer in enumerate(start.layers, 1)
        if layer.distinct < layer.units
    ]
    return _placed(shared.identical_units(parts), parts)


def _placed(found: Finding | None, parts: list[dict[str, object]]) -> Finding | None:
    return found and replace(found, where=f"W{parts[0]['layer']}")


def zero_gradients(start: NetworkMeasure) -> Finding | None:
    """A start from which gradient descent cannot move a weight."""
    moving = [name for name, largest in start.largest_gradients.items() if largest > ZERO_GRADIENT]
    still = [name for name in start.largest_gradients if name.startswith("W") and name not in moving]
    if not still:
        return None
    values: dict[str, object] = {"names": still}
    if not any(name.startswith("W") for name in moving):
        last = f"b{len(start.largest_gradients) // 2}"
        values = {"case": "only-last-bias", **values, "bias": last, "gradient": start.largest_gradients[last]}
    return Finding("zero-gradient", "severe", still[0], values, 0.0)


def outputs_saturated(start: NetworkMeasure) -> Finding | None:
    """Outputs that are sure of a class before any training."""
    return shared.outputs_saturated(start.sure_share, start.sure_and_wrong_share, start.logit_rms)


def loss_above_chance(start: NetworkMeasure) -> Finding | None:
    """A first loss far above that of equal probabilities, or of predicting the mean."""
    return shared.loss_above_chance(start.loss, start.chance_loss, numbers=start.sure_share is None)


def dead_units(start: NetworkMeasure) -> Finding | None:
    """Units that no example can switch on."""
    parts: list[dict[str, object]] = [
        {"layer": number, "share": layer.dead_share}
        for number, layer in enumerate(start.layers, 1)
        if LIMITS["dead-units"].severity(layer.dead_share)
    ]
    return _placed(shared.dead_units(parts), parts)


def saturated_units(start: NetworkMeasure) -> Finding | None:
    """Activations at the flat ends of a bounded activation, beyond what standard normal inputs would give."""
    parts: list[dict[str, object]] = []
    for number, layer in enumerate(start.layers, 1):
        excess = shared.excess(layer.saturated_share, layer.usual_saturated_share)
        if LIMITS["saturated-units"].severity(excess):
            parts.append({"layer": number, "share": layer.saturated_share, "excess": excess})
    usual = start.layers[0].usual_saturated_share if start.layers else None
    return _placed(shared.saturated_units(parts, usual), parts)


def signal_size(start: NetworkMeasure) -> Finding | None:
    """Activations that shrink or grow by a factor of a hundred from the first hidden layer to the last."""
    if len(start.layers) < 2 or not start.layers[0].activation_rms > 0:
        return None
    return shared.signal(start.layers[-1].activation_rms / start.layers[0].activation_rms)


RULES: Final[tuple[Callable[[NetworkMeasure], Finding | None], ...]] = (
    identical_units,
    zero_gradients,
    outputs_saturated,
    loss_above_chance,
    dead_units,
    saturated_units,
    signal_size,
)


def findings(start: NetworkMeasure) -> tuple[Finding, ...]:
    """What every rule finds in the measure of a start, in the order of the rules."""
    return tuple(finding for rule in RULES if (finding := rule(start)) is not None)
