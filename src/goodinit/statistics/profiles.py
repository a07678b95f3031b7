"""Performance profiles: the share of runs that score above each of many thresholds, over tasks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import ArrayLike, NDArray

from goodinit.errors import GoodinitError
from goodinit.statistics.arguments import RESAMPLES, check_level
from goodinit.statistics.bootstrap import count_replicates, percentile_limits
from goodinit.statistics.estimate import Record
from goodinit.statistics.runs import read_runs

__all__ = ["PerformanceProfile", "performance_profile"]

Float64s = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PerformanceProfile(Record):
    """`share[i]` of the runs score better than `thresholds[i]`, with limits `low` and `high` of that level each."""

    thresholds: Float64s
    share: Float64s
    low: Float64s
    high: Float64s
    level: float
    method: str


def performance_profile(
    scores: Sequence[ArrayLike] | NDArray[np.floating],
    thresholds: ArrayLike | None = None,
    *,
    diverged: Sequence[ArrayLike] | NDArray[np.bool_] | None = None,
    higher_is_better: bool = True,
    level: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> PerformanceProfile:
    """The run-score distribution of one group over tasks: the mean over tasks of the share of runs above tau.

    `scores` holds one row of scores a task, shape (tasks, seeds), or rows of unequal lengths, each of 2 or more;
    scores must mean the same on every task (accuracies, or normalised). `thresholds` are the tau, shape (t,), by
    default every finite score that occurs; give the same to the groups of one picture. With `higher_is_better` false
    it is the share below tau. A diverged run, flagged in `diverged` or infinite on the bad side, is never above.
    The bands are bootstrap limits at each tau by itself, seeds resampled within each task; where all runs of every
    task agree they are a point. `level`, `resamples` and `seed` are those of `bootstrap`.

    Raises GoodinitError for no task, a task with fewer than two runs, a nan that is not flagged, or thresholds that
    are not finite numbers.

    >>> found = performance_profile([[0.9, 0.5, 0.8, 0.7], [0.6, 0.6, 0.9, 0.4]], [0.45, 0.65, 0.85])
    >>> found.share.tolist()
    [0.875, 0.5, 0.25]

    Source: Agarwal et al. 2021, Deep reinforcement learning at the edge of the statistical precipice, section 4.
    """
    wanted, rows = check_level(level), list(scores)
    if not rows:
        raise GoodinitError("scores hold no task; give one row of scores a task")
    flags: list[ArrayLike | None] = [None] * len(rows) if diverged is None else list(diverged)
    if len(flags) != len(rows):
        raise GoodinitError(f"diverged has {len(flags)} rows, but the scores have {len(rows)} tasks")
    tasks = [
        read_runs(f"scores of task {i}", row, flag, higher_is_better=higher_is_better)
        for i, (row, flag) in enumerate(zip(rows, flags, strict=True))
    ]
    sign = tasks[0].sign
    if thresholds is None:
        tau = np.unique(np.concatenate([sign * task.ranked[~task.diverged] for task in tasks]))
    else:
        tau = np.asarray(thresholds, dtype=np.float64)
    if tau.ndim != 1 or not tau.size or not np.isfinite(tau).all():
        raise GoodinitError(
            "thresholds must be a row of one or more finite numbers; where every run diverged give them"
        )
    share, drawn = np.zeros(tau.size), np.zeros((resamples, tau.size))
    for i, task in enumerate(tasks):
        n = task.ranked.size
        above = (task.ranked[:, None] > sign * tau).astype(np.float64) / (n * len(tasks))
        share += above.sum(axis=0)
        name = f"statistics.profile.{i}"
        drawn += count_replicates(partial(_weigh, above), n, resamples=resamples, seed=seed, name=name)
    fewest = min(task.ranked.size for task in tasks)
    low, high = percentile_limits(drawn, wanted, fewest, sum(task.ranked.size - 1 for task in tasks))
    return PerformanceProfile(
        tau, share, np.minimum(low, share), np.maximum(high, share), wanted, "bootstrap percentile, widened"
    )


def _weigh(above: Float64s, counts: Float64s) -> Float64s:
    return counts @ above
