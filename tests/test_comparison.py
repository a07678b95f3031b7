"""`compare` in Python: its options, its outcomes, its folder."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

import goodinit
from goodinit.errors import GoodinitError
from goodinit.report import OutputFolder, loss_curves

FAST = {"steps": 60, "perturbations": 0}


def codes(trial):
    return [finding.code for finding in trial.findings]


@pytest.mark.parametrize("data", goodinit.datasets.names())
def test_every_builtin_set_trains(data):
    trial = goodinit.compare(
        "he_normal", data=data, steps=300, learning_rate=0.1, perturbations=0, stream="keyed"
    ).trials[0]
    assert trial.final_loss < trial.loss_values[0]


@pytest.mark.parametrize("optimizer", ["gradient_descent", "momentum", "adam"])
@pytest.mark.parametrize("batch_size", [None, 32])
def test_optimizers_and_batches(optimizer, batch_size):
    result = goodinit.compare(
        ["he_normal", "lecun_uniform"],
        optimizer=optimizer,
        batch_size=batch_size,
        widths=[8],
        activation="tanh",
        **FAST,
    )
    assert len({trial.final_loss for trial in result.trials}) == 2
    assert all(trial.final_loss < trial.loss_values[0] for trial in result.trials)


def test_initializations_are_given_as_text_or_object():
    text, made = (goodinit.compare(i, **FAST).trials[0] for i in ("normal(std=0.5)", goodinit.initializers.Normal(0.5)))
    assert text == made


def test_a_trial_is_the_same_whatever_it_is_compared_with():
    alone = goodinit.compare("he_normal", data="moons", batch_size=16, **FAST).trials[0]
    beside = goodinit.compare(["ones", "he_normal"], data="moons", batch_size=16, **FAST).trials[1]
    assert alone == beside


def test_seeds_change_weights_and_batches():
    runs = [
        goodinit.compare("he_normal", seed=seed, batch_size=16, stream=s, **FAST)
        for seed in (0, 1)
        for s in ("keyed", "randomstate")
    ]
    assert len({run.trials[0].final_loss for run in runs}) == 4


def test_the_interval_of_records_is_round():
    for steps, every in ((15_000, 1000), (500, 20), (60, 2), (10, 1), (1, 1)):
        assert goodinit.compare("zeros", steps=steps, perturbations=0).task.schedule.record_every == every


def test_divergence_is_told_without_warnings():
    result = goodinit.compare(["zeros", "he_normal", "normal(std=10)"], learning_rate=1e200, steps=100, perturbations=2)
    he = result.trials[1]
    assert he.diverged
    assert "diverged" in codes(he)
    assert "learning rate 1e+200 is too large" in he.why
    held = json.loads(result.to_json())["trials"][1]
    assert held["diverged"] is True
    assert held["final_loss"] is None or held["final_loss"] > 10
    assert "diverged" in str(result)


def test_a_loss_that_ends_far_above_its_start_has_diverged():
    trial = goodinit.compare("he_normal", learning_rate=1e6, steps=200, perturbations=0).trials[0]
    assert trial.diverged
    assert math.isnan(trial.final_loss) or trial.final_loss > 10 * trial.loss_values[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"init": []}, "no initialization was given"),
        ({"init": ["zeros", "zeros"]}, "given twice"),
        ({"init": 3}, "is not an initialization"),
        ({"init": [None]}, "is not an initialization"),
        ({"widths": [10, 0]}, r"widths=\[10, 0\]: every width"),
        ({"widths": [2.5]}, "every width"),
        ({"widths": "10,5"}, "as a list"),
        ({"widths": [100_000, 100_000]}, "use smaller layers"),
        ({"learning_rate": math.nan}, "learning rate nan"),
        ({"learning_rate": 0}, "above 0"),
        ({"learning_rate": "fast"}, "give a number, several, or auto"),
        ({"steps": 0}, "steps 0"),
        ({"steps": 1.5}, "integer"),
        ({"batch_size": 0}, "batch size 0"),
        ({"record_every": 0}, "record every 0"),
        ({"optimizer": "adamm"}, "did you mean adam"),
        ({"activation": "rele"}, "did you mean relu"),
        ({"activation": 3}, "must be a name"),
        ({"seed": -1}, "seed=-1"),
        ({"seeds": "0-"}, "give integers"),
        ({"seeds": [1, 1]}, "given twice"),
        ({"seed": 1, "seeds": "0-1"}, "give one of them"),
        ({"seeds": "4294967296"}, "below 2\\*\\*32"),
        ({"learning_rate": []}, "the list is empty"),
        ({"learning_rate": [0.1, 0.1]}, "given twice"),
        ({"learning_rate": "auto", "seeds": [1000001], "stream": "keyed"}, "tuned on"),
        ({"tasks": []}, "no task"),
        ({"tasks": "clasic"}, "did you mean classic"),
        ({"tasks": [{"name": "a", "colour": 1}]}, "option 'colour'"),
        ({"tasks": ["moons", "moons"]}, "two tasks"),
        ({"init": "bilinear_upsampling"}, "transposed convolution"),
        ({"dtype": "int8"}, "float64 or float32"),
        ({"margin": -1}, "margin -1"),
        ({"target_loss": 0}, "target loss 0"),
        ({"stream": "magic"}, "choose keyed or randomstate"),
        ({"perturbations": -1}, "from 0 to 1000"),
        ({"data": "circle"}, "did you mean circles"),
    ],
)
def test_wrong_options_are_refused_before_anything_is_written(tmp_path, options, message):
    with pytest.raises((GoodinitError, TypeError), match=message):
        goodinit.compare(**{"out": tmp_path / "out", **options})
    assert list(tmp_path.iterdir()) == []


def test_the_folder_holds_figures_and_the_result(tmp_path):
    result = goodinit.compare(["zeros", "he_normal"], out=tmp_path / "deep" / "run", **FAST)
    folder = tmp_path / "deep" / "run"
    assert sorted(p.name for p in folder.iterdir()) == ["decision_boundary.png", "loss.png", "result.json"]
    assert json.loads((folder / "result.json").read_text()) == result.to_dict()
    for picture in folder.glob("*.png"):
        assert picture.read_bytes().startswith(b"\x89PNG")
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["run"]


def test_another_run_is_not_overwritten_unless_told(tmp_path):
    goodinit.compare("zeros", out=tmp_path, **FAST)
    (tmp_path / "notes.txt").write_text("mine")
    before = (tmp_path / "result.json").read_bytes()
    with pytest.raises(GoodinitError, match=r"holds another run.*--overwrite"):
        goodinit.compare("ones", out=tmp_path, **FAST)
    assert (tmp_path / "result.json").read_bytes() == before
    goodinit.compare("ones", data="digits", out=tmp_path, overwrite=True, **FAST)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["loss.png", "notes.txt", "result.json"]


def test_a_fresh_folder_takes_the_next_number(tmp_path):
    written = [OutputFolder.fresh(tmp_path / "run").write({"result.json": b"{}"}).name for _ in range(3)]
    assert written == ["run", "run-2", "run-3"]


def test_two_fresh_folders_at_once_do_not_meet(tmp_path):
    first, second = OutputFolder.fresh(tmp_path / "run"), OutputFolder.fresh(tmp_path / "run")
    assert first.write({"a": b"1"}).name == "run"
    assert second.write({"a": b"2"}).name == "run-2"
    assert (tmp_path / "run" / "a").read_bytes() == b"1"


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "sub", "/proc/none"):
        with pytest.raises(GoodinitError, match="cannot be written"):
            OutputFolder(path)


def test_a_failed_write_leaves_nothing(tmp_path):
    folder = OutputFolder(tmp_path / "run")
    with pytest.raises(TypeError):
        folder.write({"result.json": b"{}", "loss.png": None})
    assert list(tmp_path.iterdir()) == []


def test_more_classes_and_many_starts_are_drawn(tmp_path):
    starts = [f"normal(std={s})" for s in (0.1, 0.2, 0.5, 1, 2)] + ["normal(std=1e200)"]
    result = goodinit.compare(starts, data="blobs", out=tmp_path / "run", **FAST)
    assert result.trials[-1].diverged
    figure = loss_curves(result.task, result.trials)
    assert len(figure.axes[0].get_lines()) == len(starts) + 1
    assert "normal(std=0.1)" in str(result)


def test_progress_is_told_to_the_end():
    calls = []
    goodinit.compare(["zeros", "ones"], steps=1000, perturbations=0, progress=lambda *call: calls.append(call))
    assert calls[0] == ("first seed", 0, 2)
    assert calls[-1] == ("first seed", 2, 2)
    assert 100 <= len(calls) <= 110
    assert [call[1] for call in calls] == sorted(call[1] for call in calls)


def test_global_random_state_is_left_alone():
    before = np.random.get_state()[1].copy()  # noqa: NPY002  # the point is the legacy global state
    goodinit.compare(["normal", "he_uniform"], data="moons", batch_size=10, **FAST)
    assert np.array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_columns_and_classes_may_be_called_anything(tmp_path):
    rows = "".join(f"{i},{i * i},{'$y_{$' if i % 2 else '$b$'}\n" for i in range(20))
    (tmp_path / "a.csv").write_text("$x_{$,\x07b,c\n" + rows)
    goodinit.compare("he_normal", data=tmp_path / "a.csv", target="c", **FAST).save(tmp_path / "out")
    assert (tmp_path / "out" / "decision_boundary.png").exists()


def test_a_seed_that_is_missing_is_told():
    from dataclasses import replace

    found = goodinit.compare(["zeros", "he_normal"], seeds="0-2", **FAST)
    with pytest.raises(GoodinitError, match="some seeds are missing"):
        replace(found, trials=found.trials[:-1]).ranking()


def test_squared_error_trains_and_is_told(tmp_path):
    result = goodinit.compare(["zeros", "he_normal"], loss="squared_error", steps=3000, learning_rate=0.1, seed=1)
    zeros, he = result.trials
    assert zeros.loss_values[0] == 0.5  # outputs 0 against half of the targets 1
    assert zeros.final_loss == pytest.approx(0.25, abs=1e-9)  # the mean of the targets is all that it can learn
    assert he.test_accuracy > 0.9
    assert result.task.chance_loss == 0.25
    assert "identical-units" in {finding.code for finding in zeros.findings}
    assert "output-saturated" not in {finding.code for finding in he.findings}
    assert "mean squared error" in str(result)
    page = result.report(tmp_path / "report.html").read_text(encoding="utf-8")
    assert "--loss squared_error" in page
    three = goodinit.compare("he_normal", data="blobs", loss="squared_error", steps=300, learning_rate=0.1)
    assert three.trials[0].test_accuracy > 0.9
    with pytest.raises(goodinit.GoodinitError, match="loss 'hinge' is not known; choose one of"):
        goodinit.compare(loss="hinge")


@pytest.mark.parametrize("options", [{}, {"tasks": "regression"}])
def test_a_trial_that_could_not_be_trained_is_drawn_and_told_as_such(options, tmp_path):
    result = goodinit.compare("zeros", steps=10**9, time_limit=0.05, perturbations=0, **options, out=tmp_path / "out")
    assert "TimeoutError" in result.trials[0].failure
    assert (tmp_path / "out" / "loss.png").stat().st_size > 0
    assert str(result).count("not trained") == 4


def test_infinite_weights_are_a_start_that_diverges(tmp_path):
    result = goodinit.compare("normal(std=1e308)", steps=5, out=tmp_path / "out")
    assert result.trials[0].diverged
    assert result.trials[0].sensitivity.lowest == ()
    assert (tmp_path / "out" / "decision_boundary.png").stat().st_size > 0


def test_the_spread_of_a_curve_that_ends_early_has_its_length():
    trial = goodinit.compare("he_normal", optimizer="momentum", learning_rate=1e6, steps=50, record_every=1).trials[0]
    assert trial.diverged
    assert len(trial.sensitivity.lowest) == len(trial.loss_steps)


@pytest.mark.parametrize(
    ("values", "final", "steps"),
    [
        ([0.9, 0.2, 0.8], 0.9, math.inf),  # below the target for a while, and not at the end
        ([0.9, 0.2, 0.8, 0.3], 0.2, 30),
        ([0.9, 0.6, 0.6], 0.5, 60),
        ([0.4, 0.3], 0.2, 0),
        ([0.9, 0.2], math.nan, math.inf),
    ],
)
def test_learned_and_the_steps_to_learn_are_one_thing(values, final, steps):
    trials = goodinit.compare(["zeros", "ones"], steps=60, perturbations=0, seeds="0-1")
    made = [
        replace(trial, loss_steps=tuple(range(0, 10 * len(values), 10)), loss_values=tuple(values), final_loss=final)
        for trial in trials.trials
    ]
    ranking = replace(trials, trials=tuple(made), target_loss=0.5).ranking()
    for group in ranking.groups:
        assert group.summary.success.value == (steps < math.inf)
        assert group.summary.steps.median.value == steps
        assert group.summary.steps.reached == (2 if steps < math.inf else 0)


def test_two_tasks_that_differ_in_name_alone_are_refused():
    """Their trials would have the same keys; a named task and one that is like it are no different."""
    for tasks in ([{"name": "a"}, {"name": "b"}], ["spirals", {"name": "mine", "like": "spirals"}]):
        with pytest.raises(GoodinitError, match=r"are the same but for their names; leave one out"):
            goodinit.compare("he_normal", tasks=tasks, steps=1)
