"""Admin as values and rates: omegas as its code profiles them, and the training of the model that it edits."""

import math

import pytest
import torch
from measuring_models import Words, numbers
from torch import nn

import goodinit
from goodinit.errors import GoodinitError


class Block(nn.Module):
    """Two post-norm branches, each sum weighed by its omega."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.attend, self.mix = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
        self.norms = nn.ModuleList(nn.LayerNorm(width, eps=1e-12) for _ in range(2))
        self.omegas = [1.0, 1.0]

    def branch(self, which: int, x: torch.Tensor) -> torch.Tensor:
        if which == 1:
            return self.down(torch.relu(self.up(x)))
        q, k, v = self.attend(x).chunk(3, dim=-1)
        return self.mix(nn.functional.scaled_dot_product_attention(q, k, v))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for which in (0, 1):
            kept = x if self.omegas[which] == 1 else x * self.omegas[which]
            x = self.norms[which](kept + self.branch(which, x))
        return x


class PostNorm(nn.Module):
    def __init__(self, width: int = 12, blocks: int = 3) -> None:
        super().__init__()
        self.first = nn.Linear(5, width)
        self.blocks = nn.ModuleList(Block(width) for _ in range(blocks))
        self.last = nn.Linear(width, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x)
        for block in self.blocks:
            x = block(x)
        return self.last(x.mean(1))


def profiled(model: PostNorm, x: torch.Tensor) -> list[float]:
    """The ratios as Transformer-Clinic's `adaptive-profiling` finds them in a forward pass, and sets them there."""
    ratios, ratio = [], 1.0
    with torch.no_grad():
        x = model.first(x)
        for block in model.blocks:
            for which in (0, 1):
                ratios.append(ratio)
                block.omegas[which] = ratio
                f = block.branch(which, x)
                ratio = math.sqrt(float((x * ratio).var(correction=0) + f.var(correction=0)))
                x = block.norms[which](x * block.omegas[which] + f)
    return ratios


def both(x: torch.Tensor) -> tuple[PostNorm, PostNorm, object]:
    """The model that admin sets, and the one whose sums have the omegas, with the initializer's own weights."""
    ours, edited = PostNorm().double(), PostNorm().double()
    done = goodinit.initialize(ours, "admin", seed=0, inputs=x)
    goodinit.initialize(edited, "glorot_uniform(gain=1)", seed=0, inputs=x)
    return ours, edited, done


def test_the_omegas_are_those_of_its_profile():
    x = 2 * numbers(6, 4, 5).double()
    _, edited, done = both(x)
    omegas = [each.after for each in done.measured if each.quantity == "omega"]
    assert omegas == pytest.approx(profiled(edited, x), rel=1e-5)
    assert omegas[0] == 1 < omegas[1] < omegas[-1]


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
def test_it_trains_as_the_edited_model(optimizer):
    x, y = 2 * numbers(6, 4, 5).double(), torch.arange(6) % 3
    ours, edited, done = both(x)
    profiled(edited, x)
    if optimizer == "sgd":
        rate, decay = 0.05, 0.01
        makes = [
            torch.optim.SGD(done.param_groups(lr=rate, weight_decay=decay, optimizer="sgd"), momentum=0.9),
            torch.optim.SGD(edited.parameters(), lr=rate, weight_decay=decay, momentum=0.9),
        ]
    else:
        cls = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[optimizer]
        decay = 0.0 if optimizer == "adam" else 0.1
        makes = [
            cls(done.param_groups(lr=3e-3, eps=1e-6, weight_decay=decay, optimizer=optimizer)),
            cls(edited.parameters(), lr=3e-3, eps=1e-6, weight_decay=decay),
        ]
    for _ in range(50):
        for model, update in zip((ours, edited), makes, strict=True):
            update.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            update.step()
    one, two = (nn.functional.cross_entropy(model(x), y).item() for model in (ours, edited))
    assert one < 0.9
    assert one == pytest.approx(two, rel=1e-5)
    assert torch.allclose(ours(x), edited(x), rtol=1e-5, atol=1e-7)


def test_what_it_is_not_for_is_refused():
    pre = nn.TransformerEncoder(
        nn.TransformerEncoderLayer(16, 2, 32, batch_first=True, norm_first=True), 2, enable_nested_tensor=False
    )
    with pytest.raises(GoodinitError, match="norms that come after the sums"):
        goodinit.initialize(pre, "admin", seed=0, inputs=numbers(4, 3, 16))
    with pytest.raises(GoodinitError, match="no residual stream"):
        goodinit.initialize(nn.Sequential(nn.Linear(3, 3)), "admin", seed=0, inputs=numbers(4, 3))
    with pytest.raises(GoodinitError, match="no residual stream"):
        goodinit.compare("admin", steps=2, seeds="0")
    words = torch.arange(24).reshape(4, 6) % 20
    done = goodinit.initialize(Words(), "admin", seed=0, inputs=words)
    assert len([each for each in done.measured if each.quantity == "omega"]) == 4
