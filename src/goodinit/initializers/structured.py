"""Initializers that make a layer pass its input on: identities, upsampling, and ReLU layers that look linear."""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np

from goodinit.initializers.matrices import Float64s, MatrixInitializer, centre, diagonal
from goodinit.initializers.orthogonal import flat, orthogonal_stack
from goodinit.weights import Weight

__all__ = ["BilinearUpsampling", "Dirac", "Identity", "LooksLinear"]

SIDES: Final = ("both", "in", "out")


@dataclass(frozen=True)
class _Diagonal(MatrixInitializer):
    gain: float = 1.0

    def __post_init__(self) -> None:
        self._check_number("gain", above=0)

    def _fill(self, weight: Weight, stack: Float64s, normals: Float64s) -> None:
        diagonal(centre(stack), float(self.gain))

    def _sums(self, weight: Weight, shape: tuple[int, ...]) -> tuple[float, float]:
        ones = shape[0] * min(shape[1:3])
        return float(self.gain) * ones, float(self.gain) ** 2 * ones

    def caution(self, weight: Weight) -> str | None:
        return unequal(weight)


def unequal(weight: Weight) -> str | None:
    """What the identity leaves out in a weight whose matrices are not square; None where all are."""
    for shape in weight.stack_shapes:
        out, into = shape[1:3]
        if 0 not in shape and out != into:
            rest = "outputs start at 0, all alike" if out > into else "inputs reach no output at the start"
            return f"a {out} x {into} matrix of it leaves a part out: its last {abs(out - into)} {rest}"
    return None


@dataclass(frozen=True)
class Identity(_Diagonal):
    """The identity matrix times gain, each part alone; the first rows or columns of it where it is not square.

    A weight with fewer than two axes becomes constant: each element scales its own unit.

    >>> from goodinit.weights import Weight
    >>> Identity().draw(Weight.linear("W1", 3, 2)).tolist()
    [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]

    Raises GoodinitError for a weight with a kernel, which `dirac` fills.
    """

    name = "identity"
    aliases = ("eye",)
    summary = "the identity, rectangular allowed, each gate and part alone"
    formula = "W[i, i] = gain, the rest 0"
    reference = "Le, Jaitly & Hinton 2015 (recurrent ReLU networks)"
    activations = ("linear", "relu")
    elsewhere = MappingProxyType(
        {"PyTorch": "eye_, one matrix for packed gates", "Keras": "the same, one matrix for gates", "JAX": "none"}
    )

    def _check(self, weight: Weight, shape: tuple[int, ...]) -> None:
        if len(shape) > 3:
            raise self._refuse(weight, "it has more than two axes", "use dirac for a convolution")


@dataclass(frozen=True)
class Dirac(_Diagonal):
    """The identity at the kernel's centre: a convolution passes its input channels on, group by group.

    The centre is (k - 1) // 2 along each axis, where a padding of (k - 1) // 2 puts an input on its own place.
    Where a group's channels differ in number, as many pass as there are of the fewer. A layer without a kernel is
    all centre: the identity.

    >>> from goodinit.weights import Weight
    >>> Dirac().draw(Weight.conv("c", 2, 2, (3,), groups=2)).tolist()
    [[[0.0, 1.0, 0.0]], [[0.0, 1.0, 0.0]]]

    Raises GoodinitError for the weight of a bilinear layer.
    """

    name = "dirac"
    summary = "the identity at the kernel's centre: a convolution passes its channels on"
    formula = "W[i, i, centre] = gain in each group, centre = (k - 1) // 2; the rest 0"
    reference = "Zagoruyko & Komodakis 2017 (DiracNets)"
    activations = ("linear", "relu")
    elsewhere = MappingProxyType(
        {"PyTorch": "dirac_: the centre is k // 2, one off for an even kernel", "Keras": "none", "JAX": "none"}
    )

    def _check(self, weight: Weight, shape: tuple[int, ...]) -> None:
        self._check_kernel(weight)


