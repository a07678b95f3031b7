"""Records of layer calls: what was measured of each, beside what theory expects from what lies before and behind it."""

from __future__ import annotations

import math
from collections.abc import Container, Mapping, Sequence
from dataclasses import replace

from goodinit.checkup.model_signals import CallSignals, SumSignals, histogram
from goodinit.checkup.model_theory import expected_std, moments
from goodinit.jsonable import finite_or_none
from goodinit.model_records import LayerGradient, LayerSignal, LayerStart, ParameterStart, SumStart
from goodinit.structure import LayerCall, Trace

__all__ = ["layers_of", "sums_of"]


def layers_of(
    trace: Trace, signals: Mapping[int, CallSignals], parameters: Mapping[str, ParameterStart]
) -> tuple[LayerStart, ...]:
    """The layer calls in execution order."""
    measured = [_Measured(call, signals[call.index], parameters) for call in trace.calls]
    consumers: dict[int, list[int]] = {}
    for call in trace.calls:
        for source in call.sources:
            consumers.setdefault(source, []).append(call.index)
    gating = _gating(trace)
    return tuple(_layer(each, measured, consumers.get(each.call.index, []), gating) for each in measured)


def _gating(trace: Trace) -> set[int]:
    """The calls whose outputs are gates, and those that go into such calls alone."""
    behind: dict[int, list[int]] = {}
    for call in trace.calls:
        for before in call.after:
            behind.setdefault(before, []).append(call.index)
    found: set[int] = set()
    for call in reversed(trace.calls):
        feeds = behind.get(call.index, [])
        if call.gating or (feeds and not call.residual and found.issuperset(feeds)):
            found.add(call.index)
    return found


class _Measured:
    """One call with its numbers, and what is known of its weight."""

    def __init__(self, call: LayerCall, signals: CallSignals, parameters: Mapping[str, ParameterStart]) -> None:
        self.call, self.signals, self.numbers = call, signals, signals.read()
        weight = parameters[call.weight]
        bias = next((parameters[name] for name in call.parameters[1:] if len(parameters[name].shape) == 1), None)
        computed = "weight" in self.numbers
        self.std = self.numbers["weight"] if computed else weight.std
        self.square = self.numbers["weight_square"] if computed else weight.rms**2
        looked_up = [(name, weight.rms * scale) for name, scale in call.beside if name in parameters]
        self.beside = tuple((name, parameters[name].rms / rms) for name, rms in looked_up if rms > 0)
        self.bias_square = 0.0 if bias is None else bias.rms**2
        embeds = call.kind == "embedding"
        known = weight.role != "tied embedding"
        self.fan_in = 1.0 if embeds else (weight.fan_in if known else None) or signals.contracted
        self.fan_out = weight.fan_out if known and not computed else None
        if call.kind in ("linear", "matmul") and self.fan_out is None and call.output_shape:
            self.fan_out = float(call.output_shape[-1])
        if call.kind in ("bilinear", "recurrent"):  # a product of two signals; many steps in one
            self.fan_in = self.fan_out = None

    def of(self, name: str) -> float | None:
        return self.numbers.get(name)

    def moments(self) -> tuple[float, float] | None:
        """(E[phi^2], E[phi'^2]) of what follows, at the measured size."""
        rms = self.of("rms")
        return None if rms is None else moments(self.call.activation, rms * rms)


def _layer(
    measured: _Measured, every: Sequence[_Measured], consumers: Sequence[int], gating: Container[int]
) -> LayerStart:
    return LayerStart(
        call=replace(measured.call, gating=measured.call.index in gating),
        fan_in=measured.fan_in,
        weight_std=measured.std,
        weight_std_expected=_expected_weight_std(measured),
        signal=_signal(measured, every),
        gradient=_gradient(measured, every, consumers),
        beside=measured.beside,
    )


def _signal(measured: _Measured, every: Sequence[_Measured]) -> LayerSignal:
    call, numbers = measured.call, measured.numbers
    rms, entering = measured.of("rms"), measured.of("input")
    expected = _expected_rms(measured, every)
    after = measured.moments() if call.activation is not None else None
    gained = rms is not None and entering is not None and entering > 0
    return LayerSignal(
        mean=numbers.get("mean", 0.0),
        rms=rms if rms is not None else 0.0,
        rms_expected=expected,
        gain=rms / entering if gained and rms is not None and entering is not None else None,
        gain_expected=expected / entering if gained and expected is not None and entering is not None else None,
        activation_rms=measured.of("activation"),
        activation_rms_expected=math.sqrt(after[0]) if after is not None and not call.norm_after else None,
        dead_share=measured.of("dead"),
        saturated_share=measured.of("saturated"),
        spread=finite_or_none(measured.of("spread")),
        effective_rank=finite_or_none(measured.of("rank")),
        rank_limit=measured.signals.rank_limit if finite_or_none(measured.of("rank")) is not None else None,
        susceptibility=_susceptibility(measured, every),
        largest=numbers.get("largest", 0.0),
        finite=all(math.isfinite(numbers[name]) for name in ("largest", "activation") if name in numbers),
        histogram=histogram(measured.signals.outputs),
    )


def _gradient(measured: _Measured, every: Sequence[_Measured], consumers: Sequence[int]) -> LayerGradient:
    rms = measured.of("gradient")
    return LayerGradient(
        rms=rms,
        rms_expected=_expected_gradient(measured, every, consumers),
        norm=None if rms is None else rms * math.sqrt(measured.signals.elements),
        underflow_share=measured.of("underflow"),
        histogram=histogram(measured.signals.gradients, powers=True),
    )


def _expected_weight_std(measured: _Measured) -> float | None:
    if measured.call.kind == "embedding" or measured.fan_in is None:
        return None
    return expected_std(measured.call.activation, measured.fan_in)


def _expected_rms(measured: _Measured, every: Sequence[_Measured]) -> float | None:
    """sqrt(fan_in E[w^2] E[x^2] + E[b^2]), x by theory from the layer before, or as measured."""
    if measured.fan_in is None:
        return None
    if measured.call.kind == "embedding":
        return math.sqrt(measured.square)
    entering = measured.of("input")
    square = None if entering is None else entering**2
    if measured.call.plain:
        before = every[measured.call.sources[0]].moments()
        square = before[0] if before is not None and measured.call.input_activation else square
    return None if square is None else math.sqrt(measured.fan_in * measured.square * square + measured.bias_square)


def _expected_gradient(measured: _Measured, every: Sequence[_Measured], consumers: Sequence[int]) -> float | None:
    """sqrt(fan_out E[w^2] E[phi'^2]) times the gradient behind, where one layer is all that uses this output."""
    if len(consumers) != 1:
        return None
    behind = every[consumers[0]]
    gradient, slopes = behind.of("gradient"), measured.moments()
    if (
        not behind.call.plain
        or gradient is None
        or behind.fan_out is None
        or slopes is None
        or measured.call.norm_after
    ):
        return None
    return gradient * math.sqrt(behind.fan_out * behind.square * slopes[1])


def _susceptibility(measured: _Measured, every: Sequence[_Measured]) -> float | None:
    if not measured.call.plain or measured.fan_in is None:
        return None
    before = every[measured.call.sources[0]].moments()
    return None if before is None else measured.fan_in * measured.square * before[1]


def sums_of(signals: Sequence[SumSignals]) -> tuple[SumStart, ...]:
    """The residual additions in execution order."""
    return tuple(SumStart(each.calls, float(each.stream), float(each.total), abs(each.scale)) for each in signals)
