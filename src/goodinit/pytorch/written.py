"""Activations that are written out, as x * sigmoid(x): an elementwise function of one signal is known by its values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from goodinit.pytorch.functions import ACTIVATIONS, Function, everywhere, role
from goodinit.pytorch.values import Known, SignalOrigin, Value

__all__ = ["activation_between", "common_origin", "of_itself"]

_ELEMENTWISE: Final = everywhere(
    "pow square exp expm1 log log1p reciprocal neg negative abs maximum minimum where __pow__ __neg__"
)
_WRITTEN: Final[dict[str, Callable[[Tensor], Tensor]]] = {
    "relu": functional.relu,
    "relu6": functional.relu6,
    "elu": functional.elu,
    "selu": functional.selu,
    "gelu": functional.gelu,
    "silu": functional.silu,
    "mish": functional.mish,
    "softplus": functional.softplus,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "erf": torch.erf,
    "softsign": functional.softsign,
    "hardswish": functional.hardswish,
}
_SAMPLE: Final = 64  # values
_FEWEST: Final = 8
_NEAR: Final = 0.03  # of the size: x sigmoid(1.702 x) is a gelu but for 0.02
_DISTINCT: Final = 0.5  # of what is left beside a multiple of the input, which all of them are near 0


def common_origin(func: Function, before: Known) -> SignalOrigin | None:
    """The one signal that an elementwise function was given, or functions of it; None where there is none such."""
    if not (func in _ELEMENTWISE or func in ACTIVATIONS or role(func) in ("sum", "product")):
        return None
    signals = [each for each in before if each[1].signal]
    if not signals or any(value.names or tensor.numel() > 1 for tensor, value in before if not value.signal):
        return None
    origins = [value.origin for _, value in signals]
    nodes = {value.node if value.origin is None else value.origin.value.node for _, value in signals}
    if len(nodes) > 1 or len({tensor.shape for tensor, _ in signals}) > 1:
        return None
    tensor, value = signals[0]
    known = next((origin for origin in origins if origin is not None), None)
    if known is not None:
        return known
    values = _sampled(tensor) if value.calls and value.activation is None else None
    return None if values is None else SignalOrigin(value, values)


def _sampled(tensor: Tensor) -> Tensor | None:
    """The first values of a tensor, which nothing overwrites; None where there are none to be had."""
    if not tensor.dtype.is_floating_point or tensor.device.type == "meta" or not tensor.dim() or not tensor.numel():
        return None
    try:
        return tensor.detach()[:1].flatten()[:_SAMPLE].clone().float()
    except RuntimeError:  # of a transform that has no values of its own
        return None


def activation_between(origin: SignalOrigin, tensor: Tensor) -> str | None:
    """The activation that was written out between a signal and a tensor; None where it is none that is known."""
    before, after = origin.sample, _sampled(tensor)
    if after is None or min(len(before), len(after)) < _FEWEST:
        return None
    count = min(len(before), len(after))
    before, after = before[:count], after[:count]
    size = float(after.square().sum())
    if not size > 0:
        return None
    straight = size - float(before @ after) ** 2 / max(float(before.square().sum()), 1e-30)
    errors = {name: float((found(before) - after).square().sum()) for name, found in _WRITTEN.items()}
    name = min(errors, key=errors.__getitem__)
    near = errors[name] <= _NEAR**2 * size and errors[name] <= _DISTINCT**2 * straight
    return name if near else None


def of_itself(one: Value, other: Value) -> bool:
    """Whether a product of two is a function of one signal, as x sigmoid(x) is."""
    nodes = {value.node if value.origin is None else value.origin.value.node for value in (one, other)}
    return len(nodes) == 1
