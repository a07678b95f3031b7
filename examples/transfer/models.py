"""A correct muP MLP and a correct muP GPT, and the same with one mistake each.

goodinit transfer examples/transfer/models.py:mlp --widths 32,64,128,256
goodinit transfer examples/transfer/models.py:gpt --widths 32,64,128,256
"""

from __future__ import annotations

import math
from functools import cache, partial

import torch
from torch import nn
from torch.nn import functional

BASE = 32
RATE = 1e-2
TOKENS, PLACES = 61, 16

MLP_MISTAKES = {
    "readout start": "readout-not-scaled",
    "readout rate": "readout-not-scaled",
    "input rate": "embedding-rate-scaled",
    "hidden rate": "hidden-rate-not-scaled",
    "epsilon": "epsilon-not-scaled",
    "decay": "decay-coupled",
    "adam decay": "decay-coupled",
    "vectors": "vector-rate-scaled",
    "muon": "muon-scale",
    "base shapes": "base-shapes-mixed",
    "zero readout": "zero-readout",
    "hidden start": "hidden-start-not-scaled",
}
"""What is wrong, and the finding that must name it."""
GPT_MISTAKES = {
    "readout start": "readout-not-scaled",
    "readout rate": "readout-not-scaled",
    "input rate": "embedding-rate-scaled",
    "hidden rate": "hidden-rate-not-scaled",
    "attention": "attention-scale",
    "tied": "tied-readout",
    "epsilon": "epsilon-not-scaled",
    "decay": "decay-coupled",
    "adam decay": "decay-coupled",
    "vectors": "vector-rate-scaled",
    "muon": "muon-scale",
    "base shapes": "base-shapes-mixed",
    "hidden start": "hidden-start-not-scaled",
}


class Orthogonalized(torch.optim.Optimizer):
    """Muon in a few lines: momentum, made orthogonal, times a scale that the shape decides."""

    def __init__(self, parameters, lr, scale, momentum=0.9):
        super().__init__(parameters, {"lr": lr})
        self.scale, self.momentum = scale, momentum

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for each in group["params"]:
                state = self.state[each]
                state["sum"] = self.momentum * state.get("sum", 0) + each.grad
                left, _, right = torch.linalg.svd(state["sum"], full_matrices=False)
                each -= group["lr"] * self.scale(*each.shape) * (left @ right)


class MLP(nn.Module):
    def __init__(self, width, inputs=64, classes=10, depth=2):
        super().__init__()
        self.first = nn.Linear(inputs, width)
        self.hidden = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))
        self.readout = nn.Linear(width, classes)

    def forward(self, x):
        x = functional.relu(self.first(x))
        for layer in self.hidden:
            x = functional.relu(layer(x))
        return self.readout(x)


