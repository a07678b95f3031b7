"""Rules over what goes forward: its size, its dead and saturated parts, its collapse, and the residual stream."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from statistics import median
from typing import Final

from goodinit.checkup.measure import NEAR_BOUND
from goodinit.checkup.model_theory import baseline_saturation, known
from goodinit.checkup.rules import shared
from goodinit.checkup.rules.remedies import initialize, redraw, scale
from goodinit.findings import LIMITS, Severity
from goodinit.model_records import LayerStart, ModelStart, SumStart
from goodinit.results import Finding

__all__ = ["LAYER_SCALE", "RULES", "ends", "hidden", "reinitialize"]

COLLAPSED: Final = 1e-3  # spread of the last layer's outputs, and 10 times that for a warning
LOST: Final = 1e-2  # of the spread at the start
LARGE_OUTPUT: Final = 2.0  # rms, below which large weights make up for a small input, as T5's output layer does
USUAL_OUTPUT: Final = 1.0  # rms, which by itself brings next to nothing to the ends of a sigmoid
HELD: Final = 0.1  # of a gate that is closed all but always; 1 less this of one that is open
MANY: Final = 3  # layers, from which the whole model is reinitialized
GROWTH: Final = 10.0  # of a residual stream
DOUBLING: Final = 1.5  # its mean growth in variance a block from which it is exponential
UNSCALED_GROWTH: Final = 2.5
LAYER_SCALE: Final = 0.15  # what multiplies a branch: CaiT's begins at 0.1, or at 1e-5 where it is deep
QUIET: Final = 0.5  # of a stream, that its branches add together: it goes on nearly as it is, as in EGNN
KEPT_SIZE: Final = 0.5  # what an activation leaves of a stream at least
FULL_SIZE: Final = 0.7
FEWEST_BLOCKS: Final = 8
FEWEST_SUMS: Final = 4
HALF_LARGEST: Final = 65504.0
UNDERFLOWN: Final = 0.5


def hidden(start: ModelStart) -> list[LayerStart]:
    """The layers that a signal goes through on its way: without tables, and without the output, or several of them."""
    through = [
        layer
        for layer in start.layers
        if layer.call.varied and layer.call.kind != "embedding" and 0 not in layer.call.output_shape
    ]
    outputs = 1
    while outputs < len(through) and through[-outputs - 1].call.last:
        outputs += 1
    return through[:-outputs]


def ends(values: Sequence[float]) -> tuple[float, float]:
    """The medians of the first and the last three, of the first and the last where there are fewer than six."""
    if len(values) < 6:
        return values[0], values[-1]
    return median(values[:3]), median(values[-3:])


def _scaled_down(start: ModelStart) -> bool:
    """Whether most branches are multiplied by next to nothing before they are added, or all of them add little."""
    if 2 * sum(each.scale < LAYER_SCALE for each in start.sums) > len(start.sums):
        return True
    sizes = [
        max((start.layers[index].signal.rms for index in each.calls), default=math.inf) / each.stream_rms
        for each in start.sums
        if each.stream_rms > 0
    ]
    return bool(sizes) and sum(sizes) < QUIET


def _learned_tokens(start: ModelStart) -> int | None:
    """The first call that is given learned tokens, the same for each example, as latents and class tokens are.

    What comes after it is alike at first, whatever the inputs are: those come in by attention alone.
    """
    for layer in start.layers:
        call = layer.call
        if not call.varied and call.kind != "embedding" and start.examples in call.input_shape[:-1]:
            return call.index
    return None


def not_finite(start: ModelStart) -> Iterator[Finding]:
    """Numbers that are infinite or none, and where the first of them appears."""
    where = start.first_not_finite
    if where is None:
        return
    if where == "the inputs":
        remedy = "inputs = torch.nan_to_num(inputs)"
    elif where.startswith("parameter "):
        remedy = initialize(start)
    else:
        finite = [layer.signal.rms for layer in start.layers if layer.signal.finite and math.isfinite(layer.signal.rms)]
        grown = bool(finite) and max(finite) > 1e4
        remedy = reinitialize(start) if grown else ""
    placed = None if remedy else "place"
    case = {"the inputs": "inputs", "the loss": "loss"}.get(where, placed)
    yield Finding("not-finite", "severe", where.removeprefix("parameter "), {"case": case}, remedy=remedy)


def signal_size(start: ModelStart) -> Iterator[Finding]:
    """Outputs that shrink or grow by a factor of a hundred from the first layers to the last."""
    streams = {index: each.total_rms for each in start.sums for index in each.calls}  # what goes on from a branch's end
    sizes = [
        (layer, streams.get(layer.call.index, layer.signal.rms))
        for layer in hidden(start)
        # A norm, or a softmax, makes up for its size; a gate's is not that of what it multiplies.
        if layer.signal.finite and not (layer.call.norm_after or layer.call.scoring or layer.call.gating)
    ]
    layers = [(layer, size) for layer, size in sizes if 0 < size < math.inf]
    if len(layers) < 2:
        return
    first, last = ends([size for _, size in layers])
    ratio = last / first
    values = {
        "first": layers[0][0].title,
        "first_rms": first,
        "last_rms": last,
        "rate": ratio ** (1 / (len(layers) - 1)),
    }
    found = shared.signal(ratio, case="layers", **values)
    if found:
        yield replace(found, where=layers[-1][0].title, remedy=reinitialize(start))


def huge_weights(start: ModelStart) -> Iterator[Finding]:
    """Layers that multiply their input by far more than theory wants."""
    found = []
    for layer in start.layers:
        if layer.call.norm_after or layer.weight_std_expected is None or layer.call.kind == "embedding":
            continue
        factor = abs(layer.call.output_scale)  # as of a readout, or of learned queries before their softmax
        times = layer.weight_std * factor / layer.weight_std_expected
        if layer.signal.rms * factor <= LARGE_OUTPUT or layer.signal.gain is None:
            continue
        if LIMITS["weight-too-large"].severity(min(times, layer.signal.gain * factor)):
            found.append((times, layer))
    if not found:
        return
    times, worst = max(found, key=lambda pair: pair[0])
    yield Finding(
        "weight-too-large",
        "warning",
        worst.title,
        {
            "names": [layer.title for _, layer in found],
            "times": times,
            "fan_in": worst.fan_in,
            "activation": worst.call.activation,
        },
        worst.weight_std,
        worst.weight_std_expected,
        _redrawn(start, [layer for _, layer in found]),
    )


def _redrawn(start: ModelStart, layers: Sequence[LayerStart]) -> str:
    """Reinitialize these layers; all of the model where they are many."""
    if len(layers) > MANY:
        return initialize(start)
    return "\n".join(dict.fromkeys(redraw(start, layer) for layer in layers))


def dead(start: ModelStart) -> Iterator[Finding]:
    """Units that no example switches on."""
    known = [
        (layer, layer.signal.dead_share or 0.0)
        for layer in start.layers
        if layer.call.varied and layer.signal.rms > 0 and (layer.signal.gain is not None or layer.signal.spread != 0)
    ]  # without those that get zeros, as behind a norm of scale 0
    opening = any(each.role == "norm scale" and each.rms == 0 and each.gradient_rms != 0 for each in start.parameters)
    layers = [
        (layer, share)
        for layer, share in known
        # A norm of scale 0 that will move holds an activation that is not flat there, as silu, at 0.
        if LIMITS["dead-units"].severity(share) and not (opening and layer.signal.activation_rms == 0)
    ]
    if not layers:
        return
    worst, _ = max(layers, key=lambda pair: pair[1])
    found = shared.dead_units(
        [{"name": layer.title, "share": share} for layer, share in layers],
        activation=worst.call.activation,
        mean=worst.signal.mean,
        rms=worst.signal.rms,
    )
    if found:
        yield replace(found, where=worst.title, remedy=_redrawn(start, [layer for layer, _ in layers]))


def saturated(start: ModelStart) -> Iterator[Finding]:
    """Activations at the flat ends of a bounded activation, beyond what standard normal inputs would give."""
    layers = [layer for layer in start.layers if LIMITS["saturated-units"].severity(_excess(layer))]
    if not layers:
        return
    worst = max(layers, key=_excess)
    found = shared.saturated_units(
        [{"name": layer.title, "share": layer.signal.saturated_share, "excess": _excess(layer)} for layer in layers],
        _usual_saturation(worst.call.activation or ""),
        activation=worst.call.activation,
        rms=worst.signal.rms,
    )
    if found:
        yield replace(found, where=worst.title, remedy=_redrawn(start, layers))


def _excess(layer: LayerStart) -> float:
    if layer.call.activation is None or not layer.call.varied or _held(layer):
        return 0.0
    return shared.excess(layer.signal.saturated_share, _usual_saturation(layer.call.activation))


def _usual_saturation(name: str) -> float:
    """Of standard normal inputs, as it is measured: at the bounds themselves where they are kinks."""
    activation = known(name)
    return baseline_saturation(name, 0.0 if activation is not None and activation.can_die else NEAR_BOUND)


def _held(layer: LayerStart) -> bool:
    """Whether a gate is held open or closed by what is added behind the layer, as by the offsets of a state space.

    What the layer makes is no larger than usual, and nearly every gate is at the same one of its ends.
    """
    after = layer.signal.activation_rms
    one_sided = after is not None and not HELD < after < 1 - HELD
    return layer.call.activation == "sigmoid" and one_sided and layer.signal.rms <= USUAL_OUTPUT


def collapsed(start: ModelStart) -> Iterator[Finding]:
    """Different inputs that become the same, which the size of the outputs does not show."""
    if _scaled_down(start):
        return  # a class token that most branches leave as it is
    zero = {each.name for each in start.parameters if each.rms == 0}  # a branch's end may start so, and moves
    layers = [e for e in hidden(start) if e.call.weight not in zero and not e.call.gating]
    spreads = [(e, e.signal.spread) for e in layers if e.signal.spread is not None]
    if (learned := _learned_tokens(start)) is not None:
        spreads = [(layer, spread) for layer, spread in spreads if layer.call.index < learned]
    if len(spreads) < 2 or (start.input_spread is not None and start.input_spread < LOST):
        return
    first = start.input_spread if start.input_spread is not None else spreads[0][1]
    layer, last = spreads[-1]
    assert first is not None
    assert last is not None
    if not first > 0 or last >= 10 * COLLAPSED or last / first >= 10 * LOST:
        return
    severe = last < COLLAPSED and last / first < LOST
    yield Finding(
        "collapsed",
        "severe" if severe else "warning",
        layer.title,
        {"rms": layer.signal.rms},
        1 - last,
        1 - first,
        initialize(start),
    )


def residual_growth(start: ModelStart) -> Iterator[Finding]:
    """A residual stream that grows from block to block, since no branch is scaled down."""
    sums = _worst_stream(start)
    if len(sums) < FEWEST_SUMS:
        return
    total, mean = _grown(sums)
    if _exponential(sums):
        yield _growth(start, sums, total, mean, "severe")
        return
    later = sums[-1].total_rms / sums[1].total_rms
    if len(sums) >= FEWEST_BLOCKS and later >= UNSCALED_GROWTH and _unscaled(start, sums):
        yield _growth(start, sums, later, mean, "warning")


def reinitialize(start: ModelStart) -> str:
    """Reinitialize the model; scale the branches where a residual stream is what grows."""
    sums = _worst_stream(start)
    return _scaled_branches(start, sums, True) if _exponential(sums) else initialize(start)


def _worst_stream(start: ModelStart) -> list[SumStart]:
    """The additions of the stream that grows most, of those that grow exponentially where there are any."""
    streams = [stream for stream in _streams(start) if len(stream) >= FEWEST_SUMS]
    return max(streams, key=lambda stream: (_exponential(stream), _grown(stream)[0]), default=[])


def _streams(start: ModelStart) -> list[list[SumStart]]:
    """The additions, stream by stream.

    A stream goes on where the next addition starts with what the last one left, or with what an activation leaves of
    it; a norm in the stream, a downsampling and another tower begin a new one. A branch that ends in a norm adds the
    same whatever its weights are, and is left out.
    """
    found: list[list[SumStart]] = []
    for each in start.sums:
        finite = each.stream_rms > 0 and each.total_rms > 0 and math.isfinite(each.total_rms)
        if not finite or (each.calls and all(start.layers[index].call.norm_after for index in each.calls)):
            continue
        if found and KEPT_SIZE <= each.stream_rms / found[-1][-1].total_rms <= 1.02:
            found[-1].append(each)
        else:
            found.append([each])
    return found


def _grown(sums: Sequence[SumStart]) -> tuple[float, float]:
    """By how much the stream's rms grows from its start to its end, and its variance in the mean of an addition."""
    log = 2 * math.log(sums[-1].total_rms / sums[0].stream_rms)
    return math.exp(min(log / 2, 700)), math.exp(log / len(sums))


