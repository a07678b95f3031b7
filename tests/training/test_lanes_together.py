"""The lanes engine where several threads share one network: the same bits as one thread, and as a group."""

import numpy as np
import pytest

pytest.importorskip("goodinit._native", reason="the extension is not built")

from goodinit import activations, initializers
from goodinit.networks import MLP, stack
from goodinit.streams import KeyedStream
from goodinit.training import Call, Schedule, batches, lanes, reference

EXAMPLES = 1700  # with the weights below, 2 times 16 runs in float32, 4 times 8 in float64


def task():
    network = MLP((20, 100, 30, 3), activations.get("tanh"), "cross_entropy")
    members = [network.parameters(initializers.get("lecun_normal"), KeyedStream(seed)) for seed in range(2)]
    X = KeyedStream(7).normal("X", 0, 20 * EXAMPLES).reshape(20, EXAMPLES)
    return network, stack(members), X, np.eye(3)[:, np.arange(EXAMPLES) % 3]


def trained(engine, networks=slice(None), schedule=None, **options):
    schedule = schedule or Schedule(steps=4, record_every=2)
    network, start, X, Y = task()
    start = {name: value[networks] for name, value in start.items()}
    layout = {"layout": options.pop("layout")} if "layout" in options else {}
    order = batches(EXAMPLES, schedule, KeyedStream(3))
    return engine.train(Call(network, start, X, Y, schedule, order, **options), **layout)


@pytest.mark.parametrize("schedule", [
    Schedule(steps=4, record_every=2),
    Schedule(steps=4, record_every=2, optimizer="adam", batch_size=1600),  # batches of 1600 and of 100
])  # fmt: skip
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_shared_among_threads_a_network_has_the_same_bits(dtype, schedule):
    expected = trained(lanes, schedule=schedule, dtype=dtype, threads=1, layout="grouped")
    for threads in (1, 2, 3, 16):
        for member in range(2):
            alone = slice(member, member + 1)
            found = trained(lanes, alone, schedule, dtype=dtype, threads=threads, layout="alone")
            assert np.array_equal(found.losses, expected.losses[alone])
            for name, value in found.parameters.items():
                assert np.array_equal(value, expected.parameters[name][alone]), (threads, name)


def test_shared_among_threads_it_agrees_with_the_reference():
    found, expected = trained(lanes, threads=5, layout="alone"), trained(reference)
    np.testing.assert_allclose(found.losses, expected.losses, rtol=1e-11)
    for name, value in found.parameters.items():
        np.testing.assert_allclose(value, expected.parameters[name], rtol=1e-9, atol=1e-11, err_msg=name)


def test_an_error_in_progress_ends_it():
    def fail(step):
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        trained(lanes, slice(1), Schedule(steps=2000, record_every=2000), threads=3, progress=fail)
