"""Many groups: places that are honest about what cannot be told, and how often nothing is called something."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from scipy import stats

from goodinit.errors import GoodinitError
from goodinit.statistics import compare_groups, compare_pair, holm, summarize, wilcoxon

NAN, INF = math.nan, math.inf


def shifted(shifts, n=20, noise=1.0, seed=1):
    return noise * np.random.default_rng(seed).normal(size=(len(shifts), n)) + np.array(shifts)[:, None]


def test_clear_groups_have_places_of_their_own():
    found = compare_groups(["low", "high", "middle"], shifted([0, 10, 5]))
    assert [(g.name, g.rank) for g in found.groups] == [("high", 1), ("middle", 2), ("low", 3)]
    assert found.names == ("high", "middle", "low")
    assert found["high"].better_than == ("middle", "low")
    assert found["low"].worse_than == ("high", "middle")
    assert found.notes == ()
    assert found.test == "wilcoxon"
    assert found.friedman.mean_ranks == (3, 1, 2)
    assert found.pair("high", "low").verdict == "better"
    assert found.pair("low", "high").verdict == "worse"
    assert found.pair("low", "high").wins == 0
    json.dumps(found.to_dict(), allow_nan=False)


def test_p_values_are_the_larger_of_friedmans_and_holms():
    x = shifted([0, 0.7, 1.2, 1.3], seed=2)
    found = compare_groups("abcd", x)
    expected = holm([stats.wilcoxon(x[i], x[j]).pvalue for i, j in [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]])
    overall = stats.friedmanchisquare(*x).pvalue
    assert [pair.significance.p_adjusted for pair in found.pairs] == pytest.approx(
        np.maximum(expected, overall), rel=1e-9
    )


def test_not_separable_is_no_chain():
    # a beats c, and b is level with both.
    rng = np.random.default_rng(1)
    base = rng.normal(size=16)
    a, c = base + 1.0, base + 0.1 * rng.normal(size=16)
    b = base + 0.5 + 1.5 * rng.normal(size=16)
    found = compare_groups("abc", [a, b, c])
    assert found["a"].better_than == ("c",)
    assert set(found["b"].not_separable_from) == {"a", "c"}
    assert found["a"].rank == 1
    places = [group.rank for group in found.groups]
    for one in found.groups:  # nobody shares a place with one that beats it
        for other in found.groups:
            assert one.rank != other.rank or one is other or other.name in one.not_separable_from
    assert places == [1, 1, 3]
    assert found.notes == (
        "a and b share rank 1: they are not separable.",
        "b (rank 1) and c (rank 3) are not separable either.",
    )


def test_two_groups_are_one_pair():
    x = shifted([0, 0.9], seed=4)
    found = compare_groups(["a", "b"], x)
    assert found.friedman is None
    assert found.pairs == (compare_pair(x[0], x[1], names=("a", "b")),)
    assert found.test == "sign-flip"
    assert found.power.comparisons == 1


def test_one_group_has_the_first_place():
    found = compare_groups(["he"], [[0.9, 0.8, 0.7]])
    assert (found.names, found["he"].rank, found.pairs, found.friedman, found.power) == (("he",), 1, (), None, None)
    assert found["he"].summary == summarize("he", [0.9, 0.8, 0.7])


@pytest.mark.parametrize("k", [3, 5])
def test_the_same_thing_on_other_seeds_is_separable_at_most_at_the_nominal_rate(k):
    rng, trials = np.random.default_rng(k), 400
    names, said, overall = [str(i) for i in range(k)], 0, 0
    for i in range(trials):
        x = np.where(rng.random((k, 15)) < 0.3, 0.5, 0.95) + 0.02 * rng.normal(size=(k, 15))
        found = compare_groups(names, x, resamples=100, seed=i)
        said += any(pair.separable for pair in found.pairs)
        overall += found.friedman.p_value <= 0.05
    error = math.sqrt(0.05 * 0.95 / trials)
    assert abs(overall / trials - 0.05) <= 3 * error
    assert 0 < said / trials <= 0.05 + 3 * error


def test_ties_constants_and_all_diverged():
    same = compare_groups("abc", np.full((3, 6), 0.5))
    assert [group.rank for group in same.groups] == [1, 1, 1]
    assert same.friedman.p_value == 1
    assert same.notes[0] == "a, b and c share rank 1: they are not separable."
    assert any("Friedman's test finds no difference" in note for note in same.notes)
    alike = compare_groups("abc", np.full((3, 80), 0.5), margin=0.1)
    assert alike.notes[0] == "a, b and c share rank 1: they are equivalent within the margin."
    few = compare_groups("abc", np.full((3, 6), 0.5), margin=0.1, floor=0.0)
    assert few.notes[0] == "a, b and c share rank 1: they are not separable."
    assert any("6 seeds cannot show that two are equivalent within 0.1: up to 46% of" in note for note in few.notes)
    x = shifted([0, 5, 0], n=12)
    x[2] = NAN
    lost = compare_groups("abc", x, diverged=np.isnan(x))
    assert [group.name for group in lost.groups] == ["b", "a", "c"]
    assert lost["c"].rank == 3
    assert lost["c"].summary.floor == x[0].min()  # the worst of all groups
    assert "Every run of c diverged." in lost.notes
    nothing = compare_groups("abc", np.full((3, 6), INF), higher_is_better=False)
    assert [group.rank for group in nothing.groups] == [1, 1, 1]
    assert nothing["a"].summary.iqm.value == INF


def test_losses_rank_lowest_first():
    found = compare_groups("abc", shifted([0, 10, 5]), higher_is_better=False)
    assert found.names == ("a", "c", "b")
    assert found.friedman.mean_ranks == (1, 3, 2)
    assert found.pair("a", "b").verdict == "better"


def test_steps_success_and_budget_go_to_the_summaries():
    x = shifted([0, 5], n=4)
    found = compare_groups(
        "ab", x, success=[[0, 0, 0, 1], [1, 1, 1, 1]], steps=[[NAN, NAN, NAN, 50], [5, 6, 7, 8]], budget=100
    )
    assert (found["a"].summary.success.value, found["a"].summary.steps.reached) == (0.25, 1)
    assert (found["b"].summary.success.value, found["b"].summary.steps.median.value) == (1, 6)
    own = compare_groups("ab", x, steps=[[NAN, NAN, NAN, 50], [5, 6, 7, 8]], budget=[[99] * 4, [10] * 4])
    assert own["b"].summary.steps.horizon == 10


def test_too_few_seeds_are_said():
    found = compare_groups("abc", shifted([0, 10, 5], n=5))
    assert not any(pair.separable for pair in found.pairs)
    assert found.notes[-1].startswith("5 seeds are too few to find any difference")


def test_order_and_names_change_no_number():
    x = shifted([0, 1, 0.5], seed=5)
    there, back = compare_groups("abc", x, seed=3), compare_groups("cba", x[::-1], seed=3)
    assert there.names == back.names
    for name in "abc":
        assert there[name].rank == back[name].rank
        assert there[name].summary == back[name].summary
    for one, other in ("ab", "ac", "bc"):
        first, second = there.pair(one, other), back.pair(one, other)
        assert (first.significance.p_adjusted, first.verdict) == pytest.approx(
            (second.significance.p_adjusted, second.verdict)
        )
        assert first.mean_difference.low == pytest.approx(second.mean_difference.low, rel=1e-12)


def test_a_group_may_be_better_seed_by_seed_and_lower_in_the_middle():
    b = np.linspace(0, 1, 20)
    a = b + 0.01
    a[9:11] -= 0.6  # two of the middle seeds fall to the bottom
    found = compare_groups("ab", [a, b], test="wilcoxon")
    assert found.names == ("b", "a")
    assert found.pair("a", "b").verdict == "better"
    assert found.pair("a", "b").significance.p_value == wilcoxon([0.01] * 18 + [-0.59] * 2)
    assert [group.rank for group in found.groups] == [1, 2]
    assert found.notes == ("a is better than b seed by seed, though its interquartile mean is not.",)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"names": ["a"]}, "one distinct name for each of the 2 rows"),
        ({"names": ["a", "a"]}, "one distinct name"),
        ({"scores": [[1.0, 2.0], [1.0]]}, "no seed left out"),
        ({"scores": [[1.0, 2.0], [1.0, NAN]]}, r"nan at \[1, 1\]"),
        ({"scores": [[1.0], [2.0]]}, "2 seeds or more"),
        ({"scores": [1.0, 2.0]}, "a row a group"),
        ({"success": [1, 0]}, r"success has shape \(2,\)"),
        ({"steps": [[1, 2], [1, 2]]}, "steps without budget"),
        ({"margin": -1.0}, "margin=-1.0"),
        ({"level": 1.5}, "level=1.5"),
        ({"test": "anova"}, "test='anova'"),
    ],
)
def test_errors_say_what_to_do(options, message):
    with pytest.raises(GoodinitError, match=message):
        compare_groups(**{"names": ["a", "b"], "scores": [[1.0, 2.0], [2.0, 3.0]], **options})


def test_looking_up_what_was_not_compared():
    found = compare_groups("ab", shifted([0, 1]))
    with pytest.raises(GoodinitError, match="'c' was not compared"):
        found["c"]
    with pytest.raises(GoodinitError, match="were not compared"):
        found.pair("a", "c")
