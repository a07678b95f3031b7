"""Fixup's scalars: a number added before and behind every layer of a branch, and one that multiplies its end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import torch
from torch import Tensor, nn

from goodinit.errors import GoodinitError
from goodinit.pytorch.branch_edits import ScaleStep, branch_targets
from goodinit.pytorch.edit_steps import Change, EditStep, register_edit
from goodinit.pytorch.read import ModelWeight
from goodinit.structure import LayerCall, Structure

__all__ = ["FixupScalars", "ShiftStep"]

_LAYERS: Final = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
_CALLED: Final = tuple(cls.forward for cls in _LAYERS)
_BEFORE, _BEHIND = "fixup_before", "fixup_behind"


def _add_before(module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
    return (args[0] + module.get_parameter(_BEFORE), *args[1:])


def _add_behind(module: nn.Module, args: tuple[Any, ...], output: Tensor) -> Tensor:
    return output + module.get_parameter(_BEHIND)


@dataclass
class ShiftStep:
    """A number added to a layer's input, or to its output, by a hook; it is a parameter of the layer."""

    module: nn.Module
    local: str
    start: Tensor
    change: Change
    handles: list[Any] = field(default_factory=list)
    unfoldable = "numbers added to a layer's input are no values of its parameters"

    def do(self) -> None:
        """Register the parameter and the hook."""
        self.module.register_parameter(self.local, nn.Parameter(self.start.clone()))
        if self.local == _BEFORE:
            self.handles.append(self.module.register_forward_pre_hook(_add_before))
        else:
            self.handles.append(self.module.register_forward_hook(_add_behind))

    def undo(self) -> None:
        """Take both out."""
        for handle in self.handles:
            handle.remove()
        self.handles.clear()
        self.module._parameters.pop(self.local, None)

    def fold(self) -> None:
        """Values cannot express it; `Edit.fold` says so before."""
        raise GoodinitError(f"{self.change.where}: {self.unfoldable}")


@register_edit
@dataclass(frozen=True)
class FixupScalars:
    """Numbers from 0 before and behind each layer of a branch and before the readout, and a factor from 1 at its end.

    The values that go with it are those of the method `fixup`, which fills the model before it is edited.
    """

    name = "fixup"
    summary = (
        "numbers added before and behind each layer of a branch and before the readout, one that multiplies its end"
    )
    reference = "Zhang, Dauphin & Ma 2019 (Fixup), figure 1"

    def steps(self, model: nn.Module, structure: Structure, inputs: Any) -> Sequence[EditStep]:
        """The shifts of every layer in a branch, the scale of its end, and the shift of the readout."""
        branches = [branch for stream in structure.streams for branch in stream.branches]
        if not branches:
            raise GoodinitError("fixup: the model has no residual stream, so that there is no branch to shift")
        normed = [each for each in branches if each.norm_at_end or any(call.norm_before for call in each.calls)]
        if normed or any(stream.norms == "after" for stream in structure.streams):
            where = (normed or branches)[0].ends[0].module
            raise GoodinitError(f"fixup: it is for models without norms, and one lies at the branch of {where}")
        made: dict[tuple[str, str], EditStep] = {}
        for branch in branches:
            for call in branch.calls:
                for local in (_BEFORE, _BEHIND):
                    made.setdefault((call.module, local), self._shift(model, structure, call, local))
            scale: nn.Parameter | None = None
            for target in branch_targets(structure, branch, self.name):
                if target.role == "bias":
                    continue  # the number behind the layer is its bias
                weight = model.get_parameter(target.parameters[0])
                scale = scale if scale is not None else nn.Parameter(torch.ones(1, dtype=weight.dtype))
                scale.data = scale.data.to(weight.device)
                change = Change(target.name, target.local, f"{target.local} times a number, from 1")
                made[(target.name, "scale")] = ScaleStep(
                    model.get_submodule(target.module), target.local, scale, 0, False, change
                )
        for call in structure.trace.calls if structure.trace is not None else ():
            if call.last:
                made.setdefault((call.module, _BEFORE), self._shift(model, structure, call, _BEFORE))
        return list(made.values())

    def _shift(self, model: nn.Module, structure: Structure, call: LayerCall, local: str) -> ShiftStep:
        module, weight = model.get_submodule(call.module), structure[call.weight]
        assert isinstance(weight, ModelWeight)
        calls = 0 if structure.trace is None else len(structure.trace.of(call.weight))
        if calls > 1 or type(module).forward not in _CALLED:
            shared = f"is called {calls} times" if calls > 1 else f"({weight.kind}) has a forward pass of its own"
            raise GoodinitError(f"fixup: {call.module or 'the model'} {shared}, so that no number can be added there")
        like = model.get_parameter(weight.parameters[0])
        before, after = (
            ("input", "input + a number, from 0") if local == _BEFORE else ("output", "output + a number, from 0")
        )
        return ShiftStep(
            module, local, torch.zeros(1, dtype=like.dtype, device=like.device), Change(call.module, before, after)
        )
