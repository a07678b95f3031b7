"""Fans against the wrong cases of other libraries; layouts against the weights of real layers."""

import os
from itertools import pairwise

import numpy as np
import pytest

from goodinit.errors import GoodinitError
from goodinit.initializers import LecunNormal
from goodinit.initializers.orthogonal import Orthogonal
from goodinit.weights import LAYOUTS, Weight

os.environ.setdefault("KERAS_BACKEND", "jax")

FANS = [
    (Weight.linear("w", 784, 512), 784, 512),
    (Weight.conv("w", 3, 64, 7, stride=1), 147, 3136),
    (Weight.conv("w", 3, 64, 7, stride=2), 147, 784),  # an input meets a quarter of the outputs
    (Weight.conv("w", 8, 16, (5,), groups=4), 10, 20),
    (Weight.conv("w", 8, 16, 3, dims=3), 216, 432),
    (Weight.conv("w", 64, 64, 3, groups=64), 9, 9),  # PyTorch: (9, 576)
    (Weight.depthwise("w", 64, 3, layout="keras"), 9, 9),  # Keras: (576, 9)
    (Weight.depthwise("w", 64, 3, multiplier=2), 9, 18),
    (Weight.conv_transpose("w", 16, 32, 4, stride=2), 64, 512),  # PyTorch and Keras: (512, 256); Flax: 256
    (Weight.conv_transpose("w", 16, 32, (3,), stride=2), 24, 96),
    (Weight.conv_transpose("w", 16, 32, 4, stride=2, groups=4), 16, 128),
    (Weight.conv_transpose("w", 3, 4, 3, stride=2), 6.75, 36),  # an average: some outputs meet 3, some 12
    (Weight.bilinear("w", 5, 7, 3), 35, 3),
    (Weight.embedding("w", 1000, 64), 1, 64),
    (Weight.recurrent("w", 10, 20, cell="lstm"), 10, 20),
    (Weight.recurrent("w", 20, 20, cell="gru"), 20, 20),
    (Weight.packed("w", 64, (64, 64, 64)), 64, 64),
    (Weight.packed("w", 64, (64, 16, 16)), 64, 48),  # the elements' mean: (64^2 + 2 * 16^2) / 96
    (Weight.elementwise("w", 64), 1, 1),
    (Weight.elementwise("w"), 1, 1),
    (Weight.linear("w", 0, 5), 0, 5),
    (Weight.conv("w", 0, 0, 3, groups=2), 0, 0),
]


@pytest.mark.parametrize(("weight", "fan_in", "fan_out"), FANS)
def test_fans_are_those_of_the_layer(weight, fan_in, fan_out):
    assert (weight.fan_in, weight.fan_out) == (fan_in, fan_out)


def connections(layer, shape):
    """Inputs of a middle output and outputs of a middle input, counted by the gradient of a layer of ones."""
    torch = pytest.importorskip("torch")
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.fill_(1.0)
    x = torch.ones(shape, requires_grad=True)
    y = layer(x)
    reached = torch.autograd.grad(y.sum(), x)[0]
    return y, reached


def test_the_mean_number_of_connections_is_counted_from_a_transposed_layer():
    torch = pytest.importorskip("torch")
    weight = Weight.conv_transpose("w", 3, 4, 3, stride=2)
    y, reached = connections(torch.nn.ConvTranspose2d(3, 4, 3, stride=2, bias=False), (1, 3, 12, 12))
    assert y[0, 0, 4:-5, 4:-5].mean().item() == weight.fan_in  # whole periods of the stride
    assert reached[0, 0, 6, 6].item() == weight.fan_out


@pytest.mark.parametrize("groups", [1, 2])
def test_the_mean_number_of_connections_is_counted_from_a_strided_layer(groups):
    torch = pytest.importorskip("torch")
    weight = Weight.conv("w", 4, 6, 3, stride=2, groups=groups)
    y, reached = connections(torch.nn.Conv2d(4, 6, 3, stride=2, groups=groups, bias=False), (1, 4, 13, 13))
    assert y[0, 0, 3, 3].item() == weight.fan_in
    assert reached[0, 0, 2:-3, 2:-3].mean().item() == weight.fan_out


