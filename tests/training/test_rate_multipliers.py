"""A multiplier of the learning rate for each parameter, against the law of a layer that is scaled from outside.

Where a network computes with W = c V and V is trained, V = W / c has the gradient c dL/dW. Gradient descent at rate r
thus moves V by r c dL/dW, and W by r c^2 dL/dW: training V is training W at a rate multiplied by c^2. Adam's steps do
not depend on the gradient's scale, up to epsilon, and V moves as W would: W by c times that.
"""

import numpy as np
import pytest

from goodinit import activations, initializers
from goodinit.networks import MLP, stack
from goodinit.streams import KeyedStream
from goodinit.training import OPTIMIZERS, REGISTRY, Schedule, backward, batches, forward, train

NETWORK = MLP((3, 7, 5, 2), activations.get("tanh"), "cross_entropy")
START = stack([NETWORK.parameters(initializers.get("lecun_normal"), KeyedStream(seed)) for seed in range(3)])
X = KeyedStream(1).normal("X", 0, 3 * 20).reshape(3, 20)
Y = np.eye(2)[:, np.arange(20) % 2]
FACTORS = {"W1": 4.0, "b1": 1.0, "W2": 0.5, "b2": 2.0, "W3": 3.0, "b3": 0.25}
RATE = 0.02


def scaled_from_outside(optimizer, steps, epsilon=1e-8):
    """Train V where the network has W = c V, with the optimizers written out, and give W."""
    V = {name: value / FACTORS[name] for name, value in START.items()}
    first = {name: np.zeros_like(value) for name, value in V.items()}
    second = {name: np.zeros_like(value) for name, value in V.items()}
    for step in range(1, steps + 1):
        W = {name: FACTORS[name] * value for name, value in V.items()}
        gradients = backward(NETWORK, W, *forward(NETWORK, W, X), Y)
        for name, gradient in gradients.items():
            g = FACTORS[name] * gradient
            if optimizer == "gradient_descent":
                V[name] = V[name] - RATE * g
            elif optimizer == "momentum":
                first[name] = 0.9 * first[name] + g
                V[name] = V[name] - RATE * first[name]
            else:
                first[name] = 0.9 * first[name] + 0.1 * g
                second[name] = 0.999 * second[name] + 0.001 * g**2
                mean, square = first[name] / (1 - 0.9**step), second[name] / (1 - 0.999**step)
                V[name] = V[name] - RATE * mean / (np.sqrt(square) + epsilon * FACTORS[name])  # relative to g's scale
    return {name: FACTORS[name] * value for name, value in V.items()}


def trained(engine, optimizer, steps, multipliers, **options):
    if not REGISTRY[engine].available():
        pytest.skip(f"{engine} is not there")
    schedule = Schedule(optimizer, RATE, steps=steps, record_every=10)
    order = batches(20, schedule, KeyedStream(0))
    return train(NETWORK, START, X, Y, schedule, order, engine=engine, rate_multipliers=multipliers, **options)


@pytest.mark.parametrize("engine", REGISTRY)
@pytest.mark.parametrize(("optimizer", "power"), [("gradient_descent", 2), ("momentum", 2), ("adam", 1)])
def test_a_layer_scaled_from_outside_is_a_multiplied_rate(engine, optimizer, power):
    multipliers = {name: factor**power for name, factor in FACTORS.items()}
    found = trained(engine, optimizer, 40, multipliers).parameters
    expected = scaled_from_outside(optimizer, 40)
    plain = trained(engine, optimizer, 40, None).parameters
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-8, atol=1e-11, err_msg=name)
        if FACTORS[name] != 1:
            assert np.abs(plain[name] - value).max() > 1e-3, name


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_the_compiled_code_has_the_same_bits_grouped_and_alone(optimizer):
    whole = trained("lanes", optimizer, 12, FACTORS, learning_rates=np.array([0.01, 0.02, 0.05]), dtype="float32")
    for member, rate in enumerate((0.01, 0.02, 0.05)):
        start = {name: value[member : member + 1] for name, value in START.items()}
        schedule = Schedule(optimizer, rate, steps=12, record_every=10)
        alone = train(
            NETWORK, start, X, Y, schedule, batches(20, schedule, KeyedStream(0)),
            engine="lanes", dtype="float32", rate_multipliers=FACTORS,
        )  # fmt: skip
        for name, value in alone.parameters.items():
            assert np.array_equal(value[0], whole.parameters[name][member]), name


@pytest.mark.parametrize("engine", REGISTRY)
def test_multipliers_of_one_change_no_bit(engine):
    plain = trained(engine, "adam", 12, None)
    for multipliers in ({}, {"W1": 1}, dict.fromkeys(FACTORS, 1.0)):
        found = trained(engine, "adam", 12, multipliers)
        for name, value in plain.parameters.items():
            assert np.array_equal(found.parameters[name], value), name


@pytest.mark.parametrize("engine", REGISTRY)
def test_a_parameter_can_be_held_almost_still(engine):
    found = trained(engine, "adam", 12, {"W2": 1e-12}).parameters
    np.testing.assert_allclose(found["W2"], START["W2"], rtol=1e-9, atol=1e-11)
    assert np.abs(found["W1"] - START["W1"]).max() > 1e-2
