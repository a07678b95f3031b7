"""What a model does with each of its parameters in one run: the role, and the fans where it multiplies as a matrix.

A parameter's class does not say what it is for where the class is somebody's own. What is done with it does: it meets a
signal in a matrix product, a convolution, a look-up, a sum, a norm or a product. Which axis is fan in is read from the
strides of the view that the function was given, so that transposed, sliced and stacked tensors are understood.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Mapping
from typing import Any, Final

import torch
from torch import Tensor
from torch.nn import functional

from goodinit.errors import GoodinitError
from goodinit.pytorch.calling import tensors_in
from goodinit.pytorch.functions import LAYERS, Function, argument, role
from goodinit.pytorch.trace import Known, Tracer, Value
from goodinit.structure import MULTIPLYING, Meaning, Role
from goodinit.weights import Weight

__all__ = ["UseTracer"]

_SCALED_NORMS: Final = {
    functional.layer_norm: (2, 3),
    torch.layer_norm: (2, 3),
    functional.rms_norm: (2, None),
    torch.rms_norm: (2, None),
    functional.group_norm: (2, 3),
    torch.group_norm: (2, 3),
    functional.batch_norm: (3, 4),
    torch.batch_norm: (1, 2),
    functional.instance_norm: (3, 4),
}
"""Where norms have their scale and their shift."""
_OF_NORMS: Final[tuple[Role, Role]] = ("norm scale", "norm shift")
_FIRST: Final = ("tied embedding", *MULTIPLYING, "embedding", "norm scale", "norm offset")
"""Of several uses, the first of these counts; then the one that came first."""


class UseTracer(Tracer):
    """A tracer that learns what each parameter is for; `meanings` gives it by name."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__(model)
        self._parameters = dict(model.named_parameters())
        self._found: dict[str, list[Meaning]] = {}
        self._marks: dict[int, tuple[weakref.ref[Tensor], str]] = {}

    def meanings(self) -> dict[str, Meaning]:
        """What each parameter is, as far as the run told."""
        return {name: _best(found) for name, found in self._found.items()}

    def _learn(
        self, func: Function, args: tuple[Any, ...], kwargs: Mapping[str, Any], before: Known, result: Any
    ) -> None:
        own = [(tensor, value.names[0]) for tensor, value in before if len(value.names) == 1]
        signal = any(value.signal for _, value in before)
        if own:
            self._use(func, args, kwargs, before, own, signal)
        super()._learn(func, args, kwargs, before, result)
        if signal:
            what = role(func)
            marked = any(self._mark(tensor) == "normed" for tensor, value in before if value.signal)
            if what == "norm":
                marked = not own
            elif what not in ("view", "dropout", "product") or (what == "product" and own):
                marked = False
            if marked or what == "norm":
                self._set_mark(result, "normed" if marked else "scaled")
        elif own:
            self._derive(func, own, args, result)

    def _normed(self, value: Value, data: Known, result: Any) -> None:
        super()._normed(value, data, result)
        self._set_mark(result, "normed")

    # --- marks: `normed` for a signal that was normalized and not scaled yet, others for what was made of a parameter

    def _mark(self, tensor: Tensor) -> str | None:
        kept = self._marks.get(id(tensor))
        return kept[1] if kept is not None and kept[0]() is tensor else None

    def _set_mark(self, result: Any, mark: str) -> None:
        for tensor in tensors_in(result):
            self._marks[id(tensor)] = (weakref.ref(tensor), mark)

    def _derive(self, func: Function, own: list[tuple[Tensor, str]], args: tuple[Any, ...], result: Any) -> None:
        """What becomes of a parameter before it meets a signal: a view, 1 + w, or something else of it."""
        what, mark = role(func), next((mark for tensor, _ in own if (mark := self._mark(tensor))), None)
        if what == "sum" and any(isinstance(each, int | float) and each == 1 for each in args):
            mark = "offset"
        elif what == "product" and any(isinstance(each, int | float) and abs(each) != 1 for each in args):
            mark = "rescaled"  # in every call, as where rates are equalized: a rule for plain weights does not fit
        elif what not in ("view", "join", "dropout", "sum") and func not in LAYERS:
            mark = "changed"
        if mark is not None:
            self._set_mark(result, mark)

    # --- uses ---

    def _say(self, name: str, meaning: Meaning) -> None:
        self._found.setdefault(name, []).append(meaning)

    def _use(
        self,
        func: Function,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        before: Known,
        own: list[tuple[Tensor, str]],
        signal: bool,
    ) -> None:
        kind, what = _kind(func), role(func)
        names = {id(tensor): name for tensor, name in own}
        if kind == "embedding":
            for tensor, name in own:
                if tensor.dim() == 2:
                    rows, size = tensor.shape
                    self._say(name, Meaning("embedding", Weight.embedding(name, rows, size)))
            return
        if not signal:
            return
        if kind is not None:
            for tensor, out, into in _matrices(func, kind, args, kwargs):
                if id(tensor) in names:
                    self._matrix(names[id(tensor)], tensor, kind, out, into, args, kwargs)
            for tensor, name in own:
                added = tensor is args[0] and getattr(func, "__name__", "") in ("addmm", "baddbmm")
                if (tensor.dim() == 1 or added) and kind != "recurrent":
                    self._say(name, Meaning("bias"))
        elif func in _SCALED_NORMS:
            for place, key, found in zip(_SCALED_NORMS[func], ("weight", "bias"), _OF_NORMS, strict=True):
                given = None if place is None else argument(args, kwargs, place, key)
                if isinstance(given, Tensor) and id(given) in names:
                    offset = found == "norm scale" and self._mark(given) == "offset"
                    self._say(names[id(given)], Meaning("norm offset" if offset else found))
        elif what in ("sum", "product", "join", "attend"):
            for tensor, name in own:
                self._elementwise(name, tensor, what, before)

    def _elementwise(self, name: str, tensor: Tensor, what: str, before: Known) -> None:
        mark = self._mark(tensor)
        if what == "product":
            normed = any(self._mark(other) == "normed" for other, value in before if value.signal)
            if mark in ("changed", "rescaled") or not normed:
                self._say(name, Meaning("scale"))
            else:
                self._say(name, Meaning("norm offset" if mark == "offset" else "norm scale"))
        elif mark in ("changed", "rescaled"):
            self._say(name, Meaning("scale"))
        elif what in ("join", "attend"):
            self._say(name, Meaning("position"))
        else:
            parameter = self._parameters[name]
            axes = sum(size > 1 for size in parameter.shape)
            self._say(name, Meaning("bias" if axes < 2 else "position"))

    def _matrix(
        self,
        name: str,
        tensor: Tensor,
        kind: str,
        out: int,
        into: int,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
    ) -> None:
        parameter = self._parameters[name]
        if self._mark(tensor) == "rescaled":
            self._say(name, Meaning("scale"))
            return
        try:
            if kind in ("conv", "conv_transpose"):
                weight = _convolution(name, kind, parameter, tensor, args, kwargs)
            else:
                axes = _axis(parameter, tensor, out), _axis(parameter, tensor, into)
                if axes[0] is None or axes[1] is None or axes[0] == axes[1]:
                    return
                shape, fans = tuple(parameter.shape), (tensor.shape[into], tensor.shape[out])
                weight = Weight(name, shape, *fans, out_axis=axes[0], in_axis=axes[1])
        except GoodinitError:
            return  # a use that no Weight describes
        if weight is not None:
            self._say(name, Meaning("weight", weight))


