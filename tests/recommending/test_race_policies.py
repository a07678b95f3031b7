"""The policies of a race on trials whose losses are invented: what they train, and what they make of it."""

import math
from dataclasses import replace

import pytest

import goodinit
from goodinit import methods
from goodinit.comparison.own_starts import read_start
from goodinit.recommending.duels import Duels
from goodinit.recommending.finals import Finals, best_finalists
from goodinit.recommending.halving import Arm, Rung, SuccessiveHalving
from goodinit.recommending.rates import RateStage, order
from goodinit.results import Study


def invented(value):
    """What has finished, where the loss of a job is `value` of it."""
    trial = goodinit.compare("zeros", steps=1, seeds="0-0", perturbations=0).trials[0]

    def finished(jobs):
        return [
            replace(
                trial,
                initialization=str(job.initializer),
                learning_rate=job.learning_rate,
                seed=job.seed,
                final_loss=value(job),
            )
            for job in jobs
        ]

    return finished


def test_halving_keeps_the_best_and_two_rates_of_the_baseline():
    """On invented results: value = rate for `zeros`, ten times that for the baseline."""
    zeros, ones = methods.get("zeros"), methods.get("ones")
    arms = tuple(Arm(start, rate) for start in (zeros, ones) for rate in (1.0, 2.0, 3.0, 4.0))
    study = Study(goodinit.comparison.design(["zeros"], steps=1).tasks, (zeros, ones), (1.0,), (0,), (7, 8))
    finished = invented(lambda job: job.learning_rate * (10 if job.initializer is ones else 1))
    policy = SuccessiveHalving(study, arms, (Rung(0, (7, 8), 2, 1), Rung(0, (7, 8), 1, 1)), "ones")
    waves = list(policy.waves(finished))
    assert [len(wave.jobs) for wave in waves] == [8, 8, 4, 4]
    left = {(str(job.initializer), job.learning_rate) for job in waves[-1].jobs}
    assert left == {("zeros", 1.0), ("zeros", 2.0), ("ones", 1.0), ("ones", 2.0)}
    assert [arm.key for arm in policy.finalists(finished, 3)] == [("ones", 1.0), ("zeros", 1.0)]
    # Beside the leaders' 1 lie 0.5 and 2, of which the last rung trained 2; then 0.5 leads, with 1 next to it.
    policy = replace(policy, rungs=(Rung(0, (7, 8), 2, 1), Rung(0, (7, 8), 1, 2)), finer=(0.5, 1.0, 2.0, 4.0))
    waves = [{(str(job.initializer), job.learning_rate) for job in wave.jobs} for wave in policy.waves(finished)]
    assert waves[-4:-2] == [{("ones", 0.5), ("zeros", 0.5)}] * 2
    assert waves[-2:] == [{("ones", 0.71), ("zeros", 0.71)}] * 2
    assert [arm.key for arm in policy.finalists(finished, 3)] == [("ones", 0.5), ("zeros", 0.5)]
    rung = policy.results(finished)[-1]
    assert [each.learning_rate for each in rung.standings if each.initialization == "ones"] == [0.5, 0.71, 1.0, 2.0]
    assert [each.learning_rate for each in rung.standings if each.kept] == [0.5, 0.5]


