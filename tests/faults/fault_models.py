"""Small models of twelve kinds with a batch each: the healthy ones, into which `fault_kinds` plants faults."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

import goodinit


@dataclass
class Case:
    """A model with its batch and loss, and options of `check`."""

    model: nn.Module
    inputs: Any
    targets: Any
    loss: Callable[..., Tensor]
    options: dict[str, Any] = field(default_factory=dict)


def classes(inputs: Tensor, count: int = 10) -> Tensor:
    """Classes that a fixed random linear map tells of the inputs, so that there is something to learn."""
    flat = inputs.flatten(1)
    return (flat @ torch.randn(flat.shape[1], count)).argmax(1)


class CNN(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        sizes = (3, 16, 16, 32, 32)
        self.convs = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in pairwise(sizes))
        self.head = nn.Linear(32, 10)
        self.drop = nn.Dropout(0.1)
        self.last: Callable[[Tensor], Tensor] = lambda scores: scores
        self.cut = False
        for conv in self.convs:
            nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
            nn.init.zeros_(conv.bias)

    def forward(self, x: Tensor) -> Tensor:
        for place, conv in enumerate(self.convs):
            x = functional.relu(conv(x))
            if place == 1:
                x = functional.max_pool2d(x, 2)
        if self.cut:
            x = x.detach()
        return self.last(self.head(self.drop(x.mean((2, 3)))))


def cnn() -> Case:
    x = torch.randn(32, 3, 8, 8)
    return Case(CNN(), x, classes(x), functional.cross_entropy)


class Block(nn.Module):
    def __init__(self, width: int, norm: bool) -> None:
        super().__init__()
        self.one, self.two = (nn.Conv2d(width, width, 3, padding=1, bias=not norm) for _ in range(2))
        self.n1, self.n2 = (nn.BatchNorm2d(width) if norm else nn.Identity() for _ in range(2))
        for conv in (self.one, self.two):
            nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(x + self.n2(self.two(functional.relu(self.n1(self.one(x))))))


class ResNet(nn.Module):
    def __init__(self, blocks: int = 4, norm: bool = True) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        nn.init.kaiming_normal_(self.stem.weight, nonlinearity="relu")
        self.blocks = nn.Sequential(*(Block(16, norm) for _ in range(blocks)))
        self.norm = nn.LayerNorm(16)
        self.head = nn.Linear(16, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.norm(self.blocks(functional.relu(self.stem(x))).mean((2, 3))))


def resnet() -> Case:
    x = torch.randn(32, 3, 8, 8)
    return Case(ResNet(), x, classes(x), functional.cross_entropy)


def resnet_without_norms() -> Case:
    case = resnet()
    case.model = ResNet(10, norm=False)
    with torch.no_grad():
        for block in case.model.blocks:
            block.two.weight.mul_(1 / math.sqrt(10))
    return case


class Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.q, self.k, self.v, self.out = (nn.Linear(width, width) for _ in range(4))
        self.heads, self.scaled, self.axis = heads, True, -1

    def forward(self, x: Tensor) -> Tensor:
        n, t, width = x.shape
        q, k, v = (f(x).view(n, t, self.heads, -1).transpose(1, 2) for f in (self.q, self.k, self.v))
        scores = q @ k.transpose(-2, -1)
        if self.scaled:
            scores = scores / math.sqrt(width // self.heads)
        scores = scores.masked_fill(torch.ones(t, t, dtype=torch.bool).triu(1), -1e4)
        return self.out((scores.softmax(self.axis) @ v).transpose(1, 2).reshape(n, t, width))


class Layer(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.n1, self.n2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.n1(x))
        return x + self.down(functional.gelu(self.up(self.n2(x))))


class PreNorm(nn.Module):
    def __init__(self, width: int = 96, layers: int = 5) -> None:
        super().__init__()
        self.token, self.place = nn.Embedding(100, width), nn.Embedding(16, width)
        self.layers = nn.ModuleList(Layer(width, 2) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, 100, bias=False)
        self.last: Callable[[Tensor], Tensor] = lambda scores: scores
        self.cut = False
        for name, each in self.named_parameters():
            if each.dim() > 1:
                end = name.endswith(("out.weight", "down.weight"))
                nn.init.normal_(each, std=0.06 / math.sqrt(2 * layers) if end else 0.05)
            elif name.endswith("bias"):
                nn.init.zeros_(each)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.token(tokens) + self.place(torch.arange(tokens.shape[1]))
        for number, layer in enumerate(self.layers):
            x = layer(x)
            if self.cut and number == 3:
                x = x.detach()
        return self.last(self.head(self.norm(x)).transpose(1, 2))


def pre_norm() -> Case:
    tokens = torch.randint(0, 100, (6, 16))
    return Case(PreNorm(), tokens, tokens.roll(-1, 1), functional.cross_entropy)


class PostNorm(nn.Module):
    def __init__(self, width: int = 64, layers: int = 3) -> None:
        super().__init__()
        self.into = nn.Linear(16, width)
        self.layers = nn.Sequential(
            *(nn.TransformerEncoderLayer(width, 4, 128, dropout=0.1, batch_first=True) for _ in range(layers))
        )
        self.head = nn.Linear(width, 10)
        for layer in self.layers:  # the three matrices one by one
            for part in layer.self_attn.in_proj_weight.data.chunk(3):
                nn.init.xavier_uniform_(part)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layers(self.into(x)).mean(1))


def post_norm() -> Case:
    x = torch.randn(32, 12, 16)
    return Case(PostNorm(), x, classes(x), functional.cross_entropy)


class Recurrent(nn.Module):
    def __init__(self, outputs: int = 10) -> None:
        super().__init__()
        self.rnn = nn.LSTM(16, 48, num_layers=2, batch_first=True)
        self.head = nn.Linear(48, outputs)
        self.cut = False

    def forward(self, x: Tensor) -> Tensor:
        last = self.rnn(x)[0][:, -1]
        return self.head(last.detach() if self.cut else last)


def lstm() -> Case:
    x = torch.randn(32, 12, 16)
    return Case(Recurrent(), x, classes(x), functional.cross_entropy)


def lstm_numbers() -> Case:
    x = torch.randn(32, 12, 16)
    return Case(Recurrent(1), x, x.mean((1, 2))[:, None] * 10, functional.mse_loss)


class VAE(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.enter, self.mean, self.spread = nn.Linear(64, 64), nn.Linear(64, 8), nn.Linear(64, 8)
        self.decode = nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 64))
        self.squash = self.cut = False

    def forward(self, x: Tensor) -> Tensor:
        hidden = functional.relu(self.enter(x))
        mean, log_variance = self.mean(hidden), self.spread(hidden)
        z = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
        out = self.decode(z.detach() if self.cut else z)
        return torch.sigmoid(out) if self.squash else out


def vae() -> Case:
    x = (torch.randn(64, 8) @ torch.randn(8, 64) > 0).float()
    return Case(VAE(), x - 0.5, x, functional.binary_cross_entropy_with_logits)


class GAN(nn.Module):
    """The generator's step: noise to images to the judge's scores."""

    def __init__(self) -> None:
        super().__init__()
        self.g = nn.Sequential(
            nn.Linear(16, 64), nn.LeakyReLU(0.2), nn.Linear(64, 64), nn.LeakyReLU(0.2), nn.Linear(64, 48), nn.Tanh()
        )
        self.d = nn.Sequential(
            nn.Linear(48, 64), nn.LeakyReLU(0.2), nn.Linear(64, 64), nn.LeakyReLU(0.2), nn.Linear(64, 1)
        )
        self.squash = self.cut = False

    def forward(self, z: Tensor) -> Tensor:
        made = self.g(z)
        out = self.d(made.detach() if self.cut else made)
        return torch.sigmoid(out) if self.squash else out


def gan() -> Case:
    z = torch.randn(64, 16)
    return Case(GAN(), z, (z[:, :1] > 0).float(), functional.binary_cross_entropy_with_logits)


class GNN(nn.Module):
    """Graph convolutions over a fixed graph of 64 nodes, whose neighbours are averaged."""

    def __init__(self, layers: int = 3) -> None:
        super().__init__()
        ring = torch.eye(64) + torch.eye(64).roll(1, 1) + torch.eye(64).roll(-1, 1)
        self.register_buffer("near", ring / ring.sum(1, keepdim=True))
        self.convs = nn.ModuleList(nn.Linear(16 if i == 0 else 48, 48) for i in range(layers))
        self.head = nn.Linear(48, 4)
        for conv in self.convs:
            nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
            nn.init.zeros_(conv.bias)

    def forward(self, x: Tensor) -> Tensor:
        for conv in self.convs:
            x = functional.relu(self.near @ conv(x))
        return self.head(x)


def gnn() -> Case:
    x = torch.randn(64, 16)
    return Case(GNN(), x, classes(x, 4), functional.cross_entropy)


class MoE(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.into, self.router = nn.Linear(16, 48), nn.Linear(48, 4, bias=False)
        self.experts = nn.ModuleList(nn.Sequential(nn.Linear(48, 96), nn.GELU(), nn.Linear(96, 48)) for _ in range(4))
        self.head = nn.Linear(48, 10)

    def forward(self, x: Tensor) -> Tensor:
        h = self.into(x)
        shares = self.router(h).softmax(-1)
        mixed = torch.stack([expert(h) for expert in self.experts], 1)
        return self.head(h + (shares[..., None] * mixed).sum(1))


def moe() -> Case:
    x = torch.randn(64, 16)
    return Case(MoE(), x, classes(x), functional.cross_entropy)


class Flow(nn.Module):
    """Affine couplings; the output is z and the logarithm of the volume."""

    def __init__(self, steps: int = 4) -> None:
        super().__init__()
        self.nets = nn.ModuleList(
            nn.Sequential(nn.Linear(4, 48), nn.ReLU(), nn.Linear(48, 48), nn.ReLU(), nn.Linear(48, 8))
            for _ in range(steps)
        )
        for net in self.nets:
            nn.init.zeros_(net[-1].weight)
            nn.init.zeros_(net[-1].bias)
        self.cut = False

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        total = x.new_zeros(len(x))
        for net in self.nets:
            one, other = x.chunk(2, 1)
            shift, scale = net(one).chunk(2, 1)
            x, total = torch.cat([other * scale.exp() + shift, one], 1), total + scale.sum(1)
        return (x.detach(), total.detach()) if self.cut else (x, total)


def likelihood(output: tuple[Tensor, Tensor]) -> Tensor:
    z, volume = output
    return (0.5 * z.square().sum(1) - volume).mean()


def flow() -> Case:
    x = torch.randn(128, 8) @ (torch.eye(8) + 0.3 * torch.randn(8, 8))
    return Case(Flow(), (x - x.mean(0)) / x.std(0), None, likelihood)


class Siren(nn.Module):
    def __init__(self, hidden: int = 4, width: int = 64) -> None:
        super().__init__()
        sizes = [2] + [width] * hidden
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))
        self.head = nn.Linear(width, 1)
        self.frequency = 30.0
        with torch.no_grad():
            for place, layer in enumerate((*self.layers, self.head)):
                fan = layer.weight.shape[1]
                layer.weight.uniform_(-1 / fan, 1 / fan) if place == 0 else layer.weight.uniform_(
                    -math.sqrt(6 / fan) / 30, math.sqrt(6 / fan) / 30
                )

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = torch.sin(self.frequency * layer(x))
        return self.head(x)


def siren() -> Case:
    x = torch.rand(256, 2) * 2 - 1
    return Case(Siren(), x, torch.sin(6 * x[:, :1]) * torch.cos(4 * x[:, 1:]), functional.mse_loss)


def plain(depth: int, activation: Callable[[], nn.Module], outputs: int = 10) -> nn.Sequential:
    layers = [part for _ in range(depth) for part in (nn.Linear(64, 64), activation())]
    model = nn.Sequential(*layers, nn.Linear(64, outputs))
    goodinit.initialize(model, "orthogonal", seed=0, inputs=torch.randn(8, 64))
    return model


def mlp() -> Case:
    x = torch.randn(64, 64)
    return Case(plain(4, nn.ReLU), x, classes(x), functional.cross_entropy)


def tanh_mlp() -> Case:
    x = torch.randn(64, 64)
    model = plain(8, nn.Tanh)
    goodinit.initialize(model, "orthogonal(gain=1)", seed=0, inputs=x)
    return Case(model, x, classes(x), functional.cross_entropy)


def deep_mlp() -> Case:
    x = torch.randn(64, 64)
    return Case(plain(30, nn.ReLU), x, classes(x), functional.cross_entropy)


def numbers() -> Case:
    x = torch.randn(64, 64)
    return Case(plain(3, nn.ReLU, 1), x, x[:, :4].sum(1, keepdim=True) / 2, functional.mse_loss)


HEALTHY: dict[str, Callable[[], Case]] = {
    "CNN": cnn,
    "ResNet": resnet,
    "ResNet without norms": resnet_without_norms,
    "transformer, pre-norm": pre_norm,
    "transformer, post-norm": post_norm,
    "LSTM": lstm,
    "LSTM, numbers": lstm_numbers,
    "VAE": vae,
    "GAN": gan,
    "GNN": gnn,
    "MoE": moe,
    "flow": flow,
    "SIREN": siren,
    "MLP": mlp,
    "MLP, tanh": tanh_mlp,
    "MLP, 30 layers": deep_mlp,
    "MLP, numbers": numbers,
}
