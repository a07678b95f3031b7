"""The suite's models: small ones of the families that a start decides about, by their options."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

import torch
from torch import Tensor, nn

__all__ = ["MODELS", "build"]

_ACTIVATIONS: Final[Mapping[str, Callable[[], nn.Module]]] = {
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "tanh": nn.Tanh,
    "linear": nn.Identity,
}


class Sine(nn.Module):
    """sin(30 x), as a SIREN has it."""

    def forward(self, x: Tensor) -> Tensor:
        """The sine of thirty times the input."""
        return torch.sin(30 * x)


class _Residual(nn.Module):
    def __init__(self, branch: nn.Module) -> None:
        super().__init__()
        self.branch = branch

    def forward(self, x: Tensor) -> Tensor:
        added: Tensor = x + self.branch(x)
        return added


class _Transformer(nn.Module):
    """Blocks of attention and a GELU layer over tokens, the last place read out; the norm before, after or nowhere."""

    def __init__(self, tokens: int, context: int, width: int, depth: int, norm: str, outputs: int) -> None:
        super().__init__()
        self.embed, self.places = nn.Embedding(tokens, width), nn.Embedding(context, width)
        self.blocks = nn.ModuleList(_Block(width, norm) for _ in range(depth))
        self.last = nn.LayerNorm(width) if norm == "pre" else nn.Identity()
        self.head = nn.Linear(width, outputs)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embed(tokens) + self.places(torch.arange(tokens.shape[1], device=tokens.device))
        for block in self.blocks:
            x = block(x)
        scores: Tensor = self.head(self.last(x)[:, -1])
        return scores


class _Block(nn.Module):
    def __init__(self, width: int, norm: str) -> None:
        super().__init__()
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.norm = norm
        self.norms = nn.ModuleList(nn.LayerNorm(width) if norm != "none" else nn.Identity() for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        for norm, branch in zip(self.norms, (self._attend, self._feed), strict=True):
            x = norm(x + branch(x)) if self.norm == "post" else x + branch(norm(x))
        return x

    def _attend(self, x: Tensor) -> Tensor:
        queries, keys, values = (each.unsqueeze(1) for each in self.qkv(x).chunk(3, dim=-1))
        attended = nn.functional.scaled_dot_product_attention(queries, keys, values, is_causal=True)
        added: Tensor = self.out(attended.squeeze(1))
        return added

    def _feed(self, x: Tensor) -> Tensor:
        added: Tensor = self.down(nn.functional.gelu(self.up(x)))
        return added


_CELLS: Final[Mapping[str, Callable[..., nn.Module]]] = {
    "lstm": nn.LSTM,
    "gru": nn.GRU,
    "tanh": nn.RNN,
    "relu": partial(nn.RNN, nonlinearity="relu"),
}


class _Recurrent(nn.Module):
    """A recurrent layer over (examples, places, features), its last state read out."""

    def __init__(self, inputs: int, width: int, outputs: int, cell: str) -> None:
        super().__init__()
        self.cell = _CELLS[cell](inputs, width, batch_first=True)
        self.head = nn.Linear(width, outputs)

    def forward(self, x: Tensor) -> Tensor:
        states, _ = self.cell(x)
        answer: Tensor = self.head(states[:, -1])
        return answer


class _Autoencoder(nn.Module):
    """An image squeezed into a few numbers, and the brightness at a place read out of them."""

    def __init__(self, pixels: int, width: int, depth: int, code: int, activation: str) -> None:
        super().__init__()
        self.pixels = pixels
        self.encoder = _stack(pixels, width, depth, code, activation)
        self.decoder = _stack(code + 2, width, depth, 1, activation)

    def forward(self, x: Tensor) -> Tensor:
        codes = self.encoder(x[:, : self.pixels])
        brightness: Tensor = self.decoder(torch.cat([codes, x[:, self.pixels :]], dim=1))
        return brightness


class _Hypernetwork(nn.Module):
    """A network that makes the weights of another, which takes one number to one number."""

    def __init__(self, inputs: int, width: int, depth: int, made: int, activation: str) -> None:
        super().__init__()
        self.inputs, self.made = inputs, made
        self.maker = _stack(inputs - 1, width, depth, 3 * made + 1, activation)

    def forward(self, x: Tensor) -> Tensor:
        weights = self.maker(x[:, :-1])
        into, bias, out = weights[:, :-1].chunk(3, dim=1)
        hidden = torch.tanh(into * x[:, -1:] + bias)
        answer: Tensor = (hidden * out).sum(dim=1, keepdim=True) + weights[:, -1:]
        return answer


def _stack(inputs: int, width: int, depth: int, outputs: int, activation: str) -> nn.Sequential:
    """`depth` hidden layers and a readout."""
    layers: list[nn.Module] = []
    for place in range(depth):
        layers += [nn.Linear(width if place else inputs, width), _ACTIVATIONS[activation]()]
    return nn.Sequential(*layers, nn.Linear(width if depth else inputs, outputs))


def _mlp(
    shape: tuple[int, ...],
    outputs: int,
    *,
    depth: int,
    width: int,
    activation: str,
    residual: bool = False,
    norm: bool = False,
) -> nn.Module:
    act = _ACTIVATIONS[activation]
    layers: list[nn.Module] = [nn.Flatten(), nn.Linear(math.prod(shape), width), act()]
    for _ in range(depth):
        block = [*([nn.LayerNorm(width)] if norm else []), nn.Linear(width, width), act()]
        layers += [_Residual(nn.Sequential(*block, nn.Linear(width, width)))] if residual else block
    return nn.Sequential(*layers, nn.Linear(width, outputs))


def _convolutions(
    shape: tuple[int, ...], outputs: int, *, depth: int, width: int, residual: bool = False, norm: bool = False
) -> nn.Module:
    def block() -> list[nn.Module]:
        convolution = nn.Conv2d(width, width, 3, padding=1, bias=not norm)
        return [convolution, *([nn.BatchNorm2d(width)] if norm else []), nn.ReLU()]

    layers: list[nn.Module] = [nn.Conv2d(shape[0], width, 3, padding=1), nn.ReLU()]
    for place in range(depth // 2):
        body = [*block(), *block()]
        layers += [_Residual(nn.Sequential(*body))] if residual else body
        layers += [nn.MaxPool2d(2)] if place == 0 else []
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, outputs))


def _transformer(shape: tuple[int, ...], outputs: int, *, depth: int, width: int, norm: str) -> nn.Module:
    return _Transformer(outputs, shape[0], width, depth, norm, outputs)


def _recurrent(shape: tuple[int, ...], outputs: int, *, cell: str, width: int) -> nn.Module:
    return _Recurrent(shape[-1], width, outputs, cell)


def _coordinates(shape: tuple[int, ...], outputs: int, *, depth: int, width: int, activation: str) -> nn.Module:
    act = Sine if activation == "sine" else _ACTIVATIONS[activation]
    layers: list[nn.Module] = [nn.Linear(shape[0], width), act()]
    for place in range(depth - 1):
        layers += [nn.Linear(width, width), act()]
        if activation == "sine":  # the own start of a SIREN, section 3.2 of its paper
            nn.init.uniform_(layers[-2].weight, -math.sqrt(6 / width) / 30, math.sqrt(6 / width) / 30)  # type: ignore[arg-type]
        del place
    if activation == "sine":
        nn.init.uniform_(layers[0].weight, -1 / shape[0], 1 / shape[0])  # type: ignore[arg-type]
    return nn.Sequential(*layers, nn.Linear(width, outputs))


def _autoencoder(
    shape: tuple[int, ...], outputs: int, *, depth: int, width: int, code: int, activation: str
) -> nn.Module:
    return _Autoencoder(shape[0] - 2, width, depth, code, activation)


def _hypernetwork(
    shape: tuple[int, ...], outputs: int, *, depth: int, width: int, made: int, activation: str
) -> nn.Module:
    return _Hypernetwork(shape[0], width, depth, made, activation)


MODELS: Final[Mapping[str, Callable[..., nn.Module]]] = {
    "mlp": _mlp,
    "convolutions": _convolutions,
    "transformer": _transformer,
    "recurrent": _recurrent,
    "coordinates": _coordinates,
    "autoencoder": _autoencoder,
    "hypernetwork": _hypernetwork,
}


def build(shape: tuple[int, ...], outputs: int, options: Mapping[str, Any]) -> nn.Module:
    """A new model of the options' `kind` for examples of that shape, as PyTorch's code or its paper starts it."""
    return MODELS[options["kind"]](shape, outputs, **{name: value for name, value in options.items() if name != "kind"})
