"""Cross-checks against PyTorch, Keras and JAX where a convention differs: both sides of the difference, in numbers.

A test marked by `differs` is the check of what an initializer's `elsewhere` says of a framework; `test_peers_claims`
sees to it that no claim goes unchecked.
"""

import inspect
import math

import numpy as np
import pytest
from scipy import special
from test_peers_same import drawn

from goodinit import initializers
from goodinit.weights import Weight

DIFFERS = set()
FIRST_LAYER = Weight.linear("w", 400, 500)
CUT = 0.87962566103423978  # std of a standard normal cut at 2


def differs(framework, *names):
    """Mark a test as the check of what these initializers mean in that framework."""
    assert set(names) <= set(initializers.names())
    DIFFERS.update((framework, name) for name in names)
    return lambda test: test


def draw(text, weight=FIRST_LAYER, dtype=np.float64):
    return initializers.get(text).draw(weight, 1, dtype)


def singular_values(matrix):
    return np.linalg.svd(np.asarray(matrix, dtype=np.float64), compute_uv=False)


def has_std(values, std):
    """Whether the values' standard deviation is that one; five errors of a normal sample's."""
    values = np.asarray(values, dtype=np.float64)
    return abs(values.std() - std) < 5 * std / math.sqrt(2 * values.size)


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch")


@pytest.fixture(scope="module")
def keras():
    return pytest.importorskip("keras")


@pytest.fixture(scope="module")
def jax():
    return pytest.importorskip("jax")


@pytest.fixture(scope="module")
def flax():
    return pytest.importorskip("flax.linen")


# PyTorch


@differs("PyTorch", "uniform")
def test_pytorchs_uniform_is_never_negative():
    values = drawn("PyTorch", lambda nn: nn.init.uniform_, (400, 500))
    assert values.min() >= 0
    assert values.mean() == pytest.approx(0.5, abs=0.005)
    assert abs(draw("uniform").mean()) < 0.01


@differs("PyTorch", "truncated_normal")
def test_pytorchs_truncation_is_blind_to_the_deviation():
    values = drawn("PyTorch", lambda nn: lambda w: nn.init.trunc_normal_(w, std=0.02), (500, 400))
    assert has_std(values, 0.02)
    assert (np.abs(values) > 0.04).mean() == pytest.approx(special.erfc(math.sqrt(2)), abs=0.002)  # 4.6 % beyond
    ours = draw("truncated_normal(std=0.02)")
    assert has_std(ours, 0.02 * CUT)
    assert np.abs(ours).max() <= 0.04


@differs("PyTorch", "he_normal")
def test_pytorchs_slope_counts_for_leaky_relu_only():
    def with_slope(a, nonlinearity):
        return drawn(
            "PyTorch", lambda nn: lambda w: nn.init.kaiming_normal_(w, a, nonlinearity=nonlinearity), (500, 400)
        )

    assert np.array_equal(with_slope(1, "relu"), with_slope(0, "relu"))
    assert np.allclose(with_slope(1, "leaky_relu") * math.sqrt(2), with_slope(0, "leaky_relu"), rtol=1e-6)


def selu(z):
    return 1.0507009873554805 * np.where(z > 0, z, 1.6732632423543772 * np.expm1(np.minimum(z, 0)))


@pytest.mark.parametrize(
    ("activation", "phi", "theirs", "ours"),
    [("tanh", np.tanh, 5 / 3, 1.5925), ("selu", selu, 0.75, 1.0), ("sigmoid", special.expit, 1.0, 1.8463)],
)
def test_pytorchs_gain_is_not_the_activations(torch, activation, phi, theirs, ours):
    z = np.linspace(-12, 12, 2_400_001)  # the plain sum of the definition
    density = np.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    assert (phi(z) ** 2 * density).sum() * 1e-5 == pytest.approx(1 / ours**2, rel=1e-4)
    variance = initializers.get(f"he_normal(activation={activation})").expected_variance(FIRST_LAYER)
    assert math.sqrt(400 * variance) == pytest.approx(ours, abs=1e-4)
    values = drawn("PyTorch", lambda nn: lambda w: nn.init.kaiming_normal_(w, nonlinearity=activation), (500, 400))
    assert has_std(values, theirs / 20)
    assert not has_std(values, ours / 20)


