"""Rules over the weights themselves: zeros, duplicates, copied layers, and sizes from a wrong fan."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from goodinit.checkup.rules import shared
from goodinit.checkup.rules.remedies import initialize, redraw, scale, wrapped
from goodinit.model_records import LayerStart, ModelStart, ParameterStart
from goodinit.results import Finding

__all__ = ["GAINS", "ROUND_STDS", "RULES"]

WRONG: Final = 3.0  # times too large or too small in standard deviation, where a wrong fan is severe
FELT: Final = 2.05  # times, as of a kernel of 4 at a stride of 2, up to which trainings do not tell it
FAN_RATIO: Final = 1.25
SIGMAS: Final = 5.0  # sampling errors of a standard deviation within which it is taken for a formula's
DROWNED: Final = 50.0  # times; sinusoids beside a table of deviation 0.02 are 35 times as large
SAME: Final = 1e-6  # spread, up to which the outputs of different inputs are one
MANY: Final = 3  # layers, from which the whole model is reinitialized
_DRAWN: Final = {"He's sqrt(2)": math.sqrt(2), "1": 1.0, "Glorot's 1": 1.0, "PyTorch's default": 1 / math.sqrt(3)}
GAINS: Final = (*dict.fromkeys(_DRAWN.values()), 5 / 3, 0.75)  # tanh's and selu's too
ROUND_STDS: Final = (0.001, 0.002, 0.005, 0.006, 0.01, 0.02, 0.05, 0.1, 0.2)


def all_zero(start: ModelStart) -> Iterator[Finding]:
    """Weights that are zero: a fault where they cannot move, or where nothing else breaks the symmetry."""
    zero = [each for each in start.parameters if len(each.shape) > 1 and each.rms == 0 and 0 not in each.shape]
    if not zero:
        return
    places: dict[str, LayerStart] = {}
    for layer in start.layers:
        places[layer.call.weight] = layer
    ends = {layer.call.weight for layer in start.layers if layer.call.residual} | {
        start.layers[-1].call.weight if start.layers else ""
    }
    if any(each.rms == 0 and each.role != "bias" and (each.gradient_rms or 0) > 0 for each in start.parameters):
        stuck = []  # a zero output layer or branch end moves at the first step, and then they do
    elif start.backward:
        stuck = [each for each in zero if not each.gradient_rms and each.trainable and each.has_gradient]
    else:
        stuck = [each for each in zero if each.name in places and each.name not in ends]
        spreads = [layer.signal.spread for layer in start.layers if layer.signal.spread is not None]
        stuck = [] if spreads and spreads[-1] > SAME else stuck  # what differs near the end came past them
    if stuck:
        every = all(each.rms == 0 for each in start.parameters if len(each.shape) > 1)
        one = places.get(stuck[0].name)
        local = len(stuck) == 1 and one is not None
        case = "-".join(word for word, said in (("every", every), ("gradient", start.backward)) if said)
        yield Finding(
            "all-zero",
            "severe" if every or any(each.name in places for each in stuck) else "warning",
            stuck[0].name,
            {"case": case or None, "names": [each.name for each in stuck]},
            0.0,
            stuck[0].std_expected,
            redraw(start, one) if local and one is not None else initialize(start),
        )
    rest = [each for each in zero if each not in stuck and each.name in places]
    if rest:
        yield Finding("zero-start", "info", rest[0].name, {"names": [each.name for each in rest]}, 0.0)


def identical_units(start: ModelStart) -> Iterator[Finding]:
    """Units with the same weights; duplicates that get the same gradient never part."""
    duplicates = [
        each
        for each in start.parameters
        if each.copies.duplicates and each.rms > 0 and each.finite and each.copies.duplicate_gradients is not False
    ]  # where the gradients differ, the layers behind tell the duplicates apart
    if not duplicates:
        return
    layers = [layer for layer in start.layers if layer.call.weight in {each.name for each in duplicates}]
    found = shared.identical_units(
        [
            {
                "case": "all" if each.copies.duplicates == each.copies.units else None,
                "name": each.name,
                "units": each.copies.units,
                "duplicates": each.copies.duplicates,
                "stuck": bool(each.copies.duplicate_gradients or each.std == 0),
            }
            for each in duplicates
        ],
        "same-gradient" if duplicates[0].copies.duplicate_gradients else "no-gradient",
    )
    if found:
        remedy = redraw(start, layers[0]) if len(duplicates) == len(layers) == 1 else initialize(start)
        yield replace(found, where=duplicates[0].name, remedy=remedy)


def identical_layers(start: ModelStart) -> Iterator[Finding]:
    """Layers that are copies of another, as `nn.TransformerEncoder` makes them.

    Tables are not, while their gradients differ: an encoder's and a decoder's of places are computed alike.
    """
    called = {layer.call.weight: layer.call.kind for layer in start.layers}
    copies = [each for each in start.parameters if each.copies.same_as is not None and each.trainable]
    copies = [each for each in copies if each.fan_in or each.name in called]
    copies = [each for each in copies if called.get(each.name) != "embedding" or each.copies.same_gradient]
    if not copies:
        return
    parallel = [each for each in copies if each.copies.same_gradient]
    first = (parallel or copies)[0]
    case = "same-gradient" if parallel else None
    yield Finding(
        "identical-layers",
        "severe" if parallel else "warning",
        first.name,
        {"case": case, "count": len(copies), "original": first.copies.same_as},
        float(len(copies)),
        0.0,
        initialize(start),
    )


def wrong_fan(start: ModelStart) -> Iterator[Finding]:
    """Transposed or grouped convolutions drawn with a fan that is not theirs, as PyTorch computes it."""
    found: list[tuple[float, ParameterStart, LayerStart, tuple[str, float, float]]] = []
    layers = {layer.call.weight: layer for layer in reversed(start.layers)}
    for each in start.parameters:
        if each.fan_in is None or each.std <= 0 or each.role != "weight" or len(each.shape) < 3:
            continue
        framework = _torch_fans(each)
        if all(_near(one, other) for one, other in zip(framework, (each.fan_in, each.fan_out), strict=True)):
            continue
        rule, layer = _formula(each, framework), layers.get(each.name)
        if rule is None or layer is None or layer.weight_std_expected is None:
            continue
        _, fan, right = rule
        times = each.std / layer.weight_std_expected
        off = max(times, 1 / times)
        harmless = layer.call.norm_after or off < 1.5
        found.append((0.0 if harmless else min(off, math.sqrt(max(fan / right, right / fan))), each, layer, rule))
    if not found:
        return
    rank, each, layer, (name, fan, right) = max(found, key=lambda row: row[0])
    wanted = layer.weight_std_expected
    assert wanted is not None
    yield Finding(
        "wrong-fan",
        "severe" if rank >= WRONG else "warning" if rank > FELT else "info",
        each.name,
        {
            "case": "norm" if layer.call.norm_after else None,
            "names": [row[1].name for row in found],
            "gain": name,
            "fan": fan,
            "right": right,
            "times": each.std / wanted,
            "activation": layer.call.activation,
        },
        each.std,
        wanted,
        initialize(start) if len(found) > MANY else "\n".join(redraw(start, row[2]) for row in found),
    )


def _near(one: float, other: float | None) -> bool:
    return other is not None and 1 / FAN_RATIO < one / other < FAN_RATIO


def _torch_fans(each: ParameterStart) -> tuple[float, float]:
    """What `torch.nn.init` takes for fan in and fan out: axes 1 and 0 times the kernel, whatever the layer."""
    taps = math.prod(each.shape[2:])
    return float(each.shape[1] * taps), float(each.shape[0] * taps)


def _formula(each: ParameterStart, framework: tuple[float, float]) -> tuple[str, float, float] | None:
    """The gain and the wrong fan that give the measured standard deviation, where the right fan gives it by no gain."""
    assert each.fan_in is not None
    assert each.fan_out is not None
    reach = SIGMAS / math.sqrt(2 * max(math.prod(each.shape), 2)) + 0.005
    mean = (each.fan_in + each.fan_out) / 2
    drawn = (  # what PyTorch's own functions draw, by the fans that they compute
        ("He's sqrt(2)", framework[0], each.fan_in),
        ("He's sqrt(2)", framework[1], each.fan_out),
        ("1", framework[0], each.fan_in),
        ("Glorot's 1", sum(framework) / 2, mean),
        ("PyTorch's default", framework[0], each.fan_in),
    )

    def matches(gain: float, fan: float) -> bool:
        return abs(each.std * math.sqrt(fan) / gain - 1) <= reach

    if any(matches(gain, fan) for gain in GAINS for fan in (each.fan_in, mean)):
        return None
    if any(abs(each.std / std - 1) <= reach / 2 for std in ROUND_STDS):
        return None  # chosen, not computed
    for name, wrong, right in drawn:
        if not _near(wrong, each.fan_in) and matches(_DRAWN[name], wrong):
            return name, wrong, each.fan_in if right == each.fan_out else right
    return None


def packed_projection(start: ModelStart) -> Iterator[Finding]:
    """Query, key and value, or gates, drawn as one matrix: Glorot's fan out is then that of all of them."""
    small: list[ParameterStart] = []
    for each in start.parameters:
        if len(each.parts) < 2 or each.fan_in is None or each.fan_out is None or not each.std > 0:
            continue
        reach = SIGMAS / math.sqrt(2 * max(math.prod(each.shape), 2)) + 0.005
        if each.role.startswith("recurrent") and abs(each.std * math.sqrt(3 * each.parts[0]) - 1) <= reach:
            continue  # PyTorch's own, which is the same where an input is as wide as the state
        whole = math.sqrt(2 / (each.fan_in + sum(each.parts)))
        own = math.sqrt(2 / (each.fan_in + each.fan_out))
        if abs(each.std / whole - 1) <= reach and abs(each.std / own - 1) > reach:
            small.append(each)
    if not small:
        return
    first = small[0]
    assert first.fan_in is not None
    assert first.fan_out is not None
    own = math.sqrt(2 / (first.fan_in + first.fan_out))
    yield Finding(
        "packed-projection-too-small",
        "info",  # by sqrt(2) for three: trainings do not tell it
        first.name,
        {"names": [each.name for each in small], "parts": len(first.parts)},
        first.std,
        own,
        wrapped(start, small),
    )


def positions(start: ModelStart) -> Iterator[Finding]:
    """A table of places so much larger than the look-up that it is added to that no token is told from another."""
    found = {name: (layer, times) for layer in start.layers for name, times in layer.beside if times >= DROWNED}
    for name, (layer, times) in found.items():
        remedy = scale(start, [name], 1 / times)
        yield Finding("positions-too-large", "warning", name, {"table": layer.call.weight}, times, 1.0, remedy)


RULES: Final = (all_zero, identical_units, identical_layers, wrong_fan, packed_projection, positions)
