"""Rules over attentions: scores that are not scaled, saturated or all alike, a wrong axis, queries without gradient."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Final

from goodinit.checkup.rules.remedies import initialize, scale
from goodinit.findings import LIMITS
from goodinit.model_records import AttentionStart, LayerStart, ModelStart
from goodinit.results import Finding

__all__ = ["RULES"]

UNSCALED: Final = 2.0  # times 1 / sqrt(head size)
SMALLEST_HEAD: Final = 16  # below it the scale makes little difference
FELT: Final = 1.0  # rms of scores, from which a softmax is far from even
MADE_UP: Final = 0.5  # queries' weights over keys': T5 draws queries with 1 / sqrt(head size) of the keys'
ALIKE: Final = 1e-4  # rms of scores that are all alike


def attention(start: ModelStart) -> Iterator[Finding]:
    """What is found in the attentions, each fault once for all of them."""
    across = [each for each in start.attentions if each.across]
    if across:
        yield Finding(
            "attention-wrong-axis", "severe", across[0].name, {"names": _names(across), "keys": across[0].keys}
        )
    unscaled = [each for each in start.attentions if _unscaled(start, each)]
    if unscaled:
        worst = max(unscaled, key=lambda each: each.scores_rms)
        size = worst.head_size or 1
        yield Finding(
            "attention-not-scaled",
            "warning" if worst.scores_rms >= FELT else "info",
            worst.name,
            {"names": _names(unscaled), "size": size, "rms": worst.scores_rms},
            worst.factor,
            1 / math.sqrt(size),
        )
    judged = [each for each in start.attentions if each not in unscaled and not each.across]
    judged = [each for each in judged if math.isfinite(each.entropy) and math.isfinite(each.scores_rms)]
    limit = LIMITS["attention-saturated"]
    saturated = [each for each in judged if limit.severity(1 - each.entropy)]
    itself = [each for each in saturated if not _by_addition(each)]
    yield from _saturated(start, [each for each in itself if not _normed(start, each)], None)
    yield from _saturated(start, [each for each in itself if _normed(start, each)], "normed")
    yield from _saturated(start, [each for each in saturated if _by_addition(each) and each.added], "added")
    alike = [each for each in judged if each.scores_rms < ALIKE and not _zero(start, each)]
    if alike:
        yield Finding(
            "attention-uniform",
            "warning",
            alike[0].name,
            {"names": _names(alike), "keys": alike[0].keys},
            alike[0].scores_rms,
            remedy=initialize(start),
        )
    judged = [each for each in judged if each not in saturated and each not in alike]
    yield from _unmoved(start, judged)


def _by_addition(each: AttentionStart) -> bool:
    """Whether most of the scores' variance is what is added to them: a bias of places, or constants, as ALiBi's."""
    return 2 * each.added_rms**2 > each.scores_rms**2


def _saturated(start: ModelStart, found: Sequence[AttentionStart], case: str | None) -> Iterator[Finding]:
    """Softmaxes that see next to one key, by their queries and keys, or by what is added to their scores.

    Behind norms the model's own factor decides, and may be meant so.
    """
    if not found:
        return
    worst = min(found, key=lambda each: each.entropy)
    severity = LIMITS["attention-saturated"].severity(1 - worst.entropy) or "warning"
    values = {"names": _names(found), "rms": worst.scores_rms, "keys": worst.keys}
    where, remedy = worst.name, ""
    if case is None:
        remedy = _smaller(start, found)
    elif case == "normed":
        severity, values = "warning", values | {"case": case}
    else:
        names = list(dict.fromkeys(name for each in found for name in each.added))
        where, remedy = names[0], scale(start, names, 1 / max(each.added_rms for each in found))
        values |= {"case": case, "added": names, "added_rms": worst.added_rms}
    yield Finding("attention-saturated", severity, where, values, worst.entropy, 1.0, remedy)


def _unmoved(start: ModelStart, judged: Sequence[AttentionStart]) -> Iterator[Finding]:
    """Queries and keys that get next to no gradient beside the values: where tokens are alike, no score matters.

    Tokens that begin at zero and will move, as those for detection, are alike for a step.
    """
    if any(each.rms == 0 and len(each.shape) > 1 and (each.gradient_rms or 0) > 0 for each in start.parameters):
        return
    limit = LIMITS["attention-gradient"]
    ratios = {at: ratio for at, each in enumerate(judged) if (ratio := _gradients(start, each)) is not None}
    found = [at for at, ratio in ratios.items() if limit.severity(ratio)]
    if found:
        worst = max(found, key=ratios.__getitem__)
        yield Finding(
            "attention-gradient",
            limit.severity(ratios[worst]) or "warning",
            judged[worst].name,
            {"names": _names([judged[at] for at in found]), "times": ratios[worst]},
            1 / ratios[worst],
            1.0,
            initialize(start),
        )


def _gradients(start: ModelStart, each: AttentionStart) -> float | None:
    """The gradient of the values' weight over that of queries' and keys'; of their parts where they share one.

    Of weights, and not of outputs: where tokens are alike, what comes to single queries and keys cancels in the sum.
    """
    packed = [start.parameter(name).values_to_scores for name in each.weights]
    if len(packed) == 1 and packed[0] is not None:
        return packed[0]
    known = {one.name: one.gradient_rms for one in start.parameters if one.gradient_rms}
    layers = [(at, layer) for at, layer in enumerate(start.layers) if layer.call.weight in known]
    asked = [at for at, layer in layers if layer.call.scoring and layer.call.weight in each.weights]
    values = [at for at, layer in layers if layer.call.attended and not layer.call.scoring]
    if not asked or not values:
        return None
    value = min(values, key=lambda at: min(abs(at - other) for other in asked))
    return known[start.layers[value].call.weight] / max(known[start.layers[at].call.weight] for at in asked)


def _names(found: Sequence[AttentionStart]) -> list[str]:
    return [each.name for each in found]


def _unscaled(start: ModelStart, each: AttentionStart) -> bool:
    """Whether scores grow with the head size, and no smaller weights or norm of queries and keys make up for it."""
    size = each.head_size
    if each.across or size is None or size < SMALLEST_HEAD or each.factor * math.sqrt(size) < UNSCALED:
        return False
    layers = _scoring(start, each)
    if not layers or any(layer.call.norm_after for layer in layers):
        return False
    stds = [start.parameter(name).rms for name in each.weights]
    return len(stds) < 2 or stds[0] > MADE_UP * stds[1]


def _scoring(start: ModelStart, each: AttentionStart) -> list[LayerStart]:
    """The layers that make its queries and keys."""
    return [layer for layer in start.layers if layer.call.weight in each.weights and layer.call.scoring]


def _normed(start: ModelStart, each: AttentionStart) -> bool:
    """Whether queries and keys are normalized, so that no weight of theirs makes scores large."""
    layers = _scoring(start, each)
    return bool(layers) and all(layer.call.norm_after for layer in layers)


def _zero(start: ModelStart, each: AttentionStart) -> bool:
    """Whether a weight of zero explains it, which a finding of its own tells."""
    return any(start.parameter(name).rms == 0 for name in each.weights)


def _smaller(start: ModelStart, found: Sequence[AttentionStart]) -> str:
    """Scale queries and keys so that the scores have rms 1; where they share a matrix with the values, reinitialize.

    `small_init` then also brings down a table whose rows are multiplied, from where large scores come: a translator of
    two layers after norms trained to a loss of 0.1 from it in 150 steps, to 0.8 from an orthogonal start.
    """
    names = list(dict.fromkeys(name for each in found for name in each.weights))
    worst = max(each.scores_rms for each in found)
    apart = all(len(each.weights) >= 2 for each in found)
    if apart and worst > 1:
        return scale(start, names, 1 / math.sqrt(worst))
    return 'goodinit.initialize(model, "small_init", seed=0, inputs=inputs)'


RULES: Final = (attention,)
