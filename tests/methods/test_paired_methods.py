"""Mimetic attention and RISOTTO, whose weights are drawn together."""

import math

import numpy as np
import pytest
import torch
from residual_plain import Block
from torch import Tensor, nn
from transformers_plain import TOKENS, Transformer

import goodinit
from goodinit.errors import GoodinitError
from goodinit.initializers.mimetic_factors import MimeticFactors
from goodinit.streams import KeyedStream
from goodinit.weights import Weight


class Packed(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads, self.norm = heads, nn.LayerNorm(width)
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(self.norm(x)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4).unbind(0)
        return x + self.proj(nn.functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


def test_mimetic_products_have_the_diagonals_of_the_paper():
    """Its equations 4 and 5 at width 64 and heads of 16: the product's mean diagonal, and what lies beside it.

    W_out W_V is 0.4 Z - 0.4 I exactly: diagonal -0.4, the rest of standard deviation 0.4 / sqrt(64). A head's W_Q' W_K
    is the best approximation of rank 16 to 0.7 Z + 0.7 I.
    """
    width, head = 64, 16
    model = nn.Sequential(nn.Linear(3, width), Packed(width, 4), Packed(width, 4))
    x = torch.from_numpy(KeyedStream(0).normal("x", 0, 30)).float().reshape(2, 5, 3)
    goodinit.initialize(model, "mimetic", seed=0, inputs=x)
    with torch.no_grad():
        q, k, v = model[1].qkv.weight.double().split(width)
        product = model[1].proj.weight.double() @ v
        assert float(product.diagonal().mean()) == pytest.approx(-0.4, abs=5 * 0.4 / width)
        beside = product - torch.diag(product.diagonal())
        assert float(beside.std()) == pytest.approx(0.4 / math.sqrt(width), rel=0.1)
        for at in range(4):
            scores = q[at * head : (at + 1) * head].T @ k[at * head : (at + 1) * head]
            z = torch.from_numpy(KeyedStream(0).normal(f"1.qkv.weight|1.qkv.weight/{at}", 0, width * width))
            whole = 0.7 * z.reshape(width, width) / math.sqrt(width) + 0.7 * torch.eye(width)
            left, sizes, right = torch.linalg.svd(whole)
            best = left[:, :head] @ torch.diag(sizes[:head]) @ right[:head]
            assert torch.allclose(scores, best, atol=1e-6)
        assert not torch.equal(model[1].qkv.weight, model[2].qkv.weight)


def test_layers_of_their_own_and_packed_ones_hold_the_same_law():
    own = Transformer(2, "before", width=32)
    done = goodinit.initialize(own, "mimetic", seed=0, inputs=TOKENS)
    product = (own.layers[0].self_attn.out_proj.weight @ own.layers[0].self_attn.v_proj.weight).detach()
    assert float(product.diagonal().mean()) == pytest.approx(-0.4, abs=5 * 0.4 / 32)
    assert done["layers.0.fc1.weight"].initializer == "truncated_normal(std=0.02)"
    expected, realised = (
        getattr(done["layers.1.self_attn.out_proj.weight"], f"{kind}_std") for kind in ("expected", "realised")
    )
    assert realised == pytest.approx(expected, rel=0.25)
    with pytest.raises(GoodinitError, match="no attention"):
        goodinit.initialize(nn.Linear(2, 2), "mimetic", seed=0, inputs=torch.ones(1, 2))


def test_the_two_factors_of_a_product_need_not_be_drawn_together():
    left = MimeticFactors(8, 4, (("v|o", "left", 0.4, -0.4),)).draw(Weight.linear("o", 8, 8), 3)
    right = MimeticFactors(8, 4, (("v|o", "right", 0.4, -0.4),)).draw(Weight.linear("v", 8, 8), 3)
    z = KeyedStream(3).normal("v|o", 0, 64).reshape(8, 8) / math.sqrt(8)
    assert np.allclose(left @ right, 0.4 * z - 0.4 * np.eye(8))


def test_risotto_is_an_isometry_at_any_depth_and_finite_width():
    """Gadhikar & Burkholz 2022, theorem 2.9: all eigenvalues of the Jacobian's square are 1, at width 8 too."""
    blocks = [Block(8, 8, "linear") for _ in range(48)]
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), *blocks, Block(8, 12, "linear"), nn.Linear(12, 6)).double()
    X = torch.from_numpy(KeyedStream(0).normal("x", 0, 12)).reshape(3, 4)
    goodinit.initialize(model, "risotto", seed=0, inputs=X)
    for x in X:
        sizes = torch.linalg.svdvals(torch.autograd.functional.jacobian(model, x))
        assert torch.allclose(sizes, torch.ones(4).double(), atol=1e-9)


def test_risotto_in_convolutions_keeps_lengths_place_by_place():
    model = nn.Sequential(nn.Conv2d(3, 8, 3, 1, 1), nn.ReLU(), *(Block(8, 8, "conv") for _ in range(4)))
    model = nn.Sequential(*model, Block(8, 12, "conv")).double()
    X = torch.from_numpy(KeyedStream(0).normal("x", 0, 2 * 3 * 36)).reshape(2, 3, 6, 6)
    goodinit.initialize(model, "risotto", seed=1, inputs=X)
    with torch.no_grad():
        out = model(X).square().sum(1)
    assert torch.allclose(out, X.square().sum(1)[:, ::2, ::2], atol=1e-9)


def test_risotto_refuses_other_blocks():
    odd = nn.Sequential(nn.Linear(4, 7), nn.ReLU(), Block(7, 7, "linear"))
    with pytest.raises(GoodinitError, match="it goes from 7 by 7 to 7"):
        goodinit.initialize(odd, "risotto", seed=0, inputs=torch.ones(1, 4))
    with pytest.raises(GoodinitError, match="without norms"):
        goodinit.initialize(Transformer(1, "before"), "risotto", seed=0, inputs=TOKENS)


class Handed(nn.Module):
    """Queries, keys and values of one layer as GPT-2's code has them: a product with (in, out), split and copied."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads, self.norm = heads, nn.LayerNorm(width)
        self.packed, self.shift = nn.Parameter(torch.ones(width, 3 * width)), nn.Parameter(torch.zeros(3 * width))
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        made = torch.addmm(self.shift, self.norm(x).flatten(0, 1), self.packed).view(*x.shape[:2], -1)
        q, k, v = (each.view(*x.shape[:2], self.heads, -1).transpose(1, 2) for each in made.split(x.shape[-1], dim=2))
        k, v = torch.cat([k], dim=-2), torch.cat([v], dim=-2)  # as a cache makes them
        return x + self.proj(nn.functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


def test_the_values_of_a_packed_layer_are_known_when_they_were_copied():
    model = nn.Sequential(nn.Linear(3, 32), Handed(32, 4), Handed(32, 4))
    x = torch.from_numpy(KeyedStream(0).normal("x", 0, 30)).float().reshape(2, 5, 3)
    goodinit.initialize(model, "mimetic", seed=0, inputs=x)
    product = (model[1].proj.weight @ model[1].packed[:, 64:].T).detach()
    assert float(product.diagonal().mean()) == pytest.approx(-0.4, abs=5 * 0.4 / 32)
