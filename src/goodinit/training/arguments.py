"""What the engines ask of the arrays they are given."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from goodinit.errors import GoodinitError
from goodinit.networks import MLP, Parameters

__all__ = ["check_examples", "check_start", "real_numbers"]


def real_numbers(what: str, given: ArrayLike) -> NDArray[Any]:
    """The array as it is. Raises GoodinitError unless it holds real numbers."""
    array = np.asarray(given)
    if array.dtype.kind not in "fiub":
        raise GoodinitError(f"{what} has dtype {array.dtype}; it must hold real numbers")
    return array


def check_examples(network: MLP, X: ArrayLike, Y: ArrayLike) -> int:
    """The number of examples. Raises GoodinitError unless X and Y have one a column, of the network's widths."""
    counts = []
    for what, given, width in (("X", X, network.widths[0]), ("Y", Y, network.widths[-1])):
        array = real_numbers(what, given)
        if array.ndim != 2 or array.shape[0] != width or not array.shape[1]:
            raise GoodinitError(
                f"{what} has shape {array.shape}; expected ({width}, examples) with at least one example"
            )
        counts.append(int(array.shape[1]))
    if counts[0] != counts[1]:
        raise GoodinitError(f"X has {counts[0]} examples and Y {counts[1]}; they must be as many")
    return counts[0]


def check_start(network: MLP, start: Parameters) -> int:
    """The number of networks. Raises GoodinitError unless `start` holds W1, b1, W2, ... of an ensemble of them."""
    expected: dict[str, tuple[int, ...]] = {}
    for layer, weight in enumerate(network.weights, 1):
        expected |= {f"W{layer}": weight.shape, f"b{layer}": (weight.shape[0], 1)}
    if set(start) != set(expected):
        raise GoodinitError(f"start has {', '.join(sorted(start))}; this network has {', '.join(expected)}")
    networks = np.shape(start["W1"])[0] if np.ndim(start["W1"]) else 0
    for name, shape in expected.items():
        given = real_numbers(name, start[name])
        if given.shape != (networks, *shape) or not networks:
            raise GoodinitError(
                f"{name} has shape {given.shape}; expected (networks, {shape[0]}, {shape[1]}) with the same number "
                "of networks, at least one, in every array"
            )
    return int(networks)
