"""A person's own model as a task of `compare`: trained right, kept, resumed, and known by its source."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import goodinit
from goodinit import GoodinitError, activations, comparison, initializers
from goodinit.cli import app
from goodinit.datasets import load
from goodinit.factories import load_factory
from goodinit.networks import MLP, stack
from goodinit.pytorch.loop import TORCH_OPTIMIZERS, score_of, train_model
from goodinit.streams import KeyedStream
from goodinit.training import Schedule, batches, r_squared, train

COSINE = {"learning_rate_schedule": "cosine", "warmup": 7}


@pytest.mark.parametrize("options", [{}, {"weight_decay": 0.3}, COSINE, {"gradient_clipping": 0.05}], ids=str)
@pytest.mark.parametrize("optimizer", ["gradient_descent", "momentum", "adam"])
def test_the_loop_is_the_textbooks_training(optimizer: str, options: dict[str, Any]) -> None:
    """The same network by the NumPy engine, which is held against the published experiment elsewhere."""
    data = load("moons", seed=1)
    network = MLP((2, 8, 1), activations.get("tanh"), "binary_cross_entropy")
    start = network.parameters(initializers.get("glorot_normal"), KeyedStream(0))
    schedule = Schedule(optimizer, 0.05, steps=60, batch_size=32, record_every=10, **options)
    order = batches(300, schedule, KeyedStream(0))
    expected = train(network, stack([start]), data.X_train.T, data.targets, schedule, order, engine="reference")
    model = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1)).double()
    with torch.no_grad():
        for number, layer in ((1, model[0]), (2, model[2])):
            layer.weight.copy_(torch.from_numpy(start[f"W{number}"]))
            layer.bias.copy_(torch.from_numpy(start[f"b{number}"][:, 0]))
    X, y = torch.from_numpy(data.X_train), torch.from_numpy(data.y_train)
    run = train_model(
        model,
        X,
        y,
        "binary_cross_entropy",
        optimizer=optimizer,
        learning_rate=0.05,
        steps=60,
        record_every=10,
        batches=batches(300, schedule, KeyedStream(0)),
        factor=schedule.factor,
        clipping=schedule.gradient_clipping,
        weight_decay=schedule.weight_decay,
    )
    assert run.losses == pytest.approx(expected.losses[0].tolist(), rel=1e-7)
    assert run.final_loss == pytest.approx(float(expected.final_loss[0]), rel=1e-7)
    assert run.diverged_by is None


def test_adamw_decays_by_the_rate_and_a_hundredth() -> None:
    parameter = nn.Parameter(torch.tensor([2.0, -1.0]))
    update = TORCH_OPTIMIZERS["adamw"]([parameter], 0.1)
    parameter.grad = torch.zeros(2)
    update.step()
    assert torch.allclose(parameter.detach(), torch.tensor([2.0, -1.0]) * (1 - 0.1 * 0.01))


def test_a_weight_decay_takes_the_place_of_adamws_own(models: Path) -> None:
    found = {
        decay: run(init=["default"], seeds=[0], optimizer="adamw", learning_rate=0.05, steps=40, weight_decay=decay)
        for decay in (None, 0.01, 2.0)
    }
    plain, same, other = (each.trials[0].final_loss for each in found.values())
    assert same == plain
    assert other > plain + 0.01
    assert found[0.01].study.tasks[0].identity == found[None].study.tasks[0].identity
    assert "weight decay 2" in str(found[2.0])


def test_scores_are_those_of_scikit_learn() -> None:
    from sklearn.metrics import accuracy_score, r2_score

    rng = np.random.default_rng(0)
    logits, y, numbers = rng.normal(size=(50, 3)), rng.integers(0, 3, 50), rng.normal(size=50)
    outputs = torch.from_numpy(logits)
    assert score_of("cross_entropy", outputs, torch.from_numpy(y)) == accuracy_score(y, logits.argmax(1))
    assert score_of("binary_cross_entropy", outputs, torch.from_numpy(y % 2)) == accuracy_score(y % 2, logits[:, 0] > 0)
    found = score_of("squared_error", outputs, torch.from_numpy(numbers))
    assert found == pytest.approx(r2_score(numbers, logits[:, 0]))


@pytest.mark.parametrize("guess", [2.0, 3.0, float("inf"), float("nan")])
@pytest.mark.parametrize("constant", [2.0, 0.1])
def test_r_squared_of_equal_targets_is_the_same_for_models_and_networks(guess: float, constant: float) -> None:
    guess = constant if guess == 2.0 else guess
    y = np.full(7, constant)
    network = MLP((1, 1), activations.get("linear"), "squared_error")
    ours = r_squared(network, {"W1": np.zeros((1, 1)), "b1": np.full((1, 1), guess)}, np.ones((1, 7)), y)
    models = score_of("squared_error", torch.full((7, 1), guess, dtype=torch.float64), torch.from_numpy(y))
    assert np.array_equal(ours, models, equal_nan=True)
    assert np.isnan(models) if not np.isfinite(guess) else models == float(guess == constant)  # scikit-learn's 1 and 0


SOURCE = """
import numpy as np
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(2, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Dropout(0.1), nn.Linear(width, 2)
        )

    def forward(self, x):
        return {"logits": self.layers(x)}

