"""Regression: numbers to predict, R\u00b2 in place of accuracy, from the data to the page."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import optimize
from sklearn.datasets import load_diabetes
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import LinearRegression
from sklearn.metrics import mean_squared_error, r2_score

import goodinit
from goodinit import checkup, datasets
from goodinit.comparison import load_study
from goodinit.comparison.design import design
from goodinit.comparison.rerun import rerun
from goodinit.datasets import Dataset
from goodinit.errors import GoodinitError
from goodinit.networks import MLP
from goodinit.results import Trial
from goodinit.streams import KeyedStream
from goodinit.training import forward, r_squared

FAST = {"perturbations": 0, "stream": "keyed", "steps": 200}


def outputs(task, trial, X):
    return forward(task.network, trial.parameters, X.T)[0][-1][0]


def wild(rows=60, seed=0):
    """Two features and a target far from mean 0 and deviation 1, with a linear part and a curved one."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, 2))
    return X, 1e4 + 300 * (X[:, 0] + 0.5 * X[:, 1] ** 2) + 20 * rng.normal(size=rows)


@pytest.fixture
def table(tmp_path):
    X, y = wild()
    path = tmp_path / "prices.csv"
    path.write_text(
        "a,b,price\n" + "".join(f"{a!r},{b!r},{p!r}\n" for (a, b), p in zip(X.tolist(), y.tolist(), strict=True))
    )
    return path


def test_wave_is_its_function_and_its_noise():
    for seed in (0, 5):
        data = datasets.load("wave", seed=seed)
        for X, y, rows in ((data.X_train, data.y_train, 300), (data.X_test, data.y_test, 100)):
            x = X[:, 0]
            noise = y - np.sin(2 * np.pi * x) - 0.5 * np.sin(5 * np.pi * x)
            assert X.shape == (rows, 1)
            assert np.abs(x).max() < 1
            assert abs(noise.std() / 0.1 - 1) < 4 / math.sqrt(2 * rows)
            assert abs(noise.mean()) < 4 * 0.1 / math.sqrt(rows)
    assert not np.array_equal(datasets.load("wave", seed=0).y_train, datasets.load("wave", seed=5).y_train)


def test_diabetes_in_its_own_unit_is_scikit_learns():
    raw, data = load_diabetes(scaled=False), datasets.load("diabetes", seed=2)
    y = data.target_mean + data.target_scale * np.concatenate([data.y_train, data.y_test])
    np.testing.assert_allclose(np.sort(y), np.sort(raw.target))
    assert (len(data.y_train), len(data.y_test)) == (332, 110)
    np.testing.assert_allclose([data.y_train.mean(), data.y_train.std()], [0, 1], atol=1e-12)
    np.testing.assert_allclose(data.X_train.std(axis=0), 1)
    fitted = LinearRegression().fit(raw.data, raw.target)  # the same rows with the same targets have the same fit
    X = np.concatenate([data.X_train, data.X_test])
    assert LinearRegression().fit(X, y).score(X, y) == pytest.approx(fitted.score(raw.data, raw.target))
    assert not np.array_equal(datasets.load("diabetes", seed=3).y_train, data.y_train)


def test_the_loss_of_guessing_is_the_least_a_constant_can_have(table):
    for data in (datasets.load("wave", seed=1), datasets.load(table, "price", standardize=False, regression=True)):
        dummy = DummyRegressor(strategy="mean").fit(data.X_train, data.y_train)
        assert data.chance_loss == pytest.approx(mean_squared_error(data.y_train, dummy.predict(data.X_train)))
        least = optimize.minimize_scalar(lambda c, y=data.y_train: np.mean((y - c) ** 2))
        assert data.chance_loss == pytest.approx(least.fun)
        network = MLP((len(data.features), 3, 1), goodinit.activations.get("tanh"), "squared_error")
        parameters = network.parameters(goodinit.initializers.get("he_normal"), KeyedStream(0))
        measured = checkup.measure(network, parameters, data.X_train.T, data.targets)
        assert measured.chance_loss == pytest.approx(least.fun)
        assert measured.sure_share is None


