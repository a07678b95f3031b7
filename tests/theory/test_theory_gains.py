"""Gains against closed forms, mpmath's quadrature and PyTorch's own table."""

from __future__ import annotations

import math

import mpmath as mp
import numpy as np
import pytest
from scipy import special

from goodinit import activations
from goodinit.errors import GoodinitError
from goodinit.theory import backward_gain, gain, pytorch_gain, random_walk_gain

PHI1, PDF1 = special.ndtr(1.0), math.exp(-0.5) / math.sqrt(2 * math.pi)
CLOSED = {
    "linear": 1.0,
    "relu": 1 / 2,
    "leaky_relu": (1 + 0.01**2) / 2,
    "leaky_relu(slope=0.3)": (1 + 0.3**2) / 2,
    # E[min(|z|, 1)^2] = (2 Phi(1) - 1 - 2 pdf(1)) + 2 (1 - Phi(1))
    "hard_tanh": (2 * PHI1 - 1 - 2 * PDF1) + 2 * (1 - PHI1),
    # E[(exp(z) - 1)^2; z < 0] = e^2 Phi(-2) - 2 e^(1/2) Phi(-1) + 1/2
    "elu": 0.5 + math.exp(2) * special.ndtr(-2.0) - 2 * math.exp(0.5) * special.ndtr(-1.0) + 0.5,
    "selu": 1.0,  # Klambauer et al. 2017: the constants are chosen so
    "erf": 2 / math.pi * math.asin(2 / 3),  # Williams 1998
    "sine": (1 - math.exp(-2)) / 2,
    "sine(frequency=30)": (1 - math.exp(-1800)) / 2,
}
BY_MPMATH = {
    "tanh": mp.tanh,
    "sigmoid": lambda z: 1 / (1 + mp.exp(-z)),
    "gelu": lambda z: z * mp.ncdf(z),
    "silu": lambda z: z / (1 + mp.exp(-z)),
    "mish": lambda z: z * mp.tanh(mp.log1p(mp.exp(z))),
    "softplus": lambda z: mp.log1p(mp.exp(z)),
    "softsign": lambda z: z / (1 + abs(z)),
    "relu6": lambda z: min(max(z, mp.mpf(0)), mp.mpf(6)),
}


def _moment(f):
    return mp.quad(lambda z: f(z) ** 2 * mp.npdf(z), [-16, -8, -4, -2, 0, 2, 4, 6, 8, 16])


@pytest.mark.parametrize("name", CLOSED)
def test_gain_is_the_closed_form(name):
    assert gain(name) == pytest.approx(1 / math.sqrt(CLOSED[name]), rel=5e-15)


@pytest.mark.parametrize("name", BY_MPMATH)
def test_gain_is_what_mpmath_integrates(name):
    assert gain(name) == pytest.approx(float(1 / mp.sqrt(_moment(BY_MPMATH[name]))), rel=5e-15)


@pytest.mark.parametrize("name", ["tanh", "gelu", "silu", "softplus"])
def test_backward_gain_is_what_mpmath_differentiates(name):
    f = BY_MPMATH[name]
    assert backward_gain(name) == pytest.approx(float(1 / mp.sqrt(_moment(lambda z: mp.diff(f, z)))), rel=1e-12)


def test_every_activation_of_the_table_has_both_gains():
    tested = set(CLOSED) | set(BY_MPMATH)
    assert set(activations.names()) <= tested
    for name in activations.names():
        assert gain(name) > 0
        assert backward_gain(name) > 0


@pytest.mark.parametrize(
    ("function", "moment"),
    [
        (
            lambda z: np.maximum(z, 0.3),
            0.3**2 * special.ndtr(0.3) + 0.3 * math.exp(-0.045) / math.sqrt(2 * math.pi) + special.ndtr(-0.3),
        ),  # a kink that nobody tells of
        (lambda z: np.where(z > 1 / 3, 2.0, -1.0), 4 * special.ndtr(-1 / 3) + special.ndtr(1 / 3)),  # a jump
        (np.exp, math.exp(2)),
        (lambda z: z**3, 15.0),
        (lambda z: z > 0, 0.5),  # booleans are numbers
    ],
)
def test_gain_of_a_plain_function(function, moment):
    assert gain(function) == pytest.approx(1 / math.sqrt(moment), rel=1e-14)


def test_gain_of_an_activation_is_that_of_its_function():
    for name in activations.names():
        assert gain(activations.get(name).value) == pytest.approx(gain(name), rel=1e-14)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda z: z if z > 0 else 0.0, "fails on an array"),
        (math.tanh, "tanh fails on an array"),
        (lambda z: 1.0, r"gave shape \(\) for an array of \(5,\)"),
        (lambda z: np.outer(z, z), r"gave shape \(5, 5\)"),
        (lambda z: 1j * z, "finite real numbers"),
        (lambda z: z * np.nan, "finite real numbers"),
        (lambda z: np.where(np.abs(z) > 5, np.inf, z), "not finite everywhere"),
        (lambda z: 0 * z, "zero everywhere"),
        (lambda z: np.exp(np.minimum(z * z / 4, 350)), "infinite"),
    ],
)
def test_a_function_that_cannot_be_integrated_is_refused(function, words):
    with pytest.raises(GoodinitError, match=words):
        gain(function)


def test_unknown_names_are_refused():
    for call in (gain, backward_gain, pytorch_gain):
        with pytest.raises(GoodinitError, match="did you mean relu"):
            call("rellu")
    with pytest.raises(GoodinitError, match="derivative is needed"):
        backward_gain(np.tanh)


def test_pytorch_gain_is_pytorchs_table():
    init = pytest.importorskip("torch.nn.init")
    for name in ("linear", "sigmoid", "tanh", "relu", "leaky_relu", "selu"):
        assert pytorch_gain(name) == pytest.approx(init.calculate_gain(name), rel=1e-15)
    assert pytorch_gain("leaky_relu(slope=0.2)") == pytest.approx(init.calculate_gain("leaky_relu", 0.2), rel=1e-15)
    for name in set(activations.names()) - {"linear", "sigmoid", "tanh", "relu", "leaky_relu", "selu"}:
        assert pytorch_gain(name) is None
        with pytest.raises(ValueError, match="Unsupported nonlinearity"):
            init.calculate_gain(activations.get(name).name)


def test_random_walk_gain_is_the_papers():
    # Sussillo & Abbott 2014, by hand: widths below 6 count as 6, and 1.2 / (6 - 2.4) = 1/3; 2 exp(2/3) = 3.8954681.
    assert random_walk_gain("relu", width=3) == random_walk_gain("relu", width=6)
    assert random_walk_gain("relu", width=6) ** 2 == pytest.approx(3.8954681, rel=1e-7)
    assert random_walk_gain("linear", width=1) == pytest.approx(1.6487212707, rel=1e-9)
    with pytest.raises(GoodinitError, match="one of relu, linear"):
        random_walk_gain("tanh", width=10)
    with pytest.raises(GoodinitError, match="width=0: width must be an integer of at least 1"):
        random_walk_gain("relu", width=0)
