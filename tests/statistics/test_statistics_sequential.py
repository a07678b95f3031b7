"""Evidence that may be looked at after every pair, against quadrature, every subset, and the exact chance of a walk."""

import math
from itertools import combinations, product

import numpy as np
import pytest
from scipy import integrate
from scipy.special import expit
from scipy.stats import rankdata

from goodinit.errors import GoodinitError
from goodinit.statistics import SignedRankEvidence, adjust_evidence, pairs_needed, share_at_least, sign_evidence


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


def ever(differences, goal=20.0):
    """Whether the evidence reaches the goal after any pair, and after how many."""
    found = SignedRankEvidence()
    for number, each in enumerate(differences, 1):
        found.add(each)
        if found.value >= goal:
            return number
    return None


def test_the_evidence_of_signed_ranks_is_the_product_of_betting_on_each_sign():
    """By SciPy's ranks, at once for all pairs; ties in size share a rank, and differences of 0 are left out."""
    rng = np.random.default_rng(0)
    differences = rng.normal(0.4, 1, size=90).round(1)
    assert (differences == 0).any()
    assert len(set(np.abs(differences))) < 60
    kept = differences[differences != 0]
    weights = np.array([(rankdata(np.abs(kept[: n + 1]))[-1] - 0.5) / (n + 1) for n in range(len(kept))])
    bets = [np.prod(2 * expit(2 * strength * weights * np.sign(kept))) for strength in (0.5, 1, 2, 4, 8)]
    found = SignedRankEvidence(differences)
    assert found.value == pytest.approx(np.mean(bets), rel=1e-9)
    assert found.opposite == pytest.approx(SignedRankEvidence(-differences).value, rel=1e-9)
    assert (found.wins, found.losses) == ((differences > 0).sum(), (differences < 0).sum())
    assert found.differences == tuple(differences)


def test_the_evidence_of_signed_ranks_is_a_fair_bet_and_its_error_is_exact():
    """Over every sign of fixed sizes its mean is 1, and it ever reaches 20 on at most 5 % of them."""
    sizes = np.random.default_rng(1).exponential(size=12)
    signs = np.array(list(product([1, -1], repeat=12)))
    ends = [SignedRankEvidence(sizes * each).value for each in signs]
    assert np.mean(ends) == pytest.approx(1, rel=1e-9)
    assert 0.01 < np.mean([ever(sizes * each) is not None for each in signs]) <= 0.05


def test_signed_ranks_of_equal_starts_are_called_better_at_most_once_in_twenty_however_often_one_looks():
    """The same starts, whose losses differ by normal, heavy-tailed or growing noise; 2000 races of 120 seeds."""
    rng = np.random.default_rng(2)
    noise = (rng.normal(size=120), rng.standard_cauchy(size=120), rng.normal(size=120) * np.arange(1, 121))
    called = [ever(rng.choice([1, -1], size=120) * noise[race % 3]) is not None for race in range(2000)]
    assert 0.015 < np.mean(called) <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 2000)


def test_signed_ranks_tell_a_lead_from_fewer_pairs_than_signs():
    rng, ranks, signs = np.random.default_rng(3), [], []
    for _ in range(40):
        differences = rng.normal(0.5, 1, size=400)
        wins = np.cumsum(differences > 0)
        ranks.append(ever(differences))
        signs.append(next(n for n in range(1, 401) if sign_evidence(int(wins[n - 1]), n - int(wins[n - 1])) >= 20))
    assert np.median(ranks) < 0.85 * np.median(signs)
    assert ever([1.0] * 9) == 6


def test_a_run_that_diverged_is_the_largest_loss():
    losing = SignedRankEvidence([0.5, 0.2, -math.inf])
    assert losing.losses == 1
    assert losing.value < SignedRankEvidence([0.5, 0.2, -0.1]).value
    with pytest.raises(GoodinitError, match="0 where both runs diverged"):
        losing.add(math.nan)


def test_adjusted_evidence_is_the_smallest_mean_over_every_subset():
    evidence = np.array([80.0, 3.0, 45.0, 0.2, 20.0])
    for place, found in enumerate(adjust_evidence(evidence)):
        others = [e for at, e in enumerate(evidence) if at != place]
        sets = [chosen for size in range(5) for chosen in combinations(others, size)]
        assert found == pytest.approx(min(np.mean([evidence[place], *chosen]) for chosen in sets))


def test_pairs_needed_get_there():
    differences = [0.4, 0.1, -0.2, 0.6, 0.3, 0.5]
    more = pairs_needed(differences, comparisons=3)
    on = (differences * 20)[: 6 + more]
    assert SignedRankEvidence(on).value >= 60 > SignedRankEvidence(on[:-1]).value
    assert pairs_needed([0.1, -0.1]) is None
    assert pairs_needed([0.1, 0.1, -0.9]) is None  # more wins than losses, which weigh more
    assert pairs_needed([1.0] * 8) == 0


def test_wrong_input_is_told():
    with pytest.raises(GoodinitError, match="wins=-1"):
        sign_evidence(-1, 0)
    with pytest.raises(GoodinitError, match="one row"):
        adjust_evidence([-1.0])
    with pytest.raises(GoodinitError, match="level"):
        share_at_least(1, 1, level=1.0)
