"""Two groups over the same seeds: their paired difference, who wins how often, and what can be said of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from goodinit.arguments import check_choice, check_number
from goodinit.errors import GoodinitError
from goodinit.jsonable import json_fields
from goodinit.statistics.arguments import RESAMPLES, check_level
from goodinit.statistics.bootstrap import bootstrap
from goodinit.statistics.effects import cohens_d_z, probability_of_improvement, rank_biserial
from goodinit.statistics.equivalence import equivalence_bounds, worst_loss
from goodinit.statistics.estimate import Estimate, Record
from goodinit.statistics.hypotheses import sign_flip, wilcoxon
from goodinit.statistics.runs import Runs, find_floor, read_runs

__all__ = [
    "EffectSizes",
    "PairComparison",
    "PairTest",
    "Significance",
    "Verdict",
    "compare_pair",
    "compare_runs",
    "judge",
]

Float64s = NDArray[np.float64]
PairTest = Literal["sign-flip", "wilcoxon"]
Verdict = Literal["better", "worse", "equivalent", "not separable"]
_MIRROR: Final[dict[Verdict, Verdict]] = {"better": "worse", "worse": "better"}


@dataclass(frozen=True)
class EffectSizes(Record):
    """How far apart two groups are, free of the scores' unit, told of the first being better, however scores point.

    `effect` is Cohen's d_z of the differences towards better.
    """

    improvement_paired: Estimate
    improvement_unpaired: Estimate
    cliffs_delta: Estimate
    rank_biserial: float
    effect: float

    def reversed(self) -> EffectSizes:
        """The same told of the second."""
        return EffectSizes(
            self.improvement_paired.complement(),
            self.improvement_unpaired.complement(),
            self.cliffs_delta.negated(),
            -self.rank_biserial,
            -self.effect,
        )


@dataclass(frozen=True)
class Significance(Record):
    """What the tests say of a difference: `p_value` is that of `test`.

    `p_adjusted` corrects it for the number of pairs compared (the same where there is one); a pair is separable where
    that is at most 1 - `level`.
    """

    p_sign_flip: float
    p_wilcoxon: float
    test: PairTest
    p_value: float
    p_adjusted: float
    level: float


@dataclass(frozen=True)
class PairComparison(Record):
    """Group `a` against group `b`, seed by seed; `verdict` is of a, as `wins` and `sizes` are.

    Differences are a's score less b's, in the scores' unit: for a loss, below 0 is better. `floor` stood in for
    diverged runs. `bounds` are those of the mean difference that "equivalent" goes by: wider than `mean_difference`, by
    what failures that these runs cannot have seen may add. `runs_needed` is how many runs it takes until that is within
    the margin.
    """

    a: str
    b: str
    runs: int
    wins: int
    ties: int
    losses: int
    mean_difference: Estimate
    median_difference: Estimate
    sizes: EffectSizes
    significance: Significance
    margin: float
    floor: float | None
    bounds: Estimate
    runs_needed: int | None
    verdict: Verdict

    @property
    def separable(self) -> bool:
        """Whether one of the two is better."""
        return self.verdict in _MIRROR

    def reversed(self) -> PairComparison:
        """The same comparison told of b."""
        return replace(
            self,
            a=self.b,
            b=self.a,
            wins=self.losses,
            losses=self.wins,
            mean_difference=self.mean_difference.negated(),
            bounds=self.bounds.negated(),
            median_difference=self.median_difference.negated(),
            sizes=self.sizes.reversed(),
            verdict=_MIRROR.get(self.verdict, self.verdict),
        )

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it: what `sizes` and `significance` hold stands beside the rest."""
        facts: dict[str, Any] = {}
        for name, value in json_fields(self).items():
            facts |= value if name in ("sizes", "significance") else {name: value}
        return facts

    def __str__(self) -> str:
        significance = self.significance
        count = f"{self.wins} wins, {self.ties} ties, {self.losses} losses on {self.runs} seeds"
        corrected = "" if significance.p_adjusted == significance.p_value else ", corrected"
        joined = {"better": "is better than", "worse": "is worse than", "equivalent": "is equivalent to"}
        said = joined.get(self.verdict, "is not separable from")
        return (
            f"{self.a} {said} {self.b}: mean difference {self.mean_difference}, {count}, "
            f"p = {significance.p_adjusted:.2g}{corrected}"
        )


