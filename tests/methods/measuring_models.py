"""Small models of every kind that a batch is measured on."""

import torch
from torch import nn


class Residual(nn.Module):
    """A residual stream, its layers named against the order in which they run."""

    def __init__(self, width: int = 24, branches: int = 4) -> None:
        super().__init__()
        self.last = nn.Linear(width, 3)
        self.branches = nn.ModuleList(
            nn.Sequential(nn.Linear(width, width), nn.ReLU(inplace=True), nn.Linear(width, width))
            for _ in range(branches)
        )
        self.first = nn.Linear(6, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x)
        for branch in self.branches:
            x = x + branch(x)
        return self.last(x)


class Shared(nn.Module):
    """One layer applied five times."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.first, self.again, self.last = nn.Linear(6, width), nn.Linear(width, width), nn.Linear(width, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x)
        for _ in range(5):
            x = self.again(torch.relu(x))
        return self.last(x)


class Words(nn.Module):
    """A transformer over tokens; post-norm, as PyTorch has it."""

    def __init__(self, width: int = 16, layers: int = 2) -> None:
        super().__init__()
        self.embed = nn.Embedding(20, width)
        layer = nn.TransformerEncoderLayer(width, 2, 2 * width, batch_first=True, dropout=0.1)
        self.encoder = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.head = nn.Linear(width, 20)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.head(self.encoder(self.embed(tokens)))


def convolutional() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 12, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(12, 12, 3, groups=3),
        nn.BatchNorm2d(12),
        nn.ReLU(),
        nn.ConvTranspose2d(12, 8, 2, stride=2),
        nn.Tanh(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(32, 3),
    )


def numbers(*shape: int, seed: int = 3) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def models() -> dict[str, tuple[nn.Module, torch.Tensor]]:
    """Each with a batch whose numbers are not of size 1."""
    words = torch.randint(0, 20, (8, 6), generator=torch.Generator().manual_seed(1))
    return {
        "convolutional": (convolutional(), 5 * numbers(16, 3, 9, 9)),
        "residual": (Residual(), 0.1 * numbers(32, 6)),
        "shared": (Shared(), 4 * numbers(32, 6)),
        "transformer": (Words(), words),
    }
