"""`initialize` fills a model in place, `draw` gives the same values as a state dict: both from one plan."""

from __future__ import annotations

import math
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from goodinit.errors import GoodinitError, shown
from goodinit.methods import Finish, Measurement, Start, Unknown, get
from goodinit.pytorch.fill import Moments
from goodinit.pytorch.guard import plain_model
from goodinit.pytorch.known import known_model
from goodinit.pytorch.losses import LossFunction
from goodinit.pytorch.own import ZeroStarts
from goodinit.pytorch.plan import Planned, Rules
from goodinit.pytorch.probe import GivenBatch, ModelProbe
from goodinit.pytorch.read import identity
from goodinit.pytorch.ready import Lazies, buffers_for, build, materialized
from goodinit.pytorch.record import Filled, Initialization
from goodinit.pytorch.staging import Staged, is_staged, stage
from goodinit.pytorch.writing import tensors_of, write
from goodinit.streams import KeyedStream

__all__ = ["Prepared", "initialize", "prepare", "state_of"]


class Prepared(NamedTuple):
    """Everything that can fail has been tried: what is left is to write."""

    model: nn.Module
    lazies: Lazies
    made: tuple[Planned, ...]
    staged: dict[str, Staged]
    stream: KeyedStream
    measured: tuple[Measurement, ...] = ()
    notes: tuple[str, ...] = ()


def prepare(
    model: nn.Module,
    init: str | Start,
    seed: int,
    inputs: Any = None,
    rules: Rules | None = None,
    unknown: Unknown | None = None,
    zero_starts: ZeroStarts | None = None,
    targets: Any = None,
    loss: LossFunction | None = None,
    measured: bool = True,
) -> Prepared:
    """The plan for a model, and the values of what must be ready before. The model is as it was.

    Without `measured` the plan of a method that measures is what it begins from, which takes no time.
    """
    if loss is not None and not callable(loss):
        raise GoodinitError(f"loss={loss!r}: give a callable of (output, targets), such as F.cross_entropy")
    stream = KeyedStream(seed)
    known = known_model(model, inputs, unknown, zero_starts)
    batch, probes = GivenBatch(inputs, targets, loss), list[ModelProbe]()

    def probing(finish: Finish) -> ModelProbe:
        probes.append(ModelProbe(known.model, known.weights, known.trace, stream, batch, finish))
        return probes[-1]

    try:
        made = known.plan(init, rules, None if inputs is None else probing, measured=measured)
    finally:
        for each in probes:
            each.close()
    for one in made:
        _writable(known.model, one)
    staged = {each.weight.name: stage(known.model, each, stream) for each in made if is_staged(each)}
    found = tuple(each for probe in probes for each in probe.measured)
    return Prepared(
        known.model, known.lazies, made, staged, stream, found, tuple(n for each in probes for n in each.notes)
    )


def initialize(
    model: nn.Module,
    init: str | Start = "he_normal",
    *,
    seed: int,
    inputs: Any = None,
    rules: Rules | None = None,
    unknown: Unknown | None = None,
    zero_starts: ZeroStarts | None = None,
    targets: Any = None,
    loss: LossFunction | None = None,
    device: str | torch.device = "cpu",
    buffers: Mapping[str, Tensor] | None = None,
) -> Initialization:
    """Fill a model in place; see `goodinit.initialize`, which is this."""
    ready = prepare(model, init, seed, inputs, rules, unknown, zero_starts, targets, loss)
    inner = plain_model(model)
    place = _device(device)
    news = materialized(inner, place)
    values = buffers_for(inner, buffers, place if news else None)
    with _to_the_end():
        build(inner, ready.lazies)
        for name, parameter in news.items():
            path, _, local = name.rpartition(".")
            inner.get_submodule(path)._parameters[local] = parameter
        for name, value in values.items():
            path, _, local = name.rpartition(".")
            inner.get_submodule(path)._buffers[local] = value
        held = tensors_of(inner)
        moments = write(ready.made, ready.staged, ready.stream, held)
        _show(inner, ready)
    return _record(ready, init, moments, dict(inner.named_parameters()))


