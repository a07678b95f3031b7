"""The runs of a coordinate check: a few steps of each size and seed, looked at after every one of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import torch
from torch import Tensor

from goodinit.errors import GoodinitError
from goodinit.pytorch.calling import call_model, describe, mapped
from goodinit.pytorch.loop import seeded
from goodinit.transferring.coordinates import Look, Seen, look
from goodinit.transferring.given import Given, Made

__all__ = ["CallSeries", "ParameterFacts", "ScaledRun", "measured_run", "take_step", "total_loss"]

_DECOUPLED: Final = ("adamw", "lion", "muon", "sgdw", "decoupled", "shampoo", "soap", "adafactor", "sophia", "lamb")


@dataclass
class CallSeries:
    """A layer call, a sum, attention scores or the output over the steps; each list has one number a step, from 0.

    `size` is the rms of the output, `change` that of its change since step 0, `step` of its change by the last step,
    `own` of the part of the change that the weight's own update made, `passed` of the rest, which came in by the
    input, `gain` of `own` over the input's rms. All are taken after the `factor` that the output is multiplied by.
    """

    key: str
    kind: str
    weight: str
    branch: bool = False
    factor: float = 1.0
    inner: float = math.nan
    values: dict[str, list[float]] = field(default_factory=dict)


@dataclass
class ParameterFacts:
    """A parameter in one run: what its optimizer says of it, and how it moved.

    `update` has the rms of each step's update, `moved` that of the change since the start; `spectral` the spectral
    norm of the last step's update over sqrt(fan out / fan in), `stable_rank` that of the first step's update over the
    smaller side. `epsilon` is the median share that epsilon has in the denominators of Adam, `decay` the rms of the
    decay over that of the gradient (where it is added to the gradient), or the share that one step takes away.
    """

    name: str
    shape: tuple[int, ...]
    role: str
    fan_in: float
    fan_out: float
    std: float
    rate: float = math.nan
    coupled: bool = False
    epsilon: float = math.nan
    decay: float = math.nan
    spectral: float = math.nan
    stable_rank: float = math.nan
    gradient: float = math.nan
    adaptive: bool = False
    update: list[float] = field(default_factory=list)
    moved: float = math.nan


@dataclass
class ScaledRun:
    """One size and seed; `diverged` says that a loss was not finite."""

    size: int
    seed: int
    calls: dict[str, CallSeries]
    parameters: dict[str, ParameterFacts]
    losses: list[float]
    diverged: bool = False


def total_loss(made: Made, output: Any, targets: Any) -> Tensor:
    """The loss: the callable's, or the one that the output carries.

    Raises GoodinitError where there is none, or it is not one number.
    """
    if made.loss is None:
        carried = output.get("loss") if isinstance(output, Mapping) else getattr(output, "loss", None)
        if carried is None and isinstance(output, Tensor) and output.numel() == 1:
            carried = output
        if not isinstance(carried, Tensor):
            raise GoodinitError("no loss was given: say loss=torch.nn.functional.cross_entropy, or another callable")
        return carried.reshape(())
    try:
        total = made.loss(output) if targets is None else made.loss(output, targets)
    except Exception as error:
        raise GoodinitError(
            f"the loss cannot be computed of the model's output ({describe(output)}) and the targets "
            f"({describe(targets)}): {type(error).__name__}: {error}"
        ) from error
    if not isinstance(total, Tensor) or total.numel() != 1:
        raise GoodinitError(f"the loss gave {describe(total)}; it must give one number, a tensor of one element")
    return total.reshape(())


def take_step(made: Made, step: int) -> float:
    """One step of training; the loss before it."""
    inputs, targets = made.batch(step)
    for optimizer in made.optimizers:
        optimizer.zero_grad(set_to_none=True)
    total = total_loss(made, call_model(made.model, inputs), targets)
    total.backward()
    for optimizer in made.optimizers:
        optimizer.step()
    return float(total.detach())


def measured_run(given: Given, size: int, seed: int, steps: int) -> ScaledRun:
    """Make the model of that size and seed, train it for some steps, and look at it before and after each."""
    made = given.made(size, seed)
    model = made.model
    inputs = mapped(lambda tensor: tensor.detach().clone(), made.batch(0)[0])
    with seeded(seed, "transfer steps"), torch.inference_mode(False), torch.enable_grad():
        first = _looked(model, inputs, None)
        start = {name: each.detach().clone() for name, each in model.named_parameters()}
        facts = {name: _facts(name, each, first) for name, each in model.named_parameters()}
        groups = _groups(made)
        calls = {
            key: CallSeries(key, s.kind, s.weight, s.branch, s.factor, s.input if s.kind == "scores" else math.nan)
            for key, s in first.seen.items()
        }
        _note(calls, first.seen, first.seen, first.seen)
        before, losses, diverged = first, [], False
        for step in range(steps):
            kept = {name: each.detach().clone() for name, each in model.named_parameters()}
            losses.append(take_step(made, step))
            if not math.isfinite(losses[-1]):
                diverged = True
                break
            _moved(model, kept, start, facts, first=step == 0, last=step == steps - 1)
            if step in (0, steps - 1):
                _described(model, groups, facts)
            now = _looked(model, inputs, start)
            _note(calls, now.seen, first.seen, before.seen)
            before = now
    return ScaledRun(size, seed, calls, facts, losses, diverged)


def _looked(model: torch.nn.Module, inputs: Any, start: Mapping[str, Tensor] | None) -> Look:
    """A look that leaves buffers and the random state as they were, and draws the same each time."""
    buffers = [(each, each.detach().clone()) for each in model.buffers()]
    with seeded(0, "transfer look"):
        found = look(model, mapped(lambda tensor: tensor.detach().clone(), inputs), start)
    with torch.no_grad():
        for each, values in buffers:
            each.copy_(values)
    return found


def _note(
    calls: dict[str, CallSeries], now: Mapping[str, Seen], first: Mapping[str, Seen], before: Mapping[str, Seen]
) -> None:
    for key, series in calls.items():
        if key not in now:
            continue
        seen, old, last = now[key], first[key], before[key]
        factor = 1.0 if seen.kind == "scores" else abs(seen.factor)
        found = {"size": factor * seen.size, "change": math.nan, "step": math.nan, "own": math.nan}
        found |= {"passed": math.nan, "gain": math.nan}
        if seen is not old and seen.output.shape == old.output.shape:
            change = seen.output - old.output
            found["change"] = factor * _rms(change)
            found["step"] = factor * _rms(seen.output - last.output)
            if seen.own is not None:
                found["own"] = factor * _rms(seen.own)
                found["gain"] = found["own"] / seen.input if seen.input else math.nan
                if not math.isnan(seen.input):
                    found["passed"] = factor * _rms(change - seen.own)
                else:
                    found["gain"] = found["own"]
        for measure, value in found.items():
            series.values.setdefault(measure, []).append(value)


def _facts(name: str, parameter: Tensor, first: Look) -> ParameterFacts:
    meaning = first.meanings.get(name)
    weight = getattr(meaning, "weight", None)
    role = getattr(meaning, "role", "unknown")
    if weight is not None:
        fan_in, fan_out = float(weight.fan_in), float(weight.fan_out)
    elif parameter.dim() >= 2:
        fan_in, fan_out = float(parameter[0].numel()), float(len(parameter))
    else:
        fan_in, fan_out = 1.0, float(parameter.numel())
    if role in ("embedding", "position"):
        fan_in, fan_out = 1.0, float(parameter.shape[-1])
    return ParameterFacts(
        name, tuple(parameter.shape), role, fan_in, fan_out, _spread(parameter.detach(), parameter.dim())
    )


def _spread(values: Tensor, axes: int) -> float:
    """The rms; of a vector, such as a norm's scale, it is no start that width decides, and not asked for."""
    return _rms(values) if axes >= 2 else math.nan


