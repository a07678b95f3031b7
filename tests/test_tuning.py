"""Learning rates: each initialization is ranked at its best one, found on seeds of their own."""

import json
from dataclasses import replace

import numpy as np
import pytest

import goodinit
from goodinit.comparison import rerun
from goodinit.comparison.design import design
from goodinit.comparison.run import run_study
from goodinit.comparison.tuning import best_rates, tuning_curves, tuning_jobs
from goodinit.datasets import Dataset, Source
from goodinit.errors import GoodinitError
from goodinit.statistics import interquartile_mean

MOONS = {"data": "moons", "steps": 60, "perturbations": 0, "seeds": "0-3"}
STARTS = ["zeros", "he_normal", "normal(std=10)"]


@pytest.fixture(scope="module")
def found():
    return goodinit.compare(STARTS, learning_rate=[0.001, 0.03, 1.0], **MOONS)


def test_a_grid_of_rates_ranks_each_start_once_at_its_best_rate_of_other_seeds(found):
    (summary,) = found.summaries
    assert summary.groups == tuple(STARTS)
    assert len(summary.ranking.pairs) == 3
    assert len(found.trials) == 12
    assert not {t.seed for t in found.trials} & {t.seed for t in found.tuning}
    assert len(found.tuning) == 3 * 3 * 5
    for start in STARTS:
        (rate,) = {t.learning_rate for t in found.trials if t.initialization == start}
        medians = {
            tried: np.median(
                [
                    np.inf if t.diverged else t.final_loss
                    for t in found.tuning
                    if (t.initialization, t.learning_rate) == (start, tried)
                ]
            )
            for tried in (0.001, 0.03, 1.0)
        }
        assert medians[rate] == min(medians.values())
    scores = [t.test_score for t in found.trials if t.initialization == "he_normal"]
    assert summary.ranking["he_normal"].summary.iqm.value == pytest.approx(interquartile_mean(scores))


def test_beside_the_ranking_stands_how_much_depends_on_the_rate(found):
    rates = {each.initialization: each for each in found.summaries[0].rates}
    goal = found.summaries[0].target_loss
    for name, each in rates.items():
        losses = {rate: [] for rate in each.tried}
        for t in found.tuning:
            if t.initialization == name:
                losses[t.learning_rate].append(np.inf if t.diverged else t.final_loss)
        assert each.learned == tuple(rate for rate in each.tried if np.median(losses[rate]) <= goal)
        assert each.share == len(each.learned) / 3
    assert 0 < rates["he_normal"].share < 1
    assert rates["zeros"].learned == ()
    assert rates["zeros"].edge == "flat"
    facts = json.loads(found.to_json())
    assert [row["initialization"] for row in facts["summary"]["tasks"][0]["rates"]] == STARTS
    assert f"which learns with {len(rates['he_normal'].learned)} of 3" in found.report_html()


def test_each_row_says_its_own_rate(found):
    text = str(found)
    lines = [line for line in text.splitlines() if "he_normal" in line]
    rate = next(t.learning_rate for t in found.trials if t.initialization == "he_normal")
    assert "learning rate 0.01" not in text
    assert "learning rates below" in " ".join(text.split())
    assert any(f" {rate:g} " in line for line in lines)
    one = str(goodinit.compare(STARTS, learning_rate=0.5, **{**MOONS, "seeds": "0"}))
    assert "learning rate 0.5, 60 steps" in " ".join(one.split())


def test_a_grid_grows_where_the_best_rate_lies_at_its_end_and_one_of_ones_own_is_told(tmp_path):
    """With 60 steps of gradient descent on two moons the best rate is far above 0.01."""
    told = goodinit.compare("he_normal", learning_rate=[0.001, 0.01], **MOONS)
    assert told.summaries[0].notes == (
        "The best learning rate may lie beyond: 0.01, the highest tried, for he_normal.",
    )
    study = replace(design("he_normal", learning_rate=[0.001, 0.01], seeds="0-3", data="moons", steps=60), growing=True)
    found = run_study(study, path=tmp_path / "s.db")
    (rates,) = found.summaries[0].rates
    assert rates.edge is None
    assert rates.tried[:4] == (0.001, 0.01, 0.0316, 0.0999)
    assert min(rates.tried) < rates.chosen < max(rates.tried)
    assert found.summaries[0].notes == ()
    trained = []
    again = run_study(study, path=tmp_path / "s.db", progress=lambda what, trained_, total: trained.append(what))
    assert again.trials == found.trials
    assert trained == []
    few = [t for t in found.tuning if t.learning_rate <= 0.01]
    assert {job.learning_rate for job in tuning_jobs(study, few)} == {0.001, 0.01, 0.0316}


