"""What a model does in one run, in execution order: its layer calls, and what follows and precedes each of them.

A `TorchFunctionMode` sees every function of PyTorch that the model calls, whether a module calls it or a line of
`forward`; no hook is put on the model. Each tensor that goes by is remembered weakly, with the layer calls it comes
from and what was done to it since, so that an activation, a sum or a norm is told of the layer it belongs to however
the model is written.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from goodinit.pytorch.calling import call_model, tensors_in
from goodinit.pytorch.functions import ACTIVATIONS, LAYERS, LOSSES, Function, argument, is_root, role
from goodinit.pytorch.guard import runnable, untouched
from goodinit.pytorch.notes import Notes
from goodinit.pytorch.observer import Observer
from goodinit.pytorch.operands import operands
from goodinit.pytorch.owners import Owners
from goodinit.pytorch.sums import add, add_parameter
from goodinit.pytorch.values import (
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
from goodinit.pytorch.written import activation_between, common_origin, of_itself
from goodinit.spec import format_spec
from goodinit.structure import LayerCall, MadeWeight, Trace

__all__ = ["Known", "Observer", "Tracer", "Value", "trace"]

_LINEAR: Final = ("view", "dropout", "sum", "product")  # what is 0 where a parameter is, but for an offset
_THROUGH: Final = ("calls", "normed", "mixed", "stream", "passed")  # what an activation leaves as it is

_GATES: Final = ("sigmoid", "hardsigmoid")  # of what multiplies a signal
_LIKE: Final = ("expand_as", "view_as", "reshape_as", "type_as")  # take of their second tensor no values


class Tracer(TorchFunctionMode):
    """Sees what a model does while it is entered; `trace` gives what it has seen."""

    def __init__(self, model: torch.nn.Module, observer: Observer | None = None) -> None:
        super().__init__()
        self.owners = Owners(model)
        self.observer = observer or Observer()
        self.ended = False  # the model has given its output: an activation in the loss is none of a layer
        self.notes = Notes(self.owners)

    def __exit__(self, *raised: Any) -> None:
        """Let go of the observer too, which may hold the tracer: else the model waits for the garbage collector."""
        super().__exit__(*raised)  # type: ignore[no-untyped-call]  # it carries no types in PyTorch
        self.observer = Observer()

    def call(self, index: int) -> LayerCall:
        """The layer call of that number, as far as it is known by now."""
        return self.notes.calls[index]

    def last(self) -> LayerCall | None:
        """The latest layer call."""
        return self.notes.calls[-1] if self.notes.calls else None

    def known(self, tensor: Tensor) -> Value:
        """What is known of a tensor by now."""
        return self.notes.value(tensor)

    def trace(self) -> Trace:
        """What was seen until now."""
        return self.notes.trace()

    def leave(self, output: Any) -> None:
        """Say what the model gave: what its last layers' outputs are multiplied by is noted of them."""
        for value in map(self.notes.value, tensors_in(output)):
            self.notes.left = (self.notes.left or set()) | value.reach
            self.notes.change(value.calls, output_scale=value.scale)

    def feed(self, inputs: Any) -> None:
        """Say what the model's inputs are, before it is called with them."""
        for tensor in tensors_in(inputs):
            given = (ModelInput(tensor, tensor),)
            self.notes.keep(tensor, Value(self.notes.descent.node(()), signal=True, varied=True, given=given))

    def __torch_function__(
        self, func: Function, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Let the function do its work, and note what it was."""
        kwargs = kwargs or {}
        given = args[:1] if getattr(func, "__name__", "") in _LIKE else (args, kwargs)
        before = [(tensor, self.notes.value(tensor)) for tensor in tensors_in(given)]
        origin = common_origin(func, before)
        if origin is None:
            before = [(tensor, self._written(tensor, value)) for tensor, value in before]
        result = self.called(func, args, kwargs)
        if isinstance(result, Tensor | tuple | list | Mapping) and before:
            self._learn(func, args, kwargs, before, result)
        if origin is not None and isinstance(result, Tensor):
            self.notes.keep(result, replace(self.notes.value(result), origin=origin))
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
            self.notes.put(result, [], names=names, changed=changed)
        elif func in LOSSES:
            self.observer.lost(LOSSES[func], func, args, kwargs, result)
            self.notes.put(result, before)
        elif func in ACTIVATIONS:
            self._activation(func, args, kwargs, before, result)
        else:
            self._other(func, args, kwargs, before, result)

    def _layer(
        self, func: Function, kind: str, args: tuple[Any, ...], kwargs: Mapping[str, Any], before: Known, result: Any
    ) -> None:
        output = next(iter(tensors_in(result)), None)
        groups = operands(func, kind, args, kwargs, lambda tensor: self.notes.value(tensor).names)
        if not groups or output is None:  # a product of two signals, as the scores of an attention are
            self._valued([each for each in before if any(value.weighting for _, value in before)])
            self._heads([each for each in before if each[1].signal], func is not torch.einsum)
            calls = [index for _, value in before if value.signal for index in value.calls]
            scale = math.prod(value.scale for _, value in before if value.signal)
            made_by = self._generated(kind, args, kwargs)
            self.notes.put(result, before, scored=tuple(dict.fromkeys(calls)), scale=scale, made_by=made_by)
            return
        made = [self.notes.open(each, self.notes.value(each.input), output) for each in groups]
        parents = tuple(value.node for _, value in before if value.signal)
        varied = any(value.varied for _, value in before)
        self.notes.fed.update(made[:-1], *(value.reach for _, value in before))
        reach, plain, first = frozenset(made[-1:]), kind != "recurrent", self.notes.descent.size
        for tensor in tensors_in(result):
            self.notes.keep(
                tensor,
                Value(self.notes.descent.node(parents), True, varied, parents, (made[-1],), plain=plain, reach=reach),
            )
        self.notes.descent.made |= dict.fromkeys(range(first, self.notes.descent.size), tuple(made))
        if kind == "attention":
            key = self.notes.value(argument(args, kwargs, 1, "key"))
            width = before[0][0].shape[-1]
            units = ((2 * width, 3 * width),) if len(made) == 2 else ()  # of a packed projection
            self.notes.change(made[-2:-1], attended=True, stream=key.stream, value_units=units)
            self.notes.change(made[:-1], head_size=before[0][0].shape[-1] // argument(args, kwargs, 4, "num_heads"))
        for index, each in zip(made, groups, strict=True):
            self.observer.layer(index, each, output if each.whole else each.sampled())

    def _generated(self, kind: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[int, ...]:
        """The layer calls whose outputs are this function's weight and bias, which is noted of them."""
        weight, bias = argument(args, kwargs, 1, "weight"), argument(args, kwargs, 2, "bias")
        if kind not in ("linear", "conv") or not isinstance(weight, Tensor) or len(self.notes.value(weight).calls) != 1:
            return ()
        of_bias = self.notes.value(bias).calls if isinstance(bias, Tensor) else ()
        made = MadeWeight("weight", math.prod(weight.shape[1:]), bool(of_bias))
        found = [
            (self.notes.value(weight).calls[0], made),
            *((index, replace(made, kind="bias")) for index in of_bias[:1]),
        ]
        for index, each in found:
            self.notes.change((index,), makes=(*self.notes.calls[index].makes, each))
        return tuple(index for index, _ in found)

    def _activation(
        self, func: Function, args: tuple[Any, ...], kwargs: Mapping[str, Any], before: Known, result: Any
    ) -> None:
        value, name = before[0][1], ACTIVATIONS[func](args, kwargs)
        kept = {key: fact for key, fact in same_facts(value).items() if key in _THROUGH}
        if name is None:  # a clamp that is not an activation
            self.notes.put(result, before, **kept, activation=value.activation)
            return
        for index in value.made_by:
            *rest, latest = self.notes.calls[index].makes
            self.notes.change((index,), makes=(*rest, replace(latest, activation=name)))
        if name == "sine" and value.scale != 1:
            name = format_spec("sine", {"frequency": value.scale})
        first = value.calls if value.activation is None and not self.ended else ()
        first = tuple(index for index in first if self.notes.calls[index].activation is None)
        self.notes.change(first, activation=name)
        if name in _GATES:
            self.notes.change(first, output_scale=value.scale)
        plain = value.plain and value.activation is None and name != "glu"
        scale = 1.0 if name.startswith("sine") else value.scale
        kept |= {"scored": value.scored} if name == "tanh" else {}  # scores that a tanh holds below a cap
        self.notes.put(result, before, **kept, activation=name, plain=plain, scale=scale)
        outputs = tensors_in(result)
        if outputs and first:
            self.observer.activated(first, name, outputs[0])

    def _written(self, tensor: Tensor, value: Value) -> Value:
        """What is known of a tensor that may be an activation written out, of which all calls were lost."""
        if value.origin is None or value.calls or self.ended:
            return value
        name, first = activation_between(value.origin, tensor), value.origin.value
        facts: dict[str, Any] = {}
        if name is not None:
            self.notes.change(first.calls, activation=name, output_scale=1.0)
            facts = {key: fact for key, fact in same_facts(first).items() if key in _THROUGH}
            facts |= {"activation": name, "plain": first.plain, "scale": first.scale}
            self.observer.activated(first.calls, name, tensor)
        return self.notes.keep(tensor, replace(value, origin=None, **facts))

    def _other(
        self, func: Function, args: tuple[Any, ...], kwargs: Mapping[str, Any], before: Known, result: Any
    ) -> None:
        what = "divisor" if is_root(func, args) else role(func)
        data = [(tensor, value) for tensor, value in before if value.signal]
        first = data[0][1]
        same = same_facts(first)
        if what == "view":
            self._viewed(first, data, result)
        elif what == "dropout":
            idle = result is data[0][0] or drops_nothing(args, kwargs)
            self.notes.put(result, data, **same, plain=first.plain and idle)
        elif what == "pass" and len(data) == 1:
            self.notes.put(result, data, **(same if as_many_axes(result, data) else same | {"given": ()}))
        elif what == "norm":
            self._normed(replace(first, passed=(*first.passed, *own_names(before))), data, result)
        elif what == "divisor":
            self.notes.put(result, data, divisor_of=(first.node, *self.notes.descent.near(first.node)))
        elif what == "softmax":
            self.notes.change((*first.scored, *first.calls), scoring=True)  # of the calls, a router's choice
            straight = [index for index in first.calls if self.notes.calls[index].activation is None]
            self.notes.change(straight, output_scale=first.scale)
            self.notes.put(result, data, weighting=bool(first.scored), routing=not first.scored and bool(first.calls))
        elif what == "attend":
            for _, value in data[:2]:
                self.notes.change(value.calls, scoring=True)
            self._valued(data[2:3])
            self._heads(data[:2])
            self.notes.put(result, data)
        elif what == "sum" and len(data) == 2:
            add(self.notes, self.observer, data, result)
        elif what == "sum":
            add_parameter(self.notes, first, before)
            self.notes.put(result, data, **same | {"given": in_new_units(first, result)}, plain=first.plain)
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
            self.notes.put(result, data, calls=calls, activation=activation, **facts)
        else:
            self.notes.put(result, data)

    def _viewed(self, value: Value, data: Known, result: Any) -> None:
        """Views of a value; each is told which units of its one call it holds, as long as its memory shows that."""
        facts = same_facts(value) | {"plain": value.plain}
        if len(value.calls) != 1 or value.units:
            self.notes.put(result, data, **facts)
            return
        for tensor in tensors_in(result):
            units = units_of(tensor, self.notes.calls[value.calls[0]])
            whole = units == ((0, self.notes.calls[value.calls[0]].output_shape[-1]),)
            self.notes.put(tensor, data, **(facts | {"units": () if whole else units}))

    def _normed(self, value: Value, data: Known, result: Any) -> None:
        if value.activation is None:
            self.notes.change(value.calls, norm_after=True)
        same = same_facts(value) | {"normed": True, "scale": 1.0, "divisor_of": (), "given": ()}
        self.notes.put(result, data, **same)

    def _valued(self, values: Known) -> None:
        """Note whose outputs an attention's weights sum."""
        for tensor, value in values:
            for index in value.calls if not value.weighting else ():
                units = value.units or (units_of(tensor, self.notes.calls[index]) if len(value.calls) == 1 else ())
                self.notes.change((index,), attended=True, value_units=units)

    def _heads(self, values: Known, product: bool = False) -> None:
        """Note how many units a head has of what an attention is made of: what a product sums over, or its values'."""
        weighted = any(value.weighting for _, value in values)
        for place, (tensor, value) in enumerate(values if len(values) == 2 else ()):
            axis = -2 if product and place and not weighted else -1
            self.notes.change(() if value.weighting else value.calls, head_size=tensor.shape[axis])

    def _product(self, func: Function, args: tuple[Any, ...], data: Known, result: Any) -> None:
        first = data[0][1]
        same = same_facts(first)
        if len(data) == 1:
            factor = multiplied(func, args, data[0][0], lambda tensor: self.notes.value(tensor).names)
            if factor is not None:
                same["scale"] = first.scale * factor
            same["given"] = in_new_units(first, result)
            self.notes.put(result, data, **same, plain=first.plain and factor is not None)
            return
        second = data[1][1]
        for value, divisor in ((first, second), (second, first)):
            if value.node in divisor.divisor_of or set(self.notes.descent.parents[value.node]) & set(
                divisor.divisor_of
            ):
                self._normed(value, data, result)
                return
        shared = first.routing or first.activation in _GATES
        if shared and first.calls == second.calls and first.activation == second.activation:
            self.notes.put(result, data, **same)  # a router's shares, divided by their sum
            return
        shares = [_share(*data[place], data[1 - place][0]) for place in (0, 1)]
        if shares[0] != shares[1]:  # a router's share of an expert's output
            share, kept = (first, second) if shares[0] else (second, first)
            self.notes.change(() if share.routing else share.calls, gating=True)
            self.notes.put(result, data, **same_facts(kept))
            return
        for value in () if of_itself(first, second) else (first, second):
            if value.activation in _GATES:
                self.notes.change(value.calls, gating=True)
        self.notes.put(result, data)  # a gate: two signals are multiplied


def _share(tensor: Tensor, value: Value, other: Tensor) -> bool:
    """Whether it is one number for each place, that a softmax or a gate says how much of the other goes on by."""
    alone = tensor.shape[-1:] == (1,) and other.shape[-1:] != (1,)
    return value.routing or (value.activation in _GATES and alone)


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