def test_a_transposed_convolution_keeps_the_variance_of_its_input():
    torch = pytest.importorskip("torch")
    layer = torch.nn.ConvTranspose2d(16, 256, 4, stride=2, bias=False)
    weight = Weight.conv_transpose("up.weight", 16, 256, 4, stride=2)
    x = torch.randn((4, 16, 24, 24), generator=torch.Generator().manual_seed(0))

    def squares():  # of each output channel: given the input, the channels are independent
        with torch.no_grad():
            y = layer(x)[:, :, 3:-3, 3:-3]
        return y.square().mean(dim=(0, 2, 3)).numpy()

    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(LecunNormal().draw(weight, 0, np.float32)))
    ours = squares()
    error = ours.std() / np.sqrt(ours.size) + np.sqrt(2 / x.numel())
    assert abs(ours.mean() - 1) < 4 * error < 0.1
    torch.nn.init.kaiming_normal_(layer.weight, nonlinearity="linear", generator=torch.Generator().manual_seed(0))
    assert abs(squares().mean() - 1 / 64) < 0.001  # 64 / (256 * 16): what it gives there


def torch_layers():
    torch = pytest.importorskip("torch")
    nn = torch.nn
    lstm, projected = nn.LSTM(5, 8), nn.LSTM(5, 8, proj_size=3)
    gru, rnn = nn.GRU(5, 8), nn.RNN(5, 8)
    attention = nn.MultiheadAttention(8, 2)
    return [
        (Weight.linear("w", 5, 7), nn.Linear(5, 7).weight),
        (Weight.conv("w", 4, 6, (5,)), nn.Conv1d(4, 6, 5).weight),
        (Weight.conv("w", 4, 6, (3, 5), groups=2), nn.Conv2d(4, 6, (3, 5), groups=2).weight),
        (Weight.conv("w", 4, 6, 3, dims=3), nn.Conv3d(4, 6, 3).weight),
        (Weight.depthwise("w", 4, 3, multiplier=2), nn.Conv2d(4, 8, 3, groups=4).weight),
        (Weight.conv_transpose("w", 4, 6, (3,)), nn.ConvTranspose1d(4, 6, 3).weight),
        (Weight.conv_transpose("w", 4, 6, 3, groups=2), nn.ConvTranspose2d(4, 6, 3, groups=2).weight),
        (Weight.conv_transpose("w", 4, 6, (2, 3, 4)), nn.ConvTranspose3d(4, 6, (2, 3, 4)).weight),
        (Weight.bilinear("w", 4, 5, 6), nn.Bilinear(4, 5, 6).weight),
        (Weight.embedding("w", 11, 4), nn.Embedding(11, 4).weight),
        (Weight.recurrent("w", 5, 8), lstm.weight_ih_l0),
        (Weight.recurrent("w", 8, 8), lstm.weight_hh_l0),
        (Weight.recurrent("w", 3, 8), projected.weight_hh_l0),
        (Weight.linear("w", 8, 3), projected.weight_hr_l0),
        (Weight.recurrent("w", 8, 8, cell="gru"), gru.weight_hh_l0),
        (Weight.recurrent("w", 5, 8, cell="rnn"), rnn.weight_ih_l0),
        (Weight.packed("w", 8, (8, 8, 8)), attention.in_proj_weight),
        (Weight.elementwise("w", 7), nn.Linear(5, 7).bias),
        (Weight.elementwise("w", (4, 3)), nn.LayerNorm((4, 3)).weight),
    ]


def test_the_torch_layout_is_that_of_torch_modules():
    for weight, parameter in torch_layers():
        assert weight.shape == tuple(parameter.shape), weight


def built(layer, *shape):
    layer.build((None, *shape))
    return layer


