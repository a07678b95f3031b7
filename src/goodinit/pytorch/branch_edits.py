"""Scales at the ends of residual branches, as parametrizations: ReZero, SkipInit, LayerScale."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from goodinit.arguments import check_number
from goodinit.errors import GoodinitError
from goodinit.pytorch.edit_steps import Change, EditStep, register_edit
from goodinit.pytorch.read import ModelWeight
from goodinit.structure import Branch, ResidualStream, Structure

__all__ = ["LayerScale", "ReZero", "ScaleStep", "SkipInit", "branch_targets"]

_SCALES = ("norm scale", "norm offset", "scale")


class ScaleParametrization(nn.Module):
    """A parametrization: a tensor times `scale`, one number, or one an output along `axis`.

    With `offset` the tensor is kept as its distance from 1, so that it is 1 more that is multiplied.
    """

    def __init__(self, scale: nn.Parameter, axis: int, offset: bool) -> None:
        super().__init__()
        self.scale, self.axis, self.offset = scale, axis, offset

    def forward(self, tensor: Tensor) -> Tensor:
        """The tensor that the layer computes with."""
        shape = [1] * tensor.dim()
        if self.scale.numel() > 1:
            shape[self.axis] = -1
        scale = self.scale.view(shape) if shape else self.scale[0]
        return (1 + tensor) * scale - 1 if self.offset else tensor * scale


@dataclass
class ScaleStep:
    """One parameter of a module that is multiplied; the scale may serve several."""

    module: nn.Module
    local: str
    scale: nn.Parameter
    axis: int
    offset: bool
    change: Change
    order: tuple[str, ...] = ()

    def do(self) -> None:
        """Parametrize it."""
        self.order = tuple(self.module._parameters)
        parametrize.register_parametrization(
            self.module, self.local, ScaleParametrization(self.scale, self.axis, self.offset)
        )

    def undo(self) -> None:
        """Give the module its parameter back, at its place."""
        self._remove(keep=False)

    def fold(self) -> None:
        """The same, with the parameter multiplied."""
        self._remove(keep=True)

    def _remove(self, keep: bool) -> None:
        chain = getattr(getattr(self.module, "parametrizations", {}), "_modules", {}).get(self.local)
        if chain is None or len(chain) != 1 or not isinstance(chain[0], ScaleParametrization):
            raise GoodinitError(f"{self.change.where} was parametrized anew, or no longer is; undo that first")
        parametrize.remove_parametrizations(self.module, self.local, leave_parametrized=keep)
        own = self.module._parameters
        for name in self.order:
            if name in own:
                own[name] = own.pop(name)


def branch_targets(structure: Structure, branch: Branch, what: str) -> list[ModelWeight]:
    """The parameters whose multiplication multiplies a branch: the last scale and its shift, or its last layers'.

    Raises GoodinitError where there are none: a norm without a scale, or an activation, comes last.
    """
    where = branch.ends[0].module
    if branch.activation is not None:
        raise GoodinitError(
            f"{what}: {branch.activation} lies between {where} and the sum, so that no parameter multiplies the branch"
        )
    scales = [structure[name] for name in branch.passed if structure[name].role in _SCALES]
    if scales:
        beside = [
            each
            for each in structure.parameters
            if each.module == scales[-1].module and each.role == "norm shift" and each is not scales[-1]
        ]
        return [_plain(each, what) for each in (scales[-1], *beside)]
    if branch.norm_at_end:
        raise GoodinitError(f"{what}: a norm without a scale lies between {where} and the sum, which undoes any other")
    names = dict.fromkeys(structure[name].name for call in branch.ends for name in call.parameters)
    return [_plain(structure[name], what) for name in names]


def _plain(weight: Any, what: str) -> ModelWeight:
    assert isinstance(weight, ModelWeight)
    if weight.form != "plain":
        raise GoodinitError(f"{what}: {weight.name} is parametrized already; undo that first")
    if weight.aliases:
        raise GoodinitError(f"{what}: {weight.name} is tied to {weight.aliases[0]}, which would be changed too; untie")
    return weight


def _streams(structure: Structure, what: str) -> tuple[ResidualStream, ...]:
    if not structure.streams:
        raise GoodinitError(f"{what}: the model has no residual stream, so that there is no branch to scale")
    return structure.streams


def _shared_elsewhere(structure: Structure, target: ModelWeight, ends: set[int], what: str) -> None:
    """Refuse a layer that ends a branch and is used within another too."""
    assert structure.trace is not None
    for call in structure.trace.of(target.name):
        if call.index not in ends:
            raise GoodinitError(f"{what}: {target.module} ends a branch and is called elsewhere too, unscaled there")


class _OfBranches(ABC):
    """What the three have in common: a scale at the end of every residual branch."""

    name: ClassVar[str]

    @abstractmethod
    def start(self, stream: ResidualStream) -> float:
        """What the scales of a stream start from."""

    def size(self, target: ModelWeight) -> int:
        """How many numbers a scale has."""
        return 1

    def steps(self, model: nn.Module, structure: Structure, inputs: Any) -> Sequence[EditStep]:
        """A parametrization of each weight and bias at the end of a branch, which share a scale."""
        made: dict[str, ScaleStep] = {}
        streams = _streams(structure, self.name)
        ends = {call.index for stream in streams for branch in stream.branches for call in branch.ends}
        for stream in streams:
            start = self.start(stream)
            for branch in stream.branches:
                targets = branch_targets(structure, branch, self.name)
                if any(each.name in made for each in targets):
                    continue  # the same layer ends several branches: its scale is theirs too
                scales: dict[int, nn.Parameter] = {}
                for target in targets:
                    if not target.role.startswith("norm"):
                        _shared_elsewhere(structure, target, ends, self.name)
                    made[target.name] = self._step(model, target, start, scales)
        return list(made.values())

    def _step(self, model: nn.Module, target: ModelWeight, start: float, scales: dict[int, nn.Parameter]) -> ScaleStep:
        weight = model.get_parameter(target.parameters[0])
        size = self.size(target)
        if size not in scales:
            scales[size] = nn.Parameter(torch.full((size,), start, dtype=weight.dtype, device=weight.device))
        shape = "a number" if size == 1 else f"{size} numbers, one an output"
        word = "1 + w" if target.role == "norm offset" else target.local
        change = Change(target.name, word, f"{word} times {shape}, from {start:.4g}")
        axis = _out_axis(target)
        return ScaleStep(
            model.get_submodule(target.module), target.local, scales[size], axis, target.role == "norm offset", change
        )


def _out_axis(target: ModelWeight) -> int:
    known = target.weight
    return 0 if known is None or known.kind == "elementwise" or len(known.shape) < 2 else known.out_axis


@register_edit
@dataclass(frozen=True)
class ReZero(_OfBranches):
    """x + a f(x), a number for each branch, from 0: the network starts as its streams alone."""

    name = "rezero"
    summary = "a number at the end of every residual branch, which starts at 0"
    reference = "Bachlechner et al. 2021 (ReZero)"

    alpha: float = 0.0

    def __post_init__(self) -> None:
        check_number("alpha", self.alpha)

    def start(self, stream: ResidualStream) -> float:
        """The same for every stream."""
        return float(self.alpha)


@register_edit
@dataclass(frozen=True)
class SkipInit(_OfBranches):
    """x + a f(x), a number for each branch, from 0 or, with `alpha=root`, from 1 / sqrt(B) of B branches."""

    name = "skipinit"
    summary = "a number at the end of every residual branch, which starts at 0 or at 1 / sqrt(branches)"
    reference = "De & Smith 2020 (SkipInit)"

    alpha: float | str = 0.0

    def __post_init__(self) -> None:
        if self.alpha != "root":
            if isinstance(self.alpha, str):
                raise GoodinitError(f"skipinit(alpha={self.alpha}): give a number, or root for 1 / sqrt(branches)")
            check_number("alpha", self.alpha)

    def start(self, stream: ResidualStream) -> float:
        """Of a stream of B branches."""
        return 1 / math.sqrt(len(stream.branches)) if isinstance(self.alpha, str) else float(self.alpha)


@register_edit
@dataclass(frozen=True)
class LayerScale(_OfBranches):
    """x + g * f(x), a number for each output of a branch, from `init`; by depth as CaiT has it where that is not said.

    That is 0.1 up to 18 blocks, 1e-5 up to 24 and 1e-6 beyond.
    """

    name = "layerscale"
    summary = "a small number for each output at the end of every residual branch"
    reference = "Touvron et al. 2021 (CaiT, LayerScale)"

    init: float | None = None

    def __post_init__(self) -> None:
        if self.init is not None:
            check_number("init", self.init)

    def start(self, stream: ResidualStream) -> float:
        """Of a stream of so many blocks."""
        if self.init is not None:
            return float(self.init)
        return 0.1 if stream.blocks <= 18 else 1e-5 if stream.blocks <= 24 else 1e-6

    def size(self, target: ModelWeight) -> int:
        """The outputs of the layer."""
        assert target.shape is not None
        return target.shape[_out_axis(target)] if target.shape else 1
