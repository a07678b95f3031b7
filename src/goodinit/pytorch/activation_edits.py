"""Activations that are shifted and scaled so that a deep network without skips trains: DKS and TAT."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar, Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from goodinit import activations
from goodinit.arguments import check_number
from goodinit.errors import GoodinitError
from goodinit.pytorch.calling import call_model
from goodinit.pytorch.edit_steps import Change, EditStep, register_edit
from goodinit.pytorch.guard import untouched
from goodinit.spec import parse_spec
from goodinit.structure import Structure
from goodinit.theory.shaping import ShapedActivation, kernel_shaped, leaky_tailored, tailored

__all__ = ["DKS", "TAT", "ShapeStep"]

_CLASSES: Final = {
    each.torch_name: name
    for name in activations.names()
    if (each := activations.get(name)).torch_name not in (None, "Identity")
}
_RECTIFIERS: Final = ("relu", "leaky_relu")


def _before(shaped: ShapedActivation, module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
    return (args[0] * shaped.input_scale + shaped.input_shift, *args[1:])


def _behind(shaped: ShapedActivation, module: nn.Module, args: tuple[Any, ...], output: Tensor) -> Tensor:
    return (output + shaped.output_shift) * shaped.output_scale


def _leaky(slope: float, scale: float, module: nn.Module, args: tuple[Any, ...], output: Tensor) -> Tensor:
    return functional.leaky_relu(args[0], slope) * scale


@dataclass
class ShapeStep:
    """One activation's module: what goes in and comes out is shifted and scaled by hooks, or it is made leaky."""

    module: nn.Module
    shaped: ShapedActivation
    change: Change
    handles: list[Any] = field(default_factory=list)
    inplace: bool | None = None
    unfoldable = "what an activation is shifted and scaled by is no value of a parameter"

    def do(self) -> None:
        """Register the hooks."""
        name, options = parse_spec(self.shaped.activation)
        if name == "leaky_relu":
            self.inplace = getattr(self.module, "inplace", None)
            if self.inplace:
                vars(self.module)["inplace"] = False  # the input is needed once more
            hook = partial(_leaky, float(options["slope"]), self.shaped.output_scale)
            self.handles.append(self.module.register_forward_hook(hook))
            return
        self.handles.append(self.module.register_forward_pre_hook(partial(_before, self.shaped)))
        self.handles.append(self.module.register_forward_hook(partial(_behind, self.shaped)))

    def undo(self) -> None:
        """Take them out."""
        for handle in self.handles:
            handle.remove()
        self.handles.clear()
        if self.inplace:
            vars(self.module)["inplace"] = True

    def fold(self) -> None:
        """Values cannot express it; `Edit.fold` says so before."""
        raise GoodinitError(f"{self.change.where}: {self.unfoldable}")


class _OfActivations(ABC):
    """What both have in common: each activation of a chain of layers is shaped by the number of layers."""

    name: ClassVar[str]

    @abstractmethod
    def shaped(self, activation: str, depth: int) -> ShapedActivation:
        """The activation as it is to be computed in a chain of so many. Raises GoodinitError where it cannot be."""

    def steps(self, model: nn.Module, structure: Structure, inputs: Any) -> Sequence[EditStep]:
        """The hooks of every module that is an activation."""
        trace = structure.trace
        assert trace is not None
        followed = [call for call in trace.calls if call.activation is not None]
        odd = next((call for call in trace.calls if call.norm_before or call.norm_after), None)
        if trace.sums or odd is not None:
            what = "a residual sum" if trace.sums else f"a norm beside {odd.module}" if odd is not None else ""
            raise GoodinitError(f"{self.name}: it is for chains of layers without sums and norms, and here is {what}")
        if any(len(call.after) > 1 for call in trace.calls) or any(call.last for call in followed) or not followed:
            raise GoodinitError(
                f"{self.name}: it is for layers one behind another with an activation between them, and none at the end"
            )
        found = _called(model, inputs)
        if sum(count for _, count in found.values()) != len(followed):
            raise GoodinitError(
                f"{self.name}: {len(followed)} activations come behind layers, and modules such as nn.Tanh compute "
                f"{sum(count for _, count in found.values())}; make each of those a module, and no other"
            )
        made: list[EditStep] = []
        for path, (name, _) in found.items():
            module = model.get_submodule(path)
            shaped = self.shaped(name, len(followed))
            change = Change(path, name, _written(shaped))
            made.append(ShapeStep(module, shaped, change))
        return made