def test_a_grid_does_not_grow_where_the_rate_makes_no_difference():
    found = goodinit.compare("zeros", learning_rate="auto", **MOONS)
    assert len(found.tuning) == 50
    assert found.summaries[0].notes == ("Every learning rate does alike for zeros; the smallest was taken.",)


def test_seeds_and_criterion_are_options():
    found = goodinit.compare("he_normal", learning_rate=[0.01, 0.1], tuning_seeds="20-22", **MOONS)
    assert {t.seed for t in found.tuning} == {20, 21, 22}
    with pytest.raises(GoodinitError, match="seed 2 is one that learning rates are tuned on"):
        goodinit.compare("he_normal", learning_rate=[0.01, 0.1], tuning_seeds="2-8", **MOONS)
    with pytest.raises(GoodinitError, match="tuning criterion 'speed': choose final_loss, area"):
        goodinit.compare("he_normal", learning_rate=[0.01, 0.1], tuning_criterion="speed", **MOONS)
    study = design("he_normal", learning_rate=[0.01, 0.1], tuning_seeds="20-22", tuning_criterion="area", data="moons")
    line = str(rerun(study).command)
    for said in ("--learning-rate 0.01", "--learning-rate 0.1", "--tuning-seeds 20-22", "--tuning-criterion area"):
        assert said in line
    assert "auto" in str(rerun(design("he_normal", learning_rate="auto")).command)


def test_the_criteria_are_what_they_are_called():
    options = {"learning_rate": [0.01, 0.3], **MOONS}
    found = goodinit.compare("he_normal", tuning_criterion="area", **options)
    trial = found.tuning[0]
    steps, values = [*trial.loss_steps, 60], [*trial.loss_values, trial.final_loss]
    area = sum((b - a) * (u + v) / 2 for a, b, u, v in zip(steps, steps[1:], values, values[1:], strict=False)) / 60
    curve = tuning_curves([trial], "area")
    assert curve[trial.task, "he_normal"][trial.learning_rate] == pytest.approx(area)
    scored = goodinit.compare("he_normal", tuning_criterion="validation_score", **options)
    best = best_rates(scored.tuning, "validation_score")["moons", "he_normal"]
    medians = {
        rate: np.median([t.test_score for t in scored.tuning if t.learning_rate == rate]) for rate in (0.01, 0.3)
    }
    assert medians[best] == max(medians.values())
    assert "median" in json.loads(scored.to_json())["tuning"][0]
    assert "validation accuracy" in scored.report_html()


def test_validation_looks_at_training_examples_alone(tmp_path):
    """Two data sets that differ in their test examples alone are tuned to the same bits, and evaluated otherwise."""
    whole = Source("moons").dataset(0)
    parts = {"classes": whole.classes, "features": whole.features, "parted": True}
    sets = [
        Dataset("mine", whole.X_train, whole.y_train, X_test, y_test, **parts)
        for X_test, y_test in ((whole.X_test, whole.y_test), (10 * whole.X_test, 1 - whole.y_test))
    ]
    options = {"learning_rate": [0.01, 0.3], **MOONS, "tuning_criterion": "validation_loss"}
    one, two = (goodinit.compare("he_normal", **{**options, "data": data}) for data in sets)
    assert [t.to_dict() for t in one.tuning] == [t.to_dict() for t in two.tuning]
    assert [t.test_score for t in one.trials] != [t.test_score for t in two.trials]
    held = Source(sets[0], held_out=True).dataset(7)
    assert (len(held.y_train), len(held.y_test)) == (224, 76)  # a quarter of each class of 150, rounded
    rows = {tuple(x) for x in held.X_train} | {tuple(x) for x in held.X_test}
    assert rows == {tuple(x) for x in whole.X_train}

    path = tmp_path / "s.db"
    plain = goodinit.compare("he_normal", study=path, **{**options, "tuning_criterion": "area", "data": sets[0]})
    kept = goodinit.compare("he_normal", study=path, **{**options, "data": sets[0]})
    assert [t.to_dict() for t in kept.tuning] == [t.to_dict() for t in one.tuning]
    assert [t.final_loss for t in kept.tuning] != [t.final_loss for t in plain.tuning]


def test_a_trial_keeps_its_loss_on_the_test_examples():
    trial = goodinit.compare("he_normal", **{**MOONS, "seeds": "0"}).trials[0]
    data = Source("moons").dataset(0)
    network = design("he_normal", data="moons").tasks[0].network
    logits = goodinit.training.forward(network, trial.parameters, data.X_test.T)[0][-1][0]
    expected = np.mean(np.log1p(np.exp(np.where(data.y_test == 1, -logits, logits))))
    assert trial.test_loss == pytest.approx(expected)
