"""Audits of models that are built: what their values say beside the writes that were seen."""

import pytest
import torch
from torch import nn

from goodinit import audit


def test_a_built_model_is_judged_by_its_values():
    model = nn.Linear(3, 2)
    with torch.no_grad():
        model.bias[0] = float("nan")
    found = audit(model)
    assert [(each.code, each.where) for each in found.findings] == [("not-finite", "bias")]
    assert "only its values" in found.note


def codes(found):
    return [(each.code, each.where, each.severity) for each in found.findings]


def spoiled(change):
    """A factory whose values are changed behind the recorder's back, as a wrong kernel would."""

    def make():
        layer = nn.Linear(200, 100)
        nn.init.trunc_normal_(layer.weight, std=0.02, a=-0.06, b=0.06)
        if not layer.weight.is_meta:
            with torch._C._DisableTorchDispatch():
                change(layer.weight.data)
        return layer

    return make


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda w: w[3, 5].fill_(50.0), "outliers"),
        (lambda w: w.mul_(0.9), "off-its-law"),
        (lambda w: w.mul_(0.9).add_(0.002), "off-its-law"),
        (lambda w: w.fill_(0.02), "constant-values"),
        (lambda w: w[0, 0].fill_(float("nan")), "not-finite"),
    ],
)
def test_values_that_are_not_those_of_their_writes(change, code):
    found = audit(spoiled(change))
    assert codes(found) == [(code, "weight", "severe")]
    assert found.complete
    assert not found.sound
    assert audit(spoiled(lambda w: None)).findings == ()


def test_copies_of_a_layer_start_alike():
    """PyTorch's TransformerEncoder copies the layer that it is given, values and all."""
    layer = nn.TransformerEncoderLayer(8, 2, 16)
    found = audit(lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16), 3, enable_nested_tensor=False))
    same = [name for code, name, severity in codes(found) if (code, severity) == ("identical-values", "warning")]
    assert same == [f"layers.0.{name}" for name, p in layer.named_parameters() if p.dim() > 1]
    assert found.findings[-1].values == {"others": ["layers.1.linear2.weight", "layers.2.linear2.weight"]}
    assert found.sound
    assert codes(audit(nn.TransformerEncoder(layer, 3, enable_nested_tensor=False))) == codes(found)


def test_values_of_a_built_model_whose_writes_are_not_known():
    model = nn.Sequential(nn.Linear(40, 40), nn.Linear(40, 40), nn.Linear(40, 1))
    with torch.no_grad():
        model[0].weight.fill_(0.1)
        model[1].weight[0, 0] = 1e3
    assert codes(audit(model)) == [("constant-values", "0.weight", "warning"), ("outliers", "1.weight", "warning")]
    assert audit(torch.compile(nn.Linear(3, 2), backend="eager")).model == "Linear"
    assert [each.name for each in audit(lambda: torch.compile(nn.Linear(3, 2), backend="eager"))] == ["weight", "bias"]