def make():
    return Net(WIDTH)

def with_data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 1, 4, 4))
    y = (X.mean(axis=(1, 2, 3)) > 0).astype(int)
    return nn.Sequential(nn.Flatten(), nn.LazyLinear(8), nn.Tanh(), nn.Linear(8, 1)), (X[:60], y[:60], X[60:], y[60:])

def broken():
    raise ArithmeticError("no such width")

def number():
    return 3

def three():
    return nn.Linear(2, 3)
"""


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a module of models, which is the current one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    write(tmp_path, 8)
    return tmp_path


def write(folder: Path, width: int, activation: str = "ReLU") -> None:
    (folder / "mine.py").write_text(SOURCE.replace("WIDTH", str(width)).replace("ReLU", activation))
    sys.modules.pop("mine", None)


def run(**options):  # type: ignore[no-untyped-def]
    given = {"model": "mine.py:make", "data": "moons", "steps": 40, "learning_rate": 0.01, "seeds": "0-1"}
    return goodinit.compare(**{**given, **options})


def test_trials_are_paired_repeatable_and_leave_torch_alone(models: Path) -> None:
    before = torch.get_rng_state()
    first = run()
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(7)
    again = run(seeds="1,0")
    assert [trial.name for trial in first.trials] == ["default", "he_normal"] * 2
    there = {trial.place: trial for trial in again.trials}
    for trial in first.trials:
        duplicate = there[trial.place]
        assert (trial.loss_values, trial.final_loss, trial.why) == (
            duplicate.loss_values,
            duplicate.final_loss,
            duplicate.why,
        )
    assert len({trial.final_loss for trial in first.trials}) == 4
    facts = first.to_dict()["task"]
    assert facts["model"] == "mine.py:make"
    assert facts["optimizer"] == "adam"


def test_the_start_is_that_of_initialize(models: Path) -> None:
    """The recorded first loss is the one of a model that was initialized by hand on the same data."""
    (trial,) = run(init="glorot_uniform", seeds=[3]).trials
    sys.path.insert(0, str(models))
    import mine  # type: ignore[import-not-found]

    data = load("moons", seed=3)
    X, y = torch.from_numpy(data.X_train).float(), torch.from_numpy(data.y_train)
    model = mine.make()
    goodinit.initialize(model, "glorot_uniform", seed=3, inputs=X[:32])
    loss = nn.functional.cross_entropy(model.eval()(X)["logits"], y)
    assert trial.loss_values[0] == pytest.approx(loss.item(), rel=1e-6)


def test_a_study_goes_on_and_refuses_a_changed_model(models: Path) -> None:
    path = models / "study.db"
    first = run(study=path)
    stored = goodinit.open_study(path).trials
    more = run(study=path, seeds="0-2")
    assert len(more.trials) == 6
    kept = {trial.place: trial for trial in stored}
    assert all(kept[trial.place] == trial for trial in more.trials if trial.place in kept)
    assert len(first.trials) == len(stored) == 4
    write(models, 9)
    with pytest.raises(GoodinitError, match="fingerprint"):
        run(study=path)
    write(models, 8, "ELU")
    with pytest.raises(GoodinitError, match="fingerprint"):  # the same shapes, another function
        run(study=path)


def test_a_module_of_the_same_name_elsewhere_is_another(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that has imported `mine` gets the `mine` of the folder in which it now is, and keeps its own."""
    other = models / "other"
    other.mkdir()
    (other / "mine.py").write_text("def make():\n    return 'the other'\n")
    here, first = load_factory("mine:make")
    assert load_factory("mine:make")[1] is first
    before = sys.modules["mine"]
    monkeypatch.chdir(other)
    monkeypatch.setattr(sys, "path", [str(other), *sys.path])
    assert load_factory("mine:make")[0] == here
    assert load_factory("mine:make")[1]() == "the other"
    assert sys.modules["mine"] is before
    (models / "packed").mkdir()
    (models / "packed" / "__init__.py").write_text("def make():\n    return 'a package'\n")
    assert load_factory("packed:make")[1]() == "a package"
    (other / "packed.py").write_text("def make():\n    return 'a module'\n")
    assert load_factory("packed:make")[1]() == "a module"
    (other / "packed.py").unlink()
    (models / "packed").rename(other / "packed")
    with pytest.raises(GoodinitError, match="this process has imported packed from"):
        load_factory("packed:make")


