"""Losses of a person's own for a study's models and networks: by a file, an installed package, or as a function."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import goodinit
from goodinit import GoodinitError, initializers
from goodinit.cli import app
from goodinit.comparison.design import design
from goodinit.networks import stack
from goodinit.streams import KeyedStream
from goodinit.training import backward, forward, loss

torch = pytest.importorskip("torch")

CODE = """
import torch
from torch import nn
from torch.nn import functional


def make():
    return nn.Sequential(nn.Linear(64, 12), nn.ReLU(), nn.Linear(12, 10))


def wave():
    return nn.Sequential(nn.Linear(1, 12), nn.Tanh(), nn.Linear(12, 1))


def same(outputs, targets):
    return functional.cross_entropy(outputs, targets)


def binary(outputs, targets):
    return functional.binary_cross_entropy_with_logits(outputs[:, 0], targets.to(outputs.dtype))


def squares(outputs, targets):
    return functional.mse_loss(outputs[:, 0], targets.to(outputs.dtype))


def smooth(outputs, targets, by=0.1):
    return functional.cross_entropy(outputs, targets, label_smoothing=by)


def huber(outputs, targets):
    return functional.huber_loss(outputs[:, 0], targets.to(outputs.dtype), delta=0.1)


class Weighted(nn.Module):
    def __init__(self, factor=2.0):
        super().__init__()
        self.factor = factor

    def forward(self, outputs, targets):
        return self.factor * functional.cross_entropy(outputs, targets)


def each(outputs, targets):
    return functional.cross_entropy(outputs, targets, reduction="none")


def number(outputs, targets):
    return 3.0


def fails(outputs, targets):
    raise ValueError("no")


def nothing(outputs, targets):
    return 0 * outputs.sum()
