"""One ranking over several tasks, against SciPy and what can be told by hand."""

import numpy as np
import pytest
from scipy import stats

import goodinit
from goodinit.errors import GoodinitError
from goodinit.statistics import aggregate_tasks


def made(shifts, seeds=12):
    """Three groups on as many tasks as there are shifts; b is better by the task's shift, c is a."""
    rng = np.random.default_rng(5)
    tasks = []
    for shift in shifts:
        a = 0.7 + 0.02 * rng.normal(size=seeds)
        tasks.append(np.stack([a, a + shift + 0.005 * rng.normal(size=seeds), a + 0.005 * rng.normal(size=seeds)]))
    return tasks


def test_the_value_is_the_trimmed_mean_of_all_runs():
    scores = made([0.05, -0.01, 0.02])
    found = aggregate_tasks("xyz", "abc", scores)
    for group in found.groups:
        runs = np.concatenate([task["abc".index(group.name)] for task in scores])
        assert group.iqm.value == pytest.approx(stats.trim_mean(runs, 0.25))
        assert group.iqm.low < group.iqm.value < group.iqm.high


def test_places_and_the_task_that_decides():
    found = aggregate_tasks("xyz", "abc", made([0.05, 0.05, 0.05]))
    assert (found.groups[0].name, found.groups[0].place) == ("b", 1)
    assert found.groups[0].not_separable_from == ()
    assert {group.place for group in found.groups[1:]} == {2}
    assert found.decisive == ()
    one = aggregate_tasks("xy", "abc", made([0.2, -0.05]))
    assert one.names[0] == "b"
    assert one.without[0][0] != "b"  # what is left is the task on which b is worse
    assert one.decisive == ("x",)


def test_a_diverged_run_counts_as_the_floor_and_seeds_stay_paired():
    scores = made([0.0, 0.0])
    flags = [np.zeros((3, 12), bool) for _ in scores]
    flags[0][2] = True
    found = aggregate_tasks("xy", "abc", scores, diverged=flags)
    assert found.names[-1] == "c"
    runs = np.concatenate([np.zeros(12), scores[1][2]])
    assert found.groups[-1].iqm.value == pytest.approx(stats.trim_mean(runs, 0.25))
    # b less a has a standard deviation of 0.005, which pairing finds beside one of 0.02 over seeds
    near = aggregate_tasks("xy", "ab", [task[:2] for task in made([0.01, 0.01])])
    assert near.groups[0].name == "b"
    assert near.groups[1].place == 2


@pytest.mark.parametrize(
    ("tasks", "scores", "message"),
    [
        (["x"], [np.ones((2, 3))], "1 tasks and 1 arrays"),
        (["x", "y"], [np.ones((2, 3)), np.ones((3, 3))], "scores of y has 3 rows"),
    ],
)
def test_errors_say_what_to_do(tasks, scores, message):
    with pytest.raises(GoodinitError, match=message):
        aggregate_tasks(tasks, "ab", scores)


def test_a_study_on_two_tasks_is_ranked_over_both():
    options = {"steps": 40, "perturbations": 0, "seeds": "0-3", "learning_rate": 0.3}
    found = goodinit.compare(["zeros", "he_normal"], tasks=["moons", "blobs"], **options)
    across = found.across_tasks
    assert across.names[0] == "he_normal"
    runs = [trial.test_score for trial in found.trials if trial.initialization == "he_normal"]
    assert across.groups[0].iqm.value == pytest.approx(stats.trim_mean(runs, 0.25))
    assert found.to_dict()["summary"]["across_tasks"]["groups"][0]["name"] == "he_normal"
    assert "he_normal is first whichever task is left out." in str(found)
    assert "he_normal is first whichever task is left out." in found.report_html()
    assert goodinit.compare(["zeros"], data="moons", **options).across_tasks is None
    mixed = goodinit.compare(["zeros"], tasks=["moons", "regression"], **options)
    assert mixed.across_tasks is None
