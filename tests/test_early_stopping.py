"""Early stopping: against the lowest validation loss of all snapshots, looked for here with scikit-learn."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import log_loss

import goodinit
from goodinit.comparison.design import design
from goodinit.datasets import load
from goodinit.networks import stack
from goodinit.streams import KeyedStream
from goodinit.training import REGISTRY, batches, forward, train

OPTIONS = {
    "data": "moons(noise=0.5, points=80)", "widths": [40, 40], "optimizer": "adam", "learning_rate": 0.03,
    "steps": 300, "record_every": 10, "batch_size": 16, "stream": "keyed", "early_stopping": 3,
}  # fmt: skip


def probabilities(task, parameters, X):
    own = {name: value[:1] for name, value in parameters.items()}
    return 1 / (1 + np.exp(-forward(task.mlp, own, X.T)[0][-1][0, 0]))


def looked_for(task, seed):
    """Best step, stop, and the snapshots of a training of he_normal by the reference, without any stopping."""
    data, whole = task.source.dataset(seed), load("moons(noise=0.5, points=80)", seed=seed)
    trained = {tuple(row) for row in data.X_train}
    aside = np.array([tuple(row) not in trained for row in whole.X_train])
    schedule = replace(task.schedule, early_stopping=None)
    places = [*schedule.recorded, schedule.steps]
    start = task.mlp.parameters("he_normal", KeyedStream(seed))
    order = batches(len(data.y_train), schedule, KeyedStream(seed))
    run = train(
        task.mlp, stack([start]), data.X_train.T, data.targets, schedule, order, engine="reference", snapshots=places
    )
    losses = {
        step: log_loss(whole.y_train[aside], probabilities(task, run.snapshots[step], whole.X_train[aside]))
        for step in places
    }
    best, stale = 0, 0
    for step in places:
        best, stale = (step, 0) if losses[step] < losses[best] or step == 0 else (best, stale + 1)
        if stale == 3 and step < schedule.steps:
            return best, step, run, data, whole
    return best, None, run, data, whole


@pytest.mark.parametrize("engine", REGISTRY)
def test_the_lowest_validation_loss_counts(engine):
    if not REGISTRY[engine].available():
        pytest.skip(f"{engine} is not there")
    found = goodinit.compare("he_normal", seeds="0-3", engine=engine, perturbations=2, **OPTIONS)
    stops = []
    for trial in found.trials:
        best, stop, run, data, whole = looked_for(found.study.tasks[0], trial.seed)
        assert len(data.y_train) < len(whole.y_train)
        assert np.array_equal(data.X_test, whole.X_test)
        assert (trial.best_step, trial.stopped_at) == (best, stop)
        assert trial.loss_steps == tuple(step for step in range(0, 300, 10) if stop is None or step <= stop)
        expected = run.losses[0][best // 10] if best < 300 else run.final_loss[0]
        assert trial.final_loss == pytest.approx(expected, rel=1e-6)
        guess = probabilities(found.study.tasks[0], run.snapshots[best], whole.X_test) > 0.5
        assert trial.test_accuracy == pytest.approx((guess == whole.y_test).mean())
        assert f"lowest before step {best:,}" in trial.why
        stops.append(stop)
    assert any(stop is not None for stop in stops), "some training ends early, or nothing is tested"


def test_a_trial_is_the_same_alone_and_beside_others():
    together = goodinit.compare(["zeros", "he_normal", "orthogonal"], seeds="0-1", perturbations=2, **OPTIONS).trials
    alone = goodinit.compare("he_normal", seeds=[1], perturbations=0, **OPTIONS).trials[0]
    (beside,) = [trial for trial in together if (trial.initialization, trial.seed) == ("he_normal", 1)]
    assert replace(beside, sensitivity=None) == replace(alone, sensitivity=None)


def test_the_test_examples_decide_nothing():
    data = load("moons(noise=0.5, points=80)", seed=0)
    turned = replace(data, y_test=1 - data.y_test)
    first, second = (
        goodinit.compare("he_normal", seeds=[0], perturbations=0, **{**OPTIONS, "data": each}).trials[0]
        for each in (data, turned)
    )
    assert (first.best_step, first.stopped_at, first.loss_values) == (
        second.best_step, second.stopped_at, second.loss_values,
    )  # fmt: skip
    assert first.test_accuracy == pytest.approx(1 - second.test_accuracy)


def test_a_tuning_and_a_study_that_goes_on(tmp_path):
    told = {**OPTIONS, "learning_rate": [0.003, 0.03], "tuning_criterion": "validation_loss", "perturbations": 0}
    first = goodinit.compare(["he_normal", "zeros"], seeds="0-1", study=tmp_path / "a.db", **told)
    again = goodinit.compare(["he_normal", "zeros"], seeds="0-1", study=tmp_path / "a.db", **told)
    assert again.trials == first.trials
    assert goodinit.open_study(tmp_path / "a.db").trials[0].best_step is not None
    assert {"best_step", "stopped_at"} <= set(first.to_dict()["trials"][0])
    assert "--early-stopping 3" in (first.rerun.command or "") or "early-stopping = 3" in (first.rerun.toml or "")
    plain = goodinit.compare("he_normal", seeds=[0], perturbations=0, **{**OPTIONS, "early_stopping": None})
    assert "best_step" not in plain.to_dict()["trials"][0]


def test_what_diverges_has_diverged():
    found = goodinit.compare(
        "normal(std=10)", seeds=[0], perturbations=0,
        **{**OPTIONS, "optimizer": "gradient_descent", "learning_rate": 1e300},
    ).trials[0]  # fmt: skip
    assert found.diverged
    assert found.best_step is None


def test_a_model_keeps_the_state_of_its_lowest_loss(tmp_path, monkeypatch):
    torch = pytest.importorskip("torch")
    from goodinit.pytorch.loop import all_outputs, loss_of, train_model

    def make():
        return torch.nn.Sequential(
            torch.nn.Linear(2, 40), torch.nn.BatchNorm1d(40), torch.nn.ReLU(), torch.nn.Linear(40, 1)
        ).double()

    told = {key: value for key, value in OPTIONS.items() if key not in ("widths", "stream")}
    found = goodinit.compare("he_normal", model=make, seeds="0-2", **told)
    task = design("he_normal", model=make, **told).tasks[0]
    assert any(trial.stopped_at is not None for trial in found.trials)
    for trial in found.trials:
        data, model = task.source.dataset(trial.seed), make()
        goodinit.initialize(model, "he_normal", seed=trial.seed, inputs=torch.from_numpy(data.X_train[:32]))
        order = batches(len(data.y_train), task.schedule, KeyedStream(trial.seed))
        X, y = torch.from_numpy(data.X_train), torch.from_numpy(data.y_train)
        run = train_model(
            model.train(), X, y, "binary_cross_entropy", optimizer="adam", learning_rate=0.03,
            steps=trial.best_step, record_every=10, batches=order,
        )  # fmt: skip
        assert trial.final_loss == pytest.approx(run.final_loss, rel=1e-9)
        outputs = all_outputs(model, torch.from_numpy(data.X_test))
        tested = float(loss_of("binary_cross_entropy", outputs, torch.from_numpy(data.y_test)))
        assert trial.test_loss == pytest.approx(tested, rel=1e-9)
        end = 300 if trial.stopped_at is None else trial.stopped_at + 10
        assert trial.loss_steps == tuple(range(0, end, 10))
