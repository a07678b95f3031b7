"""Rules over numbers: each reads a network's measure at its start and gives a finding, or none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from goodinit.checkup.measure import NetworkMeasure
from goodinit.results import Finding

__all__ = ["findings"]

ZERO_GRADIENT = 1e-15  # in full float64 sums of terms near 1, smaller ones are rounding

ABOVE_CHANCE = 2, 10  # times the loss of guessing: a warning, severe
ABOVE_MEAN = 10, 100  # a squared error is 1 + r^2 times for outputs r times as large as the targets' deviation


def identical_units(start: NetworkMeasure) -> Finding | None:
    """Units with the same weights in and out get the same gradient and stay the same."""
    same = [(number, layer) for number, layer in enumerate(start.layers, 1) if layer.distinct < layer.units]
    if not same:
        return None
    parts = [
        f"all {layer.units} units of hidden layer {number}"
        if layer.distinct == 1
        else f"{layer.units - layer.distinct} of {layer.units} units of hidden layer {number}"
        for number, layer in same
    ]
    return Finding(
        "identical-units",
        "severe",
        f"{' and '.join(parts)} have the same weights as another unit of the layer, and duplicate units never part",
    )


def zero_gradients(start: NetworkMeasure) -> Finding | None:
    """A start from which gradient descent cannot move a weight."""
    moving = [name for name, largest in start.largest_gradients.items() if largest > ZERO_GRADIENT]
    if any(name.startswith("W") for name in moving):
        still = [name for name in start.largest_gradients if name.startswith("W") and name not in moving]
        if not still:
            return None
        return Finding("zero-gradient", "severe", f"the gradient of {', '.join(still)} is zero everywhere")
    last = f"b{len(start.largest_gradients) // 2}"
    return Finding(
        "zero-gradient",
        "severe",
        f"every weight's gradient is zero; only the last bias {last} can move, and its gradient is "
        f"{start.largest_gradients[last]:.2g}",
    )


def outputs_saturated(start: NetworkMeasure) -> Finding | None:
    """Outputs that are sure of a class before any training."""
    if start.sure_share is None or start.sure_and_wrong_share is None or start.sure_share < 0.5:
        return None
    return Finding(
        "output-saturated",
        "severe",
        f"{start.sure_share:.0%} of the outputs are saturated (a class at 99 % or more) before training, "
        f"{start.sure_and_wrong_share:.0%} of all on the wrong side; the logits have rms {start.logit_rms:.3g}",
    )


def loss_above_chance(start: NetworkMeasure) -> Finding | None:
    """A first loss far above that of equal probabilities, or of predicting the mean."""
    ratio = start.loss / start.chance_loss
    warning, severe = ABOVE_MEAN if start.sure_share is None else ABOVE_CHANCE
    if ratio < warning:
        return None
    guess = "predicting the mean" if start.sure_share is None else "guessing"
    return Finding(
        "loss-above-chance",
        "severe" if ratio >= severe else "warning",
        f"the first loss is {start.loss:.5g}, {ratio:.3g} times the {start.chance_loss:.4g} of {guess}",
    )


def dead_units(start: NetworkMeasure) -> Finding | None:
    """Units that no example can switch on."""
    dead = [(n, layer.dead_share) for n, layer in enumerate(start.layers, 1) if layer.dead_share >= 0.5]
    if not dead:
        return None
    parts = [f"{share:.0%} of hidden layer {number}" for number, share in dead]
    severity: Final = "severe" if any(share == 1 for _, share in dead) else "warning"
    return Finding("dead-units", severity, f"{', '.join(parts)} is dead: no example gives it a gradient")


def saturated_units(start: NetworkMeasure) -> Finding | None:
    """Activations at the flat ends of a bounded activation."""
    flat = [(n, layer.saturated_share) for n, layer in enumerate(start.layers, 1)]
    parts = [f"{share:.0%} of hidden layer {n}" for n, share in flat if share is not None and share >= 0.5]
    if not parts:
        return None
    return Finding("saturated-units", "severe", f"{', '.join(parts)} is saturated, where the gradient is nearly zero")


def signal_size(start: NetworkMeasure) -> Finding | None:
    """Activations that shrink or grow by a factor of a hundred from the first hidden layer to the last."""
    if len(start.layers) < 2 or not start.layers[0].activation_rms > 0:
        return None
    ratio = start.layers[-1].activation_rms / start.layers[0].activation_rms
    if 1e-2 <= ratio <= 1e2:
        return None
    code, verb = ("vanishing-signal", "shrink") if ratio < 1 else ("exploding-signal", "grow")
    return Finding(
        code, "severe", f"activations {verb} by a factor of {ratio:.2g} from the first hidden layer to the last"
    )


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
