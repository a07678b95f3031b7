"""Variance and correlation maps, and their fixed points, against closed forms, mpmath and plain iteration."""

from __future__ import annotations

import math

import mpmath as mp
import numpy as np
import pytest
from scipy import integrate, optimize

from goodinit import activations
from goodinit.activations import Activation
from goodinit.errors import GoodinitError
from goodinit.theory import (
    correlation_map,
    critical_weight_variance,
    half_stable_critical_point,
    mean_field,
    second_moment_ratio,
    variance_map,
)
from goodinit.theory.pairs import half_square_difference
from goodinit.theory.quadrature import singular_points

ERF = activations.get("erf")


def cho_saul(c):
    """Cho & Saul 2009: the kernel of degree 1, normalised."""
    return (mp.sqrt(1 - c * c) + c * (mp.pi - mp.acos(c))) / mp.pi


# The definitions of Poole et al. 2016 and Schoenholz et al. 2017 at their settings, computed by a Gauss-Hermite rule of
# 201 nodes. For the two largest weights that rule is too coarse for tanh, and the figures are mpmath's (see below).
TANH = [
    (1.69, 0.09, 0.60705, 0.93981, 1.0, 1.33767, 16.10817),
    (1.3, 0.05, 0.31532, 0.88016, 1.0, 1.78524, 7.83407),
    (2.5, 0.05, 1.06396, 1.13352, 0.4468, 1.17987, 11.7956),
    (6.25, 0.09, 4.07912, 1.58522, 0.1221, 0.68834, 5.10892),
    (16.0, 0.09, 12.60415, 2.36726, 0.0297, 0.49029, 3.63935),
]


@pytest.mark.parametrize(("sw2", "sb2", "q_star", "chi_1", "c_star", "xi_q", "xi_c"), TANH)
def test_tanh_at_the_papers_settings(sw2, sb2, q_star, chi_1, c_star, xi_q, xi_c):
    field = mean_field("tanh", weight_variance=sw2, bias_variance=sb2)
    assert field.q_star == pytest.approx(q_star, abs=5.1e-6)
    assert field.chi_1 == pytest.approx(chi_1, abs=5.1e-6)
    assert field.c_star == pytest.approx(c_star, abs=5.1e-6)
    assert field.xi_q == pytest.approx(xi_q, abs=5.1e-6)
    assert field.xi_c == pytest.approx(xi_c, abs=5.1e-6)
    assert field.phase == ("chaotic" if chi_1 > 1 else "ordered")


def _dense(f, c, q):
    """E[f(u1) f(u2)] by a dense product grid: 1601 points to 10 standard deviations, conditioning u2 on u1."""
    z = np.linspace(-10, 10, 1601)
    p = np.exp(-z * z / 2)
    p /= p.sum()
    u = math.sqrt(q) * z
    return float(p @ (f(u)[:, None] * f(c * u[:, None] + math.sqrt(1 - c * c) * u)) @ p)


@pytest.mark.parametrize(
    ("sw2", "guess", "coarse"), [(6.25, 4.08, (4.07912, 1.58523)), (16, 12.6, (12.60336, 2.37492))]
)
def test_tanh_at_large_weights_by_other_routes(sw2, guess, coarse):
    # mpmath for one variable, a dense grid for two; and the rule of 201 nodes gives the figures that circulate.
    ends = [-12, -6, -3, -1, 0, 1, 3, 6, 12]

    def step(q):
        return sw2 * mp.quad(lambda z: mp.tanh(mp.sqrt(q) * z) ** 2 * mp.npdf(z), ends) + mp.mpf("0.09")

    q = mp.findroot(lambda q: step(q) - q, guess)
    chi_1 = sw2 * mp.quad(lambda z: mp.sech(mp.sqrt(q) * z) ** 4 * mp.npdf(z), ends)
    field = mean_field("tanh", weight_variance=sw2, bias_variance=0.09)
    assert field.q_star == pytest.approx(float(q), rel=1e-13)
    assert field.chi_1 == pytest.approx(float(chi_1), rel=1e-12)
    assert field.xi_q == pytest.approx(float(-1 / mp.log(mp.diff(step, q))), rel=1e-9)
    c = field.c_star
    assert (sw2 * _dense(np.tanh, c, float(q)) + 0.09) / float(q) == pytest.approx(c, rel=1e-10)
    slope = sw2 * _dense(lambda u: 1 / np.cosh(u) ** 2, c, float(q))
    assert field.xi_c == pytest.approx(-1 / math.log(slope), rel=1e-9)

    z, weight = np.polynomial.hermite_e.hermegauss(201)
    weight /= weight.sum()
    q = guess
    for _ in range(300):
        q = sw2 * weight @ np.tanh(math.sqrt(q) * z) ** 2 + 0.09
    assert (q, sw2 * weight @ np.cosh(math.sqrt(q) * z) ** -4.0) == pytest.approx(coarse, abs=5.1e-6)


