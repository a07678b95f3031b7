"""Sums of two signals, and of a signal and a parameter: residual sums, biases added by hand, tables of places."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from goodinit.pytorch.calling import tensors_in
from goodinit.pytorch.notes import Notes
from goodinit.pytorch.observer import Observer
from goodinit.pytorch.values import Known, Value, inputs_in, is_mixed
from goodinit.structure import ResidualSum

__all__ = ["add", "add_parameter"]


def add(notes: Notes, observer: Observer, data: Known, result: Any) -> None:
    """Two signals: a branch and the stream that it is added to, a branch beside a projection, or two of one kind."""
    (one_tensor, one), (other_tensor, other) = data
    places = [index for value in (one, other) for index in _look_ups(notes, value)]
    total = tensors_in(result)
    ways = ((one, other, one_tensor, other_tensor), (other, one, other_tensor, one_tensor))
    for branch, stream, added, kept in ways:
        inside = notes.descent.between(branch.node, stream.node)
        if inside is not None:
            notes.change(branch.calls, residual=True)
            if total and branch.calls:
                observer.summed(kept, added, branch.calls, total[0], branch.scale)
            notes.put(result, data, stream=_branched(notes, branch, stream, inside))
            return
    for branch, stream in ((one, other), (other, one)):
        inside = _beside_projection(notes, branch, stream)
        if inside is not None:
            own = _branched(notes, branch, Value(stream.node), inside, stream.calls[0])
            notes.put(result, data, stream=own)
            return
    calls, same = tuple(dict.fromkeys((*one.calls, *other.calls))), one.activation == other.activation
    _beside(notes, calls, [(notes.calls[index].weight, notes.scales[index]) for index in places])
    mixed = is_mixed(one) or is_mixed(other)
    facts = {"normed": one.normed and other.normed, "mixed": mixed, "passed": (*one.passed, *other.passed)}
    notes.put(
        result,
        data,
        calls=calls,
        activation=one.activation if same else None,
        scored=(*one.scored, *other.scored),
        scale=next((value.scale for value in (one, other) if value.scored), 1.0),  # of scores beside a bias of places
        given=inputs_in(data),
        **facts,
    )


def add_parameter(notes: Notes, value: Value, before: Known) -> None:
    """A bias that `forward` adds by hand belongs to the layer whose output it meets, a table to a look-up."""
    for tensor, other in before:
        if len(other.names) == 1 and tensor.dim() > 1:
            _look_ups(notes, value)
            _beside(notes, value.calls, [(other.names[0], 1.0)])
        if len(other.names) == 1 and tensor.dim() == 1 and value.activation is None and len(value.calls) == 1:
            call = notes.calls[value.calls[0]]
            if tensor.shape[0] == call.output_shape[-1] and other.names[0] not in call.parameters:
                notes.change(value.calls, parameters=(*call.parameters, other.names[0]))


def _look_ups(notes: Notes, value: Value) -> list[int]:
    """The look-ups of places that a value is, after what each look-up is multiplied by was noted."""
    tables = [index for index in value.calls if notes.calls[index].kind == "embedding"]
    for index in tables:
        notes.scales.setdefault(index, value.scale)
    return [index for index in tables if not notes.calls[index].varied]


def _beside(notes: Notes, calls: tuple[int, ...], places: Sequence[tuple[str, float]]) -> None:
    """Note which tables of places are added to the look-ups among these calls."""
    for index in calls:
        call = notes.calls[index]
        if call.kind == "embedding" and call.varied:
            scales = dict(call.beside) | {
                name: notes.scales[index] / scale for name, scale in places if scale and name != call.weight
            }
            notes.change((index,), beside=tuple(scales.items()))


def _branched(notes: Notes, branch: Value, stream: Value, inside: tuple[int, ...], shortcut: int | None = None) -> int:
    """Note the sum of a branch and what it was computed from, or a projection of that, and give its stream."""
    number = len({each.stream for each in notes.sums}) if stream.stream is None else stream.stream
    how = (branch.scale, inside, branch.passed, stream.normed, branch.activation, shortcut)
    notes.sums.append(ResidualSum(branch.calls, number, *how))
    return number


def _beside_projection(notes: Notes, branch: Value, stream: Value) -> tuple[int, ...] | None:
    """The layers of a branch whose shortcut is one layer from the same value; None where it is no such sum."""
    shortcut = stream.calls[0] if len(stream.calls) == 1 and branch.calls and stream.activation is None else None
    if shortcut is None or notes.calls[shortcut].kind not in ("linear", "conv", "matmul"):
        return None
    inside = notes.descent.between(branch.node, notes.met[shortcut])
    return inside if inside is not None and len(inside) > 1 and shortcut not in inside else None
