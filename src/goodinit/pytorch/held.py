"""How a tensor's numbers are held where not in plain memory: sharded over processes, or quantized by a subclass."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

__all__ = ["innermost", "is_packed", "real_parts", "whole_tensor"]


def innermost(tensor: Tensor) -> list[Tensor]:
    """The tensors that a subclass wraps, by PyTorch's `__tensor_flatten__`, to their last; a plain tensor itself."""
    flatten: Any = getattr(tensor, "__tensor_flatten__", None)
    if flatten is None:
        return [tensor]
    wrapped = [getattr(tensor, name) for name in flatten()[0]]
    return [held for each in wrapped if isinstance(each, Tensor) for held in innermost(each)]


def is_packed(tensor: Tensor) -> bool:
    """Whether real numbers are held as integers, as in a quantized weight of torchao or quanto."""
    return tensor.is_floating_point() and not all(held.is_floating_point() for held in innermost(tensor))


def real_parts(tensor: Tensor) -> Tensor:
    """A complex tensor's real and imaginary parts, along one more axis; another one as it is."""
    return torch.view_as_real(tensor.resolve_conj()) if tensor.is_complex() else tensor


def whole_tensor(tensor: Tensor) -> Tensor:
    """All its numbers in plain memory: of a sharded one collected from the processes, each of which asks for it."""
    whole: Tensor = tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor
    return whole.dequantize() if is_packed(whole) else whole