def test_gradients_of_the_checkup_are_autograds():
    torch = pytest.importorskip("torch")
    data = datasets.load("wave", seed=1)
    network = MLP((1, 4, 1), goodinit.activations.get("tanh"), "squared_error")
    parameters = network.parameters(goodinit.initializers.get("he_normal"), KeyedStream(0))
    leaves = {name: torch.tensor(value, requires_grad=True) for name, value in parameters.items()}
    hidden = torch.tanh(leaves["W1"] @ torch.tensor(data.X_train.T) + leaves["b1"])
    loss = torch.nn.functional.mse_loss(leaves["W2"] @ hidden + leaves["b2"], torch.tensor(data.targets))
    loss.backward()
    measured = checkup.measure(network, parameters, data.X_train.T, data.targets)
    assert measured.loss == pytest.approx(loss.item())
    for name, largest in measured.largest_gradients.items():
        assert largest == pytest.approx(leaves[name].grad.abs().max().item())


@pytest.mark.parametrize("data", ["wave", "diabetes"])
def test_scores_are_scikit_learns(data):
    found = goodinit.compare(["zeros", "he_normal"], data=data, widths=[8], optimizer="adam", **FAST)
    for trial in found.trials:
        examples = found.task.source.dataset(trial.seed)
        for X, y, score in (
            (examples.X_train, examples.y_train, trial.train_r2),
            (examples.X_test, examples.y_test, trial.test_r2),
        ):
            assert score == pytest.approx(r2_score(y, outputs(found.task, trial, X)), abs=1e-12)
        assert trial.final_loss == pytest.approx(
            mean_squared_error(examples.y_train, outputs(found.task, trial, examples.X_train))
        )
        assert (trial.train_accuracy, trial.test_accuracy) == (None, None)


def test_r_squared_at_its_edges():
    network = MLP((1, 1), goodinit.activations.get("relu"), "squared_error")
    X = np.array([[0.0, 1.0, 2.0]])
    for weight, bias, y in (
        (0.0, 3.0, [3, 3, 3]),
        (1.0, 3.0, [3, 3, 3]),
        (0.0, 2.0, [1, 2, 3]),
        (-5.0, 0.0, [1, 2, 4]),
    ):
        parameters = {"W1": np.array([[weight]]), "b1": np.array([[bias]])}
        assert r_squared(network, parameters, X, np.array(y, float)) == r2_score(y, weight * X[0] + bias)
    for bad in (math.inf, math.nan):
        lost = {"W1": np.array([[bad]]), "b1": np.array([[0.0]])}
        assert not np.isfinite(r_squared(network, lost, X, np.array([1.0, 2, 3])))


def test_without_hidden_layers_it_is_linear_regression(table):
    options = {"target": "price", "loss": "squared_error", "widths": [], "learning_rate": 0.2}
    trial = goodinit.compare("lecun_normal", data=table, **options, **{**FAST, "steps": 500}).trials[0]
    data = datasets.load(table, "price", trial.seed, regression=True)
    linear = LinearRegression().fit(data.X_train, data.y_train)
    assert trial.test_r2 == pytest.approx(linear.score(data.X_test, data.y_test), abs=1e-9)
    np.testing.assert_allclose(trial.parameters["W1"][0], linear.coef_, atol=1e-9)


def test_a_file_is_of_classes_unless_told(table, tmp_path):
    few = tmp_path / "stars.csv"
    few.write_text("x,stars\n" + "".join(f"{i},{1 + i % 5}\n" for i in range(40)))
    assert datasets.load(few, "stars").classes == ("1", "2", "3", "4", "5")
    numbers = datasets.load(few, "stars", regression=True)
    assert numbers.regression
    assert numbers.target == "stars"
    assert numbers.note.startswith("features and target standardized by the training rows'")
    y = numbers.target_mean + numbers.target_scale * np.concatenate([numbers.y_train, numbers.y_test])
    np.testing.assert_allclose(np.sort(y), np.sort(1 + np.arange(40) % 5))
    with pytest.raises(GoodinitError, match="Predict it as a number with --loss squared_error"):
        datasets.load(table, "price")
    raw = datasets.load(table, "price", standardize=False, regression=True)
    assert raw.note == ""
    assert np.array_equal(np.sort(np.concatenate([raw.y_train, raw.y_test])), np.sort(wild()[1]))
    X, y = wild()
    pairs = dict(zip(X[:, 0].tolist(), y.tolist(), strict=True))
    assert [pairs[x] for x in raw.X_test[:, 0].tolist()] == raw.y_test.tolist()
    assert len({tuple(datasets.load(table, "price", seed, regression=True).X_test[:, 0]) for seed in range(4)}) == 4


