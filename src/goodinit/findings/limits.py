"""From which number on a finding is a warning, and from which it is severe: for networks and models alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

__all__ = ["LIMITS", "ZERO_GRADIENT", "Limit"]

ZERO_GRADIENT: Final = 1e-15  # in full float64 sums of terms near 1, smaller ones are rounding


@dataclass(frozen=True)
class Limit:
    """What a number has to reach for a warning, and to be severe; None where it is never that.

    >>> Limit(0.75, 0.95).severity(0.8)
    'warning'
    """

    warning: float | None
    severe: float | None

    def severity(self, value: float) -> Literal["severe", "warning"] | None:
        """How severe a value is; None where it is no finding. What is not a number counts as none."""
        if self.severe is not None and value >= self.severe:
            return "severe"
        return "warning" if self.warning is not None and value >= self.warning else None


_SIGNAL: Final = Limit(None, 1e2)
_GRADIENT: Final = Limit(1e2, 1e3)

LIMITS: Final[Mapping[str, Limit]] = {
    "identical-units": Limit(0.0, 0.5),  # share of a layer's units that duplicate another
    "output-saturated": Limit(None, 0.5),  # share of the outputs that give a class 99 % or more
    "loss-above-chance": Limit(2, 10),  # times the loss of guessing
    # A squared error is 1 + r^2 times the targets' variance for outputs r times their deviation, and r is 1 or 2 in
    # sound starts.
    "loss-above-chance/numbers": Limit(10, 100),
    "loss-above-chance/offset": Limit(4, 4),  # the outputs' mean 1.7 deviations off: 1 is usual in a sound start
    # Half of a deep ReLU layer's units are off for all examples by chance where the inputs have become alike.
    "dead-units": Limit(0.75, 0.95),
    "saturated-units": Limit(0.25, 0.5),  # of what standard normal inputs would not saturate
    "gates-saturated": Limit(0.25, 0.5),  # of a recurrent layer's gates
    "attention-saturated": Limit(0.5, 0.75),  # 1 less the entropy of an attention's weights over that of even ones
    # Values' gradients over those of queries and keys: up to 100 in stock transformers of width 96, whose scores are
    # small; 4e5 and more from the third layer on where tokens have become alike.
    "attention-gradient": Limit(1e4, None),
    "vanishing-signal": _SIGNAL,  # the rms of the first hidden layer over the last
    "exploding-signal": _SIGNAL,
    "vanishing-gradient": _GRADIENT,
    "exploding-gradient": _GRADIENT,
    "weight-too-large": Limit(5, None),  # times what theory wants
    "update-too-large": Limit(0.3, None),  # of the weights in the median, at the first step
}
"""By code; what a code is judged by in another case has a name behind a slash."""
