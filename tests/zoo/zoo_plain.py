"""Models of PyTorch alone, written as people write them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from zoo_models import Case, Model, classes, pictures, words

__all__ = ["plain"]


def plain() -> Iterator[Model]:
    """One a kind: perceptrons, convolutions, recurrent networks, transformers, a VAE, a flow, implicit functions."""
    for make in (
        *(perceptron, convolutions, residual, lstm, gru, encoder, encoder_decoder, mixer, autoencoder, variational),
        *(coupling_flow, sine_network, graph_attention, energy, discriminator, state_space, unrolled, tagger),
    ):
        yield Model(make.__name__, "torch", make)


def _rows(rows: int = 64, width: int = 20) -> Tensor:
    return torch.randn(rows, width, generator=torch.Generator().manual_seed(5))


def perceptron() -> Case:
    model = nn.Sequential(nn.Linear(20, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 10))
    return Case(model, _rows(), classes(64), functional.cross_entropy)


def convolutions() -> Case:
    def block(into: int, out: int) -> list[nn.Module]:
        return [nn.Conv2d(into, out, 3, padding=1), nn.BatchNorm2d(out), nn.ReLU(), nn.MaxPool2d(2)]

    model = nn.Sequential(
        *block(3, 32), *block(32, 64), *block(64, 128), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(128, 10)
    )
    return Case(model, pictures(16, 32), classes(16), functional.cross_entropy)


class _Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.one, self.two = nn.Conv2d(width, width, 3, padding=1), nn.Conv2d(width, width, 3, padding=1)
        self.norm1, self.norm2 = nn.BatchNorm2d(width), nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu(self.norm1(self.one(x)))
        return functional.relu(x + self.norm2(self.two(y)))


def residual() -> Case:
    model = nn.Sequential(
        nn.Conv2d(3, 64, 3, padding=1), *(_Block(64) for _ in range(6)), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )
    model.append(nn.Linear(64, 10))
    return Case(model, pictures(16, 16), classes(16), functional.cross_entropy)


class _Recurrent(nn.Module):
    def __init__(self, kind: str) -> None:
        super().__init__()
        self.table = nn.Embedding(1000, 128)
        self.layers = getattr(nn, kind)(128, 256, 2, batch_first=True)
        self.head = nn.Linear(256, 1000)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.layers(self.table(tokens))[0])


def _next(output: Tensor, targets: Tensor) -> Tensor:
    return functional.cross_entropy(output.flatten(0, 1), targets.flatten())


def lstm() -> Case:
    return Case(_Recurrent("LSTM"), words(8, 24), words(8, 24), _next)


def gru() -> Case:
    return Case(_Recurrent("GRU"), words(8, 24), words(8, 24), _next)


class _Encoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table, self.places = nn.Embedding(1000, 256), nn.Parameter(torch.randn(1, 24, 256) * 0.02)
        layers = (nn.TransformerEncoderLayer(256, 8, 1024, batch_first=True, norm_first=True) for _ in range(4))
        self.layers, self.norm, self.head = nn.Sequential(*layers), nn.LayerNorm(256), nn.Linear(256, 1000)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.norm(self.layers(self.table(tokens) + self.places)))


def encoder() -> Case:
    return Case(_Encoder(), words(8, 24), words(8, 24), _next)


class _Translator(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table, self.head = nn.Embedding(1000, 256), nn.Linear(256, 1000)
        self.body = nn.Transformer(256, 8, 2, 2, 512, batch_first=True)

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        return self.head(self.body(self.table(source), self.table(target)))


def encoder_decoder() -> Case:
    return Case(_Translator(), (words(8, 24), words(8, 24)), words(8, 24), _next)


class _Mix(nn.Module):
    def __init__(self, tokens: int, width: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.across = nn.Sequential(nn.Linear(tokens, 64), nn.GELU(), nn.Linear(64, tokens))
        self.along = nn.Sequential(nn.Linear(width, 256), nn.GELU(), nn.Linear(256, width))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.across(self.norm1(x).mT).mT
        return x + self.along(self.norm2(x))


class _Mixer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 128, 4, 4)
        self.blocks, self.norm, self.head = nn.Sequential(*(_Mix(64, 128) for _ in range(4))), None, nn.Linear(128, 10)
        self.norm = nn.LayerNorm(128)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.norm(self.blocks(self.patches(x).flatten(2).mT)).mean(1))


def mixer() -> Case:
    return Case(_Mixer(), pictures(16, 32), classes(16), functional.cross_entropy)


def autoencoder() -> Case:
    down = [nn.Conv2d(3, 32, 4, 2, 1), nn.ReLU(), nn.Conv2d(32, 64, 4, 2, 1), nn.ReLU()]
    up = [nn.ConvTranspose2d(64, 32, 4, 2, 1), nn.ReLU(), nn.ConvTranspose2d(32, 3, 4, 2, 1)]
    return Case(nn.Sequential(*down, *up), pictures(16, 32), pictures(16, 32), functional.mse_loss)


class _Variational(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encode = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 32))
        self.decode = nn.Sequential(nn.Linear(16, 256), nn.ReLU(), nn.Linear(256, 64))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        mean, log = self.encode(x).chunk(2, -1)
        return self.decode(mean + torch.randn_like(mean) * (log / 2).exp()), mean, log


def _bound(output: tuple[Tensor, Tensor, Tensor], targets: Tensor) -> Tensor:
    again, mean, log = output
    return functional.mse_loss(again, targets) - 0.01 * (1 + log - mean.square() - log.exp()).mean()


def variational() -> Case:
    x = _rows(64, 64)
    return Case(_Variational(), x, x, _bound)


class _Coupling(nn.Module):
    def __init__(self, width: int, flip: bool) -> None:
        super().__init__()
        self.net, self.flip = nn.Sequential(nn.Linear(width // 2, 128), nn.ReLU(), nn.Linear(128, width)), flip
        nn.init.zeros_(self.net[2].weight)
        nn.init.zeros_(self.net[2].bias)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        one, two = x.chunk(2, -1)[:: -1 if self.flip else 1]
        log, shift = self.net(one).chunk(2, -1)
        two = two * torch.tanh(log).exp() + shift
        return torch.cat((two, one) if self.flip else (one, two), -1), torch.tanh(log).sum(-1)


class _Flow(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.steps = nn.ModuleList(_Coupling(20, bool(step % 2)) for step in range(6))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        total = torch.zeros(len(x))
        for step in self.steps:
            x, log = step(x)
            total = total + log
        return x, total


def _likelihood(output: tuple[Tensor, Tensor]) -> Tensor:
    z, log = output
    return (z.square().sum(-1) / 2 - log).mean()


def coupling_flow() -> Case:
    return Case(_Flow(), _rows() * 1.5, None, _likelihood)


class _Sine(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(2, 256), nn.Linear(256, 256), nn.Linear(256, 256)])
        self.out = nn.Linear(256, 3)
        nn.init.uniform_(self.layers[0].weight, -0.5, 0.5)
        for layer in (*self.layers[1:], self.out):
            bound = (6 / 256) ** 0.5 / 30
            nn.init.uniform_(layer.weight, -bound, bound)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = torch.sin(30 * layer(x))
        return self.out(x)


def sine_network() -> Case:
    places = torch.rand(256, 2, generator=torch.Generator().manual_seed(6)) * 2 - 1
    return Case(_Sine(), places, torch.sin(3 * places.sum(-1, keepdim=True)).expand(-1, 3), functional.mse_loss)


class _Attends(nn.Module):
    """Graph attention over a dense adjacency matrix."""

    def __init__(self, into: int, out: int) -> None:
        super().__init__()
        self.kernel = nn.Parameter(torch.empty(into, out))
        self.source, self.target = nn.Parameter(torch.empty(out, 1)), nn.Parameter(torch.empty(out, 1))
        for each in (self.kernel, self.source, self.target):
            nn.init.xavier_uniform_(each)

    def forward(self, x: Tensor, near: Tensor) -> Tensor:
        h = x @ self.kernel
        scores = functional.leaky_relu(h @ self.source + (h @ self.target).mT, 0.2)
        return scores.masked_fill(~near, -1e9).softmax(-1) @ h


class _Graph(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = _Attends(20, 64), _Attends(64, 10)

    def forward(self, x: Tensor, near: Tensor) -> Tensor:
        return self.two(functional.elu(self.one(x, near)), near)


def graph_attention() -> Case:
    near = torch.rand(64, 64, generator=torch.Generator().manual_seed(7)) < 0.1
    return Case(_Graph(), (_rows(), near | torch.eye(64, dtype=torch.bool)), classes(64), functional.cross_entropy)


class _Energy(nn.Module):
    """Forces are the gradient of an energy, taken inside `forward`."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(20, 128), nn.SiLU(), nn.Linear(128, 128), nn.SiLU(), nn.Linear(128, 1))

    def forward(self, x: Tensor) -> Tensor:
        x = x.detach().requires_grad_(True)
        return -torch.autograd.grad(self.net(x).sum(), x, create_graph=True)[0]