def test_the_baseline_comes_to_the_finals_at_its_best_rates_and_the_best_on_fresh_seeds_is_kept():
    """On the seeds of the tuning 2 is its best rate, on fresh ones 4; a rival that beats it at 2 only is not better."""
    zeros, ones = methods.get("zeros"), methods.get("ones")
    study = Study(goodinit.comparison.design(["zeros"], steps=1).tasks, (zeros, ones), (1.0,), (0,), (7,))
    arms = tuple(Arm(start, rate) for start in (ones, zeros) for rate in (1.0, 2.0, 4.0, 8.0))

    def value(job):
        best = 2.0 if job.phase == "tuning" else 4.0
        return abs(math.log2(job.learning_rate / best)) + (
            0.5 if job.phase == "evaluation" and job.initializer is zeros else 0
        )

    finished = invented(value)
    policy = SuccessiveHalving(study, arms, (Rung(0, (7,), 8, 2),), "ones")
    found = policy.finalists(finished, 1, rates=3)
    assert [arm.key for arm in found[:2]] == [("ones", 2.0), ("zeros", 2.0)]
    assert {arm.key for arm in found[2:]} == {("ones", 1.0), ("ones", 4.0)}
    finals = Finals(study, 0, Finals.entered(found), tuple(range(100, 110)))
    assert len(list(finals.waves(finished))) == 10  # undecided to the end
    rows = finals.results(finished)
    assert [each.better for each in rows] == [False] * 4  # `zeros` at 2: 1.5, `ones` at 1, 2, 4: 2, 1, 0
    own = min((each for each in rows if each.share is None), key=lambda each: each.median)
    assert own.learning_rate == 4.0


@pytest.mark.parametrize(
    ("best", "trainings", "rates", "seeds"),
    [
        (2.0, None, [1.0, 2.0, 4.0], 4),  # in the middle: nothing beyond; four seeds of four, and the best is known
        (8.0, None, [1.0, 2.0, 4.0, 7.1], 4),  # the next, and then one that lies beyond what was raced
        (0.1, None, [0.31, 0.56, 1.0, 2.0, 4.0], 4),  # two at most
        (8.0, 9 + 2, [1.0, 2.0, 4.0], 3),  # the one beyond has not ended the first seeds
        (2.0, 11, [1.0, 2.0, 4.0], 3),
    ],
)
def test_the_last_stage_goes_beyond_the_rates_where_the_best_lies_at_their_end(best, trainings, rates, seeds):
    ones = methods.get("ones")
    study = Study(goodinit.comparison.design(["ones"], steps=1).tasks, (ones,), (1.0,), (0,), (7,))
    trained = []
    every = invented(lambda job: abs(math.log2(job.learning_rate / best)))

    def finished(jobs):
        return every([job for job in jobs if job in trained])

    arms = tuple(Arm(ones, rate) for rate in (2.0, 1.0, 4.0))
    stage = RateStage(study, 0, arms, tuple(range(12)), 3, (0.1, 8.0), trainings=trainings)
    for wave in stage.waves(finished):
        trained += [job for job in wave.jobs if job not in trained]
    found = stage.results(finished)
    assert [each.learning_rate for each in found] == rates
    assert {len(each.values) for each in found} == {seeds}
    assert trainings is None or len(trained) <= trainings


@pytest.mark.parametrize("at_once", [1, 5])
def test_the_last_stage_tells_starts_apart_that_are_all_better(at_once):
    """`zeros` at 2 wins most duels, which the first seeds do not show; `ones` at 1 loses all, and drops out."""
    zeros, ones = methods.get("zeros"), methods.get("ones")
    study = Study(goodinit.comparison.design(["ones"], steps=1).tasks, (zeros, ones), (1.0,), (0,), (7,))

    def value(job):
        if job.learning_rate == 1.0:
            return 9.0
        return 2.0 if str(job.initializer) == "ones" else 3.0 if job.seed < 2 or job.seed % 4 == 0 else 1.0

    trained, every = [], invented(value)

    def finished(jobs):
        return every([job for job in jobs if job in trained])

    arms = (Arm(ones, 2.0), Arm(ones, 1.0), Arm(zeros, 2.0))
    stage = RateStage(study, 0, arms, tuple(range(30)), 4, (1.0, 2.0), at_once)
    for wave in stage.waves(finished):
        trained += [job for job in wave.jobs if job not in trained]
    found = {(each.initialization, each.learning_rate): each for each in stage.results(finished)}
    assert {key: each.median for key, each in found.items()} == {("ones", 1.0): 9, ("ones", 2.0): 2, ("zeros", 2.0): 1}
    assert len(found["ones", 1.0].values) == 4
    assert len(found["ones", 2.0].values) == len(found["zeros", 2.0].values) == 30


