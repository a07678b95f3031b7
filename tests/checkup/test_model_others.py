"""Models of others that were called unhealthy: learned tokens, quiet branches, learned queries, gates, fixed points."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import goodinit

CE = functional.cross_entropy


class Latents(nn.Module):
    """A stream of learned tokens, the same for every example, that reads the inputs by attention, as Perceiver's does.

    With `scale` a layer scale multiplies what is read, as in CaiT's class attention.
    """

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__()
        self.tokens, self.scale = nn.Parameter(torch.randn(4, 32) * 0.5), nn.Parameter(torch.full((32,), scale))
        self.query, self.pair, self.out = nn.Linear(32, 32), nn.Linear(8, 64), nn.Linear(32, 32)
        self.norms = nn.ModuleList(nn.LayerNorm(32) for _ in range(4))
        self.up, self.down = nn.Linear(32, 64), nn.Linear(64, 32)
        self.head = nn.Linear(32, 10)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.tokens.expand(len(x), -1, -1)
        for _ in range(2):
            key, value = self.pair(x).chunk(2, -1)
            weights = (self.query(self.norms[0](tokens)) @ key.mT / 32**0.5).softmax(-1)
            tokens = tokens + self.scale * self.out(weights @ value)
            tokens = tokens + self.scale * self.down(functional.gelu(self.up(self.norms[1](tokens))))
        return self.head(self.norms[2](tokens).mean(1))


@pytest.mark.parametrize("scale", [1.0, 0.1])
def test_learned_tokens_are_alike_at_the_start(scale: float) -> None:
    torch.manual_seed(0)
    x = torch.randn(16, 24, 8)
    found = goodinit.check(Latents(scale), x, torch.arange(16) % 10, loss=CE)
    assert max(each.signal.correlation or 0 for each in found.start.layers) > 0.999  # there is something to be misread
    assert "collapsed" not in {each.code for each in found.findings}


def test_branches_that_add_next_to_nothing_are_no_collapse() -> None:
    class Quiet(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.up, self.down = (nn.ModuleList(nn.Linear(64, 64) for _ in range(4)) for _ in range(2))
            self.head = nn.Linear(64, 10)
            for each in (*self.up, *self.down):
                nn.init.normal_(each.weight, std=1e-3)

        def forward(self, x: Tensor) -> Tensor:
            for up, down in zip(self.up, self.down, strict=True):
                x = x + down(torch.relu(up(x)))
            return self.head(x)

    torch.manual_seed(0)
    x = torch.randn(64, 64)
    found = goodinit.check(Quiet(), x, torch.arange(64) % 10, loss=CE)
    assert found.start.layers[-2].signal.correlation > 0.999
    assert "collapsed" not in {each.code for each in found.findings}


@pytest.mark.parametrize(("factor", "large"), [(True, False), (False, True)])
def test_learned_queries_are_judged_behind_their_factor(factor: bool, large: bool) -> None:
    class Pooled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.into, self.head = nn.Linear(8, 128), nn.Linear(128, 10)
            self.queries = nn.Parameter(torch.randn(6, 128))

        def forward(self, x: Tensor) -> Tensor:
            x = functional.layer_norm(self.into(x), (128,))
            scores = self.queries @ x.mT
            return self.head(((scores * 128**-0.5 if factor else scores).softmax(-1) @ x).mean(1))

    torch.manual_seed(0)
    found = goodinit.check(Pooled(), torch.randn(16, 24, 8), torch.arange(16) % 10, loss=CE)
    assert found.start.layers[1].fan_in == 128  # and not the 24 tokens
    assert ("weight-too-large" in {each.code for each in found.findings}) == large


def test_a_layer_that_is_used_again_and_again_is_moved_by_its_last_uses() -> None:
    class Equilibrium(nn.Module):
        """A fixed point of tanh(W z + U x), by iteration: a contraction, or there is none."""

        def __init__(self) -> None:
            super().__init__()
            self.into, self.again, self.head = nn.Linear(16, 64), nn.Linear(64, 64), nn.Linear(64, 10)
            nn.init.normal_(self.again.weight, std=0.05)

        def forward(self, x: Tensor) -> Tensor:
            z = torch.zeros(len(x), 64)
            for _ in range(15):
                z = torch.tanh(self.again(z) + self.into(x))
            return self.head(z)

    torch.manual_seed(0)
    found = goodinit.check(Equilibrium(), torch.randn(64, 16), torch.arange(64) % 10, loss=CE)
    assert {each.code: each.severity for each in found.findings}.get("vanishing-gradient") == "warning"


def test_a_gate_behind_a_norm_of_scale_zero_is_alike_for_all() -> None:
    class Squeezed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.norm = nn.Conv2d(16, 16, 3, padding=1), nn.BatchNorm2d(16)
            nn.init.zeros_(self.norm.weight)
            self.gate = nn.Sequential(nn.Conv2d(16, 4, 1), nn.ReLU(), nn.Conv2d(4, 16, 1), nn.Sigmoid())

        def forward(self, x: Tensor) -> Tensor:
            y = self.norm(self.body(x))
            return torch.relu(x + y * self.gate(y.mean((2, 3), keepdim=True)))

    torch.manual_seed(0)
    blocks = (Squeezed() for _ in range(4))
    model = nn.Sequential(
        nn.Conv2d(3, 16, 3), nn.ReLU(), *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10)
    )
    found = goodinit.check(model, torch.randn(16, 3, 10, 10), torch.arange(16) % 10, loss=CE)
    assert not {"collapsed", "dead-units"} & {each.code for each in found.findings}


def test_a_model_may_return_its_loss_beside_targets() -> None:
    class Twin(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.into, self.out = nn.Linear(8, 32), nn.Linear(32, 8)

        def forward(self, x: Tensor) -> Tensor:
            return -functional.cosine_similarity(
                self.out(torch.relu(self.into(x))), self.into.weight.mean(0), -1
            ).mean()

    torch.manual_seed(0)
    found = goodinit.check(Twin(), torch.randn(16, 8), torch.zeros(16), loss=lambda output, targets: output)
    assert found.start.loss is not None


def test_small_ends_of_branches_are_no_vanishing_signal() -> None:
    class Coupling(nn.Module):
        """The residual network of a flow's coupling, whose branches end in weights next to nothing."""

        def __init__(self) -> None:
            super().__init__()
            self.into, self.out = nn.Linear(8, 64), nn.Linear(64, 10)
            self.up, self.down = (nn.ModuleList(nn.Linear(64, 64) for _ in range(2)) for _ in range(2))
            for each in self.down:
                nn.init.uniform_(each.weight, -1e-3, 1e-3)
                nn.init.uniform_(each.bias, -1e-3, 1e-3)

        def forward(self, x: Tensor) -> Tensor:
            x = self.into(x)
            for up, down in zip(self.up, self.down, strict=True):
                x = x + down(torch.relu(up(torch.relu(x))))
            return self.out(x)

    torch.manual_seed(0)
    found = goodinit.check(Coupling(), torch.randn(64, 8), torch.arange(64) % 10, loss=CE)
    assert "vanishing-signal" not in {each.code for each in found.findings}


