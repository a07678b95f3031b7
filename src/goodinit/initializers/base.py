"""What every initializer is: a frozen dataclass that carries its facts and draws a weight's elements."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

from goodinit.errors import GoodinitError, is_finite, shown
from goodinit.spec import format_fields
from goodinit.streams import Law, Stream, as_stream
from goodinit.weights import Weight

__all__ = ["Initializer", "same_everywhere"]


def same_everywhere(value: float) -> float:
    """A calculated constant to 12 digits, so that the last bits of a machine's exp or erf do not reach the weights."""
    return float(f"{value:.12g}")


@dataclass(frozen=True)
class Initializer(ABC):
    """A rule that fills one weight tensor. Its options are the dataclass's fields.

    The class attributes are its facts, shown by `goodinit show` and read by the tests: `name` as people write
    it, `aliases`, one-sentence `summary`, `formula`, `reference`, the `activations` it was derived for (empty:
    any), `elsewhere`, what the same name means in other frameworks, and `follows`, the option that the activation
    after a layer decides: `activation`, `gain`, or none where the rule's formula leaves it out. `choices` are the words
    that an option takes. `whole` says that a slice takes the time and the memory of the whole tensor.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    formula: ClassVar[str]
    reference: ClassVar[str]
    aliases: ClassVar[tuple[str, ...]] = ()
    activations: ClassVar[tuple[str, ...]] = ()
    elsewhere: ClassVar[Mapping[str, str]] = {}
    follows: ClassVar[Literal["activation", "gain"] | None] = None
    choices: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    whole: ClassVar[bool] = False
    source: ClassVar[str | None] = None  # a hash of its file, where it was named by that

    def __new__(cls, *values: object, **options: object) -> Self:
        """An instance that knows which of its options it was given, those equal to their defaults too."""
        made = super().__new__(cls)
        named = [f.name for f in fields(cls) if f.init]
        object.__setattr__(made, "_given", frozenset([*named[: len(values)], *options]))
        return made

    @property
    def given(self) -> frozenset[str]:
        """The options that were said when it was made, by position, by name or in a text.

        What equals its default counts, and so does all that `dataclasses.replace` carries over. Two initializers of
        equal options are equal whether these were said or not.
        """
        return frozenset(self.__dict__.get("_given", ()))

    @abstractmethod
    def elements(self, weight: Weight, stream: Stream, start: int, stop: int) -> NDArray[np.float64]:
        """The elements start <= i < stop of the weight in C order, one-dimensional, in float64."""

    def law(self, weight: Weight) -> Law | None:
        """The distribution that `elements` draws from, where one serves all: `draw` then fills its array directly."""
        return None

    @abstractmethod
    def expected_variance(self, weight: Weight) -> float:
        """The expected variance of an element of the weight, about the mean 0 unless `expected_mean` says another."""

    def expected_mean(self, weight: Weight) -> float:
        """The expected mean of an element of the weight."""
        return 0.0

    def caution(self, weight: Weight) -> str | None:
        """What to beware of when this weight is filled so, such as a deficient rank; None where there is nothing."""
        return None

    def bias_std(self) -> float:
        """The standard deviation of the biases that go with the weights: 0 unless the rule says another."""
        return 0.0

    def draw(self, weight: Weight, stream: int | Stream = 0, dtype: DTypeLike = np.float64) -> NDArray[Any]:
        """The weight's values, an array of `weight.shape`.

        `stream` is a seed for the keyed stream, or a stream. The values are made in float64 and rounded to
        `dtype`; half precision is rounded to float32 first.

        Raises GoodinitError for a dtype that is not of floating-point numbers, and where memory lacks.

        >>> from goodinit.initializers import HeNormal
        >>> HeNormal().draw(Weight.linear("W1", 2, 4), 0).shape
        (4, 2)
        """
        kind = np.dtype(dtype)
        if kind.kind != "f" and (kind.kind != "V" or kind.type is np.void):  # other libraries' bfloat16 is of kind V
            raise GoodinitError(f"dtype {kind}: weights are real numbers; give a floating-point type such as float32")
        try:
            return self._drawn(weight, as_stream(stream), kind)
        except MemoryError as error:
            raise GoodinitError(
                f"weight {weight.name!r} of shape {weight.shape}: there is not the memory for it ({error}); draw slices"
            ) from error

    def _drawn(self, weight: Weight, stream: Stream, dtype: np.dtype[Any]) -> NDArray[Any]:
        law = self.law(weight)
        if law is not None:
            values = np.empty(weight.size, dtype)
            stream.fill(weight.name, law, values)
            return values.reshape(weight.shape)
        values = self.elements(weight, stream, 0, weight.size)
        if dtype.itemsize < 4:
            values = values.astype(np.float32)
        return values.astype(dtype, copy=False).reshape(weight.shape)

    def __str__(self) -> str:
        return format_fields(self.name, self, {self.follows} & self.given)

    def _check_number(
        self, option: str, low: float = -math.inf, above: float = -math.inf, high: float = math.inf, alone: bool = False
    ) -> None:
        """Refuse an option that is not a finite number, or is below `low`, not above `above`, or above `high`.

        Unless `alone`, its square is needed too: 0 and sizes from 1e-150 to 1e150 have one in float64.
        """
        value = getattr(self, option)
        number = isinstance(value, int | float) and not isinstance(value, bool) and is_finite(value)
        if number and low <= value <= high and value > above:
            if alone or value == 0 or 1e-150 <= abs(value) <= 1e150:
                return
            raise GoodinitError(
                f"{self.name}({option}={shown(value)}): its square is no number of float64; {option} may be "
                "from 1e-150 to 1e150 in size"
            )
        bound = f" above {above:g}" if above > -math.inf else f" of at least {low:g}" if low > -math.inf else ""
        bound = f" from {low:g} to {high:g}" if high < math.inf else bound
        raise GoodinitError(f"{self.name}({option}={shown(value)}): {option} must be a finite number{bound}")

    def _check_choices(self) -> None:
        """Refuse an option that is not one of its words, or a switch that is neither true nor false."""
        switches = {field.name: (True, False) for field in fields(self) if isinstance(field.default, bool)}
        for option, choices in {**self.choices, **switches}.items():
            value = getattr(self, option)
            if value not in choices:
                listed = ", ".join(str(choice).lower() for choice in choices)
                raise GoodinitError(f"{self.name}({option}={shown(value)}): {option} must be one of {listed}")
