"""Rules over the batch and the loss, before any weight is blamed: inputs, targets, scores, modes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from goodinit.checkup.rules.remedies import expression
from goodinit.findings import Limit, Severity
from goodinit.model_records import InputStart, ModelStart
from goodinit.results import Finding

__all__ = ["CONSEQUENCES", "RULES", "at_fault"]

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
        "sensitive-to-rounding",
        "gates-saturated",
    }
)
"""What a batch that is at fault brings about by itself: no weight is blamed for these until it is mended."""


def inputs(start: ModelStart) -> Iterator[Finding]:
    """Inputs that are far from size 1 and mean 0, uneven, or all the same."""
    for each in start.inputs:
        found = _input(each)
        if found is not None:
            severity: Severity = "info" if each.norm_after else found.severity  # nothing is lost, by luck
            yield replace(found, severity=severity, where=each.name, remedy=_standardized(each))


def _input(each: InputStart) -> Finding | None:
    sizes = {"low": each.low, "high": each.high, "mean": each.mean, "rms": each.rms}
    if each.moving == 0:
        return Finding("inputs-constant", "severe", measured=0.0, expected=1.0)
    if each.uneven is not None and (severity := _severity(each.uneven, UNEVEN)):
        return Finding("inputs-uneven", severity, None, {"feature": each.largest}, each.uneven, 1.0)
    if each.offset is not None and (severity := _severity(each.offset, OFFSET)):
        return Finding("inputs-not-centred", severity, None, sizes, each.offset, 0.0)
    severity = _severity(each.rms, LARGE) or _severity(1 / each.rms, (1 / SMALL[0], 1 / SMALL[1]))
    return Finding("inputs-not-scaled", severity, None, sizes, each.rms, 1.0) if severity else None


def _severity(value: float, ends: tuple[float, float]) -> Severity | None:
    return Limit(*ends).severity(value)


def _standardized(each: InputStart) -> str:
    if each.moving == 0:
        return ""
    axes = "(0, *range(2, inputs.dim()))" if each.by == "channel" else "(0, 1)" if len(each.shape) > 2 else "0"
    lines = f"mean, std = inputs.mean({axes}, keepdim=True), inputs.std({axes}, keepdim=True).clamp_min(1e-12)"
    if each.by is None:
        lines = "mean, std = inputs.mean(), inputs.std().clamp_min(1e-12)"
    mended = f"{lines}  # in use those of the training set\ninputs = (inputs - mean) / std"
    if each.name == "inputs":
        return mended
    if each.name.count("[") == 1 and each.name.endswith("']"):
        return mended.replace("inputs", each.name)
    place = each.name.removeprefix("inputs[").removesuffix("]")
    if place.isdigit():
        rest = f"inputs = (*given[:{place}], inputs, *given[{int(place) + 1}:])"
        return f"given, inputs = inputs, {each.name}\n{mended}\n{rest}"
    return ""


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
            values={"outputs": str(outputs), "targets": str(wanted)},
            measured=loss.total,
            remedy=f"targets = targets.reshape({outputs})",
        )
    if loss.alone:
        yield Finding(
            "targets-alike",
            "warning",
            values={"case": None if loss.classes is not None else "number"},
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
            values={"case": "sigmoid" if sigmoid else None, "loss": loss.term},
            measured=loss.value,
            expected=loss.chance,
        )
    elif loss.scores == "positive":
        yield Finding(
            "activation-before-loss",
            "severe",
            values={"loss": loss.term},
        )
    elif loss.scores == "not logarithms":
        yield Finding(
            "scores-not-logarithms",
            "severe",
            measured=loss.total,
            expected=loss.chance,
            remedy="loss = torch.nn.functional.cross_entropy",
        )


def modes(start: ModelStart) -> Iterator[Finding]:
    """A dropout that leaves next to nothing, and running statistics that are not those of the batch."""
    if start.dropout >= DROPOUT:
        yield Finding(
            "dropout-too-large",
            "warning",
            values={"rest": 1 / max(1 - start.dropout, 1e-12)},
            measured=start.dropout,
            expected=0.5,
            remedy="for module in model.modules():\n"
            f"    if type(module).__name__.startswith('Dropout') and module.p >= {DROPOUT:g}:\n"
            "        module.p = 0.1",
        )
    stale = [n for n in start.norms if n.offset > STALE_OFFSET or not 1 / STALE_SCALE < n.scale < STALE_SCALE]
    if stale and start.backward:
        worst = max(stale, key=lambda norm: max(norm.offset, norm.scale, 1 / max(norm.scale, 1e-12)))
        yield Finding(
            "stale-statistics",
            "warning",
            values={"count": len(stale), "norms": len(start.norms), "offset": worst.offset},
            where=worst.name,
            measured=worst.scale,
            expected=1.0,
            remedy="model.train()",
        )


def silent_norm(start: ModelStart) -> Iterator[Finding]:
    """A norm's scale of zero on the only way to the output: all behind it is cut off in both directions."""
    if not start.backward or not start.layers:
        return
    last = start.parameter(start.layers[-1].call.weight)
    scales = [each for each in start.parameters if each.role == "norm scale"]
    silent = [each for each in scales if each.rms == 0 and (each.gradient_rms or 0) > 0]
    if silent and last.gradient_rms == 0 and last.rms > 0:
        yield Finding(
            "silent-norm",
            "severe",
            where=silent[-1].name,
            measured=0.0,
            expected=1.0,
            remedy=f"torch.nn.init.ones_({expression(silent[-1].name)})",
        )


RULES: Final = (inputs, targets, scores, modes, silent_norm)

CAUSES: Final = frozenset({"stale-statistics"})
"""Warnings that bring those consequences about too, beside what is severe of the inputs, targets and scores."""


def at_fault(start: ModelStart) -> bool:
    """Whether the batch, or the mode that it is run in, is at fault for what is found behind it."""
    severe = any(finding.severity == "severe" for rule in (inputs, targets, scores) for finding in rule(start))
    return severe or any(finding.code in CAUSES for finding in modes(start))
