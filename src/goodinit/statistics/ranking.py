"""Many groups over the same seeds: which are better than which, and which ranks are shared because nobody can tell."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from goodinit.arguments import check_choice, check_number
from goodinit.errors import GoodinitError, shown
from goodinit.statistics.arguments import RESAMPLES, check_level
from goodinit.statistics.equivalence import unseen
from goodinit.statistics.estimate import Record
from goodinit.statistics.frames import data_frame
from goodinit.statistics.groups import GroupSummary, summarize_runs
from goodinit.statistics.hypotheses import Friedman, friedman, holm
from goodinit.statistics.pairs import PairComparison, PairTest, compare_runs, judge
from goodinit.statistics.power import PowerNote, power_note
from goodinit.statistics.runs import find_floor, read_runs
from goodinit.wording import listed

if TYPE_CHECKING:
    import pandas  # type: ignore[import-untyped]  # it ships no types, and is optional

__all__ = ["RankedGroup", "Ranking", "compare_groups"]


@dataclass(frozen=True)
class RankedGroup(Record):
    """A group with its rank. No two groups that share a rank are separable.

    The three sets of names are those it is not separable from (equivalent ones among them), better than, worse than.
    """

    name: str
    rank: int
    summary: GroupSummary
    not_separable_from: tuple[str, ...]
    better_than: tuple[str, ...]
    worse_than: tuple[str, ...]


@dataclass(frozen=True)
class Ranking(Record):
    """Groups in the order of their interquartile means, best first, with every pair compared.

    `pairs` hold each two groups once, in the order they were given; `friedman` is None for fewer than three groups,
    and ranks 1 for best. `notes` are sentences that a reader must see beside the ranks: what is not separable, and
    why. `power` says what this many seeds can show, None for one group.
    """

    groups: tuple[RankedGroup, ...]
    pairs: tuple[PairComparison, ...]
    friedman: Friedman | None
    power: PowerNote | None
    test: PairTest
    level: float
    margin: float
    notes: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The groups' names, best first."""
        return tuple(group.name for group in self.groups)

    def to_frame(self) -> pandas.DataFrame:
        """A pandas DataFrame, a row a group, best first: its rank, and each statistic with its interval's edges.

        Raises GoodinitError where pandas is not installed.
        """
        rows = []
        for group in self.groups:
            row: dict[str, Any] = {"rank": group.rank, "name": group.name, "runs": group.summary.runs}
            for name in group.summary.statistics:
                found = group.summary.estimate(name)
                row[name] = found and found.value
                row[f"{name}_low"], row[f"{name}_high"] = (found and found.low), (found and found.high)
            rows.append({**row, "not_separable_from": ", ".join(group.not_separable_from)})
        return data_frame(rows)

    def __getitem__(self, name: str) -> RankedGroup:
        for group in self.groups:
            if group.name == name:
                return group
        raise GoodinitError(f"{shown(name)} was not compared; there are {', '.join(self.names)}")

    def pair(self, a: str, b: str) -> PairComparison:
        """The comparison of those two, told of a."""
        for pair in self.pairs:
            if (pair.a, pair.b) == (a, b):
                return pair
            if (pair.b, pair.a) == (a, b):
                return pair.reversed()
        raise GoodinitError(f"{shown(a)} and {shown(b)} were not compared; there are {', '.join(self.names)}")