@pytest.mark.parametrize("activation", ["gelu", "silu", "elu", "mish"])
def test_pytorch_has_no_gain_for_newer_activations(torch, activation):
    with pytest.raises(ValueError, match="Unsupported nonlinearity"):
        torch.nn.init.calculate_gain(activation)
    assert 1 < 400 * initializers.get(f"he_normal(activation={activation})").expected_variance(FIRST_LAYER) < 4


@differs("PyTorch", "pytorch_linear")
def test_pytorchs_biases_are_drawn_like_the_weights(torch):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        biases = [torch.nn.Linear(25, 5000).bias, torch.nn.Conv2d(1, 5000, 5).bias]
    for bias in biases:  # bounds of 1 / sqrt(fan in): 0.2
        assert 0.199 < bias.abs().max() <= 0.2
        assert float(bias.detach().var()) == pytest.approx(0.04 / 3, rel=0.1)
    assert initializers.get("pytorch_linear").bias_std() == 0  # here biases have rules of their own


@differs("PyTorch", "forget_bias")
def test_pytorchs_lstm_does_not_remember_at_the_start(torch):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layer = torch.nn.LSTM(3, 2500)
    for bias in (layer.bias_ih_l0, layer.bias_hh_l0):  # the deviation of U(+-1 / sqrt(2500))
        assert has_std(bias.detach(), 0.02 / math.sqrt(3))
        assert 0.0199 < bias.abs().max() <= 0.02
    ours = draw("forget_bias", Weight.elementwise("b", 10_000))
    assert ours.mean() == 0.25


@differs("PyTorch", "orthogonal")
def test_pytorch_makes_one_orthogonal_matrix_of_gates_and_of_groups():
    gates = drawn("PyTorch", lambda nn: nn.init.orthogonal_, (4 * 64, 64))
    lone_gates_are_contractions(np.split(gates, 4))
    for gate in np.split(draw("orthogonal", Weight.recurrent("w", 64, 64)), 4):
        assert np.allclose(singular_values(gate), 1)
    kernel = drawn("PyTorch", lambda nn: nn.init.orthogonal_, (64, 16, 1)).reshape(4, 16, 16)
    lone_gates_are_contractions(kernel)
    ours = draw("orthogonal", Weight.conv("w", 64, 64, (1,), groups=4)).reshape(4, 16, 16)
    assert np.allclose(singular_values(ours), 1)


def lone_gates_are_contractions(gates):
    """A quarter of an orthogonal matrix (4 u, u): squared singular values have the mean 1/4 and the edge 3/4."""
    assert sum((np.asarray(gate, dtype=np.float64) ** 2).sum() for gate in gates) == pytest.approx(
        len(gates[0]), rel=1e-5
    )
    for gate in gates:
        values = singular_values(gate)
        assert values.max() == pytest.approx(math.sqrt(3 / 4), abs=0.08)
        assert values.min() < 0.1


