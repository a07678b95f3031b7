"""Structured initializers against what the networks they fill compute, and against other libraries."""

import math

import numpy as np
import pytest
from scipy import linalg

from goodinit.errors import GoodinitError
from goodinit.initializers.deterministic import Sinusoidal, ZeroHadamard
from goodinit.initializers.structured import BilinearUpsampling, Dirac, Identity, LooksLinear
from goodinit.streams import KeyedStream, RandomStateStream
from goodinit.weights import LAYOUTS, Weight

ALL = [Identity(), Dirac(), BilinearUpsampling(), LooksLinear(), Sinusoidal(), ZeroHadamard()]


@pytest.mark.parametrize(("out", "into"), [(4, 4), (3, 5), (5, 3), (1, 4)])
def test_identity_is_that_of_torch(out, into):
    torch = pytest.importorskip("torch")
    ours = Identity(gain=0.5).draw(Weight.linear("w", into, out), 0)
    assert np.array_equal(ours, 0.5 * torch.nn.init.eye_(torch.empty(out, into)).numpy())


@pytest.mark.parametrize("layout", LAYOUTS)
def test_identity_fills_each_part(layout):
    weight = Weight.recurrent("w", 6, 6, cell="gru", layout=layout)
    for gate in np.split(Identity().draw(weight, 0), 3, axis=weight.out_axis):
        assert np.array_equal(gate, np.eye(6))


@pytest.mark.parametrize("shape", [(6, 3, 3), (4, 6, 3, 5), (8, 2, 3, 3, 1)])
@pytest.mark.parametrize("groups", [1, 2])
def test_dirac_is_that_of_torch_for_odd_kernels(shape, groups):
    torch = pytest.importorskip("torch")
    out, into, *kernel = shape
    theirs = torch.nn.init.dirac_(torch.empty(shape), groups=groups).numpy()
    assert np.array_equal(Dirac().draw(Weight.conv("w", into * groups, out, kernel, groups=groups), 0), theirs)


def test_dirac_is_on_the_centre_of_an_even_kernel_where_that_of_torch_is_off():
    torch = pytest.importorskip("torch")
    x = torch.arange(7.0).reshape(1, 1, 7)
    layer = torch.nn.Conv1d(1, 1, 4, padding=1, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(Dirac().draw(Weight.conv("w", 1, 1, (4,)), 0)))
        assert torch.equal(layer(x), x[..., :6])  # output i is input i
        torch.nn.init.dirac_(layer.weight)
        assert torch.equal(layer(x), x[..., 1:])  # output i is input i + 1


@pytest.mark.parametrize("factor", [2, 3, 4, 5])
@pytest.mark.parametrize("groups", [1, 3])
def test_bilinear_upsampling_interpolates_as_torch_does(factor, groups):
    torch = pytest.importorskip("torch")
    size, padding = 2 * factor - factor % 2, math.ceil((factor - 1) / 2)
    weight = Weight.conv_transpose("up", 3, 3, size, stride=factor, groups=groups)
    layer = torch.nn.ConvTranspose2d(
        3, 3, size, stride=factor, padding=padding, groups=groups, bias=False, dtype=torch.float64
    )
    x = torch.randn((2, 3, 6, 7), dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(BilinearUpsampling().draw(weight, 0)))
        ours = layer(x)
    theirs = torch.nn.functional.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=False)
    assert ours.shape == theirs.shape
    inner = (..., slice(factor, -factor), slice(factor, -factor))  # torch repeats the border, a convolution pads by 0
    assert torch.allclose(ours[inner], theirs[inner], rtol=0, atol=1e-12)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("taps", [1, 2, 3, 4, 6])
def test_bilinear_upsampling_is_symmetric_for_any_kernel(taps, layout):
    weight = Weight.conv_transpose("up", 2, 2, taps, stride=2, layout=layout)
    (stack,) = weight.stacks(BilinearUpsampling().draw(weight, 0))
    assert np.array_equal(stack, stack[..., ::-1, ::-1])
    assert not stack[0, 0, 1].any()
    assert stack[0, 0, 0].any()