def _exponential(sums: Sequence[SumStart]) -> bool:
    """Whether the stream grows so behind its first addition, which may meet nearly nothing, as a small table.

    It grows so to its end: branches behind norms add the same each time, which is much in the beginning alone.
    """
    if len(sums) < FEWEST_SUMS:
        return False
    later, half = sums[-1].total_rms / sums[0].total_rms, len(sums) // 2
    last = sums[-1].total_rms / sums[half - 1].total_rms
    return later >= GROWTH and min(later ** (2 / (len(sums) - 1)), last ** (2 / (len(sums) - half))) >= DOUBLING


def _unscaled(start: ModelStart, sums: Sequence[SumStart]) -> bool:
    """Whether the weights at the ends of branches are as large, for their fan, as the others of the model."""
    scales = {index: each.scale for each in sums for index in each.calls}

    def sizes(ending: bool) -> list[float]:
        return [
            layer.weight_std / layer.weight_std_expected * scales.get(place, 1.0)
            for place, layer in enumerate(start.layers)
            if (place in scales) == ending and layer.weight_std_expected and not layer.call.norm_after
        ]

    ended, others = sizes(True), sizes(False)
    return bool(ended) and median(ended) >= FULL_SIZE * (median(others) if others else 1.0)


def _growth(start: ModelStart, sums: Sequence[SumStart], total: float, mean: float, severity: Severity) -> Finding:
    names = _ending(start, sums)
    return Finding(
        "residual-growth",
        severity,
        names[0].rpartition(".")[0] if names else None,
        {"additions": len(sums), "rate": mean, "names": names or None},
        total,
        math.sqrt(math.e),
        _scaled_branches(start, sums, severity == "severe"),
    )