def test_a_zero_on_the_diagonal_of_r_wipes_pytorchs_column_out(torch):
    class NoChance(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            return args[0].zero_() if func is torch.Tensor.normal_ else func(*args, **(kwargs or {}))

    with NoChance():
        assert not torch.nn.init.orthogonal_(torch.ones(3, 3)).any()  # here: test_orthogonal, all singular values 1


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_orthogonal_fails_in_half_precision_elsewhere(dtype, torch):
    with pytest.raises(NotImplementedError):
        torch.nn.init.orthogonal_(torch.empty(4, 4, dtype=getattr(torch, dtype)))
    ours = torch.from_numpy(draw("orthogonal", Weight.linear("w", 4, 4), np.float32)).to(getattr(torch, dtype))
    assert np.allclose(singular_values(ours.float()), 1, atol=2**-6)
    initializer = pytest.importorskip("jax").nn.initializers.orthogonal()
    with pytest.raises(NotImplementedError):
        initializer(pytest.importorskip("jax").random.key(0), (4, 4), dtype)


@differs("PyTorch", "identity")
def test_pytorchs_eye_reaches_the_first_gate_only():
    eye = drawn("PyTorch", lambda nn: nn.init.eye_, (12, 3))
    assert np.array_equal(eye, np.eye(12, 3))
    assert np.array_equal(draw("identity", Weight.recurrent("w", 3, 3)), np.tile(np.eye(3), (4, 1)))


@differs("PyTorch", "dirac")
def test_pytorchs_dirac_is_off_the_centre_of_an_even_kernel(torch):
    theirs = drawn("PyTorch", lambda nn: nn.init.dirac_, (1, 1, 4))
    ours = draw("dirac", Weight.conv("w", 1, 1, (4,)), np.float32)
    assert theirs.ravel().tolist() == [0, 0, 1, 0]
    assert ours.ravel().tolist() == [0, 1, 0, 0]
    x = torch.arange(1.0, 8.0)[None, None]
    for kernel, shift in ((theirs, 1), (ours, 0)):  # padding (k - 1) // 2
        y = torch.nn.functional.conv1d(x, torch.from_numpy(kernel), padding=1)
        assert torch.equal(y[..., : 6 - shift], x[..., shift:6])


@differs("PyTorch", "sparse")
def test_pytorchs_sparse_counts_by_column_and_may_leave_nothing():
    column = drawn("PyTorch", lambda nn: lambda w: nn.init.sparse_(w, 0.9), (200, 100)) != 0
    assert set(column.sum(axis=0)) == {20}
    assert len(set(column.sum(axis=1))) > 5
    ours = draw("sparse", Weight.linear("w", 100, 200)) != 0
    assert set(ours.sum(axis=1)) == {10}
    assert len(set(ours.sum(axis=0))) > 5
    assert not drawn("PyTorch", lambda nn: lambda w: nn.init.sparse_(w, 0.9), (5, 100)).any()  # ceil(4.5) zeros of 5
    assert set((draw("sparse(per=input)", Weight.linear("w", 100, 5)) != 0).sum(axis=0)) == {1}


# Keras and JAX

NORMALS = {
    "lecun_normal": (1 / 400, "LecunNormal"),
    "glorot_normal": (2 / 900, "GlorotNormal"),
    "he_normal": (2 / 400, "HeNormal"),
}


@differs("Keras", *NORMALS)
@differs("JAX", *NORMALS)
@pytest.mark.parametrize("framework", ["Keras", "JAX"])
@pytest.mark.parametrize("name", NORMALS)
def test_the_normal_of_keras_and_jax_is_truncated(framework, name):
    variance, keras_name = NORMALS[name]
    edge = 2 * math.sqrt(variance) / CUT
    values = drawn(
        framework, lambda m: getattr(m, keras_name)(seed=3) if framework == "Keras" else getattr(m, name)(), (400, 500)
    )
    assert has_std(values, math.sqrt(variance))
    assert 0.999 * edge < np.abs(values).max() <= edge * (1 + 1e-6)
    ours = draw(name)
    assert has_std(ours, math.sqrt(variance))
    beyond = special.erfc(2 / CUT / math.sqrt(2))  # 2.3 %
    assert (np.abs(ours) > edge).mean() == pytest.approx(beyond, abs=5 * math.sqrt(beyond / ours.size))


@differs("Keras", "he_normal")
@differs("JAX", "he_normal")
def test_keras_and_jax_take_no_gain(keras, jax):
    for make in (keras.initializers.HeNormal, keras.initializers.GlorotUniform, jax.nn.initializers.he_normal):
        assert not {"gain", "a", "activation", "nonlinearity", "scale"} & set(inspect.signature(make).parameters)


@differs("Keras", "variance_scaling")
def test_keras_cuts_the_normal_of_variance_scaling(keras):
    assert "truncated" in initializers.VarianceScaling.elsewhere["Keras"]
    values = drawn("Keras", lambda k: k.VarianceScaling(1.0, "fan_in", "normal", seed=3), (400, 500))
    assert np.abs(values).max() <= 2 / CUT / 20 * (1 + 1e-6)
    assert np.abs(draw("variance_scaling")).max() > 4 / 20
    assert keras.initializers.VarianceScaling().distribution == "truncated_normal"
    with pytest.raises(ValueError, match="mode"):
        keras.initializers.VarianceScaling(mode="fan_geo_avg")


@differs("Keras", "truncated_normal")
@differs("JAX", "truncated_normal")
@pytest.mark.parametrize(("framework", "std"), [("Keras", 0.05), ("JAX", 0.01)])
def test_the_truncated_normal_is_small_and_not_corrected_elsewhere(framework, std):
    values = drawn(
        framework, lambda m: m.TruncatedNormal(seed=3) if framework == "Keras" else m.truncated_normal(), (400, 500)
    )
    assert has_std(values, CUT * std)
    assert has_std(draw("truncated_normal"), CUT)
    assert has_std(draw(f"truncated_normal(std={std}, corrected=true)"), std)


@differs("Keras", "orthogonal")
@differs("JAX", "orthogonal")
def test_keras_and_jax_make_one_orthogonal_matrix_of_the_gates(keras, jax):
    layer = keras.layers.LSTM(64, recurrent_initializer=keras.initializers.Orthogonal(seed=0))
    layer.build((None, 3, 5))
    for kernel in (layer.cell.recurrent_kernel, jax.nn.initializers.orthogonal()(jax.random.key(0), (64, 256))):
        lone_gates_are_contractions(np.split(np.asarray(kernel), 4, axis=1))
    for layout in ("keras", "flax"):
        ours = draw("orthogonal", Weight.recurrent("w", 64, 64, layout=layout))
        for gate in np.split(ours, 4, axis=1):
            assert np.allclose(singular_values(gate), 1)


@differs("JAX", "orthogonal")
def test_flax_draws_each_gate_alone(flax, jax):
    cell = flax.LSTMCell(16)
    carry = cell.initialize_carry(jax.random.key(0), (1, 5))
    parameters = cell.init(jax.random.key(0), carry, np.ones((1, 5), dtype=np.float32))["params"]
    for gate in ("hi", "hf", "hg", "ho"):
        assert np.allclose(singular_values(parameters[gate]["kernel"]), 1, atol=1e-5)


@differs("JAX", "delta_orthogonal")
def test_jax_makes_one_delta_orthogonal_matrix_of_the_groups():
    weight = Weight.conv("w", 64, 64, 3, groups=4, layout="flax")
    kernel = drawn("JAX", lambda j: j.delta_orthogonal(), weight.shape)
    lone_gates_are_contractions(np.split(kernel[1, 1], 4, axis=1))
    for group in np.split(draw("delta_orthogonal", weight)[1, 1], 4, axis=1):
        assert np.allclose(singular_values(group), 1)


@differs("Keras", "identity")
def test_keras_identity_reaches_the_first_gate_only():
    eye = drawn("Keras", lambda k: k.Identity(), (3, 12))
    assert np.array_equal(eye, np.eye(3, 12))
    assert np.array_equal(draw("identity", Weight.recurrent("w", 3, 3, layout="keras")), np.tile(np.eye(3), (1, 4)))


@differs("Keras", "pytorch_linear")
def test_a_keras_layer_starts_from_glorot_uniform(keras):
    layer = keras.layers.Dense(500)
    layer.build((None, 400))
    assert not np.asarray(layer.bias).any()
    kernel = drawn("Keras", lambda k: type(layer.kernel_initializer)(seed=3), (400, 500))
    assert np.abs(kernel).max() == pytest.approx(math.sqrt(6 / 900), rel=1e-3)
    assert has_std(draw("pytorch_linear"), math.sqrt(1 / 1200))


@differs("JAX", "pytorch_linear")
def test_a_flax_layer_starts_from_lecun_normal(flax, jax):
    layer = flax.Dense(500).init(jax.random.key(0), np.ones((1, 400), dtype=np.float32))["params"]
    kernel = np.asarray(layer["kernel"])
    assert has_std(kernel, math.sqrt(1 / 400))
    assert np.abs(kernel).max() <= 2 / CUT / 20 * (1 + 1e-6)
    assert not np.asarray(layer["bias"]).any()
    assert has_std(draw("pytorch_linear"), math.sqrt(1 / 1200))