def test_relu_correlation_map_from_orthogonal_inputs():
    # Cho & Saul 2009: c' = (sqrt(1 - c^2) + c (pi - arccos c)) / pi.
    c = mean_field("relu", weight_variance=2).correlations(100)
    assert c.shape == (101,)
    assert c[1:4] == pytest.approx([0.31831, 0.49373, 0.60483], abs=5.1e-6)
    assert c[10] == pytest.approx(0.871536, abs=5.1e-7)
    assert c[100] == pytest.approx(0.996423, abs=5.1e-7)


def test_relu_correlation_map_is_the_closed_form():
    for c in np.linspace(-1, 1, 41):
        assert correlation_map("relu", c, weight_variance=2) == pytest.approx(float(cho_saul(mp.mpf(c))), abs=1e-15)


@pytest.mark.parametrize("exponent", [-12, -10, -8, -6, -4, -2, -1])
def test_relu_correlation_keeps_its_digits_near_one(exponent):
    delta = 10.0**exponent
    with mp.workdps(50):
        expected = float(1 - cho_saul(1 - mp.mpf(delta)))
    after = mean_field("relu", weight_variance=2).complements(1, delta)[1]
    assert after == pytest.approx(expected, rel=1e-15 / math.sqrt(delta) + 1e-14)


def test_relu_correlation_tends_to_one_as_the_paper_says():
    # (1 - c_l) l^2 -> 9 pi^2 / 2, so a layer adds sqrt(2) / (3 pi) to 1 / sqrt(1 - c).
    field = mean_field("relu", weight_variance=2)
    steps = np.diff(field.complements(10, 1e-9) ** -0.5)
    assert steps == pytest.approx(np.full(10, math.sqrt(2) / (3 * math.pi)), rel=2e-5)
    assert field.complements(1000)[-1] * 1000**2 == pytest.approx(9 * math.pi**2 / 2, rel=0.05)


@pytest.mark.parametrize("q", [0.1, 2.0, 30.0, 1e3, 1e6])
@pytest.mark.parametrize("c", [-1.0, -0.5, 0.0, 0.9, 0.999999, 1.0])
def test_pairs_of_erf_and_sine_are_the_closed_forms(q, c):
    # Williams 1997: E[erf(u1) erf(u2)] = 2/pi asin(2 q c / (1 + 2 q)); E[sin sin] = exp(-q) sinh(q c).
    delta = 1 - c
    erf = 2 / math.pi * (math.asin(2 * q / (1 + 2 * q)) - math.asin(2 * q * c / (1 + 2 * q)))
    assert half_square_difference(ERF.value, q, delta, ()) == pytest.approx(erf, abs=1e-13)
    # Its derivative: E[erf' erf'] = (4 / pi) / sqrt((1 + 2 q)^2 - (2 q c)^2).
    spread = (1 + 2 * q) ** 2
    slope = 4 / math.pi * (1 / math.sqrt(1 + 4 * q) - 1 / math.sqrt(spread - (2 * q * c) ** 2))
    assert half_square_difference(ERF.derivative, q, delta, ()) == pytest.approx(slope, abs=1e-13)
    if q > 100:
        return  # a sine of that many turns is beyond the rule, and beyond use
    sine = math.exp(-q) * (math.sinh(q) - math.sinh(q * c))
    assert half_square_difference(np.sin, q, delta, ()) == pytest.approx(sine, abs=2e-14)


@pytest.mark.parametrize("name", ["elu", "selu", "hard_tanh", "relu6", "softsign"])
@pytest.mark.parametrize(("q", "c"), [(0.4, 0.3), (6.0, 0.9), (2.0, -0.6)])
def test_pairs_of_kinked_activations_are_what_adaptive_quadrature_finds(name, q, c):
    activation = activations.get(name)
    kinks = activation.kinks or (0.0,)

    def inner(first):
        middle, spread = c * first, math.sqrt(q * (1 - c * c))
        points = [k for k in kinks if abs(k - middle) < 9 * spread]

        def integrand(u):
            return activation.value(np.array([u]))[0] * math.exp(-0.5 * ((u - middle) / spread) ** 2) / spread

        return integrate.quad(
            integrand, middle - 9 * spread, middle + 9 * spread, points=points or None, epsabs=1e-11, limit=200
        )[0]

    def outer(u):
        return activation.value(np.array([u]))[0] * math.exp(-0.5 * u * u / q) * inner(u) / (2 * math.pi * math.sqrt(q))

    reach = 9 * math.sqrt(q)
    product = integrate.quad(
        outer, -reach, reach, points=[k for k in kinks if abs(k) < reach], epsabs=1e-11, limit=200
    )[0]
    square = variance_map(name, q, weight_variance=1.0)
    assert correlation_map(name, c, weight_variance=1.0, q=q) == pytest.approx(product / square, abs=2e-10)


