"""Complex weights, as Fourier neural operators have: kept and said, and measured by both of their parts."""

import math

import pytest
import torch
from torch import nn

import goodinit
from goodinit import GoodinitError


class Spectral(nn.Module):
    """A layer that multiplies by a complex matrix, between two real ones."""

    def __init__(self):
        super().__init__()
        self.into = nn.Linear(6, 16)
        self.turn = nn.Parameter(torch.complex(torch.linspace(0, 1, 256), torch.linspace(1, -2, 256)).reshape(16, 16))
        self.out = nn.Linear(16, 3)

    def forward(self, x):
        hidden = self.into(x).to(torch.complex64)
        return self.out((hidden @ self.turn).abs())


INPUTS = torch.linspace(-1, 1, 48).reshape(8, 6)


@pytest.mark.filterwarnings("error")
def test_a_complex_weight_is_kept_with_its_dtype_as_the_reason():
    model = Spectral()
    before = model.turn.detach().clone()
    done = goodinit.initialize(model, "he_normal", seed=0, inputs=INPUTS)
    kept = done["turn"]
    assert kept.initializer is None
    assert kept.caution == "its dtype is complex64, no floating-point number, and it was kept"
    assert torch.equal(model.turn, before)
    assert done["out.weight"].initializer is not None


@pytest.mark.parametrize("options", [{}, {"inputs": INPUTS, "rules": {"turn": "normal(std=1)"}}])
def test_what_would_fill_a_complex_weight_is_refused(options):
    with pytest.raises(GoodinitError, match=r"turn: its dtype is complex64.*keep it, with rules=\{'turn': 'keep'\}"):
        goodinit.initialize(Spectral(), "he_normal", seed=0, **options)


@pytest.mark.filterwarnings("error")
def test_a_checkup_measures_both_parts_of_a_complex_weight():
    model, targets = Spectral(), torch.arange(8) % 3
    found = goodinit.check(model, INPUTS, targets, loss=nn.functional.cross_entropy)
    turn = next(each for each in found.start.parameters if each.name == "turn")
    assert turn.mean == pytest.approx(0, abs=1e-6)  # the parts' means are a half and minus a half
    assert turn.std == pytest.approx(math.sqrt(0.25 + (1 + 9) / 24), rel=0.01)  # uniform on [0, 1] and on [-2, 1]
    nn.functional.cross_entropy(model(INPUTS), targets).backward()
    parts = torch.view_as_real(model.turn.grad)
    assert turn.gradient_rms == pytest.approx(math.sqrt(float((parts**2).mean())), rel=1e-5)


@pytest.mark.filterwarnings("error")
def test_training_with_complex_weights_is_watched():
    model, targets = Spectral(), torch.arange(8) % 3
    for layer in (model.into, model.out):
        layer.requires_grad_(False)
    look = goodinit.watch(model, steps=1)
    loss = nn.functional.cross_entropy(model(INPUTS), targets)
    loss.backward()
    look(loss)
    slope, values = (torch.view_as_real(each.detach()) for each in (model.turn.grad, model.turn))
    assert look.steps[0].gradient_to_weight == pytest.approx(float(slope.norm() / values.norm()), rel=1e-5)