def test_of_two_rates_the_one_that_wins_more_seeds_is_first_whatever_the_medians():
    """Wins two seeds of three at the higher median: the seeds differ by more than the rates."""
    ones = methods.get("ones")
    study = Study(goodinit.comparison.design(["ones"], steps=1).tasks, (ones,), (1.0,), (0,), (7,))
    values = {1.0: (1.0, 6.0, 8.0), 2.0: (2.0, 5.0, 9.0)}
    finished = invented(lambda job: values[job.learning_rate][job.seed])
    stage = RateStage(study, 0, (Arm(ones, 2.0), Arm(ones, 1.0)), (0, 1, 2), 3, (1.0, 2.0))
    first, second = sorted(stage.results(finished), key=order)
    assert (first.learning_rate, first.median, first.lost) == (1.0, 6.0, pytest.approx(1 / 3))
    assert (second.learning_rate, second.median, second.lost) == (2.0, 5.0, pytest.approx(2 / 3))


def test_a_neighbouring_rate_that_has_fewer_seeds_takes_none_from_the_others():
    """Time was out after one seed of three, on which 1 was no better than 4: the other two still say that it is."""
    ones = methods.get("ones")
    study = Study(goodinit.comparison.design(["zeros"], steps=1).tasks, (ones,), (1.0,), (0,), (7, 8, 9))
    arms = tuple(Arm(ones, rate) for rate in (1.0, 4.0))
    late = iter([False, False, False, True])
    policy = SuccessiveHalving(study, arms, (Rung(0, (7, 8, 9), 2),), "ones", (1.0, 2.0, 4.0), lambda: next(late))
    finished, seen = invented(lambda job: 5.0 if job.seed == 7 else job.learning_rate), []

    def trained(jobs):
        return finished([job for job in jobs if job in seen])

    for wave in policy.waves(trained):
        seen += wave.jobs
    assert {(job.learning_rate, job.seed) for job in seen if job.learning_rate == 2.0} == {(2.0, 7)}
    rung = policy.results(trained)[-1]
    assert rung.seeds == (7, 8, 9)
    assert [(each.learning_rate, each.value) for each in rung.standings][:1] == [(1.0, 1.0)]
    assert {each.learning_rate: each.value for each in rung.standings} == {1.0: 1.0, 2.0: 5.0, 4.0: 4.0}


def test_a_finalist_is_better_only_where_it_beats_every_rate_of_the_baseline():
    zeros, ones = methods.get("zeros"), methods.get("ones")
    study = Study(goodinit.comparison.design(["zeros"], steps=1).tasks, (zeros, ones), (1.0,), (0,), (7,))
    arms = (Arm(ones, 1.0), Arm(zeros, 1.0), Arm(ones, 2.0))
    values = {("ones", 1.0): 3.0, ("zeros", 1.0): 2.0, ("ones", 2.0): 1.0}
    finals = Finals(study, 0, arms, tuple(range(12)))
    _own, rival, _ = finals.results(invented(lambda job: values[str(job.initializer), job.learning_rate]))
    assert (rival.wins, rival.losses, rival.better) == (0, 4, False)
    values["ones", 2.0] = 4.0
    _own, rival, _ = finals.results(invented(lambda job: values[str(job.initializer), job.learning_rate]))
    assert (rival.wins, rival.losses, rival.better) == (12, 0, True)


def test_a_finalist_that_loses_drops_out_and_leaves_its_trainings_to_the_others():
    zeros, ones, he = methods.get("zeros"), methods.get("ones"), methods.get("he_normal")
    study = Study(goodinit.comparison.design(["zeros"], steps=1).tasks, (zeros, ones, he), (1.0,), (0,), (7,))
    arms = (Arm(ones, 1.0), Arm(zeros, 1.0), Arm(he, 1.0))

    def value(job):
        return {"zeros": 3.0, "ones": 2.0}.get(str(job.initializer), 1.0 if job.seed % 2 else 4.0)

    finished, seen = invented(value), []

    def trained(jobs):
        return finished([job for job in jobs if job in seen])

    finals = Finals(study, 0, arms, tuple(range(50)), trainings=30)
    for wave in finals.waves(trained):
        seen += wave.jobs
    rows = finals.results(trained)
    assert [len(each.values) for each in rows] == [13, 4, 13]  # `zeros` lost four of four
    assert sum(len(each.values) for each in rows) == 30
    assert [(each.wins, each.losses) for each in rows] == [(0, 0), (0, 4), (6, 7)]
    assert not rows[1].better


