"""What a model does in one run, in execution order: its layer calls, and what follows and precedes each of them.

A `TorchFunctionMode` sees every function of PyTorch that the model calls, whether a module calls it or a line of
`forward`; no hook is put on the model. Each tensor that goes by is remembered weakly, with the layer calls it comes
from and what was done to it since, so that an activation, a sum or a norm is told of the layer it belongs to however
the model is written.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from goodinit.pytorch.calling import call_model, tensors_in
from goodinit.pytorch.functions import ACTIVATIONS, LAYERS, LOSSES, Function, argument, role
from goodinit.pytorch.guard import runnable, untouched
from goodinit.pytorch.observer import Observer
from goodinit.pytorch.operands import Operands, operands
from goodinit.pytorch.owners import Owners
from goodinit.pytorch.values import (
    Descent,
    Known,
    ModelInput,
    Value,
    as_many_axes,
    drops_nothing,
    in_new_units,
    inputs_in,
    is_mixed,
    multiplied,
    own_names,
    same_facts,
    units_of,
)
from goodinit.spec import format_spec
from goodinit.structure import LayerCall, MadeWeight, ResidualSum, Trace

__all__ = ["Known", "Observer", "Tracer", "Value", "trace"]

_LINEAR: Final = ("view", "dropout", "sum", "product")  # what is 0 where a parameter is, but for an offset
_THROUGH: Final = ("calls", "normed", "mixed", "stream", "passed")  # what an activation leaves as it is


class Tracer(TorchFunctionMode):
    """Sees what a model does while it is entered; `trace` gives what it has seen."""

    def __init__(self, model: torch.nn.Module, observer: Observer | None = None) -> None:
        super().__init__()
        self.owners = Owners(model)
        self.observer = observer or Observer()
        self.ended = False  # the model has given its output: an activation in the loss is none of a layer
        self._values: dict[int, tuple[weakref.ref[Tensor], Value]] = {}
        self._descent = Descent()
        self._open: list[LayerCall] = []
        self._seen: set[str] = set()
        self._uses: dict[str, int] = {}
        self._sums: list[ResidualSum] = []
        self._fed: set[int] = set()
        self._left: set[int] | None = None  # the calls that the model's output came from
        self._met: list[int] = []  # by layer call, the value that was its input
        self._scales: dict[int, float] = {}  # of look-ups, when they are first added to something

    def call(self, index: int) -> LayerCall:
        """The layer call of that number, as far as it is known by now."""
        return self._open[index]

    def last(self) -> LayerCall | None:
        """The latest layer call."""
        return self._open[-1] if self._open else None

    def known(self, tensor: Tensor) -> Value:
        """What is known of a tensor by now."""
        return self._value(tensor)

    def trace(self) -> Trace:
        """What was seen until now."""
        calls = tuple(
            replace(
                call,
                last=call.index not in self._fed,
                output_scale=self._scales.get(call.index, call.output_scale),
            )
            for call in self._open
        )
        unused = tuple(name for name in self.owners.names if name not in self._seen)
        ends = [each.index for each in calls if each.last and self._left is not None]
        lost = tuple(index for index in ends if index not in (self._left or ()))
        return Trace(calls, unused, tuple(self._sums), lost)

    def leave(self, output: Any) -> None:
        """Say what the model gave: what its last layers' outputs are multiplied by is noted of them."""
        for value in map(self._value, tensors_in(output)):
            self._left = (self._left or set()) | value.reach
            self._change(value.calls, output_scale=value.scale)

    def feed(self, inputs: Any) -> None:
        """Say what the model's inputs are, before it is called with them."""
        for tensor in tensors_in(inputs):
            given = (ModelInput(tensor, tensor),)
            self._keep(tensor, Value(self._descent.node(()), signal=True, varied=True, given=given))

    def __torch_function__(
        self, func: Function, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Let the function do its work, and note what it was."""
        kwargs = kwargs or {}
        before = [(tensor, self._value(tensor)) for tensor in tensors_in((args, kwargs))]
        result = self.called(func, args, kwargs)
        if isinstance(result, Tensor | tuple | list | Mapping) and before:
            self._learn(func, args, kwargs, before, result)
        self.observer.done(func, args, kwargs, result)
        return result

    def called(self, func: Function, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """What the function gives, which goes on to the model."""
        return func(*args, **kwargs)

    def _learn(
        self, func: Function, args: tuple[Any, ...], kwargs: Mapping[str, Any], before: Known, result: Any
    ) -> None:
        kind = LAYERS.get(func)
        signal = any(value.signal for _, value in before)
        if kind is not None and (signal or kind != "matmul"):
            self._layer(func, kind, args, kwargs, before, result)
        elif not signal:
            names = tuple(dict.fromkeys(name for _, value in before for name in value.names))
            changed = role(func) not in _LINEAR or any(value.changed for _, value in before)
            self._put(result, [], names=names, changed=changed)
        elif func in LOSSES:
            self.observer.lost(LOSSES[func], func, args, kwargs, result)
            self._put(result, before)
        elif func in ACTIVATIONS:
            self._activation(func, args, kwargs, before, result)
        else:
            self._other(func, args, kwargs, before, result)

    # --- values ---

    def _value(self, tensor: Tensor) -> Value:
        kept = self._values.get(id(tensor))
        if kept is not None and kept[0]() is tensor:
            return kept[1]
        names = self.owners.of(tensor)
        self._seen.update(names)
        return self._keep(tensor, Value(self._descent.node(()), names=names))

    def _keep(self, tensor: Tensor, value: Value) -> Value:
        self._values[id(tensor)] = (weakref.ref(tensor), value)
        return value

    def _put(self, result: Any, before: Known, **facts: Any) -> None:
        """Remember a function's results: values of their own, which descend from the signals among its arguments."""
        parents = tuple(value.node for _, value in before if value.signal)
        varied = any(value.varied for _, value in before)
        reach = frozenset().union(*(value.reach for _, value in before))
        for tensor in tensors_in(result):
            self._keep(tensor, Value(self._descent.node(parents), bool(parents), varied, parents, reach=reach, **facts))

    # --- what a function does ---

    def _layer(
        self, func: Function, kind: str, args: tuple[Any, ...], kwargs: Mapping[str, Any], before: Known, result: Any
    ) -> None:
        output = next(iter(tensors_in(result)), None)
        groups = operands(func, kind, args, kwargs, lambda tensor: self._value(tensor).names)
        if not groups or output is None:  # a product of two signals, as the scores of an attention are
            self._valued([each for each in before if any(value.weighting for _, value in before)])
            self._heads([each for each in before if each[1].signal], func is not torch.einsum)
            calls = [index for _, value in before if value.signal for index in value.calls]
            scale = math.prod(value.scale for _, value in before if value.signal)
            made_by = self._generated(kind, args, kwargs)
            self._put(result, before, scored=tuple(dict.fromkeys(calls)), scale=scale, made_by=made_by)
            return
        made = [self._call(each, self._value(each.input), output) for each in groups]
        parents = tuple(value.node for _, value in before if value.signal)
        varied = any(value.varied for _, value in before)
        self._fed.update(made[:-1], *(value.reach for _, value in before))
        reach, plain, first = frozenset(made[-1:]), kind != "recurrent", self._descent.size
        for tensor in tensors_in(result):
            self._keep(
                tensor, Value(self._descent.node(parents), True, varied, parents, (made[-1],), plain=plain, reach=reach)
            )
        self._descent.made |= dict.fromkeys(range(first, self._descent.size), tuple(made))
        if kind == "attention":
            key = self._value(argument(args, kwargs, 1, "key"))
            self._change(made[-2:-1], attended=True, stream=key.stream)  # of a packed projection, what is attended to
            self._change(made[:-1], head_size=before[0][0].shape[-1] // argument(args, kwargs, 4, "num_heads"))
        for index, each in zip(made, groups, strict=True):
            self.observer.layer(index, each, output if each.whole else each.sampled())

    def _generated(self, kind: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[int, ...]:
        """The layer calls whose outputs are this function's weight and bias, which is noted of them."""
        weight, bias = argument(args, kwargs, 1, "weight"), argument(args, kwargs, 2, "bias")
        if kind not in ("linear", "conv") or not isinstance(weight, Tensor) or len(self._value(weight).calls) != 1:
            return ()
        of_bias = self._value(bias).calls if isinstance(bias, Tensor) else ()
        made = MadeWeight("weight", math.prod(weight.shape[1:]), bool(of_bias))
        found = [(self._value(weight).calls[0], made), *((index, replace(made, kind="bias")) for index in of_bias[:1])]
        for index, each in found:
            self._change((index,), makes=(*self._open[index].makes, each))
        return tuple(index for index, _ in found)

    def _call(self, used: Operands, value: Value, output: Tensor) -> int:
        weight = used.names[0]
        number = self._uses.get(weight, 0)
        self._uses[weight] = number + 1
        index = len(self._open)
        whole = tuple(output.shape) if used.whole else (*used.input.shape[:-1], used.weight.shape[0])
        call = LayerCall(
            index=index,
            module=self.owners.module(weight, used.kind),
            kind=used.kind,
            weight=weight,
            parameters=used.names,
            number=number,
            input_shape=tuple(used.input.shape),
            output_shape=whole,
            input_activation=value.activation if used.seen else None,
            norm_before=value.normed and used.seen,
            sources=value.calls if used.seen else (),
            plain=used.seen and value.plain and len(value.calls) == 1 and value.scale == 1,
            mixed=value.mixed,
            varied=value.varied,
            first=used.seen and not value.reach,
            after=tuple(sorted(value.reach)) if used.seen else (index - 1,),
            passed=value.passed,
            stream=value.stream,
        )
        self._open.append(call)
        self._met.append(value.node)
        return index

    def _change(self, calls: Sequence[int], **facts: Any) -> None:
        for index in calls:
            self._open[index] = replace(self._open[index], **facts)

    def _activation(
        self, func: Function, args: tuple[Any, ...], kwargs: Mapping[str, Any], before: Known, result: Any
    ) -> None:
        value, name = before[0][1], ACTIVATIONS[func](args, kwargs)
        kept = {key: fact for key, fact in same_facts(value).items() if key in _THROUGH}
        if name is None:  # a clamp that is not an activation
            self._put(result, before, **kept, activation=value.activation)
            return
        for index in value.made_by:
            *rest, latest = self._open[index].makes
            self._change((index,), makes=(*rest, replace(latest, activation=name)))
        if name == "sine" and value.scale != 1:
            name = format_spec("sine", {"frequency": value.scale})
        first = value.calls if value.activation is None and not self.ended else ()
        first = tuple(index for index in first if self._open[index].activation is None)
        self._change(first, activation=name)
        plain = value.plain and value.activation is None and name != "glu"
        scale = 1.0 if name.startswith("sine") else value.scale
        kept |= {"scored": value.scored} if name == "tanh" else {}  # scores that a tanh holds below a cap
        self._put(result, before, **kept, activation=name, plain=plain, scale=scale)
        outputs = tensors_in(result)
        if outputs and first:
            self.observer.activated(first, name, outputs[0])

    def _other(
        self, func: Function, args: tuple[Any, ...], kwargs: Mapping[str, Any], before: Known, result: Any
    ) -> None:
        what = role(func)
        data = [(tensor, value) for tensor, value in before if value.signal]
        first = data[0][1]
        same = same_facts(first)
        if what == "view":
            self._viewed(first, data, result)
        elif what == "dropout":
            idle = result is data[0][0] or drops_nothing(args, kwargs)
            self._put(result, data, **same, plain=first.plain and idle)
        elif what == "pass" and len(data) == 1:
            self._put(result, data, **(same if as_many_axes(result, data) else same | {"given": ()}))
        elif what == "norm":
            self._normed(replace(first, passed=(*first.passed, *own_names(before))), data, result)
        elif what == "divisor":
            self._put(result, data, divisor_of=(first.node, *self._descent.near(first.node)))
        elif what == "softmax":
            self._change((*first.scored, *first.calls), scoring=True)  # of the calls, a router's choice
            self._put(result, data, weighting=bool(first.scored), routing=not first.scored and bool(first.calls))
        elif what == "attend":
            for _, value in data[:2]:
                self._change(value.calls, scoring=True)
            self._valued(data[2:3])
            self._heads(data[:2])
            self._put(result, data)
        elif what == "sum" and len(data) == 2:
            self._sum(data, result)
        elif what == "sum":
            self._bias(first, before)
            self._put(result, data, **same | {"given": in_new_units(first, result)}, plain=first.plain)
        elif what == "product":
            one = [(data[0][0], replace(first, passed=(*first.passed, *own_names(before))))]
            self._product(func, args, one if len(data) == 1 else data, result)
        elif what in ("join", "gathered"):
            data = [each for each in data if each[0].dtype.is_floating_point] or data  # not where they are put
            calls = tuple(dict.fromkeys(index for _, value in data for index in value.calls))
            activations = {value.activation for _, value in data}
            activation = activations.pop() if len(activations) == 1 else None
            normed, mixed = all(value.normed for _, value in data), any(is_mixed(value) for _, value in data)
            held = {value.units for _, value in data}
            units = held.pop() if len(held) == 1 else ()
            facts = {"normed": normed, "mixed": mixed, "given": inputs_in(data), "units": units}
            self._put(result, data, calls=calls, activation=activation, **facts)
        else:
            self._put(result, data)

    def _viewed(self, value: Value, data: Known, result: Any) -> None:
        """Views of a value; each is told which units of its one call it holds, as long as its memory shows that."""
        facts = same_facts(value) | {"plain": value.plain}
        if len(value.calls) != 1 or value.units:
            self._put(result, data, **facts)
            return
        for tensor in tensors_in(result):
            units = units_of(tensor, self._open[value.calls[0]])
            whole = units == ((0, self._open[value.calls[0]].output_shape[-1]),)
            self._put(tensor, data, **(facts | {"units": () if whole else units}))

    def _normed(self, value: Value, data: Known, result: Any) -> None:
        if value.activation is None:
            self._change(value.calls, norm_after=True)
        same = same_facts(value) | {"normed": True, "scale": 1.0, "divisor_of": (), "given": ()}
        self._put(result, data, **same)

    def _valued(self, values: Known) -> None:
        """Note whose outputs an attention's weights sum."""
        for tensor, value in values:
            for index in value.calls if not value.weighting else ():
                units = value.units or (units_of(tensor, self._open[index]) if len(value.calls) == 1 else ())
                self._change((index,), attended=True, value_units=units)

    def _heads(self, values: Known, product: bool = False) -> None:
        """Note how many units a head has of what an attention is made of: what a product sums over, or its values'."""
        weighted = any(value.weighting for _, value in values)
        for place, (tensor, value) in enumerate(values if len(values) == 2 else ()):
            axis = -2 if product and place and not weighted else -1
            self._change(() if value.weighting else value.calls, head_size=tensor.shape[axis])

    def _bias(self, value: Value, before: Known) -> None:
        """A bias that `forward` adds by hand belongs to the layer whose output it meets, a table to a look-up."""
        for tensor, other in before:
            if len(other.names) == 1 and tensor.dim() > 1:
                self._look_ups(value)
                self._beside(value.calls, [(other.names[0], 1.0)])
            if len(other.names) == 1 and tensor.dim() == 1 and value.activation is None and len(value.calls) == 1:
                call = self._open[value.calls[0]]
                if tensor.shape[0] == call.output_shape[-1] and other.names[0] not in call.parameters:
                    self._change(value.calls, parameters=(*call.parameters, other.names[0]))

    def _sum(self, data: Known, result: Any) -> None:
        (one_tensor, one), (other_tensor, other) = data
        places = [index for value in (one, other) for index in self._look_ups(value)]
        total = tensors_in(result)
        ways = ((one, other, one_tensor, other_tensor), (other, one, other_tensor, one_tensor))
        for branch, stream, added, kept in ways:
            inside = self._descent.between(branch.node, stream.node)
            if inside is not None:
                self._change(branch.calls, residual=True)
                if total and branch.calls:
                    self.observer.summed(kept, added, branch.calls, total[0], branch.scale)
                self._put(result, data, stream=self._branched(branch, stream, inside))
                return
        for branch, stream in ((one, other), (other, one)):
            inside = self._beside_projection(branch, stream)
            if inside is not None:
                own = self._branched(branch, Value(stream.node), inside, stream.calls[0])
                self._put(result, data, stream=own)
                return
        calls, same = tuple(dict.fromkeys((*one.calls, *other.calls))), one.activation == other.activation
        self._beside(calls, [(self._open[index].weight, self._scales[index]) for index in places])
        mixed = is_mixed(one) or is_mixed(other)
        facts = {"normed": one.normed and other.normed, "mixed": mixed, "passed": (*one.passed, *other.passed)}
        self._put(
            result,
            data,
            calls=calls,
            activation=one.activation if same else None,
            scored=(*one.scored, *other.scored),
            scale=next(
                (value.scale for value in (one, other) if value.scored), 1.0
            ),  # of scores beside a bias of places
            given=inputs_in(data),
            **facts,
        )

    def _look_ups(self, value: Value) -> list[int]:
        """The look-ups of places that a value is, after what each look-up is multiplied by was noted."""
        tables = [index for index in value.calls if self._open[index].kind == "embedding"]
        for index in tables:
            self._scales.setdefault(index, value.scale)
        return [index for index in tables if not self._open[index].varied]

    def _beside(self, calls: tuple[int, ...], places: Sequence[tuple[str, float]]) -> None:
        """Note which tables of places are added to the look-ups among these calls."""
        for index in calls:
            call = self._open[index]
            if call.kind == "embedding" and call.varied:
                scales = dict(call.beside) | {
                    name: self._scales[index] / scale for name, scale in places if scale and name != call.weight
                }
                self._change((index,), beside=tuple(scales.items()))

    def _product(self, func: Function, args: tuple[Any, ...], data: Known, result: Any) -> None:
        first = data[0][1]
        same = same_facts(first)
        if len(data) == 1:
            factor = multiplied(func, args, data[0][0], lambda tensor: self._value(tensor).names)
            if factor is not None:
                same["scale"] = first.scale * factor
            same["given"] = in_new_units(first, result)
            self._put(result, data, **same, plain=first.plain and factor is not None)
            return
        second = data[1][1]
        for value, divisor in ((first, second), (second, first)):
            if value.node in divisor.divisor_of or set(self._descent.parents[value.node]) & set(divisor.divisor_of):
                self._normed(value, data, result)
                return
        if first.routing != second.routing:  # a router's share of an expert's output
            kept = second if first.routing else first
            self._put(result, data, **same_facts(kept))
            return
        self._put(result, data)  # a gate: two signals are multiplied

    def _branched(self, branch: Value, stream: Value, inside: tuple[int, ...], shortcut: int | None = None) -> int:
        """Note the sum of a branch and what it was computed from, or a projection of that, and give its stream."""
        number = len({each.stream for each in self._sums}) if stream.stream is None else stream.stream
        how = (branch.scale, inside, branch.passed, stream.normed, branch.activation, shortcut)
        self._sums.append(ResidualSum(branch.calls, number, *how))
        return number

    def _beside_projection(self, branch: Value, stream: Value) -> tuple[int, ...] | None:
        """The layers of a branch whose shortcut is one layer from the same value; None where it is no such sum."""
        shortcut = stream.calls[0] if len(stream.calls) == 1 and branch.calls and stream.activation is None else None
        if shortcut is None or self._open[shortcut].kind not in ("linear", "conv", "matmul"):
            return None
        inside = self._descent.between(branch.node, self._met[shortcut])
        return inside if inside is not None and len(inside) > 1 and shortcut not in inside else None


def trace(model: torch.nn.Module, inputs: Any) -> Trace:
    """Run the model once on the inputs and say what it did, layer call by layer call; the model is left as it was.

    `inputs` is a tensor, a tuple of positional arguments or a dict of keywords. Nothing is differentiated. A model with
    lazily built parameters is run as a copy, with the values its own first call would draw.

    Raises GoodinitError where the model cannot be run: its own error is named.
    """
    model = runnable(model)
    with untouched(model, inputs) as own, torch.no_grad(), Tracer(model) as tracer:
        tracer.feed(own)
        tracer.leave(call_model(model, own))
    return tracer.trace()
