"""Evidence that may be looked at after every pair, against quadrature, every subset, and the exact chance of a walk."""

from itertools import combinations

import numpy as np
import pytest
from scipy import integrate

from goodinit.errors import GoodinitError
from goodinit.statistics import adjust_evidence, pairs_needed, share_at_least, sign_evidence


def chance_of_ever(reached, p, pairs):
    """The exact chance that a walk of wins of chance p is at a (wins, losses) that is `reached` at any time."""
    alive, ever = np.array([1.0]), 0.0  # by wins, of walks that have not been there
    for number in range(1, pairs + 1):
        step = np.zeros(number + 1)
        step[1:] += p * alive
        step[:-1] += (1 - p) * alive
        there = np.array([reached(wins, number - wins) for wins in range(number + 1)])
        ever += step[there].sum()
        alive = np.where(there, 0.0, step)
    return ever


@pytest.mark.parametrize(("wins", "losses"), [(0, 0), (6, 0), (17, 3), (4, 9), (30, 30)])
def test_the_evidence_is_the_mixture_by_quadrature(wins, losses):
    def over(angle):  # p = sin^2: the density of Beta(1/2, 1/2) is level in the angle
        p = np.sin(angle) ** 2
        return (2 * p) ** wins * (2 * (1 - p)) ** losses

    mean = integrate.quad(over, np.pi / 4, np.pi / 2)[0] / (np.pi / 4)
    assert sign_evidence(wins, losses) == pytest.approx(mean, rel=1e-9)


@pytest.mark.parametrize("p", [0.5, 0.45])
def test_a_fair_coin_is_called_better_at_most_once_in_twenty_races_however_often_one_looks(p):
    false = chance_of_ever(lambda wins, losses: sign_evidence(wins, losses) >= 20, p, 300)
    assert false <= 0.05
    assert p < 0.5 or false > 0.02  # and the rule is not so strict that it says nothing


def test_a_coin_that_wins_is_found():
    assert chance_of_ever(lambda wins, losses: sign_evidence(wins, losses) >= 20, 0.9, 20) > 0.9


@pytest.mark.parametrize("p", [0.5, 0.8, 0.97])
def test_the_bound_of_a_share_is_right_at_all_times_together(p):
    wrong = chance_of_ever(lambda wins, losses: share_at_least(wins, losses) > p, p, 60)
    assert wrong <= 0.05
    assert p > 0.5 or wrong > 0.02  # and it is not so low that it says nothing


def test_the_bound_is_above_a_half_where_half_is_spoken_against():
    for wins, losses in [(6, 0), (9, 1), (14, 4), (5, 0), (8, 1), (12, 5)]:
        assert (share_at_least(wins, losses) > 0.5) == (sign_evidence(wins, losses) > 20)


def test_adjusted_evidence_is_the_smallest_mean_over_every_subset():
    evidence = np.array([80.0, 3.0, 45.0, 0.2, 20.0])
    for place, found in enumerate(adjust_evidence(evidence)):
        others = [e for at, e in enumerate(evidence) if at != place]
        sets = [chosen for size in range(5) for chosen in combinations(others, size)]
        assert found == pytest.approx(min(np.mean([evidence[place], *chosen]) for chosen in sets))


def test_pairs_needed_get_there():
    more = pairs_needed(5, 1, comparisons=3)
    won = round((5.5 / 7) * more)
    assert sign_evidence(5 + won, 1 + more - won) >= 60 > sign_evidence(5, 1)
    assert pairs_needed(2, 2) is None


def test_wrong_input_is_told():
    with pytest.raises(GoodinitError, match="wins=-1"):
        sign_evidence(-1, 0)
    with pytest.raises(GoodinitError, match="one row"):
        adjust_evidence([-1.0])
    with pytest.raises(GoodinitError, match="level"):
        share_at_least(1, 1, level=1.0)
