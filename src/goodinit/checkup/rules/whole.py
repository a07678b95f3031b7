"""Rules over the loss and the outputs: sure of themselves before they know anything, or far from chance."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

from goodinit.checkup.rules.remedies import biases_of, expression, initialize, scale
from goodinit.model_records import LossStart, ModelStart
from goodinit.results import Finding

__all__ = ["RULES"]

SURE: Final = 0.5
ABOVE: Final = 2.0  # times chance
FAR_ABOVE: Final = 10.0
FAR_ABOVE_SQUARED: Final = 100.0  # for errors of real numbers, whose unit is the targets' own
BELOW: Final = 0.2
OFFSET: Final = 0.5


def output_saturated(start: ModelStart) -> Iterator[Finding]:
    """Outputs that are sure of a class before any training."""
    loss = start.loss
    if loss is None or loss.sure_share is None or loss.sure_share < SURE:
        return
    wrong = "" if loss.sure_and_wrong_share is None else f", {loss.sure_and_wrong_share:.0%} of all on the wrong side"
    size = "" if loss.logit_rms is None else f"; the logits have rms {loss.logit_rms:.3g}"
    yield Finding(
        "output-saturated",
        "severe",
        f"{loss.sure_share:.0%} of the outputs are sure of a class (99 % or more) before training{wrong}{size}",
        where=start.layers[-1].title if start.layers else None,
        measured=loss.sure_share,
        expected=0.0,
        remedy=_smaller_head(start, loss),
    )


def _smaller_head(start: ModelStart, loss: LossStart) -> str:
    """Bring the scores to rms 1/2, by the weights of the last layer."""
    if not start.layers or not loss.logit_rms:
        return initialize(start)
    last = start.layers[-1]
    return scale([last.weight], min(1.0, 0.5 / loss.logit_rms), biases_of(start, last))


def loss_from_chance(start: ModelStart) -> Iterator[Finding]:
    """A first loss that is not near that of outputs which know nothing."""
    loss = start.loss
    if (
        loss is None
        or loss.chance is None
        or loss.value is None
        or not loss.chance > 0
        or not math.isfinite(loss.value)
    ):
        return
    ratio = loss.value / loss.chance
    if ratio < BELOW:
        yield Finding(
            "loss-below-chance",
            "warning",
            f"the first loss is {loss.value:.4g}, below the {loss.chance:.4g} of guessing: the targets may be "
            "among the "
            "inputs, or the model be trained already",
            measured=loss.value,
            expected=loss.chance,
        )
        return
    if ratio < ABOVE:
        return
    squared = loss.classes is None
    missed = loss.offset is not None and loss.offset >= OFFSET * (loss.value - loss.chance)
    severe = ratio >= FAR_ABOVE_SQUARED and not missed if squared else ratio >= FAR_ABOVE
    guess = "the targets' mean" if squared else "guessing"
    yield Finding(
        "loss-above-chance",
        "severe" if severe else "warning",
        f"the first loss is {loss.value:.5g}, {ratio:.3g} times the {loss.chance:.4g} of {guess}"
        + (": the outputs' mean is off the targets'" if missed else ""),
        where=start.layers[-1].title if start.layers else None,
        measured=loss.value,
        expected=loss.chance,
        remedy=_centred(start) if missed else _nearer(start, loss, ratio),
    )


def _centred(start: ModelStart) -> str:
    biases = biases_of(start, start.layers[-1]) if start.layers else []
    if not biases:
        return "targets = (targets - targets.mean(0)) / targets.std(0)"
    return f"with torch.no_grad():\n    {expression(biases[0])}.copy_(targets.mean(0))"


def _nearer(start: ModelStart, loss: LossStart, ratio: float) -> str:
    if loss.logit_rms:
        return _smaller_head(start, loss)
    if not start.layers:
        return initialize(start)
    last = start.layers[-1]
    return scale([last.weight], min(1.0, 1 / math.sqrt(ratio)), biases_of(start, last))


RULES: Final = (output_saturated, loss_from_chance)