def compare_pair(
    a: ArrayLike,
    b: ArrayLike,
    *,
    higher_is_better: bool = True,
    margin: float = 0.0,
    diverged_a: ArrayLike | None = None,
    diverged_b: ArrayLike | None = None,
    floor: float | None = None,
    test: PairTest = "sign-flip",
    names: tuple[str, str] = ("a", "b"),
    level: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> PairComparison:
    """Two groups compared by position: a[i] and b[i] are of the same seed.

    The verdict is, in this order: `equivalent` where `margin` is above 0 and `bounds` lies wholly within -margin to
    margin, which takes many seeds (see `equivalence_bounds`); `better` or `worse` where the test's p is at most
    1 - level, on the side to which the test's statistic points; else `not separable`, which says that this many seeds
    do not tell, not that there is no difference.

    `a` and `b` have shape (n,), n >= 2. `margin` is in the scores' unit: a difference that would not matter. `test` is
    `sign-flip`, of the mean difference, or `wilcoxon`, of its ranks. A run diverged if it is flagged or its score is
    infinite on the bad side; it loses against every finite score and ties with a diverged one, and in differences
    `floor` stands for its score, and for a worse one, or else the worst finite one of both groups. `level`,
    `resamples` and `seed` are those of `bootstrap`: the mean's interval is BCa, the median's percentile.

    Raises GoodinitError for unequal lengths, fewer than two seeds, a nan that is not flagged, a negative margin, an
    unknown test, or a level outside (0, 1).

    >>> he = [0.95, 0.96, 0.94, 0.97, 0.95, 0.96, 0.98]
    >>> normal = [0.70, 0.72, 0.65, 0.96, 0.69, 0.71, 0.64]
    >>> found = compare_pair(he, normal, names=("he", "normal"))
    >>> found.wins, found.significance.p_value, found.verdict
    (7, 0.015625, 'better')

    Source: Agarwal et al. 2021; Demsar 2006, Statistical comparisons of classifiers; Lakens 2017 (equivalence).
    """
    one = read_runs("a", a, diverged_a, higher_is_better=higher_is_better)
    two = read_runs("b", b, diverged_b, higher_is_better=higher_is_better)
    if one.ranked.size != two.ranked.size:
        raise GoodinitError(
            f"a has {one.ranked.size} runs and b has {two.ranked.size}; pairs need the same seeds in both"
        )
    return compare_runs(
        one,
        two,
        floor,
        margin=margin,
        test=test,
        names=names,
        level=level,
        resamples=resamples,
        seed=seed,
    )


def compare_runs(
    one: Runs,
    two: Runs,
    floor: float | None,
    *,
    margin: float,
    test: PairTest,
    names: tuple[str, str],
    level: float,
    resamples: int,
    seed: int,
) -> PairComparison:
    """As `compare_pair`, of runs already read, on the same seeds."""
    check_choice("test", test, ("sign-flip", "wilcoxon"))
    rounding = one.rounding + two.rounding
    both = one.diverged & two.diverged
    explicit, floor = floor, find_floor(floor, one, two)
    order = _less(one.ranked, two.ranked, both, rounding)
    sizes = _less(one.filled(floor), two.filled(floor), both, rounding)  # in the scores' own direction
    mean = bootstrap(sizes, "mean", level=level, resamples=resamples, seed=seed)
    bounds, needed = equivalence_bounds(sizes, mean, worst_loss(explicit, one, two), margin)
    unpaired = probability_of_improvement(one.ranked, two.ranked, paired=False, same_seeds=True, level=level)
    p_sign_flip = sign_flip(sizes, resamples=resamples, seed=seed, rounding=rounding)
    p_wilcoxon = wilcoxon(order, rounding=rounding)
    p_value = p_sign_flip if test == "sign-flip" else p_wilcoxon
    compared = PairComparison(
        a=names[0],
        b=names[1],
        runs=order.size,
        wins=int((order > 0).sum()),
        ties=int((order == 0).sum()),
        losses=int((order < 0).sum()),
        mean_difference=mean,
        median_difference=bootstrap(sizes, "median", level=level, resamples=resamples, seed=seed),
        sizes=EffectSizes(
            improvement_paired=probability_of_improvement(order, np.zeros(order.size), level=level),
            improvement_unpaired=unpaired,
            cliffs_delta=Estimate(
                2 * unpaired.value - 1, 2 * unpaired.low - 1, 2 * unpaired.high - 1, unpaired.level, unpaired.method
            ),
            rank_biserial=rank_biserial(order, rounding=rounding),
            effect=one.sign * cohens_d_z(sizes),
        ),
        significance=Significance(p_sign_flip, p_wilcoxon, test, p_value, p_value, check_level(level)),
        margin=check_number("margin", margin, low=0),
        floor=floor if one.lowered(floor) or two.lowered(floor) else None,
        bounds=bounds,
        runs_needed=needed,
        verdict="not separable",
    )
    return replace(compared, verdict=judge(compared))


def judge(pair: PairComparison) -> Verdict:
    """The verdict by the pair's corrected p value, on the side to which the test's statistic points."""
    significance = pair.significance
    points = pair.sizes.effect if significance.test == "sign-flip" else pair.sizes.rank_biserial
    low, high = pair.bounds.low, pair.bounds.high
    if pair.margin > 0 and -pair.margin <= low and high <= pair.margin:
        return "equivalent"
    if (
        significance.p_adjusted <= 1 - significance.level + 1e-12
    ):  # 1 - 0.95 is a little above 0.05, 1 - 0.9 a little below 0.1
        return "better" if points > 0 else "worse"
    return "not separable"


def _less(x: Float64s, y: Float64s, both: NDArray[np.bool_], rounding: Float64s) -> Float64s:
    """x less y; 0 where both diverged or they differ by rounding alone."""
    d = np.where(both, 0.0, x) - np.where(both, 0.0, y)
    return np.where(np.abs(d) <= rounding, 0.0, d)
