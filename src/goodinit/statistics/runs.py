"""Scores as the statistics read them, and the rule for runs that diverged.

A diverged run is the worst outcome, never a missing one. In everything that goes by order (wins, probabilities of
improvement, ranks, Wilcoxon, Friedman) it ranks below every finite score and level with other diverged runs. In
everything that goes by size (interquartile mean, median, differences) the floor stands in for its score: the one that
the caller tells, which a worse score counts as too, else the worst finite score among those compared.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from goodinit.arguments import check_number
from goodinit.errors import GoodinitError
from goodinit.statistics.arguments import read_flags, read_numbers

__all__ = ["Runs", "find_floor", "read_runs"]

Float64s = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Runs:
    """Scores of runs: `ranked` has higher for better and -inf for diverged, whatever the scores' own direction.

    `rounding` is how far a score may be off by its dtype, an array like the scores.
    """

    ranked: Float64s
    diverged: Bools
    rounding: Float64s
    sign: float

    def __getitem__(self, at: int) -> Runs:
        return Runs(self.ranked[at], self.diverged[at], self.rounding[at], self.sign)

    def lowered(self, floor: float | None) -> bool:
        """Whether the floor stands in for any run: one that diverged, or scored worse."""
        return bool(self.diverged.any()) or (floor is not None and bool((self.ranked < self.sign * floor).any()))

    def filled(self, floor: float | None) -> Float64s:
        """The scores in their own direction, the floor (without one the worst infinity) for diverged."""
        stand_in = -math.inf if floor is None else self.sign * floor
        return self.sign * np.maximum(np.where(self.diverged, stand_in, self.ranked), stand_in)


def read_runs(
    name: str, scores: ArrayLike, diverged: ArrayLike | None, *, higher_is_better: bool, ndim: int = 1
) -> Runs:
    """The scores as `Runs`. A run diverged if it is flagged, or if its score is infinite on the bad side.

    Raises GoodinitError for a nan that is not flagged, or a score that is infinite on the good side.
    """
    x = read_numbers(name, scores, ndim=ndim)
    sign = 1.0 if higher_is_better else -1.0
    flags = np.zeros(x.shape, np.bool_) if diverged is None else read_flags("diverged", diverged, x.shape)
    if (np.isnan(x) & ~flags).any():
        at = np.argwhere(np.isnan(x) & ~flags)[0].tolist()
        raise GoodinitError(
            f"{name} has nan at {at}, which is not flagged as diverged; flag it, or run that seed again: no run is "
            "left out"
        )
    if ((sign * x == math.inf) & ~flags).any():
        raise GoodinitError(
            f"{name} holds {sign * math.inf:g}, which would be the best score there is; for a loss give "
            "higher_is_better=False, and flag runs that diverged"
        )
    flags = flags | np.isinf(x)
    kind = np.asarray(scores).dtype
    eps = float(np.finfo(kind).eps) if kind.kind == "f" else float(np.finfo(np.float64).eps)
    safe = np.where(flags, 0.0, x)
    return Runs(np.where(flags, -math.inf, sign * safe), flags, 4 * eps * np.abs(safe), sign)


def find_floor(floor: float | None, *groups: Runs) -> float | None:
    """The score that stands in for a diverged run: the one given, else the worst finite one, None without any."""
    finite = np.concatenate([group.ranked[~group.diverged] for group in groups])
    sign = groups[0].sign
    if floor is None:
        return float(sign * finite.min()) if finite.size else None
    return check_number("floor", floor)
