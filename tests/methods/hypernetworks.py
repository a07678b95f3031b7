"""A small hypernetwork: heads whose outputs are the weights of another network."""

import torch
from torch import Tensor, nn


class Hyper(nn.Module):
    """A network 5-12-3 whose weights and first bias are made."""

    def __init__(self, width: int = 16, bias: bool = True) -> None:
        super().__init__()
        self.hidden, self.first, self.last = nn.Linear(8, width), nn.Linear(width, 60), nn.Linear(width, 36)
        self.shift = nn.Linear(width, 12) if bias else None

    def made(self, z: Tensor) -> tuple[Tensor, Tensor | None, Tensor]:
        h = torch.relu(self.hidden(z))
        shift = None if self.shift is None else self.shift(h).view(12)
        return self.first(h).view(12, 5), shift, self.last(h).view(3, 12)

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        first, shift, last = self.made(z)
        return nn.functional.linear(torch.relu(nn.functional.linear(x, first, shift)), last)
