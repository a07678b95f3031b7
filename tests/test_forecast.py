"""The forecast of `goodinit show NAME --widths ...` against networks that are really run."""

import math

import numpy as np
import pytest

from goodinit import activations, checkup, initializers
from goodinit.networks import MLP
from goodinit.streams import KeyedStream
from goodinit.training import backward, forward

WIDTHS = (300, 1200, 1200, 1200, 40)


@pytest.mark.parametrize(
    ("init", "activation"),
    [
        ("he_normal", "relu"),
        ("he_normal(activation=gelu)", "gelu"),
        ("lecun_uniform", "tanh"),
        ("orthogonal", "tanh"),
        ("glorot_normal", "silu"),
        ("edge_of_chaos(activation=tanh, bias_variance=0.05)", "tanh"),
        ("pytorch_linear", "relu"),
    ],
)
def test_signals_are_as_forecast(init, activation):
    network = MLP(WIDTHS, activations.get(activation), "cross_entropy")
    initializer = initializers.get(init)
    layers = checkup.forecast(initializer, network, 0)
    parameters = network.parameters(initializer, KeyedStream(0))
    examples = 64
    X = KeyedStream(1).normal("X", 0, WIDTHS[0] * examples).reshape(WIDTHS[0], examples)
    X /= np.sqrt((X**2).mean(axis=0))  # every input of mean square 1
    Z, A = forward(network, parameters, X)
    for layer, z in zip(layers, Z, strict=True):
        tolerance = 6 * math.sqrt(2 / len(z)) if layer is layers[-1] else 0.15
        assert (z**2).mean() == pytest.approx(layer.preactivation_variance, rel=tolerance)
    for layer, a in zip(layers[:-1], A[1:], strict=True):
        assert (a**2).mean() == pytest.approx(layer.activation_square, rel=0.15)
    assert layers[-1].activation_square is None
    assert [layer.gradient_square for layer in layers][-1] == 1
    # The gradient by the bias is the sum of the pre-activations' gradients: with one example it is that gradient.
    Y = np.eye(WIDTHS[-1])[:, :1]
    squares = []
    for example in range(8):
        one = [z[:, example : example + 1] for z in Z], [a[:, example : example + 1] for a in A]
        gradients = backward(network, parameters, *one, Y)
        squares.append([float((gradients[f"b{i}"] ** 2).mean()) for i in range(1, network.depth + 1)])
    measured = np.mean(squares, axis=0)
    for layer, square in zip(layers, measured / measured[-1], strict=True):
        assert square == pytest.approx(layer.gradient_square, rel=0.3)


def test_stds_are_expected_and_realised():
    network = MLP((50, 60, 3), activations.get("relu"), "cross_entropy")
    first, last = checkup.forecast(initializers.get("he_normal"), network, 7)
    drawn = network.parameters(initializers.get("he_normal"), KeyedStream(7))
    assert first.expected_std == pytest.approx(math.sqrt(2 / 50))
    assert (first.realised_std, last.realised_std) == (drawn["W1"].std(), drawn["W2"].std())


def test_no_forecast_for_weights_with_a_mean():
    network = MLP((5, 6, 3), activations.get("relu"), "cross_entropy")
    for layer in checkup.forecast(initializers.get("ones"), network):
        assert layer.preactivation_variance is layer.activation_square is layer.gradient_square is None


def test_cautions_are_passed_on():
    network = MLP((64, 64, 64), activations.get("relu"), "cross_entropy")
    assert "rank 31" in checkup.forecast(initializers.get("sinusoidal"), network)[0].caution
