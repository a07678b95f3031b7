"""Findings: each rule finds its planted fault, and is silent on a sound start."""

import numpy as np
import pytest

from goodinit import activations, checkup, initializers
from goodinit.networks import MLP
from goodinit.streams import KeyedStream


def start(init, widths=(2, 32, 32, 1), activation="relu", seed=0, scale=None):
    network = MLP(widths, activations.get(activation), "binary_cross_entropy" if widths[-1] == 1 else "cross_entropy")
    parameters = network.parameters(initializers.get(init), KeyedStream(seed))
    if scale:
        scale(parameters)
    X = KeyedStream(99).normal("X", 0, widths[0] * 200).reshape(widths[0], 200)
    labels = np.arange(200) % max(2, widths[-1])
    Y = labels[np.newaxis].astype(float) if widths[-1] == 1 else np.eye(widths[-1])[:, labels]
    return checkup.measure(network, parameters, X, Y)


def codes(measure):
    return {finding.code: finding.severity for finding in checkup.findings(measure)}


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize(
    ("init", "activation", "widths"),
    [
        ("he_normal", "relu", (2, 32, 32, 1)),
        ("he_uniform", "leaky_relu", (10, 64, 64, 64, 5)),
        ("glorot_normal", "tanh", (10, 64, 64, 64, 5)),
        ("lecun_normal", "selu", (10, 64, 64, 64, 5)),
    ],
)
def test_sound_starts_have_no_severe_finding(init, activation, widths, seed):
    assert "severe" not in codes(start(init, widths, activation, seed)).values()


def test_zeros_and_ones_are_identical():
    assert {"identical-units", "zero-gradient"} <= set(codes(start("zeros")))
    assert "identical-units" in codes(start("ones"))
    assert "zero-gradient" not in codes(start("ones"))


def test_zeros_in_a_tanh_network_leave_only_the_last_bias():
    found = {f.code: f.message for f in checkup.findings(start("zeros", activation="tanh"))}
    assert "only the last bias b3 can move" in found["zero-gradient"]


def test_copies_are_counted():
    def clone(parameters):
        for name, axis in (("W1", 0), ("b1", 0), ("W2", 1)):
            np.moveaxis(parameters[name], axis, 0)[5] = np.moveaxis(parameters[name], axis, 0)[4]

    found = {f.code: f.message for f in checkup.findings(start("he_normal", scale=clone))}
    assert found["identical-units"].startswith("1 of 32 units of hidden layer 1")


def test_too_large_a_start_saturates_the_outputs():
    found = codes(start("normal(std=10)"))
    assert found["output-saturated"] == "severe"
    assert found["loss-above-chance"] == "severe"


def test_dead_units_are_found():
    def kill(parameters):
        parameters["b2"] -= 1000

    assert codes(start("he_normal", scale=kill))["dead-units"] == "severe"


def test_saturated_hidden_units_are_found():
    assert "saturated-units" in codes(start("normal(std=10)", activation="tanh"))


@pytest.mark.parametrize(("std", "code"), [(0.01, "vanishing-signal"), (2, "exploding-signal")])
def test_shrinking_and_growing_signals_are_found(std, code):
    assert code in codes(start(f"normal(std={std})", (2, 32, 32, 32, 32, 1)))


def test_a_measure_by_hand():
    """One unit, two examples: z = (1, -1), relu gives (1, 0), logits (2, 0), so every number is known."""
    network = MLP((1, 1, 1), activations.get("relu"), "binary_cross_entropy")
    parameters = {"W1": np.array([[1.0]]), "b1": np.zeros((1, 1)), "W2": np.array([[2.0]]), "b2": np.zeros((1, 1))}
    found = checkup.measure(network, parameters, np.array([[1.0, -1.0]]), np.array([[1.0, 0.0]]))
    sigma = 1 / (1 + np.exp(-2))
    assert found.loss == pytest.approx((-np.log(sigma) + np.log(2)) / 2)
    assert found.chance_loss == pytest.approx(np.log(2))
    assert found.logit_rms == pytest.approx(np.sqrt(2))
    assert found.layers[0].activation_rms == pytest.approx(np.sqrt(0.5))
    assert found.largest_gradients["W2"] == pytest.approx((1 - sigma) / 2)
    assert found.largest_gradients["b2"] == pytest.approx(abs(sigma - 1 + 0.5) / 2)