@dataclass(frozen=True)
class BilinearUpsampling(MatrixInitializer):
    """A transposed convolution that interpolates: every channel is enlarged alone, linearly along each axis.

    For a factor f, give the layer stride f, kernel 2f - f % 2 and padding ceil((f - 1) / 2). The kernel alone
    decides the values: with f = (k + 1) // 2, tap x weighs 1 - |x - (k - 1) / 2| / f, a triangle about the
    kernel's middle. The channels lie on the diagonal, as in fully convolutional networks; with groups = channels
    that is every channel. In one dimension it is linear, in three trilinear interpolation.

    >>> from goodinit.weights import Weight
    >>> BilinearUpsampling().draw(Weight.conv_transpose("up", 1, 1, (4,), stride=2)).tolist()
    [[[0.25, 0.75, 0.75, 0.25]]]

    Raises GoodinitError for a weight that is not a transposed convolution, or whose groups have unequal channels.
    """

    name = "bilinear_upsampling"
    summary = "a transposed convolution that enlarges each channel by linear interpolation"
    formula = "W[i, i, x] = prod (1 - |x - (k - 1) / 2| / f), f = (k + 1) // 2; the rest 0"
    reference = "Long, Shelhamer & Darrell 2015 (fully convolutional networks), sec. 3.3"
    activations = ("linear",)
    elsewhere = MappingProxyType(
        {
            "PyTorch": "none",
            "Keras": "none",
            "JAX": "none",
            "MXNet, Caffe": "every pair of channels, not the diagonal; off-centre unless k = 2f - f % 2",
        }
    )

    def _check(self, weight: Weight, shape: tuple[int, ...]) -> None:
        if weight.kind != "conv_transpose":
            raise self._refuse(weight, f"it is {weight.kind}", "give it the weight of a transposed convolution")
        if shape[1] != shape[2]:
            found = f"a group of it has {shape[2]} inputs and {shape[1]} outputs"
            raise self._refuse(weight, found, "give it as many outputs as inputs")

    def _fill(self, weight: Weight, stack: Float64s, normals: Float64s) -> None:
        window = np.ones(())
        for taps in stack.shape[3:]:
            window = window[..., None] * _triangle(taps)
        diagonal(stack, window)

    def _sums(self, weight: Weight, shape: tuple[int, ...]) -> tuple[float, float]:
        channels, triangles = shape[0] * shape[1], [_triangle(taps) for taps in shape[3:]]
        return (
            channels * math.prod(float(np.sum(t)) for t in triangles),
            channels * math.prod(float(np.sum(t * t)) for t in triangles),
        )


def _triangle(taps: int) -> Float64s:
    """The weights of linear interpolation along one axis of a kernel."""
    distance: Float64s = np.abs(np.arange(taps) - (taps - 1) / 2)
    return 1.0 - distance / ((taps + 1) // 2)


@dataclass(frozen=True)
class LooksLinear(MatrixInitializer):
    """Mirrored blocks [[W, -W], [-W, W]] of one orthogonal W: a ReLU network is linear at the start.

    A layer with mirrored outputs gives z and -z; since relu(z) - relu(-z) = z, a next layer with mirrored inputs
    gets z back whole. `side` says which sides of this layer are mirrored: `out` for the first layer, [W; -W]; `both`
    for the layers between; `in` for the last, [W, -W]. With biases of zero the network is then the product of
    its W, and all singular values of its Jacobian are the product of the gains, at any depth and input. A mirrored
    side must be even. Groups and parts mirror their own halves: neighbours must have the same ones. A kernel's W is
    orthogonal as for `orthogonal`.

    >>> from goodinit.weights import Weight
    >>> w = LooksLinear(side="in").draw(Weight.linear("W3", 4, 2))
    >>> bool((w[:, :2] == -w[:, 2:]).all())
    True

    Raises GoodinitError where a mirrored side is odd, and for the weight of a bilinear layer.
    """

    name = "looks_linear"
    summary = "mirrored orthogonal blocks, so that a ReLU network is linear at the start"
    formula = "[[W, -W], [-W, W]], W'W = gain^2 I or WW' = gain^2 I (Haar)"
    reference = "Balduzzi, Frean, Leary, Lewis, Ma & McWilliams 2017 (shattered gradients), sec. 4"
    activations = ("relu",)
    elsewhere = MappingProxyType({"PyTorch": "none", "Keras": "none", "JAX": "none"})

    choices = MappingProxyType({"side": SIDES})

    gain: float = 1.0
    side: str = "both"

    def __post_init__(self) -> None:
        self._check_number("gain", above=0)
        self._check_choices()

    def _block(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of the stack of W."""
        count, out, into, *kernel = shape
        return (count, out // (1 + (self.side != "in")), into // (1 + (self.side != "out")), *kernel)

    def _check(self, weight: Weight, shape: tuple[int, ...]) -> None:
        self._check_kernel(weight)
        for side, size in (("out", shape[1]), ("in", shape[2])):
            if self.side in ("both", side) and size % 2:
                found = f"a matrix of it has {size} {side}puts, an odd number, to be mirrored"
                advice = "make it even, or mirror the other side: side=out for a first layer, side=in for a last"
                raise self._refuse(weight, found, advice)

    def _normals(self, shape: tuple[int, ...]) -> int:
        return math.prod(self._block(shape))

    def _fill(self, weight: Weight, stack: Float64s, normals: Float64s) -> None:
        block = self.gain * orthogonal_stack(weight, self._block(stack.shape), normals)
        if self.side != "in":
            block = np.concatenate([block, -block], axis=1)
        if self.side != "out":
            block = np.concatenate([block, -block], axis=2)
        stack[...] = block

    def _sums(self, weight: Weight, shape: tuple[int, ...]) -> tuple[float, float]:
        block = self._block(shape)
        copies = math.prod(shape) / math.prod(block)
        return 0.0, float(self.gain) ** 2 * copies * block[0] * min(flat(weight, block))

    def caution(self, weight: Weight) -> str | None:
        """The rank, which mirroring both sides halves."""
        if self.side != "both" or not weight.size:
            return None
        return "its rank is at most half of full, by design; put ReLU and mirrored layers on both sides"
