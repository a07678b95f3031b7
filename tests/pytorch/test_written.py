"""Activations that are written out are known by what they do, and what multiplies a gate is made up for."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional

import goodinit
from goodinit.pytorch.trace import trace

X = torch.randn(4, 64, generator=torch.Generator().manual_seed(0))
WRITTEN = {
    "x sigmoid(x)": ("silu", lambda x: x * torch.sigmoid(x)),
    "in place": ("silu", lambda x: x.mul_(x.sigmoid())),
    "CLIP's": ("gelu", lambda x: x * torch.sigmoid(1.702 * x)),
    "GPT-2's": ("gelu", lambda x: 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x.pow(3))))),
    "BERT's": ("gelu", lambda x: x * 0.5 * (1.0 + torch.erf(x / math.sqrt(2)))),
    "mish": ("mish", lambda x: x * torch.tanh(functional.softplus(x))),
    "MobileNet's": ("hardswish", lambda x: x * functional.relu6(x + 3) / 6),
}
OTHERS = {
    "a square": lambda x: torch.relu(x).square(),
    "a gate beside": lambda x: x * torch.sigmoid(x.roll(1, -1)),
    "a norm": lambda x: x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6),
    "a cube": lambda x: x * x * x,
}


class Written(nn.Module):
    def __init__(self, function, norm=False):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second, self.function = nn.Linear(64, 96), nn.Linear(96, 10), function
        self.norm = nn.LayerNorm(96) if norm else nn.Identity()

    def forward(self, x):
        return self.second(functional.dropout(self.function(self.norm(self.first(x)).view(-1, 96)), 0.0))


@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize(("name", "function"), WRITTEN.values(), ids=WRITTEN)
def test_an_activation_that_is_written_out_is_that_activation(name, function, norm):
    first, second = trace(Written(function, norm), X).calls
    assert first.activation == second.input_activation == name
    assert second.sources == (0,)
    assert first.norm_after == second.norm_before == norm
    assert not first.gating


def test_its_gain_and_what_is_measured_behind_it_are_those_of_the_activation():
    plain, written = (Written(each) for each in (functional.gelu, WRITTEN["GPT-2's"][1]))
    y = torch.arange(4)
    starts = [goodinit.check(each, X, y, loss=functional.cross_entropy).start for each in (plain, written)]
    one, other = ([layer.signal for layer in start.layers] for start in starts)
    assert other[1].rms_expected == pytest.approx(one[1].rms_expected, rel=1e-3)
    assert other[0].activation_rms == pytest.approx(one[0].activation_rms, rel=1e-3)
    assert other[0].saturated_share is None
    for each in (plain, written):
        goodinit.initialize(each, "he_normal", seed=0, inputs=X)
    assert torch.equal(plain.first.weight, written.first.weight)


@pytest.mark.parametrize("function", OTHERS.values(), ids=OTHERS)
def test_what_is_no_activation_is_not_taken_for_one(function):
    first, _ = trace(Written(function), X).calls
    assert first.activation in (None, "relu", "sigmoid")


def test_a_gate_is_drawn_smaller_by_what_multiplies_it():
    class Decay(nn.Module):
        """The decay of a gated delta rule: an exponential of a parameter multiplies the gate before its sigmoid."""

        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.gate, self.value, self.out = nn.Linear(64, 64), nn.Linear(64, 64), nn.Linear(64, 10)
            self.rate = nn.Parameter(torch.full((64,), math.log(10.0)))

        def forward(self, x):
            return self.out(torch.sigmoid(self.rate.exp() * self.gate(x)) * self.value(x))

    model = Decay()
    done = goodinit.initialize(model, "lecun_normal", seed=0, inputs=X)
    assert float(model.gate.weight.detach().std()) == pytest.approx(1 / 8 / 10, rel=0.05)
    assert float(model.value.weight.detach().std()) == pytest.approx(1 / 8, rel=0.05)
    assert "its gate" in str(done)
    found = goodinit.check(model, X, torch.arange(4), loss=functional.cross_entropy)
    assert "saturated-units" not in {each.code for each in found.findings}


NORMS = {
    "CLIP's": lambda x: x / torch.pow(torch.sum(torch.pow(x, 2), dim=-1, keepdim=True), 0.5),
    "a power of -1/2": lambda x: x * (x.square().mean(-1, keepdim=True) + 1e-6) ** -0.5,
    "a power of 1/2": lambda x: x / ((x**2).mean(-1, keepdim=True) + 1e-6) ** 0.5,
}


@pytest.mark.parametrize("function", NORMS.values(), ids=NORMS)
def test_a_norm_whose_root_is_a_power_is_a_norm(function):
    first, second = trace(Written(function), X).calls
    assert first.norm_after
    assert second.norm_before
    assert first.activation is None
    model = Written(function)
    with torch.no_grad():
        model.first.weight.mul_(30)  # which the norm makes up for
    found = goodinit.check(model, X, torch.arange(4), loss=functional.cross_entropy)
    assert "weight-too-large" not in {each.code for each in found.findings}
