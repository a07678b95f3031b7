"""What in the code explains a finding that no start of weights removes: an activation, or what lies between layers."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from typing import Final

from goodinit.checkup.measure import NEAR_BOUND
from goodinit.checkup.model_theory import saturated_where_critical
from goodinit.checkup.rules.signals import hidden
from goodinit.findings import LIMITS
from goodinit.model_records import ModelStart
from goodinit.results import Finding

__all__ = ["in_code"]

_OF_DEPTH: Final = ("collapsed", "vanishing-signal", "vanishing-gradient")


def in_code(start: ModelStart, finding: Finding) -> Finding:
    """The finding, whose remedies did not help, with the case that says what is to be changed in the code.

    Layers of an activation that is critical nowhere, or only where it saturates its units, lose their inputs with depth
    whatever their weights are. Functions without weights, as a sum over neighbours, may make signals grow, or all
    examples alike: where the second happens, the line says.
    """
    if finding.code in _OF_DEPTH and (name := _contracting(start)) is not None:
        return replace(finding, values={**finding.values, "case": "activation", "activation": name})
    if finding.code == "exploding-signal" and (growth := _between(start)) is not None:
        steps, total = growth
        measured = finding.measured or 1.0
        if total > math.sqrt(measured) > 1:  # more than half of the growth, in powers
            values = {"case": "between", "steps": steps, "times": total ** (1 / steps)}
            return replace(finding, values={**finding.values, **values})
    if finding.code == "collapsed":
        return replace(finding, values={**finding.values, "case": "between"})
    return finding


def _contracting(start: ModelStart) -> str | None:
    """The activation of most hidden layers, where inputs become alike behind it at any start that suits it."""
    layers = hidden(start)
    names = Counter(layer.call.activation for layer in layers if not layer.call.norm_after)
    name, count = names.most_common(1)[0] if names else (None, 0)
    if name is None or 2 * count <= len(layers):
        return None
    share = saturated_where_critical(name, NEAR_BOUND)
    return name if share is not None and LIMITS["saturated-units"].severity(share) == "severe" else None


def _between(start: ModelStart) -> tuple[int, float] | None:
    """How often a signal goes from layer to layer up to the last, and what it is multiplied by there in all.

    None where streams are added up: what they grow by is the weights of their branches.
    """
    if start.sums:
        return None
    sizes = [layer.signal.activation_rms_expected or layer.signal.rms for layer in start.layers]
    steps, total, layer = 0, 1.0, hidden(start)[-1]
    while layer.call.after:
        before = layer.call.after[-1]
        gain = layer.signal.gain
        if not gain or not sizes[before] > 0:
            return None
        steps, total = steps + 1, total * layer.signal.rms / gain / sizes[before]
        layer = start.layers[before]
    return (steps, total) if steps and math.isfinite(total) else None
