"""The lanes engine where one network is trained as matrix products: the same bits as with a network in each lane."""

import numpy as np
import pytest

pytest.importorskip("goodinit._native", reason="the extension is not built")

from goodinit import _native, activations
from goodinit.networks import MLP, stack
from goodinit.streams import KeyedStream
from goodinit.training import Call, Schedule, batches, lanes, reference

EXAMPLES = 70
WIDTHS = (5, 530, 75, 3)  # several panels, the last ones narrower, and sums that pause while others are made


def trained(engine, activation, optimizer, loss="cross_entropy", **options):
    network = MLP(WIDTHS, activations.get(activation), loss)
    start = stack([network.parameters("lecun_normal", KeyedStream(seed)) for seed in range(2)])
    X = KeyedStream(7).normal("X", 0, 5 * EXAMPLES).reshape(5, EXAMPLES)
    schedule = Schedule(optimizer, 0.05 if optimizer != "adam" else 0.002, steps=4, batch_size=33, record_every=2)
    layout = {"layout": options.pop("layout")} if "layout" in options else {}
    order = batches(EXAMPLES, schedule, KeyedStream(3))
    Y = np.eye(3)[:, np.arange(EXAMPLES) % 3]
    call = Call(network, start, X, Y, schedule, order, snapshots=[2], rate_multipliers={"W2": 0.5}, **options)
    return engine.train(call, **layout)


def same(found, expected):
    assert np.array_equal(found.losses, expected.losses)
    assert np.array_equal(found.final_loss, expected.final_loss)
    for name, value in expected.parameters.items():
        assert np.array_equal(found.parameters[name], value), name
        assert np.array_equal(found.snapshots[2][name], expected.snapshots[2][name]), name


@pytest.mark.parametrize("isa", ["avx512", "avx2", "baseline"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    ("activation", "optimizer"),
    [("relu", "momentum"), ("tanh", "adam"), ("linear", "gradient_descent"), ("gelu", "adamw")],
)
def test_the_same_bits_as_in_a_group(isa, dtype, activation, optimizer, monkeypatch):
    monkeypatch.setenv("GOODINIT_ISA", isa)
    if _native.isa() != isa:
        pytest.skip(f"this processor has no {isa}")
    expected = trained(lanes, activation, optimizer, dtype=dtype, layout="grouped")
    for threads in (1, 5):
        same(trained(lanes, activation, optimizer, dtype=dtype, threads=threads, layout="wide"), expected)


def test_it_agrees_with_the_reference():
    found = trained(lanes, "gelu", "adam", "squared_error", layout="wide")
    expected = trained(reference, "gelu", "adam", "squared_error")
    np.testing.assert_allclose(found.losses, expected.losses, rtol=1e-11)
    for name, value in found.parameters.items():
        np.testing.assert_allclose(value, expected.parameters[name], rtol=1e-8, atol=1e-10, err_msg=name)