def _kind(func: Function) -> str | None:
    return "matmul" if "grouped_mm" in getattr(func, "__name__", "") else LAYERS.get(func)


def _best(found: list[Meaning]) -> Meaning:
    roles = [meaning.role for meaning in found]
    if "embedding" in roles and "weight" in roles:
        return Meaning("tied embedding", found[roles.index("weight")].weight)
    return min(found, key=lambda meaning: _FIRST.index(meaning.role) if meaning.role in _FIRST else len(_FIRST))


def _axis(parameter: Tensor, view: Tensor, place: int) -> int | None:
    """Which axis of the parameter an axis of what was made of it is: that of the same stride; of a copy, the same."""
    place %= view.dim()
    if view.shape == parameter.shape and view.stride() == parameter.stride():
        return place  # also an axis of one unit, whose stride says nothing
    if parameter.untyped_storage()._cdata == view.untyped_storage()._cdata:
        steps = [step if size > 1 else None for step, size in zip(parameter.stride(), parameter.shape, strict=True)]
        return steps.index(view.stride(place)) if view.stride(place) in steps else None
    return place if view.shape == parameter.shape else None


def _matrices(
    func: Function, kind: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> list[tuple[Tensor, int, int]]:
    """The tensors that a function may sum over, each with its output's and its input's axis."""
    name = getattr(func, "__name__", "")
    if kind in ("linear", "conv", "conv_transpose"):
        weight = argument(args, kwargs, 1, "weight")
        return [(weight, 0, 1)] if isinstance(weight, Tensor) and weight.dim() >= 2 else []
    if kind != "matmul":
        return []
    if name == "einsum":
        return _einsum(args)
    tensors = [each for each in (*args, *kwargs.values()) if isinstance(each, Tensor)]
    if "grouped_mm" in name:
        return [(tensors[1], -1, -2)] if len(tensors) > 1 and tensors[1].dim() >= 2 else []
    if name in ("addmm", "baddbmm", "addmv"):
        tensors = tensors[1:]
    if name == "__rmatmul__":
        tensors = tensors[::-1]
    if name not in ("matmul", "mm", "bmm", "mv", "addmm", "baddbmm", "addmv", "__matmul__", "__rmatmul__"):
        return []
    found = [(tensors[0], -2, -1)] if tensors[0].dim() >= 2 else []
    return [*found, (tensors[1], -1, -2)] if len(tensors) > 1 and tensors[1].dim() >= 2 else found


def _einsum(args: tuple[Any, ...]) -> list[tuple[Tensor, int, int]]:
    """By the letters: what is summed over is an input, what only one operand brings to the output is an output."""
    if not args or not isinstance(args[0], str) or "->" not in args[0] or "." in args[0]:
        return []
    given, _, output = args[0].replace(" ", "").partition("->")
    operands = tensors_in(args[1:])
    found = []
    every = given.split(",")
    for number, (letters, tensor) in enumerate(zip(every, operands, strict=False)):
        others = "".join(every[:number] + every[number + 1 :])
        into = [place for place, letter in enumerate(letters) if letter not in output and letter in others]
        out = [place for place, letter in enumerate(letters) if letter in output and letter not in others]
        if len(into) == 1 and out:
            found.append((tensor, out[-1], into[0]))  # outputs of several axes are a stack of matrices
    return found


def _convolution(
    name: str, kind: str, parameter: Tensor, tensor: Tensor, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Weight | None:
    """The weight of a convolution that was called as a function."""
    if tensor.shape != parameter.shape or tensor.dim() < 3:
        return None
    first, second, *kernel = tensor.shape
    stride = argument(args, kwargs, 3, "stride", 1)
    groups = argument(args, kwargs, 6, "groups", 1)
    steps = (
        [stride] * len(kernel) if isinstance(stride, int) else list(stride) * (len(kernel) if len(stride) == 1 else 1)
    )
    if not isinstance(groups, int) or len(steps) != len(kernel) or math.prod(steps) < 1:
        return None
    if kind == "conv":
        return Weight.conv(name, second * groups, first, kernel, groups=groups, stride=steps)
    return Weight.conv_transpose(name, first, second * groups, kernel, groups=groups, stride=steps)
