"""Fans, layers and precisions in which PyTorch, Keras and JAX start a layer wrongly: both sides, in numbers."""

import math
from functools import partial

import numpy as np
import pytest
from test_peers_differ import draw, has_std
from test_peers_same import LAYOUTS, drawn

from goodinit.weights import Weight

WEIGHTS = {
    (kind, layout): make("w", *sizes, **options, layout=layout)
    for kind, make, sizes, options in (
        ("depthwise", Weight.depthwise, (64, 3), {}),
        ("transposed", Weight.conv_transpose, (16, 32, 4), {"stride": 2}),
        ("gates", Weight.recurrent, (64, 64), {}),
    )
    for layout in ("torch", "keras", "flax")
}


@pytest.mark.parametrize(
    ("framework", "text", "weight", "peer", "theirs", "ours"),
    [
        # 64 channels too many
        ("PyTorch", "he_uniform(mode=fan_out)", "depthwise", "kaiming_uniform_", 2 / 576, 2 / 9),
        ("Keras", "he_uniform", "depthwise", "HeUniform", 2 / 576, 2 / 9),
        ("JAX", "glorot_uniform", "depthwise", "glorot_uniform", 2 / 585, 2 / 18),
        # blind to the stride; Keras takes the outputs for inputs
        ("PyTorch", "glorot_uniform", "transposed", "xavier_uniform_", 2 / 768, 2 / 576),
        ("Keras", "lecun_uniform", "transposed", "LecunUniform", 1 / 512, 1 / 64),
        ("JAX", "lecun_uniform", "transposed", "lecun_uniform", 1 / 256, 1 / 64),
        # one matrix made of four
        ("PyTorch", "glorot_uniform", "gates", "xavier_uniform_", 2 / 320, 2 / 128),
        ("Keras", "glorot_uniform", "gates", "GlorotUniform", 2 / 320, 2 / 128),
        ("JAX", "glorot_uniform", "gates", "glorot_uniform", 2 / 320, 2 / 128),
    ],
)
def test_fans_that_the_shape_alone_does_not_tell(framework, text, weight, peer, theirs, ours):
    weight = WEIGHTS[weight, LAYOUTS[framework]]

    def make(module):
        if framework == "PyTorch":
            return partial(getattr(module.init, peer), **({"mode": "fan_out"} if "fan_out" in text else {}))
        return getattr(module, peer)(**({"seed": 3} if framework == "Keras" else {}))

    assert has_std(drawn(framework, make, weight.shape), math.sqrt(theirs))
    assert has_std(draw(text, weight), math.sqrt(ours))


def test_keras_layers_have_these_kernels_and_no_better_fans():
    keras = pytest.importorskip("keras")
    seeded = keras.initializers.HeUniform(seed=0)
    depthwise = keras.layers.DepthwiseConv2D(3, depthwise_initializer=seeded)
    transposed = keras.layers.Conv2DTranspose(32, 4, strides=2, kernel_initializer=seeded)
    gates = keras.layers.LSTM(64, kernel_initializer=seeded)
    for layer, shape in ((depthwise, (None, 8, 8, 64)), (transposed, (None, 8, 8, 16)), (gates, (None, 3, 64))):
        layer.build(shape)
    kernels = (depthwise.kernel, 576), (transposed.kernel, 512), (gates.cell.kernel, 64)
    for kind, (kernel, fan) in zip(("depthwise", "transposed", "gates"), kernels, strict=True):
        assert tuple(kernel.shape) == WEIGHTS[kind, "keras"].shape
        assert has_std(np.asarray(kernel), math.sqrt(2 / fan))


def test_jax_loses_a_small_variance_in_half_precision():
    weight = Weight.linear("w", 100_000, 2, layout="flax")
    theirs = drawn("JAX", lambda j: j.variance_scaling(1e-6, "fan_in", "normal", dtype="float16"), weight.shape)
    assert theirs.dtype == np.float16
    assert not theirs.any()
    ours = draw("variance_scaling(scale=1e-6)", weight, np.float16).astype(np.float64)
    assert ours.std() == pytest.approx(math.sqrt(1e-11), rel=0.01)


def test_pytorchs_transposed_convolution_loses_the_signal():
    torch = pytest.importorskip("torch")
    weight = Weight.conv_transpose("w", 16, 256, 4, stride=2)
    theirs = drawn("PyTorch", lambda nn: lambda w: nn.init.kaiming_normal_(w, nonlinearity="linear"), weight.shape)
    x = torch.from_numpy(np.random.default_rng(0).standard_normal((8, 16, 12, 12), dtype=np.float32))
    variances = []
    for kernel in (theirs, draw("lecun_normal", weight, np.float32)):
        y = torch.nn.functional.conv_transpose2d(x, torch.from_numpy(kernel), stride=2)[..., 4:-4, 4:-4]
        variances.append(float(y.var()))
    # One output sums 16 * 4 * 4 / 2^2 = 64 products; PyTorch takes its fan in to be 256 * 4 * 4 = 4096.
    assert variances == pytest.approx([64 / 4096, 1], rel=0.05)


def test_pytorchs_attention_starts_its_packed_projections_too_small():
    torch = pytest.importorskip("torch")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        theirs = torch.nn.MultiheadAttention(256, 4).in_proj_weight.detach().numpy()
    assert has_std(theirs[:256], math.sqrt(2 / (256 + 768)))  # 0.0442
    ours = draw("glorot_uniform", Weight.packed("w", 256, (256, 256, 256)))
    assert has_std(ours[:256], math.sqrt(2 / (256 + 256)))  # 0.0625


def test_pytorchs_bilinear_layer_counts_one_of_its_two_inputs():
    torch = pytest.importorskip("torch")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        theirs = torch.nn.Bilinear(64, 16, 100).weight.detach().numpy()
    weight = Weight.bilinear("w", 64, 16, 100)
    assert theirs.shape == weight.shape
    assert np.abs(theirs).max() == pytest.approx(1 / 8, rel=1e-3)
    assert np.abs(draw("pytorch_linear", weight)).max() == pytest.approx(1 / 32, rel=1e-3)


def test_weights_of_one_dimension_and_empty_ones_have_a_rule_here():
    torch = pytest.importorskip("torch")
    jax = pytest.importorskip("jax")
    init, bias = torch.nn.init, Weight.elementwise("b", 100_000)
    for fill in (init.kaiming_normal_, init.xavier_uniform_):
        with pytest.raises(ValueError, match="fewer than 2 dimensions"):
            fill(torch.empty(100))
    with pytest.raises(ZeroDivisionError):
        init.xavier_uniform_(torch.empty(0, 0))
    with pytest.raises(ValueError, match="weights tensor"):
        jax.nn.initializers.he_normal()(jax.random.key(0), (100,))
    assert has_std(drawn("Keras", lambda k: k.HeUniform(seed=3), (10_000,)), math.sqrt(2 / 10_000))
    assert has_std(draw("he_normal", bias), math.sqrt(2))  # both fans are 1
    assert draw("glorot_uniform", Weight.linear("w", 0, 0)).shape == (0, 0)
