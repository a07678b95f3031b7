"""Weights that a model starts at zero on purpose: branch ends, output layers, and scales of norms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import nn

from goodinit.pytorch.read import ModelWeight
from goodinit.structure import MULTIPLYING, Trace

__all__ = ["ZeroStarts", "zero_starting"]

ZeroStarts = Literal["keep", "fill"]
"""What becomes of a weight that is exactly zero where a model may start so."""


def zero_starting(model: nn.Module, weights: Sequence[ModelWeight], trace: Trace) -> frozenset[str]:
    """The names of the weights that are exactly zero where that is a start and no fault.

    A matrix may be zero where no other layer takes its output alone: at the end of a branch or of the model, or before
    a product of two signals. A norm's scale may be zero where others are not. A model of zeros only has no start.
    """
    matrices = [each for each in weights if each.role in MULTIPLYING]
    scales = [each for each in weights if each.role == "norm scale"]
    zero = {each.name for each in (*matrices, *scales) if _is_zero(model, each)}
    if all(each.name in zero for each in matrices):
        return frozenset()
    alone = {call.sources[0] for call in trace.calls if len(call.sources) == 1 and not call.mixed}
    feeding = {name for call in trace.calls if call.index in alone and not call.residual for name in call.parameters}
    used = {name for call in trace.calls for name in call.parameters}
    ends = {
        each.name
        for each in matrices
        if each.name in zero and used.intersection(each.parameters) and not feeding.intersection(each.parameters)
    }
    some = not all(each.name in zero for each in scales)
    return frozenset(ends | {each.name for each in scales if some and each.name in zero})


def _is_zero(model: nn.Module, weight: ModelWeight) -> bool:
    if weight.form != "plain" or weight.lazy or weight.meta or not weight.dtype.is_floating_point:
        return False
    values = model.get_parameter(weight.parameters[0]).detach()
    return values.numel() > 0 and not bool(torch.count_nonzero(values))
