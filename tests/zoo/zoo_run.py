"""What goodinit does with one model of the zoo: it is filled and checked, timed, and held to be untouched."""

from __future__ import annotations

import copy
import time
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn
from zoo_models import Case, Model

import goodinit
from goodinit.pytorch.calling import call_model

__all__ = ["Seen", "same_value", "see", "state_of"]


@dataclass
class Seen:
    """One row of the table. Findings are [severity, code, where], without remarks; None where it could not be done."""

    name: str
    library: str
    parameters: int = 0
    tensors: int = 0
    filled: int | None = None
    kept: int | None = None
    cautions: list[str] = field(default_factory=list)
    own: list[list[str]] | None = None
    he: list[list[str]] | None = None
    remedied: list[list[str]] | None = None
    remedy: str = ""
    step: float | None = None
    check: float | None = None
    touched: list[str] = field(default_factory=list)
    failure: str = ""

    def row(self) -> dict[str, Any]:
        """As JSON holds it."""
        return asdict(self)


def see(model: Model, timed: bool = True) -> Seen:
    """All that the table tells of one model."""
    seen = Seen(model.name, model.library)
    torch.manual_seed(0)
    try:
        case = model.make()
        seen.parameters = sum(each.numel() for each in case.model.parameters())
        seen.tensors = sum(1 for _ in case.model.parameters())
        if timed:
            seen.step = _step(case)
        own = _checked(case, seen)
        seen.own = _findings(own)
        _remedied(case, own, seen)
        done = goodinit.initialize(case.model, "he_normal", seed=0, inputs=case.inputs)
        seen.filled = sum(each.initializer is not None for each in done.weights)
        seen.kept = len(done.weights) - seen.filled
        seen.cautions = sorted({each.because for each in done.weights if each.initializer is None})
        seen.he = _findings(_checked(case, seen))
    except Exception as error:  # told in the table
        seen.failure = f"{type(error).__name__}: {error}"[:300]
    return seen


def _checked(case: Case, seen: Seen) -> goodinit.Checkup:
    """A checkup, and whether the model is what it was to the bit."""
    before, random = state_of(case.model), torch.get_rng_state()
    begun = time.process_time()
    try:
        return goodinit.check(case.model, case.inputs, case.targets, loss=case.loss)
    finally:
        seen.check = min(seen.check or float("inf"), time.process_time() - begun)
        after = state_of(case.model)
        seen.touched += [name for name in before if name not in after or not same_value(before[name], after[name])]
        if not torch.equal(random, torch.get_rng_state()):
            seen.touched.append("the random state")


def state_of(model: nn.Module) -> dict[str, Any]:
    """All that a call could change of a model: values, gradients, modes and hooks."""
    tensors = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    kept: dict[str, Any] = {name: tensor.detach().clone() for name, tensor in tensors.items()}
    kept |= {f"{name}.grad": tensor.grad for name, tensor in tensors.items()}
    kept |= {f"{name}'s mode": module.training for name, module in model.named_modules()}
    return kept | {f"{name}'s hooks": len(module._forward_hooks) for name, module in model.named_modules()}


def same_value(one: Any, other: Any) -> bool:
    """Whether two are equal, tensors to the bit."""
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return one.dtype == other.dtype and one.shape == other.shape and bool(torch.equal(_bytes(one), _bytes(other)))
    return one is other or one == other


def _bytes(tensor: Tensor) -> Tensor:
    tensor = torch.view_as_real(tensor) if tensor.is_complex() else tensor
    return tensor.detach().contiguous().reshape(-1).view(torch.uint8) if tensor.numel() else tensor


def _findings(checkup: goodinit.Checkup) -> list[list[str]]:
    return [[each.severity, each.code, each.where or ""] for each in checkup.findings if each.severity != "info"]


def _remedied(case: Case, checkup: goodinit.Checkup, seen: Seen) -> None:
    """The first severe finding's remedy, or the first warning's, on a copy."""
    code = next((each.remedy for each in checkup.findings if each.severity != "info" and each.remedy), "")
    if not code or all(line.startswith("#") for line in code.splitlines()):
        return
    seen.remedy = code
    model = copy.deepcopy(case.model)
    names = {"model": model, "inputs": case.inputs, "targets": case.targets, "torch": torch, "goodinit": goodinit}
    exec(code, names)
    again = Case(names["model"], names["inputs"], names["targets"], case.loss)
    seen.remedied = _findings(goodinit.check(again.model, again.inputs, again.targets, loss=again.loss))


def _step(case: Case) -> float:
    """Seconds of a step: forward, loss, backward. On a copy, since it counts in a norm's running statistics."""
    model, times = copy.deepcopy(case.model), []
    for _ in range(3):
        begun = time.process_time()
        output = call_model(model, case.inputs)
        if case.loss is None:
            total = output["loss"] if isinstance(output, dict) else output.loss
        else:
            total = case.loss(output) if case.targets is None else case.loss(output, case.targets)
        total.backward()
        times.append(time.process_time() - begun)
        for parameter in model.parameters():
            parameter.grad = None
    return median(times[1:])