def test_npz(tmp_path):
    X, y = wild()
    np.savez(tmp_path / "a.npz", X=X, y=y.astype(np.float32)[:, None])
    np.savez(tmp_path / "b.npz", X_train=X, y_train=y, X_test=X[:9], y_test=y[:9])
    raw = datasets.load(tmp_path / "a.npz", standardize=False, regression=True)
    assert set(raw.y_train) | set(raw.y_test) == set(y.astype(np.float32).astype(float))
    parted = datasets.load(tmp_path / "b.npz", regression=True)
    assert parted.parted
    np.testing.assert_allclose(parted.target_mean + parted.target_scale * parted.y_test, y[:9])
    np.savez(tmp_path / "c.npz", X=X, y=np.array(["a", "b"] * 30))
    with pytest.raises(GoodinitError, match="squared_error needs numbers"):
        datasets.load(tmp_path / "c.npz", regression=True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x,y\n1,2\n2,cat\n3,4\n", "line 3, column 'y': 'cat' is not a number"),
        ("x,y\n1,2\n2,inf\n3,4\n", "line 3, column 'y': 'inf' is infinite"),
        ("x,y\n1,2\n2,nan\n3,4\n", "line 3, column 'y': the value is missing"),
        ("x,y\n1,2\n2,2\n3,2\n4,2\n", "all 4 targets are 2; there is nothing to predict"),
        ("x,y\n" + "1,1e308\n2,-1e308\n" * 9, "targets to train on are too large"),
        ("x,y\n" + "1,2\n" * 1 + "2,3\n", "2 rows below the header|too few|nothing to predict"),
    ],
)
def test_targets_that_cannot_be_predicted(tmp_path, text, message):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(GoodinitError, match=message):
        datasets.load(tmp_path / "a.csv", "y", regression=True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"data": "wave", "loss": "cross_entropy"}, "wave has numbers to predict"),
        ({"loss": "mse"}, "loss 'mse' is not known"),
        ({"data": "wave", "margin": 1.0}, "difference in accuracy or R\u00b2"),
    ],
)
def test_losses_that_do_not_fit(options, message):
    with pytest.raises(GoodinitError, match=message):
        goodinit.compare("he_normal", **options)


def test_a_dataset_of_ones_own():
    X, y = wild()
    data = Dataset("mine", X[:40], (y[:40] - 1e4) / 300, X[40:], (y[40:] - 1e4) / 300, (), ("a", "b"))
    trial = goodinit.compare("he_normal", data=data, **FAST).trials[0]
    assert trial.score_name == "r2"
    with pytest.raises(GoodinitError, match="one finite number for each of 40"):
        replace(data, y_train=np.full(40, np.nan))
    with pytest.raises(GoodinitError, match="one finite number for each of 20"):
        replace(data, y_test=np.zeros((20, 2)))
    with pytest.raises(GoodinitError, match="are all the same"):
        replace(data, y_train=np.ones(40))


@pytest.fixture(scope="module")
def found():
    """Three starts on six seeds of the named task with ReLU; normal(std=10) diverges on most, and is dead on others."""
    return goodinit.compare(
        ["zeros", "he_normal", "normal(std=10)"],
        tasks="regression",
        activation="relu",
        seeds="0-5",
        steps=1500,
        perturbations=0,
    )


def test_the_ranking_goes_by_r_squared_and_divergence_is_worst(found):
    ranking = found.ranking()
    assert ranking.names[0] == "he_normal"
    lost = ranking["normal(std=10)"].summary
    diverged = sum(t.diverged for t in found.trials if t.name == "normal(std=10)")
    assert 3 < diverged < 6
    assert lost.divergence.value == diverged / 6
    assert lost.floor == -1
    assert ranking.pair("zeros", "normal(std=10)").wins >= diverged
    summary = json.loads(found.to_json())["summary"]["tasks"][0]
    assert summary["score"] == "test_r2"
    assert summary["target_loss"] == pytest.approx(datasets.load("wave", seed=0).y_train.var() / 2)
    he = next(t for t in found.trials if t.name == "he_normal")
    assert he.findings == ()
    assert f"test R\u00b2 {he.test_r2:.4g}" in he.why
    zeros = next(t for t in found.trials if t.name == "zeros")
    assert "that of predicting the mean" in zeros.why
    assert {f.code for f in zeros.findings} >= {"identical-units", "zero-gradient"}


