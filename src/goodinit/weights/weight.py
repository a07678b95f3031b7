"""`Weight` and its constructors, one for each kind of layer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from goodinit.errors import GoodinitError, shown
from goodinit.weights.layouts import MOST, arrange, check_fan, kernel_sizes, ratio, refused, share, whole, wholes

__all__ = ["KINDS", "Weight"]

KINDS: Final = ("linear", "conv", "conv_transpose", "bilinear", "embedding", "elementwise")
CELLS: Final = {"rnn": 1, "gru": 3, "lstm": 4}  # gates of a recurrent cell


@dataclass(frozen=True)
class Weight:
    """One tensor to be filled: its name, its shape, how many connections meet in a unit, and its matrices.

    `fan_in` is the number of inputs that are summed into one output, `fan_out` the number of outputs that one
    input reaches; where a stride makes them differ from place to place they are averages and need not be whole.
    `out_axis` and `in_axis` say which axes of `shape` count output and input units; the others are a kernel's.
    `kind` is the kind of layer, one of `KINDS`. A weight may hold several matrices: the `groups` of a
    convolution, which divide `group_axis` (the output axis unless told), or `parts` packed along the output axis,
    such as gates or query, key and value, given by their sizes; further axes of a linear weight count matrices too, as
    those of stacked experts. The fans are those of one group and of one part;
    where parts differ in size, `fan_out` is the mean over the elements and `part_fans` has each part's own.

    A weight with fewer than two axes joins every unit to itself: each element is a matrix of its own, 1 x 1.

    >>> weight = Weight.linear("W1", 784, 512)
    >>> weight.shape, weight.fan_in, weight.fan_out
    ((512, 784), 784, 512)

    Raises GoodinitError where sizes, axes, groups and parts do not fit each other.
    """

    name: str
    shape: tuple[int, ...]
    fan_in: float
    fan_out: float
    out_axis: int = 0
    in_axis: int = 1
    kind: str = "linear"
    groups: int = 1
    group_axis: int | None = None
    parts: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.name, str):
            raise GoodinitError(f"weight {shown(self.name)}: its name must be a text, for which numbers are drawn")
        object.__setattr__(self, "shape", wholes(self.name, "shape", self.shape))
        object.__setattr__(self, "parts", wholes(self.name, "parts", self.parts))
        check_fan(self.name, "fan_in", self.fan_in)
        check_fan(self.name, "fan_out", self.fan_out)
        whole(self.name, "groups", self.groups, low=1)
        if math.prod(size for size in self.shape if size) > MOST:
            raise self._error(f"shape {self.shape} has more than 2^60 elements; make it smaller")
        if self.kind not in KINDS:
            raise self._error(f"kind {shown(self.kind)} is not known; choose one of {', '.join(KINDS)}")
        if self._alone:
            if self.parts or self.groups != 1:
                raise self._error(
                    f"shape {self.shape} of kind {self.kind} has neither parts nor groups; leave them out"
                )
            return
        axes = {self.out_axis, self.in_axis}
        if len(axes) != 2 or not axes <= set(range(len(self.shape))):
            text = f"out_axis={self.out_axis}, in_axis={self.in_axis}"
            raise self._error(f"{text}; give two different axes of shape {self.shape}, counted from 0")
        axis = self.out_axis if self.group_axis is None else self.group_axis
        if axis not in axes:
            raise self._error(f"group_axis={axis}; groups divide out_axis={self.out_axis} or in_axis={self.in_axis}")
        if self.shape[axis] % self.groups:
            raise self._error(
                f"axis {axis} of shape {self.shape} is not divisible by groups={self.groups}; change either"
            )
        if self.parts and (total := sum(self.parts)) != self.shape[self.out_axis]:
            raise self._error(
                f"parts {self.parts} sum to {total}; make them sum to axis {self.out_axis} of {self.shape}"
            )
        if self.parts and self.groups != 1:
            raise self._error(f"parts {self.parts} with groups={self.groups}; a weight has either parts or groups")

    def _error(self, message: str) -> GoodinitError:
        return GoodinitError(f"weight {shown(self.name)}: {message}")

    @property
    def _alone(self) -> bool:
        return self.kind == "elementwise" or len(self.shape) < 2

    @property
    def _stacked(self) -> bool:
        """Whether axes of a linear weight count matrices, as those of experts in one tensor."""
        return self.kind == "linear" and len(self.shape) > 2 and not self.parts and self.groups == 1

    @property
    def size(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)

    @property
    def kernel(self) -> tuple[int, ...]:
        """The sizes of the kernel's axes, in order; none for a layer that is not a convolution."""
        if self._alone or self.kind in ("bilinear", "linear"):
            return ()
        return tuple(size for axis, size in enumerate(self.shape) if axis not in (self.out_axis, self.in_axis))

    @property
    def part_fans(self) -> tuple[tuple[float, float], ...]:
        """(fan_in, fan_out) of every part; of the one matrix where nothing is packed.

        >>> Weight.packed("qkv", 512, (512, 128, 128)).part_fans
        ((512, 512.0), (512, 128.0), (512, 128.0))
        """
        if len(set(self.parts)) < 2:
            return ((self.fan_in, self.fan_out),) * max(len(self.parts), 1)
        mean = sum(size * size for size in self.parts) / sum(self.parts)  # of an element's part
        return tuple((self.fan_in, self.fan_out * size / mean) for size in self.parts)

    def spread(self, values: Sequence[float], start: int, stop: int) -> NDArray[np.float64]:
        """One value a part, repeated for each element start <= i < stop of that part, in C order."""
        if self._alone or not self.parts:
            return np.full(stop - start, values[0], dtype=np.float64)
        below = math.prod(self.shape[self.out_axis + 1 :])
        unit = np.arange(start, stop) // max(below, 1) % max(self.shape[self.out_axis], 1)
        return np.repeat(np.asarray(values, dtype=np.float64), self.parts)[unit]

    def stacks(self, array: NDArray[Any]) -> list[NDArray[Any]]:
        """The independent matrices of `array`, an array of `shape` in C order, as views to read or write.

        Each view has the shape (count, out, in, *kernel) and stacks matrices of the same size: all the groups or
        all the parts. Parts of unequal sizes come as one stack each, in order. The shape is the same for every
        layout: whoever fills these views fills any layout.

        >>> qkv = Weight.packed("qkv", 4, (4, 2, 2))
        >>> [view.shape for view in qkv.stacks(np.zeros(qkv.shape))]
        [(1, 4, 4), (1, 2, 4), (1, 2, 4)]
        """
        if array.shape != self.shape:
            raise self._error(f"an array of shape {array.shape} was given; it must have shape {self.shape}")
        if self._alone:
            return [array.reshape(-1, 1, 1)]
        if self._stacked:
            each = np.moveaxis(array, (self.out_axis, self.in_axis), (-2, -1))
            return [each[place] for place in np.ndindex(each.shape[:-3])]
        moved = np.moveaxis(array, (self.out_axis, self.in_axis), (0, 1))
        out, into, *kernel = moved.shape
        if len(set(self.parts)) > 1:
            ends = np.cumsum(self.parts)
            return [moved[None, end - size : end] for size, end in zip(self.parts, ends, strict=True)]
        if self.group_axis == self.in_axis:
            each = moved.reshape(out, self.groups, into // self.groups, *kernel)
            return [np.moveaxis(each, 1, 0)]
        count = len(self.parts) or self.groups
        return [moved.reshape(count, out // count, into, *kernel)]

    @property
    def stack_shapes(self) -> list[tuple[int, ...]]:
        """The shapes of the views that `stacks` gives: (count, out, in, *kernel)."""
        return [view.shape for view in self.stacks(np.broadcast_to(0.0, self.shape))]

    @classmethod
    def linear(cls, name: str, in_features: int, out_features: int, *, layout: str = "torch") -> Weight:
        """The weight of a fully connected layer: (out_features, in_features) in PyTorch and the course."""
        whole(name, "in_features", in_features)
        whole(name, "out_features", out_features)
        return cls._given(name, "linear", layout, out_features, in_features, fans=(in_features, out_features))

    @classmethod
    def conv(
        cls,
        name: str,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Sequence[int],
        *,
        groups: int = 1,
        stride: int | Sequence[int] = 1,
        dims: int = 2,
        layout: str = "torch",
    ) -> Weight:
        """The weight of a convolution in one to three dimensions; depthwise where groups = in_channels.

        fan_in = in_channels / groups * kernel; fan_out = out_channels / groups * kernel / stride, all over every
        axis: an input meets one output in `stride`. Dilation and padding change neither. A `kernel_size` that is
        one number stands for `dims` of them.

        >>> depthwise = Weight.conv("c", 64, 64, 3, groups=64)
        >>> depthwise.shape, depthwise.fan_in, depthwise.fan_out
        ((64, 1, 3, 3), 9, 9)
        """
        kernel, taps, steps = kernel_sizes(name, kernel_size, stride, dims)
        into = share(name, "in_channels", in_channels, groups)
        out = share(name, "out_channels", out_channels, groups)
        fans = (into * taps, ratio(out * taps, steps))
        return cls._given(name, "conv", layout, out_channels, into, kernel, fans=fans, groups=groups)

    @classmethod
    def depthwise(
        cls,
        name: str,
        channels: int,
        kernel_size: int | Sequence[int],
        *,
        multiplier: int = 1,
        stride: int | Sequence[int] = 1,
        dims: int = 2,
        layout: str = "torch",
    ) -> Weight:
        """The weight of a depthwise convolution: each channel alone makes `multiplier` outputs.

        fan_in = kernel; fan_out = multiplier * kernel / stride. Keras keeps it as (*kernel, channels, multiplier),
        the other layouts as a convolution of `channels` groups.

        >>> Weight.depthwise("c", 64, 3, layout="keras").shape
        (3, 3, 64, 1)
        """
        whole(name, "channels", channels)
        whole(name, "multiplier", multiplier)
        kernel, taps, steps = kernel_sizes(name, kernel_size, stride, dims)
        fans, groups = (taps, ratio(multiplier * taps, steps)), max(channels, 1)
        if layout == "keras":
            return cls._given(
                name, "conv", layout, multiplier, channels, kernel, fans=fans, groups=groups, divided="in"
            )
        return cls._given(name, "conv", layout, channels * multiplier, 1, kernel, fans=fans, groups=groups)

    @classmethod
    def conv_transpose(
        cls,
        name: str,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Sequence[int],
        *,
        groups: int = 1,
        stride: int | Sequence[int] = 1,
        dims: int = 2,
        layout: str = "torch",
    ) -> Weight:
        """The weight of a transposed convolution in one to three dimensions.

        fan_in = in_channels / groups * kernel / stride over every axis: of the kernel's taps, one in `stride` falls
        on an output. fan_out = out_channels / groups * kernel. Dilation and padding change neither.

        >>> weight = Weight.conv_transpose("up", 16, 32, 4, stride=2)
        >>> weight.shape, weight.fan_in, weight.fan_out
        ((16, 32, 4, 4), 64, 512)
        """
        kernel, taps, steps = kernel_sizes(name, kernel_size, stride, dims)
        into = share(name, "in_channels", in_channels, groups)
        out = share(name, "out_channels", out_channels, groups)
        fans = (ratio(into * taps, steps), out * taps)
        if layout == "torch":
            return cls._given(
                name, "conv_transpose", layout, out, in_channels, kernel, fans=fans, groups=groups, divided="in"
            )
        if layout in ("keras", "flax") and groups != 1:
            raise refused(name, f"groups={groups}; {layout} has no grouped transposed convolution")
        return cls._given(name, "conv_transpose", layout, out_channels, into, kernel, fans=fans, groups=groups)

    @classmethod
    def bilinear(
        cls, name: str, in1_features: int, in2_features: int, out_features: int, *, layout: str = "torch"
    ) -> Weight:
        """The weight of y_o = x1' W_o x2: its inputs are the products, so that fan_in = in1_features * in2_features."""
        whole(name, "in1_features", in1_features)
        whole(name, "in2_features", in2_features)
        whole(name, "out_features", out_features)
        fans = (in1_features * in2_features, out_features)
        return cls._given(name, "bilinear", layout, out_features, in1_features, (in2_features,), fans=fans)

    @classmethod
    def embedding(cls, name: str, num_embeddings: int, features: int, *, layout: str = "torch") -> Weight:
        """The table of an embedding, (num_embeddings, features): a look-up sums one row, so that fan_in = 1.

        fan_out = features. A table that is tied to an output layer also multiplies: tell it as `linear` to start
        from the output layer's fans.
        """
        whole(name, "num_embeddings", num_embeddings)
        whole(name, "features", features)
        return cls._given(name, "embedding", layout, features, num_embeddings, fans=(1, features))

    @classmethod
    def recurrent(cls, name: str, in_features: int, units: int, *, cell: str = "lstm", layout: str = "torch") -> Weight:
        """The weight of a recurrent cell, its gates packed along the output axis: lstm 4, gru 3, rnn 1.

        Input to hidden with in_features of the input; hidden to hidden with in_features = units, or the size of
        the projection where an LSTM has one. The projection itself is `linear(name, units, size)`. Each gate is a
        matrix of its own: fan_in = in_features, fan_out = units.

        >>> Weight.recurrent("weight_hh", 8, 8).parts
        (8, 8, 8, 8)
        """
        if not isinstance(cell, str) or cell not in CELLS:
            raise refused(name, f"cell {shown(cell)} is not known; choose one of {', '.join(CELLS)}")
        whole(name, "units", units)
        return cls.packed(name, in_features, (units,) * CELLS[cell], layout=layout)

    @classmethod
    def packed(cls, name: str, in_features: int, parts: Sequence[int], *, layout: str = "torch") -> Weight:
        """Several linear layers over the same input in one tensor, their outputs one after the other.

        `parts` are their output sizes: (E, E, E) for query, key and value; unequal where heads are shared. Each is
        a matrix with its own fan_out, its size.

        >>> weight = Weight.packed("in_proj_weight", 64, (64, 64, 64))
        >>> weight.shape, weight.fan_in, weight.fan_out
        ((192, 64), 64, 64)
        """
        whole(name, "in_features", in_features)
        sizes = wholes(name, "parts", parts)
        fan_out = ratio(sum(size * size for size in sizes), max(sum(sizes), 1))
        return cls._given(name, "linear", layout, sum(sizes), in_features, fans=(in_features, fan_out), parts=sizes)

    @classmethod
    def elementwise(cls, name: str, shape: int | Sequence[int] = ()) -> Weight:
        """A bias, a scale or a single number: each element serves one unit alone, so that both fans are 1.

        Initializers that make matrices see each element as a matrix of its own, 1 x 1.
        """
        sizes = (int(shape),) if isinstance(shape, int | np.integer) else wholes(name, "shape", shape)
        return cls(name, sizes, fan_in=1, fan_out=1, kind="elementwise")

    @classmethod
    def _given(
        cls,
        name: str,
        kind: str,
        layout: str,
        out: int,
        into: int,
        kernel: tuple[int, ...] = (),
        *,
        fans: tuple[float, float],
        groups: int = 1,
        divided: str = "out",
        parts: tuple[int, ...] = (),
    ) -> Weight:
        """A weight of `out` by `into` by `kernel`, laid out; groups divide the axis `divided`, out or in."""
        shape, out_axis, in_axis = arrange(name, kind, layout, out, into, kernel)
        group_axis = None if groups == 1 else out_axis if divided == "out" else in_axis
        return cls(name, shape, *fans, out_axis, in_axis, kind, groups, group_axis, parts)