"""


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(CODE)
    return tmp_path


def compared(loss, **options):
    told = {"model": "mine.py:make", "data": "digits", "steps": 20, "seeds": [0, 1], **options}
    return goodinit.compare(["default"], loss=loss, **told)


def test_a_loss_of_a_file_is_trained_with():
    usual, same, smooth = (compared(loss) for loss in (None, "mine.py:same", "mine.py:smooth(by=0.3)"))
    for one, other in zip(usual.trials, same.trials, strict=True):
        assert (one.loss_values, one.test_loss, one.test_score) == (
            other.loss_values,
            other.test_loss,
            other.test_score,
        )
    assert smooth.trials[0].loss_values != usual.trials[0].loss_values
    assert len({each.study.tasks[0].identity for each in (usual, same, smooth)}) == 3
    assert smooth.study.tasks[0].chance_loss == pytest.approx(usual.study.tasks[0].chance_loss)  # of equal scores
    assert "loss mine.py:smooth(by=0.3)" in str(smooth)
    assert 'loss = "mine.py:smooth(by=0.3)"' in smooth.rerun.toml
    assert "the loss mine.py:smooth(by=0.3)" in smooth.report_html()


def test_a_class_and_a_function_of_python():
    def third(outputs, targets):
        return torch.nn.functional.cross_entropy(outputs, targets) / 3

    twice = compared("mine.py:Weighted(factor=2)", optimizer="gradient_descent", learning_rate=0.01)
    plain = compared(None, optimizer="gradient_descent", learning_rate=0.02)
    assert twice.trials[0].final_loss == pytest.approx(2 * plain.trials[0].final_loss, rel=1e-4)
    assert twice.study.tasks[0].chance_loss == pytest.approx(2 * plain.study.tasks[0].chance_loss)
    found = compared(third)
    assert found.study.tasks[0].chance_loss == pytest.approx(plain.study.tasks[0].chance_loss / 3)
    assert found.rerun.command is None
    assert "third" in str(found)


def test_numbers_to_predict_with_a_loss_of_ones_own():
    found = compared("mine.py:huber", model="mine.py:wave", data="wave", steps=600, learning_rate=0.03)
    assert all(trial.score_name == "r2" and trial.test_score > 0.2 for trial in found.trials)


def test_an_edited_loss_is_another_task(here):
    compared("mine.py:smooth", study=here / "a.db")
    before = design("default", model="mine.py:make", data="digits", loss="mine.py:smooth").tasks[0].identity
    (here / "mine.py").write_text(CODE.replace("label_smoothing=by", "label_smoothing=by / 2"))
    assert design("default", model="mine.py:make", data="digits", loss="mine.py:smooth").tasks[0].identity != before
    with pytest.raises(GoodinitError, match="use another file for this task"):
        compared("mine.py:smooth", study=here / "a.db")


def test_the_command():
    line = ["compare", "--model", "mine.py:make", "--data", "digits", "--loss", "mine.py:smooth", "--init", "default"]
    done = CliRunner().invoke(app, [*line, "--steps", "5", "--seed", "0", "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["task"]["own_loss"][0] == "mine.py:smooth"


def test_an_installed_package_names_losses(here, monkeypatch):
    info = here / "theirs-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[goodinit.losses]\nsoft = their_losses:smooth\n")
    (here / "their_losses.py").write_text(Path("mine.py").read_text())
    monkeypatch.syspath_prepend(str(here))
    assert compared("soft").trials[0].loss_values == compared("mine.py:smooth").trials[0].loss_values
    with pytest.raises(GoodinitError, match="loss 'softer' is not known"):
        compared("softer")


@pytest.mark.parametrize(
    ("loss", "options", "message"),
    [
        ("mine.py:each", {}, r"gave \(32,\) for the first outputs; it must give one number"),
        ("mine.py:number", {}, "it must give one number"),
        ("mine.py:fails", {}, "ValueError: no"),
        ("mine.py:nothing", {}, "is 0 for a guess; it must be above 0"),
        ("mine.py:smooth(with=1)", {}, "unexpected keyword argument 'with'"),
        ("mine.py:Weighted(size=1)", {}, "unexpected keyword argument 'size'"),
        ("mine.py:gone", {}, "has no function gone"),
        ("cross_entrop", {}, "is not known"),
    ],
)
def test_what_cannot_be_used_is_said_before(loss, options, message):
    with pytest.raises(GoodinitError, match=message):
        compared(loss, **options)


def trained(loss=None, init="he_normal", **options):
    told = {"steps": 30, "seeds": [0, 1], "stream": "keyed", "learning_rate": 0.1, **options}
    return goodinit.compare([init], loss=loss, **told)


@pytest.mark.parametrize("engine", ["auto", "reference", "torch"])
@pytest.mark.parametrize(("data", "loss"), [("circles", "binary"), ("digits", "same"), ("wave", "squares")])
def test_a_network_is_trained_with_a_loss_of_a_file(data, loss, engine):
    options = {"data": data, "batch_size": 50, "early_stopping": 100}
    own, usual = trained(f"mine.py:{loss}", engine=engine, **options), trained(engine=engine, **options)
    assert {trial.origin.engine for trial in own.trials} == {"reference" if engine == "auto" else engine}
    for one, other in zip(own.trials, usual.trials, strict=True):
        assert one.loss_values == pytest.approx(other.loss_values, rel=1e-9)
        assert one.test_loss == pytest.approx(other.test_loss, rel=1e-9)
        assert one.test_score == other.test_score or data == "wave"
        assert one.findings == other.findings
    (task,), (plain,) = own.study.tasks, usual.study.tasks
    assert task.identity != plain.identity
    assert task.chance_loss == pytest.approx(plain.chance_loss)
    assert f"loss mine.py:{loss}" in str(own)
    assert f"loss mine.py:{loss}" in own.report_html()
    assert f"--loss mine.py:{loss}" in own.rerun.command


def test_a_networks_gradient_is_that_of_the_loss():
    network = design("zeros", data="wave", loss="mine.py:huber").tasks[0].mlp
    start = stack([network.parameters(initializers.get("lecun_normal"), KeyedStream(seed)) for seed in (0, 1)])
    X, Y = (KeyedStream(2).normal(name, 0, 20).reshape(1, 20) for name in ("X", "Y"))
    gradients = backward(network, start, *forward(network, start, X), Y)
    for name, place in (("W1", (3, 0)), ("b1", (2, 0)), ("W2", (1, 4))):
        lower, upper = ({k: v.copy() for k, v in start.items()} for _ in range(2))
        lower[name][(slice(None), *place)] -= 1e-6
        upper[name][(slice(None), *place)] += 1e-6
        change = loss(network, forward(network, upper, X)[0][-1], Y) - loss(
            network, forward(network, lower, X)[0][-1], Y
        )
        np.testing.assert_allclose(gradients[name][(slice(None), *place)], change / 2e-6, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"loss": "mine.py:gone"}, "has no function gone"),
        ({"loss": "mine.py:fails"}, "loss mine.py:fails: ValueError: no"),
        ({"loss": "mine.py:number"}, "gave '3.0' for the first outputs; it must give one number"),
        ({"loss": "mine.py:nothing"}, "is 0 for a guess; it must be above 0"),
        ({"loss": "mine.py:binary", "engine": "lanes"}, "one of your own: the lanes engine cannot compute it"),
    ],
)
def test_what_a_network_cannot_be_trained_with_is_said(told, message):
    with pytest.raises(GoodinitError, match=message):
        trained(**told)


def test_a_networks_loss_in_float32_and_for_a_method_that_measures():
    (trial, _) = trained("mine.py:binary", dtype="float32").trials
    assert trial.origin.engine == "torch"
    assert trial.loss_values == pytest.approx(trained(dtype="float32", engine="torch").trials[0].loss_values, rel=1e-4)
    assert trained("mine.py:binary", init="metainit(steps=3)", steps=5).trials[0].failure is None


def test_an_edited_loss_is_another_task_of_a_network(here):
    first = trained("mine.py:binary", study=here / "a.db")
    assert trained("mine.py:binary", study=here / "a.db").trials == first.trials
    (here / "mine.py").write_text(
        CODE.replace("binary_cross_entropy_with_logits(", "binary_cross_entropy_with_logits( ")
    )
    with pytest.raises(GoodinitError, match="use another file for this task"):
        trained("mine.py:binary", study=here / "a.db")
