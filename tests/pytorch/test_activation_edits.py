"""Edits of activations (DKS, TAT) against deepmind/dks, and the multiplier of a tied readout's logits."""

import copy
import math

import numpy as np
import pytest
import torch
from torch import nn

import goodinit
from goodinit.errors import GoodinitError
from goodinit.theory.shaping import kernel_shaped, leaky_tailored, tailored

X = torch.randn(6, 8, generator=torch.Generator().manual_seed(0))


def chain(depth: int = 6, activation=nn.Tanh, width: int = 8) -> nn.Sequential:
    layers = [part for _ in range(depth) for part in (nn.Linear(width, width), activation())]
    return nn.Sequential(*layers, nn.Linear(width, 3))


REFERENCE = {  # deepmind/dks 021816e, `_get_activations_params` with a chain of so many layers
    ("dks", "tanh", 10): (0.29665009874035037, 0.652803608830911, -0.5424961621541962, 4.964600167512207),
    ("dks", "softplus", 10): (0.8102795425740682, 0.41900040835929836, -0.9981736048884827, 2.046517221887116),
    ("dks", "silu", 10): (0.43691658894355384, 0.34130472537942974, -0.2427555777681571, 3.4280744701714654),
    ("tat", "tanh", 10): (0.18463840373693627, -0.557366582719157, 0.510544507704058, 7.234956476572282),
    ("tat", "softplus", 10): (0.49620301196946837, 0.5600071642046419, -1.0009797482321448, 3.1538852403779876),
}


@pytest.mark.parametrize(("what", "activation", "depth"), REFERENCE)
def test_the_numbers_are_those_of_the_reference(what, activation, depth):
    shaped = (kernel_shaped if what == "dks" else tailored)(activation, depth)
    found = (shaped.input_scale, shaped.input_shift, shaped.output_shift, shaped.output_scale)
    assert found == pytest.approx(REFERENCE[what, activation, depth], rel=1e-6)


def test_the_conditions_hold_by_monte_carlo():
    """DKS of tanh in 10 layers: mean 0, variance 1, and the mean square of the slope to the tenth power is 1.5."""
    shaped = kernel_shaped("tanh", 10)
    z = np.random.default_rng(0).normal(size=400_000)
    inner = np.tanh(shaped.input_scale * z + shaped.input_shift)
    value = shaped.output_scale * (inner + shaped.output_shift)
    slope = shaped.output_scale * shaped.input_scale * (1 - inner**2)
    error = 5 / math.sqrt(z.size)
    assert value.mean() == pytest.approx(0, abs=error)
    assert (value**2).mean() == pytest.approx(1, abs=2 * error)
    assert (slope**2).mean() ** 10 == pytest.approx(1.5, rel=20 * error)


def test_a_leaky_chain_brings_correlations_to_the_target():
    """The arc-cosine kernel of Cho & Saul 2009, through 50 layers; and the reference's slope."""
    shaped = leaky_tailored(50)
    assert shaped.activation.startswith("leaky_relu")
    c = 0.0
    slope = float(shaped.activation[17:-1])
    for _ in range(50):
        angle = math.acos(c)
        relu = (math.sin(angle) + (math.pi - angle) * c) / math.pi
        c = ((1 - slope) ** 2 * relu + 2 * slope * c) / (1 + slope**2)
    assert c == pytest.approx(0.9, abs=1e-9)
    assert slope == pytest.approx(0.43052294850349426, rel=1e-8)  # deepmind/dks 021816e
    assert shaped.output_scale == pytest.approx(1.2989477863184222, rel=1e-8)


@pytest.mark.parametrize(("text", "activation"), [("dks", nn.Tanh), ("tat", nn.ReLU), ("tat", nn.SiLU)])
def test_a_shaped_chain_keeps_its_signal_and_is_taken_back(text, activation):
    model = chain(30, activation, 128)
    x = torch.randn(8, 128, generator=torch.Generator().manual_seed(1))
    goodinit.initialize(model, "orthogonal(gain=1)", seed=0, inputs=x)
    before, names = model(x), [name for name, _ in model.named_parameters()]
    done = goodinit.edit(model, text, inputs=x)
    assert len(done.changes) == 30
    assert not done.parameters
    hidden = x
    for layer in model[:-1]:
        hidden = layer(hidden)
    assert 0.2 < float(hidden.detach().square().mean()) < 3  # unshaped 0.02, 2e-10, 2e-18
    assert torch.equal(copy.deepcopy(model)(x), model(x))
    with pytest.raises(GoodinitError, match="cannot be folded"):
        done.fold()
    done.undo()
    assert torch.equal(model(x), before)
    assert [name for name, _ in model.named_parameters()] == names


