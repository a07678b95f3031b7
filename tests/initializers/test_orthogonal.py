"""Orthogonal initializers against their definitions, Haar's moments, and what other libraries do."""

import math
import os

import numpy as np
import pytest

from goodinit.errors import GoodinitError
from goodinit.initializers.orthogonal import DeltaOrthogonal, Orthogonal
from goodinit.streams import KeyedStream, RandomStateStream
from goodinit.weights import LAYOUTS, Weight

os.environ.setdefault("KERAS_BACKEND", "jax")


def singular_values(matrix):
    return np.linalg.svd(np.asarray(matrix, dtype=np.float64), compute_uv=False)


@pytest.mark.parametrize(("out", "into"), [(256, 256), (300, 128), (128, 300), (1, 50), (50, 1), (1, 1)])
def test_a_matrix_is_orthogonal_to_1e_6_in_float32(out, into):
    w = Orthogonal().draw(Weight.linear("w", into, out), 0, np.float32)
    assert w.dtype == np.float32
    w = w.astype(np.float64)
    product = w.T @ w if out >= into else w @ w.T
    assert np.abs(product - np.eye(min(out, into))).max() < 1e-6


def test_gain_is_every_singular_value():
    assert np.allclose(singular_values(Orthogonal(gain=1.7).draw(Weight.linear("w", 9, 13), 0)), 1.7, rtol=1e-12)


def squared_traces(matrices):
    return np.trace(matrices, axis1=1, axis2=2) ** 2


def test_the_distribution_is_haar():
    # A convolution of many groups is as many independent 4 x 4 matrices. Under Haar on O(4), E tr^2 = 1, E tr^4 = 3.
    count = 100_000
    weight = Weight.conv("w", 4 * count, 4 * count, (1,), groups=count)
    matrices = Orthogonal().draw(weight, 0).reshape(count, 4, 4)
    error = math.sqrt(2 / count)  # the variance of tr^2 is 3 - 1
    assert abs(squared_traces(matrices).mean() - 1) < 4 * error
    assert abs((matrices**2).mean(axis=0) - 1 / 4).max() < 5 * math.sqrt(
        (3 / 24 - 1 / 16) / count
    )  # E w^4 = 3 / n(n+2)
    assert abs(np.linalg.det(matrices).mean()) < 4 / math.sqrt(count)  # rotations and reflections alike
    # The same normals without the signs of R's diagonal: not Haar, by 10 errors and more.
    normals = KeyedStream(0).normal("w", 0, weight.size).reshape(count, 4, 4)
    assert squared_traces(np.linalg.qr(normals)[0]).mean() - 1 > 10 * error


