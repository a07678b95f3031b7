"""The tests of no difference against SciPy, statsmodels, scikit-posthocs and plain enumeration."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest
from scipy import stats

from goodinit.errors import GoodinitError
from goodinit.statistics import friedman, holm, sign_flip, wilcoxon


def by_enumeration(values):
    """The share of sign patterns whose sum is as far from 0 as the one observed."""
    sums = [abs(sum(s * v for s, v in zip(signs, values, strict=True))) for signs in _patterns(len(values))]
    return float(np.mean(np.array(sums) >= abs(sum(values)) - 1e-9))


def _patterns(n):
    return itertools.product((-1, 1), repeat=n)


def test_holm_by_hand():
    # Holm 1979's rule worked by hand: 4 * .005, 3 * .01, 2 * .03, .04 raised to the one before.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.9]).tolist() == [1, 1]
    assert holm([]).size == 0


def test_holm_by_statsmodels():
    multitest = pytest.importorskip("statsmodels.stats.multitest")
    rng = np.random.default_rng(1)
    for m in (1, 2, 5, 28):
        p = rng.random(m) ** 3
        assert holm(p) == pytest.approx(multitest.multipletests(p, method="holm")[1], rel=1e-13)


@pytest.mark.parametrize(("k", "n", "ties"), [(3, 6, False), (4, 20, True), (6, 50, True)])
def test_friedman_by_scipy(k, n, ties):
    x = np.random.default_rng(k).normal(size=(k, n))
    x = np.round(x) if ties else x
    found, expected = friedman(x), stats.friedmanchisquare(*x)
    assert found.statistic == pytest.approx(expected.statistic, rel=1e-12)
    assert found.p_value == pytest.approx(expected.pvalue, rel=1e-10)
    assert found.mean_ranks == pytest.approx(stats.rankdata(x, axis=0).mean(axis=1), rel=1e-14)


def test_friedman_of_ties_alone():
    found = friedman(np.ones((3, 5)))
    assert (found.statistic, found.p_value, found.mean_ranks) == (0, 1, (2, 2, 2))


@pytest.mark.parametrize("n", [5, 12, 30])
def test_wilcoxon_by_scipys_exact_distribution(n):
    rng = np.random.default_rng(n)
    for shift in (0, 0.4, 3):
        d = rng.normal(size=n) + shift
        assert wilcoxon(d) == pytest.approx(stats.wilcoxon(d, method="exact").pvalue, rel=1e-10)


def test_wilcoxon_with_ties_and_zeros_by_enumeration():
    rng = np.random.default_rng(2)
    for _ in range(20):
        d = rng.integers(-3, 5, size=9).astype(float)
        if not d.any():
            continue
        ranks = stats.rankdata(np.abs(d)) * np.sign(d)
        assert wilcoxon(d) == pytest.approx(by_enumeration(ranks[ranks != 0]), rel=1e-12)


def test_wilcoxon_of_many_joins_its_normal_approximation():
    d = np.random.default_rng(3).normal(size=400) + 0.1
    expected = stats.wilcoxon(d, method="asymptotic", correction=False).pvalue
    assert wilcoxon(d) == pytest.approx(expected, rel=1e-9)
    assert wilcoxon(d[:200]) == pytest.approx(stats.wilcoxon(d[:200], method="asymptotic").pvalue, rel=0.05)


def test_ties_that_only_rounding_breaks():
    a, b = np.array([0.7, 0.8, 0.6, 0.9]), np.array([0.6, 0.7, 0.7, 0.9])
    assert len({abs(d) for d in a - b}) > 2  # 0.7 - 0.6 is not 0.8 - 0.7 in binary
    assert wilcoxon(a - b, rounding=1e-15) == wilcoxon([1, 1, -1, 0])
    assert wilcoxon([np.inf, 1.0, np.inf, -1.0]) == wilcoxon([2.0, 1.0, 2.0, -1.0])


def test_sign_flip_by_enumeration():
    rng = np.random.default_rng(4)
    for n in (2, 3, 7, 11):
        d = rng.normal(size=n) + 0.3
        assert sign_flip(d) == pytest.approx(by_enumeration(d), rel=1e-12)
    d = rng.integers(-2, 4, size=10).astype(float)  # ties and zeros
    assert sign_flip(d) == pytest.approx(by_enumeration(d), rel=1e-12)


def test_sign_flip_by_scipy():
    d = np.random.default_rng(5).normal(size=12) + 0.5
    expected = stats.permutation_test((d,), np.mean, permutation_type="samples", n_resamples=np.inf)
    assert sign_flip(d) == pytest.approx(expected.pvalue, rel=1e-12)


def test_sign_flip_of_many_is_drawn():
    d = np.random.default_rng(6).normal(size=60) + 0.25
    p = sign_flip(d, resamples=20_000)
    assert p == sign_flip(d, resamples=20_000)
    expected = stats.ttest_1samp(d, 0).pvalue
    assert p == pytest.approx(expected, abs=4 * (expected / 20_000) ** 0.5 + 0.1 * expected)
    assert sign_flip(np.ones(40), resamples=999) == 1 / 1000


def test_one_sided_seeds_reach_the_smallest_p():
    for n in (2, 5, 20):
        assert sign_flip(np.arange(1.0, n + 1)) == 2 / 2**n
        assert wilcoxon(np.arange(1.0, n + 1)) == 2 / 2**n
    assert sign_flip(np.ones(32)) == 2 / 2**32
    assert wilcoxon(np.zeros(5)) == sign_flip(np.zeros(5)) == 1


def test_pairwise_wilcoxon_by_scikit_posthocs():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its imports, not ours
        posthocs = pytest.importorskip("scikit_posthocs")
    x = np.random.default_rng(7).normal(size=(4, 15)) + np.array([[0], [0.5], [1], [2]])
    expected = np.asarray(posthocs.posthoc_wilcoxon(x.tolist(), p_adjust="holm"))
    pairs = list(itertools.combinations(range(4), 2))
    found = holm([wilcoxon(x[i] - x[j]) for i, j in pairs])
    assert found == pytest.approx([expected[i, j] for i, j in pairs], rel=1e-10)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: holm([0.5, 1.5]), "from 0 to 1"),
        (lambda: holm([0.5, np.nan]), "from 0 to 1"),
        (lambda: friedman([[1.0, 2.0]]), "two groups or more"),
        (lambda: friedman([[1.0, np.nan], [1.0, 2.0]]), "scores hold nan"),
        (lambda: sign_flip([1.0, np.inf]), "not finite"),
        (lambda: sign_flip([1.0]), "2 seeds or more"),
        (lambda: wilcoxon([1.0, np.nan]), "differences hold nan"),
    ],
)
def test_errors_say_what_to_do(call, message):
    with pytest.raises(GoodinitError, match=message):
        call()