def keras_layers():
    layers = pytest.importorskip("keras").layers
    lstm, gru = built(layers.LSTM(8), 9, 5), built(layers.GRU(8), 9, 5)
    options = {"layout": "keras"}
    return [
        (Weight.linear("w", 5, 7, **options), built(layers.Dense(7), 5).kernel),
        (Weight.conv("w", 4, 6, (5,), **options), built(layers.Conv1D(6, 5), 9, 4).kernel),
        (
            Weight.conv("w", 4, 6, (3, 5), groups=2, **options),
            built(layers.Conv2D(6, (3, 5), groups=2), 9, 9, 4).kernel,
        ),
        (Weight.conv("w", 4, 6, 3, dims=3, **options), built(layers.Conv3D(6, 3), 9, 9, 9, 4).kernel),
        (
            Weight.depthwise("w", 4, 3, multiplier=2, **options),
            built(layers.DepthwiseConv2D(3, depth_multiplier=2), 9, 9, 4).kernel,
        ),
        (Weight.conv_transpose("w", 4, 6, (3,), **options), built(layers.Conv1DTranspose(6, 3), 9, 4).kernel),
        (Weight.conv_transpose("w", 4, 6, 3, **options), built(layers.Conv2DTranspose(6, 3), 9, 9, 4).kernel),
        (Weight.embedding("w", 11, 4, **options), built(layers.Embedding(11, 4), 3).embeddings),
        (Weight.recurrent("w", 5, 8, **options), lstm.cell.kernel),
        (Weight.recurrent("w", 8, 8, **options), lstm.cell.recurrent_kernel),
        (Weight.recurrent("w", 5, 8, cell="gru", **options), gru.cell.kernel),
    ]


def test_the_keras_layout_is_that_of_keras_layers():
    for weight, parameter in keras_layers():
        assert weight.shape == tuple(parameter.shape), weight


def test_the_flax_layout_is_that_of_flax_modules():
    nn = pytest.importorskip("flax.linen")
    jax = pytest.importorskip("jax")
    for weight, layer, shape in [
        (Weight.linear("w", 5, 7, layout="flax"), nn.Dense(7), (1, 5)),
        (
            Weight.conv("w", 4, 6, (3, 5), groups=2, layout="flax"),
            nn.Conv(6, (3, 5), feature_group_count=2),
            (1, 9, 9, 4),
        ),
        (
            Weight.depthwise("w", 4, 3, multiplier=2, layout="flax"),
            nn.Conv(8, (3, 3), feature_group_count=4),
            (1, 9, 9, 4),
        ),
        (Weight.conv_transpose("w", 4, 6, 3, layout="flax"), nn.ConvTranspose(6, (3, 3)), (1, 9, 9, 4)),
    ]:
        kernel = layer.init(jax.random.key(0), np.zeros(shape, np.float32))["params"]["kernel"]
        assert weight.shape == kernel.shape


def test_the_mlx_layout_is_that_of_its_documentation():
    assert Weight.linear("w", 5, 7, layout="mlx").shape == (7, 5)
    assert Weight.conv("w", 4, 6, (3, 5), groups=2, layout="mlx").shape == (6, 3, 5, 2)
    assert Weight.conv_transpose("w", 4, 6, (3, 5), layout="mlx").shape == (6, 3, 5, 4)
    assert Weight.bilinear("w", 4, 5, 6, layout="mlx").shape == (6, 4, 5)


EVERY_LAYOUT = [
    lambda layout: Weight.linear("w", 5, 7, layout=layout),
    lambda layout: Weight.conv("w", 4, 6, (3, 5), groups=2, layout=layout),
    lambda layout: Weight.depthwise("w", 4, 3, multiplier=2, layout=layout),
    lambda layout: Weight.conv_transpose("w", 4, 6, (3, 4), stride=2, layout=layout),
    lambda layout: Weight.recurrent("w", 5, 8, layout=layout),
    lambda layout: Weight.packed("w", 6, (6, 2, 2), layout=layout),
    lambda layout: Weight.embedding("w", 11, 4, layout=layout),
]


