"""What a study asks of what it trains: nowhere its class, and the same of a network and of a model."""

import inspect
import re
from pathlib import Path

import pytest

import goodinit
from goodinit import activations
from goodinit.comparison.outcome import has_diverged
from goodinit.factories import ModelFactory
from goodinit.networks import MLP
from goodinit.statistics.guessing import chance_loss
from goodinit.trainable import Trainable

NETWORK = MLP((2, 10, 5, 1), activations.get("relu"), "binary_cross_entropy")
MODEL = ModelFactory("my_models:make", dict, "0", NETWORK.weights, "binary_cross_entropy")
ASKED = [name for name, each in vars(Trainable).items() if isinstance(each, property)]


@pytest.mark.parametrize("trained", [NETWORK, MODEL], ids=["network", "model"])
def test_both_answer_all_that_is_asked(trained):
    assert len(ASKED) >= 15
    assert {name: getattr(trained, name) for name in ASKED}["kind"] in ("network", "model")
    assert trained.size >= sum(weight.size for weight in trained.weights)


def test_no_class_of_them_is_asked_for():
    sources = Path(inspect.getsourcefile(goodinit)).parent.rglob("*.py")
    found = [path.name for path in sources if re.search(r"isinstance\(.*\b(MLP|ModelFactory)\b", path.read_text())]
    assert found == []


def test_what_is_said_of_them():
    assert NETWORK.title == "2-10-5-1, relu"
    assert NETWORK.sentence == "2-10-5-1 units, relu"
    assert MLP((2, *[64] * 9, 1), activations.get("tanh"), "squared_error").sentence == "2-(64\u00d79)-1 units, tanh"
    assert MODEL.sentence == "the model my_models:make, 75 parameters, on cpu"
    assert NETWORK.needed is None
    assert "my_models:make makes the model" in MODEL.needed


def test_a_loss_blows_up_beyond_ten_times_its_start_and_guessing():
    ln2 = chance_loss("binary_cross_entropy", 2)
    assert ln2 == pytest.approx(0.693147, abs=1e-6)
    assert not has_diverged(None, 6.9, 0.1, ln2)
    assert has_diverged(None, 7.0, 0.1, ln2)
    assert not has_diverged(None, 7.0, 0.8, ln2)
    assert has_diverged(100, 0.1, 0.1, ln2)
