"""Rules over the batch and the loss, before any weight is blamed: inputs, targets, scores, modes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal

from goodinit.checkup.rules.remedies import expression
from goodinit.model_records import InputStart, ModelStart
from goodinit.results import Finding

__all__ = ["CAUSES", "CONSEQUENCES", "RULES"]

Severity = Literal["severe", "warning", "info"]

# (warning, severe): times the size 1 that every rule of initial weights is made for, or away from it.
LARGE: Final = (5.0, 30.0)
SMALL: Final = (1 / 30, 1e-2)
OFFSET: Final = (3.0, 10.0)  # |mean| over the standard deviation
UNEVEN: Final = (10.0, 100.0)  # times the usual feature
DROPOUT: Final = 0.8
STALE_OFFSET: Final = 3.0
STALE_SCALE: Final = 3.0

CONSEQUENCES: Final = frozenset(
    {
        *("vanishing-signal", "exploding-signal", "weight-too-large", "dead-units", "saturated-units", "collapsed"),
        *("vanishing-gradient", "exploding-gradient", "float16-overflow", "float16-underflow", "output-saturated"),
        *("loss-above-chance", "loss-below-chance", "chaotic", "residual-growth", "update-too-large"),
    }
)
"""What a batch that is at fault brings about by itself: no weight is blamed for these until it is mended."""


def inputs(start: ModelStart) -> Iterator[Finding]:
    """Inputs that are far from size 1 and mean 0, uneven, or all the same."""
    first = next((layer for layer in start.layers if layer.varied), None)
    if first is not None and first.norm_before:
        return
    made_up = first is not None and first.norm_after  # a norm behind the first layer: nothing is lost, by luck
    for each in start.inputs:
        found = _input(each)
        if found is not None:
            code, severity, message, measured, expected = found
            yield Finding(
                code, "info" if made_up else severity, message, each.name, measured, expected, _standardized(each)
            )


def _input(each: InputStart) -> tuple[str, Severity, str, float, float] | None:
    what = f"{each.name} go from {each.low:.3g} to {each.high:.3g}, with mean {each.mean:.3g} and rms {each.rms:.3g}"
    wanted = "initial weights are made for inputs of mean 0 and size 1"
    if each.moving == 0:
        return "inputs-constant", "severe", f"{each.name} are the same in every example", 0.0, 1.0
    if each.uneven is not None and (severity := _severity(each.uneven, UNEVEN)):
        message = (
            f"feature {each.largest} of {each.name} is {each.uneven:.3g} times as large as the usual one: it alone "
            "decides what the first layer gives"
        )
        return "inputs-uneven", severity, message, each.uneven, 1.0
    if each.offset is not None and (severity := _severity(each.offset, OFFSET)):
        message = f"{what}: the mean is {each.offset:.3g} standard deviations from 0, and {wanted}"
        return "inputs-not-centred", severity, message, each.offset, 0.0
    severity = _severity(each.rms, LARGE) or _severity(1 / each.rms, (1 / SMALL[0], 1 / SMALL[1]))
    return ("inputs-not-scaled", severity, f"{what}: {wanted}", each.rms, 1.0) if severity else None


def _severity(value: float, ends: tuple[float, float]) -> Severity | None:
    return "severe" if value >= ends[1] else "warning" if value >= ends[0] else None


def _standardized(each: InputStart) -> str:
    if each.moving == 0:
        return f"# no weight is the cause: look at what makes {each.name}"
    axes = "(0, *range(2, inputs.dim()))" if each.by == "channel" else "0"
    lines = f"mean, std = inputs.mean({axes}, keepdim=True), inputs.std({axes}, keepdim=True).clamp_min(1e-12)"
    if each.by is None:
        lines = "mean, std = inputs.mean(), inputs.std().clamp_min(1e-12)"
    mended = f"{lines}  # in use those of the training set\ninputs = (inputs - mean) / std"
    if each.name == "inputs":
        return mended
    if each.name.count("[") == 1 and each.name.endswith("']"):
        return mended.replace("inputs", each.name)
    return f"# standardize {each.name}, feature by feature, by the training set's mean and deviation"


def targets(start: ModelStart) -> Iterator[Finding]:
    """Targets that do not fit the outputs, or that say nothing."""
    loss = start.loss
    if loss is None:
        return
    if loss.broadcast:
        outputs, wanted = loss.broadcast
        yield Finding(
            "targets-stretched",
            "severe",
            f"outputs of shape {outputs} and targets of shape {wanted} are stretched to each other: every output is "
            "compared with every target, and the best it can learn is the mean",
            measured=loss.total,
            remedy=f"targets = targets.reshape({outputs})",
        )
    if loss.alone:
        what = "one class" if loss.classes is not None else "one number"
        yield Finding(
            "targets-alike",
            "warning",
            f"all targets of the batch are {what}: whatever the inputs are, a bias alone can learn that",
            remedy="# no weight is the cause: shuffle the examples, and look at the targets",
        )


def scores(start: ModelStart) -> Iterator[Finding]:
    """Outputs that are not what the loss wants."""
    loss = start.loss
    if loss is None:
        return
    if loss.scores == "probabilities":
        sigmoid = (loss.term or "").startswith("binary")
        yield Finding(
            "probabilities-as-scores",
            "severe",
            f"{loss.term} was given probabilities where it wants scores, and takes "
            f"{'a sigmoid' if sigmoid else 'the softmax'} a second time: no class can come near 100 %, and gradients "
            "are small",
            measured=loss.value,
            expected=loss.chance,
            remedy=f"# no weight is the cause: leave out the {'sigmoid' if sigmoid else 'softmax'} before {loss.term}",
        )
    elif loss.scores == "positive":
        yield Finding(
            "activation-before-loss",
            "severe",
            f"the scores that {loss.term} was given are never below 0 and often 0: a ReLU lies behind the last layer, "
            "and an example whose right class is cut off cannot be learned",
            remedy=f"# no weight is the cause: leave out the activation before {loss.term}",
        )
    elif loss.scores == "not logarithms":
        yield Finding(
            "scores-not-logarithms",
            "severe",
            f"nll_loss wants logarithms of probabilities, and was given others: the loss of {loss.total:.3g} is none",
            measured=loss.total,
            expected=loss.chance,
            remedy="# no weight is the cause: loss = torch.nn.functional.cross_entropy, of the scores themselves",
        )


def modes(start: ModelStart) -> Iterator[Finding]:
    """A dropout that leaves next to nothing, and running statistics that are not those of the batch."""
    if start.dropout >= DROPOUT:
        yield Finding(
            "dropout-too-large",
            "warning",
            f"a dropout leaves out {start.dropout:.0%} of a signal, and multiplies the rest by "
            f"{1 / max(1 - start.dropout, 1e-12):.3g}",
            measured=start.dropout,
            expected=0.5,
            remedy="# no weight is the cause: 0.1 to 0.5 is usual",
        )
    stale = [n for n in start.norms if n.offset > STALE_OFFSET or not 1 / STALE_SCALE < n.scale < STALE_SCALE]
    if stale and start.backward:
        worst = max(stale, key=lambda norm: max(norm.offset, norm.scale, 1 / max(norm.scale, 1e-12)))
        yield Finding(
            "stale-statistics",
            "warning",
            f"{len(stale)} of {len(start.norms)} batch norms run in evaluation with statistics that are not the "
            f"batch's (in {worst.name} its mean is {worst.offset:.3g} deviations away, and its deviation "
            f"{worst.scale:.3g} times as large): was train() forgotten?",
            where=worst.name,
            measured=worst.scale,
            expected=1.0,
            remedy="model.train()",
        )


def silent_norm(start: ModelStart) -> Iterator[Finding]:
    """A norm's scale of zero on the only way to the output: all behind it is cut off in both directions."""
    if not start.backward or not start.layers:
        return
    last = start.parameter(start.layers[-1].weight)
    scales = [each for each in start.parameters if each.role == "norm scale"]
    silent = [each for each in scales if each.rms == 0 and (each.gradient_rms or 0) > 0]
    if silent and last.gradient_rms == 0 and last.rms > 0:
        yield Finding(
            "silent-norm",
            "severe",
            f"{silent[-1].name} is zero, and lies on the only way to the output: the output does not depend on the "
            "inputs, and no weight before it gets a gradient",
            where=silent[-1].name,
            measured=0.0,
            expected=1.0,
            remedy=f"torch.nn.init.ones_({expression(silent[-1].name)})",
        )


CAUSES: Final = (inputs, targets, scores)
RULES: Final = (*CAUSES, modes, silent_norm)
