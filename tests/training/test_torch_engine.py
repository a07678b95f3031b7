"""The torch engine: the reference's mathematics and its bookkeeping, in batched tensors."""

import itertools
import sys

import numpy as np
import pytest

pytest.importorskip("torch", reason="PyTorch is not installed")

import torch

from goodinit import GoodinitError, activations, initializers
from goodinit.networks import MLP, stack
from goodinit.streams import KeyedStream
from goodinit.training import OPTIMIZERS, Call, Schedule, batches, engines, reference, torch_engine, train

LOSSES = {"binary_cross_entropy": 1, "cross_entropy": 3, "squared_error": 2}
NAMES = [*activations.names(), "leaky_relu(slope=0.2)", "elu(alpha=1.5)", "sine(frequency=2.0)"]


def problem(hidden=(5, 3), loss="binary_cross_entropy", activation="tanh", networks=3, examples=21):
    network = MLP((2, *hidden, LOSSES[loss]), activations.get(activation), loss)
    start = stack([network.parameters(initializers.get("lecun_normal"), KeyedStream(i)) for i in range(networks)])
    for name, value in start.items():
        if name[0] == "b":
            value += 0.3 * KeyedStream(7).normal(name, 0, value.size).reshape(value.shape)
    X = KeyedStream(1).normal("X", 0, 2 * examples).reshape(2, examples)
    Y = {
        "binary_cross_entropy": (np.arange(examples) % 2)[None].astype(float),
        "cross_entropy": np.eye(3)[:, np.arange(examples) % 3],
        "squared_error": KeyedStream(1).normal("Y", 0, 2 * examples).reshape(2, examples),
    }[loss]
    return network, start, X, Y


def run(engine, task, schedule, **options):
    order = batches(task[2].shape[1], schedule, KeyedStream(5))
    device = {"device": options.pop("device")} if "device" in options else {}
    return engine.train(Call(*task, schedule, order, **options), **device)


def on_the_cpu(task, schedule, **options):
    return run(torch_engine, task, schedule, device="cpu", **options)


def assert_close(found, expected, rtol=1e-9, atol=1e-12):
    np.testing.assert_allclose(found.losses, expected.losses, rtol=rtol, atol=atol)
    np.testing.assert_allclose(found.final_loss, expected.final_loss, rtol=rtol, atol=atol)
    for name, value in expected.parameters.items():
        np.testing.assert_allclose(found.parameters[name], value, rtol=rtol, atol=atol, err_msg=name)
    assert found.diverged_by == expected.diverged_by
    assert found.recorded == expected.recorded
    assert list(found.snapshots) == list(expected.snapshots)
    for step, kept in expected.snapshots.items():
        for name, value in kept.items():
            np.testing.assert_allclose(found.snapshots[step][name], value, rtol=rtol, atol=atol, err_msg=name)


@pytest.mark.parametrize(("activation", "loss", "optimizer"), list(itertools.product(NAMES, LOSSES, OPTIMIZERS)))
def test_training_agrees_with_the_reference(activation, loss, optimizer):
    task = problem(loss=loss, activation=activation)
    schedule = Schedule(optimizer, 0.02, steps=12, batch_size=None if optimizer == "adam" else 8, record_every=5)
    options = {"snapshots": [0, 7, 12]}
    assert_close(on_the_cpu(task, schedule, **options), run(reference, task, schedule, **options))


@pytest.mark.parametrize("hidden", [(), (1,), (17, 4), (6, 5, 4, 3, 2)])
@pytest.mark.parametrize("loss", LOSSES)
def test_any_depth_and_width(hidden, loss):
    task = problem(hidden, loss)
    schedule = Schedule("momentum", 0.05, steps=6, record_every=2)
    assert_close(on_the_cpu(task, schedule), run(reference, task, schedule))


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_learning_rate_for_each_network_and_groups_of_them(optimizer, monkeypatch):
    task = problem(networks=7)
    rates = np.geomspace(0.001, 0.5, 7)
    schedule = Schedule(optimizer, 0.1, steps=10, record_every=3)
    options = {"learning_rates": rates, "snapshots": [4]}
    expected = run(reference, task, schedule, **options)
    assert_close(on_the_cpu(task, schedule, **options), expected)
    monkeypatch.setattr(torch_engine, "_GROUP_BYTES", 2 * 3 * 21 * 11 * 8)  # two networks at a time
    told = []
    order = batches(21, schedule, KeyedStream(5))
    found = torch_engine.train(Call(*task, schedule, order, told.append, **options), device="cpu")
    assert_close(found, expected)
    assert told == [*range(1, 11), 10]


def test_a_network_that_diverges_stands_still_and_leaves_the_others_alone():
    task = problem(loss="squared_error", activation="linear", networks=4)
    rates = np.array([0.01, 1e200, 0.02, 100.0])
    schedule = Schedule(steps=90, record_every=10)
    options = {"learning_rates": rates, "snapshots": [0, 10, 90]}
    expected = run(reference, task, schedule, **options)
    found = on_the_cpu(task, schedule, **options)
    assert expected.diverged_by[0] is None
    assert expected.diverged_by[1] == 10
    assert found.diverged_by == expected.diverged_by
    assert np.array_equal(np.isnan(found.losses), np.isnan(expected.losses))
    for member in (0, 2):
        np.testing.assert_allclose(found.losses[member], expected.losses[member], rtol=1e-9)
    for name, value in found.parameters.items():
        assert np.array_equal(value[1], found.snapshots[10][name][1], equal_nan=True)
        assert np.array_equal(np.isfinite(value), np.isfinite(expected.parameters[name]))