def test_bilinear_upsampling_takes_transposed_convolutions_of_equal_channels():
    with pytest.raises(GoodinitError, match="it is conv; give it the weight of a transposed convolution"):
        BilinearUpsampling().draw(Weight.conv("w", 3, 3, 4), 0)
    with pytest.raises(GoodinitError, match="2 inputs and 3 outputs"):
        BilinearUpsampling().draw(Weight.conv_transpose("w", 2, 3, 4, stride=2), 0)


@pytest.mark.parametrize("gain", [1.0, 1.05])
def test_a_relu_network_50_layers_deep_is_linear_at_the_start(gain):
    torch = pytest.importorskip("torch")
    depth, layers = 50, []
    for index in range(depth):
        side = "out" if index == 0 else "in" if index == depth - 1 else "both"
        into, out = (16 if index == 0 else 32), (16 if index == depth - 1 else 32)
        layer = torch.nn.Linear(into, out, bias=False, dtype=torch.float64)
        w = LooksLinear(gain=gain, side=side).draw(Weight.linear(f"{index}.weight", into, out), 0)
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(w))
        layers += [layer, torch.nn.ReLU()]
    network = torch.nn.Sequential(*layers[:-1])
    generator = torch.Generator().manual_seed(0)
    for _ in range(3):
        x = torch.randn(16, dtype=torch.float64, generator=generator)
        jacobian = torch.autograd.functional.jacobian(network, x)
        assert torch.allclose(torch.linalg.svdvals(jacobian), torch.tensor(gain**depth, dtype=torch.float64))
        assert torch.allclose(jacobian @ x, network(x))


def test_a_convolutional_relu_network_is_linear_at_the_start():
    torch = pytest.importorskip("torch")
    layers = []
    for index, (into, out, side) in enumerate([(3, 8, "out"), (8, 12, "both"), (12, 5, "in")]):
        layer = torch.nn.Conv2d(into, out, 3, padding=1, bias=False, dtype=torch.float64)
        w = LooksLinear(side=side).draw(Weight.conv(f"{index}.weight", into, out, 3), 0)
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(w))
        layers += [layer, torch.nn.ReLU()]
    network = torch.nn.Sequential(*layers[:-1])
    x, y = torch.randn((2, 1, 3, 6, 6), dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.allclose(network(x + 2 * y), network(x) + 2 * network(y), atol=1e-12)


def test_looks_linear_has_half_of_full_rank_and_says_so():
    w = LooksLinear().draw(Weight.linear("w", 20, 12), 0)
    values = np.linalg.svd(w, compute_uv=False)
    assert np.allclose(values, [2.0] * 6 + [0.0] * 6)
    assert "at most half" in LooksLinear().caution(Weight.linear("w", 20, 12))
    assert LooksLinear(side="in").caution(Weight.linear("w", 20, 12)) is None


@pytest.mark.parametrize(("side", "into", "out"), [("both", 3, 4), ("both", 4, 3), ("in", 3, 4), ("out", 4, 3)])
def test_looks_linear_refuses_odd_sides(side, into, out):
    with pytest.raises(GoodinitError, match=r"has 3 (in|out)puts, an odd number"):
        LooksLinear(side=side).draw(Weight.linear("w", into, out), 0)


def test_looks_linear_leaves_the_other_side_alone():
    assert LooksLinear(side="in").draw(Weight.linear("w", 4, 3), 0).shape == (3, 4)
    assert LooksLinear(side="out").draw(Weight.linear("w", 3, 4), 0).shape == (4, 3)


def test_a_square_sinusoidal_of_64_has_rank_31_and_two_rows_of_zeros():
    weight = Weight.linear("w", 64, 64)
    w = Sinusoidal().draw(weight, 0)
    assert np.linalg.matrix_rank(w) == 31
    assert np.flatnonzero(~w.any(axis=1)).tolist() == [31, 63]
    assert Sinusoidal().caution(weight) == "a 64 x 64 matrix of it has rank 31; 2 of its units have no weight but 0"


def test_sinusoidal_says_the_rank_of_any_matrix():
    for m in range(1, 21):
        for n in range(3, 21):
            weight = Weight.linear("w", n, m)
            w = Sinusoidal().draw(weight, 0)
            rank, silent = np.linalg.matrix_rank(w), int((~w.any(axis=1)).sum())
            caution = Sinusoidal().caution(weight)
            if rank == min(m, n):
                assert caution is None
            else:
                assert f"has rank {rank}" in caution
                assert (f"{silent} of its units" in caution) == (silent > 0)


@pytest.mark.parametrize(
    "weight",
    [
        Weight.linear("w", 64, 64),
        Weight.linear("w", 30, 70),
        Weight.conv("w", 6, 20, 3, groups=2),
        Weight.linear("w", 9, 1),
    ],
)
def test_sinusoidal_has_the_variance_of_glorot(weight):
    w = Sinusoidal().draw(weight, 0)
    assert np.var(w) == pytest.approx(2 / (weight.fan_in + weight.fan_out), rel=1e-12)


def test_a_unit_of_sinusoidal_is_one_wave():
    w = Sinusoidal().draw(Weight.linear("w", 50, 20), 0)
    power = np.abs(np.fft.rfft(w, axis=1)) ** 2
    assert power.argmax(axis=1).tolist() == list(range(1, 21))  # unit i has frequency i
    assert np.allclose(power.max(axis=1), power.sum(axis=1))
    assert np.allclose(
        w[:, -1], np.abs(w).max() * np.sin(2 * np.pi * np.arange(1, 21) / 20), atol=0.01
    )  # and phase i / m
    assert np.allclose(w.sum(axis=1), 0)


def test_sinusoidal_gives_each_part_its_own_variance():
    weight = Weight.packed("w", 24, (24, 6, 6))
    w = Sinusoidal().draw(weight, 0)
    for part, out in zip(np.split(w, [24, 30]), (24, 6, 6), strict=True):
        assert np.var(part) == pytest.approx(2 / (24 + out))
        assert np.array_equal(part, Sinusoidal().draw(Weight.linear("v", 24, out), 1))


@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (2, 1), (2, 2), (), (5,)])
def test_sinusoidal_refuses_to_be_all_zero(shape):
    with pytest.raises(GoodinitError, match="are all 0; use glorot_normal"):
        Sinusoidal().draw(Weight("w", shape, fan_in=2, fan_out=2), 0)


