"""The lanes engine: the reference's mathematics, PyTorch's gradients, and the same bits however it is run."""

import itertools
import signal
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("goodinit._native", reason="the extension is not built")

from lanes_problems import LOSSES, assert_close, assert_same, part, problem, run

from children import PATIENCE, child
from figures import HE_LOSS
from goodinit import _native, activations, datasets, initializers
from goodinit.networks import MLP, stack
from goodinit.streams import RandomStateStream
from goodinit.training import OPTIMIZERS, Call, Schedule, lanes, reference

NAMES = [*activations.names(), "leaky_relu(slope=0.2)", "elu(alpha=1.5)", "sine(frequency=2.0)"]


@pytest.mark.parametrize(("activation", "loss"), list(itertools.product(NAMES, LOSSES)))
def test_training_agrees_with_the_reference(activation, loss):
    task = problem(loss=loss, activation=activation)
    layouts = ("grouped", "alone", "auto", "wide")
    for optimizer, size, layout in zip(OPTIMIZERS, (None, 4, 7, 5), layouts, strict=True):
        schedule = Schedule(optimizer, 0.02, steps=12, batch_size=size, record_every=4)
        assert_close(run(lanes, task, schedule, layout=layout), run(reference, task, schedule))


@pytest.mark.parametrize("layout", ["grouped", "alone", "wide"])
@pytest.mark.parametrize(("activation", "loss"), list(itertools.product(NAMES, LOSSES)))
def test_gradients_agree_with_autograd(activation, loss, layout):
    torch = pytest.importorskip("torch")
    task = problem((7, 6), loss, activation, networks=2, examples=19)
    network, start, X, Y = task
    found = run(lanes, task, Schedule(learning_rate=1.0, steps=1), layout=layout)
    tensors = {name: torch.tensor(value, requires_grad=True) for name, value in start.items()}
    A = torch.tensor(X).expand(2, -1, -1)
    options = {"leaky_relu(slope=0.2)": (0.2,), "elu(alpha=1.5)": (1.5,)}.get(activation, ())
    frequency = 2.0 if "frequency" in activation else 1.0
    torch_name = network.activation.torch_name
    unnamed = {"erf": torch.erf, "sine": lambda z: torch.sin(frequency * z)}
    phi = getattr(torch.nn, torch_name)(*options) if torch_name else unnamed[network.activation.family]
    for layer in range(1, network.depth + 1):
        A = tensors[f"W{layer}"] @ A + tensors[f"b{layer}"]
        A = phi(A) if layer < network.depth else A
    target = torch.tensor(Y)
    expected = sum(
        {
            "binary_cross_entropy": lambda z: torch.nn.functional.binary_cross_entropy_with_logits(z, target),
            "cross_entropy": lambda z: torch.nn.functional.cross_entropy(z.T, target.argmax(0)),
            "squared_error": lambda z: torch.nn.functional.mse_loss(z, target),
        }[loss](z)
        for z in A
    )
    expected.backward()
    assert found.losses[:, 0].sum() == pytest.approx(expected.item(), rel=1e-12)
    for name, value in start.items():
        np.testing.assert_allclose(
            value - found.parameters[name], tensors[name].grad.numpy(), rtol=1e-9, atol=1e-13, err_msg=name
        )


@pytest.mark.parametrize("layout", ["grouped", "alone", "wide"])
@pytest.mark.parametrize("hidden", [(), (1,), (17, 4), (11, 8, 6, 3, 2), (70,)])
def test_odd_widths(hidden, layout):
    for loss in LOSSES:
        task = problem(hidden, loss, networks=2)
        schedule = Schedule("momentum", 0.05, steps=6, record_every=2)
        assert_close(run(lanes, task, schedule, layout=layout), run(reference, task, schedule))


@pytest.mark.parametrize("layout", ["grouped", "alone", "wide"])
@pytest.mark.parametrize("examples", [1, 2, 7, 8, 15, 16, 17, 31, 33, 100, 1001, 2500])
def test_any_number_of_examples(examples, layout):
    task = problem(networks=2, examples=examples, activation="relu")
    schedule = Schedule(learning_rate=0.1, steps=5, record_every=2)
    assert_close(run(lanes, task, schedule, layout=layout), run(reference, task, schedule))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("networks", [1, 7, 8, 17, 33])