def test_where_all_diverge_training_ends_early():
    task = problem(loss="squared_error", activation="linear", networks=2)
    schedule = Schedule(learning_rate=1e200, steps=1000, record_every=10)
    told = []
    found = torch_engine.train(
        Call(*task, schedule, batches(21, schedule, KeyedStream(5)), told.append, snapshots=[500]), device="cpu"
    )
    assert found.diverged_by == (10, 10)
    assert np.isnan(found.final_loss).all()
    assert told == [10, 1000]
    assert set(found.snapshots) == {500}


def test_float32_trains_close_to_float64():
    task = problem((10, 5), networks=4, examples=50)
    schedule = Schedule("adam", 0.01, steps=50, record_every=10)
    found = on_the_cpu(task, schedule, dtype="float32")
    assert found.losses.dtype == np.float64
    assert_close(found, on_the_cpu(task, schedule), rtol=2e-3, atol=2e-4)


def test_the_start_and_pytorchs_state_are_left_alone():
    task = problem()
    before = {name: value.copy() for name, value in task[1].items()}

    def state():
        return torch.get_default_dtype(), torch.get_num_threads(), torch.is_grad_enabled(), torch.get_rng_state().sum()

    then = state()
    on_the_cpu(task, Schedule("adam", steps=3))
    assert state() == then
    assert all(np.array_equal(task[1][name], value) for name, value in before.items())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_cuda_device_agrees_with_the_reference():
    task = problem((16, 16))
    schedule = Schedule("adam", 0.02, steps=12, batch_size=8, record_every=5)
    assert torch_engine.device() == "cuda"
    assert_close(run(torch_engine, task, schedule, snapshots=[7]), run(reference, task, schedule, snapshots=[7]))


def test_without_pytorch_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    assert not torch_engine.available()
    with pytest.raises(GoodinitError, match=r"pip install 'goodinit\[torch\]'"):
        train(*problem(), Schedule(steps=1), [slice(None)], engine="torch")


def test_what_cannot_be_used_is_refused():
    def asked(*arguments, device=None, **options):
        torch_engine.train(Call(*arguments, **options), device=device)

    network, start, X, Y = problem()
    schedule = Schedule(steps=2)
    order = [slice(None)] * 2
    own = MLP(network.widths, activations.Activation("swoosh", np.abs, np.sign, None), network.loss)
    for arguments, options, message in (
        ((own, start, X, Y, schedule, order), {}, "'swoosh' is not one of its own"),
        ((network, start, X[:1], Y, schedule, order), {}, r"X has shape \(1, 21\)"),
        ((network, start, X, Y[:, :5], schedule, order), {}, "X has 21 examples and Y 5"),
        ((network, start, X, Y, schedule, order[:1]), {}, "there are 1 batches for the 2 steps"),
        ((network, {"W1": start["W1"]}, X, Y, schedule, order), {}, "start has W1; this network has W1, b1"),
        ((network, {**start, "b1": start["b1"][:2]}, X, Y, schedule, order), {}, "b1 has shape"),
        ((network, start, X, Y, schedule, order), {"dtype": "float16"}, "dtype 'float16'"),
        ((network, start, X, Y, schedule, order), {"device": "abacus"}, "device 'abacus' cannot be used"),
        (
            (network, start, X, Y, schedule, order),
            {"dtype": "float32", "learning_rates": np.full(3, 1e300)},
            "cannot be held in float32",
        ),
    ):
        with pytest.raises(GoodinitError, match=message):
            asked(*arguments, **options)


def test_the_interface_reaches_it():
    task = problem()
    schedule = Schedule(steps=4)
    found = train(*task, schedule, batches(21, schedule, KeyedStream(5)), engine="torch")
    assert_close(found, run(reference, task, schedule))


def wide(width, depth=3):
    return MLP((64, *[width] * (depth - 1), 10), activations.get("relu"), "cross_entropy")


def test_auto_takes_torch_for_wide_networks_on_a_gpu_only(monkeypatch):
    monkeypatch.setattr(engines.lanes, "available", lambda: True)
    monkeypatch.setattr(engines.torch_engine, "available", lambda: True)
    assert engines.choose(wide(8)) == "lanes"
    assert engines.choose(wide(1024)) == "lanes"
    assert engines.choose(wide(2048)) == "lanes"
    monkeypatch.setattr(engines.torch_engine, "has_gpu", lambda: True)
    assert engines.choose(wide(8)) == "lanes"
    assert engines.choose(wide(1024)) == "torch"
    monkeypatch.setattr(engines.torch_engine, "available", lambda: False)
    assert engines.choose(wide(2048)) in ("lanes", "reference")
