"""The choice of an engine."""

import sys
from dataclasses import replace

import numpy as np
import pytest

from goodinit import GoodinitError, activations
from goodinit.comparison import executor
from goodinit.comparison.design import design
from goodinit.networks import MLP
from goodinit.trainable import OwnLoss
from goodinit.training import ENGINES, OPTIMIZERS, REGISTRY, Schedule, engines, lanes, torch_engine, train

NETWORK = MLP((2, 4, 1), activations.get("tanh"), "binary_cross_entropy")
START = {"W1": np.full((1, 4, 2), 0.1), "b1": np.zeros((1, 4, 1)), "W2": np.ones((1, 1, 4)), "b2": np.zeros((1, 1, 1))}
X = np.arange(10.0).reshape(2, 5) / 10
Y = np.array([[0.0, 1, 0, 1, 1]])


def trained(**options):
    return train(NETWORK, START, X, Y, Schedule(steps=5), [slice(None)] * 5, **options)


@pytest.fixture
def without_extension(monkeypatch):
    monkeypatch.setitem(sys.modules, "goodinit._native", None)
    monkeypatch.delattr("goodinit._native", raising=False)
    monkeypatch.setattr(engines, "_said", set())


def test_auto_and_the_reference_agree():
    np.testing.assert_allclose(trained().final_loss, trained(engine="reference").final_loss, rtol=1e-13)


def test_without_the_extension_the_reference_serves_and_says_so_once(without_extension, capsys):
    assert not lanes.available()
    expected = trained(engine="reference").final_loss
    assert trained().final_loss == expected
    assert trained().final_loss == expected
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("the compiled engine is not built") == 1
    with pytest.raises(GoodinitError, match="install a C\\+\\+ compiler"):
        trained(engine="lanes")


def test_without_the_extension_float32_is_torchs(without_extension, monkeypatch, capsys):
    assert engines.choose(NETWORK, "float32") == ("torch" if torch_engine.available() else "reference")
    monkeypatch.setattr(torch_engine, "available", lambda: False)
    assert engines.choose(NETWORK, "float32") == "reference"
    assert trained(dtype="float32").final_loss == trained(engine="reference").final_loss
    assert capsys.readouterr().err.count("in float64") == 1


def test_an_activation_of_ones_own_is_not_for_lanes():
    own = activations.Activation("swoosh", np.abs, np.sign, None)
    network = MLP((2, 4, 1), own, "binary_cross_entropy")
    assert engines.choose(network) == engines.choose(network, "float32") == "reference"


def test_the_table_and_the_compiled_code_have_the_same_activations():
    native = pytest.importorskip("goodinit._native", reason="the extension is not built")
    assert sorted(native.activations()) == sorted(activations.names())
    assert sorted(torch_engine.KNOWN) == sorted(activations.names())


@pytest.mark.parametrize("name", activations.names())
def test_an_activation_names_its_family_and_the_value_of_its_option(name):
    option = activations.option(name)
    found = activations.get(name)
    assert (found.family, found.parameter) == (name, None if option is None else option[1])
    if option is not None:
        changed = activations.get(f"{name}({option[0]}=0.3)")
        assert (changed.family, changed.parameter) == (name, 0.3)


def test_an_activation_that_the_compiled_code_lacks_falls_back_to_another_engine(monkeypatch, capsys):
    monkeypatch.setattr(engines, "_said", set())
    monkeypatch.setattr(lanes, "known", lambda: frozenset({"relu"}))
    expected = trained(engine="reference").final_loss
    assert engines.choose(NETWORK) == "reference"
    assert trained().final_loss == expected
    assert capsys.readouterr().err == ""
    with pytest.raises(GoodinitError, match="'tanh' is not one of the compiled code's"):
        trained(engine="lanes")
    monkeypatch.setattr(torch_engine, "KNOWN", frozenset({"relu"}))
    assert trained(dtype="float32").final_loss == expected
    assert "no engine computes the activation 'tanh' in float32" in capsys.readouterr().err