def _ending(start: ModelStart, sums: Sequence[SumStart]) -> list[str]:
    """The weights that branches end in."""
    return list(dict.fromkeys(start.layers[index].call.weight for each in sums for index in each.calls))


def _scaled_branches(start: ModelStart, sums: Sequence[SumStart], to_one: bool) -> str:
    """Multiply the ends of the branches so that all of them together add as much as the stream that they meet."""
    names = _ending(start, sums)
    if not names:
        return initialize(start)
    branch = median(math.sqrt(max((s.total_rms / s.stream_rms) ** 2 - 1, 0.0)) for s in sums)
    size = branch if to_one and branch > 1 else 1.0
    own = {each.name for each in start.parameters if each.role == "bias" and each.rms > 0}
    biases = [bias for name in names if (bias := f"{name.rpartition('.')[0]}.bias".lstrip(".")) in own]
    return scale(start, [*names, *biases], 1 / (math.sqrt(len(sums)) * size))


def half_precision(start: ModelStart) -> Iterator[Finding]:
    """Numbers near the ends of what float16 can hold."""
    half = start.dtype == "float16"
    over = [layer for layer in start.layers if layer.signal.finite and layer.signal.largest >= HALF_LARGEST / 4]
    if over:
        worst = max(over, key=lambda layer: layer.signal.largest)
        yield Finding(
            "float16-overflow",
            "warning",
            worst.title,
            {"count": len(over), "calls": len(start.layers)},
            worst.signal.largest,
            HALF_LARGEST,
            _redrawn(start, over),
        )
    under = [layer for layer in start.layers if (layer.gradient.underflow_share or 0.0) >= UNDERFLOWN]
    if under:
        worst = max(under, key=lambda layer: layer.gradient.underflow_share or 0.0)
        yield Finding(
            "float16-underflow",
            "warning" if half else "info",
            worst.title,
            {"count": len(under), "calls": len(start.layers)},
            worst.gradient.underflow_share,
            0.0,
            "loss_scale = 65536.0  # as torch.amp.GradScaler(): scaler.scale(loss).backward(), scaler.step(optimizer)",
        )


RULES: Final = (not_finite, signal_size, huge_weights, dead, saturated, collapsed, residual_growth, half_precision)
