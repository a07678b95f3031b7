"""Performance profiles: shares that can be counted, and bands that hold."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from goodinit.errors import GoodinitError
from goodinit.statistics import performance_profile

NAN, INF = math.nan, math.inf


def test_shares_by_hand():
    found = performance_profile([[0.9, 0.5, 0.8, 0.7], [0.6, 0.6, 0.9, 0.4]], [0.0, 0.6, 0.9])
    assert found.share.tolist() == [1, 0.5, 0]
    assert (found.low <= found.share).all()
    assert (found.share <= found.high).all()
    assert found.to_dict()["share"] == [1, 0.5, 0]


def test_tasks_of_unequal_length_weigh_the_same():
    found = performance_profile([[1, 1, 0, 0, 0, 0], [1, 0]], [0.5])
    assert found.share[0] == pytest.approx((2 / 6 + 1 / 2) / 2)


def test_losses_and_diverged_runs():
    scores = [[0.1, 0.2, INF], [NAN, 0.4, 0.3]]
    found = performance_profile(scores, [0.25, 1.0], diverged=[[0, 0, 0], [1, 0, 0]], higher_is_better=False)
    assert found.share == pytest.approx([2 / 6, 4 / 6])
    assert performance_profile([[0.5, 0.7], [0.6, -INF]]).thresholds.tolist() == [0.5, 0.6, 0.7]


def test_bands_hold_at_each_threshold():
    rng, trials, tau = np.random.default_rng(1), 300, np.array([-0.5, 0.5])
    shifts = np.array([[0.0], [0.5], [-0.5]])
    truth, kept = stats.norm.sf(tau - shifts).mean(axis=0), np.zeros(2)
    for i in range(trials):
        found = performance_profile(rng.normal(size=(3, 20)) + shifts, tau, resamples=400, seed=i)
        kept += (found.low <= truth) & (truth <= found.high)
    assert (kept / trials >= 0.94 - 3 * 0.0137).all()
    assert (kept / trials <= 0.98 + 3 * 0.0081).all()


def test_the_seed_alone_decides():
    x = np.random.default_rng(2).normal(size=(2, 10))
    first = performance_profile(x, [0.0], seed=1)
    performance_profile(x[::-1], [0.1], seed=2)
    assert performance_profile(x, [0.0], seed=1).to_dict() == first.to_dict()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scores": []}, "no task"),
        ({"scores": [[1.0]]}, "scores of task 0 has shape"),
        ({"scores": [[1.0, 2.0], [1.0, NAN]]}, r"scores of task 1 has nan at \[1\]"),
        ({"scores": [[1.0, 2.0]], "thresholds": [NAN]}, "finite numbers"),
        ({"scores": [[-INF, -INF]]}, "where every run diverged give them"),
        ({"scores": [[1.0, 2.0]], "diverged": [[0, 0], [0, 0]]}, "diverged has 2 rows"),
    ],
)
def test_errors_say_what_to_do(options, message):
    with pytest.raises(GoodinitError, match=message):
        performance_profile(**options)
