"""What PyTorch's functions do to a signal: which are layers, activations, norms, sums, and which only pass it on.

The keys are the functions as a `TorchFunctionMode` sees them, so that a module, a function of `torch.nn.functional` and
a method of a tensor are one thing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

import torch
from torch.nn import functional

from goodinit.spec import format_spec

__all__ = ["ACTIVATIONS", "LAYERS", "LOSSES", "Function", "argument", "everywhere", "is_root", "role"]

Function = Callable[..., Any]
_PLACES: Final = (torch, torch.Tensor, functional, torch._C._nn, torch.special)


def everywhere(names: str) -> set[Function]:
    """Every function of these names, wherever PyTorch keeps one; names that a version lacks are left out."""
    return {getattr(place, name) for name in names.split() for place in _PLACES if hasattr(place, name)}


def argument(args: tuple[Any, ...], kwargs: Mapping[str, Any], place: int, name: str, default: Any = None) -> Any:
    """The argument at that place or of that name."""
    return args[place] if len(args) > place else kwargs.get(name, default)


def _named(name: str) -> Callable[..., str]:
    return lambda args, kwargs: name


def _optional(name: str, option: str, place: int, default: float) -> Callable[..., str]:
    def text(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
        given = argument(args, kwargs, place, "negative_slope" if option == "slope" else option, default)
        value = float(given)
        return format_spec(name, {} if value == default else {option: value})

    return text


def _clamp(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str | None:
    low, high = argument(args, kwargs, 1, "min"), argument(args, kwargs, 2, "max")
    if isinstance(low, torch.Tensor) or isinstance(high, torch.Tensor):
        return None
    return {(0, None): "relu", (0, 6): "relu6", (-1, 1): "hard_tanh"}.get((low, high))


def _hard_tanh(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
    low, high = argument(args, kwargs, 1, "min_val", -1.0), argument(args, kwargs, 2, "max_val", 1.0)
    return {(-1, 1): "hard_tanh", (0, 6): "relu6"}.get((low, high), f"hardtanh({low:g}, {high:g})")


def _threshold(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
    at, value = argument(args, kwargs, 1, "threshold"), argument(args, kwargs, 2, "value")
    return "relu" if at == 0 and value == 0 else f"threshold({at:g}, {value:g})"


def _prelu(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
    slope = argument(args, kwargs, 1, "weight").detach().double().mean().item()
    return format_spec("leaky_relu", {"slope": slope}) if math.isfinite(slope) else "prelu"


_ACTIVATIONS_BY_NAME: Final[dict[str, Callable[..., str | None]]] = {
    "relu relu_": _named("relu"),
    "relu6": _named("relu6"),
    "leaky_relu leaky_relu_": _optional("leaky_relu", "slope", 1, 0.01),
    "rrelu rrelu_": _named("leaky_relu(slope=0.22916666666666666)"),  # the mean of its slopes' range, 1/8 to 1/3
    "prelu": _prelu,
    "elu elu_": _optional("elu", "alpha", 1, 1.0),
    "celu celu_": _optional("elu", "alpha", 1, 1.0),  # the same function where alpha is 1
    "selu selu_": _named("selu"),
    "gelu": _named("gelu"),
    "silu": _named("silu"),
    "mish": _named("mish"),
    "softplus": _named("softplus"),
    "sigmoid sigmoid_ expit": _named("sigmoid"),
    "tanh tanh_": _named("tanh"),
    "erf erf_": _named("erf"),
    "hardtanh hardtanh_": _hard_tanh,
    "softsign": _named("softsign"),
    "clamp clamp_ clip clip_": _clamp,
    "clamp_min clamp_min_": lambda args, kwargs: "relu" if argument(args, kwargs, 1, "min") == 0 else None,
    "threshold threshold_": _threshold,
    "sin sin_": _named("sine"),
    "hardswish": _named("hardswish"),
    "hardsigmoid hardsigmoid_": _named("hardsigmoid"),
    "logsigmoid": _named("logsigmoid"),
    "hardshrink": _named("hardshrink"),
    "softshrink": _named("softshrink"),
    "tanhshrink": _named("tanhshrink"),
    "glu": _named("glu"),
}
ACTIVATIONS: Final = {function: name for names, name in _ACTIVATIONS_BY_NAME.items() for function in everywhere(names)}
"""The function that tells an activation's name from a call's arguments: `goodinit.activations` has most of them."""

_LAYERS_BY_NAME: Final = {
    "linear": "linear",
    "conv1d conv2d conv3d conv_tbc convolution": "conv",
    "conv_transpose1d conv_transpose2d conv_transpose3d": "conv_transpose",
    "bilinear": "bilinear",
    "embedding": "embedding",
    "embedding_bag": "embedding",
    "matmul mm bmm mv addmm baddbmm addmv tensordot einsum __matmul__ __rmatmul__ chain_matmul inner": "matmul",
    "_grouped_mm": "matmul",
    "lstm gru rnn_tanh rnn_relu lstm_cell gru_cell rnn_tanh_cell rnn_relu_cell": "recurrent",
    "multi_head_attention_forward": "attention",
}
LAYERS: Final = {function: kind for names, kind in _LAYERS_BY_NAME.items() for function in everywhere(names)}
"""Functions that join units by a weight, and the kind of layer that makes them."""

LOSSES: Final = {
    function: name
    for name in (
        "cross_entropy",
        "nll_loss",
        "binary_cross_entropy_with_logits",
        "binary_cross_entropy",
        "mse_loss",
        "l1_loss",
        "smooth_l1_loss",
        "huber_loss",
    )
    for function in everywhere(name)
}
"""Losses whose chance level is known."""

_ROLES_BY_NAME: Final = {
    "norm": "layer_norm batch_norm group_norm instance_norm rms_norm local_response_norm normalize",
    "sum": "add add_ sub sub_ rsub subtract subtract_ __add__ __radd__ __iadd__ __sub__ __rsub__ __isub__",
    "product": "mul mul_ multiply multiply_ div div_ divide true_divide __mul__ __rmul__ __imul__ __truediv__ "
    "__rtruediv__ __itruediv__",
    "join": "cat concat concatenate stack hstack vstack dstack",
    "gathered": "index_add index_add_ scatter_add scatter_add_ index_copy index_copy_ index_put index_put_",
    "attend": "scaled_dot_product_attention",
    "softmax": "softmax _softmax",
    "divisor": "rsqrt sqrt std norm linalg_vector_norm vector_norm",
    # They keep every value, and change its place or its number type only.
    "view": "view reshape flatten unflatten transpose transpose_ permute movedim moveaxis swapaxes swapdims t t_ "
    "squeeze squeeze_ unsqueeze unsqueeze_ contiguous clone detach to float half bfloat16 double type type_as cuda cpu "
    "expand expand_as repeat tile repeat_interleave broadcast_to chunk split split_with_sizes tensor_split unbind "
    "narrow select index_select gather getitem __getitem__ take_along_dim masked_select roll flip view_as reshape_as "
    "pixel_shuffle pixel_unshuffle channel_shuffle unfold requires_grad_ rot90 ravel adjoint identity as_strided "
    "masked_fill masked_fill_ where nan_to_num topk sort",
    "dropout": "dropout dropout_ dropout1d dropout2d dropout3d alpha_dropout feature_dropout feature_alpha_dropout",
    # They change its size, but not what it is.
    "pass": "max_pool1d max_pool2d max_pool3d avg_pool1d avg_pool2d avg_pool3d adaptive_avg_pool1d adaptive_avg_pool2d "
    "adaptive_avg_pool3d adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d lp_pool1d lp_pool2d "
    "max_pool1d_with_indices max_pool2d_with_indices max_pool3d_with_indices fractional_max_pool2d mean sum amax max "
    "pad interpolate upsample fold neg neg_ negative __neg__",
}
_ROLES: Final = {function: role for role, names in _ROLES_BY_NAME.items() for function in everywhere(names)} | {
    getattr(torch.Tensor, name).__get__: "view" for name in ("T", "mT", "H", "mH", "data", "real")
}
_POWERS: Final = everywhere("pow pow_ __pow__ __ipow__")
_ROLES[torch.linalg.vector_norm] = _ROLES[torch.linalg.norm] = "divisor"


def is_root(function: Function, args: tuple[Any, ...]) -> bool:
    """Whether it is a square root, or one over it, written as a power: what a norm divides by."""
    return function in _POWERS and len(args) > 1 and isinstance(args[1], float) and abs(args[1]) == 0.5


def role(function: Function) -> str | None:
    """What a function is to a signal that goes through it: view, dropout, pass, norm, sum, ...."""
    return _ROLES.get(function)
