"""What must be ready before anything is written: tensors made as a whole, and those kept in another form.

A parametrized tensor is turned into what it is computed from by its parametrization's own `right_inverse`, on a copy.
"""

from __future__ import annotations

import copy
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from goodinit.errors import GoodinitError
from goodinit.pytorch.fill import Moments, fill, is_whole
from goodinit.pytorch.plan import Planned
from goodinit.streams import KeyedStream

__all__ = ["Staged", "is_staged", "stage"]

_POWER_STEPS = 15  # what PyTorch takes when it registers a spectral norm


class Staged(NamedTuple):
    """Values by the names of `state_dict`, on the CPU, and what they hold.

    `effective` is the tensor that a hook computes from them, which its module shows until the next call.
    """

    values: dict[str, Tensor]
    moments: Moments
    caution: str | None = None
    effective: Tensor | None = None


def is_staged(made: Planned) -> bool:
    """Whether a weight's values are made before the model is touched, in memory of their own."""
    return made.initializer is not None and (made.weight.form != "plain" or is_whole(made.initializer))


def stage(model: nn.Module, made: Planned, stream: KeyedStream) -> Staged:
    """The values of one weight. Raises GoodinitError where its parametrization does not take them."""
    weight, initializer = made.weight, made.initializer
    assert initializer is not None
    assert weight.shape is not None
    dtype = weight.dtype
    if weight.form == "plain":
        drawn = torch.empty(weight.shape, dtype=dtype)
        return Staged({weight.parameters[0]: drawn}, fill(drawn, initializer, made.target, stream, weight.zero_row))
    drawn = torch.empty(weight.shape, dtype=torch.float64 if dtype == torch.float64 else torch.float32)
    moments = fill(drawn, initializer, made.target, stream, weight.zero_row)
    module = model.get_submodule(weight.module)
    with torch.no_grad():
        if weight.form == "parametrized":
            values, effective = _inverted(module, made, drawn, stream)
        else:
            values, effective = _hooked(module, made, drawn, stream)
    caution = None
    if not torch.allclose(effective, drawn, rtol=1e-3, atol=1e-6):
        after = Moments()
        after.add(effective.reshape(-1))
        caution = f"its parametrization makes another tensor of it, of std {after.std or 0:.3g}"
    ready = {name: value.to(dtype) if value.is_floating_point() else value for name, value in values.items()}
    hooked = None if weight.form == "parametrized" else effective.to(dtype)
    return Staged(ready, moments, caution, hooked)


def _inverted(module: nn.Module, made: Planned, drawn: Tensor, stream: KeyedStream) -> tuple[dict[str, Tensor], Tensor]:
    """The state of the list of parametrizations that computes the tensor drawn, or the nearest that it can."""
    local = made.weight.local
    parametrized: Any = module
    chain: parametrize.ParametrizationList = copy.deepcopy(parametrized.parametrizations[local])
    chain = chain.to(device="cpu", dtype=drawn.dtype)
    with torch.random.fork_rng(devices=[]):  # some inverses fill up with random numbers: they get the seed's
        torch.default_generator.manual_seed(_word(stream, made))
        try:
            chain.right_inverse(drawn)
            if _restart(chain, made, stream):
                chain.train()
                for _ in range(_POWER_STEPS):
                    chain()
            state = {name: value.clone() for name, value in chain.state_dict().items()}
            effective = chain.eval()()
        except Exception as error:
            raise GoodinitError(
                f"{made.weight.name}: its parametrization does not take {made.initializer} ({error}); nothing was "
                f"changed: keep it, with rules={{{made.weight.name!r}: 'keep'}}"
            ) from error
    start = ".".join(part for part in (made.weight.module, "parametrizations", local) if part)
    return {f"{start}.{name}": value for name, value in state.items()}, effective


def _restart(chain: parametrize.ParametrizationList, made: Planned, stream: KeyedStream) -> bool:
    """Restart the power iterations of spectral norms: what they kept belongs to the weight that was there before."""
    found = False
    for place, each in enumerate(chain):
        for name in ("_u", "_v"):
            vector = getattr(each, name, None)
            if isinstance(vector, Tensor) and hasattr(each, "_power_method"):
                vector.copy_(_direction(stream, f"{made.weight.name}/{place}/{name}", vector))
                found = True
    return found


def _hooked(module: nn.Module, made: Planned, drawn: Tensor, stream: KeyedStream) -> tuple[dict[str, Tensor], Tensor]:
    """The same for the older hooks: weight_norm, spectral_norm and prune."""
    weight, local = made.weight, made.weight.local
    hooks = list(module._forward_pre_hooks.values())
    hook: Any = next(h for h in hooks if local in (getattr(h, "name", None), getattr(h, "_tensor_name", None)))
    if weight.form == "weight_norm":
        size, direction = weight.parameters
        return {size: torch.norm_except_dim(drawn, 2, hook.dim), direction: drawn}, drawn
    values = {weight.parameters[0]: drawn}
    buffers = {name: buffer.detach().cpu() for name, buffer in module.named_buffers(recurse=False)}
    if f"{local}_mask" in buffers:
        return values, drawn * buffers[f"{local}_mask"].to(drawn.dtype)
    if f"{local}_u" not in buffers:
        raise GoodinitError(f"{weight.name}: goodinit does not know the hook {type(hook).__name__} that computes it")
    matrix = hook.reshape_weight_to_matrix(drawn)
    u = _direction(stream, f"{weight.name}/u", buffers[f"{local}_u"]).to(drawn.dtype)
    v = u
    for _ in range(_POWER_STEPS):
        v = nn.functional.normalize(matrix.T @ u, dim=0, eps=hook.eps)
        u = nn.functional.normalize(matrix @ v, dim=0, eps=hook.eps)
    start = weight.parameters[0].removesuffix("_orig")
    return {**values, f"{start}_u": u, f"{start}_v": v}, drawn / torch.dot(u, matrix @ v)


def _direction(stream: KeyedStream, name: str, like: Tensor) -> Tensor:
    values = torch.from_numpy(stream.normal(name, 0, like.numel())).to(like.dtype).reshape(like.shape)
    return values / values.norm()


def _word(stream: KeyedStream, made: Planned) -> int:
    return int(stream.words(f"{made.weight.name}/right_inverse", 0, 1)[0] >> 1)
