"""muP beside Microsoft's package `mup` 1.0.0, whose losses step by step were computed once and are kept here."""

import math

import numpy as np
import pytest
import torch
from torch import nn

import goodinit
from goodinit import activations
from goodinit.errors import GoodinitError
from goodinit.networks import MLP

# Linear(3, 32), Tanh, Linear(32, 32), Tanh, MuReadout(32, 2) with set_base_shapes at width 8, the values of `_fill`, in
# float64 on the data of `_batch`: the loss before each of six steps of MuAdam(lr=0.01), MuAdamW(lr=0.01,
# weight_decay=0.1) and MuSGD(lr=0.05, momentum=0.9).
THEIRS = {
    "adam": [0.69130055, 0.68567697, 0.67737247, 0.66653017, 0.65333071, 0.63801458],
    "adamw": [0.69130055, 0.68568614, 0.67741279, 0.66663523, 0.6535398, 0.63837068],
    "sgd": [0.69130055, 0.69018596, 0.68816647, 0.68549653, 0.68243247, 0.67919496],
}
M = 4.0


def _model(width: int) -> nn.Sequential:
    layers = (nn.Linear(3, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh(), nn.Linear(width, 2))
    return nn.Sequential(*layers).double()


def _fill(model: nn.Module) -> None:
    """Their readout has weights sqrt(m) as large and multiplies by 1 / m: here by 1 / sqrt(m)."""
    for number, parameter in enumerate(model.parameters()):
        places = torch.arange(parameter.numel(), dtype=torch.float64)
        values = torch.sin(places * (number + 1.7) + number).reshape(parameter.shape)
        values = values / math.sqrt(parameter.shape[1] if parameter.dim() == 2 else 100)
        parameter.data = values / math.sqrt(M) if number == 4 else values


def _batch() -> tuple[torch.Tensor, torch.Tensor]:
    return torch.sin(torch.arange(15, dtype=torch.float64)).reshape(5, 3), torch.tensor([0, 1, 0, 1, 1])


@pytest.mark.parametrize("name", THEIRS)
def test_the_losses_are_those_of_the_reference(name):
    model, (X, y) = _model(32), _batch()
    done = goodinit.initialize(model, "mup(base_width=8)", seed=0, inputs=X)
    _fill(model)
    if name == "adam":
        update = torch.optim.Adam(done.param_groups(lr=0.01, weight_decay=0, optimizer=name))
    elif name == "adamw":
        update = torch.optim.AdamW(done.param_groups(lr=0.01, weight_decay=0.1))
    else:
        update = torch.optim.SGD(done.param_groups(lr=0.05, weight_decay=0, optimizer="sgd"), momentum=0.9)
    losses = []
    for _ in range(6):
        loss = nn.functional.cross_entropy(model(X), y)
        losses.append(loss.item())
        update.zero_grad()
        loss.backward()
        update.step()
    assert losses == pytest.approx(THEIRS[name], abs=1e-6)


def test_the_values_at_each_width():
    """Table 3 of Yang et al. 2022: the readout's variance goes as 1 / fan_in^2, every other as 1 / fan_in."""
    for width in (64, 256, 1024):
        done = goodinit.initialize(_model(width), "mup(base_width=64, of=lecun_normal)", seed=0, inputs=_batch()[0])
        m = width / 64
        assert done["4.weight"].expected_std == pytest.approx(math.sqrt(64) / width)
        assert done["2.weight"].expected_std == pytest.approx(1 / math.sqrt(width))
        assert done["0.weight"].expected_std == pytest.approx(1 / math.sqrt(3))
        rates = {each.name: (each.gradient.rate, each.adaptive.rate) for each in done.weights}
        assert rates == {
            "0.weight": (m, 1),
            "0.bias": (m, 1),
            "2.weight": (1, 1 / m),
            "2.bias": (m, 1),
            "4.weight": (1 / m, 1 / m),
            "4.bias": (1, 1),
        }


def test_a_network_and_the_same_model_are_told_the_same():
    network = MLP((3, 32, 32, 2), activations.get("tanh"), "cross_entropy").assignments("mup(base_width=8)")
    model = goodinit.initialize(_model(32), "mup(base_width=8)", seed=0, inputs=_batch()[0])
    assert [(each.gradient, each.adaptive) for each in network] == [
        (each.gradient, each.adaptive) for each in model.weights
    ]


def test_the_update_of_the_logits_is_of_one_size_at_every_width():
    """After three steps of Adam, what the logits changed by does not grow with the width; with He it does."""

    def change(width: int, init: str) -> float:
        model = _model(width)
        X = torch.from_numpy(np.random.RandomState(0).randn(64, 3))
        y = (X[:, 0] > 0).long()
        done = goodinit.initialize(model, init, seed=0, inputs=X)
        before = model(X).detach()
        update = torch.optim.Adam(done.param_groups(lr=0.01, weight_decay=0, optimizer="adam"))
        for _ in range(3):
            update.zero_grad()
            nn.functional.cross_entropy(model(X), y).backward()
            update.step()
        return float((model(X).detach() - before).square().mean().sqrt())

    slopes = {
        init: np.polyfit(np.log([64, 128, 256]), np.log([change(width, init) for width in (64, 128, 256)]), 1)[0]
        for init in ("mup(base_width=64)", "he_normal")
    }
    assert abs(slopes["mup(base_width=64)"]) < 0.1
    assert slopes["he_normal"] > 0.3


def test_a_tied_readout_is_refused_with_the_remedy():
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words, self.hidden, self.head = nn.Embedding(7, 8), nn.Linear(8, 8), nn.Linear(8, 7, bias=False)
            self.head.weight = self.words.weight

        def forward(self, tokens: torch.Tensor) -> torch.Tensor:
            return self.head(torch.relu(self.hidden(self.words(tokens))))

    with pytest.raises(GoodinitError, match="untie them"):
        goodinit.initialize(Tied(), "mup", seed=0, inputs=torch.arange(7))
