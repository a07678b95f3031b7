"""One sentence on why a start ended where it did, each part of it from something measured."""

from __future__ import annotations

import math

from goodinit.checkup.measure import EndMeasure, NetworkMeasure
from goodinit.results import Finding

__all__ = ["why"]


def why(
    start: NetworkMeasure,
    end: EndMeasure,
    found: tuple[Finding, ...],
    *,
    steps: int,
    learning_rate: float,
    test_score: float,
    diverged: bool,
    diverged_by: int | None,
) -> str:
    """Cause and outcome: what stood out in the start, then where `steps` steps of training led."""
    cause = _cause(start, end, found, steps)
    too_large = f"the learning rate {learning_rate:g} is too large"
    if diverged_by is not None:
        outcome = f"a number was no longer finite by step {diverged_by:,}: {too_large}"
    elif diverged:
        outcome = f"training diverged, from a loss of {start.loss:.5g} to {end.loss:.5g}: {too_large}"
    else:
        name = "R²" if start.sure_share is None else "accuracy"
        outcome = f"{_outcome(start, end)}, test {name} {test_score:.4g}"
    sentence = f"{cause}; {outcome}."
    return sentence[0].upper() + sentence[1:]


def _cause(start: NetworkMeasure, end: EndMeasure, found: tuple[Finding, ...], steps: int) -> str:
    codes = {finding.code: finding.message for finding in found}
    parts = []
    if "identical-units" in codes:
        parts.append(_identical(start, end, steps))
    if "zero-gradient" in codes:
        parts.append(codes["zero-gradient"])
    if "output-saturated" in codes and start.sure_share is not None:
        parts.append(
            f"{start.sure_share:.0%} of the outputs are saturated before training, {start.sure_and_wrong_share:.0%} "
            f"on the wrong side, so that the first loss is {start.loss:.5g}, "
            f"{start.loss / start.chance_loss:.4g} times that of guessing"
        )
    elif "loss-above-chance" in codes:
        parts.append(codes["loss-above-chance"])
    if "zero-gradient" not in codes:  # which says more than dead units do
        further = ("dead-units", "saturated-units", "vanishing-signal", "exploding-signal")
        parts += [codes[code] for code in further if code in codes]
    if parts:
        return "; ".join(parts)
    units = "no two units are alike, " if start.layers else ""
    if start.sure_share is None:
        return (
            f"{units}every weight has a gradient and the first loss, {start.loss:.4g}, is "
            f"{start.loss / start.chance_loss:.3g} times that of predicting the mean"
        )
    return (
        f"{units}every weight has a gradient, {start.sure_share:.0%} of the outputs are saturated and the first loss, "
        f"{start.loss:.4g}, is near the {start.chance_loss:.4g} of guessing"
    )


def _identical(start: NetworkMeasure, end: EndMeasure, steps: int) -> str:
    duplicates = tuple(layer.units - layer.distinct for layer in start.layers)
    units = sum(layer.units for layer in start.layers)
    if all(layer.distinct == 1 for layer in start.layers):
        which = f"the {units} hidden units are identical within their layers"
    else:
        which = f"{sum(duplicates)} of {units} hidden units are copies of another"
    return f"{which}, and still are after {steps:,} steps" if duplicates == end.duplicates else f"{which} at the start"


def _outcome(start: NetworkMeasure, end: EndMeasure) -> str:
    if math.isclose(start.loss, end.loss, rel_tol=1e-6):
        at_chance = " = ln 2, that of guessing" if math.isclose(end.loss, math.log(2), rel_tol=end.rounding) else ""
        return f"the loss stays at {end.loss:.6f}{at_chance}"
    verb = "falls" if end.loss < start.loss else "rises"
    guess = ""
    if start.sure_share is None and math.isclose(end.loss, start.chance_loss, rel_tol=1e-3):
        guess = ", that of predicting the mean"
    digits = 5 if math.isclose(start.loss, end.loss, rel_tol=0.01) else 3
    return f"the loss {verb} from {start.loss:.5g} to {end.loss:.{digits}g}{guess}"