@pytest.mark.parametrize(
    ("late", "trainings", "better"),
    [(False, None, [True, True]), (True, None, [True, False]), (False, 60, [True, False])],
)
def test_a_start_that_leads_waits_for_another_that_wins_too_unless_it_is_late(late, trainings, better):
    """`zeros` wins each seed and is told first; `he_normal` loses one, and is ahead of `zeros` on half."""
    zeros, ones, he = methods.get("zeros"), methods.get("ones"), methods.get("he_normal")
    study = Study(goodinit.comparison.design(["zeros"], steps=1).tasks, (zeros, ones, he), (1.0,), (0,), (7,))
    arms = (Arm(ones, 1.0), Arm(zeros, 1.0), Arm(he, 1.0))

    def value(job):
        ours = 60.0 if job.seed == 1 else 1.0 + job.seed % 2
        return {"zeros": 1.4, "ones": 5.0}.get(str(job.initializer), ours)

    finished, seen = invented(value), []

    def trained(jobs):
        return finished([job for job in jobs if job in seen])

    finals = Finals(study, 0, arms, tuple(range(50)), trainings=trainings, late=lambda: late)
    for wave in finals.waves(trained):
        seen += wave.jobs
    _, first, second = finals.results(trained)
    assert [first.better, second.better] == better
    assert len(first.values) == len(second.values) < 20


def test_a_finalist_that_clearly_loses_to_another_drops_out():
    """Both win each seed, so that the baseline says nothing of which of them is better."""
    zeros, ones, he = methods.get("zeros"), methods.get("ones"), methods.get("he_normal")
    study = Study(goodinit.comparison.design(["zeros"], steps=1).tasks, (zeros, ones, he), (1.0,), (0,), (7,))
    arms = (Arm(ones, 1.0), Arm(he, 1.0), Arm(zeros, 1.0))
    values = {"zeros": 1.0, "he_normal": 2.0, "ones": 3.0}
    finals = Finals(study, 0, arms, tuple(range(10)))
    rows = finals.results(invented(lambda job: values[str(job.initializer)]))
    assert [len(each.values) for each in rows] == [10, 4, 10]
    assert [each.better for each in rows] == [False, False, True]
    assert best_finalists(rows) == [2]
    beaten = replace(rows[1], better=True)
    assert best_finalists([rows[0], beaten, rows[2]]) == [2]
    assert best_finalists([rows[0], beaten, replace(rows[2], better=False)]) == [
        1
    ]  # what beats it was not told in time


def test_duels_of_every_two():
    duels = Duels("abc")
    for seed in range(4):
        duels.add({"a": 1.0, "b": 2.0, "c": 1.0 if seed else 5.0})
    assert [duels.beaten(one, by=other) for one, other in ("ba", "ab", "ca")] == [True, False, False]
    assert [duels.lost(each, "abc") for each in "abc"] == [1.5, 4 + 3, 1.5 + 1 + 1]
    assert duels.lost("b", "bc") == 3


def test_a_recipe_can_be_an_arm_of_duels():
    """It holds a table, which cannot be hashed."""
    arms = [Arm(read_start(each), 1.0) for each in ("gpt2", "neox", "lsuv", "he_normal")]
    duels = Duels(arms)
    duels.add({arm: float(place) for place, arm in enumerate(arms)})
    assert len(set(arms)) == 4
    assert [duels.lost(arm, arms) for arm in arms] == [0, 1, 2, 3]
