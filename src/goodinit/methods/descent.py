"""Adam on the gains of weights, as GradInit has it: each step is one of the objective, or one back to a constraint."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

from goodinit.methods.probe import Gains

__all__ = ["GainAdam"]

_BETAS: Final = (0.9, 0.999)
_EPSILON: Final = 1e-8


class GainAdam:
    """The gains of some weights, 1 at first; slopes are cut to `most`, and no gain falls below `least`."""

    def __init__(self, names: Iterable[str], rate: float, least: float, most: float = 1.0) -> None:
        self.gains = dict.fromkeys(names, 1.0)
        self._rate, self._least, self._most = rate, least, most
        self._steps = {False: 0, True: 0}
        self._means: dict[bool, dict[str, float]] = {False: {}, True: {}}
        self._squares: dict[str, float] = {}

    def step(self, slopes: Gains, *, constraint: bool = False) -> None:
        """One step down the slopes; those of a constraint have means of their own, and share the mean squares."""
        self._steps[constraint] += 1
        means, steps = self._means[constraint], self._steps[constraint]
        first, second = _BETAS
        for name in self.gains:
            slope = slopes.get(name, 0.0)
            slope = max(min(slope, self._most), -self._most) if math.isfinite(slope) else 0.0
            means[name] = means.get(name, 0.0) * first + slope * (1 - first)
            self._squares[name] = self._squares.get(name, 0.0) * second + slope * slope * (1 - second)
            size = math.sqrt(self._squares[name] / (1 - second ** sum(self._steps.values()))) + _EPSILON
            step = self._rate / (1 - first**steps) * means[name] / size
            self.gains[name] = max(self.gains[name] - step, self._least)
