"""What a layer's function was given: its input, its weight, and the names of its parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from torch import Tensor
from torch.nn import functional

from goodinit.pytorch.calling import tensors_in
from goodinit.pytorch.functions import Function, argument

__all__ = ["Operands", "operands"]

Names = Callable[[Tensor], tuple[str, ...]]
_SAMPLE: Final = 256  # rows of an input whose projection is computed again to be seen

# Where the arguments of a multi-head attention lie, in PyTorch's order.
_ATTENTION: Final = (
    *("query", "key", "value", "embed_dim_to_check", "num_heads", "in_proj_weight", "in_proj_bias", "bias_k", "bias_v"),
    *("add_zero_attn", "dropout_p", "out_proj_weight", "out_proj_bias", "training", "key_padding_mask", "need_weights"),
    *("attn_mask", "use_separate_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight"),
)


@dataclass(frozen=True)
class Operands:
    """One weight's use: `names` are the parameters', the weight's first.

    `whole` says that the function's output is this weight's output; where it is not, as for the projections inside an
    attention, `sampled` computes a part of it again. `seen` says that `input` is what the weight meets, and `left` that
    the weight stands left of it in a matrix product.
    """

    kind: str
    input: Tensor
    weight: Tensor
    names: tuple[str, ...]
    bias: Tensor | None = None
    whole: bool = True
    seen: bool = True
    left: bool = False

    def sampled(self) -> Tensor:
        """The output for some rows of the input."""
        rows = self.input.detach().reshape(-1, self.input.shape[-1])
        step = max(1, len(rows) // _SAMPLE)
        bias = None if self.bias is None else self.bias.detach()
        return functional.linear(rows[::step][:_SAMPLE], self.weight.detach(), bias)


def operands(
    func: Function, kind: str, args: tuple[Any, ...], kwargs: Mapping[str, Any], names: Names
) -> list[Operands]:
    """The weights that a layer's function was called with; none where no parameter of the model is among them."""
    if kind == "attention":
        return _attention(args, kwargs, names)
    if kind == "recurrent":
        return _recurrent(args, kwargs, names)
    if kind == "matmul":
        return _matmul(func, args, kwargs, names)
    if kind == "embedding":
        pair = (argument(args, kwargs, 0, "input"), argument(args, kwargs, 1, "weight"))
        if not pair[0].dtype.is_floating_point or pair[1].dtype.is_floating_point:
            given, weight = pair if pair[1].dtype.is_floating_point else pair[::-1]  # torch.embedding takes them turned
            return _one(kind, given, weight, None, names)
        return []
    place = 2 if kind == "bilinear" else 1
    given, weight = argument(args, kwargs, 0, "input"), argument(args, kwargs, place, "weight")
    return _one(kind, given, weight, argument(args, kwargs, place + 1, "bias"), names)


def _one(kind: str, given: Any, weight: Any, bias: Any, names: Names, **facts: bool) -> list[Operands]:
    if not isinstance(given, Tensor) or not isinstance(weight, Tensor) or not names(weight):
        return []
    of_bias = names(bias) if isinstance(bias, Tensor) else ()
    return [Operands(kind, given, weight, (*names(weight), *of_bias), bias if of_bias else None, **facts)]


def _matmul(func: Function, args: tuple[Any, ...], kwargs: Mapping[str, Any], names: Names) -> list[Operands]:
    tensors = tensors_in((args, kwargs))
    weights = [tensor for tensor in tensors if names(tensor) and tensor.dim() >= 2]
    biases = [tensor for tensor in tensors if names(tensor) and tensor.dim() < 2]
    given = [tensor for tensor in tensors if not names(tensor) and tensor.is_floating_point()]  # no offsets of groups
    if len(weights) != 1 or not given:
        return []
    kind = getattr(func, "__name__", "")
    first = next(each for each in tensors if each is weights[0] or each is given[-1]) is weights[0]
    left = kind != "einsum" and first != (kind == "__rmatmul__")
    return _one("matmul", given[-1], weights[0], biases[0] if biases else None, names, left=left)


def _recurrent(args: tuple[Any, ...], kwargs: Mapping[str, Any], names: Names) -> list[Operands]:
    tensors = tensors_in((args, kwargs))
    weights = [tensor for tensor in tensors if names(tensor)]
    matrices = [tensor for tensor in weights if tensor.dim() == 2]
    if not matrices or not tensors:
        return []
    every = dict.fromkeys(name for tensor in (matrices[0], *weights) for name in names(tensor))
    return [Operands("recurrent", tensors[0], matrices[0], tuple(every))]


def _attention(args: tuple[Any, ...], kwargs: Mapping[str, Any], names: Names) -> list[Operands]:
    given = {name: argument(args, kwargs, place, name) for place, name in enumerate(_ATTENTION)}
    query, bias = given["query"], given["in_proj_bias"]
    found = []
    if given["use_separate_proj_weight"]:
        size = query.shape[-1]
        for place, (name, source) in enumerate((("q", "query"), ("k", "key"), ("v", "value"))):
            part = None if bias is None else bias[place * size : (place + 1) * size]
            weight = given[f"{name}_proj_weight"]
            found += _one("linear", given[source], weight, part, names, whole=False)
    else:
        found += _one("linear", query, given["in_proj_weight"], bias, names, whole=False)
    found += _one("linear", query, given["out_proj_weight"], given["out_proj_bias"], names, seen=False)
    return found