def test_points_that_an_activation_does_not_tell_of_are_found():
    assert singular_points(activations.get("tanh")) == ()
    assert singular_points(activations.get("hard_tanh")) == (-1.0, 1.0)
    assert singular_points(activations.get("softsign")) == (0.0,)  # only its second derivative jumps
    bent = Activation("bent", lambda u: np.maximum(u, 0.25), lambda u: (u > 0.25).astype(float), None)
    assert singular_points(bent) == pytest.approx((0.25,), abs=1e-9)


@pytest.mark.parametrize("name", activations.names())
@pytest.mark.parametrize(("sw2", "sb2"), [(0.7, 0.2), (1.7, 0.3), (1.95, 0.0)])
def test_the_fixed_points_are_those_that_iteration_tends_to(name, sw2, sb2):
    field = mean_field(name, weight_variance=sw2, bias_variance=sb2)
    q = field.variances(300)[-1]
    if math.isinf(field.q_star):
        assert q > 100
    elif field.q_star == 0:
        assert q < 0.02
    else:
        assert q == pytest.approx(field.q_star, rel=1e-6 + 10 * math.exp(-300 / max(field.xi_q, 1e-9)))
        assert field.variance_map(field.q_star) == pytest.approx(field.q_star, rel=1e-12)
        assert field.correlation_map(field.c_star) == pytest.approx(field.c_star, abs=1e-12)
        assert field.correlation_map(1.0) == 1.0


def test_the_depth_scales_are_those_at_which_iteration_converges():
    field = mean_field("tanh", weight_variance=2.5, bias_variance=0.05)
    gap = np.abs(field.variances(14, start=2.0) - field.q_star)
    assert gap[13] / gap[12] == pytest.approx(math.exp(-1 / field.xi_q), rel=1e-4)
    gap = np.abs(field.correlations(120, start=0.99) - field.c_star)
    assert gap[120] / gap[119] == pytest.approx(math.exp(-1 / field.xi_c), rel=1e-4)


@pytest.mark.parametrize("name", ["tanh", "hard_tanh", "gelu", "selu"])
def test_chi_1_is_the_slope_of_the_correlation_map_at_one(name):
    field = mean_field(name, weight_variance=1.6, bias_variance=0.2)
    # 1 - c' = chi_1 delta - O(delta^(3/2)) with a kink, O(delta^2) without.
    assert field.complements(1, 1e-11)[1] / 1e-11 == pytest.approx(field.chi_1, rel=1e-5)


def test_relu_by_hand():
    ordered = mean_field("relu", weight_variance=1.5, bias_variance=0.05)
    assert ordered.q_star == pytest.approx(0.05 / (1 - 0.75), rel=1e-13)
    assert [ordered.xi_q, ordered.xi_c] == pytest.approx([-1 / math.log(0.75)] * 2, rel=1e-12)
    critical = mean_field("relu", weight_variance=2.0)
    assert (critical.q_star, critical.c_star, critical.xi_q, critical.xi_c) == (1.0, 1.0, math.inf, math.inf)
    assert critical.phase == "critical"
    default = mean_field("relu", weight_variance=1 / 3)
    assert default.q_star == 0
    assert default.chi_1 == pytest.approx(1 / 6, rel=1e-15)
    assert default.c_star == 1
    for sw2, sb2 in ((2.5, 0.0), (2.0, 0.1)):
        exploding = mean_field("relu", weight_variance=sw2, bias_variance=sb2)
        assert exploding.q_star == math.inf
        assert math.isnan(exploding.xi_q)
    assert second_moment_ratio("relu", weight_variance=1 / 3) == pytest.approx(1 / 6, rel=1e-15)
    assert second_moment_ratio("relu", weight_variance=2.0, q=7.0) == pytest.approx(1, rel=1e-14)


def test_signals_that_vanish_have_no_correlation():
    for sw2 in (0.5, 1.0):
        field = mean_field("tanh", weight_variance=sw2)
        assert (field.q_star, field.chi_1) == (0.0, sw2)
        assert math.isnan(field.c_star)
        with pytest.raises(GoodinitError, match="a correlation is not defined"):
            field.correlation_map(0.5)
    assert mean_field("tanh", weight_variance=1.0).xi_q == math.inf
    assert mean_field("tanh", weight_variance=0.5).xi_q == pytest.approx(1 / math.log(2))


