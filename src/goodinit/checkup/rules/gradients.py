"""Rules over what comes back: gradients that vanish, explode or are missing, chaos, and steps that are too large."""

from __future__ import annotations

import math
from collections.abc import Iterator
from statistics import median
from typing import Final

from goodinit.checkup.rules.remedies import expression, initialize
from goodinit.checkup.rules.signals import ends, hidden, reinitialize
from goodinit.model_records import LayerStart, ModelStart, ParameterStart
from goodinit.results import Finding
from goodinit.wording import listed

__all__ = ["RULES"]

GRADIENT_RATIO: Final = 1e3  # of the gradient's norm at the first layers over the last
GRADIENT_WARNING: Final = 1e2
CHAOS: Final = 30.0  # what a chain of layers multiplies the mean square of a small difference by
CHAOS_RATE: Final = 1.05  # a layer
LONG: Final = 10  # layers
ROUNDING: Final = 1e3
LARGE_UPDATE: Final = 0.3
CUT_OFF: Final = 0.5


def gradient_size(start: ModelStart) -> Iterator[Finding]:
    """Gradients that shrink or grow on their way back to the first layers."""
    layers = [layer for layer in hidden(start) if layer.gradient_norm is not None and not layer.scoring]
    known = [(layer, layer.gradient_norm or 0.0) for layer in layers]
    known = [(layer, norm) for layer, norm in known if norm > 0 and math.isfinite(norm)]
    if len(known) < 2:
        return
    first, last = ends([norm for _, norm in known])
    ratio = first / last
    if 1 / GRADIENT_WARNING <= ratio <= GRADIENT_WARNING:
        return
    code, verb = ("vanishing-gradient", "shrinks") if ratio < 1 else ("exploding-gradient", "grows")
    yield Finding(
        code,
        "severe" if not 1 / GRADIENT_RATIO <= ratio <= GRADIENT_RATIO else "warning",
        f"the gradient {verb} by a factor of {ratio:.2g} on its way back from {known[-1][0].title} (norm "
        f"{last:.3g}) to "
        f"{known[0][0].title} (norm {first:.3g})",
        where=known[0][0].title,
        measured=ratio,
        expected=1.0,
        remedy=reinitialize(start),
    )


def chaotic(start: ModelStart) -> Iterator[Finding]:
    """A chain of layers that draws near inputs apart, by its measured sizes and the theory's susceptibility."""
    best: list[LayerStart] = []
    chain: list[LayerStart] = []
    for layer in start.layers:
        chain = [*chain, layer] if layer.susceptibility is not None and math.isfinite(layer.susceptibility) else []
        best = max(best, chain, key=len)
    product = math.prod(layer.susceptibility or 1.0 for layer in best)
    rate = product ** (1 / len(best)) if best and product > 0 else 0.0
    if len(best) >= LONG and product >= CHAOS:
        yield Finding(
            "chaotic",
            "severe" if rate >= CHAOS_RATE else "warning",
            f"the {len(best)} layers from {best[0].title} to {best[-1].title} multiply the mean square of a small "
            f"difference by {rate:.3g} each, {product:.3g} in all: near inputs are drawn apart, and gradients grow",
            where=best[0].title,
            measured=rate,
            expected=1.0,
            remedy=initialize(start),
        )
    elif start.rounding is not None and start.rounding >= ROUNDING:
        yield Finding(
            "chaotic",
            "severe",
            f"a relative change of the weights comes out {start.rounding:.3g} times as large",
            measured=start.rounding,
            expected=math.sqrt(max(len(start.layers), 1)),
            remedy=initialize(start),
        )


