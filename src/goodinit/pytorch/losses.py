"""The loss of a model's output: a callable's, or the one that the output carries."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from goodinit.errors import GoodinitError
from goodinit.pytorch.calling import describe

__all__ = ["LossFunction", "total_loss"]

LossFunction = Callable[..., Any]
"""A callable of (output, targets), or of the output alone where there are no targets."""


def total_loss(output: Any, targets: Any, loss: LossFunction | None) -> Tensor | None:
    """The loss, one number; without a callable the one that the output carries, None where it carries none.

    Raises GoodinitError where it cannot be computed, naming its own error, or is no single number.
    """
    if loss is None:
        total = _carried(output)
        return None if total is None else total.reshape(())
    try:
        total = loss(output) if targets is None else loss(output, targets)
    except Exception as error:
        raise GoodinitError(
            f"the loss cannot be computed of the model's output ({describe(output)}) and the targets "
            f"({describe(targets)}): {type(error).__name__}: {error}{_numbered(output, targets)}"
        ) from error
    if not isinstance(total, Tensor) or total.numel() != 1:
        what = describe(total)
        raise GoodinitError(f"the loss gave {what}; it must give one number, a tensor of one element")
    return total.reshape(())


def _carried(output: Any) -> Tensor | None:
    """The loss that a model gives itself: its `loss`, the number that it returns, or the only number among several."""
    named = output.get("loss") if isinstance(output, Mapping) else getattr(output, "loss", None)
    if isinstance(named, Tensor) and named.numel() == 1:
        return named
    given = output if isinstance(output, tuple | list) else [output]
    numbers = [each for each in given if isinstance(each, Tensor) and each.dim() == 0 and each.is_floating_point()]
    return numbers[0] if len(numbers) == 1 else None


def _numbered(output: Any, targets: Any) -> str:
    """What is to be said where targets are classes that the outputs do not have."""
    if not isinstance(output, Tensor) or not isinstance(targets, Tensor) or output.dim() < 2 or not targets.numel():
        return ""
    if targets.dtype.is_floating_point or targets.dtype == torch.bool:
        return ""
    low, high = int(targets.min()), int(targets.max())
    if low >= 0 and high < output.shape[1]:
        return ""
    return (
        f"; the targets go from {low} to {high}, and the model has {output.shape[1]} outputs: classes are numbered "
        f"from 0 to {output.shape[1] - 1}"
    )
