"""Residual blocks of ReLU without norms, of linear layers or convolutions, with a projection where widths differ."""

import torch
from torch import Tensor, nn


class Block(nn.Module):
    def __init__(self, into: int, out: int, kind: str) -> None:
        super().__init__()
        stride = 1 if into == out else 2
        if kind == "conv":
            self.one, self.two = nn.Conv2d(into, out, 3, stride, 1), nn.Conv2d(out, out, 3, 1, 1)
            self.skip = nn.Identity() if into == out else nn.Conv2d(into, out, 1, stride)
        else:
            self.one, self.two = nn.Linear(into, out), nn.Linear(out, out)
            self.skip = nn.Identity() if into == out else nn.Linear(into, out)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.skip(x) + self.two(torch.relu(self.one(x))))
