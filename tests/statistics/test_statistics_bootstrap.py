"""Bootstrap intervals: how often they hold, by simulation, and that the seed alone decides them."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from scipy import stats

from goodinit.errors import GoodinitError
from goodinit.statistics import bootstrap, compare_pair, interquartile_mean, wilson

TRIALS = 1000
# 95 % less what a skewed mean loses at 20 seeds; then three binomial standard errors either way.
NORMAL, SKEWED = (0.95, 0.97), (0.91, 0.97)


def normal(rng, shape):
    return rng.normal(size=shape)


def skewed(rng, shape):
    return rng.exponential(size=shape)


def two_peaked(rng, shape):  # three runs in ten fail
    failed = rng.random(shape) < 0.3
    return np.where(failed, 0.5 + 0.05 * rng.normal(size=shape), 0.95 + 0.02 * rng.normal(size=shape))


def within(rate, bounds):
    low, high = (p + side * 3 * (p * (1 - p) / TRIALS) ** 0.5 for p, side in zip(bounds, (-1, 1), strict=True))
    return low <= rate <= high


@pytest.mark.parametrize("draw", [normal, skewed, two_peaked])
@pytest.mark.parametrize("statistic", ["iqm", "median"])
def test_intervals_of_a_group_hold_at_20_seeds(draw, statistic):
    rng = np.random.default_rng(1)
    many = draw(rng, 1_000_000)
    truth = stats.trim_mean(many, 0.25) if statistic == "iqm" else np.median(many)
    found = [bootstrap(draw(rng, 20), statistic, resamples=500, seed=i) for i in range(TRIALS)]
    assert within(np.mean([e.low <= truth <= e.high for e in found]), NORMAL)


@pytest.mark.parametrize("draw", [normal, skewed, two_peaked])
def test_the_interval_of_a_paired_difference_holds_at_20_seeds(draw):
    rng = np.random.default_rng(2)
    truth = float(draw(rng, 4_000_000).mean())
    kept = 0
    for i in range(TRIALS):
        seeds = 3 * rng.normal(size=20)  # what the two have in common
        pair = compare_pair(seeds + draw(rng, 20), seeds, resamples=500, seed=i)
        kept += pair.mean_difference.low <= truth <= pair.mean_difference.high
    assert within(kept / TRIALS, SKEWED if draw is skewed else NORMAL)


@pytest.mark.parametrize("n", [10, 50])
def test_the_interval_of_the_interquartile_mean_holds_at_few_and_many_seeds(n):
    rng = np.random.default_rng(3)
    found = [bootstrap(normal(rng, n), resamples=500, seed=i) for i in range(TRIALS)]
    assert within(np.mean([e.low <= 0 <= e.high for e in found]), NORMAL)


def test_the_interval_of_a_normal_mean_is_nearly_students():
    x = np.random.default_rng(4).normal(size=30)
    found = bootstrap(x, "mean", resamples=20_000)
    expected = stats.ttest_1samp(x, 0).confidence_interval(0.95)
    half = (expected.high - expected.low) / 2
    assert found.low == pytest.approx(expected.low, abs=0.1 * half)
    assert found.high == pytest.approx(expected.high, abs=0.1 * half)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 7, 20, 21])
def test_interquartile_mean_is_scipys_trimmed_mean(n):
    x = np.random.default_rng(n).normal(size=n)
    assert interquartile_mean(x) == pytest.approx(stats.trim_mean(x, 0.25), rel=1e-13)


def test_the_seed_alone_decides():
    x, y = np.random.default_rng(6).normal(size=(2, 15))
    first = bootstrap(x, seed=3)
    bootstrap(y, "mean", seed=5)
    np.random.default_rng(0).normal(size=5)
    assert bootstrap(x, seed=3) == first
    assert bootstrap(x, seed=4) != first
    whole = bootstrap(x, "mean", seed=3, resamples=500)
    assert bootstrap(x.tolist(), "mean", seed=3, resamples=500) == whole


def test_more_elements_than_a_chunk_resample_as_in_one_piece(monkeypatch):
    x = np.random.default_rng(7).normal(size=17)
    whole = bootstrap(x)
    monkeypatch.setattr(sys.modules[bootstrap.__module__], "_CHUNK", 1000)
    assert bootstrap(x) == whole


def test_equal_scores_have_a_point_for_an_interval():
    for statistic in ("iqm", "median", "mean"):
        found = bootstrap([0.1] * 7, statistic)
        assert found.value == found.low == found.high == pytest.approx(0.1, rel=1e-15)


def test_two_scores_have_the_t_interval():
    found = bootstrap([1.0, 3.0], "mean")  # the t quantile of 1 degree of freedom is 12.706, the standard error 1
    assert (found.low, found.value, found.high) == pytest.approx((2 - 12.7062, 2, 2 + 12.7062), rel=1e-5)


def test_wilson_by_statsmodels():
    proportion = pytest.importorskip("statsmodels.stats.proportion")
    for count, runs, level in [(0, 5, 0.95), (3, 20, 0.9), (20, 20, 0.99)]:
        found = wilson(count, runs, level=level)
        low, high = proportion.proportion_confint(count, runs, alpha=1 - level, method="wilson")
        assert (found.low, found.high) == pytest.approx((low, high), abs=1e-12)


def test_wilson_by_scipy_and_its_ends():
    for count, runs in [(0, 5), (1, 5), (5, 5), (3, 20), (19, 20)]:
        found = wilson(count, runs)
        expected = stats.binomtest(count, runs).proportion_ci(0.95, method="wilson")
        assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-12)
    z2 = stats.norm.ppf(0.975) ** 2
    assert wilson(0, 20).high == pytest.approx(z2 / (20 + z2), rel=1e-12)
    assert wilson(20, 20).high == 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: bootstrap([1.0]), "2 seeds or more"),
        (lambda: bootstrap([[1.0, 2.0]]), r"shape \(1, 2\)"),
        (lambda: bootstrap([1.0, np.nan]), "not finite"),
        (lambda: bootstrap(["a", "b"]), "not an array of numbers"),
        (lambda: bootstrap([1.0, 2.0], level=95), "level=95"),
        (lambda: bootstrap([1.0, 2.0], level=1.0), "level=1.0"),
        (lambda: bootstrap([1.0, 2.0], resamples=10), "resamples=10"),
        (lambda: bootstrap([1.0, 2.0], "mode"), "iqm, median, mean"),
        (lambda: bootstrap([1.0, 2.0], seed=-1), "seed=-1"),
        (lambda: wilson(6, 5), "cannot exceed"),
        (lambda: wilson(0, 0), "runs=0"),
    ],
)
def test_errors_say_what_to_do(call, message):
    with pytest.raises(GoodinitError, match=message):
        call()


@pytest.mark.parametrize(("seeds", "least"), [(3, 0.92), (5, 0.91), (10, 0.93)])
def test_interquartile_means_of_few_normal_scores_are_covered(seeds, least):
    """Over 400 samples; the standard error of a share of 0.95 is 0.011."""
    rng = np.random.default_rng(11)
    found = [bootstrap(rng.normal(size=seeds), "iqm", resamples=300) for _ in range(400)]
    assert np.mean([each.low <= 0 <= each.high for each in found]) >= least
