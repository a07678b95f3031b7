"""Who looks at what goes by while a model is run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from goodinit.pytorch.functions import Function
from goodinit.pytorch.operands import Operands

__all__ = ["Observer"]


class Observer:
    """Is told what goes by, while it is there: the tensors may be overwritten in place a moment later."""

    def layer(self, index: int, used: Operands, output: Tensor) -> None:
        """A layer call was made."""

    def activated(self, calls: tuple[int, ...], name: str, output: Tensor) -> None:
        """An activation was applied to the output of these calls."""

    def summed(self, stream: Tensor, branch: Tensor, calls: tuple[int, ...], total: Tensor, scale: float) -> None:
        """The output of these calls, times `scale`, was added to a value it was computed from."""

    def lost(self, name: str, function: Function, args: tuple[Any, ...], kwargs: Mapping[str, Any], loss: Any) -> None:
        """A loss was computed."""

    def done(self, function: Function, args: tuple[Any, ...], kwargs: Mapping[str, Any], result: Any) -> None:
        """Any function was called."""
