"""What an initialization says of one parameter: what fills it, and how fast it is to move."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from goodinit.errors import GoodinitError
from goodinit.initializers import Initializer

__all__ = ["Assignment", "Multipliers", "under"]

_GRADIENT: Final = ("gradient_descent", "momentum", "sgd")
_ADAPTIVE: Final = ("adam", "adamw")


@dataclass(frozen=True)
class Multipliers:
    """What the learning rate, the epsilon and the weight decay of one parameter are multiplied by."""

    rate: float = 1.0
    epsilon: float = 1.0
    decay: float = 1.0


_ONE: Final = Multipliers()


@dataclass(frozen=True)
class Assignment:
    """What an initialization says of the parameter `name`.

    `initializer` fills it, None keeps it as it is; `because` says what decided. `activation` is the one that the
    weight's output goes through, `linear` for none, None where it is not known. `gradient` are the multipliers under
    plain gradient descent and momentum, whose step grows with the gradient, and `adaptive` those under Adam and AdamW,
    whose step does not: a method may ask for others, and says with a rate that is not a number (nan) that it knows
    none. `named` says that the method means this very parameter, so that it is filled though nothing else tells what
    its tensor does.
    """

    name: str
    initializer: Initializer | None
    because: str
    activation: str | None = None
    caution: str | None = None
    gradient: Multipliers = _ONE
    adaptive: Multipliers = _ONE
    named: bool = False

    def multipliers(self, optimizer: str) -> Multipliers:
        """Those under an optimizer; see `under`."""
        return under(optimizer, self.name, self.gradient, self.adaptive)


def under(optimizer: str, name: str, gradient: Multipliers, adaptive: Multipliers) -> Multipliers:
    """The multipliers of a parameter under an optimizer: gradient_descent, momentum or sgd, adam or adamw.

    Raises GoodinitError for another optimizer where they are not all 1, and where the method knows none for it.
    """
    families = {_GRADIENT: gradient, _ADAPTIVE: adaptive}
    for family, own in families.items():
        if optimizer in family and not math.isnan(own.rate):
            return own
    if gradient == adaptive == _ONE:
        return adaptive
    known = ", ".join(name for family, own in families.items() if not math.isnan(own.rate) for name in family)
    raise GoodinitError(
        f"{name}: its learning rate has a multiplier, which is known for {known}; {optimizer!r} was given"
    )
