"""What a network or a model is, free of its framework: roles, ends of branches, first and last layers."""

import pytest
import torch
from torch import nn

from goodinit import activations
from goodinit.networks import MLP
from goodinit.pytorch import read_structure
from goodinit.structure import Structure


class Block(nn.Module):
    def __init__(self, width: int, post: bool) -> None:
        super().__init__()
        self.post = post
        self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.end, self.up, self.down = nn.Linear(width, width), nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def attend(self, x: torch.Tensor) -> torch.Tensor:
        q, k, v = self.query(x), self.key(x), self.value(x)
        return self.end(nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.post:
            x = self.first(x + self.attend(x))
            return self.second(x + self.down(torch.relu(self.up(x))))
        x = x + self.attend(self.first(x))
        return x + self.down(nn.functional.gelu(self.up(self.second(x))))


class Transformer(nn.Module):
    def __init__(self, layers: int, post: bool = False, tied: bool = False) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(11, 16), nn.Embedding(6, 16)
        self.blocks = nn.Sequential(*(Block(16, post) for _ in range(layers)))
        self.norm, self.head = nn.LayerNorm(16), nn.Linear(16, 11, bias=False)
        if tied:
            self.head.weight = self.words.weight

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        x = self.words(tokens) + self.places(torch.arange(tokens.shape[1]))
        return self.head(self.norm(self.blocks(x)))


TOKENS = torch.arange(6)[None]


@pytest.mark.parametrize("post", [False, True], ids=["norm before", "norm after"])
def test_the_branches_of_a_transformer(post):
    structure = read_structure(Transformer(3, post), TOKENS)
    ends = {f"blocks.{block}.{name}.weight" for block in range(3) for name in ("end", "down")}
    assert structure.depths == dict.fromkeys(ends, 6)
    assert structure.inputs == {"words.weight", "places.weight"}
    assert structure.readouts == {"head.weight"}


def test_a_tied_readout_is_one_parameter():
    structure = read_structure(Transformer(1, tied=True), TOKENS)
    assert structure["head.weight"] is structure["words.weight"]
    assert structure["head.weight"].role == "tied embedding"
    assert structure.inputs & structure.readouts == {"words.weight"}


def test_every_stage_of_a_residual_network_is_a_stream_of_its_own():
    class Stage(nn.Module):
        def __init__(self, into: int, out: int, blocks: int) -> None:
            super().__init__()
            self.widen = nn.Conv2d(into, out, 1)
            self.branches = nn.ModuleList(
                nn.Sequential(nn.Conv2d(out, out, 3, padding=1), nn.ReLU(), nn.Conv2d(out, out, 3, padding=1))
                for _ in range(blocks)
            )

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.widen(x)
            for branch in self.branches:
                x = torch.relu(x + branch(x))
            return x

    model = nn.Sequential(Stage(3, 4, 2), Stage(4, 8, 3), nn.Flatten(), nn.Linear(8 * 16, 2))
    structure = read_structure(model, torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0)))
    assert structure.depths == {
        **{f"0.branches.{block}.2.weight": 2 for block in range(2)},
        **{f"1.branches.{block}.2.weight": 3 for block in range(3)},
    }
    assert structure.inputs == {"0.widen.weight"}
    assert structure.readouts == {"3.weight"}


def test_a_network_and_the_same_model_have_the_same_structure():
    network = MLP((3, 8, 5, 2), activations.get("tanh"), "cross_entropy").structure
    model = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 5), nn.Tanh(), nn.Linear(5, 2))
    theirs = read_structure(model, torch.ones(1, 3))

    def shape_of(structure: Structure) -> list[object]:
        facts = ("kind", "input_shape", "output_shape", "activation", "input_activation", "sources", "plain")
        assert structure.trace is not None
        return [tuple(getattr(call, fact) for fact in (*facts, "first", "last")) for call in structure.trace.calls]

    assert shape_of(network) == shape_of(theirs)
    assert [(each.role, each.target.size) for each in network.parameters] == [
        (each.role, each.target.size) for each in theirs.parameters
    ]


def test_without_a_run_nothing_is_known_of_streams():
    structure = read_structure(Transformer(1))
    assert structure.trace is None
    assert not structure.depths
    assert not structure.inputs
    assert structure["blocks.0.end.weight"].role == "weight"
