"""How arms of a race are ranked: by the duels they lose on paired seeds, smoothed over each start's learning rates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["duels_lost", "smoothed_losses"]

_WIDTH: Final = 0.5  # powers of ten: how far a rate's neighbours speak for it
_LEAST: Final = 1e-6  # the weight of a point at least, so that a fit has no fewer points than unknowns


def duels_lost(values: ArrayLike) -> NDArray[np.float64]:
    """The share of duels with the others on the same seed that each arm loses, a tie as half; lower is better.

    `values` has shape (arms, seeds), lower for better, infinite where a run diverged, NaN where there is none. An arm
    that has no run loses all. A seed on which every run is worse than on another, by its split of the examples, counts
    as much as the other, where medians and means take what differs between seeds for what differs between arms.

    >>> duels_lost([[1.0, 30.0], [2.0, 20.0], [3.0, np.inf]]).tolist()
    [0.25, 0.25, 1.0]
    """
    x = np.asarray(values, dtype=np.float64)
    there = ~np.isnan(x)
    both = there[:, None] & there
    lost = ((x[:, None] > x) + 0.5 * (x[:, None] == x)) * both  # (arm, other, seed); an arm's own is half a duel
    duels = both.sum(axis=1) - there
    shares = (lost.sum(axis=1) - 0.5 * there) / np.maximum(duels, 1)
    met = (duels * there > 0).sum(axis=1)  # seeds on which there was another to meet
    return np.where(there.any(axis=1), (shares * there).sum(axis=1) / np.maximum(met, 1), 1.0)


def smoothed_losses(values: ArrayLike, rates: Sequence[float], starts: Sequence[str]) -> NDArray[np.float64]:
    """`duels_lost`, where each start's is a smooth curve over the logarithm of its rates; lower is better.

    At each rate a parabola is fitted to the start's rates by weights that fall with their distance (a local quadratic
    regression): a rate between two good ones is taken for good, and one that a lucky seed put first is not.

    Source: Cleveland & Devlin 1988, Locally weighted regression.
    """
    lost, at = duels_lost(values), np.log10(np.asarray(rates, dtype=np.float64))
    named = np.array(starts)
    for name in dict.fromkeys(starts):
        own = np.flatnonzero(named == name)
        lost[own] = [_fitted(at[own] - at[place], lost[own]) for place in own]
    return lost


def _fitted(distance: NDArray[np.float64], values: NDArray[np.float64]) -> float:
    """The value at distance 0 of the parabola, or of the line through two."""
    roots = np.sqrt(np.maximum(np.exp(-0.5 * (distance / _WIDTH) ** 2), _LEAST))
    powers = np.vander(distance, min(3, distance.size), increasing=True)
    solution = np.linalg.lstsq(powers * roots[:, None], values * roots, rcond=None)[0]
    return float(solution[0]) if math.isfinite(solution[0]) else 1.0
