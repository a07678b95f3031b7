"""A copy of a model, also of one that PyTorch's own `deepcopy` refuses."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor
from torch.nn.parameter import UninitializedBuffer

__all__ = ["copied"]


def copied(model: torch.nn.Module) -> torch.nn.Module:
    """A deep copy. Buffers that a lazy module has still to build, and tensors that a hook computed, come along."""
    memo: dict[int, Any] = {}
    unbuilt: Any = UninitializedBuffer  # whose arguments PyTorch does not declare
    for module in model.modules():
        for value in (*module.__dict__.values(), *module._buffers.values()):
            if isinstance(value, UninitializedBuffer):
                memo[id(value)] = unbuilt(requires_grad=False, device=value.device, dtype=value.dtype)
            elif isinstance(value, Tensor) and not value.is_leaf:
                memo[id(value)] = value.detach().clone()
    return copy.deepcopy(model, memo)
