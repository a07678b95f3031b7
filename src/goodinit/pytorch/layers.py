"""What each kind of layer does with its parameters: one function a kind, in one table, looked up by class.

A function takes the module and says for each of its own parameters, by local name, which role it plays and, where it
multiplies, the `Weight` with its fans. Subclasses are read as their nearest known base; a parameter that the base does
not have, or whose shape is another, is not understood.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from torch import nn

from goodinit.errors import GoodinitError, shown
from goodinit.structure import ROLES, Meaning, Role
from goodinit.weights import Weight

__all__ = ["Registration", "meanings", "register_rule"]

Reader = Callable[[Any], Mapping[str, Meaning]]


def _linear(layer: nn.Linear) -> dict[str, Meaning]:
    return {
        "weight": Meaning("weight", Weight.linear("weight", layer.in_features, layer.out_features)),
        "bias": Meaning("bias"),
    }


def _bilinear(layer: nn.Bilinear) -> dict[str, Meaning]:
    weight = Weight.bilinear("weight", layer.in1_features, layer.in2_features, layer.out_features)
    return {"weight": Meaning("weight", weight), "bias": Meaning("bias")}


def _convolution(layer: nn.Conv1d | nn.Conv2d | nn.Conv3d) -> dict[str, Meaning]:
    make = Weight.conv_transpose if layer.transposed else Weight.conv
    weight = make(
        "weight",
        layer.in_channels,
        layer.out_channels,
        layer.kernel_size,
        groups=layer.groups,
        stride=layer.stride,
    )
    return {"weight": Meaning("weight", weight), "bias": Meaning("bias")}


def _embedding(layer: nn.Embedding | nn.EmbeddingBag) -> dict[str, Meaning]:
    weight = Weight.embedding("weight", layer.num_embeddings, layer.embedding_dim)
    return {"weight": Meaning("embedding", weight)}


_CELLS: Final = {"LSTM": "lstm", "GRU": "gru", "RNN_TANH": "rnn", "RNN_RELU": "rnn"}


def _recurrent(layer: nn.RNNBase) -> dict[str, Meaning]:
    cell = _CELLS[layer.mode]
    state = layer.proj_size or layer.hidden_size
    sides = ("", "_reverse") if layer.bidirectional else ("",)
    found: dict[str, Meaning] = {}
    for number in range(layer.num_layers):
        into = layer.input_size if number == 0 else state * len(sides)
        for side in sides:
            end = f"l{number}{side}"
            found |= _cell(cell, into, state, layer.hidden_size, end=f"_{end}")
            if layer.proj_size:
                projection = Weight.linear(f"weight_hr_{end}", layer.hidden_size, layer.proj_size)
                found[projection.name] = Meaning("recurrent projection", projection)
    return found


def _one_cell(layer: nn.RNNCellBase) -> dict[str, Meaning]:
    cell = "lstm" if isinstance(layer, nn.LSTMCell) else "gru" if isinstance(layer, nn.GRUCell) else "rnn"
    return _cell(cell, layer.input_size, layer.hidden_size, layer.hidden_size)


def _cell(cell: str, into: int, state: int, units: int, end: str = "") -> dict[str, Meaning]:
    """Input to hidden, hidden to hidden and PyTorch's two biases, of which one would do."""
    ih, hh = (
        Weight.recurrent(f"weight_{which}{end}", size, units, cell=cell)
        for which, size in (("ih", into), ("hh", state))
    )
    return {
        ih.name: Meaning("recurrent input", ih),
        hh.name: Meaning("recurrent hidden", hh),
        f"bias_ih{end}": Meaning("gate bias" if cell == "lstm" else "bias"),
        f"bias_hh{end}": Meaning("bias"),
    }


def _attention(layer: nn.MultiheadAttention) -> dict[str, Meaning]:
    """The input projections; the output has a layer of its own. `bias_k` and `bias_v` are one more key and value."""
    size = layer.embed_dim
    found = {name: Meaning("bias") for name in ("in_proj_bias", "bias_k", "bias_v")}
    found["in_proj_weight"] = Meaning("attention", Weight.packed("in_proj_weight", size, (size,) * 3))
    for name, into in (("q_proj_weight", size), ("k_proj_weight", layer.kdim), ("v_proj_weight", layer.vdim)):
        found[name] = Meaning("attention", Weight.linear(name, into or size, size))
    return found


def _norm(layer: nn.Module) -> dict[str, Meaning]:
    return {"weight": Meaning("norm scale"), "bias": Meaning("norm shift")}


def _prelu(layer: nn.PReLU) -> dict[str, Meaning]:
    return {"weight": Meaning("slope")}


