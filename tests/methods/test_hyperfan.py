"""Hyperfan-in: the heads of a hypernetwork, against hypnettorch and a Monte Carlo of the weights they make."""

import pytest
import torch
from hypernetworks import Hyper
from torch import nn

import goodinit
from goodinit.errors import GoodinitError
from goodinit.pytorch import read_structure
from goodinit.structure import MadeWeight

GIVEN = (torch.ones(2, 5), torch.ones(1, 8))


def test_a_run_shows_which_outputs_are_weights():
    made = {call.weight: call.makes for call in read_structure(Hyper(), GIVEN).trace.calls}
    assert made == {
        "hidden.weight": (),
        "first.weight": (MadeWeight("weight", 5, True, "relu"),),
        "shift.weight": (MadeWeight("bias", 5, True, "relu"),),
        "last.weight": (MadeWeight("weight", 12, False),),
    }


def test_the_heads_have_the_variances_of_hypnettorch():
    """hypnettorch 12133c0, HMLP([[12, 5], [12], [3, 12]], layers=(16,)).apply_hyperfan_init(method="in").

    Its uniforms' largest draws, of 960, 192 and 576. It takes a gain of 2 for the last layer too, which no ReLU
    follows: ours has half of that variance.
    """
    done = goodinit.initialize(Hyper(), "hyperfan_in", seed=0, inputs=GIVEN)
    found = {name: done[f"{name}.weight"].expected_std ** 2 for name in ("first", "shift", "last")}
    assert found["first"] == pytest.approx(0.19357830286026**2 / 3, rel=2e-3)
    assert found["shift"] == pytest.approx(0.431501179933548**2 / 3, rel=1e-2)
    assert 2 * found["last"] == pytest.approx(0.17616942524909973**2 / 3, rel=1e-2)
    assert done["hidden.weight"].initializer == "he_normal"
    assert done["first.bias"].initializer == "zeros"


def test_the_made_weights_keep_the_size_of_the_signal():
    """Over 400 embeddings: E w^2 is 2 / (2 * 5), of the bias 1, and the network's output has variance about 1."""
    model = Hyper(width=256)
    goodinit.initialize(model, "hyperfan_in", seed=0, inputs=GIVEN)
    z = torch.randn(400, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        made = [model.made(each[None]) for each in z]
    first = torch.stack([each[0] for each in made]).square().mean()
    shift = torch.stack([each[1] for each in made]).square().mean()
    assert float(first) == pytest.approx(1 / 5, rel=0.15)
    assert float(shift) == pytest.approx(1, rel=0.3)


def test_what_is_no_hypernetwork_is_refused():
    with pytest.raises(GoodinitError, match="no layer whose output is another layer's weight"):
        goodinit.initialize(nn.Linear(2, 2), "hyperfan_in", seed=0, inputs=torch.ones(1, 2))

    class Shared(Hyper):
        def forward(self, x, z):
            both = self.first(torch.relu(self.hidden(z))).view(60)
            one = torch.relu(nn.functional.linear(x, both[:30].view(6, 5)))
            return nn.functional.linear(one, both[30:].view(5, 6))

    with pytest.raises(GoodinitError, match=r"first\.weight makes weights of layers of several sizes"):
        goodinit.initialize(Shared(), "hyperfan_in", seed=0, inputs=GIVEN)
    with pytest.raises(GoodinitError, match="variance must be a number above 0"):
        goodinit.methods.get("hyperfan_in(variance=0)")