def no_gradient(start: ModelStart) -> Iterator[Finding]:
    """Parameters that nothing can move: frozen, cut off from the loss, or not reached by this batch."""
    if start.backward_failure is not None and not start.backward:
        yield Finding(
            "backward-failed",
            "severe",
            f"the gradients could not be computed: {start.backward_failure}",
            remedy=f"# no weight is the cause: {start.backward_failure.splitlines()[0]}",
        )
        return
    frozen = [each for each in start.parameters if not each.trainable]
    if frozen:
        every = len(frozen) == len(start.parameters)
        one = expression(frozen[0].name)
        yield Finding(
            "no-gradient",
            "severe" if every else "warning",
            f"{listed([each.name for each in frozen])} cannot be trained: requires_grad is False",
            where=frozen[0].name,
            remedy="model.requires_grad_(True)" if len(frozen) > 1 else f"{one}.requires_grad_(True)",
        )
    if not start.backward:
        return
    missing = [each for each in start.parameters if each.trainable and each.has_gradient is False]
    idle = [each for each in missing if not each.used]
    cut = [each for each in missing if each.used]
    if idle:
        yield Finding(
            "unused-parameter",
            "info" if _has_siblings(start, idle) else "warning",
            f"{listed([each.name for each in idle])} took no part in this batch, and got no gradient",
            where=idle[0].name,
        )
    if cut:
        elements = sum(math.prod(each.shape) for each in cut)
        share = elements / max(1, sum(math.prod(each.shape) for each in start.parameters if each.trainable))
        only_biases = all(
            each.role == "bias" for each in cut
        )  # as of an energy's last layer, whose forces are a gradient
        yield Finding(
            "no-gradient",
            "severe" if share >= CUT_OFF else "info" if only_biases else "warning",
            f"{listed([each.name for each in cut])} ({share:.0%} of what can be trained) took part, but no "
            "gradient comes "
            "back to them: the loss is cut off from them, as by detach, no_grad, argmax or NumPy",
            where=cut[0].name,
            measured=share,
            expected=0.0,
            remedy=f"# no weight is the cause: look for what cuts the graph after {cut[-1].name.rpartition('.')[0]}",
        )


def _has_siblings(start: ModelStart, idle: list[ParameterStart]) -> bool:
    """Whether others of the same kind in the same list got a gradient, as experts do that were sent tokens."""

    def family(name: str) -> str:
        return ".".join("*" if part.isdigit() else part for part in name.split("."))

    reached = {family(each.name) for each in start.parameters if each.has_gradient}
    return all(family(each.name) in reached for each in idle)


def zero_gradient(start: ModelStart) -> Iterator[Finding]:
    """Weights whose gradient is zero everywhere, though no zero weight that will move explains it."""
    if not start.backward:
        return
    empty = {layer.weight for layer in start.layers if 0 in layer.shape}
    called = {layer.weight for layer in start.layers} - empty
    still = [e for e in start.parameters if e.role == "weight" and e.gradient_rms == 0 and e.name in called]
    opening = [e for e in start.parameters if e.rms == 0 and e.role != "bias" and (e.gradient_rms or 0) > 0]
    if not still or opening:
        return
    some = start.loss is not None and start.loss.chance is not None
    yield Finding(
        "zero-gradient",
        "severe",
        f"the gradient of {listed([each.name for each in still])} is zero everywhere"
        + (f"; the loss is {start.loss.total:.4g}" if some and start.loss is not None else ""),
        where=still[0].name,
        measured=0.0,
        remedy=initialize(start),
    )


def step_size(start: ModelStart) -> Iterator[Finding]:
    """A learning rate above what the loss's curvature allows, or that changes weights too much in one step."""
    rate = start.learning_rate
    if rate is None:
        return
    optimizer = start.optimizer or "sgd"
    if start.curvature is not None and start.curvature > 0 and optimizer in ("sgd", "gradient_descent", "momentum"):
        most = 2 / start.curvature
        if rate > most:
            yield Finding(
                "learning-rate-too-large",
                "severe",
                f"the learning rate {rate:g} is above {most:.3g}, 2 over the loss's largest curvature "
                f"{start.curvature:.3g}: gradient descent takes each step too far",
                measured=rate,
                expected=most,
                remedy=f"learning_rate = {most / 2:.2g}",
            )
    moved = [
        (each, each.update_to_weight)
        for each in start.parameters
        if each.update_to_weight is not None and len(each.shape) > 1 and each.rms > 0
    ]
    if not moved:
        return
    usual = median(update for _, update in moved if update is not None)
    if usual >= LARGE_UPDATE:
        worst, most_moved = max(moved, key=lambda pair: pair[1] or 0.0)
        yield Finding(
            "update-too-large",
            "warning",
            f"the first step changes weights by {usual:.2g} of their size in the median, {worst.name} by "
            f"{most_moved:.2g}; near 0.001 is usual",
            where=worst.name,
            measured=usual,
            expected=1e-3,
            remedy=f"learning_rate = {rate * 1e-3 / usual:.2g}",
        )


RULES: Final = (gradient_size, chaotic, no_gradient, zero_gradient, step_size)
