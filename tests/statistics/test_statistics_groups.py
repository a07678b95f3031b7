"""One group: its summary, and the rule for runs that diverged."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from goodinit.errors import GoodinitError
from goodinit.statistics import Estimate, interquartile_mean, summarize

NAN, INF = math.nan, math.inf


def test_a_group_with_everything_told():
    scores = [0.9, 0.8, 0.95, 0.7, NAN, 0.85, 0.9, 0.6]
    flags = [False] * 4 + [True] + [False] * 3
    found = summarize(
        "he",
        scores,
        success=[1, 1, 1, 0, 0, 1, 1, 0],
        diverged=flags,
        steps=[100, 200, 50, NAN, NAN, 150, 120, NAN],
        budget=300,
        floor=0.5,
    )
    assert found.iqm.value == pytest.approx(interquartile_mean([0.9, 0.8, 0.95, 0.7, 0.5, 0.85, 0.9, 0.6]))
    assert found.median.value == pytest.approx(0.825)
    assert (found.success.value, found.divergence.value, found.floor) == (0.625, 0.125, 0.5)
    assert (found.steps.reached, found.steps.median.value) == (5, 150)
    as_json = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert as_json["steps"]["reached"] == 5
    assert as_json["iqm"]["method"] == found.iqm.method


def test_what_is_not_told_is_not_measured():
    found = summarize("he", [0.9, 0.8])
    assert found.success is None
    assert found.steps is None
    assert found.floor is None
    assert found.divergence.value == 0


def test_a_diverged_run_takes_the_floor_or_the_worst_score():
    scores = [0.9, 0.8, 0.7, -INF]
    assert summarize("x", scores).iqm.value == pytest.approx(0.75)  # the worst, 0.7, stands in
    assert summarize("x", scores, floor=0.0).median.value == pytest.approx(0.75)
    assert summarize("x", scores, floor=0.0).iqm.value == pytest.approx(0.75)
    two = [0.9, -INF, 0.7, -INF]
    assert summarize("x", two, floor=0.1).iqm.value == pytest.approx(0.4)
    losses = [0.1, 0.2, INF, INF]
    found = summarize("x", losses, higher_is_better=False, floor=5.0)
    assert found.iqm.value == pytest.approx(2.6)
    assert found.divergence.value == 0.5


def test_a_flag_outweighs_a_finite_score():
    found = summarize("x", [0.9, 0.99, 0.8, 0.7], diverged=[0, 1, 0, 0], floor=0.0)
    assert found.iqm.value == pytest.approx(0.75)
    assert found.floor == 0


def test_all_diverged():
    unknown = summarize("x", [NAN] * 4, diverged=[True] * 4)
    assert unknown.iqm.value == unknown.median.high == -INF
    assert unknown.divergence.value == 1
    assert summarize("x", [INF] * 4, higher_is_better=False).iqm.value == INF
    assert summarize("x", [NAN] * 4, diverged=[True] * 4, floor=0.5).iqm == Estimate(
        0.5, 0.5, 0.5, 0.95, "all diverged"
    )


def test_a_score_below_the_floor_counts_as_it_where_sizes_count():
    assert summarize("x", [0.9, 0.8, -17.0, 0.7], floor=-1.0).iqm.value == pytest.approx((0.8 + 0.7) / 2)
    found = summarize("x", [0.9, -17.0], floor=-1.0)
    assert (found.iqm.value, found.floor) == (pytest.approx(-0.05), -1.0)
    assert summarize("x", [0.1, 0.8], floor=0.5, higher_is_better=False).median.value == pytest.approx(0.3)
    assert summarize("x", [0.9, 0.8], floor=0.0).floor is None


def test_the_direction_turns_nothing_but_the_sign():
    x = np.random.default_rng(1).normal(size=20)
    up, down = summarize("x", x), summarize("x", -x, higher_is_better=False)
    assert (up.iqm.low, up.iqm.high) == pytest.approx((-down.iqm.high, -down.iqm.low), rel=1e-12)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scores": [0.9]}, "2 seeds or more"),
        ({"scores": [0.9, NAN]}, r"nan at \[1\], which is not flagged"),
        ({"scores": [0.9, INF]}, "higher_is_better=False"),
        ({"scores": [0.9, 0.8], "diverged": [0]}, r"diverged has shape \(1,\)"),
        ({"scores": [0.9, 0.8], "success": [2, 1]}, "true or false"),
        ({"scores": [0.9, 0.8], "success": [1]}, r"success has shape \(1,\)"),
        ({"scores": [0.9, 0.8], "steps": [1, 2]}, "steps without budget"),
        ({"scores": [0.9, 0.8], "steps": [1, 2, 3], "budget": 9}, r"steps has shape \(3,\)"),
        ({"scores": [0.9, 0.8], "floor": NAN}, "floor=nan"),
        ({"scores": [-INF, -INF], "level": 2.0}, "level=2.0"),
    ],
)
def test_errors_say_what_to_do(options, message):
    with pytest.raises(GoodinitError, match=message):
        summarize("he", **options)
