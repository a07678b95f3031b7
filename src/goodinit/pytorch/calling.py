"""Calling a model with inputs of any form, and the tensors in whatever it gives back."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Final

import torch
from torch import Tensor

from goodinit.errors import GoodinitError

__all__ = ["call_model", "describe", "is_model", "mapped", "spoiled", "tensors_in"]

_DEEPEST: Final = 32  # of nested outputs: what lies deeper is a structure that holds itself


def tensors_in(value: Any, depth: int = 0) -> list[Tensor]:
    """The tensors in a value, in order: in tuples, lists, dicts, dataclasses and objects like them, however nested."""
    if isinstance(value, Tensor):
        return [value]
    if depth > _DEEPEST or value is None or isinstance(value, str | bytes | int | float | bool):
        return []
    if isinstance(value, Mapping):
        return [tensor for each in value.values() for tensor in tensors_in(each, depth + 1)]
    if isinstance(value, tuple | list | set | frozenset):
        return [tensor for each in value for tensor in tensors_in(each, depth + 1)]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = (getattr(value, field.name, None) for field in dataclasses.fields(value))
        return [tensor for each in fields for tensor in tensors_in(each, depth + 1)]
    if isinstance(value, torch.nn.utils.rnn.PackedSequence | torch.nn.Module | torch.dtype | torch.device):
        return []
    own = getattr(value, "__dict__", None)  # an output class of somebody's own
    if isinstance(own, dict) and not callable(value):
        return [tensor for each in list(own.values()) for tensor in tensors_in(each, depth + 1)]
    return []


def spoiled(tensor: Tensor) -> bool:
    """Whether a tensor of numbers holds what no mask does: nan, or plus infinity."""
    if not tensor.dtype.is_floating_point:
        return False
    values = tensor.detach()
    values = values.coalesce().values() if values.layout == torch.sparse_coo else values
    values = values.values() if values.layout not in (torch.strided, torch.sparse_coo) else values
    return bool((torch.isnan(values) | (values == torch.inf)).any())


def mapped(function: Callable[[Tensor], Tensor], value: Any, depth: int = 0) -> Any:
    """The same structure with the function applied to its tensors; what holds none is passed on as it is."""
    if isinstance(value, Tensor):
        return function(value)
    if depth > _DEEPEST or not tensors_in(value, depth):
        return value
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(mapped(function, each, depth + 1) for each in value))
    if isinstance(value, tuple | list | set | frozenset):
        return type(value)(mapped(function, each, depth + 1) for each in value)
    if isinstance(value, dict):
        made = copy.copy(value)
        for key, each in value.items():
            made[key] = mapped(function, each, depth + 1)
        return made
    if isinstance(value, Mapping):
        return {key: mapped(function, each, depth + 1) for key, each in value.items()}
    made = copy.copy(value)
    for key, each in list(vars(value).items()):
        object.__setattr__(made, key, mapped(function, each, depth + 1))
    return made


def call_model(model: torch.nn.Module, inputs: Any) -> Any:
    """What the model gives for the inputs: a tuple is positional arguments, a mapping keywords, anything else one.

    Raises GoodinitError where the model raises, naming its own error.
    """
    try:
        if isinstance(inputs, Mapping):
            return model(**inputs)
        return model(*inputs) if isinstance(inputs, tuple) else model(inputs)
    except GoodinitError:
        raise
    except Exception as error:
        raise GoodinitError(
            f"the model cannot be run on these inputs ({describe(inputs)}): {type(error).__name__}: {error}"
        ) from error


def is_model(value: Any) -> bool:
    """Whether something is a PyTorch module."""
    return isinstance(value, torch.nn.Module)


def describe(inputs: Any) -> str:
    """The inputs in a few words: kinds, shapes and number types."""
    if isinstance(inputs, Tensor):
        return f"a {str(inputs.dtype).removeprefix('torch.')} tensor of shape {tuple(inputs.shape)}"
    if isinstance(inputs, Mapping):
        return "keywords " + ", ".join(f"{key}: {describe(each)}" for key, each in inputs.items())
    if isinstance(inputs, tuple | list):
        return f"{type(inputs).__name__} of " + (", ".join(describe(each) for each in inputs) or "nothing")
    return type(inputs).__name__