def test_an_edited_file_runs_anew(models: Path) -> None:
    (models / "edited.py").write_text("def make():\n    return 1\n")
    assert load_factory("edited.py:make")[1]() == 1
    (models / "edited.py").write_text("def make():\n    return 2\n")
    assert load_factory("edited.py:make")[1]() == 2


def test_a_factory_may_bring_its_data_and_a_lazy_model(models: Path) -> None:
    result = run(model="mine:with_data", data=None, init=["default", "orthogonal"], optimizer="adamw", steps=100)
    assert {trial.test_accuracy > 0.6 for trial in result.trials} == {True}
    assert result.to_dict()["task"]["data"]["train_examples"] == 60


def test_divergence_is_an_outcome_and_zeros_are_found(models: Path) -> None:
    trials = {trial.name: trial for trial in run(init=["he_normal"], learning_rate=1e30, seeds=[0]).trials}
    assert trials["he_normal"].diverged
    assert trials["he_normal"].diverged_by is not None
    (zeros,) = run(init=["zeros"], seeds=[0]).trials
    assert any(finding.severity == "severe" for finding in zeros.findings)
    assert not zeros.diverged


def test_a_model_made_in_python_and_its_report(models: Path, tmp_path: Path) -> None:
    def small() -> nn.Module:
        return nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 1))

    result = run(model=small, init=["default", "he_normal", "zeros"], seeds="0-3")
    page = result.report(tmp_path / "page.html").read_text()
    assert "the model" in page
    assert "33 parameters" in page
    assert "learned" in str(result)
    assert {file.name for file in result.save(tmp_path / "out").iterdir()} == {"loss.png", "result.json"}
    again = run(model="mine.py:make", init=["zeros"], seeds=[0]).rerun
    assert again.toml is not None
    assert 'model = "mine.py:make"' in again.toml
    (tmp_path / "study.toml").write_text(again.toml)
    repeated = goodinit.compare(**comparison.load_study(tmp_path / "study.toml"))
    assert repeated.study.tasks[0].identity == run(init=["zeros"], seeds=[0]).study.tasks[0].identity


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": "mine.py:mke"}, "has no function mke; it has make"),
        ({"model": "mine.py"}, "write MODULE:FUNCTION"),
        ({"model": "no_such_module:make"}, "No module named"),
        ({"model": "none.py:make"}, "there is no file"),
        ({"model": "mine.py:broken"}, "ArithmeticError: no such width"),
        ({"model": "mine.py:number"}, "must give a new torch"),
        ({"model": "mine.py:three"}, "2 classes need 2 outputs"),
        ({"model": 3}, "give a function"),
        ({"data": None}, "without data"),
        ({"data": "digits"}, r"cannot be run on inputs of shape .* from digits: RuntimeError: mat1 and mat2 shapes"),
        ({"widths": [3]}, "a model has its own"),
        ({"init": "delta_orthogonal"}, "cannot be filled"),
        ({"device": "nowhere"}, "cannot be used"),
        ({"model": None, "init": "default"}, "goes with a model"),
    ],
)
def test_what_cannot_be_trained_is_said_before(models: Path, options, message: str) -> None:
    with pytest.raises(GoodinitError, match=message):
        run(**options)


def test_the_command(models: Path) -> None:
    from typer.testing import CliRunner

    done = CliRunner().invoke(
        app,
        ["compare", "--model", "mine.py:make", "--data", "moons", "--steps", "20", "--seed", "0", "--json", "--quiet"],
    )
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout)
    assert [trial["initialization"] for trial in result["trials"]] == ["default", "he_normal"]
    assert math.isfinite(result["trials"][0]["final_loss"])