def test_a_zero_on_the_diagonal_of_r_wipes_nothing_out():
    class Zeros(KeyedStream):
        def normal(self, name, start, stop):
            return np.zeros(stop - start)

    assert np.allclose(singular_values(Orthogonal().draw(Weight.linear("w", 3, 3), Zeros(0))), 1)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_each_gate_has_singular_values_of_1(cell, layout):
    weight = Weight.recurrent("w", 16, 16, cell=cell, layout=layout)
    w = Orthogonal().draw(weight, 0)
    gates = np.split(w, w.shape[weight.out_axis] // 16, axis=weight.out_axis)
    assert len(gates) == {"lstm": 4, "gru": 3, "rnn": 1}[cell]
    for gate in gates:
        assert np.allclose(singular_values(gate), 1, atol=1e-12)
    for other in gates[1:]:
        assert not np.allclose(gates[0], other)


def test_keras_gives_a_gate_smaller_singular_values():
    keras = pytest.importorskip("keras")
    kernel = np.asarray(keras.initializers.Orthogonal(seed=0)((32, 4 * 32)))
    assert singular_values(kernel[:, :32]).min() < 0.1
    assert singular_values(kernel[:, :32]).max() < 0.9


@pytest.mark.parametrize("layout", LAYOUTS)
def test_unequal_parts_are_each_orthogonal(layout):
    weight = Weight.packed("w", 12, (12, 4, 4), layout=layout)
    w = Orthogonal().draw(weight, 0)
    for part in np.split(w, [12, 16], axis=weight.out_axis):
        assert np.allclose(singular_values(part), 1, atol=1e-12)


def test_each_group_of_a_convolution_is_orthogonal():
    w = Orthogonal().draw(Weight.conv("w", 8, 12, 3, groups=2), 0)
    for group in np.split(w, 2):
        assert np.allclose(singular_values(group.reshape(6, 36)), 1, atol=1e-12)


def test_a_transposed_convolution_without_overlap_keeps_lengths():
    torch = pytest.importorskip("torch")
    layer = torch.nn.ConvTranspose2d(8, 3, 2, stride=2, bias=False, dtype=torch.float64)
    w = Orthogonal().draw(Weight.conv_transpose("w", 8, 3, 2, stride=2), 0)
    x = torch.randn((2, 8, 5, 5), dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(w))
        assert torch.allclose(layer(x).norm(), x.norm(), rtol=1e-12)


@pytest.mark.parametrize(("kernel", "dims"), [(1, 2), (3, 1), (3, 2), (5, 2), (3, 3)])
@pytest.mark.parametrize("groups", [1, 2])
def test_delta_orthogonal_keeps_lengths(kernel, dims, groups):
    torch = pytest.importorskip("torch")
    make = getattr(torch.nn, f"Conv{dims}d")
    layer = make(
        6, 10, kernel, groups=groups, padding=kernel // 2, padding_mode="circular", bias=False, dtype=torch.float64
    )
    w = DeltaOrthogonal().draw(Weight.conv("w", 6, 10, kernel, groups=groups, dims=dims), 0)
    x = torch.randn((3, 6, *(7,) * dims), dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(w))
        y = layer(x)
    assert torch.allclose(y.flatten(1).norm(dim=1), x.flatten(1).norm(dim=1), rtol=1e-12)


def test_delta_orthogonal_is_where_jax_puts_it():
    jax = pytest.importorskip("jax")
    for kernel in [(3,), (4,), (3, 3), (4, 5), (3, 3, 3)]:
        shape = (*kernel, 4, 6)
        theirs = np.asarray(jax.nn.initializers.delta_orthogonal()(jax.random.key(0), shape))
        ours = DeltaOrthogonal().draw(Weight.conv("w", 4, 6, kernel, layout="flax"), 0)
        assert np.array_equal(ours != 0, theirs != 0)
        middle = ours[tuple((size - 1) // 2 for size in kernel)]
        assert np.allclose(singular_values(middle), 1)
        assert np.count_nonzero(ours) == middle.size


def test_delta_orthogonal_refuses_fewer_outputs_than_inputs():
    with pytest.raises(GoodinitError, match="2 outputs for 3 inputs; give it at least as many outputs"):
        DeltaOrthogonal().draw(Weight.conv("w", 6, 4, 3, groups=2), 0)
    with pytest.raises(GoodinitError, match="no kernel"):
        DeltaOrthogonal().draw(Weight.bilinear("w", 2, 2, 6), 0)


@pytest.mark.parametrize("gain", [0, -1, math.nan, "big"])
@pytest.mark.parametrize("initializer", [Orthogonal, DeltaOrthogonal])
def test_a_gain_that_is_no_positive_number_is_refused(initializer, gain):
    with pytest.raises(GoodinitError, match="gain must be a finite number above 0"):
        initializer(gain=gain)


@pytest.mark.parametrize(
    "weight",
    [
        Weight.linear("w", 20, 30),
        Weight.linear("w", 30, 20),
        Weight.conv("w", 4, 8, 3, groups=2),
        Weight.conv_transpose("w", 4, 8, 3, stride=2),
        Weight.packed("w", 6, (6, 9, 12)),
        Weight.embedding("w", 7, 20),
        Weight.elementwise("w", 40),
    ],
)
@pytest.mark.parametrize("initializer", [Orthogonal(gain=1.5), DeltaOrthogonal(gain=1.5)])
def test_the_realised_moments_are_the_expected_ones(weight, initializer):
    if initializer.name == "delta_orthogonal" and weight.shape == (20, 30):
        return  # refused: fewer outputs than inputs
    draws = np.stack([initializer.draw(weight, seed) for seed in range(200)])
    means, squares = draws.reshape(200, -1).mean(axis=1), (draws**2).reshape(200, -1).mean(axis=1)
    assert initializer.expected_mean(weight) == 0
    assert abs(means.mean()) < 5 * means.std() / math.sqrt(200)
    # Lengths are fixed, so that the sum of squares is the same in every draw.
    assert np.allclose(squares, initializer.expected_variance(weight), rtol=1e-12)


@pytest.mark.parametrize("initializer", [Orthogonal(), DeltaOrthogonal()])
@pytest.mark.parametrize(
    "weight",
    [Weight.conv("w", 4, 8, 3, layout="keras"), Weight.packed("w", 4, (4, 5, 6)), Weight.elementwise("w", 9)],
)
def test_a_slice_is_that_of_the_whole(initializer, weight):
    whole = initializer.draw(weight, 3).reshape(-1)
    for start, stop in [(0, weight.size), (0, 1), (3, 7), (weight.size - 1, weight.size), (5, 5)]:
        assert np.array_equal(initializer.elements(weight, KeyedStream(3), start, stop), whole[start:stop])


def test_values_depend_on_seed_and_name():
    draw = Orthogonal().draw
    w = draw(Weight.linear("w", 5, 5), 0)
    assert np.array_equal(w, draw(Weight.linear("w", 5, 5), 0))
    assert not np.allclose(w, draw(Weight.linear("v", 5, 5), 0))
    assert not np.allclose(w, draw(Weight.linear("w", 5, 5), 1))


@pytest.mark.parametrize("initializer", [Orthogonal(), DeltaOrthogonal()])
def test_the_sequential_stream_gives_the_whole_and_refuses_slices(initializer):
    weight = Weight.packed("w", 4, (4, 5, 6))
    w = initializer.draw(weight, RandomStateStream(0))
    assert np.allclose(singular_values(w[:4]), 1)
    assert np.array_equal(w, initializer.draw(weight, RandomStateStream(0)))
    with pytest.raises(GoodinitError, match="sequential"):
        initializer.elements(weight, RandomStateStream(0), 2, 4)


@pytest.mark.parametrize(
    "shape", [(), (0,), (6,), (0, 3), (3, 0), (1, 4), (4, 1), (3, 0, 2), (5, 4, 3, 2), (5, 4, 1, 2, 3)]
)
def test_odd_shapes_are_filled(shape):
    weight = Weight("w", shape, fan_in=1, fan_out=1)
    w = Orthogonal().draw(weight, 0)
    assert w.shape == shape
    assert Orthogonal().expected_variance(weight) == pytest.approx(float((w**2).mean()) if w.size else 0)
    if len(shape) < 2:
        assert set(w.reshape(-1).tolist()) <= {-1.0, 1.0}


def test_half_precision_is_rounded_from_an_orthogonal_matrix():
    weight = Weight.linear("w", 64, 64)
    half = Orthogonal().draw(weight, 0, np.float16)
    assert half.dtype == np.float16
    assert np.abs(half - Orthogonal().draw(weight, 0)).max() < 2.0**-11