def compare_groups(
    names: Sequence[str],
    scores: ArrayLike,
    *,
    diverged: ArrayLike | None = None,
    success: ArrayLike | None = None,
    steps: ArrayLike | None = None,
    budget: ArrayLike | None = None,
    higher_is_better: bool = True,
    floor: float | None = None,
    margin: float = 0.0,
    test: PairTest | None = None,
    level: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Ranking:
    """Groups ranked by interquartile mean, with every pair compared seed by seed.

    Two groups are compared as `compare_pair` does. For more, a pair's corrected p is the larger of Friedman's p over
    all groups and Holm's of the pair among all pairs, by Wilcoxon's test: where Friedman's finds no difference no pair
    is called separable, and the chance that any is where none differs is at most 1 - level.

    Ranks go down the interquartile means: a group shares the rank of the one before while it is separable from
    nobody of that rank, else its rank is its position. Not separable is not a chain: a is level with b and b
    with c while a beats c. Then a and b share a rank, c has the next, and b still has c in `not_separable_from`; a
    note says so. Intervals and equivalence are of each pair by itself.

    `scores` has shape (groups, seeds), column i of one seed in every group; `diverged`, `success` and `steps` have that
    shape, `budget` too or is one number. `floor` stands in for diverged runs, and for worse ones where sizes count;
    without it the worst finite score of all groups does in a group's own numbers, and that of the two in a pair's.
    `test` is `sign-flip` or `wilcoxon`, by default the first for two groups and the second for more.
    The other arguments are those of `summarize` and `compare_pair`.

    Raises GoodinitError for names that are not distinct or do not match the rows, a seed that a group lacks (ragged
    rows, or a nan that is not flagged as diverged), and what `summarize` and `compare_pair` raise.

    >>> he, lecun = [0.95, 0.96, 0.94, 0.97, 0.95, 0.96, 0.98, 0.93], [0.96, 0.95, 0.94, 0.96, 0.96, 0.95, 0.97, 0.94]
    >>> zeros = [0.50, 0.51, 0.50, 0.49, 0.50, 0.50, 0.51, 0.50]
    >>> found = compare_groups(["zeros", "he", "lecun"], [zeros, he, lecun])
    >>> [(group.name, group.rank) for group in found.groups]
    [('he', 1), ('lecun', 1), ('zeros', 3)]
    >>> print(found.notes[0])
    he and lecun share rank 1: they are not separable.

    Source: Demsar 2006, Statistical comparisons of classifiers over multiple data sets; Agarwal et al. 2021.
    """
    called = [str(name) for name in names]
    runs = read_runs("scores", scores, diverged, higher_is_better=higher_is_better, ndim=2)
    k, n = runs.ranked.shape
    if len(called) != k or len(set(called)) != k or k == 0:
        raise GoodinitError(f"names={shown(called)}: give one distinct name for each of the {k} rows of scores")
    alike, wanted = find_floor(floor, runs), check_level(level)
    check_choice("test", test or "wilcoxon", ("sign-flip", "wilcoxon"))
    chosen: PairTest = test or ("sign-flip" if k == 2 else "wilcoxon")

    def rows(name: str, values: ArrayLike | None) -> list[ArrayLike | None]:
        if values is None:
            return [None] * k
        array = np.asarray(values)
        if array.ndim == 0 and name == "budget":
            return [float(array)] * k
        if array.shape != (k, n):
            raise GoodinitError(f"{name} has shape {array.shape}, but the scores have {(k, n)}; give one a run")
        return list(array)

    summaries = [
        summarize_runs(name, runs[i], alike, success=s, steps=t, budget=b, level=level, resamples=resamples, seed=seed)
        for i, (name, s, t, b) in enumerate(
            zip(called, rows("success", success), rows("steps", steps), rows("budget", budget), strict=True)
        )
    ]
    pairs = [
        compare_runs(
            runs[i],
            runs[j],
            floor,
            margin=margin,
            test=chosen,
            names=(called[i], called[j]),
            level=level,
            resamples=resamples,
            seed=seed,
        )
        for i, j in itertools.combinations(range(k), 2)
    ]
    overall = None
    if k > 2:
        overall = friedman(-runs.ranked)
        corrected = np.maximum(holm([pair.significance.p_value for pair in pairs]), overall.p_value)
        pairs = [
            replace(pair, significance=replace(pair.significance, p_adjusted=float(p)))
            for pair, p in zip(pairs, corrected, strict=True)
        ]
        pairs = [replace(pair, verdict=judge(pair)) for pair in pairs]
    order = sorted(range(k), key=lambda i: _merit(summaries[i], runs.sign), reverse=True)
    ranked = _ranked([summaries[i] for i in order], pairs)
    power = power_note(n, comparisons=len(pairs), level=wanted) if k > 1 else None
    return Ranking(
        groups=ranked,
        pairs=tuple(pairs),
        friedman=overall,
        power=power,
        test=chosen,
        level=wanted,
        margin=check_number("margin", margin, low=0),
        notes=tuple(_notes(ranked, pairs, overall, power)),
    )


def _merit(summary: GroupSummary, sign: float) -> tuple[float, float]:
    return sign * summary.iqm.value, sign * summary.median.value


def _ranked(summaries: list[GroupSummary], pairs: list[PairComparison]) -> tuple[RankedGroup, ...]:
    """The groups, which come best first, with their ranks."""
    beats = {(p.a, p.b) if p.verdict == "better" else (p.b, p.a) for p in pairs if p.separable}
    names = [summary.name for summary in summaries]
    ranked: list[RankedGroup] = []
    tier: list[str] = []
    rank = 0
    for position, summary in enumerate(summaries, 1):
        name = summary.name
        better = tuple(other for other in names if (name, other) in beats)
        worse = tuple(other for other in names if (other, name) in beats)
        if not tier or not {*better, *worse}.isdisjoint(tier):
            tier, rank = [], position
        tier.append(name)
        level = tuple(other for other in names if other not in {name, *better, *worse})
        ranked.append(RankedGroup(name, rank, summary, level, better, worse))
    return tuple(ranked)


def _notes(
    ranked: tuple[RankedGroup, ...], pairs: list[PairComparison], overall: Friedman | None, power: PowerNote | None
) -> list[str]:
    notes = []
    equivalent = {frozenset((pair.a, pair.b)) for pair in pairs if pair.verdict == "equivalent"}
    for rank, members in itertools.groupby(ranked, key=lambda group: group.rank):
        names = [group.name for group in members]
        if len(names) > 1:
            alike = all(frozenset(two) in equivalent for two in itertools.combinations(names, 2))
            are = "equivalent within the margin" if alike else "not separable"
            notes.append(f"{listed(names)} share rank {rank}: they are {are}.")
    for first, second in itertools.combinations(ranked, 2):
        if first.rank != second.rank and second.name in first.not_separable_from:
            notes.append(
                f"{first.name} (rank {first.rank}) and {second.name} (rank {second.rank}) are not separable either."
            )
        elif second.name in first.worse_than:
            notes.append(
                f"{second.name} is better than {first.name} seed by seed, though its interquartile mean is not."
            )
    if overall is not None and overall.p_value > 1 - pairs[0].significance.level:
        notes.append(f"Friedman's test finds no difference among the groups (p = {overall.p_value:.2g}).")
    if power is not None and not power.reachable:
        notes.append(power.sentence)
    few = [pair.runs_needed for pair in pairs if pair.runs_needed is not None and pair.runs < pair.runs_needed]
    if few:
        may_fail = unseen(pairs[0].runs, pairs[0].significance.level)
        notes.append(
            f"{pairs[0].runs} seeds cannot show that two are equivalent within {pairs[0].margin:g}: up to "
            f"{may_fail:.0%} of runs may fail though none did; it takes {max(few)} seeds or more."
        )
    lost = [group.name for group in ranked if group.summary.divergence.value == 1]
    if lost:
        notes.append(f"Every run of {listed(lost)} diverged.")
    return notes