def test_auto_asks_each_engine_what_it_can_do(monkeypatch):
    class Fast(engines.Reference):
        name = "fast"

        def rank(self, weights):
            return -1

    fast = Fast()
    monkeypatch.setitem(REGISTRY, "fast", fast)
    assert engines.choose(NETWORK) == "fast"
    for capability, less in (
        ("dtypes", ("float32",)),
        ("losses", ("cross_entropy",)),
        ("optimizers", ("adam",)),
        ("activations", lambda: {"relu"}),
        ("available", lambda: False),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(fast, capability, less, raising=False)
            assert engines.choose(NETWORK) != "fast", capability
    monkeypatch.setattr(fast, "own_losses", False, raising=False)
    assert engines.choose(NETWORK) == "fast"
    own = OwnLoss("own", lambda outputs, targets: outputs.mean(), "", 1.0)
    assert engines.choose(replace(NETWORK, own_loss=own)) == "reference"
    monkeypatch.setattr(fast, "rate_multipliers", False, raising=False)
    assert engines.choose(NETWORK) == "fast"
    assert engines.choose(NETWORK, rate_multipliers={"W1": 2.0}) != "fast"


def test_every_engine_says_whether_it_has_the_dtype():
    for name, engine in REGISTRY.items():
        assert engine.name == name
        for dtype in ("float64", "float32"):
            if not engine.available():
                continue
            if dtype in engine.dtypes:
                assert np.isfinite(trained(engine=name, dtype=dtype).final_loss).all()
            else:
                with pytest.raises(GoodinitError, match=f"use engine='auto' for {dtype}"):
                    trained(engine=name, dtype=dtype)


def test_the_engine_of_a_trial_is_chosen_with_its_dtype(without_extension, monkeypatch, capsys):
    monkeypatch.setattr(torch_engine, "available", lambda: True)
    single = design(["zeros"], dtype="float32").tasks[0]
    double = design(["zeros"]).tasks[0]
    assert executor.engine_of(single, "auto").gpu
    assert "float64" not in capsys.readouterr().err
    assert not executor.engine_of(double, "auto").gpu
    assert executor.engine_of(double, "torch").packages == ("torch",)


def test_what_is_not_known_is_refused():
    assert ENGINES == ("auto", "reference", "lanes", "torch")
    with pytest.raises(GoodinitError, match="engine 'lane' is not known; did you mean lanes"):
        trained(engine="lane")
    with pytest.raises(GoodinitError, match="dtype 'float16'"):
        trained(dtype="float16")
    with pytest.raises(GoodinitError, match="float64 only"):
        trained(engine="reference", dtype="float32")


@pytest.mark.parametrize("engine", ["reference", "lanes", "torch"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("size", [None, 2])
def test_watching_sees_what_is_kept_and_changes_no_bit(engine, optimizer, size):
    schedule = Schedule(optimizer, learning_rate=0.3, steps=23, batch_size=size, record_every=4)
    order = [slice(None)] * 23 if size is None else [np.array([step % 5, (step + 2) % 5]) for step in range(23)]
    seen = []
    options = {"snapshots": [0, 1, 7, 8, 23], "engine": engine}
    kept = train(NETWORK, START, X, Y, schedule, order, **options)
    told = train(NETWORK, START, X, Y, schedule, order, **options, watch=lambda *snapshot: seen.append(snapshot))
    assert [step for step, _ in seen] == [0, 1, 7, 8, 23]
    assert told.snapshots == {}
    for step, parameters in seen:
        for name, value in parameters.items():
            np.testing.assert_array_equal(value, kept.snapshots[step][name], err_msg=f"{name} at {step}")
    np.testing.assert_array_equal(told.losses, kept.losses)
    np.testing.assert_array_equal(told.final_loss, kept.final_loss)


@pytest.mark.parametrize("engine", ["reference", "lanes"])
def test_what_a_watch_raises_stops_the_training(engine):
    seen = []

    def watch(step, parameters):
        seen.append(step)
        if step == 2:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        trained(engine=engine, snapshots=range(6), watch=watch)
    assert seen == [0, 1, 2]


@pytest.mark.parametrize("engine", ["reference", "lanes"])
def test_a_watch_sees_networks_that_diverged_stand_still(engine):
    network = MLP((2, 4, 1), activations.get("linear"), "squared_error")
    start = {name: np.concatenate([value, value * 10]) for name, value in START.items()}
    schedule = Schedule(learning_rate=1e50, steps=40, record_every=2)
    seen = {}
    with np.errstate(all="ignore"):
        options = {"snapshots": [0, 3, 30, 40], "engine": engine}
        kept = train(network, start, X, Y, schedule, [slice(None)] * 40, **options)
        told = train(network, start, X, Y, schedule, [slice(None)] * 40, **options, watch=seen.__setitem__)
    assert told.diverged_by == kept.diverged_by
    assert None not in told.diverged_by
    for step, parameters in seen.items():
        for name, value in parameters.items():
            np.testing.assert_array_equal(value, kept.snapshots[step][name], err_msg=f"{name} at {step}")
