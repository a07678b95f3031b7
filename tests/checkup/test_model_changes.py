"""What differs between two checkups is told, and CI fails where a start got worse."""

import json

import pytest
import torch
from checkup_models import batch, fill, he, mlp
from torch import nn
from torch.nn import functional
from typer.testing import CliRunner

import goodinit
from goodinit import cli

X, Y = batch()
FACTORY = """
import torch
from torch import nn
HEAD, EXTRA = {head}, {extra}

def make():
    torch.manual_seed(0)
    layers = [nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 3)] + ([nn.Linear(3, 3)] if EXTRA else [])
    model = nn.Sequential(*layers)
    with torch.no_grad():
        model[2].weight.mul_(HEAD)
    return model, torch.randn(64, 20), torch.randint(0, 3, (64,)), nn.functional.cross_entropy
"""


def checked(model):
    return goodinit.check(model, X, Y, loss=functional.cross_entropy, remedies=False)


def test_two_models_of_a_family():
    one, other = (fill(mlp(3), he) for _ in range(2))
    with torch.no_grad():
        other[2].weight.mul_(3)
    found = {name: (old, new) for name, old, new in checked(one).beside(checked(other)).changes}
    old, new = (float(number) for number in found["2, weight std"])
    assert new / old == pytest.approx(3, rel=0.01)
    assert "0, weight std" not in found
    assert "4, output rms" in found
    assert not checked(one).beside(checked(one))
    deeper = checked(one).beside(checked(fill(mlp(4), he)))
    assert ("layer 6", None, "linear") in deeper.changes


def test_json_holds_all_that_is_compared():
    checkup = checked(fill(mlp(3), lambda weight: nn.init.normal_(weight, std=10)))
    assert not checkup.since(json.loads(checkup.to_json()))
    healthy = checked(fill(mlp(3), he))
    changes = checkup.since(json.loads(healthy.to_json())).changes
    assert any(name.startswith("finding output-saturated") and old is None for name, old, _ in changes)
    assert checkup.since(json.loads(healthy.to_json())) == healthy.beside(checkup)


def test_ci_fails_where_a_start_got_worse_and_accepts_what_is_known(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = CliRunner().invoke

    def check(name, head, extra=False):
        (tmp_path / f"{name}.py").write_text(FACTORY.format(head=head, extra=extra))
        return run(cli.app, ["check", f"{name}.py:make", "--baseline", "kept.json", "--no-remedies"])

    first = check("sick", 300.0)
    assert first.exit_code == 1
    assert "output-saturated" in first.output
    again = check("known", 300.0)
    assert (again.exit_code, again.output.strip()) == (0, "Nothing changed.")
    better = check("better", 1.0)
    assert better.exit_code == 0
    assert "finding output-saturated in 2: severe -> absent" in better.output
    (tmp_path / "kept.json").unlink()
    assert check("good", 1.0).exit_code == 0
    worse = check("worse", 300.0)
    assert worse.exit_code == 1
    assert "absent -> severe" in worse.output
    assert "layer 3: absent -> linear" in check("deeper", 1.0, extra=True).output
    (tmp_path / "kept.json").write_text("[1]")
    broken = check("other", 1.0)
    assert isinstance(broken.exception, goodinit.GoodinitError)
    assert "no checkup" in str(broken.exception)
