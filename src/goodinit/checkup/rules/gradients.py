"""Rules over what comes back: gradients that vanish, explode or are missing, chaos, and steps that are too large."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from statistics import median
from typing import Final

from goodinit.checkup.rules.remedies import expression, initialize
from goodinit.checkup.rules.signals import LAYER_SCALE, ends, hidden, reinitialize
from goodinit.checkup.rules.weights import GAINS, ROUND_STDS
from goodinit.findings import LIMITS, Severity
from goodinit.model_records import LayerStart, ModelStart, ParameterStart
from goodinit.results import Finding

__all__ = ["RULES"]

CHAOS: Final = 30.0  # what a chain of layers multiplies the mean square of a small difference by
CHAOS_RATE: Final = 1.05  # a layer
LONG: Final = 10  # layers
ROUNDING: Final = 1e3
CUT_OFF: Final = 0.5
_NUMBER: Final = re.compile(r"(?:^|(?<=_))\d+$")  # of a part of a name
_MILDER: Final[dict[Severity, Severity]] = {"severe": "warning", "warning": "info", "info": "info"}


def gradient_size(start: ModelStart) -> Iterator[Finding]:
    """Gradients that shrink or grow on their way back to the first layers."""
    small = {id(start.layers[index]) for index in _behind_layer_scales(start)}
    layers = [layer for layer in hidden(start) if id(layer) not in small]
    layers = [layer for layer in layers if layer.gradient.norm is not None and not layer.call.scoring]
    layers = [
        layer for layer in layers if not layer.call.norm_after
    ]  # behind a norm no weight's size sets a gradient's
    known = [(layer, layer.gradient.norm or 0.0) for layer in layers]
    known = [(layer, norm) for layer, norm in known if norm > 0 and math.isfinite(norm)]
    if len(known) < 2:
        return
    first, last = ends([norm for _, norm in known])
    ratio = first / last
    reached = LIMITS["vanishing-gradient"].severity(max(ratio, 1 / ratio))
    if reached is None:
        return
    again = {layer.call.weight for layer, _ in known if layer.call.number > 0}
    shared = all(layer.call.weight in again for layer, _ in known[:3])  # weights that later steps move as well
    severity = _MILDER[reached] if (ratio < 1 and shared) or _stream_carries(start, ratio) else reached
    yield Finding(
        "vanishing-gradient" if ratio < 1 else "exploding-gradient",
        severity,
        known[0][0].title,
        {"last": known[-1][0].title, "last_norm": last, "first_norm": first},
        ratio,
        1.0,
        reinitialize(start),
    )


def _stream_carries(start: ModelStart, ratio: float) -> bool:
    """Whether gradients come back whole from the last branch's end to the first: they change inside of branches alone.

    FocalNet, 60,000 times smaller there than at its classifier, trains from such a start. CrossViT ends with attention
    of one query, which shares its gradient out among all tokens: 170 times smaller there than in its first branches.
    """
    norms = [layer.gradient.norm for layer in start.layers if layer.call.residual and layer.gradient.norm]
    if len(norms) < 2:
        return False
    first, last = ends(norms)
    return (last / first if ratio < 1 else first / last) < (LIMITS["vanishing-gradient"].warning or math.inf)


def _behind_layer_scales(start: ModelStart) -> set[int]:
    """The calls in branches that are multiplied by next to nothing: their gradients are so too, until it has grown."""
    found: set[int] = set()
    before = -1
    for each in start.sums:
        if not each.calls:
            continue
        if each.scale < LAYER_SCALE:
            found |= set(range(before + 1, max(each.calls) + 1))
        before = max(before, *each.calls)
    return found


def chaotic(start: ModelStart) -> Iterator[Finding]:
    """A chain of layers that draws near inputs apart, by its measured sizes and the theory's susceptibility."""
    best: list[LayerStart] = []
    chain: list[LayerStart] = []
    for layer in start.layers:
        chain = (
            [*chain, layer]
            if layer.signal.susceptibility is not None and math.isfinite(layer.signal.susceptibility)
            else []
        )
        best = max(best, chain, key=len)
    product = math.prod(layer.signal.susceptibility or 1.0 for layer in best)
    rate = product ** (1 / len(best)) if best and product > 0 else 0.0
    if len(best) >= LONG and product >= CHAOS:
        yield Finding(
            "chaotic",
            "severe" if rate >= CHAOS_RATE else "warning",
            best[0].title,
            {"count": len(best), "last": best[-1].title, "product": product},
            rate,
            1.0,
            initialize(start),
        )


def sensitive_to_rounding(start: ModelStart) -> Iterator[Finding]:
    """A small change of the weights that comes out far larger: rounding does too."""
    if start.rounding is not None and start.rounding >= ROUNDING:
        yield Finding(
            "sensitive-to-rounding",
            "severe",
            None,
            {"case": "output"},
            start.rounding,
            math.sqrt(max(len(start.layers), 1)),
            initialize(start),
        )


