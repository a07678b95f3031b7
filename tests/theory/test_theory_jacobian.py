"""Jacobian spectra against the papers' closed forms and the singular values of networks of width 600."""

from __future__ import annotations

import math

import numpy as np
import pytest

from goodinit import activations
from goodinit.errors import GoodinitError
from goodinit.streams import KeyedStream
from goodinit.theory import jacobian_spectrum

# Pennington, Schoenholz & Ganguli 2017, 2018: the largest squared singular value at L = 5 and 20.
LARGEST = {
    ("linear", "gaussian"): (14.93, 55.7),
    ("relu", "orthogonal"): (12.21, 53.0),
    ("relu", "gaussian"): (27.3, 108.8),
    ("linear", "orthogonal"): (1.0, 1.0),
}
VARIANCE = {
    ("linear", "gaussian"): 1,
    ("relu", "orthogonal"): 1,
    ("relu", "gaussian"): 2,
    ("linear", "orthogonal"): 0,
}  # times L


@pytest.mark.parametrize(("name", "weights"), LARGEST)
def test_linear_and_relu_are_the_papers(name, weights):
    for depth, largest, digits in zip((5, 20), LARGEST[name, weights], (5.1e-3, 5.1e-2), strict=True):
        spectrum = jacobian_spectrum(name, weights=weights, depth=depth)
        assert spectrum.largest == pytest.approx(largest, abs=0.051 if largest == 27.3 else digits)
        assert spectrum.relative_variance == pytest.approx(VARIANCE[name, weights] * depth, abs=1e-11)


@pytest.mark.parametrize("depth", [1, 2, 3, 10, 100])
def test_the_largest_is_the_closed_form(depth):
    n = depth
    gaussian = (n + 1) ** (n + 1) / n**n
    assert jacobian_spectrum("linear", depth=n).largest == pytest.approx(gaussian, rel=1e-12)
    orthogonal = n**n / (n - 1) ** (n - 1) if n > 1 else 2.0
    assert jacobian_spectrum("relu", depth=n, weights="orthogonal").largest == pytest.approx(orthogonal, rel=1e-9)
    z = (-(n - 1) + math.sqrt((n - 1) ** 2 + 2 * n)) / (2 * n)
    both = (1 + z) / z * (2 * z + 1) ** n
    assert jacobian_spectrum("relu", depth=n).largest == pytest.approx(both, rel=1e-12)


def test_one_gaussian_linear_layer_is_marchenko_and_pasturs():
    assert jacobian_spectrum("linear", depth=1).largest == pytest.approx(4, rel=1e-13)


def test_one_orthogonal_layer_has_the_spectrum_of_the_slopes():
    spectrum = jacobian_spectrum("tanh", depth=1, weights="orthogonal", bias_variance=0.05)
    assert spectrum.largest == pytest.approx(spectrum.weight_variance, rel=1e-8)  # phi' is 1 at most
    hard = jacobian_spectrum("hard_tanh", depth=1, weights="orthogonal", bias_variance=0.05)
    share = math.erf(1 / math.sqrt(2 * hard.q_star))  # of the units with slope 1
    assert hard.largest == pytest.approx(1 / share, rel=1e-10)
    assert hard.relative_variance == pytest.approx(1 / share - 1, rel=1e-10)


def test_tanh_without_biases_is_linear():
    assert jacobian_spectrum("tanh", depth=7).largest == pytest.approx(jacobian_spectrum("linear", depth=7).largest)
    spectrum = jacobian_spectrum("tanh", depth=7, weights="orthogonal")
    assert (spectrum.relative_variance, spectrum.largest, spectrum.q_star) == (0.0, 1.0, 0.0)


def _draw(stream, label, width, orthogonal):
    w = stream.normal(label, 0, width * width).reshape(width, width)
    if not orthogonal:
        return w / math.sqrt(width)
    q, r = np.linalg.qr(w)
    return q * np.copysign(1.0, np.diagonal(r))


def _eigenvalues(spectrum, activation, depth, seed, width=600):
    """The eigenvalues of J J^T of one network, run forward on one input of variance q_star."""
    stream, orthogonal = KeyedStream(seed), spectrum.weights == "orthogonal"
    q = spectrum.q_star if math.isfinite(spectrum.q_star) else 1.0
    u, jacobian = math.sqrt(q) * stream.normal("input", 0, width), np.eye(width)
    slopes = activation.derivative(u)
    for layer in range(depth):
        w = math.sqrt(spectrum.weight_variance) * _draw(stream, f"layer {layer}", width, orthogonal)
        u = w @ activation.value(u) + math.sqrt(spectrum.bias_variance) * stream.normal(f"bias {layer}", 0, width)
        slopes = activation.derivative(u)
        jacobian = slopes[:, None] * (w @ jacobian)
    return np.linalg.svd(jacobian, compute_uv=False) ** 2


def _figures(spectrum, name, depth):
    """The largest eigenvalue and the variance, mean of four networks, each less the random factor that it shares.

    Finite width biases the largest low: at width 600 by 5 % at L = 5 and 10 to 20 % at L = 20.
    """
    each = [_eigenvalues(spectrum, activations.get(name), depth, seed) for seed in range(4)]
    each = [eigenvalues / eigenvalues.mean() for eigenvalues in each]
    return np.mean([e.max() for e in each]), np.mean([e.var() for e in each])


@pytest.mark.parametrize(("depth", "tolerance"), [(5, 0.10), (20, 0.20)])
@pytest.mark.parametrize(("name", "weights"), [("linear", "gaussian"), ("relu", "orthogonal"), ("relu", "gaussian")])
def test_networks_of_width_600_have_the_spectrum(name, weights, depth, tolerance):
    spectrum = jacobian_spectrum(name, weights=weights, depth=depth)
    largest, variance = _figures(spectrum, name, depth)
    assert largest == pytest.approx(spectrum.largest, rel=tolerance)
    assert variance == pytest.approx(spectrum.relative_variance, rel=tolerance / 2)


@pytest.mark.parametrize("weights", ["gaussian", "orthogonal"])
@pytest.mark.parametrize(
    ("name", "sb2", "depth"),
    [("tanh", 0.05, 5), ("tanh", 0.01, 20), ("hard_tanh", 0.1, 5), ("selu", 0.05, 4), ("gelu", 0.3, 4)],
)
def test_networks_of_other_activations_have_the_spectrum(name, sb2, depth, weights):
    spectrum = jacobian_spectrum(name, weights=weights, depth=depth, bias_variance=sb2)
    tolerance = 0.10 if depth <= 10 else 0.20
    largest, variance = _figures(spectrum, name, depth)
    assert largest == pytest.approx(spectrum.largest, rel=tolerance)
    assert variance == pytest.approx(spectrum.relative_variance, rel=tolerance / 2)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: jacobian_spectrum("relu", depth=0), "depth=0: depth must be an integer of at least 1"),
        (lambda: jacobian_spectrum("relu", depth=2, weights="uniform"), "one of gaussian, orthogonal"),
        (lambda: jacobian_spectrum("gelu", depth=2), "gelu has no critical weight variance"),
        (lambda: jacobian_spectrum("tanh", depth=2, bias_variance=-1), "bias_variance=-1"),
        (lambda: jacobian_spectrum("thanh", depth=2), "did you mean tanh"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(call, words):
    with pytest.raises(GoodinitError, match=words):
        call()