def test_what_json_and_tables_hold(found, tmp_path):
    for trial in found.trials:
        facts = trial.to_dict()
        assert {"train_r2", "test_r2"} < facts.keys()
        assert not {"train_accuracy", "test_accuracy"} & facts.keys()
        again = Trial.from_dict(json.loads(json.dumps(facts, allow_nan=False)), {})
        assert again.to_dict() == facts
        assert again.score_name == "r2"
    both = goodinit.compare("he_normal", tasks=["regression", "moons"], steps=20, perturbations=0)
    lines = both.to_csv(tmp_path / "t.csv").read_text().splitlines()
    columns = {name: [line.split(",")[at] for line in lines[1:]] for at, name in enumerate(lines[0].split(","))}
    assert columns["test_accuracy"][0] == columns["test_r2"][1] == ""
    assert float(columns["test_r2"][0]) == both.trials[0].test_r2
    assert float(columns["test_accuracy"][1]) == both.trials[1].test_accuracy


def test_a_study_keeps_it(tmp_path, table):
    options = {"data": table, "target": "price", "loss": "squared_error", "study": tmp_path / "s.db", **FAST}
    first = goodinit.compare("he_normal", seeds="0-1", **options)
    again = goodinit.compare("he_normal", seeds="0-1", **options)
    assert again.trials == first.trials
    assert goodinit.open_study(tmp_path / "s.db").trials[0].test_r2 == first.trials[0].test_r2


def test_the_margin_is_one_of_r_squared():
    options = {"tasks": "regression", "seeds": "0-7", "steps": 3000, "perturbations": 0, "learning_rate": 0.02}
    found = goodinit.compare(["he_normal", "he_uniform"], margin=0.2, **options).ranking()
    pair = found.pairs[0]
    assert pair.verdict == "not separable"
    assert any("8 seeds cannot show that two are equivalent within 0.2" in note for note in found.notes)
    assert -0.2 < pair.mean_difference.low < pair.mean_difference.high < 0.2


def test_page_and_folder(found, tmp_path):
    found.report(tmp_path / "r.html")
    text = (tmp_path / "r.html").read_text()
    assert "test R\u00b2" in text
    assert "accuracy" not in text
    assert (tmp_path / "r-figures" / "fits.png").exists()
    assert "counts as test R\u00b2" in text
    found.save(tmp_path / "out")
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["fit.png", "loss.png", "result.json"]
    assert "accuracy" not in str(found)
    assert "test R\u00b2" in found._repr_html_()


def test_several_features_and_mixed_tasks_are_drawn(tmp_path, table):
    several = goodinit.compare(
        ["he_normal", "normal(std=1000)"],
        tasks=[{"name": "prices", "data": table, "target": "price", "loss": "squared_error"}, "moons"],
        seeds="0-1",
        steps=20,
        perturbations=0,
    )
    several.report(tmp_path / "r.html")
    text = (tmp_path / "r.html").read_text()
    assert "test R\u00b2 or test accuracy" in text
    assert (tmp_path / "r-figures" / "task1-fits.png").exists()
    assert (tmp_path / "r-figures" / "task2-decision-boundaries.png").exists()


def test_toml_and_how_to_run_it_again(tmp_path, table):
    (tmp_path / "study.toml").write_text(
        '[[task]]\nname = "prices"\ndata = "prices.csv"\ntarget = "price"\nloss = "squared_error"\nsteps = 5\n'
    )
    study = design("he_normal", **load_study(tmp_path / "study.toml"))
    assert study.tasks[0].network.loss == "squared_error"
    said = {"perturbations": 4, "margin": 0, "target_loss": None}
    told = rerun(design("he_normal", data=table, target="price", loss="squared_error"), **said)
    assert "--loss squared_error" in told.command
    assert 'loss = "squared_error"' in rerun(study, **said).toml
    assert "--loss" not in rerun(design("zeros", tasks="regression"), **said).command
    (tmp_path / "study.toml").write_text("loss = 3\n")
    with pytest.raises(GoodinitError, match="line 1: loss = 3 must be cross_entropy or squared_error"):
        load_study(tmp_path / "study.toml")


@pytest.mark.parametrize("engine", ["lanes", "torch"])
def test_every_engine_gives_the_same(engine):
    from goodinit.training import lanes, torch_engine

    if not {"lanes": lanes, "torch": torch_engine}[engine].available():
        pytest.skip(f"the {engine} engine is not there")
    options = {"tasks": "regression", "steps": 50, "perturbations": 0}
    trained, textbook = (goodinit.compare("he_normal", engine=e, **options).trials[0] for e in (engine, "reference"))
    assert trained.test_r2 == pytest.approx(textbook.test_r2, rel=1e-9)
