"""The law of a tensor's elements, followed through the operations that wrote them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

__all__ = ["UNKNOWN", "DrawnLaw", "after", "constant"]


@dataclass(frozen=True)
class DrawnLaw:
    """A distribution of elements: `normal`, `truncated_normal` or `uniform`, `constant`, or `unknown`.

    `location` and `scale` are those of a normal before it is cut; `low` and `high` are bounds.
    """

    distribution: str
    location: float = 0.0
    scale: float = 0.0
    low: float | None = None
    high: float | None = None

    @property
    def random(self) -> bool:
        """Whether the elements are drawn from a known distribution."""
        return self.distribution in ("normal", "truncated_normal", "uniform")

    @property
    def moments(self) -> tuple[float, float] | None:
        """Mean and standard deviation, or None where the law is not known."""
        if self.distribution == "normal":
            return self.location, self.scale
        if self.distribution == "constant":
            return self.location, 0.0
        if self.low is None or self.high is None:
            return None
        if self.distribution == "uniform":
            return (self.low + self.high) / 2, (self.high - self.low) / math.sqrt(12)
        if self.distribution == "truncated_normal" and self.scale > 0:
            from scipy.stats import truncnorm

            a, b = (self.low - self.location) / self.scale, (self.high - self.location) / self.scale
            cut = truncnorm(a, b, loc=self.location, scale=self.scale)
            return float(cut.mean()), float(cut.std())
        return None

    def moved(self, factor: float, shift: float) -> DrawnLaw:
        """The law of `factor * x + shift`."""
        if self.distribution == "unknown":
            return self
        if factor == 0:
            return constant(shift)
        bounds = [None if b is None else factor * b + shift for b in (self.low, self.high)]
        low, high = bounds if factor > 0 else reversed(bounds)
        return replace(
            self, location=factor * self.location + shift, scale=abs(factor) * self.scale, low=low, high=high
        )

    def __str__(self) -> str:
        if self.distribution == "constant":
            return f"constant {self.location:.4g}"
        if self.distribution == "normal":
            return f"normal(mean={self.location:.4g}, std={self.scale:.4g})"
        if self.distribution == "unknown" or self.low is None or self.high is None:
            return self.distribution
        if self.distribution == "uniform":
            return f"uniform({self.low:.4g}, {self.high:.4g})"
        moments = self.moments
        std = "" if moments is None else f", std={moments[1]:.4g}"
        return f"truncated_normal(mean={self.location:.4g}, scale={self.scale:.4g}{std})"


_UNCUT: Final = 6.0  # standard deviations: a clamp beyond them changes a value in 5e8
UNKNOWN: Final = DrawnLaw("unknown")


def constant(value: float) -> DrawnLaw:
    """The law of elements that are all `value`."""
    return DrawnLaw("constant", location=value, low=value, high=value)


def after(operation: str, law: DrawnLaw | None, arguments: Sequence[Any]) -> DrawnLaw:
    """The law after an operation, whose `arguments` come without the tensor itself, on elements of `law`."""
    numbers = [float(a) for a in arguments if isinstance(a, int | float)]
    plain = len(numbers) == len(arguments)
    if operation in ("zeros", "zeros_like", "new_zeros", "zero_"):
        return constant(0.0)
    if operation in ("ones", "ones_like", "new_ones"):
        return constant(1.0)
    if operation in ("randn", "randn_like"):
        return DrawnLaw("normal", 0.0, 1.0)
    if operation in ("rand", "rand_like"):
        return DrawnLaw("uniform", low=0.0, high=1.0)
    if operation in ("fill_", "full", "full_like", "new_full"):
        return constant(numbers[-1]) if numbers and isinstance(arguments[-1], int | float) else UNKNOWN
    if operation == "normal_" and plain:
        mean, std = [*numbers, *[0.0, 1.0][len(numbers) :]]
        return DrawnLaw("normal", mean, std) if std else constant(mean)
    if operation == "uniform_" and plain:
        low, high = [*numbers, *[0.0, 1.0][len(numbers) :]]
        return DrawnLaw("uniform", low=low, high=high)
    if law is None or not plain:
        return UNKNOWN
    return _arithmetic(operation.rstrip("_"), law, numbers)


def _arithmetic(operation: str, law: DrawnLaw, numbers: list[float]) -> DrawnLaw:
    if operation == "erfinv" and law.distribution == "uniform" and law.low is not None and law.high is not None:
        from scipy.special import erfinv

        if (law.low, law.high) == (-1.0, 1.0):  # cut so far out that nothing is
            return DrawnLaw("normal", 0.0, math.sqrt(0.5))
        return DrawnLaw("truncated_normal", 0.0, math.sqrt(0.5), float(erfinv(law.low)), float(erfinv(law.high)))
    if operation == "neg" and not numbers:
        return law.moved(-1.0, 0.0)
    if operation == "mul" and len(numbers) == 1:
        return law.moved(numbers[0], 0.0)
    if operation == "div" and len(numbers) == 1 and numbers[0] != 0:
        return law.moved(1 / numbers[0], 0.0)
    if operation in ("add", "sub") and len(numbers) == 1:
        return law.moved(1.0, numbers[0] if operation == "add" else -numbers[0])
    if operation in ("clamp", "clamp_min", "clamp_max") and law.distribution == "normal":
        low, high = {"clamp_min": [*numbers, math.inf], "clamp_max": [-math.inf, *numbers]}.get(operation, numbers)
        far = min(law.location - low, high - law.location)
        return law if far > _UNCUT * law.scale else UNKNOWN
    if operation in ("clamp", "clamp_min", "clamp_max") and law.low is not None and law.high is not None:
        bounds = {"clamp_min": [*numbers, math.inf], "clamp_max": [-math.inf, *numbers]}.get(operation, numbers)
        room = 1e-6 * (law.high - law.low)
        if len(bounds) == 2 and bounds[0] <= law.low + room and law.high - room <= bounds[1]:
            return law  # the clamp only catches rounding
    return UNKNOWN
