"""Small models for the tests of checkups."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def fill(model: nn.Module, rule: Callable[[Tensor], Any], seed: int = 0) -> nn.Module:
    """Every weight by a rule of `torch.nn.init`, every bias 0."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for parameter in model.parameters():
            rule(parameter) if parameter.dim() > 1 else nn.init.zeros_(parameter)
    return model


def mlp(depth: int, activation: Callable[[], nn.Module] = nn.ReLU, width: int = 64, outputs: int = 10) -> nn.Sequential:
    hidden = [layer for _ in range(depth - 1) for layer in (nn.Linear(width, width), activation())]
    return nn.Sequential(*hidden, nn.Linear(width, outputs))


def he(weight: Tensor) -> Tensor:
    return nn.init.kaiming_normal_(weight)


def batch(examples: int = 64, width: int = 64, classes: int = 10, seed: int = 1) -> tuple[Tensor, Tensor]:
    generator = seeded(seed)
    return (
        torch.randn(examples, width, generator=generator),
        torch.randint(0, classes, (examples,), generator=generator),
    )


class Encoder(nn.Module):
    """A transformer encoder whose layers are copies, as PyTorch makes them, or each their own."""

    def __init__(self, copies: bool, layers: int = 3, norm_first: bool = False) -> None:
        super().__init__()
        self.into = nn.Linear(16, 32)
        each = [self._layer(norm_first) for _ in range(layers)]
        self.blocks = (
            nn.TransformerEncoder(each[0], layers, enable_nested_tensor=False) if copies else nn.Sequential(*each)
        )
        self.head = nn.Linear(32, 10)

    @staticmethod
    def _layer(norm_first: bool) -> nn.TransformerEncoderLayer:
        return nn.TransformerEncoderLayer(32, 4, 64, dropout=0.1, batch_first=True, norm_first=norm_first)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.blocks(self.into(x)).mean(1))


class Residual(nn.Module):
    def __init__(self, blocks: int = 16, scale: float = 1.0, width: int = 64) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width)) for _ in range(blocks)
        )
        self.head = nn.Linear(width, 10)
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = x + self.scale * block(x)
        return self.head(x)


class Autoencoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Sequential(nn.Conv2d(3, 16, 3, 2, 1), nn.ReLU(), nn.Conv2d(16, 32, 3, 2, 1), nn.ReLU())
        self.up = nn.Sequential(nn.ConvTranspose2d(32, 16, 4, 2, 1), nn.ReLU(), nn.ConvTranspose2d(16, 3, 4, 2, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.up(self.down(x))


class Recurrent(nn.Module):
    def __init__(self, kind: str) -> None:
        super().__init__()
        self.table = nn.Embedding(50, 32)
        self.recurrent = getattr(nn, kind)(32, 48, 2, batch_first=True)
        self.head = nn.Linear(48, 10)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.recurrent(self.table(tokens))[0][:, -1])


class Decoder(nn.Module):
    """A small causal transformer, its output layer tied to its table, written with functions as many are."""

    def __init__(self, layers: int = 6, width: int = 32, scaled: bool = True) -> None:
        super().__init__()
        self.table, self.places = nn.Embedding(40, width), nn.Embedding(32, width)
        self.blocks = nn.ModuleList()
        for _ in range(layers):
            parts = {"norm1": nn.LayerNorm(width), "qkv": nn.Linear(width, 3 * width), "out": nn.Linear(width, width)}
            parts |= {
                "norm2": nn.LayerNorm(width),
                "up": nn.Linear(width, 4 * width),
                "down": nn.Linear(4 * width, width),
            }
            self.blocks.append(nn.ModuleDict(parts))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, 40, bias=False)
        for name, parameter in self.named_parameters():
            if parameter.dim() > 1:
                ends = scaled and ("out." in name or "down." in name)
                nn.init.normal_(parameter, std=0.1 / (2 * layers) ** 0.5 if ends else 0.1, generator=seeded(len(name)))
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)
        self.head.weight = self.table.weight

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.table(tokens) + self.places(torch.arange(tokens.shape[1]))
        for block in self.blocks:
            parts = block["qkv"](block["norm1"](x)).chunk(3, -1)
            q, k, v = (part.unflatten(-1, (4, -1)).transpose(1, 2) for part in parts)
            mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + block["out"](mixed.transpose(1, 2).flatten(2))
            x = x + block["down"](functional.gelu(block["up"](block["norm2"](x))))
        return self.head(self.norm(x))


class EncoderDecoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table, self.head = nn.Embedding(40, 32), nn.Linear(32, 40)
        self.transformer = nn.Transformer(32, 4, 2, 2, 64, batch_first=True)

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        return self.head(self.transformer(self.table(source), self.table(target)))


class Siren(nn.Module):
    def __init__(self, width: int = 64, frequency: float = 30.0) -> None:
        super().__init__()
        self.hidden = nn.ModuleList([nn.Linear(2, width), nn.Linear(width, width), nn.Linear(width, width)])
        self.out, self.frequency = nn.Linear(width, 1), frequency
        bound = (6 / width) ** 0.5 / frequency
        for place, layer in enumerate([*self.hidden, self.out]):
            ends = 0.5 if place == 0 else bound
            nn.init.uniform_(layer.weight, -ends, ends)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.hidden:
            x = torch.sin(self.frequency * layer(x))
        return self.out(x)


class Experts(nn.Module):
    """Each token goes to one of many experts, so that most get none of a small batch."""

    def __init__(self, experts: int = 16) -> None:
        super().__init__()
        self.into, self.router, self.out = nn.Linear(16, 32), nn.Linear(32, experts), nn.Linear(32, 10)
        self.experts = nn.ModuleList(
            nn.Sequential(nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 32)) for _ in range(experts)
        )

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.into(x)
        share, chosen = self.router(hidden).softmax(-1).max(-1)
        total = hidden.clone()
        for number, expert in enumerate(self.experts):
            rows = (chosen == number).nonzero()[:, 0]
            if len(rows):
                total = total.index_add(0, rows, expert(hidden[rows]) * share[rows, None])
        return self.out(total)


def separable() -> nn.Sequential:
    def block(into: int, out: int) -> list[nn.Module]:
        depthwise = nn.Conv2d(into, into, 3, padding=1, groups=into, bias=False)
        return [
            *(depthwise, nn.BatchNorm2d(into), nn.ReLU6(inplace=True)),
            *(nn.Conv2d(into, out, 1, bias=False), nn.BatchNorm2d(out), nn.ReLU6(inplace=True)),
        ]

    return nn.Sequential(
        *(nn.Conv2d(3, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU6(inplace=True)),
        *(*block(16, 32), *block(32, 32), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10)),
    )


class ResidualConv(nn.Module):
    """Blocks with norms, in-place activations and an in-place sum."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU(inplace=True))
        self.blocks = nn.ModuleList(
            nn.Sequential(
                *(nn.Conv2d(16, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU(inplace=True)),
                *(nn.Conv2d(16, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16)),
            )
            for _ in range(3)
        )
        self.head = nn.Linear(16, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for block in self.blocks:
            added = block(x)
            added += x
            x = functional.relu(added, inplace=True)
        return self.head(x.mean((2, 3)))


def tokens(examples: int = 8, length: int = 12, seed: int = 2) -> Tensor:
    return torch.randint(0, 40, (examples, length), generator=seeded(seed))


def images(examples: int = 16, size: int = 16, seed: int = 3) -> Tensor:
    return torch.randn(examples, 3, size, size, generator=seeded(seed))


def next_token(output: Tensor, targets: Tensor) -> Tensor:
    return functional.cross_entropy(output.flatten(0, 1), targets.flatten())
