"""Remedies are tried before they are shown, and faults of code are shown with their line."""

import copy
import importlib
import json
from pathlib import Path

import pytest
import torch
from checkup_models import Encoder, batch, fill, he, mlp
from torch import nn
from torch.nn import functional

import goodinit
from goodinit.findings import Finding, RemedyEffect

X, Y = batch()
cross_entropy = functional.cross_entropy


def large_head():
    model = fill(mlp(6), he)
    with torch.no_grad():
        model[-1].weight.mul_(100)
    return model


class Softmax(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = fill(mlp(3), he)

    def forward(self, x):
        return functional.softmax(self.body(x), 1)  # the fault


class Cut(Softmax):
    def forward(self, x):
        with torch.no_grad():
            x = self.body[:2](x)
        return self.body[2:](x)


def found(model, inputs=X, targets=Y, loss=cross_entropy, **options):
    return {each.code: each for each in goodinit.check(model, inputs, targets, loss=loss, **options).findings}


def test_what_a_remedy_did_is_told_and_is_what_it_does():
    model = large_head()
    finding = found(model)["output-saturated"]
    mended = copy.deepcopy(model)
    exec(finding.remedy, {"model": mended, "torch": torch, "goodinit": goodinit, "inputs": X})
    losses = [float(cross_entropy(each(X), Y).detach()) for each in (model, mended)]
    assert finding.effect == RemedyEffect(
        True, None, pytest.approx(losses[0], rel=1e-5), pytest.approx(losses[1], rel=1e-5)
    )
    assert losses[1] < 3 < losses[0]
    facts = json.loads(json.dumps(finding.to_dict()))
    assert Finding.from_dict(facts) == finding
    assert facts["effect"]["gone"] is True
    assert facts["effect"]["message"].startswith("tried: the finding is gone, first loss ")
    assert finding.effect.text("zh").startswith("已试")
    assert finding.effect.text("en") in str(goodinit.check(model, X, Y, loss=cross_entropy))
    untried = found(model, remedies=False)["output-saturated"]
    assert untried.effect is None
    assert untried.remedy == finding.remedy


def test_a_remedy_that_does_not_help_or_brings_something_severe_is_not_shown(monkeypatch):
    rules = importlib.import_module("goodinit.checkup.model_findings")

    def humming(start):
        yield Finding("unused-parameter", "warning", None, {"names": ["a"]}, remedy="targets = targets.clone()")

    def buzzing(start):
        if start.layers[-1].signal.rms < 1e3:
            yield Finding("zero-start", "warning", None, {"names": ["a"]}, remedy="inputs = inputs * 1e9")

    monkeypatch.setattr(rules, "RULES", (*rules.RULES, humming, buzzing))
    findings = found(fill(mlp(3), he))
    for code in ("unused-parameter", "zero-start"):
        assert findings[code].remedy == ""
        assert findings[code].effect == RemedyEffect(False)


def test_a_remedy_that_leaves_something_milder_says_so():
    effect = RemedyEffect(False, "warning", 11.1, 2.4)
    assert effect.text("en") == "tried: a warning is left of it, first loss 11.1 -> 2.4"
    assert RemedyEffect(True).text("en") == "tried: the finding is gone"


def test_faults_of_code_are_shown_with_their_line():
    source = Path(__file__).read_text(encoding="utf-8").splitlines()
    softmax = next(number for number, line in enumerate(source, 1) if "# the fault" in line)
    finding = found(Softmax())["probabilities-as-scores"]
    assert finding.remedy == ""
    assert finding.values["line"].startswith(f"{Path(__file__).name}:{softmax}: return functional.softmax(")
    assert finding.change().endswith(finding.values["line"])
    assert finding.values["line"] in finding.change("zh")
    assert finding.to_dict()["change"] == finding.change()
    in_module = found(nn.Sequential(nn.Linear(64, 10), nn.Softmax(1)))["probabilities-as-scores"]
    assert "model.1, a Softmax" in in_module.change()
    cut = found(Cut())["no-gradient"]
    assert "x = self.body[:2](x)" in cut.change()


def test_the_model_is_as_it_was_after_all_that_was_tried():
    torch.manual_seed(0)
    norms = nn.Sequential(nn.Linear(64, 64), nn.BatchNorm1d(64), nn.Dropout(0.9), nn.ReLU(), nn.Linear(64, 10))
    norms[1].running_mean.fill_(50)
    norms[0].weight.requires_grad_(False)
    norms.eval()
    for model, inputs in ((norms, X), (large_head(), 1000 * X), (Encoder(copies=True), torch.randn(64, 6, 16))):
        state = copy.deepcopy(model.state_dict())
        modes = [(module.training, getattr(module, "p", None)) for module in model.modules()]
        trained = [parameter.requires_grad for parameter in model.parameters()]
        randoms, given = torch.get_rng_state(), inputs.clone()
        findings = goodinit.check(model, inputs, Y, loss=cross_entropy).findings
        assert any(finding.effect for finding in findings)
        assert torch.equal(torch.get_rng_state(), randoms)
        assert torch.equal(inputs, given)
        assert [(module.training, getattr(module, "p", None)) for module in model.modules()] == modes
        assert [parameter.requires_grad for parameter in model.parameters()] == trained
        for name, values in model.state_dict().items():
            assert torch.equal(values, state[name]), name
