"""A model with one of every kind of layer, and how its state is compared."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations


class Everything(nn.Module):
    """One of every kind of layer."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(12, 8, padding_idx=0)
        self.conv = nn.Conv2d(3, 6, 3, groups=3)
        self.up = nn.ConvTranspose2d(6, 4, 4, stride=2)
        self.batch = nn.BatchNorm2d(4)
        self.lstm = nn.LSTM(8, 6, 2, bidirectional=True, proj_size=3)
        self.gru = nn.GRU(8, 5)
        self.attention = nn.MultiheadAttention(8, 2, add_bias_kv=True)
        self.cross = nn.MultiheadAttention(8, 2, kdim=4, vdim=6)
        self.bilinear = nn.Bilinear(3, 4, 5)
        self.prelu = nn.PReLU()
        self.norm = nn.LayerNorm(8)
        self.normed = parametrizations.weight_norm(nn.Linear(8, 8))
        self.head = nn.Linear(8, 12, bias=False)
        self.head.weight = self.embed.weight


def state(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return list(one) == list(other) and all(torch.equal(one[name], other[name]) for name in one)
