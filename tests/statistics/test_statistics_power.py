"""What a number of seeds can find, against the test itself run on drawn differences."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from goodinit.errors import GoodinitError
from goodinit.statistics import power_note


@pytest.mark.parametrize(("n", "comparisons"), [(6, 1), (10, 1), (20, 3), (60, 1)])
def test_the_effect_is_found_at_that_rate(n, comparisons):
    note, trials = power_note(n, comparisons=comparisons), 3000
    d = np.random.default_rng(n).normal(size=(trials, n)) + note.effect
    method = "exact" if n <= 40 else "asymptotic"
    rate = np.mean(stats.wilcoxon(d, axis=1, method=method).pvalue <= 0.05 / comparisons)
    assert rate == pytest.approx(0.8, abs=4 * (0.16 / trials) ** 0.5)
    assert note.probability == pytest.approx(stats.norm.cdf(note.effect))


def test_the_two_ways_join():
    below, above = (power_note(n, comparisons=3).effect for n in (40, 41))
    assert above == pytest.approx(below * (40 / 41) ** 0.5, rel=0.03)


def test_what_cannot_be_reached():
    assert [n for n in range(2, 12) if power_note(n).reachable] == list(range(6, 12))
    assert [n for n in range(2, 12) if power_note(n, comparisons=3).reachable] == list(range(7, 12))
    note = power_note(3)
    assert (note.smallest_p, note.effect, note.probability, note.runs_needed) == (0.25, None, None, 6)
    assert note.sentence == (
        "3 seeds are too few to find any difference: the smallest p there is, 0.25, is above 0.05; run 6 seeds or more."
    )
    assert "after correction for 3 comparisons" in power_note(3, comparisons=3).sentence
    assert power_note(6, level=0.96875).reachable  # 2 / 2^6 itself
    assert power_note(3).to_dict()["effect"] is None


def test_more_seeds_find_less():
    effects = [power_note(n).effect for n in (6, 8, 12, 20, 40, 41, 80, 1000)]
    assert effects == sorted(effects, reverse=True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"runs": 1}, "runs=1"),
        ({"runs": 10, "comparisons": 0}, "comparisons=0"),
        ({"runs": 10, "level": 5}, "level=5"),
        ({"runs": 10, "power": 1.0}, "power=1.0"),
        ({"runs": 10, "power": 0.2}, "at least 0.5"),
    ],
)
def test_errors_say_what_to_do(options, message):
    with pytest.raises(GoodinitError, match=message):
        power_note(**options)
