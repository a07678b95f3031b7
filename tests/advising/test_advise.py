"""Advice: what a structure makes sound, in the order of what was measured, and nothing that cannot be applied."""

import json
import sys
from pathlib import Path

import pytest
import torch
from torch import nn
from typer.testing import CliRunner

import goodinit
from goodinit import methods
from goodinit.advising.evidence import evidence
from goodinit.cli import app
from goodinit.errors import GoodinitError
from goodinit.methods.traits import KINDS, traits
from goodinit.pytorch import read_structure

EXAMPLES = Path(__file__).parents[2] / "examples" / "advice"
BATCH = torch.randn(32, 64, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def models():
    sys.path.insert(0, str(EXAMPLES))
    try:
        from models import MODELS

        return MODELS
    finally:
        sys.path.remove(str(EXAMPLES))


def test_each_model_is_of_the_structure_that_it_stands_for(models):
    assert set(models) <= set(KINDS)
    torch.manual_seed(0)
    seen = {name: traits(read_structure(make(), BATCH)).kind for name, make in models.items()}
    assert seen == {name: name for name in models}


@pytest.fixture(scope="module")
def advices(models):
    torch.manual_seed(0)
    chosen = ("shallow", "plain relu", "residual", "transformer, norms before")
    return {name: goodinit.advise(models[name](), BATCH) for name in chosen}


def test_options_can_be_applied_and_come_in_the_order_of_the_evidence(models, advices):
    for name, advice in advices.items():
        assert len(advice.options) >= 2, name
        known = evidence(name).accuracies
        accuracies = [each.accuracy for each in advice.options if each.accuracy is not None]
        assert accuracies == sorted(accuracies, reverse=True)
        for each in advice.options:
            assert str(methods.get(each.init)) == each.init
            assert each.reason
            assert each.accuracy == known.get(each.init)
            if each.accuracy is not None:
                assert f"{each.accuracy:.3f}" in each.evidence
        goodinit.initialize(models[name](), advice.options[0].init, seed=0, inputs=BATCH)


def test_the_docs_have_the_evidence():
    docs = (EXAMPLES.parents[1] / "docs" / "advise.md").read_text(encoding="utf-8")
    kinds = [kind for kind in KINDS if evidence(kind).accuracies]
    assert {"plain relu", "residual"} <= set(kinds)
    for kind in kinds:
        row = next(line for line in docs.splitlines() if line.startswith(f"| {kind} |"))
        assert all(f"`{init}` {accuracy:.3f}" in row for init, accuracy in evidence(kind).accuracies.items())


def test_a_start_that_is_at_fault_is_no_option(advices):
    deep = advices["plain relu"]  # twenty layers from PyTorch's own start, which vanishes
    assert not deep.healthy
    assert "default" not in [each.init for each in deep.options]
    assert "Its own start: " in str(deep)
    assert "default" in [each.init for each in advices["transformer, norms before"].options]


def test_the_model_is_left_as_it_was(models):
    model = models["residual with norms"]().train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state = torch.get_rng_state()
    goodinit.advise(model, BATCH, torch.zeros(32, dtype=torch.long), loss=nn.functional.cross_entropy)
    assert torch.equal(torch.get_rng_state(), state)
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_the_command_says_the_same(tmp_path: Path):
    source = "import torch\nfrom torch import nn\n\ndef make():\n    layers = [nn.Linear(8, 8), nn.Tanh()] * 1\n"
    source += "    return nn.Sequential(*layers, nn.Linear(8, 2)), torch.randn(16, 8)\n"
    (tmp_path / "mine.py").write_text(source)
    found = CliRunner().invoke(app, ["advise", f"{tmp_path / 'mine.py'}:make", "--json"])
    assert found.exit_code == 0
    facts = json.loads(found.stdout)
    assert facts["kind"] == "shallow"
    assert facts["options"][0].keys() == {"init", "reason", "evidence", "accuracy"}
    printed = CliRunner().invoke(app, ["advise", f"{tmp_path / 'mine.py'}:make"]).stdout
    assert f'goodinit.initialize(model, "{facts["options"][0]["init"]}"' in printed
    with pytest.raises(GoodinitError, match="cannot be run on these inputs"):
        goodinit.advise(nn.Linear(3, 2), torch.ones(2, 5))


def test_where_nothing_was_measured_a_sound_start_of_its_own_comes_first(models, monkeypatch):
    from goodinit.advising import run
    from goodinit.advising.evidence import MeasuredStarts

    monkeypatch.setattr(run, "evidence", lambda kind: MeasuredStarts(kind, "", {}))
    torch.manual_seed(0)
    options = [each.init for each in goodinit.advise(models["residual with norms"](), BATCH).options]
    assert options[0] == "default"
    assert len(options) > 1
    warned = models["residual with norms"]()
    warned.spare = nn.Parameter(torch.ones(3, 3))  # which takes no part
    advice = goodinit.advise(warned, BATCH, torch.arange(32) % 10, loss=nn.functional.cross_entropy)
    assert ("unused-parameter", "warning") in {(each.code, each.severity) for each in advice.findings}
    options = [each.init for each in advice.options]
    assert options[0] != "default"
    assert "default" in options


@pytest.mark.parametrize("own", ["siren", "he_normal"])
def test_a_network_of_sines_is_not_judged_by_one_of_relus(own: str) -> None:
    class Sine(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.sin(30 * x)

    layers = [layer for width in (2, 64, 64) for layer in (nn.Linear(width, 64), Sine())]
    model, inputs = nn.Sequential(*layers, nn.Linear(64, 1)), torch.rand(128, 2) * 2 - 1
    goodinit.initialize(model, own, seed=0, inputs=inputs)
    advice = goodinit.advise(model, inputs)
    assert advice.kind == "sines"
    named = [each.init for each in advice.options]
    assert named[: named.index("siren")] in ([], ["default"])
    assert "orthogonal" not in named


def test_a_start_that_cannot_fill_the_model_is_left_out_with_the_reason():
    """`looks_linear` mirrors halves, which 13 inputs do not have."""
    layers = [layer for _ in range(10) for layer in (torch.nn.Linear(16, 16), torch.nn.ReLU())]
    for inputs, fits in ((12, True), (13, False)):
        model = torch.nn.Sequential(torch.nn.Linear(inputs, 16), torch.nn.ReLU(), *layers, torch.nn.Linear(16, 2))
        batch = torch.randn(32, inputs, generator=torch.Generator().manual_seed(0))
        advice = goodinit.advise(model, batch)
        named = [each.init for each in advice.options]
        assert ("looks_linear" in named) is fits
        for init in named:
            goodinit.initialize(model, init, seed=0, inputs=batch)
    assert [init for init, _ in advice.left_out] == ["looks_linear"]
    assert "0.weight: looks_linear cannot fill" in advice.left_out[0][1]
    assert "left out: 0.weight" in str(advice)