def test_zeros_that_no_layer_multiplies_by_are_a_warning() -> None:
    class Switched(nn.Module):
        """A part that is switched off, as the symbolic one of a KAN."""

        def __init__(self) -> None:
            super().__init__()
            self.into, self.out = nn.Linear(8, 32), nn.Linear(32, 10)
            self.affine, self.mask = nn.Parameter(torch.zeros(8, 32)), nn.Buffer(torch.zeros(8, 32))

        def forward(self, x: Tensor) -> Tensor:
            return self.out(torch.relu(self.into(x)) + (x[:, :, None] * self.affine * self.mask).sum(1))

    torch.manual_seed(0)
    found = goodinit.check(Switched(), torch.randn(64, 8), torch.arange(64) % 10, loss=CE)
    assert [each.severity for each in found.findings if each.code == "all-zero"] == ["warning"]


@pytest.mark.parametrize("experts", [True, False])
def test_experts_may_be_numbered_by_their_names(experts: bool) -> None:
    class Named(nn.Module):
        """Experts of which the second was sent nothing; or a layer that was forgotten, beside another of its kind."""

        def __init__(self) -> None:
            super().__init__()
            parts: dict[str, nn.Module] = {f"part_{number}": nn.Linear(16, 16) for number in range(3)}
            self.parts = nn.ModuleDict(parts if experts else parts | {"norm": nn.LayerNorm(16)})
            self.head = nn.Linear(16, 10)

        def forward(self, x: Tensor) -> Tensor:
            x = torch.relu(self.parts["part_0"](x)) + torch.relu(self.parts["part_2"](x))
            return self.head(x if experts else self.parts["norm"](x))

    torch.manual_seed(0)
    found = goodinit.check(Named(), torch.randn(32, 16), torch.arange(32) % 10, loss=CE)
    unused = next(each for each in found.findings if each.code == "unused-parameter")
    assert unused.severity == ("info" if experts else "warning")


