"""Starts of whole networks: one seam for networks and models, and a registry that a new method joins by its file."""

import math
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from typer.testing import CliRunner

import goodinit
from goodinit import activations, comparison, methods, training
from goodinit.cli import app
from goodinit.errors import GoodinitError
from goodinit.initializers import Constant, HeNormal, Scaled
from goodinit.methods import Assignment, Method, Multipliers
from goodinit.networks import MLP
from goodinit.pytorch import read_structure
from goodinit.streams import KeyedStream, as_stream

NETWORK = MLP((2, 6, 4, 1), activations.get("tanh"), "binary_cross_entropy")
FAST = {"steps": 20, "seeds": "0-1", "perturbations": 0, "engine": "reference"}


@dataclass(frozen=True)
class Halved(Method):
    """He's weights, each layer's half of the one's before."""

    name = "halved"
    aliases = ("half",)
    summary = "each layer's weights half as large as those before it"
    formula = "w = he_normal / 2^layer"
    reference = "none"

    factor: float = 0.5

    def prepare(self, structure, probe=None):
        made, layer = [], 0
        for each in structure.parameters:
            if each.role == "weight":
                made.append(Assignment(each.name, Scaled(HeNormal(), self.factor**layer), "its layer"))
                layer += 1
            else:
                made.append(Assignment(each.name, Constant(0.0), "default"))
        return tuple(made)


@pytest.fixture
def halved():
    methods.register(Halved)
    yield Halved
    methods.unregister(Halved)


def test_a_method_is_its_class_and_is_found_wherever_an_initialization_is_named(halved, tmp_path: Path):
    assert "halved" in methods.names()
    shown = CliRunner().invoke(app, ["show"]).stdout
    assert "halved" in shown
    assert "w = he_normal / 2^layer" in CliRunner().invoke(app, ["show", "half"]).stdout
    model = nn.Sequential(nn.Linear(4, 64), nn.Tanh(), nn.Linear(64, 64))
    done = goodinit.initialize(model, "halved(factor=0.25)", seed=0)
    assert done.init == "halved(factor=0.25)"
    he = goodinit.draw(model, "he_normal", seed=0)
    assert torch.equal(goodinit.draw(model, "halved", seed=0)["2.weight"], he["2.weight"] / 2)
    assert torch.equal(model[2].weight, he["2.weight"] / 4)
    (tmp_path / "study.toml").write_text('init = ["half", "he_normal"]\nsteps = 20\nseeds = "0-1"\nperturbations = 0\n')
    result = goodinit.compare(**comparison.load_study(tmp_path / "study.toml"), engine="reference")
    assert [trial.initialization for trial in result.trials[:2]] == ["halved", "he_normal"]
    assert 'init = ["halved", "he_normal"]' in str(result.rerun.toml) or "--init halved" in str(result.rerun.command)


def test_the_docs_list_the_methods():
    docs = (Path(__file__).parents[2] / "docs" / "methods.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^\| `(\w+)` \|", docs, flags=re.MULTILINE)) == methods.names()


@pytest.mark.parametrize("cls", methods.catalogue(), ids=methods.names())
def test_every_method_has_its_facts(cls):
    assert cls.summary
    assert cls.formula
    assert cls.reference
    assert str(methods.get(cls.name)) == cls.name


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("he_norml", "did you mean he_normal"),
        ("residual_scalin", "did you mean residual_scaling"),
        ("mup(width=3)", "method 'mup' has no option 'width'"),
        ("mup(base_width=0)", "must be an integer of at least 1"),
        ("residual_scaling(of=mup)", "initializer 'mup' is not known"),
    ],
)
def test_what_is_not_known_is_told(text, message):
    with pytest.raises(GoodinitError, match=re.escape(message)):
        methods.get(text)


def test_a_name_is_taken_once():
    class Zeros(Halved):
        name = "zeros"

    with pytest.raises(GoodinitError, match="taken"):
        methods.register(Zeros)


@pytest.mark.parametrize("stream", ["keyed", "randomstate"])
def test_an_initializer_on_every_weight_is_what_a_network_starts_from(stream):
    chosen = goodinit.initializers.get("edge_of_chaos(activation=tanh, bias_variance=0.05)")
    start, source = NETWORK.parameters(chosen, as_stream(3, stream)), as_stream(3, stream)
    for layer, weight in enumerate(NETWORK.weights, 1):
        assert np.array_equal(start[f"W{layer}"], chosen.draw(weight, source))
        drawn = chosen.bias_std() * source.normal(f"b{layer}", 0, weight.shape[0])
        assert np.array_equal(start[f"b{layer}"], drawn[:, None])


def test_the_own_start_keeps_every_parameter_and_is_none_of_a_network():
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    done = goodinit.initialize(model, "default", seed=0)
    assert [each.initializer for each in done.weights] == [None] * 4
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(torch.equal(value, before[name]) for name, value in goodinit.draw(model, "as_is", seed=0).items())
    with pytest.raises(GoodinitError, match="goes with a model"):
        goodinit.compare("default", **FAST)
    with pytest.raises(GoodinitError, match="give the model"):
        goodinit.draw({"W": (3, 4)}, "default", seed=0)


class Residual(nn.Module):
    def __init__(self, width: int, branches: int) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(2, width), nn.Linear(width, 1)
        self.branches = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.GELU(), nn.Linear(width, width, bias=False))
            for _ in range(branches)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x)
        for branch in self.branches:
            x = x + branch(x)
        return self.last(x)


