"""A mode, a norm or a table that hides what a model computes is found as that, and no weight is blamed for it."""

from __future__ import annotations

import math

import pytest
import torch
from checkup_models import batch, fill, mlp
from torch import Tensor, nn
from torch.nn import functional

import goodinit

X, Y = batch()
CE = functional.cross_entropy
WEIGHTS = {  # what a weight is blamed with
    *(
        "vanishing-signal",
        "exploding-signal",
        "weight-too-large",
        "dead-units",
        "output-saturated",
        "loss-above-chance",
    ),
    *("vanishing-gradient", "exploding-gradient", "all-zero", "zero-gradient"),
}


@pytest.mark.parametrize(("share", "found"), [(0.5, False), (0.95, True)])
def test_a_dropout_that_leaves_nothing(share: float, found: bool) -> None:
    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Dropout(share), nn.Linear(64, 10))
    codes = {each.code for each in goodinit.check(model, X, Y, loss=CE).findings}
    assert ("dropout-too-large" in codes) == found
    assert "dropout-too-large" not in {each.code for each in goodinit.check(model.eval(), X, Y, loss=CE).findings}


def test_statistics_that_are_not_the_batch_s() -> None:
    model = nn.Sequential(nn.Linear(64, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 10))
    with torch.no_grad():
        model[0].weight.mul_(20)
    trained = goodinit.check(model, X, Y, loss=CE)
    assert "stale-statistics" not in {each.code for each in trained.findings}
    stale = {each.code: each for each in goodinit.check(model.eval(), X, Y, loss=CE).findings}
    assert stale["stale-statistics"].remedy == "model.train()"
    model.train()
    for _ in range(60):
        model(X)
    assert "stale-statistics" not in {each.code for each in goodinit.check(model.eval(), X, Y, loss=CE).findings}


def test_a_last_norm_whose_scale_is_zero() -> None:
    model = nn.Sequential(mlp(4, outputs=64), nn.LayerNorm(64), nn.Linear(64, 10))
    assert goodinit.check(model, X, Y, loss=CE).healthy
    nn.init.zeros_(model[1].weight)
    found = {each.code: each for each in goodinit.check(model, X, Y, loss=CE).findings}
    assert found["silent-norm"].severity == "severe"
    exec(found["silent-norm"].remedy, {"model": model, "torch": torch})
    assert goodinit.check(model, X, Y, loss=CE).healthy


def test_a_real_fault_of_weights_is_told_beside_a_batch_that_is_sound() -> None:
    model = fill(mlp(8), lambda weight: nn.init.normal_(weight, std=1e-3))
    codes = {each.code for each in goodinit.check(model, X, Y, loss=CE).findings if each.severity == "severe"}
    assert codes & WEIGHTS
    assert math.isfinite(goodinit.check(model, X, Y, loss=CE).start.inputs[0].rms)


def test_a_table_of_places_that_drowns_the_tokens() -> None:
    class Tokens(nn.Module):
        def __init__(self, times: float) -> None:
            super().__init__()
            self.token, self.place, self.head = nn.Embedding(50, 32), nn.Embedding(8, 32), nn.Linear(32, 50)
            nn.init.normal_(self.token.weight, std=0.02)
            nn.init.normal_(self.place.weight, std=0.02 * times)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(nn.functional.layer_norm(self.token(x) + self.place(torch.arange(8)), (32,)))

    tokens = torch.randint(0, 50, (16, 8), generator=torch.Generator().manual_seed(0))
    for times, wrong in ((1.0, False), (100.0, True)):
        found = {each.code: each for each in goodinit.check(Tokens(times), tokens).findings}
        assert ("positions-too-large" in found) == wrong
    assert found["positions-too-large"].where == "place.weight"
    assert found["positions-too-large"].effect is not None
    assert found["positions-too-large"].effect.gone