def test_without_biases_an_odd_activation_makes_inputs_orthogonal_in_the_chaotic_phase():
    for name in ("tanh", "hard_tanh", "sine", "softsign"):
        assert mean_field(name, weight_variance=3.0).c_star == 0.0


def test_near_criticality_nothing_is_lost():
    # Just above, c_star leaves 1 as 2 (chi_1 - 1) / (second derivative of the map); iteration would take 1e6 layers.
    sw2 = 1.9860726 * (1 + 1e-6)
    field = mean_field("tanh", weight_variance=sw2, bias_variance=0.1)
    assert 0 < 1 - field.c_star < 1e-5
    assert field.correlation_map(field.c_star) == pytest.approx(field.c_star, abs=1e-14)
    assert 1e5 < field.xi_c < 1e8


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: mean_field("tanh", weight_variance=-1), "weight_variance=-1: .* finite number of at least 0"),
        (lambda: mean_field("tanh", weight_variance=math.nan), "weight_variance=nan"),
        (lambda: mean_field("tanh", weight_variance=True), "weight_variance=True"),
        (lambda: mean_field("tanh", weight_variance=1, bias_variance=-0.1), "bias_variance=-0.1"),
        (lambda: mean_field("tahn", weight_variance=1), "did you mean tanh"),
        (lambda: mean_field(np.tanh, weight_variance=1), "its derivative is needed"),
        (lambda: correlation_map("tanh", 1.1, weight_variance=1), "c=1.1: c must be a finite number from -1 to 1"),
        (lambda: correlation_map("tanh", 0.5, weight_variance=1, q=0), "q=0: q must be a finite number above 0"),
        (lambda: correlation_map("tanh", 0.5, weight_variance=0, q=1), "without a signal"),
        (lambda: variance_map("tanh", -1, weight_variance=1), "q=-1"),
        (lambda: mean_field("relu", weight_variance=2).variances(0), "depth=0: .* integer of at least 1"),
        (lambda: mean_field("relu", weight_variance=2).correlations(2, start=2), "start=2"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(call, words):
    with pytest.raises(GoodinitError, match=words):
        call()


def test_a_result_prints_as_a_line():
    text = repr(mean_field("relu", weight_variance=2))
    assert text.startswith("MeanField(relu, weight_variance=2, bias_variance=0, q_star=1, chi_1=1, c_star=1, xi_q=inf")


def test_phases_are_named_by_what_happens():
    def phase(activation, weight_variance):
        return mean_field(activation, weight_variance=weight_variance, bias_variance=0.05).phase

    assert [phase("tanh", w) for w in (1.0, 3.0)] == ["ordered", "chaotic"]
    assert [phase("relu", w) for w in (1.0, 2.0, 3.0)] == ["ordered", "critical", "exploding"]


SIGN = Activation("sign", lambda z: np.where(z > 0, 1.0, -1.0), np.zeros_like, None)
STEP = Activation("step", lambda z: np.where(z > 0, 1.0, 0.0), np.zeros_like, None)


@pytest.mark.parametrize(
    ("activation", "moment", "slope"),
    [
        (SIGN, lambda c: 2 / math.pi * math.asin(c), lambda c: 2 / math.pi / math.sqrt(1 - c * c)),
        (STEP, lambda c: 0.25 + math.asin(c) / (2 * math.pi), lambda c: 1 / (2 * math.pi) / math.sqrt(1 - c * c)),
    ],
)
def test_an_activation_that_jumps_is_chaotic(activation, moment, slope):
    """Sheppard 1899: E[sign sign] is 2 arcsin(c) / pi, whose slope at c = 1 has no bound."""
    field = mean_field(activation, weight_variance=2.0, bias_variance=0.1)
    q = 2 * moment(1.0) + 0.1
    assert field.q_star == pytest.approx(q, rel=1e-12)
    c = optimize.brentq(lambda c: (2 * moment(c) + 0.1) / q - c, 0.0, 1 - 1e-9, xtol=1e-15)
    assert field.c_star == pytest.approx(c, abs=1e-11)
    assert field.correlations(60)[-1] == pytest.approx(field.c_star, abs=1e-9)
    assert (field.chi_1, field.phase, field.xi_q) == (math.inf, "chaotic", 0)
    assert field.xi_c == pytest.approx(-1 / math.log(2 * slope(c) / q), rel=1e-6)
    for function in (critical_weight_variance, half_stable_critical_point):
        with pytest.raises(GoodinitError, match="jumps, so that no weight variance is critical"):
            function(activation)
