"""How each framework lays a layer's weight out, and the checks of the numbers that tell a layer.

| layer | torch | keras | flax | mlx |
| --- | --- | --- | --- | --- |
| linear, recurrent, packed | out, in | in, out | in, out | out, in |
| conv | out, in / groups, *k | *k, in / groups, out | as keras | out, *k, in / groups |
| depthwise | channels * m, 1, *k | *k, channels, m | *k, 1, channels * m | channels * m, *k, 1 |
| conv_transpose | in, out / groups, *k | *k, out, in | *k, in, out | out, *k, in / groups |
| bilinear | out, in1, in2 | none | none | out, in1, in2 |
| embedding | number, features | the same | the same | the same |
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from goodinit.arguments import is_integer, is_number
from goodinit.errors import GoodinitError, shown

__all__ = [
    "LAYOUTS",
    "MOST",
    "MOST_AXES",
    "arrange",
    "check_fan",
    "kernel_sizes",
    "ratio",
    "refused",
    "share",
    "whole",
    "wholes",
]

MOST: Final = 1 << 60
"""The most elements of a weight: in float64 as many bytes as an address reaches."""
MOST_AXES: Final = 32
"""The most axes of a weight, as NumPy before version 2 has them."""
LAYOUTS: Final = ("torch", "keras", "flax", "mlx")

# The order of a weight's axes in each layout: o counts outputs, i inputs, * stands for the kernel's.
_ORDERS: Final[dict[str, dict[str, str]]] = {
    "linear": {"torch": "oi", "keras": "io", "flax": "io", "mlx": "oi"},
    "conv": {"torch": "oi*", "keras": "*io", "flax": "*io", "mlx": "o*i"},
    "conv_transpose": {"torch": "io*", "keras": "*oi", "flax": "*io", "mlx": "o*i"},
    "bilinear": {"torch": "oi*", "mlx": "oi*"},
    "embedding": dict.fromkeys(LAYOUTS, "io"),
}


def refused(name: object, message: str) -> GoodinitError:
    """The error of what a weight of that name was told."""
    return GoodinitError(f"weight {shown(name)}: {message}")


def arrange(
    name: str, kind: str, layout: str, out: int, into: int, kernel: tuple[int, ...] = ()
) -> tuple[tuple[int, ...], int, int]:
    """The shape of a weight of `out` by `into` by `kernel` in that layout, its output axis and its input axis."""
    if layout not in LAYOUTS:
        raise refused(name, f"layout {shown(layout)} is not known; choose one of {', '.join(LAYOUTS)}")
    if layout not in _ORDERS[kind]:
        raise refused(name, f"{layout} has no {kind} layer; choose one of {', '.join(_ORDERS[kind])}")
    shape: list[int] = []
    axes = {}
    for letter in _ORDERS[kind][layout]:
        axes[letter] = len(shape)
        shape += kernel if letter == "*" else [out if letter == "o" else into]
    return tuple(shape), axes["o"], axes["i"]


def whole(name: str, what: str, value: Any, low: int = 0) -> int:
    """The value as a plain int. Raises GoodinitError unless it is an integer of at least `low`."""
    if not is_integer(value) or not low <= value <= MOST:
        raise refused(name, f"{what}={shown(value)}; give an integer of at least {low}, 2^60 at most")
    return int(value)


def wholes(name: str, what: str, values: Any, low: int = 0) -> tuple[int, ...]:
    """The values as plain ints. Raises GoodinitError unless they are integers of at least `low`."""
    try:
        if len(values) > MOST_AXES and what != "parts":
            raise refused(name, f"{what} of {len(values)} numbers; {MOST_AXES} at most")
        values = tuple(values)
    except TypeError:
        raise refused(name, f"{what}={shown(values)}; give a sequence of integers") from None
    return tuple(whole(name, what, value, low) for value in values)


def check_fan(name: str, what: str, value: Any) -> None:
    """Refuse a fan that is not a finite number of at least 0."""
    if not is_number(value) or value < 0:
        raise refused(name, f"{what}={shown(value)}; a fan is a finite number of at least 0")


def share(name: str, what: str, channels: int, groups: int) -> int:
    """The channels of one group."""
    whole(name, what, channels)
    whole(name, "groups", groups, low=1)
    if channels % groups:
        raise refused(name, f"{what}={channels} is not divisible by groups={groups}; change either")
    return channels // groups


def kernel_sizes(
    name: str, kernel_size: int | Sequence[int], stride: int | Sequence[int], dims: int
) -> tuple[tuple[int, ...], int, int]:
    """The kernel's sizes, their product and the product of the strides."""
    if isinstance(kernel_size, int | np.integer):
        if whole(name, "dims", dims) not in (1, 2, 3):
            raise refused(name, f"dims={shown(dims)}; a convolution has one to three dimensions")
        kernel_size = (int(kernel_size),) * dims
    kernel = wholes(name, "kernel_size", kernel_size, low=1)
    if not 1 <= len(kernel) <= 3:
        raise refused(name, f"kernel_size={kernel}; a convolution has one to three dimensions")
    if isinstance(stride, int | np.integer):
        stride = (int(stride),) * len(kernel)
    steps = wholes(name, "stride", stride, low=1)
    if len(steps) != len(kernel):
        raise refused(name, f"stride={steps}; give one number, or one for each of kernel_size={kernel}")
    return kernel, math.prod(kernel), math.prod(steps)


def ratio(number: int, divisor: int) -> float:
    """The quotient, an integer where it is one."""
    return number / divisor if number % divisor else number // divisor
