"""Rules over the weights themselves: zeros, duplicates, copied layers, and sizes from a wrong fan."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

from goodinit.checkup.rules.remedies import initialize, redraw, wrapped
from goodinit.model_records import LayerStart, ModelStart, ParameterStart
from goodinit.results import Finding
from goodinit.wording import listed

__all__ = ["RULES"]

DUPLICATES: Final = 0.5  # of a layer's units
WRONG: Final = 3.0  # times too large or too small in standard deviation, where a wrong fan is severe
FAN_RATIO: Final = 1.25
SIGMAS: Final = 5.0  # sampling errors of a standard deviation within which it is taken for a formula's
MANY: Final = 3  # layers, from which the whole model is reinitialized
_DRAWN: Final = {"He's sqrt(2)": math.sqrt(2), "1": 1.0, "Glorot's 1": 1.0, "PyTorch's default": 1 / math.sqrt(3)}
_GAINS: Final = {**_DRAWN, "tanh's 5/3": 5 / 3, "selu's 3/4": 0.75}
_ROUND: Final = (0.001, 0.002, 0.005, 0.006, 0.01, 0.02, 0.05, 0.1, 0.2)


def all_zero(start: ModelStart) -> Iterator[Finding]:
    """Weights that are zero: a fault where they cannot move, or where nothing else breaks the symmetry."""
    zero = [each for each in start.parameters if len(each.shape) > 1 and each.rms == 0 and 0 not in each.shape]
    if not zero:
        return
    places: dict[str, LayerStart] = {}
    for layer in start.layers:
        places[layer.weight] = layer
    ends = {layer.weight for layer in start.layers if layer.residual} | {
        start.layers[-1].weight if start.layers else ""
    }
    if start.backward:
        stuck = [each for each in zero if not each.gradient_rms and each.trainable and each.has_gradient]
    else:
        stuck = [each for each in zero if each.name in places and each.name not in ends]
    if stuck:
        every = all(each.rms == 0 for each in start.parameters if len(each.shape) > 1)
        one = places.get(stuck[0].name)
        local = len(stuck) == 1 and one is not None
        yield Finding(
            "all-zero",
            "severe",
            f"{'every weight' if every else listed([each.name for each in stuck])} is zero, and "
            + ("gets no gradient but zero" if start.backward else "passes nothing on"),
            where=stuck[0].name,
            measured=0.0,
            expected=stuck[0].std_expected,
            remedy=redraw(start, one) if local and one is not None else initialize(start),
        )
    rest = [each for each in zero if each not in stuck and each.name in places]
    if rest:
        yield Finding(
            "zero-start",
            "info",
            f"{listed([each.name for each in rest])} is zero and will move at the first step, as a residual "
            "branch's end "
            "or an output layer may start",
            where=rest[0].name,
            measured=0.0,
        )


def identical_units(start: ModelStart) -> Iterator[Finding]:
    """Units with the same weights; duplicates that get the same gradient never part."""
    duplicates = [
        each
        for each in start.parameters
        if each.duplicates and each.units and each.rms > 0 and each.finite and each.duplicate_gradients is not False
    ]  # where the gradients differ, the layers behind tell the duplicates apart
    if not duplicates:
        return
    first = duplicates[0]
    severe = [
        e
        for e in duplicates
        if (e.duplicates or 0) >= DUPLICATES * (e.units or 1) and (e.duplicate_gradients or e.std == 0)
    ]
    layers = [layer for layer in start.layers if layer.weight in {each.name for each in duplicates}]
    parting = (
        "and get the same gradient, so that they never part"
        if first.duplicate_gradients
        else "and no gradient parted them"
    )
    which = f"all {first.units}" if first.duplicates == first.units else f"{first.duplicates} of {first.units}"
    yield Finding(
        "identical-units",
        "severe" if severe else "warning",
        f"units of {listed([each.name for each in duplicates])} are alike: in {first.name}, {which} have the weights "
        "of another " + parting,
        where=first.name,
        measured=float(first.duplicates or 0),
        expected=0.0,
        remedy=redraw(start, layers[0]) if len(duplicates) == len(layers) == 1 else initialize(start),
    )


def identical_layers(start: ModelStart) -> Iterator[Finding]:
    """Layers that are copies of another, as `nn.TransformerEncoder` makes them."""
    called = {layer.weight for layer in start.layers}
    copies = [each for each in start.parameters if each.same_as is not None and (each.fan_in or each.name in called)]
    if not copies:
        return
    parallel = [each for each in copies if each.same_gradient]
    first = (parallel or copies)[0]
    yield Finding(
        "identical-layers",
        "severe" if parallel else "warning",
        f"{len(copies)} weights are copies of an earlier one: {first.name} has the values of {first.same_as}"
        + (", and its gradient too, so that they never part" if parallel else ""),
        where=first.name,
        measured=float(len(copies)),
        expected=0.0,
        remedy=initialize(start),
    )


def wrong_fan(start: ModelStart) -> Iterator[Finding]:
    """Transposed or grouped convolutions drawn with a fan that is not theirs, as PyTorch computes it."""
    found: list[tuple[float, ParameterStart, LayerStart, tuple[str, float, float]]] = []
    layers = {layer.weight: layer for layer in reversed(start.layers)}
    for each in start.parameters:
        if each.fan_in is None or each.std <= 0 or each.role != "weight" or len(each.shape) < 3:
            continue
        told = _torch_fans(each)
        if all(_near(one, other) for one, other in zip(told, (each.fan_in, each.fan_out), strict=True)):
            continue
        rule, layer = _formula(each, told), layers.get(each.name)
        if rule is None or layer is None or layer.weight_std_expected is None:
            continue
        _, fan, right = rule
        times = each.std / layer.weight_std_expected
        off = max(times, 1 / times)
        harmless = layer.norm_after or off < 1.5
        found.append((0.0 if harmless else min(off, math.sqrt(max(fan / right, right / fan))), each, layer, rule))
    if not found:
        return
    rank, each, layer, (name, fan, right) = max(found, key=lambda row: row[0])
    wanted = layer.weight_std_expected
    assert wanted is not None
    which = listed([row[1].name for row in found])
    yield Finding(
        "wrong-fan",
        "info" if rank == 0 else "severe" if rank >= WRONG else "warning",
        f"{which}: {'the' if len(found) == 1 else f'in {each.name}, the'} standard deviation {each.std:.3g} is that of "
        f"gain {name} with the fan {fan:g} that PyTorch computes from the shape; the right one is {right:g}, so that "
        f"it is {each.std / wanted:.2g} times the {wanted:.3g} that {layer.activation or 'no activation'} wants"
        + (" (the norm behind it makes up for that)" if layer.norm_after else ""),
        where=each.name,
        measured=each.std,
        expected=wanted,
        remedy=initialize(start) if len(found) > MANY else "\n".join(redraw(start, row[2]) for row in found),
    )


def _near(one: float, other: float | None) -> bool:
    return other is not None and 1 / FAN_RATIO < one / other < FAN_RATIO


def _torch_fans(each: ParameterStart) -> tuple[float, float]:
    """What `torch.nn.init` takes for fan in and fan out: axes 1 and 0 times the kernel, whatever the layer."""
    taps = math.prod(each.shape[2:])
    return float(each.shape[1] * taps), float(each.shape[0] * taps)


def _formula(each: ParameterStart, told: tuple[float, float]) -> tuple[str, float, float] | None:
    """The gain and the wrong fan that give the measured standard deviation, where the right fan gives it by no gain."""
    assert each.fan_in is not None
    assert each.fan_out is not None
    reach = SIGMAS / math.sqrt(2 * max(math.prod(each.shape), 2)) + 0.005
    mean = (each.fan_in + each.fan_out) / 2
    drawn = (  # what PyTorch's own functions draw, by the fans that they compute
        ("He's sqrt(2)", told[0], each.fan_in),
        ("He's sqrt(2)", told[1], each.fan_out),
        ("1", told[0], each.fan_in),
        ("Glorot's 1", sum(told) / 2, mean),
        ("PyTorch's default", told[0], each.fan_in),
    )

    def matches(gain: float, fan: float) -> bool:
        return abs(each.std * math.sqrt(fan) / gain - 1) <= reach

    if any(matches(gain, fan) for gain in _GAINS.values() for fan in (each.fan_in, mean)):
        return None
    if any(abs(each.std / std - 1) <= reach / 2 for std in _ROUND):
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
        "warning",
        f"{listed([each.name for each in small])}: {len(first.parts)} matrices in one tensor, drawn by Glorot's "
        "rule as if "
        f"they were one: standard deviation {first.std:.3g} instead of {own:.3g} each",
        where=first.name,
        measured=first.std,
        expected=own,
        remedy="\n".join(wrapped(each) for each in small),
    )


RULES: Final = (all_zero, identical_units, identical_layers, wrong_fan, packed_projection)