def state_of(
    model: nn.Module, ready: Prepared, buffers: Mapping[str, Tensor] | None = None
) -> tuple[dict[str, Tensor], dict[str, Moments]]:
    """The state dict that the model would have after `initialize`, on the CPU, and what was drawn of it."""
    inner, concrete = plain_model(model), ready.model
    values = buffers_for(concrete, buffers, torch.device("cpu"), persistent=True)
    drawn = {name for each in ready.made if each.initializer is not None for name in each.weight.parameters}
    names: dict[Any, str] = {}
    for name, parameter in concrete.named_parameters():
        names.setdefault(identity(parameter), name)
    state: dict[str, Tensor] = {}
    made: dict[str, Tensor] = {}
    for key, tensor in concrete.state_dict(keep_vars=True).items():
        name = names.get(identity(tensor), key)
        if name in made:
            state[key] = made[name]
            continue
        if name in drawn:
            made[name] = torch.empty(tensor.shape, dtype=tensor.dtype)
        else:
            made[name] = values[name] if name in values else tensor.detach().cpu().clone()
        state[key] = made[name]
    moments = write(ready.made, ready.staged, ready.stream, made)
    if inner is not model:
        state = {f"_orig_mod.{key}": value for key, value in state.items()}
    return state, moments


def _show(model: nn.Module, ready: Prepared) -> None:
    """Let the tensors that older hooks compute before a call be seen as they will be computed."""
    for each in ready.made:
        staged = ready.staged.get(each.weight.name)
        if staged is not None and staged.effective is not None:
            module = model.get_submodule(each.weight.module)
            kept = model.get_parameter(each.weight.parameters[0])
            setattr(module, each.weight.local, staged.effective.to(kept.device))


def _writable(model: nn.Module, made: Planned) -> None:
    if made.initializer is None:
        return
    for name in made.weight.parameters:
        parameter = model.get_parameter(name)
        if any(step == 0 and size > 1 for step, size in zip(parameter.stride(), parameter.shape, strict=True)):
            raise GoodinitError(
                f"{name} is expanded: several elements are one number in memory; make it a clone() first"
            )
        if parameter.is_inference():
            raise GoodinitError(
                f"{name} was made in torch.inference_mode and cannot be written; make the model outside"
            )


def _device(device: str | torch.device) -> torch.device:
    try:
        found = torch.device(device)
        torch.empty(0, device=found)
    except (RuntimeError, AssertionError, TypeError) as error:
        raise GoodinitError(f"device={shown(device)} cannot be used: {str(error).splitlines()[0]}") from error
    if found.type == "meta":
        raise GoodinitError("device='meta' holds no values; give the device that the model is to be on, such as cpu")
    return found


@contextmanager
def _to_the_end() -> Iterator[None]:
    """Ctrl-C waits until the block has ended, so that a model is never filled by half."""
    before = signal.getsignal(signal.SIGINT)
    if before is None or threading.current_thread() is not threading.main_thread():
        yield
        return
    caught: list[Any] = []
    signal.signal(signal.SIGINT, lambda number, frame: caught.append((number, frame)))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if caught and callable(before):
        before(*caught[-1])


def _record(
    ready: Prepared, init: str | Start, moments: Mapping[str, Moments], tensors: Mapping[str, nn.Parameter]
) -> Initialization:
    filled = tuple(_filled(each, ready.staged, moments) for each in ready.made)
    return Initialization(str(get(init)), ready.stream.seed, filled, tensors, ready.measured, ready.notes)


def _filled(each: Planned, staged: Mapping[str, Staged], moments: Mapping[str, Moments]) -> Filled:
    weight, initializer, target = each.weight, each.initializer, each.target
    known = weight.weight
    multiplies = known is not None and known.kind != "elementwise"
    variance = None if initializer is None else initializer.expected_variance(target)
    own = staged[weight.name].caution if weight.name in staged else None
    further = None if initializer is None else initializer.caution(target)
    return Filled(
        name=weight.name,
        aliases=weight.aliases,
        parameters=weight.parameters,
        kind=weight.kind,
        role=weight.role,
        shape=target.shape,
        dtype=str(weight.dtype).removeprefix("torch."),
        fan_in=known.fan_in if known is not None and multiplies else None,
        fan_out=known.fan_out if known is not None and multiplies else None,
        initializer=None if initializer is None else str(initializer),
        because=each.because,
        activation=each.said.activation,
        gain=None if variance is None or not multiplies else math.sqrt(target.fan_in * variance),
        expected_mean=None if initializer is None else initializer.expected_mean(target),
        expected_std=None if variance is None else math.sqrt(variance),
        realised_std=moments[weight.name].std if weight.name in moments else None,
        gradient=each.said.gradient,
        adaptive=each.said.adaptive,
        caution="; ".join(text for text in (each.said.caution, further, own) if text) or None,
    )
