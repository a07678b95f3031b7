"""Steps to a target against a published life table, SciPy's estimate, and a closed form."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from goodinit.errors import GoodinitError
from goodinit.statistics import kaplan_meier, steps_to_target

NAN = math.nan


def test_kaplan_meier_of_a_published_trial():
    # Freireich et al. 1963, weeks of remission under 6-MP, the worked example of most textbooks.
    reached = [6, 6, 6, 7, 10, 13, 16, 22, 23]
    censored = [6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35]
    curve = kaplan_meier(reached + [NAN] * 12, [40] * 9 + censored)
    assert curve.steps.tolist() == [6, 7, 10, 13, 16, 22, 23]
    assert curve.at_risk.tolist() == [21, 17, 15, 12, 11, 7, 6]
    assert curve.reached.tolist() == [3, 1, 1, 1, 1, 1, 1]
    assert curve.share == pytest.approx([0.857, 0.807, 0.753, 0.690, 0.627, 0.538, 0.448], abs=5.1e-4)
    found = steps_to_target(reached + [NAN] * 12, [40] * 9 + censored)
    assert found.median.value == 23
    assert found.median.low < 23 < found.median.high


def test_kaplan_meier_by_scipy():
    rng = np.random.default_rng(1)
    times, budgets = rng.integers(1, 30, 40), rng.integers(10, 30, 40)
    hit = times <= budgets
    curve = kaplan_meier(np.where(hit, times, NAN), budgets)
    sf = stats.ecdf(stats.CensoredData(uncensored=times[hit], right=budgets[~hit])).sf
    assert curve.share == pytest.approx(sf.evaluate(curve.steps), abs=1e-12)


def test_the_restricted_mean_of_one_budget_counts_the_others_at_it():
    steps = np.array([300, 420, 380, 510, NAN, 450, 390, math.inf, 1000])
    found = steps_to_target(steps, 1000)
    assert found.restricted_mean.value == pytest.approx(np.minimum(np.nan_to_num(steps, nan=1000), 1000).mean())
    assert found.restricted_mean.low < found.restricted_mean.value < found.restricted_mean.high
    assert (found.runs, found.reached, found.horizon) == (9, 7, 1000)
    assert found.median.value == 450


def test_the_restricted_mean_by_integrating_the_curve():
    steps, budgets = [5, NAN, 12, NAN, 7, 18], [20, 9, 30, 15, 20, 18]
    curve = kaplan_meier(steps, budgets)
    grid = (np.arange(9000) + 0.5) / 1000
    share = np.concatenate([[1.0], curve.share])[np.searchsorted(curve.steps, grid, side="right")]
    found = steps_to_target(steps, budgets)
    assert found.horizon == 9
    assert found.restricted_mean.value == pytest.approx(share.mean() * 9, rel=1e-9)


def test_the_interval_of_the_restricted_mean_holds():
    rng, trials, rate, budget = np.random.default_rng(2), 300, 1 / 600, 1000
    truth = (1 - math.exp(-rate * budget)) / rate
    kept = 0
    for i in range(trials):
        steps = rng.exponential(1 / rate, size=20)
        mean = steps_to_target(np.where(steps > budget, NAN, steps), budget, resamples=400, seed=i).restricted_mean
        kept += mean.low <= truth <= mean.high
    assert 0.93 - 3 * 0.015 <= kept / trials <= 0.97 + 3 * 0.01


def test_none_and_all_reach_it():
    none = steps_to_target([NAN] * 5, 100)
    assert none.reached == 0
    assert none.median.value == none.median.low == math.inf
    assert none.restricted_mean.value == none.restricted_mean.low == none.restricted_mean.high == 100
    every = steps_to_target([7] * 5, 100)
    assert every.median.value == every.median.high == every.restricted_mean.value == 7
    assert none.to_dict()["median"]["value"] is None
    half = steps_to_target([10, 20, NAN, NAN], 100)
    assert half.median.value == 20
    assert half.median.high == math.inf
    assert kaplan_meier([NAN, NAN], 9).steps.size == 0


def test_half_is_half_in_spite_of_rounding():
    # 1 - 1/7, 6/7 - 1/7, ... as products: S falls to exactly one half only up to rounding.
    for n in range(2, 60, 2):
        assert steps_to_target(np.arange(1, n + 1), n, resamples=100).median.value == n / 2


@pytest.mark.parametrize(
    ("steps", "budget", "message"),
    [
        ([5, 200], 100, "beyond that run's budget of 100"),
        ([-1, 5], 100, "holds -1"),
        ([1, 5], 0, "above 0"),
        ([1, 5], [10, 10, 10], r"budget has shape \(3,\)"),
        ([5], 100, "2 seeds or more"),
    ],
)
def test_errors_say_what_to_do(steps, budget, message):
    with pytest.raises(GoodinitError, match=message):
        steps_to_target(steps, budget)
