"""Two groups: probabilities that can be counted by hand, verdicts, and how often nothing is called something."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from goodinit.errors import GoodinitError
from goodinit.statistics import cohens_d_z, compare_pair, probability_of_improvement, rank_biserial

NAN, INF = math.nan, math.inf


def test_probabilities_of_improvement_by_hand():
    a, b = [3, 5, 4, 6], [1, 5, 2, 7]
    pair = compare_pair(a, b)
    assert (pair.wins, pair.ties, pair.losses) == (2, 1, 1)
    assert pair.sizes.improvement_paired.value == 2.5 / 4
    # 3 beats 1, 2; 5 beats 1, 2 and ties 5; 4 beats 1, 2; 6 beats 1, 5, 2: 9.5 of 16.
    assert pair.sizes.improvement_unpaired.value == 9.5 / 16
    assert pair.sizes.cliffs_delta.value == pytest.approx(2 * 9.5 / 16 - 1)
    # |d| = 2, 0, 2, 1 have ranks 3.5, 1, 3.5, 2.
    assert pair.sizes.rank_biserial == pytest.approx((3.5 + 3.5 - 2) / 10)
    assert pair.sizes.effect == pytest.approx(0.75 / math.sqrt((1.25**2 + 0.75**2 + 1.25**2 + 1.75**2) / 3))


def test_the_unpaired_probability_is_mann_whitneys():
    rng = np.random.default_rng(1)
    a, b = np.round(rng.normal(size=12), 1), np.round(rng.normal(size=9), 1)
    expected = stats.mannwhitneyu(a, b).statistic / (12 * 9)
    assert probability_of_improvement(a, b, paired=False).value == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize(("shared", "n"), [(0.0, 20), (0.7, 20), (-0.5, 20), (0.7, 10)])
def test_limits_of_the_unpaired_probability_hold(shared, n):
    rng, trials = np.random.default_rng(2), 400
    truth, kept = stats.norm.cdf(1 / math.sqrt(2)), 0
    for _ in range(trials):
        first, second = rng.normal(size=(2, n))
        a, b = first + 1, shared * first + math.sqrt(1 - shared**2) * second
        found = probability_of_improvement(a, b, paired=False, same_seeds=True)
        kept += found.low <= truth <= found.high
    assert 0.92 - 3 * 0.0136 <= kept / trials <= 0.97 + 3 * 0.0085


def test_limits_at_the_ends_are_no_points():
    found = probability_of_improvement([3, 4, 5, 6], [0, 1, 2, 2.5], paired=False)
    assert found.value == found.high == 1
    assert 0.3 < found.low < 0.95
    mirrored = probability_of_improvement([0, 1, 2, 2.5], [3, 4, 5, 6], paired=False)
    assert mirrored.high == pytest.approx(1 - found.low, abs=1e-12)


def test_a_clear_difference():
    rng = np.random.default_rng(3)
    seeds = rng.normal(size=20)
    pair = compare_pair(seeds + 1 + 0.1 * rng.normal(size=20), seeds, names=("he", "zeros"))
    assert pair.verdict == "better"
    assert pair.separable
    found = pair.significance
    assert found.p_value == found.p_adjusted == found.p_sign_flip == found.p_wilcoxon == 2 / 2**20
    assert pair.mean_difference.low < 1.05
    assert pair.mean_difference.high > 0.95
    assert str(pair).startswith("he is better than zeros: mean difference ")
    assert "20 wins, 0 ties, 0 losses on 20 seeds, p = 1.9e-06" in str(pair)


def test_losses_are_better_when_lower():
    a, b = np.random.default_rng(4).random((2, 12)) + np.array([[0.0], [2.0]])
    pair = compare_pair(a, b, higher_is_better=False)
    assert (pair.verdict, pair.wins) == ("better", 12)
    assert pair.mean_difference.value < 0 < pair.sizes.effect
    assert pair.sizes.improvement_unpaired.value == 1


@pytest.mark.parametrize("test", ["sign-flip", "wilcoxon"])
def test_told_of_the_other_it_is_mirrored(test):
    rng = np.random.default_rng(5)
    a, b = np.round(rng.random((2, 15)), 1) + np.array([[0.3], [0.0]])
    there, back = compare_pair(a, b, test=test), compare_pair(b, a, test=test).reversed()
    for name in ("mean_difference", "median_difference", "improvement_paired", "improvement_unpaired", "cliffs_delta"):
        one, other = (getattr(each if name.endswith("difference") else each.sizes, name) for each in (there, back))
        assert (one.value, one.low, one.high) == pytest.approx((other.value, other.low, other.high), abs=1e-12)
    assert (there.wins, there.losses, there.verdict) == (back.wins, back.losses, back.verdict)
    assert there.significance == back.significance
    assert (there.sizes.rank_biserial, there.sizes.effect) == pytest.approx(
        (back.sizes.rank_biserial, back.sizes.effect)
    )


@pytest.mark.parametrize("test", ["sign-flip", "wilcoxon"])
def test_the_same_thing_on_other_seeds_is_separable_at_the_nominal_rate(test):
    rng, trials = np.random.default_rng(6), 1000
    found = 0
    for i in range(trials):
        a, b = np.where(rng.random((2, 20)) < 0.3, 0.5, 0.95) + 0.02 * rng.normal(size=(2, 20))
        found += compare_pair(a, b, test=test, resamples=100, seed=i).separable
    assert abs(found / trials - 0.05) <= 3 * math.sqrt(0.05 * 0.95 / trials)


def test_equivalence_needs_a_margin_and_the_whole_interval():
    rng = np.random.default_rng(7)
    b = rng.random(80)
    a = b + 0.001 * rng.normal(size=80) + 0.002  # tiny, and yet found
    found = compare_pair(a, b)
    assert found.verdict == "better"
    assert compare_pair(a, b, margin=0.01).verdict == "equivalent"
    assert compare_pair(a, b, margin=found.mean_difference.value).verdict == "better"
    assert compare_pair(b, b).verdict == "not separable"
    assert compare_pair(b, b, margin=0.01).verdict == "equivalent"


def test_equivalence_is_refused_where_a_rare_failure_may_be_unseen():
    rng = np.random.default_rng(7)
    b = 0.9 + 0.001 * rng.normal(size=200)
    a = b + 0.0001 * rng.normal(size=200)
    for n, verdict in ((5, "not separable"), (71, "not separable"), (72, "equivalent")):  # 0.95^72 is 0.025
        found = compare_pair(a[:n], b[:n], margin=0.01, test="wilcoxon")
        assert (found.verdict, found.runs_needed) == (verdict, 72)
    told = compare_pair(a, b, margin=0.05, floor=0.0)
    share = 1 - 0.025 ** (1 / 200)  # may fail though none of 200 did
    assert told.bounds.high == pytest.approx(share * max(a.max(), b.max()), abs=1e-3)
    assert told.verdict == "equivalent"
    assert compare_pair(a, b, margin=0.015, floor=0.0).verdict == "not separable"
    assert compare_pair(a, b, margin=0.05, floor=0.0).reversed().bounds.low == -told.bounds.high


@pytest.mark.parametrize("seeds", [5, 10, 20])
def test_rare_failures_are_not_called_equivalent(seeds):
    """One run in twenty fails, which is the margin; at 10 seeds 60 % of samples show no failure."""
    rng, wrong = np.random.default_rng(3), 0
    for _ in range(200):
        a = 0.95 + 0.001 * rng.normal(size=seeds)
        b = np.where(rng.random(seeds) < 0.05, 0.0, a)
        wrong += compare_pair(a, b, margin=0.05 * 0.95, floor=0.0, resamples=100).verdict == "equivalent"
    assert wrong <= 6


def test_equal_scores_are_ties():
    pair = compare_pair([0.5] * 6, [0.5] * 6)
    assert (pair.ties, pair.sizes.effect, pair.sizes.rank_biserial) == (6, 0, 0)
    assert (pair.significance.p_sign_flip, pair.significance.p_wilcoxon) == (1, 1)
    assert pair.mean_difference.low == pair.mean_difference.high == 0
    assert pair.sizes.improvement_paired.value == pair.sizes.improvement_unpaired.value == 0.5
    constant = compare_pair([0.75] * 6, [0.5] * 6)
    assert (constant.verdict, constant.sizes.effect, constant.mean_difference.low) == ("better", INF, 0.25)
    assert constant.to_dict()["effect"] is None
    rounding = compare_pair([0.1 + 0.2] * 6, [0.3] * 6)
    assert (rounding.ties, rounding.mean_difference.value) == (6, 0)


def test_diverged_runs_lose_and_are_counted():
    a, b = [0.9, 0.8, NAN, 0.7, 0.6, NAN], [0.5, NAN, 0.4, 0.5, 0.5, 0.9]
    flags_a, flags_b = np.isnan(a), np.isnan(b)
    pair = compare_pair(a, b, diverged_a=flags_a, diverged_b=flags_b, floor=0.0)
    assert (pair.wins, pair.ties, pair.losses, pair.floor) == (4, 0, 2, 0)
    assert pair.mean_difference.value == pytest.approx((0.4 + 0.8 - 0.4 + 0.2 + 0.1 - 0.9) / 6)
    assert compare_pair(a, b, diverged_a=flags_a, diverged_b=flags_b).floor == 0.4
    both = compare_pair([0.9, -INF, 0.8], [0.1, -INF, 0.2])
    assert (both.wins, both.ties) == (2, 1)
    lost = compare_pair([-INF] * 8, np.linspace(0.5, 0.9, 8), test="wilcoxon")
    assert (lost.verdict, lost.losses, lost.sizes.improvement_unpaired.value) == ("worse", 8, 0)
    nothing = compare_pair([-INF] * 8, [-INF] * 8)
    assert (nothing.ties, nothing.verdict, nothing.mean_difference.value) == (8, "not separable", 0)


def test_the_seed_alone_decides():
    a, b = np.random.default_rng(8).normal(size=(2, 40))
    first = compare_pair(a, b, seed=1)
    compare_pair(b, a, seed=2)
    assert compare_pair(a, b, seed=1) == first
    assert compare_pair(a, b, seed=2) != first


def test_huge_losses_do_not_overflow():
    pair = compare_pair([1e290, 1.0, 2.0, 1e-290], [1.0, 1e200, 3.0, 1.0], higher_is_better=False)
    assert (pair.wins, pair.losses, pair.verdict) == (3, 1, "not separable")
    assert pair.sizes.effect == pytest.approx(-0.5)


def test_single_precision_breaks_no_tie():
    a, b = np.array([0.7, 0.8, 0.6], np.float32), np.array([0.6, 0.7, 0.7], np.float32)
    assert compare_pair(a, b).significance.p_wilcoxon == compare_pair([2, 2, 1], [1, 1, 2]).significance.p_wilcoxon
    assert compare_pair(a, b).sizes.rank_biserial == pytest.approx(1 / 3)


def test_small_effect_sizes():
    assert cohens_d_z([1.0, 1.0]) == INF
    assert cohens_d_z([-1.0, -1.0]) == -INF
    assert cohens_d_z([0.0, 0.0]) == 0
    assert rank_biserial([1.0, 2.0, INF]) == 1
    assert rank_biserial([0.0, 0.0]) == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"a": [1.0, 2.0, 3.0]}, "a has 3 runs and b has 2"),
        ({"a": [1.0]}, "2 seeds or more"),
        ({"a": [1.0, NAN]}, "not flagged"),
        ({"margin": -0.1}, "margin=-0.1"),
        ({"level": 0.0}, "level=0.0"),
        ({"floor": NAN}, "floor=nan"),
        ({"test": "t"}, "sign-flip, wilcoxon"),
        ({"diverged_a": [0, 1, 0]}, "diverged has shape"),
    ],
)
def test_errors_say_what_to_do(options, message):
    with pytest.raises(GoodinitError, match=message):
        compare_pair(**{"a": [1.0, 2.0], "b": [2.0, 3.0], **options})


def test_errors_of_probabilities():
    with pytest.raises(GoodinitError, match="the same seeds in both"):
        probability_of_improvement([1, 2], [1, 2, 3])
    with pytest.raises(GoodinitError, match="must hold no nan"):
        probability_of_improvement([1, NAN], [1, 2])
