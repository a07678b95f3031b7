"""One run of a model in which each layer call's output is measured, and rescaled before it goes on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from goodinit.errors import GoodinitError
from goodinit.methods.probe import CallOutput, Rescale, Sweep
from goodinit.pytorch.calling import tensors_in
from goodinit.pytorch.functions import LAYERS, Function
from goodinit.pytorch.operands import Operands, operands
from goodinit.pytorch.trace import Tracer
from goodinit.streams import KeyedStream
from goodinit.structure import LayerCall, Trace

__all__ = ["Sweeper", "measured_output"]

_MOST_ASKED: Final = 10  # times that one call is rescaled: what a bias leaves shrinks by half each time
_CONVOLUTIONS: Final = ("conv", "conv_transpose")
_LAST_UNITS: Final = ("linear", "addmm", "embedding")  # functions whose output has its units on the last axis
_SAMPLES: Final = 2  # random vectors that a Jacobian's size is estimated with


def measured_output(output: Tensor, axis: int | None, examples: int | None) -> CallOutput:
    """An output's mean and deviation, all together and by unit, and the share of variance between examples."""
    values = output.detach().double()
    rows = values.reshape(1, -1) if axis is None else values.movedim(axis, 0).reshape(values.shape[axis], -1)
    if not rows.numel():
        return CallOutput(0.0, 0.0)
    means, variances = rows.mean(1), rows.var(1, correction=0)
    mean = float(means.mean())
    total = float(variances.mean() + means.var(correction=0))
    between = None
    if examples is not None and examples > 1 and values.dim() > 1 and values.shape[0] == examples and total > 0:
        between = float(values.var(0, correction=0).mean()) / total
    return CallOutput(mean, total**0.5, between, means.cpu().numpy(), variances.sqrt().cpu().numpy())