@pytest.mark.parametrize("make", EVERY_LAYOUT)
def test_fans_matrices_and_drawn_values_do_not_depend_on_the_layout(make):
    weights = [make(layout) for layout in LAYOUTS]
    drawn = [weight.stacks(Orthogonal().draw(weight, 0)) for weight in weights]
    for (one, first), (other, second) in pairwise(zip(weights, drawn, strict=True)):
        assert (one.fan_in, one.fan_out, one.part_fans) == (other.fan_in, other.fan_out, other.part_fans)
        assert one.stack_shapes == other.stack_shapes
        for a, b in zip(first, second, strict=True):
            assert np.array_equal(a, b)


def same_in_torch_and_keras(torch_weight, torch_layer, keras_weight, keras_layer):
    """The outputs of two layers of the same kind whose weights were drawn by the same name."""
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(0).standard_normal((2, 9, 8, torch_layer.in_channels)).astype(np.float32)
    keras_layer.build(x.shape)
    parameter = torch_layer.weight
    with torch.no_grad():
        parameter.copy_(torch.from_numpy(Orthogonal().draw(torch_weight, 0, np.float32)))
        ours = torch_layer(torch.from_numpy(x.transpose(0, 3, 1, 2).copy())).numpy().transpose(0, 2, 3, 1)
    keras_layer.kernel.assign(Orthogonal().draw(keras_weight, 0, np.float32))
    theirs = np.asarray(keras_layer(x))
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() < 1e-5


def test_a_layer_computes_the_same_in_torch_and_keras():
    nn, layers = pytest.importorskip("torch").nn, pytest.importorskip("keras").layers
    for make, torch_layer, keras_layer in [
        (
            lambda layout: Weight.conv("w", 4, 6, (3, 5), groups=2, layout=layout),
            nn.Conv2d(4, 6, (3, 5), groups=2, bias=False),
            layers.Conv2D(6, (3, 5), groups=2, use_bias=False),
        ),
        (
            lambda layout: Weight.depthwise("w", 4, 3, multiplier=2, layout=layout),
            nn.Conv2d(4, 8, 3, groups=4, bias=False),
            layers.DepthwiseConv2D(3, depth_multiplier=2, use_bias=False),
        ),
        (
            lambda layout: Weight.conv_transpose("w", 4, 6, 3, stride=2, layout=layout),
            nn.ConvTranspose2d(4, 6, 3, stride=2, bias=False),
            layers.Conv2DTranspose(6, 3, strides=2, use_bias=False),
        ),
    ]:
        same_in_torch_and_keras(make("torch"), torch_layer, make("keras"), keras_layer)


@pytest.mark.parametrize("make", EVERY_LAYOUT)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_stacks_are_views_that_cover_each_element_once(make, layout):
    weight = make(layout)
    array = np.zeros(weight.shape)
    stacks = weight.stacks(array)
    assert [stack.shape for stack in stacks] == weight.stack_shapes
    for stack in stacks:
        assert np.shares_memory(stack, array)
        stack += 1
    assert (array == 1).all()


def test_spread_gives_each_part_its_value():
    for layout in LAYOUTS:
        weight = Weight.packed("w", 5, (4, 2, 1), layout=layout)
        values = weight.spread([1, 2, 3], 0, weight.size)
        for value, stack in zip((1, 2, 3), weight.stacks(values.reshape(weight.shape)), strict=True):
            assert (stack == value).all()
        assert np.array_equal(weight.spread([1, 2, 3], 7, 19), values[7:19])


def test_packed_parts_have_fans_of_their_own():
    assert Weight.packed("w", 64, (64, 16, 16)).part_fans == ((64, 64), (64, 16), (64, 16))
    assert Weight.packed("w", 64, (64, 64, 64)).part_fans == ((64, 64),) * 3
    assert Weight.linear("w", 3, 4).part_fans == ((3, 4),)