def _written(shaped: ShapedActivation) -> str:
    if shaped.activation.startswith("leaky_relu"):
        return f"{shaped.output_scale:.6g} {shaped.activation}"
    name, _, options = shaped.activation.partition("(")
    tail = f"; {options[:-1]}" if options else ""
    inside = f"{shaped.input_scale:.6g} u {shaped.input_shift:+.6g}"
    return f"{shaped.output_scale:.6g} ({name}({inside}{tail}) {shaped.output_shift:+.6g})"


def _called(model: nn.Module, inputs: Any) -> dict[str, tuple[str, int]]:
    """The modules that are activations, by path, each with its name and how often a run calls it."""
    found: dict[str, tuple[str, int]] = {}

    def count(path: str, name: str, module: nn.Module, args: Any, output: Any) -> None:
        found[path] = (name, found.get(path, (name, 0))[1] + 1)

    with untouched(model, inputs) as own, torch.enable_grad():  # a model may differentiate inside its forward
        for path, module in model.named_modules():
            name = _CLASSES.get(type(module).__name__)
            if name is not None and type(module).__module__.startswith("torch.nn."):
                module.register_forward_hook(partial(count, path, _with_option(name, module)))
        call_model(model, own)
    return found


def _with_option(name: str, module: nn.Module) -> str:
    if name == "leaky_relu":
        return f"leaky_relu(slope={module.negative_slope!r})"
    if name == "elu":
        return f"elu(alpha={module.alpha!r})"
    return "gelu_tanh" if name == "gelu" and getattr(module, "approximate", "none") == "tanh" else name


@register_edit
@dataclass(frozen=True)
class DKS(_OfActivations):
    """Deep Kernel Shaping of a chain without sums: activations with Q(1) = Q'(1) = 1, C(0) = 0 and C'(1) = `slope`.

    The slope is that of all layers together. It goes with weights of variance 1 / fan in, orthogonal at best, and
    biases of 0: `goodinit.initialize(model, "orthogonal(gain=1)", ...)` before. It is for smooth activations.
    """

    name = "dks"
    summary = "activations of a deep chain shifted and scaled so that its kernel keeps its shape"
    reference = "Martens et al. 2021 (Deep Kernel Shaping)"

    slope: float = 1.5

    def __post_init__(self) -> None:
        check_number("slope", self.slope)
        if not self.slope > 1:
            raise GoodinitError(f"dks(slope={self.slope}): slope must be above 1")

    def shaped(self, activation: str, depth: int) -> ShapedActivation:
        """By the paper's four conditions."""
        return kernel_shaped(activation, depth, self.slope)


@register_edit
@dataclass(frozen=True)
class TAT(_OfActivations):
    """Tailored activations of a chain without sums: ReLU made leaky so that correlations of 0 come to `correlation`.

    Of a smooth activation Q(1) = Q'(1) = C'(1) = 1, and C''(1) of all layers together is `curve`. It goes with the
    values that `dks` goes with.
    """

    name = "tat"
    summary = "ReLU of a deep chain made leaky, or others shifted and scaled, so that its kernel keeps its shape"
    reference = "Zhang, Botev & Martens 2022 (Tailored Activation Transformation)"

    correlation: float = 0.9
    curve: float = 0.3

    def __post_init__(self) -> None:
        check_number("correlation", self.correlation)
        check_number("curve", self.curve)
        if not 0 < self.correlation < 1:
            raise GoodinitError(f"tat(correlation={self.correlation}): correlation must lie between 0 and 1")
        if not self.curve > 0:
            raise GoodinitError(f"tat(curve={self.curve}): curve must be above 0")

    def shaped(self, activation: str, depth: int) -> ShapedActivation:
        """Leaky ReLUs by their correlations, others by the curve."""
        if parse_spec(activation)[0] in _RECTIFIERS:
            return leaky_tailored(depth, self.correlation)
        return tailored(activation, depth, self.curve)