def _groups(made: Made) -> dict[int, tuple[Any, dict[str, Any]]]:
    return {
        id(each): (optimizer, group)
        for optimizer in made.optimizers
        for group in optimizer.param_groups
        for each in group["params"]
    }


def _described(
    model: torch.nn.Module, groups: Mapping[int, tuple[Any, dict[str, Any]]], facts: dict[str, ParameterFacts]
) -> None:
    """What the optimizer says of each parameter, and what epsilon and decay are beside the gradient."""
    for name, parameter in model.named_parameters():
        if id(parameter) not in groups:
            continue
        optimizer, group = groups[id(parameter)]
        found = facts[name]
        if parameter.grad is not None:
            found.gradient = _rms(parameter.grad.detach())
        rate, decay = float(group["lr"]), float(group.get("weight_decay", 0) or 0)
        found.rate = rate
        state = optimizer.state.get(parameter, {})
        found.adaptive = "exp_avg_sq" in state
        squares, epsilon = state.get("exp_avg_sq"), float(group.get("eps", 0) or 0)
        if isinstance(squares, Tensor) and squares.numel() and epsilon:
            count = float(state.get("step", 1))
            beta = float(group.get("betas", (0.9, 0.999))[1])
            root = (squares.detach().float() / (1 - beta**count)).sqrt().reshape(-1)
            root = root[root > 0]
            found.epsilon = float(epsilon / (root.median() + epsilon)) if root.numel() else math.nan
        if decay:
            kind = type(optimizer).__name__.lower()
            decoupled = bool(group.get("decoupled_weight_decay", any(word in kind for word in _DECOUPLED)))
            found.coupled = found.adaptive and not decoupled
            if found.coupled:
                found.decay = decay * _rms(parameter.detach()) / found.gradient if found.gradient else math.nan
            else:
                found.decay = decay * rate


def _moved(
    model: torch.nn.Module,
    kept: Mapping[str, Tensor],
    start: Mapping[str, Tensor],
    facts: dict[str, ParameterFacts],
    *,
    first: bool,
    last: bool,
) -> None:
    for name, parameter in model.named_parameters():
        found = facts[name]
        update = parameter.detach() - kept[name]
        found.update.append(_rms(update))
        if last:
            found.moved = _rms(parameter.detach() - start[name])
        if parameter.dim() >= 2 and (first or last) and found.update[-1] > 0:
            matrix = update.float().reshape(len(update), -1)
            norm = _spectral(matrix)
            if last:
                found.spectral = norm / math.sqrt(found.fan_out / found.fan_in)
            if first or math.isnan(found.stable_rank):
                found.stable_rank = float(matrix.norm() ** 2) / norm**2 / min(matrix.shape)


def _spectral(matrix: Tensor, rounds: int = 12) -> float:
    """The largest singular value, by the power method from a start of its own: it needs two digits, not more."""
    generator = torch.Generator(device=matrix.device).manual_seed(0)
    vector = torch.randn(matrix.shape[1], generator=generator, device=matrix.device)
    norm = 0.0
    for _ in range(rounds):
        left = matrix @ (vector / vector.norm())
        norm = float(left.norm())
        if norm == 0:
            return 0.0
        vector = matrix.T @ left
    return norm


def _rms(values: Tensor) -> float:
    return float(values.float().square().mean().sqrt()) if values.numel() else math.nan
