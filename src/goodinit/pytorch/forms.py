"""Follows through a run what every layer's input is made of, function by function."""

from __future__ import annotations

import math
import weakref
from collections.abc import Mapping
from typing import Any, Final

from torch import Tensor

from goodinit import activations
from goodinit.pytorch.calling import tensors_in
from goodinit.pytorch.functions import ACTIVATIONS, LAYERS, Function, argument, role
from goodinit.pytorch.operands import Operands
from goodinit.pytorch.trace import Observer
from goodinit.structure import INPUT, UNKNOWN, SignalForm

__all__ = ["Former"]

_DIVISOR: Final = SignalForm("unknown", name="divisor")
_DIVISIONS: Final = ("div", "div_", "divide", "true_divide", "__truediv__", "__itruediv__")


class Former(Observer):
    """Knows the form of every tensor that goes by; `forms` are those of the layer calls' inputs, in their order."""

    def __init__(self) -> None:
        self.forms: list[SignalForm] = []
        self._known: dict[int, tuple[weakref.ref[Tensor], SignalForm]] = {}

    def feed(self, inputs: Any) -> None:
        """Say what the model's inputs are."""
        for tensor in tensors_in(inputs):
            self._keep(tensor, INPUT)

    def layer(self, index: int, used: Operands, output: Tensor) -> None:
        """A layer call was made: its input has a form, its output is a new one."""
        self.forms.append((self._form(used.input) or UNKNOWN) if used.seen else SignalForm("layer", number=index - 1))
        if used.whole:
            self._keep(output, SignalForm("layer", number=index))

    def done(self, function: Function, args: tuple[Any, ...], kwargs: Mapping[str, Any], result: Any) -> None:
        """Any function was called."""
        out = tensors_in(result)
        given = tensors_in((args, kwargs))
        known = [(tensor, form) for tensor in given if (form := self._form(tensor)) is not None]
        if not out or not known or (self._form(out[0]) is not None and self._made_by_a_layer(function, out[0])):
            return
        form = self._made(function, args, kwargs, given, known, out[0])
        for tensor in out:
            self._keep(tensor, form)

    def _made_by_a_layer(self, function: Function, tensor: Tensor) -> bool:
        form = self._form(tensor)
        return function in LAYERS and form is not None and form.kind == "layer" and form.number == len(self.forms) - 1

    def _form(self, tensor: Tensor) -> SignalForm | None:
        kept = self._known.get(id(tensor))
        return kept[1] if kept is not None and kept[0]() is tensor else None

    def _keep(self, tensor: Tensor, form: SignalForm) -> None:
        self._known[id(tensor)] = (weakref.ref(tensor), form)

    def _made(
        self,
        function: Function,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        given: list[Tensor],
        known: list[tuple[Tensor, SignalForm]],
        out: Tensor,
    ) -> SignalForm:
        first, what = known[0][1], role(function)
        others = [tensor for tensor in given if all(tensor is not each for each, _ in known)]
        if function in ACTIVATIONS:
            name = ACTIVATIONS[function](args, kwargs)
            return SignalForm("activation", (first,), name=name) if name and activations.is_known(name) else UNKNOWN
        if function in LAYERS:
            return self._summed(known, out)
        if what == "view" or what == "divisor":
            return first if what == "view" else _DIVISOR
        if what == "norm":
            return SignalForm("norm", (first,))
        if what == "dropout":
            share, training = argument(args, kwargs, 1, "p", 0.5), argument(args, kwargs, 2, "training", True)
            return SignalForm("dropout", (first,), number=float(share)) if training else first
        if what == "softmax":
            return SignalForm("softmax", (first,), number=float(out.shape[-1]))
        if what == "attend":
            return known[-1][1]
        if what == "join":
            sizes = [tensor.numel() for tensor, _ in known]
            total = max(out.numel(), 1)
            return SignalForm("join", tuple(form for _, form in known), shares=tuple(size / total for size in sizes))
        if what == "sum":
            return SignalForm("sum", tuple(form for _, form in known)) if len(known) > 1 else first
        if what == "product":
            return self._product(function, args, known, others)
        if what == "pass":
            return self._pooled(function, args, kwargs, first, known[0][0], out)
        return UNKNOWN

    def _summed(self, known: list[tuple[Tensor, SignalForm]], out: Tensor) -> SignalForm:
        """A product of two signals: the mean of values by an attention's weights keeps what its places share."""
        weights = [form for _, form in known if _weighs(form)]
        rest = [form for _, form in known if not _weighs(form)]
        return rest[0] if weights and rest else UNKNOWN

    def _product(
        self, function: Function, args: tuple[Any, ...], known: list[tuple[Tensor, SignalForm]], others: list[Tensor]
    ) -> SignalForm:
        """A gate, a norm that is written out, or a signal times a number or a parameter."""
        first = known[0][1]
        if len(known) > 1:
            if any(form is _DIVISOR for _, form in known):
                return SignalForm("norm", tuple(form for _, form in known if form is not _DIVISOR))
            return SignalForm("product", tuple(form for _, form in known))
        factors = [float(each) for each in args if isinstance(each, int | float) and not isinstance(each, bool)]
        for tensor in others:
            if tensor.device.type != "meta" and tensor.is_floating_point() and tensor.numel():
                factors.append(float(tensor.detach().float().square().mean().sqrt()))
        if not factors or (factor := factors[0]) == 0:
            return first
        divides = getattr(function, "__name__", "") in _DIVISIONS
        return SignalForm("scaled", (first,), number=1 / factor if divides else factor)

    def _pooled(
        self,
        function: Function,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        first: SignalForm,
        before: Tensor,
        out: Tensor,
    ) -> SignalForm:
        """The mean or the largest of a window, or of all that is gone afterwards."""
        name = getattr(function, "__name__", "")
        taken = max(before.numel() // max(out.numel(), 1), 1)
        kernel = argument(args, kwargs, 1, "kernel_size")
        if "pool" in name and "adaptive" not in name and kernel is not None:
            axes = next((int(each) for each in name if each.isdigit()), 2)
            taken = kernel**axes if isinstance(kernel, int) else math.prod(kernel)
        if "max" in name:
            return SignalForm("max", (first,), number=float(taken))
        if "avg" in name or name == "mean":
            return SignalForm("mean", (first,), number=float(taken))
        return first if name in ("pad", "interpolate", "upsample") else UNKNOWN


def _weighs(form: SignalForm) -> bool:
    """Whether a signal is an attention's weights."""
    while form.kind in ("dropout", "scaled"):
        (form,) = form.of
    return form.kind == "softmax"
