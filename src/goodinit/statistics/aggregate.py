"""Groups over several tasks: one interquartile mean of all runs, resampled task by task, and whom each task decides."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from goodinit.errors import GoodinitError
from goodinit.statistics.arguments import RESAMPLES, check_level
from goodinit.statistics.bootstrap import percentile_limits, replicates
from goodinit.statistics.estimate import Estimate, Record
from goodinit.statistics.runs import read_runs

__all__ = ["Aggregate", "AggregateGroup", "aggregate_tasks"]

Float64s = NDArray[np.float64]
_STREAM: Final = "statistics.aggregate"


@dataclass(frozen=True)
class AggregateGroup(Record):
    """A group over all tasks: its place, its interquartile mean, and the groups that it is not separable from."""

    name: str
    place: int
    iqm: Estimate
    not_separable_from: tuple[str, ...]


@dataclass(frozen=True)
class Aggregate(Record):
    """Groups over all tasks, best first. `without` holds for each task the order of the groups where it is left out."""

    tasks: tuple[str, ...]
    groups: tuple[AggregateGroup, ...]
    without: tuple[tuple[str, ...], ...]
    level: float

    @property
    def names(self) -> tuple[str, ...]:
        """The groups' names, best first."""
        return tuple(group.name for group in self.groups)

    @property
    def decisive(self) -> tuple[str, ...]:
        """The tasks without which another group would be first."""
        return tuple(task for task, order in zip(self.tasks, self.without, strict=True) if order[0] != self.names[0])


def aggregate_tasks(
    tasks: Sequence[str],
    names: Sequence[str],
    scores: Sequence[ArrayLike],
    *,
    diverged: Sequence[ArrayLike | None] | None = None,
    floor: float = 0.0,
    level: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Aggregate:
    """The interquartile mean of each group's runs on all tasks, with a bootstrap that resamples seeds task by task.

    Every run weighs the same, so that a task of more seeds weighs more. Seeds are drawn with replacement within each
    task, the same for every group, so that the difference of two groups keeps its pairing; two are separable where
    the interval of their difference, at 1 - (1 - level) / pairs, does not hold 0. Places are those of `compare_groups`.

    `scores` holds one array (groups, seeds) for each task, higher better, in one unit; `diverged` flags of that shape,
    and `floor` is what a diverged run counts as, and a worse score.

    Raises GoodinitError for shapes that do not match, fewer than two tasks, or what `read_runs` refuses.

    >>> easy, hard = [[0.99, 0.98, 0.99], [0.97, 0.98, 0.96]], [[0.7, 0.72, 0.69], [0.5, 0.52, 0.49]]
    >>> found = aggregate_tasks(["easy", "hard"], ["he", "lecun"], [easy, hard])
    >>> found.names, round(found.groups[0].iqm.value, 4), found.decisive
    (('he', 'lecun'), 0.8475, ())

    Source: Agarwal et al. 2021, stratified bootstrap intervals of the interquartile mean.
    """
    if len(tasks) < 2 or len(scores) != len(tasks):
        raise GoodinitError(f"{len(tasks)} tasks and {len(scores)} arrays of scores; give one a task, of two or more")
    flags = [None] * len(scores) if diverged is None else list(diverged)
    filled: list[Float64s] = []
    for task, each, lost in zip(tasks, scores, flags, strict=True):
        runs = read_runs(f"scores of {task}", each, lost, higher_is_better=True, ndim=2)
        if len(runs.ranked) != len(names):
            raise GoodinitError(f"scores of {task} has {len(runs.ranked)} rows; give one for each of {list(names)}")
        filled.append(runs.filled(floor))
    wanted = check_level(level)
    values = _iqm(np.concatenate(filled, axis=1))
    fewest = min(each.shape[1] for each in filled)
    rows = [
        replicates(_as_numbers, each.shape[1], resamples=resamples, seed=seed, name=f"{_STREAM}/{number}").astype(int)
        for number, each in enumerate(filled)
    ]
    drawn = np.stack(
        [
            _iqm(np.concatenate([each[group][at] for each, at in zip(filled, rows, strict=True)], axis=1))
            for group in range(len(names))
        ],
        axis=1,
    )
    low, high = percentile_limits(drawn, wanted, fewest)
    pairs = list(itertools.combinations(range(len(names)), 2))
    apart = set()
    for i, j in pairs:
        ends = percentile_limits(drawn[:, i] - drawn[:, j], 1 - (1 - wanted) / len(pairs), fewest)
        if ends[0] > 0 or ends[1] < 0:
            apart |= {(i, j), (j, i)}
    order = sorted(range(len(names)), key=lambda group: -values[group])
    without = [
        tuple(names[group] for group in _order(_iqm(np.concatenate(filled[:at] + filled[at + 1 :], axis=1))))
        for at in range(len(filled))
    ]
    groups, tier, place = [], list[int](), 0
    for position, group in enumerate(order, 1):
        if not tier or any((group, other) in apart for other in tier):
            tier, place = [], position
        tier.append(group)
        estimate = Estimate(
            float(values[group]),
            float(min(low[group], values[group])),
            float(max(high[group], values[group])),
            wanted,
            "stratified bootstrap, widened",
        )
        level_with = tuple(names[other] for other in order if other != group and (group, other) not in apart)
        groups.append(AggregateGroup(names[group], place, estimate, level_with))
    return Aggregate(tuple(tasks), tuple(groups), tuple(without), wanted)


def _as_numbers(rows: NDArray[np.intp]) -> Float64s:
    """The rows themselves, which serve every group."""
    return rows.astype(np.float64)


def _order(values: Float64s) -> list[int]:
    return sorted(range(len(values)), key=lambda group: -values[group])


def _iqm(x: Float64s) -> Float64s:
    n = x.shape[-1]
    cut = n // 4
    return np.asarray(np.sort(x, axis=-1)[..., cut : n - cut].mean(axis=-1))