def test_a_network_does_not_depend_on_its_company(networks, dtype):
    task = problem((10, 5), activation="relu", networks=networks, examples=61)
    schedule = Schedule("adam", 0.02, steps=30, batch_size=23, record_every=7)
    rates = np.linspace(0.01, 0.05, networks)
    whole = run(lanes, task, schedule, dtype=dtype, learning_rates=rates, snapshots=[0, 9, 30])
    for options in ({"layout": "grouped"}, {"layout": "alone"}, {"layout": "wide"}, {"threads": 1}, {"threads": 5}):
        same = run(lanes, task, schedule, dtype=dtype, learning_rates=rates, snapshots=[0, 9, 30], **options)
        assert_same(same, whole)
    for members in (slice(0, 1), slice(networks // 2, networks), slice(0, networks, 3)):
        for layout in ("grouped", "alone", "wide"):
            some = run(
                lanes,
                part(task, members),
                schedule,
                dtype=dtype,
                learning_rates=rates[members],
                snapshots=[0, 9, 30],
                layout=layout,
            )
            assert_same(some, whole, members)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("examples", [3, 16, 40, 200, 1500])
def test_all_layouts_and_all_fused_instruction_sets_give_the_same_bits(examples, dtype, monkeypatch):
    schedule = Schedule("momentum", 0.03, steps=8, record_every=3)
    found = {}
    for activation, loss in (("gelu", "cross_entropy"), ("relu", "binary_cross_entropy"), ("sine", "squared_error")):
        task = problem((9, 6), loss, activation, networks=5, examples=examples)
        for isa, layout in itertools.product(("avx512", "avx2", "baseline"), ("grouped", "alone", "wide")):
            monkeypatch.setenv("GOODINIT_ISA", isa)
            if _native.isa() == isa:
                found[isa, layout] = run(lanes, task, schedule, dtype=dtype, layout=layout)
        for isa, layout in found:
            fused = "avx512" if ("avx512", "grouped") in found else "avx2"
            assert_same(found[isa, layout], found["baseline" if isa == "baseline" else fused, "grouped"])
            tolerance = 1e-11 if dtype == "float64" else 2e-4  # without fused operations: to rounding
            lowest = list(found)[-1][0]  # the baseline, but where the kernels are for this machine alone
            assert_close(found[isa, layout], found[lowest, "grouped"], tolerance, tolerance)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_he_on_the_classic_experiment(dtype):
    data = datasets.load("circles", seed=3)
    network = MLP((2, 10, 5, 1), activations.get("relu"), "binary_cross_entropy")
    start = network.parameters(initializers.get("he_normal"), RandomStateStream(3))
    task = (network, stack([start]), np.ascontiguousarray(data.X_train.T), data.targets)
    found = run(lanes, task, Schedule(), dtype=dtype)
    np.testing.assert_allclose(found.losses[0], HE_LOSS, rtol=1e-9 if dtype == "float64" else 2e-3)


def test_float32_trains_close_to_float64():
    task = problem((10, 5), networks=4, examples=50)
    schedule = Schedule("adam", 0.01, steps=50, record_every=10)
    assert_close(run(lanes, task, schedule, dtype="float32"), run(lanes, task, schedule), rtol=2e-3, atol=2e-4)


def test_a_learning_rate_for_each_network():
    task = problem(networks=9)
    rates = np.geomspace(0.001, 1, 9)
    schedule = Schedule(learning_rate=0.5, steps=20, record_every=5)
    together = run(lanes, task, schedule, learning_rates=rates)
    assert_close(together, run(reference, task, schedule, learning_rates=rates))
    for member, rate in enumerate(rates):
        alone = run(lanes, part(task, [member]), Schedule(learning_rate=float(rate), steps=20, record_every=5))
        assert np.array_equal(alone.losses[0], together.losses[member])


def test_snapshots_are_the_parameters_before_a_step():
    task = problem(networks=2)
    schedule = Schedule("adam", steps=20, record_every=5)
    found = run(lanes, task, schedule, snapshots=[20, 0, 7, 7])
    expected = run(reference, task, schedule, snapshots=[0, 7, 20])
    assert list(found.snapshots) == list(expected.snapshots) == [0, 7, 20]
    for step, name in itertools.product(found.snapshots, task[1]):
        np.testing.assert_allclose(found.snapshots[step][name], expected.snapshots[step][name], rtol=1e-10)
    assert np.array_equal(found.snapshots[0]["W1"], task[1]["W1"])
    assert np.array_equal(found.snapshots[20]["W2"], found.parameters["W2"])


def diverging():
    network, start, X, Y = problem(activation="relu", networks=4, examples=13)
    scale = np.array([1.0, 1e200, 1.0, 1.0])[:, None, None]
    return network, {name: scale * value for name, value in start.items()}, X, Y


@pytest.mark.parametrize("layout", ["grouped", "alone", "wide"])
def test_divergence_is_noted_as_the_reference_notes_it(layout):
    rates = np.array([0.01, 0.01, 1e200, 1e160])
    schedule = Schedule(steps=50, record_every=10)
    found = run(lanes, diverging(), schedule, learning_rates=rates, snapshots=[5, 25, 50], layout=layout)
    expected = run(reference, diverging(), schedule, learning_rates=rates, snapshots=[5, 25, 50])
    assert found.diverged_by == expected.diverged_by
    assert found.diverged_by[:3] == (None, 0, 10)
    np.testing.assert_allclose(found.losses, expected.losses, rtol=1e-9)
    np.testing.assert_allclose(found.parameters["W1"][0], expected.parameters["W1"][0], rtol=1e-9)
    assert np.isnan(found.final_loss[1:3]).all()
    assert np.array_equal(found.parameters["W1"][1], diverging()[1]["W1"][1])  # it stands still from the start
    assert np.array_equal(found.snapshots[25]["W1"][2], found.parameters["W1"][2], equal_nan=True)


def test_what_diverged_does_not_touch_its_neighbours():
    rates = np.array([0.01, 0.01, 1e200, 1e160])
    schedule = Schedule("momentum", steps=50, record_every=10)
    together = run(lanes, diverging(), schedule, learning_rates=rates, layout="grouped", snapshots=[25])
    for member in range(4):
        alone = run(
            lanes, part(diverging(), [member]), schedule, learning_rates=rates[[member]], layout="alone", snapshots=[25]
        )
        assert_same(alone, together, slice(member, member + 1))


def test_a_group_whose_networks_have_all_diverged_stays_where_it_is():
    task, told = part(diverging(), [1, 1, 1]), []
    schedule = Schedule(steps=200_000, record_every=10)
    found = run(lanes, task, schedule, layout="grouped", snapshots=[200_000], progress=told.append)
    assert found.diverged_by == (0, 0, 0)
    assert np.array_equal(found.snapshots[200_000]["W1"], task[1]["W1"])
    assert told[-1] == 200_000


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_batches_in_pieces_give_the_same_bits(optimizer, monkeypatch):
    task = problem(networks=5, examples=23)
    schedule = Schedule(optimizer, 0.05, steps=40, batch_size=4, record_every=6)
    whole = run(lanes, task, schedule, snapshots=[0, 11, 40])
    monkeypatch.setattr(lanes, "_CHUNK", 30)
    assert_same(run(lanes, task, schedule, snapshots=[0, 11, 40]), whole)
    assert_same(run(lanes, task, schedule, snapshots=[0, 11, 40], layout="grouped"), whole)


def test_batches_of_every_kind():
    task = problem(networks=2, examples=12)
    mask = np.arange(12) % 3 == 0
    given = [slice(None), slice(2, 9), np.array([3, 3, -1]), mask, slice(None), slice(None)]
    schedule = Schedule("momentum", steps=6, record_every=2)
    found, expected = (engine.train(Call(*task, schedule, iter(given))) for engine in (lanes, reference))
    assert_close(found, expected)


def test_progress_is_told_for_every_hundredth():
    told = []
    run(lanes, problem(), Schedule(steps=300), progress=told.append)
    assert told == [*range(3, 301, 3), 300]


def test_an_error_in_progress_ends_the_training():
    def stop(step):
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        run(lanes, problem((64, 64), networks=64, examples=500), Schedule(steps=4000), progress=stop)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_ctrl_c_stops_between_two_tellings_of_progress():
    """Progress is told for every thousand steps here, which take minutes: compiled code itself has seen the signal."""
    code = """
import numpy as np
from goodinit import activations
from goodinit.networks import MLP
from goodinit.training import Call, Schedule, lanes
network = MLP((2, 64, 64, 1), activations.get("tanh"), "binary_cross_entropy")
start = {name: np.full((64, *shape), 0.01) for name, shape in
         dict(W1=(64, 2), b1=(64, 1), W2=(64, 64), b2=(64, 1), W3=(1, 64), b3=(1, 1)).items()}
X = np.random.default_rng(0).normal(size=(2, 3000))
lanes.train(Call(network, start, X, (X[:1] > 0) * 1.0, Schedule(steps=100_000), [slice(None)] * 100_000,
                 snapshots=[1], watch=lambda step, parameters: print("in step", step, flush=True),
                 progress=lambda step: print("told", step, flush=True)))
"""
    with child([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout.readline() == "in step 1\n"
        process.send_signal(signal.SIGINT)
        told, errors = process.communicate(timeout=PATIENCE)
    assert "KeyboardInterrupt" in errors
    assert told == ""
