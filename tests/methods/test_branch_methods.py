"""Fixup, depth-scaled starts, SmallInit and branches of zeros: their scales, and what they leave alone."""

import math

import pytest
import torch
from torch import Tensor, nn
from transformers_plain import TOKENS, Transformer

import goodinit
from goodinit.errors import GoodinitError
from goodinit.pytorch import read_structure
from goodinit.streams import KeyedStream


class Block(nn.Module):
    """A residual block of two convolutions, with norms or without, and a projection where its shape changes."""

    def __init__(self, into: int, out: int, norms: bool, scale: bool = False) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(into, out, 3, 1 if into == out else 2, 1, bias=False)
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.norm1, self.norm2 = (nn.BatchNorm2d(out) if norms else nn.Identity() for _ in range(2))
        self.shortcut = nn.Identity() if into == out else nn.Conv2d(into, out, 1, 2, bias=False)
        self.scale = nn.Parameter(torch.ones(1)) if scale else None

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm2(self.conv2(torch.relu(self.norm1(self.conv1(x)))))
        return torch.relu(self.shortcut(x) + (y if self.scale is None else y * self.scale))


class ResNet(nn.Sequential):
    def __init__(self, blocks: int, norms: bool, scale: bool = False) -> None:
        widths = [16] * blocks + [32] * blocks
        pairs = zip([16, *widths], widths, strict=False)
        made = (Block(into, out, norms, scale) for into, out in pairs)
        super().__init__(nn.Conv2d(3, 16, 3, 1, 1), *made, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10))


IMAGES = torch.from_numpy(KeyedStream(0).normal("images", 0, 2 * 3 * 64)).float().reshape(2, 3, 8, 8)


def test_a_stage_begins_with_a_projection():
    structure = read_structure(ResNet(3, norms=True), IMAGES)
    assert [len(stream.branches) for stream in structure.streams] == [3, 3]
    assert [branch.passed[0] for branch in structure.streams[1].branches] == [f"{n}.norm2.weight" for n in (4, 5, 6)]
    assert structure.depths == {f"{n}.conv2.weight": 3 for n in range(1, 7)}


def test_fixup_has_the_standard_deviations_of_its_code():
    """hongyi-zhang/Fixup, cifar/models/fixup_resnet_cifar.py (e57b6c0), ResNet-20: sqrt(2 / (9 out)) * 9 ** -0.5.

    Its He goes by fan out: 0.0392837 for 16 channels and 0.0277778 for 32. Ends and readout are 0.
    """

    class Three(nn.Sequential):
        def __init__(self) -> None:
            narrow, wide = (
                (Block(16, 16, norms=False) for _ in range(3)),
                (Block(32, 32, norms=False) for _ in range(6)),
            )
            layers = (nn.Conv2d(3, 16, 3, 1, 1), *narrow, nn.Conv2d(16, 32, 1), nn.ReLU(), *wide)
            super().__init__(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10))

    init = 'fixup(of="variance_scaling(scale=2, mode=fan_out, distribution=normal)")'
    done = goodinit.initialize(Three(), init, seed=0, inputs=IMAGES)
    for each in done.weights:
        if "conv1" in each.name:
            theirs = 0.0392837 if each.shape[0] == 16 else 0.0277778
            assert each.expected_std == pytest.approx(theirs, rel=1e-5)
            assert each.realised_std == pytest.approx(theirs, rel=5 / math.sqrt(2 * math.prod(each.shape)))
        elif "conv2" in each.name or each.name.startswith("13"):
            assert each.initializer == "zeros"
    assert done["0.weight"].expected_std == pytest.approx(math.sqrt(2 / (9 * 16)))


@pytest.mark.parametrize("init", ["zero_branches", "fixup"])
def test_a_network_whose_branches_are_zero_is_its_stream(init):
    model = ResNet(2, norms=init == "zero_branches").eval()
    done = goodinit.initialize(model, init, seed=0, inputs=IMAGES)
    with torch.no_grad():
        x = torch.relu(model[3].shortcut(torch.relu(model[0](IMAGES))))
        assert torch.equal(nn.Sequential(*model.children())[:5](IMAGES), x)
    if init == "zero_branches":
        assert [each.name for each in done.weights if each.initializer == "zeros" and "norm2.weight" in each.name] == [
            f"{n}.norm2.weight" for n in range(1, 5)
        ]
        assert done["1.conv2.weight"].realised_std > 0