def test_an_activation_in_place_is_made_leaky_and_taken_back():
    model = nn.Sequential(
        *(part for _ in range(30) for part in (nn.Linear(8, 8), nn.ReLU(inplace=True))), nn.Linear(8, 2)
    )
    before = model(X)
    done = goodinit.edit(model, "tat(correlation=0.5)", inputs=X)
    slope = float(done.changes[0].after.partition("slope=")[2][:-1])
    assert 0 < slope < 1
    hidden = model[0](X)
    expected = nn.functional.leaky_relu(hidden, slope) * math.sqrt(2 / (1 + slope**2))
    assert torch.allclose(model[1](hidden), expected)
    done.undo()
    assert torch.equal(model(X), before)
    assert model[1].inplace


class Residual(nn.Linear):
    def forward(self, x):
        return x + torch.relu(super().forward(x))


@pytest.mark.parametrize(
    ("model", "text", "message"),
    [
        (nn.Sequential(nn.Linear(8, 8), Residual(8, 8), nn.ReLU(), nn.Linear(8, 2)), "tat", "a residual sum"),
        (nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 2)), "dks", "a norm beside 0"),
        (nn.Sequential(nn.Linear(8, 8), nn.Tanh()), "dks", "none at the end"),
        (nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2)), "dks", "too few numbers"),
        (nn.Sequential(nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 2)), "dks(slope=1)", "slope must be above 1"),
        (nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 2)), "logits", "no readout is tied"),
    ],
)
def test_what_a_structure_does_not_allow_is_refused(model, text, message):
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(GoodinitError, match=message):
        goodinit.edit(model, text, inputs=X)
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    assert not any(module._forward_hooks for module in model.modules())


class Language(nn.Module):
    """A table, layers, and a readout that is the table."""

    def __init__(self, width: int, tied: bool = True) -> None:
        super().__init__()
        self.words, self.hidden = nn.Embedding(11, width), nn.Linear(width, width)
        self.head = nn.Linear(width, 11, bias=False)
        if tied:
            self.head.weight = self.words.weight

    def forward(self, tokens):
        return self.head(torch.relu(self.hidden(self.words(tokens))))


TOKENS = torch.arange(8).reshape(2, 4)


def test_mup_takes_a_tied_readout_whose_logits_are_multiplied():
    """MuSharedReadout of the package mup: logits times 1 / m, and the table's rate under Adam is that of an input."""
    model = Language(256)
    with pytest.raises(GoodinitError, match=r'goodinit\.edit\(model, "logits\(base_width=64\)"'):
        goodinit.initialize(model, "mup", seed=0, inputs=TOKENS)
    plain = model(TOKENS)
    done = goodinit.edit(model, "logits", inputs=TOKENS)
    assert torch.allclose(model(TOKENS), plain / 4)
    with pytest.raises(GoodinitError, match=r"multiplied already, by 0\.25"):
        goodinit.edit(model, "logits", inputs=TOKENS)
    with pytest.raises(GoodinitError, match=r"multiply the logits by 0\.125"):
        goodinit.initialize(model, "mup(base_width=32)", seed=0, inputs=TOKENS)
    filled = goodinit.initialize(model, "mup", seed=0, inputs=TOKENS)
    table = filled["words.weight"]
    assert (table.adaptive.rate, table.gradient.rate) == (1, 4)
    assert table.expected_std == pytest.approx(1 / math.sqrt(64))
    assert filled["hidden.weight"].adaptive.rate == 0.25
    done.undo()
    with pytest.raises(GoodinitError, match="need different rates"):
        goodinit.initialize(model, "mup", seed=0, inputs=TOKENS)


def test_the_logits_of_a_tied_model_move_alike_at_every_width():
    """Three steps of Adam: what the logits change by does not grow with the width, as it does at one rate for all."""

    def change(width: int, init: str) -> float:
        model = Language(width)
        if init.startswith("mup"):
            goodinit.edit(model, "logits(base_width=64)", inputs=TOKENS)
        done = goodinit.initialize(model, init, seed=0, inputs=TOKENS)
        before = model(TOKENS).detach()
        update = torch.optim.Adam(done.param_groups(lr=0.01, weight_decay=0, optimizer="adam"))
        for _ in range(3):
            update.zero_grad()
            nn.functional.cross_entropy(model(TOKENS).reshape(-1, 11), TOKENS.reshape(-1)).backward()
            update.step()
        return float((model(TOKENS).detach() - before).square().mean().sqrt())

    assert change(1024, "mup") / change(64, "mup") == pytest.approx(1, abs=0.5)
    assert change(1024, "he_normal") / change(64, "he_normal") > 3


def test_a_model_that_differentiates_inside_its_forward_is_edited() -> None:
    class Forces(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.energy = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 1))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = x.detach().requires_grad_(True)
            return -torch.autograd.grad(self.energy(x).sum(), x, create_graph=True)[0]

    done = goodinit.edit(Forces(), "dks", inputs=torch.randn(4, 8))
    assert [each.where for each in done.changes] == ["energy.1", "energy.3"]
