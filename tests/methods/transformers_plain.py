"""A transformer in plain PyTorch, with norms before, after, inside or nowhere; with an encoder too."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional


class Attention(nn.Module):
    def __init__(self, width: int, heads: int, sub: bool) -> None:
        super().__init__()
        self.heads = heads
        self.q_proj, self.k_proj, self.v_proj, self.out_proj = (nn.Linear(width, width) for _ in range(4))
        self.norm = nn.LayerNorm(width) if sub else nn.Identity()

    def forward(self, x: Tensor, memory: Tensor) -> Tensor:
        def split(y: Tensor) -> Tensor:
            return y.unflatten(-1, (self.heads, -1)).transpose(1, 2)

        q, k, v = split(self.q_proj(x)), split(self.k_proj(memory)), split(self.v_proj(memory))
        weights = torch.softmax(q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1]), dim=-1)
        return self.out_proj(self.norm((weights @ v).transpose(1, 2).flatten(2)))


class Layer(nn.Module):
    """`norms` is before, after, sub (before and inside) or none; the sum is a x + f(x)."""

    def __init__(self, width: int, norms: str, cross: bool = False, a: float = 1.0, eps: float = 1e-5) -> None:
        super().__init__()
        self.norms, self.a = norms, a
        self.self_attn = Attention(width, 2, norms == "sub")
        self.encoder_attn = Attention(width, 2, norms == "sub") if cross else None
        self.fc1, self.fc2 = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
        self.inner = nn.LayerNorm(2 * width) if norms == "sub" else nn.Identity()
        count = 3 if cross else 2
        self.norm = nn.ModuleList(
            nn.Identity() if norms == "none" else nn.LayerNorm(width, eps=eps) for _ in range(count)
        )

    def forward(self, x: Tensor, memory: Tensor | None = None) -> Tensor:
        branches = [lambda y: self.self_attn(y, y)]
        if self.encoder_attn is not None:
            branches.append(lambda y: self.encoder_attn(y, memory))
        branches.append(lambda y: self.fc2(self.inner(functional.relu(self.fc1(y)))))
        for norm, branch in zip(self.norm, branches, strict=True):
            if self.norms == "after":
                x = norm(self.a * x + branch(x)) if self.a != 1 else norm(x + branch(x))
            else:
                x = x + branch(norm(x))
        return x


class Transformer(nn.Module):
    """An encoder of N layers, with a decoder of M where asked for; words in, words out."""

    def __init__(self, layers: int, norms: str, width: int = 16, **options: float) -> None:
        super().__init__()
        self.words = nn.Embedding(11, width)
        self.layers = nn.ModuleList(Layer(width, norms, **options) for _ in range(layers))
        self.head = nn.Linear(width, 11)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.words(tokens)
        for layer in self.layers:
            x = layer(x)
        return self.head(x)


class Both(nn.Module):
    """An encoder and a decoder."""

    def __init__(self, encoder: int, decoder: int, norms: str, width: int = 16) -> None:
        super().__init__()
        self.source, self.target = nn.Embedding(11, width), nn.Embedding(11, width)
        self.encoder = nn.ModuleList(Layer(width, norms) for _ in range(encoder))
        self.decoder = nn.ModuleList(Layer(width, norms, cross=True) for _ in range(decoder))
        self.head = nn.Linear(width, 11)

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        x, y = self.source(source), self.target(target)
        for layer in self.encoder:
            x = layer(x)
        for layer in self.decoder:
            y = layer(y, x)
        return self.head(y)


TOKENS = torch.arange(6)[None]
