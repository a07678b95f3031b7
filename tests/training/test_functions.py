"""The kernels' activations and derivatives, against 40-digit arithmetic."""

import mpmath
import numpy as np
import pytest

pytest.importorskip("goodinit._native", reason="the extension is not built")

from goodinit import _native, activations

EXACT = {
    "linear": (lambda z: z, lambda z: mpmath.mpf(1)),
    "relu": (lambda z: max(z, 0), lambda z: mpmath.mpf(z > 0)),
    "relu6": (lambda z: min(max(z, 0), 6), lambda z: mpmath.mpf(0 < z < 6)),
    "leaky_relu": (lambda z: z if z > 0 else z / 4, lambda z: mpmath.mpf(1 if z > 0 else 0.25)),
    "elu": (
        lambda z: z if z > 0 else mpmath.expm1(z) * 3 / 2,
        lambda z: mpmath.mpf(1) if z > 0 else mpmath.exp(z) * 3 / 2,
    ),
    "gelu": (lambda z: z * mpmath.ncdf(z), lambda z: mpmath.ncdf(z) + z * mpmath.npdf(z)),
    "silu": (lambda z: z * expit(z), lambda z: expit(z) * (1 + z * expit(-z))),
    "mish": (
        lambda z: z * mpmath.tanh(mpmath.log1p(mpmath.exp(z))),
        lambda z: (
            mpmath.tanh(mpmath.log1p(mpmath.exp(z))) + z * expit(z) * mpmath.sech(mpmath.log1p(mpmath.exp(z))) ** 2
        ),
    ),
    "softplus": (lambda z: mpmath.log1p(mpmath.exp(z)), lambda z: expit(z)),
    "sigmoid": (lambda z: expit(z), lambda z: expit(z) * expit(-z)),
    "tanh": (mpmath.tanh, lambda z: mpmath.sech(z) ** 2),
    "erf": (mpmath.erf, lambda z: 2 / mpmath.sqrt(mpmath.pi) * mpmath.exp(-z * z)),
    "hard_tanh": (lambda z: min(max(z, -1), 1), lambda z: mpmath.mpf(abs(z) < 1)),
    "softsign": (lambda z: z / (1 + abs(z)), lambda z: 1 / (1 + abs(z)) ** 2),
    "sine": (lambda z: mpmath.sin(3 * z), lambda z: 3 * mpmath.cos(3 * z)),
}
OPTION = {"leaky_relu": 0.25, "elu": 1.5, "sine": 3.0}
# In units in the last place: one function within 2.5; what is composed of several, as most slopes are, within 5.
WITHIN = {"silu": 5, "mish": 5, "gelu": 5, "erf": 3.5}


def expit(z):
    return 1 / (1 + mpmath.exp(-z))


def points(dtype, name):
    rng = np.random.default_rng(0)
    far = 80.0 if dtype == np.float32 else 700.0
    parts = [
        rng.uniform(-8, 8, 900),
        rng.uniform(-1, 1, 300),
        rng.standard_normal(300) * 1e-3,
        rng.uniform(-far, far, 200),
    ]
    parts += [np.array([0.0, -0.0, 1.0, -1.0, 6.0, 1e-30, -1e-30])]
    if name == "sine":
        parts += [rng.uniform(-3e4, 3e4, 300), np.arange(1, 60) * np.pi / 6, rng.uniform(-1e9, 1e9, 50)]
    return np.concatenate(parts).astype(dtype)


def evaluate(name, z, option=0.0):
    value, slope = np.empty_like(z), np.empty_like(z)
    getattr(_native, f"activation_{z.dtype.name}")(name, option, z, value, slope)
    return value, slope


@pytest.mark.parametrize("isa", ["avx512", "avx2", "baseline"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", list(EXACT))
def test_activations_are_accurate(name, dtype, isa, monkeypatch):
    monkeypatch.setenv("GOODINIT_ISA", isa)
    if _native.isa() != isa:
        pytest.skip(f"this processor has no {isa}")
    z = points(dtype, name)
    with mpmath.workdps(40):
        exact_at = [mpmath.mpf(float(each)) for each in z]
        if name == "sine":  # the product with the frequency is rounded before the sine sees it
            exact_at = [mpmath.mpf(float(dtype(3) * each)) / 3 for each in z]
        for found, exact, what in zip(
            evaluate(name, z, OPTION.get(name, 0.0)), EXACT[name], ("value", "slope"), strict=True
        ):
            expected = [exact(each) for each in exact_at]
            rounded = np.array([float(each) for each in expected]).astype(dtype)
            floor = np.finfo(dtype).tiny / np.finfo(dtype).eps  # gradual underflow is not kept
            ulp = np.spacing(np.maximum(np.abs(rounded), floor)).astype(np.float64)
            # A derivative that is a sum crosses zero; there its terms' size is the scale.
            if what == "slope" and name in ("gelu", "silu", "mish"):
                ulp = np.maximum(ulp, np.spacing(dtype(0.5)) * np.minimum(1, np.exp(np.minimum(z, 0) * 0.5)))
            error = np.array([float(abs(mpmath.mpf(float(f)) - e)) for f, e in zip(found, expected, strict=True)]) / ulp
            worst = int(np.argmax(error))
            assert error[worst] <= WITHIN.get(name, 5 if what == "slope" else 2.5), (
                what,
                z[worst],
                found[worst],
                float(error[worst]),
            )


def test_selu_is_the_tables():
    z = points(np.float64, "selu")
    value, slope = evaluate("selu", z)
    table = activations.get("selu")
    np.testing.assert_allclose(value, table.value(z), rtol=1e-15)
    np.testing.assert_allclose(slope, table.derivative(z), rtol=1e-15)


@pytest.mark.parametrize("name", activations.names())
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_value_does_not_depend_on_its_neighbours(name, dtype):
    z = points(dtype, name)[:101]
    together = evaluate(name, z, 0.5)
    alone = [evaluate(name, np.array([each], dtype), 0.5) for each in z]
    for which in range(2):
        assert np.array_equal(together[which], np.concatenate([each[which] for each in alone]))


@pytest.mark.parametrize("name", activations.names())
def test_what_is_not_a_number_stays_so(name):
    assert np.isnan(evaluate(name, np.array([np.nan]), 0.5)[0]).all()