def test_gpt2_scales_the_ends_of_its_branches():
    """nanoGPT: c_proj at 0.02 / sqrt(2 n_layer); with 12 layers, so 24 branches, 0.0040825."""
    model = Residual(64, 24)
    done = goodinit.initialize(model, 'residual_scaling(of="normal(std=0.02)")', seed=0, inputs=torch.ones(1, 2))
    for branch in range(24):
        end = done[f"branches.{branch}.3.weight"]
        assert end.expected_std == pytest.approx(0.0040825, rel=1e-4)
        assert end.realised_std == pytest.approx(0.0040825, rel=5 / math.sqrt(2 * 64 * 64))
        assert done[f"branches.{branch}.1.weight"].expected_std == 0.02
    assert done["first.weight"].expected_std == done["last.weight"].expected_std == 0.02


def test_the_variance_of_a_residual_stream_does_not_grow_with_depth():
    def growth(branches: int, init: str) -> float:
        model = Residual(64, branches)
        goodinit.initialize(model, init, seed=0, inputs=torch.ones(1, 2))
        x = torch.from_numpy(KeyedStream(0).normal("x", 0, 512)).float().reshape(256, 2)
        with torch.no_grad():
            before = model.first(x)
            after = before
            for branch in model.branches:
                after = after + branch(after)
        return float(after.var() - before.var())

    he = [growth(branches, "he_normal") for branches in (2, 8)]
    scaled = [growth(branches, "residual_scaling") for branches in (2, 8)]
    assert he[1] / he[0] == pytest.approx(4, rel=0.3)
    assert scaled[1] / scaled[0] == pytest.approx(1, rel=0.3)


def test_what_the_structure_does_not_allow_is_refused_and_nothing_changes():
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
    before = model[0].weight.clone()
    with pytest.raises(GoodinitError, match="no residual stream"):
        goodinit.initialize(model, "residual_scaling", seed=0, inputs=torch.ones(1, 4))
    with pytest.raises(GoodinitError, match="pass inputs"):
        goodinit.initialize(model, "residual_scaling", seed=0)
    with pytest.raises(GoodinitError, match="no residual stream"):
        goodinit.compare("residual_scaling", **FAST)
    assert torch.equal(model[0].weight, before)


def test_a_persons_rule_counts_before_the_method():
    model = Residual(8, 2)
    rules = {"branches.0.3.weight": "zeros", "first.weight": "keep", "branches.1.3.weight": "init"}
    done = goodinit.initialize(model, "residual_scaling", seed=0, inputs=torch.ones(1, 2), rules=rules)
    assert done["branches.0.3.weight"].initializer == "zeros"
    assert done["first.weight"].initializer is None
    assert done["branches.1.3.weight"].initializer == "he_normal(activation=linear)"


@pytest.mark.parametrize("engine", [name for name, each in training.REGISTRY.items() if each.available()])
def test_rate_multipliers_reach_every_engine(engine):
    options = {"widths": [8, 8], "activation": "tanh", "learning_rate": 0.05, "seed": 0, "steps": 30}
    (mup, plain) = goodinit.compare(
        ["mup(base_width=2)", "he_normal"], **options, perturbations=1, engine=engine
    ).trials
    result = goodinit.compare("he_normal", **options, perturbations=0, engine="reference")
    task = result.study.tasks[0]
    data, start = task.data, task.mlp.parameters("mup(base_width=2)", as_stream(0, task.stream))
    run = training.train(
        task.mlp,
        {name: value[None] for name, value in start.items()},
        np.ascontiguousarray(data.X_train.T),
        data.targets,
        task.schedule,
        training.batches(data.targets.shape[1], task.schedule, KeyedStream(0)),
        rate_multipliers={"W1": 4.0, "b1": 4.0, "b2": 4.0, "W3": 0.25},
        engine="reference",
    )
    assert mup.final_loss == pytest.approx(float(run.final_loss[0]), rel=1e-9)
    assert plain.final_loss == pytest.approx(result.trials[0].final_loss, rel=1e-9)
    assert mup.sensitivity is not None


def test_an_epsilon_that_no_engine_multiplies_is_refused():
    @dataclass(frozen=True)
    class Fine(Halved):
        def prepare(self, structure, probe=None):
            fine = Multipliers(epsilon=0.5)
            return tuple(Assignment(each.name, Constant(0.1), "x", adaptive=fine) for each in structure.parameters)

    with pytest.raises(GoodinitError, match="multiplies Adam's epsilon"):
        goodinit.compare([Fine()], optimizer="adam", **FAST)
    done = goodinit.initialize(nn.Linear(2, 1), Fine(), seed=0)
    with pytest.raises(GoodinitError, match="say what it is, such as eps=0"):
        done.param_groups(lr=0.1)
    assert done.param_groups(lr=0.1, eps=1e-8)[0]["eps"] == 5e-9
    with pytest.raises(GoodinitError, match="'muon' was given"):
        done.param_groups(lr=0.1, optimizer="muon")


def test_without_multipliers_the_groups_are_one():
    model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    model[0].bias.requires_grad_(False)
    (group,) = goodinit.initialize(model, "he_normal", seed=0).param_groups(lr=0.1, weight_decay=0.2, optimizer="muon")
    assert (group["lr"], group["weight_decay"], len(group["params"])) == (0.1, 0.2, 3)


def test_the_structure_of_what_is_filled_can_be_seen():
    structure = read_structure(Residual(8, 3), torch.ones(1, 2))
    assert structure.depths == {f"branches.{branch}.3.weight": 3 for branch in range(3)}