@pytest.mark.parametrize(("out", "into"), [(4, 4), (3, 7), (8, 3), (6, 5), (100, 10), (33, 32)])
def test_zero_hadamard_is_algorithm_1_of_the_paper(out, into):
    w = ZeroHadamard().draw(Weight.linear("w", into, out), 0)
    assert np.linalg.matrix_rank(w) == min(out, into)
    if out <= into:
        assert np.array_equal(w, np.eye(out, into))
        return
    m = math.ceil(math.log2(out))
    assert np.allclose(w, 2 ** (-(m - 1) / 2) * linalg.hadamard(2**m)[:out, :into], rtol=1e-15)
    code = linalg.hadamard(2**m)[:out, :into] / 2 ** (m / 2)  # the authors' published code: a factor of sqrt(2) less
    assert np.allclose(ZeroHadamard(gain=math.sqrt(0.5)).draw(Weight.linear("w", into, out), 0), code)


def test_the_mean_of_zero_hadamard_is_that_of_scipys_matrix_at_every_size():
    matrix = linalg.hadamard(32)
    for out in range(2, 33):
        for into in range(1, out):
            factor = 2 ** (-((out - 1).bit_length() - 1) / 2)
            mean = ZeroHadamard().expected_mean(Weight.linear("w", into, out))
            assert mean == pytest.approx(factor * matrix[:out, :into].mean(), rel=1e-12, abs=1e-15)


def test_zero_hadamard_fills_the_centre_of_a_kernel():
    w = ZeroHadamard().draw(Weight.conv("w", 3, 4, 3), 0)
    assert np.array_equal(np.abs(w[:, :, 1, 1]), np.full((4, 3), math.sqrt(0.5)))
    assert np.count_nonzero(w) == 12


