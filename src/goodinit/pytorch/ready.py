"""Models that have no values yet: lazy modules, which a first batch shapes, and those on the meta device."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.lazy import LazyModuleMixin
from torch.nn.parameter import is_lazy

from goodinit.errors import GoodinitError
from goodinit.pytorch.calling import call_model, mapped
from goodinit.pytorch.copies import copied
from goodinit.pytorch.forms import Former
from goodinit.pytorch.guard import runnable, untouched
from goodinit.pytorch.uses import UseTracer
from goodinit.structure import Meaning, Trace

__all__ = ["Lazies", "buffers_for", "build", "materialized", "shaped", "traced"]

Lazies = Mapping[str, tuple[tuple[Any, ...], dict[str, Any]]]
"""The arguments of each lazy module's first call, by its path, on the meta device: shapes are all that it reads."""


class _Shaped(NamedTuple):
    model: nn.Module
    lazies: Lazies


def shaped(model: nn.Module, inputs: Any) -> _Shaped:
    """The model, or where it has lazy modules a copy that has seen the inputs, with what those modules were given."""
    if not any(is_lazy(tensor) for tensor in (*model.parameters(), *model.buffers())) or inputs is None:
        return _Shaped(model, {})
    seen: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {}
    own = runnable(model)

    def note(path: str) -> Any:
        def hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            seen.setdefault(path, (mapped(_on_meta, args), mapped(_on_meta, kwargs)))

        return hook

    with ExitStack() as stack:
        for path, module in own.named_modules():
            if isinstance(module, LazyModuleMixin):
                lazy: Any = module
                handle = lazy.register_forward_pre_hook(note(path), prepend=True, with_kwargs=True)
                stack.callback(handle.remove)
        given = stack.enter_context(untouched(model, inputs))
        with torch.no_grad():
            call_model(own, given)
    fresh = copied(model)  # the one that ran has statistics of the batch in its norms
    build(fresh, seen)
    return _Shaped(fresh, seen)


def build(model: nn.Module, lazies: Lazies) -> None:
    """Give the lazy modules their shapes, as their own first call would; the random state stays as it was."""
    if not lazies:
        return
    started = torch.cuda.is_initialized()
    devices = list(range(torch.cuda.device_count())) if started else []
    with torch.random.fork_rng(devices=devices):
        for path, (args, kwargs) in lazies.items():
            module: Any = model.get_submodule(path)
            if module.has_uninitialized_params():
                module._infer_parameters(module, args, kwargs or None)


def traced(model: nn.Module, inputs: Any) -> tuple[Trace | None, Mapping[str, Meaning]]:
    """What follows each layer and what each parameter is for, by one run on the inputs.

    The run is made on the meta device where the model has parameters there.
    """
    if inputs is None:
        return None, {}
    if any(parameter.device.type == "meta" for parameter in model.parameters()):
        model, inputs = copied(model).to("meta"), mapped(_on_meta, inputs)
        with torch.random.fork_rng(devices=[]), torch.no_grad(), UseTracer(model) as tracer:
            return _followed(tracer, model, inputs)
    try:
        return _run(model, inputs, False)
    except GoodinitError:  # it may take a gradient in `forward`, as energies and forces do
        return _run(model, inputs, True)


def _run(model: nn.Module, inputs: Any, gradients: bool) -> tuple[Trace, Mapping[str, Meaning]]:
    with untouched(model, inputs) as own, torch.set_grad_enabled(gradients), UseTracer(model) as tracer:
        return _followed(tracer, model, own)


def _followed(tracer: UseTracer, model: nn.Module, inputs: Any) -> tuple[Trace, Mapping[str, Meaning]]:
    former = Former()
    tracer.observer = former
    former.feed(inputs)
    tracer.feed(inputs)
    tracer.leave(call_model(model, inputs))
    return replace(tracer.trace(), forms=tuple(former.forms)), tracer.meanings()


def materialized(model: nn.Module, device: torch.device) -> dict[str, nn.Parameter]:
    """A parameter with memory on the device for each on the meta device, by name; a tied one is the same twice."""
    made: dict[int, nn.Parameter] = {}
    found: dict[str, nn.Parameter] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        if parameter.device.type != "meta" or is_lazy(parameter):
            continue
        if hasattr(parameter, "placements"):
            raise GoodinitError(
                f"{name} is a distributed tensor on the meta device; call model.to_empty(device=...) first"
            )
        if id(parameter) not in made:
            new = nn.Parameter(torch.empty_like(parameter, device=device), requires_grad=parameter.requires_grad)
            new.__dict__.update(parameter.__dict__)  # the marks that a person put on it
            made[id(parameter)] = new
        found[name] = made[id(parameter)]
    return found


def buffers_for(
    model: nn.Module, given: Mapping[str, Tensor] | None, device: torch.device | None, *, persistent: bool = False
) -> dict[str, Tensor]:
    """Values for the buffers that have none: the given ones, and the running statistics of norms at their start.

    Raises GoodinitError that names the others: what they held was computed when the model was made, on the meta device,
    and nobody but the model's own code knows it.
    """
    given = dict(given or {})
    known = dict(model.named_buffers(remove_duplicate=False))
    for name, value in given.items():
        if name not in known:
            raise GoodinitError(f"buffers: the model has no buffer {name!r}; it has {', '.join(known) or 'none'}")
        if not isinstance(value, Tensor) or value.shape != known[name].shape:
            raise GoodinitError(f"buffers: {name!r} must be a tensor of shape {tuple(known[name].shape)}")
    found: dict[str, Tensor] = {}
    missing: list[str] = []
    for name, buffer in known.items():
        path, _, local = name.rpartition(".")
        module = model.get_submodule(path)
        if name in given:
            found[name] = given[name].to(device=device or buffer.device, dtype=buffer.dtype).clone()
        elif buffer.device.type != "meta" or is_lazy(buffer):
            continue
        elif isinstance(module, _NormBase):
            found[name] = torch.full_like(buffer, local == "running_var", device=device or "cpu")
        elif not (persistent and local in module._non_persistent_buffers_set):
            missing.append(f"{name} of {type(module).__name__}")
    if missing:
        raise GoodinitError(
            f"the meta device holds no values of the buffers {', '.join(missing)}; nothing was changed: give them, as "
            "buffers={name: tensor}, or make the model on a real device"
        )
    return found


def _on_meta(tensor: Tensor) -> Tensor:
    return tensor.detach().to("meta")