class Block(nn.Module):
    def __init__(self, width, heads, power, branch):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.heads, self.branch = heads, branch
        size = width // heads
        self.scale = (BASE // heads) ** (power - 0.5) / size**power

    def forward(self, x):
        y = self.norm1(x)
        parts = (f(y).unflatten(-1, (self.heads, -1)).transpose(1, 2) for f in (self.query, self.key, self.value))
        y = functional.scaled_dot_product_attention(*parts, is_causal=True, scale=self.scale)
        x = x + self.out(y.transpose(1, 2).flatten(2)) * self.branch
        return x + self.down(functional.gelu(self.up(self.norm2(x)))) * self.branch


class GPT(nn.Module):
    def __init__(self, width, depth=2, heads=4, power=1.0, tied=False, branch=1.0):
        super().__init__()
        self.tokens, self.places = nn.Embedding(TOKENS, width), nn.Embedding(PLACES, width)
        self.blocks = nn.ModuleList(Block(width, heads, power, branch) for _ in range(depth))
        self.norm, self.readout = nn.LayerNorm(width), nn.Linear(width, TOKENS, bias=False)
        if tied:
            self.readout.weight = self.tokens.weight

    def forward(self, tokens):
        x = self.tokens(tokens) + self.places(torch.arange(tokens.shape[1]))
        for block in self.blocks:
            x = block(x)
        return self.readout(self.norm(x))


def fill(model, mistake=None):
    """muP's start: hidden weights by fan in, the readout by its square, what is looked up of size 1."""
    with torch.no_grad():
        for name, each in model.named_parameters():
            if each.dim() < 2:
                continue
            fan_in = each.shape[1]
            if name.startswith(("tokens", "places")):
                each.normal_(0, 1)
            elif name.startswith("readout"):
                std = fan_in**-0.5 if mistake == "readout start" else math.sqrt(BASE) / fan_in
                each.normal_(0, 0.0 if mistake == "zero readout" else std)
            elif name.startswith("first"):
                each.normal_(0, (2 / fan_in) ** 0.5)
            else:
                each.normal_(0, 0.1 if mistake == "hidden start" else (2 / fan_in) ** 0.5)
        for module in model.modules():
            if isinstance(module, nn.Linear) and module.bias is not None:
                module.bias.zero_()


def kind(name, parameter):
    if parameter.dim() < 2:
        return "vectors"
    if name.startswith(("tokens", "places", "first")):
        return "input"
    return "readout" if name.startswith("readout") else "hidden"


def optimizer(model, width, learning_rate=RATE, mistake=None):
    """muP's rates for Adam: by width over the base for what sums over the width, and one rate for all else."""
    m = width / BASE
    powers = {"input": 0, "vectors": 0, "hidden": -1, "readout": -1}
    if mistake == "base shapes":  # the multiplier of fan out, where that of fan in belongs
        powers = {"input": -1, "vectors": -1, "hidden": -1, "readout": 0}
    elif mistake in ("input rate", "vectors"):
        powers[mistake.split()[0]] = -1
    elif mistake in ("readout rate", "hidden rate"):
        powers[mistake.split()[0]] = 0
    epsilon = 1e-3 if mistake == "epsilon" else 1e-8
    groups = []
    for name, each in model.named_parameters():
        power = m ** powers[kind(name, each)]
        scaled = 1.0 if mistake == "epsilon" else 1 / m
        groups.append({"params": [each], "lr": learning_rate * power, "eps": epsilon * scaled, "name": name})
        if each.dim() > 1:
            groups[-1]["weight_decay"] = 0.1 if "decay" in (mistake or "") else 0.1 / power
    if mistake == "adam decay":
        return torch.optim.Adam(groups)
    if mistake == "muon" or mistake == "muon right":
        right = mistake == "muon right"
        hidden = [g["params"][0] for g in groups if kind(g["name"], g["params"][0]) == "hidden"]
        others = [g for g in groups if kind(g["name"], g["params"][0]) != "hidden"]
        scale = (
            (lambda out, into: math.sqrt(out / into)) if right else (lambda out, into: 0.2 * math.sqrt(max(out, into)))
        )
        return [Orthogonalized(hidden, 0.1 * learning_rate / RATE, scale), torch.optim.AdamW(others)]
    return torch.optim.AdamW(groups)


@cache
def digits(count=256):
    from sklearn.datasets import load_digits

    found = load_digits()
    x = torch.tensor(found.data[:count], dtype=torch.float32)
    return (x - x.mean()) / x.std(), torch.tensor(found.target[:count])


def words(count=16, seed=0):
    """Tokens of a chain that can be learned: each is followed by one of three."""
    generator = torch.Generator().manual_seed(seed)
    chain = [torch.randint(TOKENS, (count,), generator=generator)]
    for _ in range(PLACES):
        chain.append((chain[-1] * 7 + torch.randint(3, (count,), generator=generator)) % TOKENS)
    found = torch.stack(chain, 1)
    return found[:, :-1], found[:, 1:]


def token_loss(output, targets):
    return functional.cross_entropy(output.flatten(0, -2), targets.flatten())


def mlp(width, mistake=None, count=256, learning_rate=RATE):
    model = MLP(width)
    fill(model, mistake)
    made = partial(optimizer, width=width, mistake=mistake, learning_rate=learning_rate)
    return model, *digits(count), functional.cross_entropy, made


def gpt(width, mistake=None, count=16, learning_rate=RATE, data_seed=0):
    model = GPT(width, power=0.5 if mistake == "attention" else 1.0, tied=mistake == "tied")
    fill(model, mistake)
    made = partial(optimizer, width=width, mistake=mistake, learning_rate=learning_rate)
    return model, *words(count, data_seed), token_loss, made


def deep(depth, kind="completep", width=32, count=8, learning_rate=RATE):
    """A pre-norm transformer whose depth grows: CompleteP divides each branch by it.

    With alpha 1, its rates of hidden weights keep, and epsilon falls as the depth (Dey et al. 2025, arXiv 2505.01618).
    """
    model = GPT(width, depth, branch=4 / depth if kind == "completep" else 1.0)
    fill(model)

    def made(model):
        groups = []
        for name, each in model.named_parameters():
            inside = name.startswith("blocks") and kind == "completep"
            groups.append({"params": [each], "lr": learning_rate, "eps": 1e-8 * (4 / depth if inside else 1)})
        return torch.optim.AdamW(groups, weight_decay=0)

    return model, *words(count), token_loss, made
