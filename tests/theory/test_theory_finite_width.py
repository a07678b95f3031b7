"""The drift of the log-norm at finite width, against an exact integral and networks that are drawn and run."""

from __future__ import annotations

import math

import mpmath as mp
import numpy as np
import pytest

from goodinit.errors import GoodinitError
from goodinit.streams import KeyedStream
from goodinit.theory import learning_time, log_norm_drift, random_walk_gain, second_moment_ratio

FIRST_ORDER = {10: -0.195, 30: -0.586, 50: -0.977}  # -2.5 L / n at n = 128


def _by_frullani(n, weight_variance):
    """E log of one ReLU layer's factor from its Laplace transform: E log S = int (e^-t - E e^(-t S)) / t dt.

    S is a sum of n squares of ReLU of standard normals, E e^(-t S) = ((1 + (1 + 2 t)^(-1/2)) / 2)^n, given S > 0.
    """
    none = mp.mpf(2) ** -n

    def integrand(t):
        transform = ((1 + (1 + 2 * t) ** mp.mpf("-0.5")) / 2) ** n
        return (mp.exp(-t) - (transform - none) / (1 - none)) / t

    ends = [0, mp.mpf(1) / n / n, mp.mpf(1) / n, 0.1, 1, 10, 1e3, 1e6, 1e12, 1e20, mp.inf]
    return mp.quad(integrand, ends) + mp.log(mp.mpf(weight_variance) / n)


@pytest.mark.parametrize("n", [2, 5, 128])
def test_relu_drift_is_the_integral_of_the_laplace_transform(n):
    drift = log_norm_drift("relu", width=n, depth=7)
    assert drift.mean == pytest.approx(7 * float(_by_frullani(n, 2)), rel=1e-7)
    assert drift.survival == pytest.approx((1 - 2.0**-n) ** 7, rel=1e-14)


@pytest.mark.parametrize("depth", FIRST_ORDER)
def test_relu_drift_is_minus_five_halves_of_depth_over_width(depth):
    assert pytest.approx(FIRST_ORDER[depth], abs=6e-4) == -2.5 * depth / 128
    assert log_norm_drift("relu", width=128, depth=depth).mean == pytest.approx(FIRST_ORDER[depth], rel=0.02)
    wide = log_norm_drift("relu", width=100_000, depth=depth)
    assert wide.mean == pytest.approx(-2.5 * depth / 100_000, rel=1e-4)
    assert wide.std**2 == pytest.approx(5 * depth / 100_000, rel=1e-4)


def _networks(activation, weight_variance, width, depth, count, seed):
    """log(M_l / M_0) in every layer of `count` networks, an array (count, depth + 1); nan once a layer is all zeros."""
    stream, logs = KeyedStream(seed), np.zeros((count, depth + 1))
    for network in range(count):
        h = np.ones(width)
        for layer in range(depth):
            w = stream.normal(f"network {network} layer {layer}", 0, width * width).reshape(width, width)
            h = activation(w @ h * math.sqrt(weight_variance / width))
            logs[network, layer + 1] = math.log(h @ h / width) if h.any() else math.nan
    return logs


def test_relu_drift_is_that_of_networks():
    logs = _networks(lambda z: np.maximum(z, 0), 2.0, 128, 50, 150, seed=1)
    for depth, first_order in FIRST_ORDER.items():
        drift = log_norm_drift("relu", width=128, depth=depth)
        error = logs[:, depth].std(ddof=1) / math.sqrt(len(logs))
        assert abs(logs[:, depth].mean() - drift.mean) < 3.5 * error
        assert abs(logs[:, depth].mean() - first_order) < 3.5 * error
        assert logs[:, depth].std(ddof=1) == pytest.approx(drift.std, rel=0.2)


@pytest.mark.parametrize("name", ["relu", "linear"])
def test_narrow_networks_drift_as_said(name):
    activation, sw2 = (lambda z: np.maximum(z, 0), 2.0) if name == "relu" else (lambda z: z, 1.0)
    steps = np.diff(_networks(activation, sw2, 12, 3, 6000, seed=2), axis=1).ravel()
    steps = steps[np.isfinite(steps)]
    drift = log_norm_drift(name, width=12, depth=1)
    assert abs(steps.mean() - drift.mean) < 3.5 * drift.std / math.sqrt(steps.size)
    assert steps.std() == pytest.approx(drift.std, rel=0.05)


def test_the_random_walk_gain_takes_the_drift_away():
    # Sussillo & Abbott 2014: E log M_L stays near 0. Their constants are a fit: a tenth of the drift is left at most.
    for n in (10, 30, 100, 300):
        gain = random_walk_gain("relu", width=n)
        left = log_norm_drift("relu", width=n, depth=100, weight_variance=gain**2).mean
        assert abs(left) < 0.1 * abs(log_norm_drift("relu", width=n, depth=100).mean)
        gain = random_walk_gain("linear", width=n)
        left = log_norm_drift("linear", width=n, depth=100, weight_variance=gain**2).mean
        assert abs(left) < 0.1 * abs(log_norm_drift("linear", width=n, depth=100).mean)


def test_pytorchs_default_shrinks_a_relu_network_to_a_sixth_a_layer():
    width, count, stream = 64, 400, KeyedStream(3)
    ratios = np.empty(count)
    for network in range(count):
        h = np.abs(stream.normal(f"input {network}", 0, width))
        w = (2 * stream.uniform(f"weight {network}", 0, width * width) - 1).reshape(width, width) / math.sqrt(width)
        ratios[network] = (np.maximum(w @ h, 0) ** 2).sum() / (h @ h)
    error = ratios.std(ddof=1) / math.sqrt(count)
    assert abs(ratios.mean() - second_moment_ratio("relu", weight_variance=1 / 3)) < 3.5 * error
    assert error < 0.02 / 6


def test_learning_time_is_saxes():
    # Saxe, McClelland & Ganguli 2014, half-time at tau = 1, u_0 = 1e-3.
    assert learning_time(4, start=1e-3) == pytest.approx(1.037, abs=5.1e-4)
    assert learning_time(1, start=1e-3) == pytest.approx(3.453, abs=5.1e-4)
    # Independently, by small steps of tau du/dt = 2 u (s - u), the equation it solves.
    u, t, step = 0.02, 0.0, 1e-5
    while u < 2.5:
        u += step / 0.5 * 2 * u * (3 - u)
        t += step
    assert learning_time(3, start=0.02, end=2.5, tau=0.5) == pytest.approx(t, rel=1e-3)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: log_norm_drift("tanh", width=10, depth=1), "one of relu, linear"),
        (lambda: log_norm_drift("relu", width=0, depth=1), "width=0"),
        (lambda: log_norm_drift("relu", width=10.5, depth=1), "width=10.5"),
        (lambda: log_norm_drift("relu", width=10, depth=0), "depth=0"),
        (lambda: log_norm_drift("relu", width=10, depth=1, weight_variance=0), "weight_variance=0"),
        (lambda: learning_time(0, start=1), "strength=0"),
        (lambda: learning_time(1, start=1), "start=1, strength=1: start must be below the strength"),
        (lambda: learning_time(1, start=0.1, end=2), "end=2, strength=1"),
        (lambda: learning_time(1, start=0.1, tau=-1), "tau=-1"),
        (lambda: second_moment_ratio("relu", weight_variance=1, q=0), "q=0"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(call, words):
    with pytest.raises(GoodinitError, match=words):
        call()
