"""Findings that no start of weights removes say what in the code is at fault: an activation, or functions between."""

import pytest
import torch
from checkup_models import batch
from torch import nn
from torch.nn import functional

import goodinit
from goodinit.checkup.model_theory import saturated_where_critical

CE = functional.cross_entropy


class Graph(nn.Module):
    """Layers between which neighbours are gathered: by a matrix, or by the numbers of the edges' ends."""

    def __init__(self, near, gathered=False):
        super().__init__()
        self.near, self.gathered = nn.Buffer(near), gathered
        self.layers = nn.ModuleList(nn.Linear(16 if at == 0 else 48, 48) for at in range(3))
        self.head = nn.Linear(48, 10)
        for layer in self.layers:
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")

    def forward(self, x):
        for layer in self.layers:
            y = layer(x)
            if self.gathered:
                to, of = self.near.nonzero().T
                y = torch.zeros_like(y).index_add(0, to, y[of])
            else:
                y = self.near @ y
            x = torch.relu(y)
        return self.head(x)


def checked(model):
    torch.manual_seed(1)
    x = torch.randn(64, 16)
    return {each.code: each for each in goodinit.check(model, x, torch.arange(64) % 10, loss=CE).findings}


@pytest.mark.parametrize("gathered", [False, True])
def test_a_sum_over_neighbours_that_makes_signals_grow_is_named_with_its_line(gathered):
    torch.manual_seed(0)
    finding = checked(Graph(torch.ones(64, 64), gathered))["exploding-signal"]
    assert not finding.remedy
    assert "sum over neighbours" in finding.change()
    assert "test_model_code.py:" in finding.change()
    assert finding.values["line"].endswith("index_add(0, to, y[of])" if gathered else "self.near @ y")
    assert finding.values["times"] > 8


def test_a_mean_over_all_examples_is_named_with_its_line():
    torch.manual_seed(0)
    finding = checked(Graph(torch.full((64, 64), 1 / 64)))["collapsed"]
    assert not finding.remedy
    assert finding.values["line"].endswith("y = self.near @ y")


def test_large_weights_are_not_blamed_on_what_lies_between():
    torch.manual_seed(0)
    model = Graph(torch.eye(64))
    with torch.no_grad():
        for layer in model.layers:
            layer.weight.mul_(30)
    finding = checked(model)["exploding-signal"]
    assert finding.effect.gone
    assert not finding.change()


def test_an_activation_that_no_start_suits_is_named():
    torch.manual_seed(0)
    x, y = batch(64)
    layers = (part for _ in range(30) for part in (nn.LazyLinear(64), nn.Sigmoid()))
    model = nn.Sequential(*layers, nn.Linear(64, 10))
    model(x)
    findings = {each.code: each for each in goodinit.check(model, x, y, loss=CE).findings}
    for code in ("collapsed", "vanishing-gradient"):
        assert not findings[code].remedy
        assert "sigmoid" in findings[code].change()


def test_how_saturated_an_activation_is_where_it_is_critical():
    assert saturated_where_critical("sigmoid", 0.015) == pytest.approx(0.54, abs=0.01)
    assert saturated_where_critical("tanh", 0.015) == 0.0
    assert saturated_where_critical("relu", 0.015) == 0.0
    assert saturated_where_critical("gelu", 0.015) == 0.0
    assert saturated_where_critical("softplus", 0.015) == 1.0
    assert saturated_where_critical("of somebody", 0.015) is None
