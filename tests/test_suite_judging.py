"""The suite's rule: what is told apart at two rates, and how often equal starts are."""

import math

import numpy as np
import pytest

from goodinit.statistics import wilcoxon
from goodinit.suite.judging import behind, judge

SEEDS = [0.01 * number for number in range(10)]


def losses_of(levels):
    """Losses of starts at rates: a level, and what the seed adds."""
    asked = []

    def losses(start, rate):
        asked.append((start, rate))
        return [levels[start, rate] + seed for seed in SEEDS]

    return losses, asked


def test_a_start_is_better_where_it_is_ahead_at_the_rate_of_each():
    losses, _ = losses_of({("base", 0.1): 2.0, ("own", 0.01): 1.0, ("base", 0.01): 3.0})
    rates = {"base": 0.1, "own": 0.01}
    assert behind(rates, losses) == [("base", 0.01)]
    said = judge(rates, losses)["own"]
    assert said.verdict == "better"
    assert said.p_value == wilcoxon([-1.0] * 10) == 2 / 2**10
    assert said.crossed == tuple(3.0 + seed for seed in SEEDS)


@pytest.mark.parametrize("base_there", [0.5, 1.0], ids=["the base is ahead there", "they are alike there"])
def test_a_start_at_a_better_rate_only_is_not_told_apart(base_there):
    losses, _ = losses_of({("base", 0.1): 2.0, ("own", 0.01): 1.0, ("base", 0.01): base_there})
    said = judge({"base": 0.1, "own": 0.01}, losses)["own"]
    assert said.verdict == "not separable"
    assert said.p_value == 1.0


@pytest.mark.parametrize(("there", "verdict"), [(2.5, "worse"), (0.5, "not separable")])
def test_a_start_is_worse_where_it_is_behind_at_the_rate_of_the_base_too(there, verdict):
    losses, _ = losses_of({("base", 0.1): 1.0, ("own", 0.01): 2.0, ("own", 0.1): there})
    rates = {"base": 0.1, "own": 0.01}
    assert behind(rates, losses) == [("own", 0.1)]
    assert judge(rates, losses)["own"].verdict == verdict


def test_nothing_more_is_asked_of_starts_that_are_alike_or_have_one_rate():
    levels = {("base", 0.1): 1.0, ("same rate", 0.1): 2.0}
    noise = {("alike", 0.01): [1.0 + seed + (-1) ** place * 0.5 for place, seed in enumerate(SEEDS)]}

    def losses(start, rate):
        return noise.get((start, rate)) or [levels[start, rate] + seed for seed in SEEDS]

    rates = {"base": 0.1, "same rate": 0.1, "alike": 0.01}
    assert behind(rates, losses) == []
    said = judge(rates, losses)
    assert (said["same rate"].verdict, said["alike"].verdict) == ("worse", "not separable")
    assert said["same rate"].crossed == ()


def test_diverged_runs_are_the_worst_and_tie_with_each_other():
    def losses(start, rate):
        return [math.inf] * 10 if (start, rate) == ("base", 0.1) else [1.0 + seed for seed in SEEDS]

    said = judge({"base": 0.1, "own": 0.1, "too": 0.1}, losses)
    assert (said["own"].verdict, said["too"].verdict) == ("better", "better")
    assert judge({"own": 0.1, "base": 0.1, "too": 0.1}, losses)["too"].p_value == 1.0


def test_equal_starts_of_which_chance_chose_the_rates_are_told_apart_in_at_most_five_per_cent():
    """The rates are 0.5 noises apart, so that at their own rates alone far more would be."""
    runs, wrong, alone = 400, 0, 0
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        drawn = 0.5 * np.arange(3.0) + rng.normal(size=(2, 20, 3))
        rates = {str(start): float(rng.integers(3)) for start in range(2)}

        def losses(start, rate, drawn=drawn):
            return drawn[int(start), :, int(rate)].tolist()

        wrong += judge(rates, losses)["1"].verdict != "not separable"
        alone += wilcoxon(np.subtract(losses("1", rates["1"]), losses("0", rates["0"]))) <= 0.05
    assert wrong <= 0.05 * runs
    assert alone > 0.2 * runs