def test_a_scale_of_a_layer_is_zero_before_its_weights_are():
    done = goodinit.initialize(ResNet(1, norms=False, scale=True), "zero_branches", seed=0, inputs=IMAGES)
    assert done["1.scale"].initializer == "zeros"
    assert done["1.conv2.weight"].initializer.startswith("he_normal")

    class Offset(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.weight = nn.Linear(4, 4), nn.Parameter(torch.zeros(4))

        def forward(self, x: Tensor) -> Tensor:
            y = self.layer(x)
            return x + y * torch.rsqrt(y.square().mean(-1, keepdim=True) + 1e-6) * (1 + self.weight)

    model = nn.Sequential(nn.Linear(4, 4), Offset())
    goodinit.initialize(model, "zero_branches", seed=0, inputs=torch.ones(1, 4), zero_starts="fill")
    assert torch.equal(model[1].weight, -torch.ones(4))


def test_depth_scaled_is_ds_init_and_torchtitans_ends():
    """bzhangGo/zero: Glorot's range times alpha / sqrt(l); torchtitan: wo and w2 at 0.02 / sqrt(2 (l + 1))."""
    model = Transformer(4, "before")
    done = goodinit.initialize(model, "depth_scaled", seed=0, inputs=TOKENS)
    for layer in range(4):
        for name in ("self_attn.q_proj", "fc1", "fc2"):
            each = done[f"layers.{layer}.{name}.weight"]
            glorot = math.sqrt(2 / (each.fan_in + each.fan_out))
            assert each.expected_std == pytest.approx(glorot / math.sqrt(layer + 1), rel=1e-6)
    done = goodinit.initialize(model, 'depth_scaled(of="normal(std=0.02)", where=ends)', seed=0, inputs=TOKENS)
    for layer in range(4):
        for name in ("self_attn.out_proj", "fc2"):
            std = done[f"layers.{layer}.{name}.weight"].expected_std
            assert std == pytest.approx(0.02 / math.sqrt(2 * (layer + 1)), rel=1e-6)
        assert done[f"layers.{layer}.fc1.weight"].expected_std == 0.02


def test_a_weight_of_several_depths_has_no_depth():
    class Shared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 4)

        def forward(self, x: Tensor) -> Tensor:
            for _ in range(3):
                x = x + self.layer(torch.tanh(x))
            return x

    with pytest.raises(GoodinitError, match=r"layer\.weight is used at several depths"):
        goodinit.initialize(Shared(), "depth_scaled", seed=0, inputs=torch.ones(1, 4))


def test_small_init_has_the_standard_deviations_of_gpt_neox():
    """EleutherAI/gpt-neox, init_functions.py (ea7aefd): sqrt(2 / (5 dim)), and 2 / (n_layers sqrt(dim)) for outputs."""
    done = goodinit.initialize(Transformer(6, "before"), "small_init(ends=wang)", seed=0, inputs=TOKENS)
    small, wang = 0.15811388, 0.08333333
    for each in done.weights:
        if each.role in ("weight", "embedding"):
            end = "out_proj" in each.name or "fc2" in each.name
            assert each.expected_std == pytest.approx(wang if end else small, rel=1e-5)


class Mixture(nn.Module):
    """A residual mixture of experts as JetMoe's: a router's softmax weighs what is gathered by `index_add`."""

    def __init__(self, width: int, in_place: bool) -> None:
        super().__init__()
        self.norm, self.router, self.in_place = nn.LayerNorm(width), nn.Linear(width, 2), in_place
        self.up, self.down = (nn.ModuleList(nn.Linear(width, width) for _ in range(2)) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(x)
        gates, chosen = torch.softmax(self.router(y), -1).topk(1)
        total = torch.zeros_like(x)
        for number, (up, down) in enumerate(zip(self.up, self.down, strict=True)):
            rows = (chosen[:, 0] == number).nonzero()[:, 0]
            made = down(torch.relu(up(y[rows]))) * gates[rows]
            total = total.index_add_(0, rows, made) if self.in_place else total.index_add(0, rows, made)
        return x + total


@pytest.mark.parametrize("in_place", [False, True])
def test_the_experts_behind_a_router_end_their_branch(in_place):
    model = nn.Sequential(nn.Linear(3, 8), *(Mixture(8, in_place) for _ in range(3)), nn.Linear(8, 2))
    x = torch.from_numpy(KeyedStream(0).normal("x", 0, 48)).float().reshape(16, 3)
    streams = read_structure(model, x).streams
    ends = [{call.weight for call in branch.ends} for branch in streams[0].branches]
    assert ends == [{f"{block}.down.{number}.weight" for number in range(2)} for block in (1, 2, 3)]
    done = goodinit.initialize(model, "residual_scaling", seed=0, inputs=x)
    assert done["2.down.0.weight"].initializer.startswith("scaled(")
    assert not done["2.up.0.weight"].initializer.startswith("scaled(")
