"""A multiplier of the logits: what muP asks of a readout that is tied to the embedding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from torch import Tensor, nn

from goodinit.arguments import is_integer
from goodinit.errors import GoodinitError
from goodinit.pytorch.edit_steps import Change, EditStep, register_edit
from goodinit.structure import LayerCall, Structure

__all__ = ["LogitsStep", "ScaledLogits"]


def _times(factor: float, module: nn.Module, args: tuple[Any, ...], output: Tensor) -> Tensor:
    return output * factor


@dataclass
class LogitsStep:
    """The output of a readout's module times a number, by a hook."""

    module: nn.Module
    factor: float
    change: Change
    handles: list[Any] = field(default_factory=list)
    unfoldable = "the readout's weight is the embedding's too, which the multiplier is not for"

    def do(self) -> None:
        """Register the hook."""
        self.handles.append(self.module.register_forward_hook(partial(_times, self.factor)))

    def undo(self) -> None:
        """Take it out."""
        for handle in self.handles:
            handle.remove()
        self.handles.clear()

    def fold(self) -> None:
        """Values cannot express it; `Edit.fold` says so before."""
        raise GoodinitError(f"{self.change.where}: {self.unfoldable}")


@register_edit
@dataclass(frozen=True)
class ScaledLogits:
    """The logits of a tied readout times base_width / width, so that `mup` of that `base_width` takes the model.

    The width is the readout's fan in, as `mup` has it.
    """

    name = "logits"
    summary = "the logits of a readout that is tied to the embedding times base_width / width, as muP wants it"
    reference = "Yang et al. 2022 (Tensor Programs V); MuSharedReadout of the package mup"

    base_width: int = 64

    def __post_init__(self) -> None:
        if not is_integer(self.base_width) or self.base_width < 1:
            raise GoodinitError(f"logits(base_width={self.base_width}): base_width must be an integer of at least 1")

    def steps(self, model: nn.Module, structure: Structure, inputs: Any) -> Sequence[EditStep]:
        """A hook on the readout's module."""
        calls = structure.trace.calls if structure.trace is not None else ()
        tied = [call for call in calls if call.last and structure[call.weight].role == "tied embedding"]
        if not tied:
            raise GoodinitError("logits: no readout is tied to the embedding; mup scales one of its own by its values")
        return [self._step(model, structure, call) for call in tied]

    def _step(self, model: nn.Module, structure: Structure, call: LayerCall) -> LogitsStep:
        parameter = structure[call.weight]
        module = model.get_submodule(call.module)
        if not isinstance(module, nn.Linear):
            raise GoodinitError(
                f"logits: the product with {parameter.name} is computed in forward itself; multiply it there by "
                f"{self.base_width} / {parameter.target.fan_in:g}, which mup then sees"
            )
        if call.output_scale != 1:
            raise GoodinitError(f"logits: the logits are multiplied already, by {call.output_scale:g}")
        factor = self.base_width / parameter.target.fan_in
        change = Change(call.module, "logits", f"logits times {factor:.6g}")
        return LogitsStep(module, factor, change)