def energy() -> Case:
    return Case(_Energy(), _rows(), -_rows(), functional.mse_loss)


def discriminator() -> Case:
    layers: list[nn.Module] = []
    for into, out in ((3, 32), (32, 64), (64, 128)):
        layers += [nn.utils.parametrizations.spectral_norm(nn.Conv2d(into, out, 4, 2, 1)), nn.LeakyReLU(0.2)]
    model = nn.Sequential(*layers, nn.Flatten(), nn.Linear(2048, 1))
    targets = (torch.arange(16) % 2).float()[:, None]
    return Case(model, pictures(16, 32), targets, functional.binary_cross_entropy_with_logits)


class _StateSpace(nn.Module):
    """A diagonal state space model, step by step."""

    def __init__(self, width: int = 64, states: int = 16) -> None:
        super().__init__()
        self.into, self.out, self.head = nn.Linear(20, width), nn.Linear(width, width), nn.Linear(width, 10)
        self.A_log = nn.Parameter(torch.log(torch.arange(1, states + 1).float()).repeat(width, 1))
        self.project, self.D = nn.Linear(width, 2 * states, bias=False), nn.Parameter(torch.ones(width))
        self.dt = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        u = self.into(x)
        v = self.norm(u)
        dt = functional.softplus(self.dt(v))
        b, c = self.project(v).chunk(2, -1)
        decay = torch.exp(-dt[..., None] * self.A_log.exp())
        state = torch.zeros_like(decay[:, 0])
        outputs = []
        for step in range(x.shape[1]):
            state = decay[:, step] * state + (dt[:, step] * v[:, step])[..., None] * b[:, step, None]
            outputs.append((state * c[:, step, None]).sum(-1) + self.D * v[:, step])
        return self.head(u.mean(1) + self.out(torch.stack(outputs, 1)).mean(1))


def state_space() -> Case:
    x = torch.randn(16, 12, 20, generator=torch.Generator().manual_seed(8))
    return Case(_StateSpace(), x, classes(16), functional.cross_entropy)


class _Cell(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cell, self.head = nn.LSTMCell(20, 64), nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        state: Any = None
        for step in x.unbind(1):
            state = self.cell(step, state)
        return self.head(state[0])


def unrolled() -> Case:
    x = torch.randn(16, 10, 20, generator=torch.Generator().manual_seed(9))
    return Case(_Cell(), x, classes(16), functional.cross_entropy)


class _Tagger(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.bag = nn.EmbeddingBag(1000, 64)
        self.net = nn.Sequential(nn.Linear(64, 128), nn.PReLU(), nn.Dropout(0.1), nn.Linear(128, 10))

    def forward(self, tokens: Tensor) -> Tensor:
        return self.net(self.bag(tokens))


def tagger() -> Case:
    return Case(_Tagger(), words(32, 12), classes(32), functional.cross_entropy)