def no_gradient(start: ModelStart) -> Iterator[Finding]:
    """Parameters that nothing can move: frozen, cut off from the loss, or not reached by this batch."""
    if start.backward_failure is not None and not start.backward:
        yield Finding(
            "backward-failed",
            "severe",
            None,
            {"reason": start.backward_failure},
        )
        return
    fixed = {layer.call.weight for layer in start.layers if layer.call.kind == "embedding" and not layer.call.varied}
    own = [each for each in start.parameters if each.role != "quantized"]
    frozen = [each for each in own if not each.trainable and each.name not in fixed]
    if frozen:
        one, drawn = expression(frozen[0].name), _as_drawn(start, frozen)
        yield Finding(
            "no-gradient",
            "severe" if len(frozen) == len(own) else "warning" if drawn else "info",
            frozen[0].name,
            {"case": "frozen-drawn" if drawn else "frozen", "names": [each.name for each in frozen]},
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
            idle[0].name,
            {"names": [each.name for each in idle]},
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
            cut[0].name,
            {
                "case": "cut",
                "names": [e.name for e in cut],
                "share": share,
                "after": cut[-1].name.rpartition(".")[0] or None,
            },
            share,
            0.0,
        )


def _as_drawn(start: ModelStart, frozen: list[ParameterStart]) -> bool:
    """Whether frozen weights are as an initializer left them, and not what was trained elsewhere.

    Copies of others, as a target network is, a base beside which adapters begin at zero, tables that no layer
    multiplies by, as of places, and vectors alone, as of norms or what balances experts, are frozen on purpose.
    """
    if any(e.trainable and e.rms == 0 and len(e.shape) > 1 and (e.gradient_rms or 0) > 0 for e in start.parameters):
        return False
    if any(each.copies.same_as is not None for each in frozen):
        return False
    called = {layer.call.weight for layer in start.layers} or {each.name for each in frozen}
    weights = [each for each in frozen if len(each.shape) > 1 and each.rms > 0 and each.name in called]
    return bool(weights) and 2 * sum(map(_by_formula, weights)) >= len(weights)


def _by_formula(each: ParameterStart) -> bool:
    """Whether a standard deviation is one that initializers draw, within its sampling error."""
    fans = [fan for fan in (each.fan_in, each.fan_out) if fan]
    fans += [sum(fans) / 2] if len(fans) == 2 else []
    stds = [*(gain / math.sqrt(fan) for gain in GAINS for fan in fans), *ROUND_STDS, 1.0]
    reach = 3 / math.sqrt(2 * max(math.prod(each.shape), 2)) + 0.005
    return any(abs(each.std / std - 1) <= reach for std in stds)


def _has_siblings(start: ModelStart, idle: list[ParameterStart]) -> bool:
    """Whether others of the same kind and number got a gradient, as experts do that were sent tokens.

    They are numbered by their place in a list, or by their names, as `expert_2` in a module of nothing but experts.
    """
    kinds: dict[str, set[str]] = {}  # by module, its parts' names without numbers
    for each in start.parameters:
        parts = each.name.split(".")
        for place, part in enumerate(parts):
            kinds.setdefault(".".join(parts[:place]), set()).add(_NUMBER.sub("*", part))

    def family(name: str) -> str:
        parts = name.split(".")
        alike = (len(kinds[".".join(parts[:place])]) == 1 for place in range(len(parts)))
        return ".".join(_NUMBER.sub("*", part) if own else part for part, own in zip(parts, alike, strict=True))

    reached = {family(each.name) for each in start.parameters if each.has_gradient}
    return all(family(each.name) in reached for each in idle)


def zero_gradient(start: ModelStart) -> Iterator[Finding]:
    """Weights whose gradient is zero everywhere, though no zero weight that will move explains it."""
    if not start.backward:
        return
    empty = {layer.call.weight for layer in start.layers if 0 in layer.call.output_shape}
    called = {layer.call.weight for layer in start.layers} - empty
    still = [e for e in start.parameters if e.role == "weight" and e.gradient_rms == 0 and e.name in called]
    opening = [e for e in start.parameters if e.rms == 0 and e.role != "bias" and (e.gradient_rms or 0) > 0]
    if not still or opening:
        return
    loss = start.loss.total if start.loss is not None and start.loss.chance is not None else None
    values = {"names": [each.name for each in still], "loss": loss}
    yield Finding("zero-gradient", "severe", still[0].name, values, 0.0, remedy=initialize(start))


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
                None,
                {"curvature": start.curvature},
                rate,
                most,
                f"learning_rate = {most / 2:.2g}",
            )
    moved = [
        (each, each.update_to_weight)
        for each in start.parameters
        if each.update_to_weight is not None and len(each.shape) > 1 and each.rms > 0
    ]
    if not moved:
        return
    usual = median(update for _, update in moved if update is not None)
    severity = LIMITS["update-too-large"].severity(usual)
    if severity:
        worst, most_moved = max(moved, key=lambda pair: pair[1] or 0.0)
        yield Finding(
            "update-too-large",
            severity,
            worst.name,
            {"most": most_moved},
            usual,
            1e-3,
            f"learning_rate = {rate * 1e-3 / usual:.2g}",
        )


RULES: Final = (gradient_size, chaotic, sensitive_to_rounding, no_gradient, zero_gradient, step_size)
