"""Any initializer of the catalogue times a number."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from goodinit.errors import GoodinitError
from goodinit.initializers.base import Initializer
from goodinit.initializers.lookup import get
from goodinit.streams import Stream
from goodinit.weights import Weight

__all__ = ["Scaled"]


@dataclass(frozen=True)
class Scaled(Initializer):
    """Another initializer's weights times `gain`; its biases, where it draws them, stay as they are.

    `of` is an initializer or its text form.

    >>> from goodinit.weights import Weight
    >>> weight = Weight.linear("W", 4, 4)
    >>> bool((Scaled("orthogonal", 3.0).draw(weight) == 3 * Scaled("orthogonal").draw(weight)).all())
    True
    >>> str(Scaled("normal(std=10)", 0.5))
    'scaled(of="normal(std=10)", gain=0.5)'
    """

    name = "scaled"
    summary = "another initializer's weights times a gain"
    formula = "w = gain * of"
    reference = "Saxe, McClelland & Ganguli 2014 (the gain as a control of depth)"
    elsewhere = MappingProxyType(
        {
            "PyTorch": "none",
            "Keras": "none",
            "JAX": "none",
        }
    )

    of: str | Initializer = "he_normal"
    gain: float = 1.0
    inner: Initializer = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._check_number("gain", low=0)
        inner = get(self.of)
        if isinstance(inner, Scaled):
            raise GoodinitError(f"scaled(of={inner}): it is scaled already; multiply the gains")
        object.__setattr__(self, "of", str(inner))
        object.__setattr__(self, "inner", inner)

    def expected_mean(self, weight: Weight) -> float:
        return self.gain * self.inner.expected_mean(weight)

    def expected_variance(self, weight: Weight) -> float:
        return self.gain * self.gain * self.inner.expected_variance(weight)

    def elements(self, weight: Weight, stream: Stream, start: int, stop: int) -> NDArray[np.float64]:
        return self.gain * self.inner.elements(weight, stream, start, stop)

    def caution(self, weight: Weight) -> str | None:
        return self.inner.caution(weight)

    def bias_std(self) -> float:
        return self.inner.bias_std()