@pytest.mark.parametrize("shape", [(), (0,), (5,), (0, 3), (3, 0), (1, 4), (2, 3, 0), (1, 2, 3, 4, 5)])
def test_any_shape_told_alone_has_matrices(shape):
    weight = Weight("w", shape, fan_in=1, fan_out=1)
    assert sum(stack.size for stack in weight.stacks(np.zeros(shape))) == weight.size
    if len(shape) < 2:
        assert weight.stack_shapes == [(weight.size, 1, 1)]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Weight.linear("w", -1, 2), "in_features=-1; give an integer"),
        (lambda: Weight.linear("w", 2.5, 2), r"in_features=2\.5"),
        (lambda: Weight.linear("w", True, 2), "in_features=True"),
        (lambda: Weight.linear("w", 2, 2, layout="onnx"), "layout 'onnx' is not known; choose one of torch, keras"),
        (lambda: Weight.bilinear("w", 2, 2, 2, layout="keras"), "keras has no bilinear layer"),
        (lambda: Weight.conv("w", 10, 12, 3, groups=3), "in_channels=10 is not divisible by groups=3"),
        (lambda: Weight.conv("w", 9, 10, 3, groups=3), "out_channels=10 is not divisible by groups=3"),
        (lambda: Weight.conv("w", 9, 10, 3, groups=0), "groups=0; give an integer of at least 1"),
        (lambda: Weight.conv("w", 3, 4, 0), "kernel_size=0"),
        (lambda: Weight.conv("w", 3, 4, None), "kernel_size=None"),
        (lambda: Weight.conv("w", 3, 4, (3, 3, 3, 3)), "one to three dimensions"),
        (lambda: Weight.conv("w", 3, 4, (3, 3), stride=(1, 1, 1)), "one for each of kernel_size"),
        (lambda: Weight.conv("w", 3, 4, 3, stride=0), "stride=0"),
        (lambda: Weight.conv_transpose("w", 4, 4, 3, groups=2, layout="flax"), "no grouped transposed convolution"),
        (lambda: Weight.recurrent("w", 3, 4, cell="mgu"), "cell 'mgu' is not known; choose one of rnn, gru, lstm"),
        (lambda: Weight.packed("w", 3, 4), "parts=4; give a sequence"),
        (lambda: Weight.packed("w", 3, (4, -1)), "parts=-1"),
        (lambda: Weight("w", (7, 3), 3, 7, parts=(4, 4)), r"parts \(4, 4\) sum to 8; make them sum to axis 0"),
        (lambda: Weight("w", (8, 3), 3, 7, parts=(4, 4), groups=2), "either parts or groups"),
        (lambda: Weight("w", (7, 3), 3, 7, groups=2), "not divisible by groups=2"),
        (lambda: Weight("w", (6, 3), 3, 7, groups=2, group_axis=2), "group_axis=2"),
        (lambda: Weight("w", (7, 3), 3, 7, in_axis=0), "two different axes"),
        (lambda: Weight("w", (7, 3), 3, 7, in_axis=-1), "counted from 0"),
        (lambda: Weight("w", (7, 3), -3, 7), "fan_in=-3"),
        (lambda: Weight("w", (7, 3), 3, float("nan")), "fan_out=nan"),
        (lambda: Weight("w", (7,), 3, 7, parts=(7,)), "neither parts nor groups"),
        (lambda: Weight("w", (7, 3), 3, 7, kind="dense"), "kind 'dense' is not known"),
        (lambda: Weight("w", (7, -3), 3, 7), "shape=-3"),
        (lambda: Weight.linear("w", 2, 3).stacks(np.zeros((2, 3))), r"it must have shape \(3, 2\)"),
    ],
)
def test_wrong_numbers_are_refused_with_advice(make, message):
    with pytest.raises(GoodinitError, match=message):
        make()
