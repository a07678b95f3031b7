"""Nine small models, one of each structure that `goodinit.advise` tells apart, for 8 x 8 pictures as 64 numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

PIXELS, CLASSES, WIDTH = 64, 10, 64


def plain(depth: int, activation: type[nn.Module]) -> nn.Module:
    """Layers one behind another, without norms."""
    layers: list[nn.Module] = [nn.Linear(PIXELS, WIDTH), activation()]
    for _ in range(depth - 2):
        layers += [nn.Linear(WIDTH, WIDTH), activation()]
    return nn.Sequential(*layers, nn.Linear(WIDTH, CLASSES))


class Residual(nn.Module):
    """A branch added to its input; `norm` comes before it, after the sum, or not at all."""

    def __init__(self, branch: nn.Module, norm: nn.Module | None = None, after: bool = False) -> None:
        super().__init__()
        self.branch, self.norm, self.after = branch, norm or nn.Identity(), after

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The sum."""
        return self.norm(x + self.branch(x)) if self.after else x + self.branch(self.norm(x))


class Attention(nn.Module):
    """Two heads that see all tokens."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The values mixed."""
        q, k, v = (each.unflatten(-1, (2, -1)).transpose(1, 2) for each in self.qkv(x).chunk(3, -1))
        return self.out(nn.functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


class Transformer(nn.Module):
    """Rows of a picture as tokens; norms before the branches, after the sums, or not at all."""

    def __init__(self, blocks: int, norms: str, width: int = 32) -> None:
        super().__init__()
        self.embed, self.places = nn.Linear(8, width), nn.Parameter(torch.randn(8, width) * 0.02)
        made: list[nn.Module] = []
        for _ in range(blocks):
            feed = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
            for branch in (Attention(width), feed):
                made.append(Residual(branch, None if norms == "none" else nn.LayerNorm(width), norms == "after"))
        self.blocks, self.norm = nn.Sequential(*made), nn.LayerNorm(width) if norms == "before" else nn.Identity()
        self.head = nn.Linear(width, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits from the mean over tokens."""
        tokens = self.embed(x.unflatten(-1, (8, 8))) + self.places
        return self.head(self.norm(self.blocks(tokens)).mean(1))


class Recurrent(nn.Module):
    """An LSTM that reads the rows."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.head = nn.LSTM(8, WIDTH, batch_first=True), nn.Linear(WIDTH, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits from the last state."""
        return self.head(self.lstm(x.unflatten(-1, (8, 8)))[0][:, -1])


def residual(branches: int) -> nn.Module:
    """A residual network of branches of two layers, without norms."""
    made = [
        Residual(nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH))) for _ in range(branches)
    ]
    return nn.Sequential(nn.Linear(PIXELS, WIDTH), *made, nn.ReLU(), nn.Linear(WIDTH, CLASSES))


def convolutional() -> nn.Module:
    """A residual network of convolutions and batch norms."""
    made = []
    for _ in range(6):
        first = (nn.Conv2d(16, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU())
        second = (nn.Conv2d(16, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16))
        made += [Residual(nn.Sequential(*first, *second)), nn.ReLU()]
    stem = (nn.Unflatten(1, (1, 8, 8)), nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU())
    return nn.Sequential(*stem, *made, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, CLASSES))


MODELS: dict[str, Callable[[], Any]] = {
    "shallow": lambda: plain(3, nn.ReLU),
    "plain relu": lambda: plain(20, nn.ReLU),
    "plain tanh": lambda: plain(30, nn.Tanh),
    "plain gelu": lambda: plain(20, nn.GELU),
    "residual": lambda: residual(16),
    "residual with norms": convolutional,
    "transformer, norms before": lambda: Transformer(6, "before"),
    "transformer, norms after": lambda: Transformer(8, "after"),
    "transformer without norms": lambda: Transformer(6, "none"),
    "recurrent": Recurrent,
}
"""By the structure that each stands for."""
