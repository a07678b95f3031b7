"""Reading a model: every parameter once, with all its names, its role, and its `Weight` where one is known."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, NamedTuple

import torch
from torch import nn
from torch.nn.modules.linear import NonDynamicallyQuantizableLinear
from torch.nn.parameter import is_lazy
from torch.nn.utils import parametrize

from goodinit.errors import GoodinitError
from goodinit.pytorch.held import is_packed
from goodinit.pytorch.layers import meanings
from goodinit.structure import Meaning, Parameter
from goodinit.weights import Weight

__all__ = ["Form", "ModelWeight", "closed_parts", "identity", "is_quantized", "read_model", "with_meaning"]

Form = Literal["plain", "parametrized", "weight_norm", "original"]
_WRAPPERS: Final = ("_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module")  # torch.compile, FSDP, ...


@dataclass(frozen=True, kw_only=True)
class ModelWeight(Parameter):
    """A parameter of a PyTorch model: where its numbers are, and how they are kept.

    `form` says how the tensor is kept: `plain`, `parametrized` (torch.nn.utils.parametrize), or by the older hooks,
    `weight_norm` or `original` (spectral_norm, prune).
    """

    dtype: torch.dtype
    device: torch.device
    form: Form = "plain"

    @property
    def meta(self) -> bool:
        """Whether it has no values yet, only a shape."""
        return self.device.type == "meta"

    @property
    def fillable(self) -> bool:
        """Whether its numbers are real ones, which initializers draw; integers and complex numbers are not."""
        return self.dtype.is_floating_point

    @property
    def keepable(self) -> bool:
        """Whether it has values that can be kept."""
        return not self.meta


def read_model(model: nn.Module, *, closed: bool = False) -> tuple[ModelWeight, ...]:
    """Every parameter of the model, in the order of `named_parameters`; a tied one once, under its first name.

    >>> import torch
    >>> up = torch.nn.ConvTranspose2d(16, 32, 4, stride=2)
    >>> [(each.name, each.role, each.weight.fan_in) for each in read_model(up)]
    [('weight', 'weight', 64), ('bias', 'bias', 1)]

    Raises GoodinitError for something that is not a model, and for a quantized or scripted one unless `closed` is set:
    what those hold is then unknown, or not listed.
    """
    if not isinstance(model, nn.Module):
        raise GoodinitError(f"a model of type {type(model).__name__} was given; give a torch.nn.Module")
    for reason in () if closed else closed_parts(model):
        raise GoodinitError(reason)
    strip = _Stripper(model)
    names: dict[Any, list[str]] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        names.setdefault(identity(parameter), []).append(name)
    uses: dict[Any, list[_Use]] = {}
    for use in _uses(model):
        uses.setdefault(identity(use.holders[0]), []).append(use)
    return tuple(_read(found, names, strip) for found in uses.values())


def identity(tensor: torch.Tensor) -> Any:
    """What two tensors share if they are one: being the same object, or lying in the same place of memory."""
    plain = type(tensor) in (torch.Tensor, nn.Parameter) and tensor.device.type != "meta" and tensor.numel() > 0
    return (tensor.device, tensor.data_ptr(), tensor.shape, tensor.stride()) if plain else id(tensor)


def plain_values(model: nn.Module, weight: ModelWeight) -> torch.Tensor | None:
    """The numbers of a weight that is kept as itself, sharded or not; None where it has none, or is computed."""
    if weight.form != "plain" or weight.lazy or weight.meta or not weight.dtype.is_floating_point:
        return None
    values = model.get_parameter(weight.parameters[0]).detach()
    return values if values.numel() else None


def with_meaning(weight: ModelWeight, meanings: Mapping[str, Meaning]) -> ModelWeight:
    """A weight that its class did not tell of, with what a run told.

    A class made of a known norm may keep the scale as its distance from 1, which only the run shows.
    """
    meaning = meanings.get(weight.parameters[0])
    offset = weight.role == "norm scale" and meaning is not None and meaning.role == "norm offset"
    if (weight.role != "unknown" and not offset) or weight.form != "plain" or meaning is None or weight.shape is None:
        return weight
    if not weight.fillable:
        return weight
    own = meaning.weight or Weight.elementwise(weight.name, weight.shape)
    return replace(weight, role=meaning.role, weight=replace(own, name=weight.name), reason=None)


class _Use(NamedTuple):
    """A tensor as one module has it: where, under which local name, what it means, and the parameters it is kept in."""

    path: str
    module: nn.Module
    local: str
    form: Form
    meaning: Meaning | None
    reason: str | None
    holders: tuple[nn.Parameter, ...]
    shape: tuple[int, ...] | None


def _uses(model: nn.Module) -> Iterator[_Use]:
    """Every tensor that is learned, once for each module that has it, in the order of `named_parameters`."""
    for path, module in model.named_modules():
        if isinstance(module, parametrize.ParametrizationList):
            yield from _parametrized(model, path, module)
            continue
        hooked = dict(_hooked(module))
        for local, parameter in module.named_parameters(recurse=False):
            tensor, form, holders = hooked.get(local, (local, "plain", (parameter,)))
            if not holders:
                continue  # told with the other half of it
            shape = None if is_lazy(parameter) else tuple(holders[-1].shape)
            yield _use(path, module, tensor, form, holders, shape)


def _parametrized(model: nn.Module, path: str, module: parametrize.ParametrizationList) -> Iterator[_Use]:
    """The one tensor that a list of parametrizations computes; what the tensor is, its owner's class says."""
    above, _, local = path.rpartition(".")
    owner = above.rpartition(".")[0]
    holders = tuple(module.parameters(recurse=False))
    if holders:
        with torch.no_grad():
            shape = tuple(_shape(module, holders))
        yield _use(owner, model.get_submodule(owner), local, "parametrized", holders, shape)