def test_a_narrowing_identity_says_what_it_leaves_out():
    for initializer in (ZeroHadamard(), Identity(), Dirac()):
        assert "last 3 inputs reach no output" in initializer.caution(Weight.linear("w", 8, 5))
        assert initializer.caution(Weight.linear("w", 5, 5)) is None
    assert "last 3 outputs start at 0, all alike" in Identity().caution(Weight.linear("w", 5, 8))
    assert ZeroHadamard().caution(Weight.linear("w", 5, 8)) is None


WEIGHTS = [
    Weight.linear("w", 20, 30),
    Weight.linear("w", 30, 20),
    Weight.linear("w", 10, 10, layout="keras"),
    Weight.packed("w", 8, (8, 4, 12), layout="keras"),
    Weight.conv("w", 4, 8, 3, groups=2),
    Weight.conv("w", 4, 16, (3, 4), layout="mlx"),
    Weight.conv_transpose("w", 6, 6, (4,), stride=2, groups=3),
    Weight.conv_transpose("w", 4, 4, 5, stride=3, layout="flax"),
    Weight.embedding("w", 12, 4),
    Weight.elementwise("w", 5),
    Weight.elementwise("w"),
    Weight.bilinear("w", 4, 3, 8),
    Weight.linear("w", 0, 4),
    Weight.conv("w", 4, 0, 3),
    Weight("w", (1, 4), 4, 1),
    Weight("w", (2, 4, 3), 12, 6),
    Weight("w", (2, 4, 1, 2, 3), 24, 12),
]


@pytest.mark.parametrize("weight", WEIGHTS)
@pytest.mark.parametrize("initializer", [*ALL, LooksLinear(gain=2, side="in"), ZeroHadamard(gain=2), Dirac(gain=2)])
def test_a_weight_is_filled_as_expected_or_refused(initializer, weight):
    try:
        w = initializer.draw(weight, 0)
    except GoodinitError:
        with pytest.raises(GoodinitError, match="cannot fill weight 'w' of shape"):
            initializer.expected_variance(weight)
        return
    assert w.shape == weight.shape
    initializer.caution(weight)
    if w.size:
        assert initializer.expected_mean(weight) == pytest.approx(float(w.mean()), abs=1e-12)
        assert initializer.expected_variance(weight) == pytest.approx(float(w.var()), rel=1e-9, abs=1e-12)
    stop = weight.size
    for start, end in [(0, stop), (stop // 3, stop // 2), (stop, stop)]:
        part = initializer.elements(weight, KeyedStream(0), start, end)
        assert np.array_equal(part, w.reshape(-1)[start:end])
    assert initializer.draw(weight, RandomStateStream(0)).shape == weight.shape


@pytest.mark.parametrize(
    "make",
    [
        lambda layout: Weight.linear("w", 8, 12, layout=layout),
        lambda layout: Weight.recurrent("w", 8, 8, layout=layout),
        lambda layout: Weight.conv("w", 8, 12, (3, 4), groups=2, layout=layout),
        lambda layout: Weight.conv_transpose("w", 8, 8, (3, 4), stride=2, layout=layout),
    ],
)
@pytest.mark.parametrize("initializer", ALL)
def test_values_do_not_depend_on_the_layout(initializer, make):
    try:
        first, *others = [make(layout).stacks(initializer.draw(make(layout), 0)) for layout in LAYOUTS]
    except GoodinitError:
        assert initializer.name in ("identity", "bilinear_upsampling")
        return
    for other in others:
        assert all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


def test_options_out_of_range_are_refused():
    with pytest.raises(GoodinitError, match="gain must be a finite number above 0"):
        Identity(gain=0)
    with pytest.raises(GoodinitError, match="side must be one of both, in, out"):
        LooksLinear(side="left")
    with pytest.raises(GoodinitError, match="use dirac for a convolution"):
        Identity().draw(Weight.conv("w", 3, 3, 3), 0)


def test_the_text_of_an_initializer_names_its_options():
    assert str(LooksLinear(side="in")) == "looks_linear(side=in)"
    assert str(Sinusoidal()) == "sinusoidal"