_KNOWN: Final[dict[type[nn.Module], Reader]] = {
    nn.Linear: _linear,
    nn.Bilinear: _bilinear,
    **dict.fromkeys((nn.Conv1d, nn.Conv2d, nn.Conv3d), _convolution),
    **dict.fromkeys((nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d), _convolution),
    **dict.fromkeys((nn.Embedding, nn.EmbeddingBag), _embedding),
    **dict.fromkeys((nn.RNN, nn.LSTM, nn.GRU), _recurrent),
    **dict.fromkeys((nn.RNNCell, nn.LSTMCell, nn.GRUCell), _one_cell),
    nn.MultiheadAttention: _attention,
    **dict.fromkeys((nn.LayerNorm, nn.RMSNorm, nn.GroupNorm), _norm),
    **dict.fromkeys((nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm), _norm),
    **dict.fromkeys((nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d), _norm),
    nn.PReLU: _prelu,
}
_registered: dict[type[nn.Module], Reader] = {}


class Registration:
    """A rule for a class, until `remove` is called, or the `with` block ends that it was made for."""

    def __init__(self, cls: type[nn.Module], reader: Reader) -> None:
        self._cls, self._reader, self._before = cls, reader, _registered.get(cls)
        _registered[cls] = reader

    def remove(self) -> None:
        """Take the rule back; the one that was there before counts again. Twice is once."""
        if _registered.get(self._cls) is not self._reader:
            return
        if self._before is None:
            del _registered[self._cls]
        else:
            _registered[self._cls] = self._before

    def __enter__(self) -> Registration:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()


def register_rule(
    cls: type[nn.Module], rule: type[nn.Module] | Callable[[Any], Mapping[str, Weight | Role | Meaning]]
) -> Registration:
    """Say what the parameters of a class of modules are, which goodinit cannot know.

    Arguments:
        cls: the class; its subclasses are read so too.
        rule: a known class to be read like, such as `nn.LayerNorm`, or a function that takes the module and says for
            each of its parameters, by local name, its Weight, its role (`"bias"`, `"norm scale"`, ...) or both, as a
            `Meaning`.

    The rule counts in this process until `remove()` is called on what is returned, or to the end of a `with` block.

    >>> import torch
    >>> from goodinit import Weight
    >>> from goodinit.pytorch import read_model, register_rule
    >>> class Shifted(torch.nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.kernel = torch.nn.Parameter(torch.empty(3, 8))  # inputs first
    ...         self.shift = torch.nn.Parameter(torch.empty(8))
    >>> def rule(module):
    ...     return {"kernel": Weight.linear("kernel", 3, 8, layout="keras"), "shift": "bias"}
    >>> with register_rule(Shifted, rule):
    ...     [(each.name, each.role) for each in read_model(Shifted())]
    [('kernel', 'weight'), ('shift', 'bias')]

    Raises GoodinitError for something that is not a class of modules, and no class that is known or function.
    """
    if not (isinstance(cls, type) and issubclass(cls, nn.Module)):
        raise GoodinitError(
            f"register_rule({shown(cls)}, ...): give a class of modules, such as MyLayer, not an object"
        )
    if isinstance(rule, type):
        if not issubclass(rule, nn.Module) or (known := _reader(rule)) is None:
            raise GoodinitError(f"register_rule(..., {shown(rule)}): goodinit knows no such layer; give a function")
        return Registration(cls, known)
    if not callable(rule):
        raise GoodinitError(f"register_rule(..., {shown(rule)}): give a function of the module, or a known class")
    return Registration(cls, lambda module: {name: _meaning(cls, name, each) for name, each in rule(module).items()})


def _meaning(cls: type[nn.Module], name: str, explicit: object) -> Meaning:
    if isinstance(explicit, Meaning):
        return explicit
    if isinstance(explicit, Weight):
        return Meaning("weight", explicit)
    if isinstance(explicit, str) and explicit in ROLES:
        return Meaning(explicit)
    raise GoodinitError(
        f"the rule for {cls.__name__} says {explicit!r} of {name!r}; it must say a Weight, a Meaning, or a role: "
        f"{', '.join(ROLES)}"
    )


def _reader(cls: type[nn.Module]) -> Reader | None:
    for each in cls.__mro__:
        found = _registered.get(each) or _KNOWN.get(each)
        if found is not None:
            return found
    return None


def meanings(module: nn.Module) -> Mapping[str, Meaning] | None:
    """What the module's own parameters are, by local name; None where its class is not known."""
    reader = _reader(type(module))
    return None if reader is None else reader(module)