def _shape(module: parametrize.ParametrizationList, holders: tuple[nn.Parameter, ...]) -> torch.Size:
    """The shape of the tensor that is computed. Only what is kept as several tensors must be computed to tell."""
    if len(holders) == 1:
        return holders[0].shape
    if len(module) == 1 and type(module[0]).__name__ == "_WeightNorm":
        return holders[-1].shape
    with torch.random.fork_rng(devices=[]):  # a parametrization may draw, or count its calls: that is the copy's
        return copy.deepcopy(module)().shape


def _hooked(module: nn.Module) -> Iterator[tuple[str, tuple[str, Form, tuple[nn.Parameter, ...]]]]:
    """Tensors that older hooks compute before each call, by the local names of the parameters they are kept in."""
    for hook in module._forward_pre_hooks.values():
        kind, name = type(hook).__name__, getattr(hook, "name", None) or getattr(hook, "_tensor_name", None)
        own = module._parameters
        if not isinstance(name, str):
            continue
        if kind == "WeightNorm" and f"{name}_v" in own:
            g, v = own[f"{name}_g"], own[f"{name}_v"]
            assert g is not None
            assert v is not None
            yield f"{name}_g", (name, "weight_norm", (g, v))
            yield f"{name}_v", (name, "weight_norm", ())
        elif f"{name}_orig" in own and (original := own[f"{name}_orig"]) is not None:
            yield f"{name}_orig", (name, "original", (original,))


def _use(
    path: str,
    module: nn.Module,
    local: str,
    form: Form,
    holders: tuple[nn.Parameter, ...],
    shape: tuple[int, ...] | None,
) -> _Use:
    meaning, reason = _means(module, local, holders, shape)
    return _Use(path, module, local, form, meaning, reason, holders, shape)


def _means(
    module: nn.Module, local: str, holders: tuple[nn.Parameter, ...], shape: tuple[int, ...] | None
) -> tuple[Meaning | None, str | None]:
    """What the tensor is in that module, or why that is not known."""
    kind = _kind(module)
    if shape is None:
        return None, f"{kind} is lazy: its shape is told by the first batch"
    if not holders[-1].dtype.is_floating_point:
        return None, f"its dtype is {_short(holders[-1].dtype)}, no floating-point number"
    if local == "_flat_param":
        return None, "it is several parameters that FSDP made one; initialize the model before it is wrapped"
    try:
        known = meanings(module)
    except GoodinitError as error:
        return None, f"{kind} could not be read: {error}"
    except Exception as error:  # a rule that somebody registered may fail in any way
        return None, f"the rule for {kind} failed: {type(error).__name__}: {error}"
    if known is None:
        return None, f"goodinit does not know what {kind} does with it"
    if local not in known:
        return None, f"a {kind} has no such parameter that goodinit knows of"
    meaning = known[local]
    if meaning.weight is not None and meaning.weight.shape != shape:
        return None, f"it has shape {shape}, where a {kind} of that size has {meaning.weight.shape}"
    return meaning, None