@pytest.mark.parametrize(("activation", "dead"), [(nn.SiLU, False), (nn.ReLU, True)])
def test_a_norm_of_scale_zero_before_an_activation_is_dead_where_that_is_flat(
    activation: type[nn.Module], dead: bool
) -> None:
    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.norm, self.after = nn.Conv2d(16, 16, 3, padding=1), nn.BatchNorm2d(16), activation()
            nn.init.zeros_(self.norm.weight)

        def forward(self, x: Tensor) -> Tensor:
            return x + self.after(self.norm(self.body(x)))

    torch.manual_seed(0)
    blocks = (Block() for _ in range(3))
    model = nn.Sequential(nn.Conv2d(3, 16, 3), *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10))
    found = goodinit.check(model, torch.randn(16, 3, 10, 10), torch.arange(16) % 10, loss=CE)
    assert ("dead-units" in {each.code for each in found.findings}) == dead


def test_heads_that_are_averaged_are_no_hidden_layers() -> None:
    class Heads(nn.Module):
        """Several heads, as CrossViT's two: each gets a part of the gradient, which is far from that of a layer."""

        def __init__(self) -> None:
            super().__init__()
            self.into, self.out = nn.Linear(64, 512), nn.Linear(512, 64)
            self.heads = nn.ModuleList(nn.Linear(64, 10) for _ in range(64))

        def forward(self, x: Tensor) -> Tensor:
            x = torch.relu(self.out(torch.relu(self.into(x))))
            return torch.stack([head(x) for head in self.heads]).mean(0)

    torch.manual_seed(0)
    model = Heads()
    goodinit.initialize(model, "he_normal", seed=0, inputs=torch.randn(8, 64))
    with torch.no_grad():
        for head in model.heads:
            head.weight.mul_(0.01)
    found = goodinit.check(model, torch.randn(32, 64), torch.arange(32) % 10, loss=CE)
    assert not {"vanishing-signal", "exploding-gradient", "vanishing-gradient"} & {each.code for each in found.findings}


@pytest.mark.parametrize(("scale", "saturated"), [(0.05, False), (1.0, False), (100.0, True)])
def test_small_inputs_of_a_relu6_are_not_at_its_bound(scale: float, saturated: bool) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, 256), nn.ReLU6(), nn.LayerNorm(256), nn.Linear(256, 10))
    goodinit.initialize(model, "lecun_normal", seed=0, inputs=torch.randn(8, 64))
    with torch.no_grad():
        model[0].weight.mul_(scale)
    found = goodinit.check(model, torch.randn(64, 64), torch.arange(64) % 10, loss=CE)
    assert ("saturated-units" in {each.code for each in found.findings}) == saturated
    assert found.start.layers[0].signal.saturated_share == pytest.approx(1.0 if saturated else 0.5, abs=0.08)
