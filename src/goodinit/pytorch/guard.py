"""Leaving a model as it was found: parameters, buffers, modes, gradients, hooks, attributes and random state."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor
from torch.nn.parameter import is_lazy

from goodinit.errors import GoodinitError
from goodinit.pytorch.calling import mapped
from goodinit.pytorch.copies import copied
from goodinit.pytorch.held import innermost, is_packed

__all__ = ["plain_model", "runnable", "untouched"]

_WHOLE: Final = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
"""By the bytes of an element, an integer of as many, whose values are equal where every bit is."""


def plain_model(model: Any) -> torch.nn.Module:
    """The model without `torch.compile` around it, whose inside cannot be seen.

    Raises GoodinitError for something that is not a model.
    """
    if not isinstance(model, torch.nn.Module):
        raise GoodinitError(f"a model of type {type(model).__name__} was given; give a torch.nn.Module")
    modules = model.__dict__.get("_modules")  # a scripted module keeps them in a form of its own
    inner = modules.get("_orig_mod") if isinstance(modules, dict) else None
    return plain_model(inner) if inner is not None else model


def runnable(model: Any) -> torch.nn.Module:
    """The model to run: itself, or a copy where parts of it are still to be built by a first call.

    The copy draws what the model's own first call would draw from the same random state, so that it is the same model.

    Raises GoodinitError for something that is not a model, for weights on the meta device, or a lazy model that cannot
    be copied.
    """
    model = plain_model(model)
    on_meta = [name for name, parameter in model.named_parameters() if parameter.device.type == "meta"]
    if on_meta:
        raise GoodinitError(
            f"{on_meta[0]} is on the meta device and has no values; fill the model first, with goodinit.initialize"
        )
    if not any(is_lazy(tensor) for tensor in (*model.parameters(), *model.buffers())):
        return model
    try:
        return copied(model)
    except Exception as error:
        raise GoodinitError(
            "the model has lazily built parameters and cannot be copied to build them there "
            f"({type(error).__name__}: {error}); run it once on a batch first"
        ) from error


@contextmanager
def untouched(model: torch.nn.Module, inputs: Any = None) -> Iterator[Any]:
    """Whatever is done to the model in this block is undone at its end, to the bit, also where the block raises.

    Kept are every tensor and gradient, every attribute of every module (modes, hooks, buffers that are replaced,
    counters; lists, dicts and sets one level deep), `requires_grad`, and the random state of PyTorch on every device in
    use, of NumPy and of Python. Gives the inputs as copies, since a model may overwrite them.
    """
    tensors = {id(t): t for t in (*model.parameters(), *model.buffers()) if not is_lazy(t)}
    whole = {key: t for key, t in tensors.items() if not is_packed(t)}
    kept = [(t, t.detach().clone(), t.requires_grad, t.grad) for t in whole.values()]
    packed = [held for key, t in tensors.items() if key not in whole for held in innermost(t)]
    grads = [grad for _, _, _, grad in kept if grad is not None]
    others = [(held, held.detach().clone()) for held in packed + grads]
    modules = [(module, _attributes(module)) for module in model.modules()]
    randoms = _random_state()
    for tensor, _, _, _ in kept:
        tensor.grad = None
    try:
        yield mapped(lambda tensor: tensor.detach().clone(), inputs)
    finally:
        for module, attributes in modules:
            _restore(module, attributes)
        with torch.no_grad():
            for tensor, values, requires_grad, grad in kept:
                if tensor.shape != values.shape or tensor.dtype != values.dtype or tensor.device != values.device:
                    tensor.data = values
                elif not _same_bits(tensor, values):
                    tensor.data.copy_(values)
                tensor.requires_grad_(requires_grad)
                tensor.grad = grad
            for held, values in others:
                if not _same_bits(held, values):
                    held.copy_(values)
        _set_random_state(randoms)


def _attributes(module: torch.nn.Module) -> dict[str, tuple[Any, Any]]:
    """Every attribute, and the contents of those that are containers."""
    return {
        name: (value, _contents(value) if isinstance(value, dict | list | set) else None)
        for name, value in module.__dict__.items()
    }


def _contents(container: Any) -> tuple[Any, ...]:
    """What a dict, list or set holds, in its order; most of a module's containers hold nothing."""
    if not container:
        return ()
    return tuple(container.items() if isinstance(container, dict) else container)


def _restore(module: torch.nn.Module, attributes: dict[str, tuple[Any, Any]]) -> None:
    own = module.__dict__
    for name in [name for name in own if name not in attributes]:
        del own[name]
    for name, (value, contents) in attributes.items():
        if own.get(name) is not value:
            own[name] = value
        if contents is not None and not _same_items(value, contents):
            value.clear()
            (value.extend if isinstance(value, list) else value.update)(contents)


def _same_items(now: Any, then: tuple[Any, ...]) -> bool:
    """Whether a container holds the very objects that it held, in their order."""
    if len(now) != len(then):
        return False
    if not then:
        return True
    if isinstance(now, dict):
        return all(a is c and b is d for (a, b), (c, d) in zip(now.items(), then, strict=True))
    if isinstance(now, set):
        return {id(each) for each in now} == {id(each) for each in then}
    return all(a is b for a, b in zip(now, then, strict=True))


def _same_bits(one: Tensor, other: Tensor) -> bool:
    """Equal in every bit, so that a nan is equal to itself, and 0 is not -0."""
    if one.shape != other.shape or one.dtype != other.dtype or one.device != other.device:
        return False
    if one.layout != torch.strided or one.is_quantized:
        return bool(torch.equal(one.detach(), other))
    one, other = one.detach().contiguous(), other.contiguous()
    if one.is_complex():
        one, other = torch.view_as_real(one), torch.view_as_real(other)
    if one.dim() == 0:
        one, other = one.reshape(1), other.reshape(1)
    whole = _WHOLE.get(one.element_size(), torch.uint8)
    return bool(torch.equal(one.view(whole), other.view(whole)))


def _random_state() -> tuple[Any, ...]:
    devices: list[tuple[int, Tensor]] = []
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        devices = [(index, torch.cuda.get_rng_state(index)) for index in range(torch.cuda.device_count())]
    mps = torch.mps.get_rng_state() if torch.backends.mps.is_available() else None
    legacy = np.random.get_state()  # noqa: NPY002  # the state that a model's own code may draw from
    return torch.get_rng_state(), devices, mps, legacy, random.getstate()


def _set_random_state(state: tuple[Any, ...]) -> None:
    cpu, devices, mps, legacy, python = state
    torch.set_rng_state(cpu)
    for index, each in devices:
        torch.cuda.set_rng_state(each, index)
    if mps is not None:
        torch.mps.set_rng_state(mps)
    np.random.set_state(legacy)  # noqa: NPY002  # put back, not used
    random.setstate(python)