def _read(uses: list[_Use], names: dict[Any, list[str]], strip: _Stripper) -> ModelWeight:
    first = uses[0]
    name = strip(_joined(first.path, first.local))
    meaning, reason = _one(uses)
    weight = None
    if meaning is not None and first.shape is not None:
        weight = Weight.elementwise(name, first.shape) if meaning.weight is None else replace(meaning.weight, name=name)
    held = first.holders[-1]
    raw = names[identity(first.holders[0])]
    padding = [row for use in uses if (row := getattr(use.module, "padding_idx", None)) is not None]
    return ModelWeight(
        name=name,
        aliases=tuple(strip(other) for other in raw[1:]),
        parameters=tuple(names[identity(holder)][0] for holder in first.holders),
        module=first.path,
        kind=_kind(first.module),
        role="unknown" if meaning is None else meaning.role,
        weight=weight,
        reason=reason,
        shape=first.shape,
        dtype=held.dtype,
        device=held.device,
        trainable=any(holder.requires_grad for holder in first.holders),
        zero_row=padding[0] if padding else None,
        cell=_cell(first.module),
        form=first.form,
    )


def _cell(module: nn.Module) -> str | None:
    """The activation inside a plain recurrent layer."""
    mode = getattr(module, "nonlinearity", None) if isinstance(module, nn.RNN | nn.RNNCell) else None
    return mode if isinstance(mode, str) else None


def _kind(module: nn.Module) -> str:
    """The class's name, without what `parametrize` puts before it, and attention's own subclass of Linear."""
    cls = type(module)
    if parametrize.is_parametrized(module):
        cls = cls.__mro__[1]
    return "Linear" if cls is NonDynamicallyQuantizableLinear else cls.__name__


def _one(uses: list[_Use]) -> tuple[Meaning | None, str | None]:
    """What a tensor is that several modules may share. Of a table and a layer that multiplies, the layer decides."""
    known = [use.meaning for use in uses if use.meaning is not None]
    if not known:
        return None, uses[0].reason
    roles = [meaning.role for meaning in known]
    if "embedding" in roles and "weight" in roles:
        return Meaning("tied embedding", known[roles.index("weight")].weight), None
    return known[0], None


class _Stripper:
    """Takes the prefixes of wrappers out of names."""

    def __init__(self, model: nn.Module) -> None:
        parallel = (nn.DataParallel, nn.parallel.DistributedDataParallel)
        self._inside = {
            _joined(path, "module")
            for path, module in model.named_modules(remove_duplicate=False)
            if isinstance(module, parallel)
        }

    def __call__(self, name: str) -> str:
        kept, path = [], ""
        for segment in name.split("."):
            path = _joined(path, segment)
            if segment not in _WRAPPERS and path not in self._inside:
                kept.append(segment)
        return ".".join(kept)


def _joined(path: str, local: str) -> str:
    return f"{path}.{local}" if path else local


def _short(dtype: Any) -> str:
    return str(dtype).removeprefix("torch.")


def is_quantized(module: nn.Module) -> bool:
    """Whether its own weights are integers: PyTorch's quantized layers, and weights of torchao and quanto."""
    own = type(module).__module__.startswith(("torch.ao.nn.quantized", "torch.nn.quantized"))
    return own or any(map(is_packed, module.parameters(recurse=False)))


def closed_parts(model: nn.Module) -> Iterator[str]:
    """Of each module whose weights are not plain parameters any more, what it is and what to do."""
    for path, module in model.named_modules():
        what = path or "the model"
        if isinstance(module, torch.jit.ScriptModule):
            yield f"{what} is scripted; initialize the model before it is scripted"
        elif is_quantized(module):
            yield (
                f"{what} is a quantized {type(module).__name__}, whose weights are integers; initialize the model "
                "before it is quantized"
            )
