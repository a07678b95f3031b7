"""Cross-checks against PyTorch, Keras and JAX where a convention is the same: distributions, moments, equal arrays."""

import math
import os
from functools import partial

import numpy as np
import pytest
from scipy import stats

from goodinit import initializers
from goodinit.weights import Weight

os.environ.setdefault("KERAS_BACKEND", "jax")  # read by Keras when it is imported

LAYOUTS = {"PyTorch": "torch", "Keras": "keras", "JAX": "flax"}
MODULES = {"PyTorch": "torch.nn", "Keras": "keras.initializers", "JAX": "jax.nn.initializers"}

linear = partial(Weight.linear, "w", 400, 500)  # both fans and all their means differ
conv = partial(Weight.conv, "w", 40, 56, (9, 10))
square = partial(Weight.linear, "w", 4, 4)
wide = partial(Weight.linear, "w", 5, 3)
tall = partial(Weight.linear, "w", 3, 5)
patch = partial(Weight.conv, "w", 2, 3, (2, 3))
point = partial(Weight.conv_transpose, "w", 3, 2, (2, 2))
grouped = partial(Weight.conv, "w", 6, 9, (3, 5), groups=3)


def lstm_bias(_):
    """The bias that Keras gives its LSTM."""
    from keras.layers import LSTM

    def make(shape):
        layer = LSTM(shape[0] // 4)
        layer.build((None, 2, 3))
        return layer.cell.bias

    return make


# framework, text here, weight, the framework's initializer given its module
EQUAL = [
    ("PyTorch", "zeros", linear, lambda nn: nn.init.zeros_),
    ("PyTorch", "ones", linear, lambda nn: nn.init.ones_),
    ("PyTorch", "constant(value=-2.5)", conv, lambda nn: partial(nn.init.constant_, val=-2.5)),
    ("PyTorch", "identity", square, lambda nn: nn.init.eye_),
    ("PyTorch", "identity", wide, lambda nn: nn.init.eye_),
    ("PyTorch", "identity", tall, lambda nn: nn.init.eye_),
    ("PyTorch", "dirac", partial(Weight.conv, "w", 4, 6, (5,)), lambda nn: nn.init.dirac_),
    ("PyTorch", "dirac", partial(Weight.conv, "w", 6, 4, (3, 5)), lambda nn: nn.init.dirac_),
    ("PyTorch", "dirac", partial(Weight.conv, "w", 4, 4, (1, 3, 7)), lambda nn: nn.init.dirac_),
    ("PyTorch", "dirac", grouped, lambda nn: partial(nn.init.dirac_, groups=3)),
    ("Keras", "zeros", linear, lambda k: k.Zeros()),
    ("Keras", "ones", linear, lambda k: k.Ones()),
    ("Keras", "constant(value=-2.5)", conv, lambda k: k.Constant(-2.5)),
    ("Keras", "constant(value=[1, 2, 3])", wide, lambda k: k.Constant([1.0, 2.0, 3.0])),
    ("Keras", "identity", square, lambda k: k.Identity()),
    ("Keras", "identity(gain=0.5)", wide, lambda k: k.Identity(gain=0.5)),
    ("Keras", "identity(gain=2)", tall, lambda k: k.Identity(gain=2)),
    ("Keras", "forget_bias", lambda layout: Weight.elementwise("b", 20), lstm_bias),
    ("JAX", "zeros", linear, lambda j: j.zeros),
    ("JAX", "ones", linear, lambda j: j.ones),
    ("JAX", "constant(value=-2.5)", conv, lambda j: j.constant(-2.5)),
    ("JAX", "constant(value=[1, 2, 3])", wide, lambda j: j.constant(np.array([1.0, 2.0, 3.0]))),
]

SLOPE = 'activation="leaky_relu(slope=0.2)"'
ABSOLUTE = "bounds=absolute"
SAME = [
    ("PyTorch", "uniform(low=0, high=1)", linear, lambda nn: nn.init.uniform_),
    ("PyTorch", "uniform(low=-2, high=3)", conv, lambda nn: partial(nn.init.uniform_, a=-2, b=3)),
    ("PyTorch", "normal", linear, lambda nn: nn.init.normal_),
    ("PyTorch", "normal(std=10, mean=-3)", conv, lambda nn: partial(nn.init.normal_, mean=-3, std=10)),
    ("PyTorch", f"truncated_normal({ABSOLUTE})", linear, lambda nn: nn.init.trunc_normal_),
    ("PyTorch", f"truncated_normal(std=0.02, {ABSOLUTE})", linear, lambda nn: partial(nn.init.trunc_normal_, std=0.02)),
    (
        "PyTorch",
        f"truncated_normal(std=0.5, mean=1, low=0.5, high=3, {ABSOLUTE})",
        linear,
        lambda nn: partial(nn.init.trunc_normal_, mean=1, std=0.5, a=0.5, b=3),
    ),
    (
        "PyTorch",
        f"truncated_normal(low=2, high=4, {ABSOLUTE})",
        linear,
        lambda nn: partial(nn.init.trunc_normal_, a=2, b=4),
    ),
    ("PyTorch", "glorot_normal", linear, lambda nn: nn.init.xavier_normal_),
    ("PyTorch", "glorot_normal(gain=2)", conv, lambda nn: partial(nn.init.xavier_normal_, gain=2)),
    ("PyTorch", "glorot_uniform", linear, lambda nn: nn.init.xavier_uniform_),
    ("PyTorch", "glorot_uniform(gain=0.5)", conv, lambda nn: partial(nn.init.xavier_uniform_, gain=0.5)),
    ("PyTorch", "he_normal", linear, lambda nn: nn.init.kaiming_normal_),
    (
        "PyTorch",
        "he_normal(mode=fan_out)",
        conv,
        lambda nn: partial(nn.init.kaiming_normal_, mode="fan_out", nonlinearity="relu"),
    ),
    ("PyTorch", f"he_normal({SLOPE})", conv, lambda nn: partial(nn.init.kaiming_normal_, a=0.2)),
    ("PyTorch", "he_normal(activation=leaky_relu)", linear, lambda nn: partial(nn.init.kaiming_normal_, a=0.01)),
    (
        "PyTorch",
        "he_normal(activation=linear)",
        linear,
        lambda nn: partial(nn.init.kaiming_normal_, nonlinearity="linear"),
    ),
    ("PyTorch", "he_uniform", linear, lambda nn: nn.init.kaiming_uniform_),
    (
        "PyTorch",
        f"he_uniform({SLOPE}, mode=fan_out)",
        conv,
        lambda nn: partial(nn.init.kaiming_uniform_, a=0.2, mode="fan_out"),
    ),
    ("PyTorch", "pytorch_linear", linear, lambda nn: lambda w: w.copy_(nn.Linear(400, 500).weight.detach())),
    ("PyTorch", "pytorch_linear", conv, lambda nn: lambda w: w.copy_(nn.Conv2d(40, 56, (9, 10)).weight.detach())),
    ("PyTorch", "pytorch_linear", linear, lambda nn: partial(nn.init.kaiming_uniform_, a=math.sqrt(5))),
    (
        "PyTorch",
        "sparse(sparsity=0.75, std=2, per=input)",
        linear,
        lambda nn: partial(nn.init.sparse_, sparsity=0.75, std=2),
    ),
    ("Keras", "uniform(low=-0.05, high=0.05)", linear, lambda k: k.RandomUniform(seed=3)),
    ("Keras", "uniform(low=-2, high=3)", conv, lambda k: k.RandomUniform(-2.0, 3.0, seed=3)),
    ("Keras", "normal(std=0.05)", linear, lambda k: k.RandomNormal(seed=3)),
    ("Keras", "normal(std=10, mean=-3)", conv, lambda k: k.RandomNormal(-3.0, 10.0, seed=3)),
    ("Keras", "truncated_normal(std=0.05)", linear, lambda k: k.TruncatedNormal(seed=3)),
    ("Keras", "truncated_normal(std=0.5, mean=1)", conv, lambda k: k.TruncatedNormal(1.0, 0.5, seed=3)),
    ("Keras", "lecun_uniform", linear, lambda k: k.LecunUniform(seed=3)),
    ("Keras", "lecun_uniform", conv, lambda k: k.LecunUniform(seed=3)),
    ("Keras", "glorot_uniform", linear, lambda k: k.GlorotUniform(seed=3)),
    ("Keras", "glorot_uniform", conv, lambda k: k.GlorotUniform(seed=3)),
    ("Keras", "he_uniform", linear, lambda k: k.HeUniform(seed=3)),
    ("Keras", "he_uniform", conv, lambda k: k.HeUniform(seed=3)),
    *(
        (
            "Keras",
            f"variance_scaling(scale={scale}, mode={mode}, distribution={ours})",
            weight,
            lambda k, scale=scale, mode=mode, theirs=theirs: k.VarianceScaling(scale, mode, theirs, seed=3),
        )
        for scale, mode, ours, theirs, weight in (
            (3.0, "fan_in", "normal", "untruncated_normal", conv),
            (0.5, "fan_out", "uniform", "uniform", linear),
            (1.0, "fan_avg", "truncated_normal", "truncated_normal", conv),
        )
    ),
    *(
        # What Keras means by its normal LeCun, Glorot and He initializers.
        (
            "Keras",
            f"variance_scaling(scale={scale}, mode={mode}, distribution=truncated_normal)",
            linear,
            lambda k, theirs=theirs: getattr(k, theirs)(seed=3),
        )
        for scale, mode, theirs in (
            (1, "fan_in", "LecunNormal"),
            (1, "fan_avg", "GlorotNormal"),
            (2, "fan_in", "HeNormal"),
        )
    ),
    ("JAX", "uniform(low=0, high=0.01)", linear, lambda j: j.uniform()),
    ("JAX", "uniform(low=0, high=3)", conv, lambda j: j.uniform(3.0)),
    ("JAX", "normal(std=0.01)", linear, lambda j: j.normal()),
    ("JAX", "normal(std=10)", conv, lambda j: j.normal(10.0)),
    ("JAX", "truncated_normal(std=0.01)", linear, lambda j: j.truncated_normal()),
    ("JAX", "truncated_normal(std=3, low=-1, high=4)", conv, lambda j: j.truncated_normal(3.0, lower=-1.0, upper=4.0)),
    ("JAX", "lecun_uniform", linear, lambda j: j.lecun_uniform()),
    ("JAX", "lecun_uniform", conv, lambda j: j.lecun_uniform()),
    ("JAX", "glorot_uniform", linear, lambda j: j.glorot_uniform()),
    ("JAX", "glorot_uniform", conv, lambda j: j.glorot_uniform()),
    ("JAX", "he_uniform", linear, lambda j: j.he_uniform()),
    ("JAX", "he_uniform", conv, lambda j: j.he_uniform()),
    *(
        (
            "JAX",
            f"variance_scaling(scale={scale}, mode={mode}, distribution={distribution})",
            weight,
            lambda j, options=(scale, mode, distribution): j.variance_scaling(*options),
        )
        for scale, mode, distribution, weight in (
            (3.0, "fan_in", "normal", conv),
            (0.5, "fan_out", "uniform", linear),
            (1.0, "fan_avg", "truncated_normal", conv),
            (2.0, "fan_geo_avg", "normal", conv),
            (2.0, "fan_geo_avg", "uniform", linear),
        )
    ),
    *(
        (
            "JAX",
            f"variance_scaling(scale={scale}, mode={mode}, distribution=truncated_normal)",
            linear,
            lambda j, theirs=theirs: getattr(j, theirs)(),
        )
        for scale, mode, theirs in (
            (1, "fan_in", "lecun_normal"),
            (1, "fan_avg", "glorot_normal"),
            (2, "fan_in", "he_normal"),
        )
    ),
]

ORTHOGONAL = [
    *(
        (framework, "orthogonal(gain=1.5)", weight, theirs)
        for framework, theirs in (
            ("PyTorch", lambda nn: partial(nn.init.orthogonal_, gain=1.5)),
            ("Keras", lambda k: lambda shape, seed: k.Orthogonal(1.5, seed=seed)(shape)),
            ("JAX", lambda j: j.orthogonal(1.5)),
        )
        for weight in (square, wide, tall, patch)
    ),
    ("PyTorch", "orthogonal", point, lambda nn: nn.init.orthogonal_),
    ("Keras", "orthogonal", point, lambda k: lambda shape, seed: k.Orthogonal(seed=seed)(shape)),
    # Flax puts a transposed kernel's outputs last; JAX's orthogonal flattens to columns unless told.
    ("JAX", "orthogonal", point, lambda j: j.orthogonal(column_axis=-2)),
    ("JAX", "delta_orthogonal", partial(Weight.conv, "w", 3, 3, (3,)), lambda j: j.delta_orthogonal()),
    ("JAX", "delta_orthogonal(gain=2)", partial(Weight.conv, "w", 2, 4, (4, 3)), lambda j: j.delta_orthogonal(2.0)),
]


def drawn(framework, make, shape, seed=1):
    """One tensor of the framework's, as an array; its state of random numbers is left as it was."""
    module = pytest.importorskip(MODULES[framework])
    if framework == "PyTorch":
        import torch

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return make(module)(torch.empty(shape)).numpy()
    if framework == "JAX":
        import jax

        return np.asarray(make(module)(jax.random.key(seed), shape))
    return np.asarray(make(module)(shape))


def rows(table):
    ids = [f"{framework}-{text}-{i}" for i, (framework, text, _, _) in enumerate(table)]
    return pytest.mark.parametrize(("framework", "text", "weight", "peer"), table, ids=ids)


@rows(EQUAL)
def test_the_values_are_equal(framework, text, weight, peer):
    weight = weight(layout=LAYOUTS[framework])
    ours = initializers.get(text).draw(weight, dtype=np.float32)
    assert np.array_equal(ours, drawn(framework, peer, weight.shape))


@rows(SAME)
def test_the_distribution_is_the_same(framework, text, weight, peer):
    weight, initializer = weight(layout=LAYOUTS[framework]), initializers.get(text)
    theirs = drawn(framework, peer, weight.shape).ravel()
    ours = initializer.draw(weight, 1, dtype=np.float32).ravel()
    assert theirs.dtype == ours.dtype == np.float32
    assert stats.ks_2samp(ours, theirs, method="asymp").pvalue > 1e-3
    mean, deviation = initializer.expected_mean(weight), math.sqrt(initializer.expected_variance(weight))
    x, y = ((values.astype(np.float64) - mean) / deviation for values in (ours, theirs))
    for order, expected in ((1, 0.0), (2, 1.0), (3, None), (4, None)):
        a, b = x**order, y**order
        own = math.sqrt(b.var() / b.size)
        if expected is not None:
            assert abs(b.mean() - expected) < 4.5 * own
        assert abs(a.mean() - b.mean()) < 4.5 * math.hypot(own, math.sqrt(a.var() / a.size))


def many(framework, make, shape, count):
    """`count` independent tensors of the framework's."""
    module = pytest.importorskip(MODULES[framework])
    if framework == "JAX":
        import jax

        return np.asarray(jax.vmap(lambda key: make(module)(key, shape))(jax.random.split(jax.random.key(5), count)))
    if framework == "Keras":
        return np.stack([np.asarray(make(module)(shape, seed)) for seed in range(count)])
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        return np.stack([make(module)(torch.empty(shape)).numpy() for _ in range(count)])


def as_matrix(weight, values):
    """The matrix that a kernel is: from a patch to a point, or from a point to a patch if it is transposed."""
    matrix = weight.stacks(np.asarray(values, dtype=np.float64))[0][0]
    if weight.kind == "conv_transpose":
        return np.moveaxis(matrix, 1, -1).reshape(-1, matrix.shape[1])
    matrix = matrix.reshape(len(matrix), -1)
    return matrix[:, matrix.any(axis=0)]  # the taps beside the centre of a delta kernel are zero


@rows(ORTHOGONAL)
def test_orthogonal_matrices_have_the_same_distribution(framework, text, weight, peer):
    weight, initializer = weight(layout=LAYOUTS[framework]), initializers.get(text)
    theirs = many(framework, peer, weight.shape, 400)
    ours = np.stack([initializer.draw(weight, seed, np.float32) for seed in range(400)])
    assert np.array_equal(theirs == 0, ours == 0)  # the centre of a delta kernel is the same
    x, y = (np.stack([as_matrix(weight, values) for values in draws]) for draws in (ours, theirs))
    for matrices in (x, y):
        assert np.allclose(np.linalg.svd(matrices, compute_uv=False), initializer.gain, atol=1e-5)
        # Haar is symmetric: the Q of a QR decomposition is not.
        assert stats.binomtest(int((matrices[:, 0, 0] > 0).sum()), len(matrices)).pvalue > 1e-3
    for statistic in (lambda m: m[:, 0, 0], lambda m: m[:, -1, -1], lambda m: m.sum(axis=(1, 2))):
        assert stats.ks_2samp(statistic(x), statistic(y)).pvalue > 1e-3
