"""Initializers without chance: every element is the same."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from goodinit.errors import GoodinitError, shown
from goodinit.initializers.base import Initializer
from goodinit.streams import Stream
from goodinit.weights import Weight

__all__ = ["Constant", "ForgetBias", "Ones", "Zeros"]


@dataclass(frozen=True)
class _SameEverywhere(Initializer):
    @abstractmethod
    def expected_mean(self, weight: Weight) -> float: ...

    def expected_variance(self, weight: Weight) -> float:
        return 0.0

    def elements(self, weight: Weight, stream: Stream, start: int, stop: int) -> NDArray[np.float64]:
        return np.full(stop - start, self.expected_mean(weight))


@dataclass(frozen=True)
class Zeros(_SameEverywhere):
    """Every element 0: right for biases; in weights the units of a layer never become different."""

    name = "zeros"
    summary = "every element 0; units of a layer stay identical and learn nothing"
    formula = "w = 0"
    reference = "Rumelhart, Hinton & Williams 1986 (symmetry breaking)"

    def expected_mean(self, weight: Weight) -> float:
        return 0.0


@dataclass(frozen=True)
class Ones(_SameEverywhere):
    """Every element 1: right for the scales of normalizations; in weights the units stay identical."""

    name = "ones"
    summary = "every element 1; for the scale of a normalization"
    formula = "w = 1"
    reference = "Ioffe & Szegedy 2015 (the scale of batch normalization)"

    def expected_mean(self, weight: Weight) -> float:
        return 1.0


@dataclass(frozen=True)
class Constant(Initializer):
    """Every element `value`; or the numbers of a list, repeated over the leading axes as NumPy broadcasts them.

    >>> Constant([1, 2]).draw(Weight.linear("W", 2, 3)).tolist()
    [[1.0, 2.0], [1.0, 2.0], [1.0, 2.0]]

    Raises GoodinitError for a value that is not a finite number or list of them, or does not fit a weight's shape.
    """

    name = "constant"
    summary = "every element the same value, or values from a list"
    formula = "w = value"
    reference = "Rumelhart, Hinton & Williams 1986 (symmetry breaking)"

    value: float | Sequence[Any] = 0.0

    def __post_init__(self) -> None:
        try:
            array = np.asarray(self.value, dtype=np.float64)
        except (OverflowError, TypeError, ValueError):
            array = np.array(math.nan)
        if not np.isfinite(array).all() or isinstance(self.value, bool):
            raise GoodinitError(f"constant(value={shown(self.value)}): value must be a finite number or a list of them")
        if array.ndim:
            object.__setattr__(self, "value", _as_tuple(array.tolist()))

    def _values(self, weight: Weight) -> NDArray[np.float64]:
        try:
            return np.broadcast_to(np.asarray(self.value, dtype=np.float64), weight.shape)
        except ValueError:
            shape = np.shape(self.value)
            raise GoodinitError(
                f"{self}: values of shape {shape} do not fit weight {weight.name!r} of shape {weight.shape}; "
                "give one number, or one for each element of the last axes"
            ) from None

    def expected_mean(self, weight: Weight) -> float:
        return float(self._values(weight).mean()) if weight.size else 0.0

    def expected_variance(self, weight: Weight) -> float:
        return float(self._values(weight).var()) if weight.size else 0.0

    def elements(self, weight: Weight, stream: Stream, start: int, stop: int) -> NDArray[np.float64]:
        return self._values(weight).reshape(-1)[start:stop].copy()


@dataclass(frozen=True)
class ForgetBias(Initializer):
    """The bias of an LSTM: `value` for the forget gate, 0 for the other three, so that it remembers at the start.

    The bias has the shape (4 units,), and the forget gate is the second quarter, as in PyTorch, Keras and MLX; Flax
    keeps a tensor a gate. PyTorch adds two biases: fill one with this and the other with zeros.

    >>> ForgetBias().draw(Weight.elementwise("bias_ih_l0", 8)).tolist()
    [0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0]

    Raises GoodinitError for a weight that is not a vector of four gates.
    """

    name = "forget_bias"
    aliases = ("unit_forget_bias",)
    summary = "an LSTM's bias: 1 for the forget gate, 0 for the others"
    formula = "b = (0, value, 0, 0), a block a gate"
    reference = "Gers, Schmidhuber & Cummins 2000; Jozefowicz, Zaremba & Sutskever 2015"
    elsewhere = MappingProxyType(
        {"PyTorch": "none; biases are U(+-1 / sqrt(hidden))", "Keras": "unit_forget_bias, the default", "JAX": "none"}
    )

    value: float = 1.0

    def __post_init__(self) -> None:
        self._check_number("value")

    def _units(self, weight: Weight) -> int:
        if len(weight.shape) != 1 or weight.size % 4:
            raise GoodinitError(
                f"{self} cannot fill weight {weight.name!r} of shape {weight.shape}: an LSTM's bias is a vector of "
                "four gates; use zeros for other biases"
            )
        return weight.size // 4

    def expected_mean(self, weight: Weight) -> float:
        self._units(weight)
        return self.value / 4

    def expected_variance(self, weight: Weight) -> float:
        self._units(weight)
        return 3 * float(self.value) ** 2 / 16

    def elements(self, weight: Weight, stream: Stream, start: int, stop: int) -> NDArray[np.float64]:
        units = self._units(weight)
        gate = np.arange(start, stop) // max(units, 1)
        return np.where(gate == 1, float(self.value), 0.0)


def _as_tuple(values: Any) -> Any:
    """Nested lists as nested tuples, so that the initializer can be hashed and compared."""
    return tuple(_as_tuple(value) for value in values) if isinstance(values, list) else values
