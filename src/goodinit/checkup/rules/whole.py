"""Rules over the loss and the outputs: sure of themselves before they know anything, or far from chance."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from goodinit.checkup.rules import shared
from goodinit.checkup.rules.remedies import biases_of, expression, initialize, scale
from goodinit.model_records import LossStart, ModelStart
from goodinit.results import Finding

__all__ = ["RULES"]

BELOW: Final = 0.2
OFFSET: Final = 0.5


def output_saturated(start: ModelStart) -> Iterator[Finding]:
    """Outputs that are sure of a class before any training."""
    loss = start.loss
    found = loss and shared.outputs_saturated(loss.sure_share, loss.sure_and_wrong_share, loss.logit_rms)
    if loss and found:
        yield replace(found, where=_last(start), remedy=_smaller_head(start, loss))


def _last(start: ModelStart) -> str | None:
    return start.layers[-1].title if start.layers else None


def _smaller_head(start: ModelStart, loss: LossStart) -> str:
    """Bring the scores to rms 1/2, by the weights of the last layer."""
    if not start.layers or not loss.logit_rms:
        return initialize(start)
    last = start.layers[-1]
    return scale(start, [last.call.weight], min(1.0, 0.5 / loss.logit_rms), biases_of(start, last))


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
        yield Finding("loss-below-chance", "warning", None, {}, loss.value, loss.chance)
        return
    numbers = loss.classes is None
    missed = loss.offset is not None and loss.offset >= OFFSET * (loss.value - loss.chance)
    found = shared.loss_above_chance(loss.value, loss.chance, numbers, offset=missed and numbers)
    if found:
        remedy = _centred(start) if missed else _nearer(start, loss, ratio)
        yield replace(found, where=_last(start), remedy=remedy)


def _centred(start: ModelStart) -> str:
    biases = biases_of(start, start.layers[-1]) if start.layers else []
    if not biases:
        return "targets = (targets - targets.mean(0)) / targets.std(0)"
    images = start.layers[-1].call.kind in ("conv", "conv_transpose")
    mean = "targets.mean((0, *range(2, targets.dim())))" if images else "targets.flatten(0, -2).mean(0)"
    return f"with torch.no_grad():\n    {expression(biases[0])}.copy_({mean})"


def _nearer(start: ModelStart, loss: LossStart, ratio: float) -> str:
    if loss.logit_rms:
        return _smaller_head(start, loss)
    if not start.layers:
        return initialize(start)
    last = start.layers[-1]
    return scale(start, [last.call.weight], min(1.0, 1 / math.sqrt(ratio)), biases_of(start, last))


RULES: Final = (output_saturated, loss_from_chance)
