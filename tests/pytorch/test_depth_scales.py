"""Ends of residual branches that a model begins smaller keep that scale when an initializer fills it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import goodinit

BLOCKS = 4
X = torch.randn(8, 12, 32, generator=torch.Generator().manual_seed(0))


class Block(nn.Module):
    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(self.norms[0](x)).chunk(3, -1)
        x = x + self.out(nn.functional.scaled_dot_product_attention(q, k, v))
        return x + self.down(nn.functional.gelu(self.up(self.norms[1](x))))


def model(scale: Callable[[int], float], begin: Callable[[nn.Linear], object]) -> nn.Sequential:
    torch.manual_seed(0)
    made = nn.Sequential(*(Block() for _ in range(BLOCKS)), nn.LayerNorm(32), nn.Linear(32, 5))
    with torch.no_grad():
        for number, block in enumerate(made[:BLOCKS]):
            for each in (block.qkv, block.out, block.up, block.down):
                begin(each)
            for each in (block.out, block.down):
                each.weight.mul_(scale(number))
    return made


def gpt2(layer: nn.Linear) -> None:
    nn.init.normal_(layer.weight, std=0.02)


def scales(done: goodinit.pytorch.Initialization) -> dict[str, str | None]:
    return {each.name: each.initializer for each in done if each.because == "its depth scale"}


def test_gpt2s_ends_keep_one_over_the_root_of_their_number() -> None:
    own = model(lambda number: (2 * BLOCKS) ** -0.5, gpt2)
    done = goodinit.initialize(own, "he_normal", seed=0, inputs=X)
    ends = {f"{number}.{name}.weight" for number in range(BLOCKS) for name in ("out", "down")}
    assert set(scales(done)) == ends
    assert set(scales(done).values()) == {'scaled(of="he_normal(activation=linear)", gain=0.353553390593)'}
    assert done["0.down.weight"].realised_std == pytest.approx((128 * 8) ** -0.5, rel=0.03)
    assert done["0.up.weight"].because == "init"
    assert "its depth scale" in str(done)
    again = goodinit.initialize(own, "he_normal", seed=0, inputs=X)  # of what it filled itself, the same
    assert scales(again) == scales(done)
    found = goodinit.check(own, X, torch.zeros(8, 12, 5), loss=nn.functional.mse_loss).findings
    assert "residual-growth" not in {each.code for each in found}


def test_scales_that_fall_with_depth_are_kept_one_by_one() -> None:
    done = goodinit.initialize(model(lambda number: (2 * (number + 1)) ** -0.5, gpt2), seed=0, inputs=X)
    found = [done[f"{number}.down.weight"].gain for number in range(BLOCKS)]
    assert found == pytest.approx([(2 * (number + 1)) ** -0.5 for number in range(BLOCKS)], rel=0.05)


@pytest.mark.parametrize(
    "begin",
    [
        gpt2,
        lambda layer: nn.init.kaiming_normal_(layer.weight),
        lambda layer: nn.init.kaiming_uniform_(layer.weight, a=5**0.5),
        lambda layer: nn.init.xavier_normal_(layer.weight),
        lambda layer: nn.init.orthogonal_(layer.weight),
    ],
)
def test_where_the_ends_are_as_large_as_the_others_nothing_is_scaled(begin: Callable[[nn.Linear], object]) -> None:
    own = model(lambda number: 1.0, begin)
    for _ in range(2):  # the second time of what goodinit filled, with a gain where GELU follows and none at the ends
        done = goodinit.initialize(own, "he_normal", seed=0, inputs=X)
        assert scales(done) == {}


def test_a_rule_a_method_and_zero_starts_say_otherwise() -> None:
    own = model(lambda number: (2 * BLOCKS) ** -0.5, gpt2)
    start = {name: value.clone() for name, value in own.state_dict().items()}
    ruled = {"*.out.weight": "orthogonal", "*.down.weight": "init"}
    for given in ({"zero_starts": "fill"}, {"init": "depth_scaled"}, {"rules": ruled}):
        own.load_state_dict(start)
        assert scales(goodinit.initialize(own, seed=0, inputs=X, **given)) == {}