class Sweeper(Tracer):
    """A tracer that measures every layer call's output in `outputs`, and rescales it as `sweep` says.

    With `jacobians` each output is cut from what made it, so that derivatives reach back to the layer call before.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        trace: Trace,
        examples: int | None,
        stream: KeyedStream,
        sweep: Sweep | None = None,
        jacobians: bool = False,
    ) -> None:
        super().__init__(model)
        self.outputs: list[CallOutput] = []
        self._known, self._examples, self._stream = trace.calls, examples, stream
        self._sweep, self._jacobians = sweep, jacobians
        self._gains: dict[str, Tensor] = {}
        self._shifts: dict[str, Tensor] = {}
        self._starts: dict[int, Tensor] = {}  # where the derivatives by a call's output end
        self._inputs: list[Tensor] = []

    def enter(self, inputs: list[Tensor]) -> None:
        """Say which tensors the inputs are whose derivatives the first layers' Jacobians take."""
        self._inputs = inputs

    def called(self, func: Function, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """What the function gives: of a layer, its output as rescaled."""
        kind = LAYERS.get(func)
        if kind is None:
            return func(*args, **kwargs)
        groups = operands(func, kind, args, kwargs, lambda tensor: self.notes.value(tensor).names)
        given = [self.notes.value(tensor) for tensor in tensors_in((args, kwargs))]
        if not groups or (kind == "matmul" and not any(value.signal for value in given)):
            return func(*args, **kwargs)
        first = len(self.notes.calls)
        for at, used in enumerate(groups):
            if not used.whole:
                self._inside(self._call_of(first + at, used), used)
        result = func(*args, **kwargs)
        for at, used in enumerate(groups):
            if used.whole:
                result = self._outside(self._call_of(first + at, used), func, used, result)
        return result

    def _call_of(self, index: int, used: Operands) -> LayerCall:
        known = self._known[index] if index < len(self._known) else None
        if known is None or known.weight != used.names[0]:
            raise GoodinitError(
                "the model does not make the same layer calls in every run, so that they cannot be measured one by one"
            )
        return known

    def _inside(self, call: LayerCall, used: Operands) -> None:
        """A projection inside a function: its weight itself is rescaled, before the function is called."""
        own = used.weight.is_leaf  # what a parametrization computed would be computed anew
        for _ in range(_MOST_ASKED):
            with torch.set_grad_enabled(self._jacobians):
                made = functional.linear(used.input, used.weight, used.bias)
            output = self._measure(call, used, made, -1)
            change = self._asked(call, output) if own else None
            if change is None:
                break
            with torch.no_grad():
                gain = _tensor(change.gain, used.weight)
                used.weight.mul_(gain.reshape(-1, *[1] * (used.weight.dim() - 1)) if gain.dim() else gain)
                if used.bias is not None and change.shift is not None:
                    used.bias.add_(_tensor(change.shift, used.bias))
        self.outputs.append(output)

    def _outside(self, call: LayerCall, func: Function, used: Operands, result: Any) -> Any:
        output = next(iter(tensors_in(result)), None)
        if output is None or not output.dtype.is_floating_point or used.kind == "recurrent":
            self.outputs.append(CallOutput(0.0, 0.0) if output is None else measured_output(output, None, None))
            return result
        axis = _unit_axis(func, used, output)
        shape = [1] * output.dim()
        if axis is not None:
            shape[axis] = -1
        bias = 0.0 if used.bias is None or axis is None else used.bias.reshape(shape)
        made = self._changed(call, used, output, bias, shape)
        for _ in range(_MOST_ASKED):
            measured = self._measure(call, used, made, axis)
            change = self._asked(call, measured)
            if change is None:
                break
            gain, names = _tensor(change.gain, output), used.names
            self._gains[names[0]] = self._gains.get(names[0], torch.ones_like(gain)) * gain
            if change.shift is not None and used.bias is not None:
                shift = _tensor(change.shift, output)
                self._shifts[names[-1]] = self._shifts.get(names[-1], torch.zeros_like(shift)) + shift
            made = self._changed(call, used, output, bias, shape)
        self.outputs.append(measured)
        if self._jacobians:
            self._starts[call.index] = made = made.detach().requires_grad_()
            made = made.clone()  # so that it may be changed in place
        return result if made is output else _replaced(result, output, made)

    def _changed(self, call: LayerCall, used: Operands, output: Tensor, bias: Any, shape: list[int]) -> Tensor:
        """The output as what was said of the weight and the bias until now makes it."""
        gain, shift = self._gains.get(used.names[0]), self._shifts.get(used.names[-1])
        made = output
        if gain is not None:
            made = (output - bias) * (gain.reshape(shape) if gain.dim() else gain) + bias
        if shift is not None and used.bias is not None:
            made = made + shift.reshape(shape)
        return made

    def _asked(self, call: LayerCall, output: CallOutput) -> Rescale | None:
        return None if self._sweep is None else self._sweep(call, output)

    def _measure(self, call: LayerCall, used: Operands, output: Tensor, axis: int | None) -> CallOutput:
        measured = measured_output(output, axis, self._examples)
        if not self._jacobians:
            return measured
        calls = self.notes.value(used.input).calls
        ends = [self._starts[index] for index in sorted(calls)[-1:] if index in self._starts]
        if not calls and call.first:
            ends = self._inputs
        if not ends or not output.requires_grad:
            return measured
        squares = 0.0
        for sample in range(_SAMPLES):
            drawn = self._stream.normal(f"jacobian/{call.index}/{sample}", 0, output.numel())
            direction = torch.from_numpy(drawn).to(output.device, output.dtype).reshape(output.shape)
            found = torch.autograd.grad(output, ends, direction, retain_graph=True, allow_unused=True)
            squares += sum(float(each.double().square().sum()) for each in found if each is not None)
        size = squares / (_SAMPLES * max(output.numel(), 1))
        return replace(measured, jacobian=size or None)


def _unit_axis(func: Function, used: Operands, output: Tensor) -> int | None:
    """The axis of an output that counts units; None where it is not known."""
    if used.kind in _CONVOLUTIONS:
        return 1 if output.dim() == used.weight.dim() else 0
    known = used.kind in ("linear", "attention", "bilinear", "embedding")
    return output.dim() - 1 if known or getattr(func, "__name__", "") in _LAST_UNITS else None


def _tensor(value: float | NDArray[np.float64], like: Tensor) -> Tensor:
    return torch.as_tensor(value, dtype=like.dtype, device=like.device)


def _replaced(result: Any, old: Tensor, new: Tensor) -> Any:
    """The function's result with one of its tensors replaced."""
    if result is old:
        return new
    return type(result)(new if each is old else each for each in result)
