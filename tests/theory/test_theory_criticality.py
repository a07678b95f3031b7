"""The critical line and half-stable points against published figures, mpmath and the definition."""

from __future__ import annotations

import math

import mpmath as mp
import numpy as np
import pytest

from goodinit.errors import GoodinitError
from goodinit.theory import (
    critical_line,
    critical_point,
    critical_weight_variance,
    half_stable_critical_point,
    mean_field,
)

# Poole et al. 2016 and Schoenholz et al. 2017, at the definition chi_1 = 1.
TANH = {0.001: 1.1891896, 0.01: 1.4242053, 0.1: 1.9860726}
# Hayou et al. 2019; Roberts, Yaida & Hanin 2022, as variances.
HALF_STABLE = {"gelu": (1.98305826, 0.17292239, 3.5616), "silu": (1.98800468, 0.55514317, 14.3202)}


@pytest.mark.parametrize("sb2", TANH)
def test_critical_weight_variance_of_tanh(sb2):
    assert critical_weight_variance("tanh", bias_variance=sb2) == pytest.approx(TANH[sb2], abs=5.1e-8)


def test_critical_line_of_tanh_by_mpmath():
    ends = [-12, -4, -1, 0, 1, 4, 12]

    def expect(f, q):
        return mp.quad(lambda z: f(mp.sqrt(q) * z) * mp.npdf(z), ends)

    def unknowns(sw2, q):
        return [
            sw2 * expect(lambda u: mp.tanh(u) ** 2, q) + mp.mpf("0.01") - q,
            sw2 * expect(lambda u: mp.sech(u) ** 4, q) - 1,
        ]

    sw2, q = mp.findroot(unknowns, (1.42, 0.17))
    point = critical_point("tanh", bias_variance=0.01)
    assert point.weight_variance == pytest.approx(float(sw2), rel=1e-12)
    assert point.q_star == pytest.approx(float(q), rel=1e-10)


@pytest.mark.parametrize("name", ["tanh", "hard_tanh", "softsign", "sine", "elu", "selu", "relu6", "sigmoid"])
def test_the_line_is_where_chi_1_is_1(name):
    biases = np.array([0.003, 0.05, 0.4])
    line = critical_line(name, biases)
    for sw2, sb2 in zip(line, biases, strict=True):
        field = mean_field(name, weight_variance=sw2, bias_variance=sb2)
        assert field.chi_1 == pytest.approx(1, abs=1e-10)
        assert field.phase == "critical"
        below = mean_field(name, weight_variance=0.99 * sw2, bias_variance=sb2)
        above = mean_field(name, weight_variance=1.01 * sw2, bias_variance=sb2)
        assert below.chi_1 < 1 < above.chi_1


def test_the_line_begins_where_signals_vanish():
    for name in ("tanh", "hard_tanh", "softsign", "sine", "linear"):
        assert critical_weight_variance(name) == pytest.approx(1, rel=1e-14)
    line = critical_line("tanh", [0.0, 1e-20, 1e-12, 1e-9])
    assert (np.diff(line) >= 0).all()
    assert line[-1] < 1.002


def test_homogeneous_activations_have_one_critical_weight_variance():
    assert critical_line("relu", [[0.0, 0.1], [1.0, 9.0]]) == pytest.approx(np.full((2, 2), 2.0), rel=1e-14)
    assert critical_point("relu", bias_variance=0.1).q_star == math.inf
    assert critical_weight_variance("leaky_relu(slope=0.5)") == pytest.approx(2 / 1.25, rel=1e-14)


@pytest.mark.parametrize("name", HALF_STABLE)
def test_half_stable_points(name):
    point = half_stable_critical_point(name)
    sw2, sb2, q_star = HALF_STABLE[name]
    assert point.weight_variance == pytest.approx(sw2, abs=5.1e-9)
    assert point.bias_variance == pytest.approx(sb2, abs=5.1e-9)
    assert point.q_star == pytest.approx(q_star, abs=5.1e-5)
    assert critical_weight_variance(name, bias_variance=point.bias_variance) == pytest.approx(sw2, abs=5.1e-9)


@pytest.mark.parametrize("name", ["gelu", "silu", "mish"])
def test_the_variance_map_touches_the_diagonal_there(name):
    point = half_stable_critical_point(name)
    field = mean_field(name, weight_variance=point.weight_variance, bias_variance=point.bias_variance)
    h = 0.01
    below, at, above = (field.variance_map(point.q_star * (1 + s * h)) - point.q_star for s in (-1, 0, 1))
    assert at == pytest.approx(0, abs=1e-12 * point.q_star)
    assert (above - below) / (2 * h * point.q_star) == pytest.approx(1, abs=2e-5)


def test_where_there_is_no_point_it_says_so():
    for name in ("relu", "linear", "leaky_relu", "tanh", "softplus"):
        with pytest.raises(GoodinitError, match="use critical_weight_variance"):
            half_stable_critical_point(name)
    with pytest.raises(GoodinitError, match="gelu has no critical weight variance at bias_variance=0 "):
        critical_weight_variance("gelu")
    line = critical_line("gelu", [0.0, 0.3])
    assert math.isnan(line[0])
    assert 1.9 < line[1] < 2.0
    with pytest.raises(GoodinitError, match="bias_variances=-1"):
        critical_line("tanh", [0.1, -1.0])
    with pytest.raises(GoodinitError, match="bias_variance=inf"):
        critical_weight_variance("tanh", bias_variance=math.inf)
    with pytest.raises(GoodinitError, match="did you mean tanh"):
        half_stable_critical_point("tan_h")
