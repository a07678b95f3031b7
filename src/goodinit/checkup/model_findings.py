"""All that is found in the numbers of a model's start, and what each code means."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from goodinit.checkup.rules import batch, gradients, signals, weights, whole
from goodinit.model_records import ModelStart
from goodinit.results import Finding

__all__ = ["CODES", "model_findings"]

RULES: Final[tuple[Callable[[ModelStart], Iterator[Finding]], ...]] = (
    *batch.RULES,
    *weights.RULES,
    *signals.RULES,
    *gradients.RULES,
    *whole.RULES,
)
CODES: Final = {
    "inputs-not-scaled": "inputs are far from size 1",
    "inputs-not-centred": "inputs are far from mean 0",
    "inputs-uneven": "one feature is far larger than the others",
    "inputs-constant": "all examples are the same",
    "targets-stretched": "outputs and targets are broadcast to each other",
    "targets-alike": "all targets are the same",
    "probabilities-as-scores": "a softmax or sigmoid lies before a loss that takes it itself",
    "activation-before-loss": "a ReLU lies between the last layer and a cross-entropy",
    "scores-not-logarithms": "nll_loss is given what is no logarithm of probabilities",
    "dropout-too-large": "a dropout leaves next to nothing",
    "stale-statistics": "batch norms run with statistics that are not the batch's",
    "silent-norm": "a norm's scale of zero lies on the only way to the output",
    "all-zero": "weights are zero and cannot move",
    "zero-start": "weights are zero, but will move",
    "identical-units": "units have the weights of another",
    "identical-layers": "layers have the weights of another",
    "wrong-fan": "weights are sized by a fan that is not the layer's",
    "packed-projection-too-small": "several matrices in one tensor were drawn as one",
    "not-finite": "a number is nan or infinite",
    "vanishing-signal": "outputs shrink with depth",
    "exploding-signal": "outputs grow with depth",
    "weight-too-large": "a layer's weights are far larger than theory wants",
    "dead-units": "units get no gradient from any example",
    "saturated-units": "activations lie at their flat ends",
    "collapsed": "different inputs become the same",
    "residual-growth": "the residual stream grows from block to block",
    "float16-overflow": "outputs are near the largest number of float16",
    "float16-underflow": "gradients would be 0 in float16",
    "vanishing-gradient": "gradients shrink on their way back",
    "exploding-gradient": "gradients grow on their way back",
    "chaotic": "small differences grow with depth",
    "backward-failed": "the gradients could not be computed",
    "no-gradient": "a parameter is frozen, or cut off from the loss",
    "unused-parameter": "a parameter took no part in the batch",
    "zero-gradient": "the gradient of a weight is zero everywhere",
    "learning-rate-too-large": "the learning rate is above what the curvature allows",
    "update-too-large": "one step changes weights too much",
    "update-too-small": "one step changes weights too little (`watch`)",
    "loss-rising": "the loss rises in the first steps (`watch`)",
    "output-saturated": "outputs are sure of a class before training",
    "loss-above-chance": "the first loss is above that of guessing",
    "loss-below-chance": "the first loss is below that of guessing",
}
"""Every code that a model's checkup can find, and its meaning; docs/check.md has thresholds and remedies."""

_ORDER: Final = ("severe", "warning", "info")


def model_findings(start: ModelStart) -> tuple[Finding, ...]:
    """What every rule finds, the most severe first; of a batch at fault nothing that the fault brings about."""
    found = [finding for rule in RULES for finding in rule(start)]
    if any(finding.severity == "severe" for rule in batch.CAUSES for finding in rule(start)):
        found = [finding for finding in found if finding.code not in batch.CONSEQUENCES]
    return tuple(sorted(found, key=lambda finding: _ORDER.index(finding.severity)))
