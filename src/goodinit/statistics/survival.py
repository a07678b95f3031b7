"""Steps to a target, where some runs never reach it: Kaplan-Meier, its median and its restricted mean."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from goodinit.errors import GoodinitError, shown
from goodinit.statistics.arguments import RESAMPLES, check_level, read_numbers
from goodinit.statistics.bootstrap import bca_limits, count_replicates, step_limits
from goodinit.statistics.estimate import Estimate, Record

__all__ = ["StepsToTarget", "SurvivalCurve", "kaplan_meier", "steps_to_target"]

Float64s = NDArray[np.float64]
_HALF: Final = 0.5 + 1e-9  # a product of fractions that is 1/2 may come out above it


@dataclass(frozen=True, eq=False)
class SurvivalCurve(Record):
    """The share of runs still short of the target: `share[k]` from `steps[k]` to `steps[k + 1]`, 1 before the first.

    `at_risk[k]` runs were watched and short of the target until `steps[k]`, where `reached[k]` of them reached it.
    """

    steps: Float64s
    share: Float64s
    at_risk: NDArray[np.int64]
    reached: NDArray[np.int64]


@dataclass(frozen=True)
class StepsToTarget(Record):
    """How long a group took to a target, no run left out.

    `reached` of `runs` reached it. `median` is the first step by which half had, inf where they never did;
    `restricted_mean` is the mean of the steps spent short of the target, up to `horizon`.
    """

    runs: int
    reached: int
    median: Estimate
    restricted_mean: Estimate
    horizon: float


def kaplan_meier(steps: ArrayLike, budget: ArrayLike) -> SurvivalCurve:
    """The Kaplan-Meier curve S(t) = product over t_k <= t of (1 - reached_k / at_risk_k).

    `steps` has shape (n,): the step at which each run reached the target, nan or inf where it never did. `budget` is
    the number of steps a run was given, one for all or shape (n,). A run that never reached the target is censored at
    its budget, also when it diverged before: it would have stood there. At equal times reaching comes before censoring.

    Raises GoodinitError for a step below 0 or beyond its budget, budgets that are not finite and above 0, or shapes
    that do not match.

    >>> curve = kaplan_meier([6, 6, 6, 10, 13, float("nan")], [20, 20, 20, 20, 20, 9])
    >>> curve.steps.tolist(), curve.share.round(3).tolist()
    ([6.0, 10.0, 13.0], [0.5, 0.25, 0.0])

    Source: Kaplan & Meier 1958, Nonparametric estimation from incomplete observations.
    """
    times, events, _ = _read(steps, budget)
    grid, hit, risk = _design(times, events)
    share = _survive(np.ones((1, times.size)), hit, risk)[0]
    return SurvivalCurve(grid, share, risk.sum(axis=0).astype(np.int64), hit.sum(axis=0).astype(np.int64))


def steps_to_target(
    steps: ArrayLike, budget: ArrayLike, *, level: float = 0.95, resamples: int = RESAMPLES, seed: int = 0
) -> StepsToTarget:
    """The Kaplan-Meier median and the restricted mean of the steps to a target, with bootstrap intervals.

    The median is the smallest t with S(t) <= 1/2; the restricted mean is the integral of S from 0 to the horizon, the
    smallest budget, up to which every run was watched. Seeds are resampled whole, with their censoring. Where no run,
    or every one at the same step, reached the target the interval of the mean is a point, for nothing else was seen.

    Arguments are those of `kaplan_meier`, and `level`, `resamples` and `seed` those of `bootstrap`.

    >>> found = steps_to_target([300, 420, 380, 510, float("nan"), 450, 390, float("nan")], 1000)
    >>> found.reached, found.median.value, found.restricted_mean.value
    (6, 420.0, 556.25)

    Source: Kaplan & Meier 1958; Royston & Parmar 2013 (restricted mean).
    """
    times, events, budgets = _read(steps, budget)
    wanted, n = check_level(level), times.size
    horizon = float(budgets.min())
    grid, hit, risk = _design(times, events)

    def both(counts: Float64s) -> Float64s:
        share = _survive(counts, hit, risk)
        return np.stack([_median(share, grid), _restricted(share, grid, horizon)], axis=1)

    median, mean = (float(v) for v in both(np.ones((1, n)))[0])
    drawn = count_replicates(both, n, resamples=resamples, seed=seed)
    without = both(1.0 - np.eye(n))[:, 1]  # the jackknife: each run left out once
    low, high = bca_limits(mean, drawn[:, 1], without.mean() - without, wanted)
    return StepsToTarget(
        runs=n,
        reached=int(events.sum()),
        median=Estimate(median, *_around(median, *step_limits(drawn[:, 0], wanted, n)), wanted, "bootstrap, widened"),
        restricted_mean=Estimate(mean, *_around(mean, low, high), wanted, "bootstrap BCa, widened"),
        horizon=horizon,
    )


def _around(value: float, low: float, high: float) -> tuple[float, float]:
    return min(low, value), max(high, value)


def _read(steps: ArrayLike, budget: ArrayLike) -> tuple[Float64s, NDArray[np.bool_], Float64s]:
    """Times, whether the target was reached at them, and the budgets."""
    at = read_numbers("steps", steps, ndim=1)
    given = np.asarray(budget, dtype=np.float64)
    if given.shape not in ((), at.shape):
        raise GoodinitError(f"budget has shape {given.shape}; give one number, or one for each of {at.size} runs")
    budgets = np.broadcast_to(given, at.shape)
    if not (np.isfinite(budgets) & (budgets > 0)).all():
        raise GoodinitError(f"budget={shown(budget)}: the steps a run was given must be finite and above 0")
    events = np.isfinite(at)
    if (at < 0).any():
        raise GoodinitError(f"steps holds {at[at < 0][0]:g}; a target is reached at step 0 or later, nan means never")
    late = events & (np.where(events, at, 0.0) > budgets)
    if late.any():
        raise GoodinitError(
            f"steps holds {at[late][0]:g}, beyond that run's budget of {budgets[late][0]:g}; a target reached later "
            "than the budget was not reached: give nan"
        )
    return np.where(events, at, budgets), events, budgets


def _design(times: Float64s, events: NDArray[np.bool_]) -> tuple[Float64s, Float64s, Float64s]:
    """The distinct event times, and by run and time whether it reached the target there, and was at risk."""
    grid = np.unique(times[events])
    hit = (times[:, None] == grid) & events[:, None]
    return grid, hit.astype(np.float64), (times[:, None] >= grid).astype(np.float64)


def _survive(counts: Float64s, hit: Float64s, risk: Float64s) -> Float64s:
    kept = 1 - (counts @ hit) / np.maximum(counts @ risk, 1.0)
    return np.asarray(np.cumprod(kept, axis=1), dtype=np.float64)


def _median(share: Float64s, grid: Float64s) -> Float64s:
    if not grid.size:
        return np.full(len(share), math.inf)
    below = share <= _HALF
    return np.where(below.any(axis=1), grid[below.argmax(axis=1)], math.inf)


def _restricted(share: Float64s, grid: Float64s, horizon: float) -> Float64s:
    edges = np.minimum(np.concatenate([[0.0], grid, [horizon]]), horizon)
    steps = np.concatenate([np.ones((len(share), 1)), share], axis=1)
    return np.asarray(steps @ np.diff(edges))
