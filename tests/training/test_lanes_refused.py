"""What the compiled engine refuses, and what its binding checks again; arrays are converted or refused."""

import numpy as np
import pytest

pytest.importorskip("goodinit._native", reason="the extension is not built")

from lanes_problems import assert_same, native_arguments, problem

from goodinit import GoodinitError, _native, activations
from goodinit.networks import MLP
from goodinit.training import Call, Schedule, lanes


def changed(**changes):
    network, start, X, Y = problem()
    given = {"start": start, "X": X, "Y": Y, "batches": [slice(None)] * 3, **changes}
    layout = {"layout": given.pop("layout")} if "layout" in given else {}
    return lanes.train(Call(network, schedule=Schedule(steps=3), **given), **layout)


START = problem()[1]
BAD = {
    "X of the wrong width": ({"X": np.zeros((3, 21))}, r"X has shape \(3, 21\); expected \(2, examples\)"),
    "X without examples": ({"X": np.zeros((2, 0))}, "at least one example"),
    "X of one axis": ({"X": np.zeros(2)}, "X has shape"),
    "X of text": ({"X": np.array([["a"], ["b"]])}, "X has dtype"),
    "X not finite": ({"X": np.full((2, 21), np.nan)}, "not finite"),
    "X too large for float32": ({"X": np.full((2, 21), 1e300), "dtype": "float32"}, "not finite in float32"),
    "Y of other examples": ({"Y": np.zeros((1, 20))}, "X has 21 examples and Y 20"),
    "Y of complex numbers": ({"Y": np.zeros((1, 21), complex)}, "Y has dtype"),
    "a parameter too many": ({"start": {**START, "W9": START["W1"]}}, "this network has"),
    "a parameter of the wrong shape": ({"start": {**START, "W2": START["W2"][:, :1]}}, "W2 has shape"),
    "networks that differ in number": ({"start": {**START, "b1": START["b1"][:2]}}, "b1 has shape"),
    "no network": ({"start": {name: value[:0] for name, value in START.items()}}, "at least one"),
    "learning rates too few": ({"learning_rates": np.ones(2)}, "expected one number for each of the 3"),
    "a learning rate that is not a number": ({"learning_rates": np.array([1, np.nan, 1])}, "above 0"),
    "a learning rate of 0": ({"learning_rates": np.array([1, 0.0, 1])}, "above 0"),
    "a learning rate below float32": (
        {"learning_rates": np.full(3, 1e-60), "dtype": "float32"},
        "cannot be held in float32",
    ),
    "a product of rates below float32": (
        {"learning_rates": np.full(3, 1e-30), "rate_multipliers": {"b2": 1e-30}, "dtype": "float32"},
        "cannot be held in float32",
    ),
    "a multiplier of nothing": ({"rate_multipliers": {"W9": 2.0}}, "'W9' is not known"),
    "a multiplier of 0": ({"rate_multipliers": {"W1": 0.0}}, "must be a finite number above 0"),
    "too few batches": ({"batches": [slice(None)]}, "1 batches for the 3 steps"),
    "too many batches": ({"batches": [slice(None)] * 4}, "more batches than the 3 steps"),
    "an empty batch": ({"batches": [np.array([], int)] * 3}, "batch of step 0"),
    "an example that is not there": ({"batches": [np.array([21])] * 3}, "batch of step 0 cannot be taken"),
    "an unknown dtype": ({"dtype": "float16"}, "dtype 'float16'"),
    "no thread": ({"threads": 0}, "threads 0"),
    "a snapshot beyond the end": ({"snapshots": [4]}, "from 0 to 3"),
    "an unknown layout": ({"layout": "sideways"}, "layout"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_used_is_refused(case):
    changes, message = BAD[case]
    with pytest.raises(GoodinitError, match=message):
        changed(**changes)


def test_arrays_are_converted_and_the_start_is_left_as_it_is():
    network, start, X, Y = problem()
    expected = changed()
    before = {name: value.copy() for name, value in start.items()}
    given = {name: np.asfortranarray(value) for name, value in start.items()}
    strided = np.repeat(X, 2, axis=1)[:, ::2]
    found = lanes.train(Call(network, given, strided, Y.astype(bool), Schedule(steps=3), [slice(None)] * 3))
    assert_same(found, expected)
    for name, value in before.items():
        assert np.array_equal(given[name], value)


def test_an_activation_of_ones_own_is_refused():
    own = activations.Activation("relu", lambda z: z, np.ones_like, None)
    with pytest.raises(GoodinitError, match="use engine='reference'"):
        lanes.train(
            Call(MLP((2, 1), own, "binary_cross_entropy"), {}, np.zeros((2, 1)), np.zeros((1, 1)), Schedule(), [])
        )


@pytest.mark.parametrize(
    "changes",
    [
        {"widths": [2, 5, 4, 1]},
        {"widths": [2]},
        {"widths": [2, 0, 3, 1]},
        {"widths": [2, 1 << 30, 1 << 30, 1]},
        {"function": "step"},
        {"loss": "hinge"},
        {"optimizer": "newton"},
        {"parameters": []},
        {"rates": np.full(4, 0.1)},
        {"rates": np.full(3, np.nan)},
        {"rates": np.zeros(0)},
        {"multipliers": np.ones(5)},
        {"multipliers": np.array([1.0, 1, 1, 1, 1, 0])},
        {"decays": np.ones(5)},
        {"factors": np.ones(3)},
        {"clipping": -1.0},
        {"clipping": np.inf},
        {"factors": np.array([1.0, 1.5])},
        {"decays": np.array([1.0, 1, 1, 1, 1, -1])},
        {"decays": np.array([1.0, 1, 1, 1, 1, np.inf])},
        {"X": np.zeros((21, 3))},
        {"X": np.zeros((0, 2))},
        {"Y": np.zeros((20, 1))},
        {"begin": -1},
        {"begin": 2},
        {"end": 3},
        {"record_every": 0},
        {"losses": np.zeros((3, 1))},
        {"final_loss": np.zeros(2)},
        {"diverged_by": np.full(2, -1)},
        {"threads": 0},
        {"layout": "sideways"},
        {"offsets": np.array([0, 1, 2])},
        {"offsets": np.array([0, 1, 2]), "indices": np.array([0, 21], np.int32)},
        {"offsets": np.array([0, 1, 2]), "indices": np.array([0, -1], np.int32)},
        {"offsets": np.array([0, 2, 2]), "indices": np.array([0, 1], np.int32)},
        {"offsets": np.array([0, 2]), "indices": np.array([0, 1], np.int32)},
        {"offsets": np.array([0, 1, 9]), "indices": np.array([0, 1], np.int32)},
        {"snapshot_steps": np.array([3])},
        {"snapshot_steps": np.array([1])},
        {"snapshot_steps": np.array([1, 1])},
        {"first": np.zeros((3, 5))},
    ],
)
def test_the_binding_checks_every_size_again(changes):
    with pytest.raises(ValueError, match=r"\w"):
        _native.train_float64(**native_arguments(**changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"X": np.zeros((21, 2), np.float32)},
        {"X": np.zeros((2, 21)).T},
        {"Y": [[0.0]] * 21},
        {"losses": np.zeros((3, 2), np.float32)},
        {"indices": np.array([0, 1]), "offsets": np.array([0, 1, 2])},
        {"rates": None},
    ],
)
def test_the_binding_converts_nothing(changes):
    with pytest.raises(TypeError):
        _native.train_float64(**native_arguments(**changes))


def test_the_binding_refuses_parameters_it_would_have_to_copy():
    arguments = native_arguments()
    arguments["parameters"][0] = np.asfortranarray(arguments["parameters"][0])
    with pytest.raises((TypeError, ValueError, RuntimeError)):
        _native.train_float64(**arguments)
