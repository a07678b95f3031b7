"""Networks, data and ways to train them that the tests of the compiled engine share."""

import numpy as np

from goodinit import activations, initializers
from goodinit.networks import MLP, stack
from goodinit.streams import KeyedStream
from goodinit.training import Call, batches

LOSSES = {"binary_cross_entropy": 1, "cross_entropy": 3, "squared_error": 2}


def problem(hidden=(5, 3), loss="binary_cross_entropy", activation="tanh", networks=3, examples=21, seed=1):
    network = MLP((2, *hidden, LOSSES[loss]), activations.get(activation), loss)
    stream = KeyedStream(seed)
    members = []
    for member in range(networks):
        parameters = network.parameters(initializers.get("lecun_normal"), KeyedStream(100 * seed + member))
        for name, value in parameters.items():
            if name[0] == "b":
                value += 0.3 * KeyedStream(member).normal(name, 0, value.size).reshape(value.shape)
        members.append(parameters)
    X = stream.normal("X", 0, 2 * examples).reshape(2, examples)
    if loss == "squared_error":
        Y = stream.normal("Y", 0, 2 * examples).reshape(2, examples)
    elif loss == "cross_entropy":
        Y = np.eye(3)[:, np.arange(examples) % 3]
    else:
        Y = (np.arange(examples) % 2)[None].astype(float)
    return network, stack(members), X, Y


def run(engine, task, schedule, seed=5, **options):
    layout = {"layout": options.pop("layout")} if "layout" in options else {}
    order = batches(task[2].shape[1], schedule, KeyedStream(seed))
    return engine.train(Call(*task, schedule, order, **options), **layout)


def assert_close(found, expected, rtol=1e-9, atol=1e-11):
    np.testing.assert_allclose(found.losses, expected.losses, rtol=rtol, atol=atol)
    np.testing.assert_allclose(found.final_loss, expected.final_loss, rtol=rtol, atol=atol)
    for name, value in expected.parameters.items():
        np.testing.assert_allclose(found.parameters[name], value, rtol=rtol, atol=atol, err_msg=name)
    assert found.diverged_by == expected.diverged_by


def assert_same(one, other, members=slice(None)):
    assert np.array_equal(one.losses, other.losses[members], equal_nan=True)
    assert np.array_equal(one.final_loss, other.final_loss[members], equal_nan=True)
    assert one.diverged_by == other.diverged_by[members]
    for name, value in one.parameters.items():
        assert np.array_equal(value, other.parameters[name][members], equal_nan=True), name
    for step, kept in one.snapshots.items():
        for name, value in kept.items():
            assert np.array_equal(value, other.snapshots[step][name][members], equal_nan=True), (step, name)


def part(task, members):
    return task[0], {name: value[members] for name, value in task[1].items()}, *task[2:]


def native_arguments(**changes):
    """What the binding is called with for two steps of the problem's networks."""
    start = {name: np.ascontiguousarray(value) for name, value in problem()[1].items()}
    given = {
        "widths": [2, 5, 3, 1], "function": "tanh", "option": 0.0, "loss": "binary_cross_entropy",
        "optimizer": "gradient_descent", "parameters": [start[n] for n in ("W1", "b1", "W2", "b2", "W3", "b3")],
        "first": None, "second": None, "rates": np.full(3, 0.1),
        "multipliers": None, "X": np.zeros((21, 2)), "Y": np.zeros((21, 1)),
        "begin": 0, "end": 2, "steps": 2, "record_every": 1, "offsets": None, "indices": None,
        "losses": np.zeros((3, 2)), "final_loss": np.zeros(3), "diverged_by": np.full(3, -1),
        "snapshot_steps": np.zeros(0, np.int64), "snapshots": [], "threads": 1, "layout": "auto",
        "progress": lambda step: None,
    }  # fmt: skip
    return {**given, **changes}
