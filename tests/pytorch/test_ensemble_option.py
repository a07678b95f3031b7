"""`compare(ensemble=N)`: a person's models trained as stacked arrays, with what is refused, kept and said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import goodinit
from goodinit import GoodinitError
from goodinit.comparison.batches import batched
from goodinit.comparison.design import design

OPTIONS = {"data": "moons", "seeds": "0-3", "steps": 12, "batch_size": 16, "learning_rate": 0.01}


def small() -> nn.Module:
    return nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1))


def convolutional() -> nn.Module:
    pooled = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2))
    return nn.Sequential(nn.Unflatten(1, (1, 8, 8)), pooled, nn.Flatten(), nn.Linear(64, 10))


def local() -> nn.Module:
    """Of a class of its own each time, as those are that are defined where the model is made."""

    class Local(nn.Sequential):
        pass

    return Local(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1))


@pytest.mark.parametrize(("make", "data"), [(small, "moons"), (local, "moons"), (convolutional, "digits")])
@pytest.mark.filterwarnings("error")
def test_trials_are_those_of_models_trained_one_by_one(make, data):
    """Not by adam: a bias before a batch norm has a gradient of zero but for rounding, which it makes a whole step."""
    options = {**OPTIONS, "data": data, "init": ["default", "he_normal"], "optimizer": "momentum"}
    alone = goodinit.compare(model=make, **options)
    for ensemble in (8, 3):
        together = goodinit.compare(model=make, ensemble=ensemble, **options)
        for found, wanted in zip(together.trials, alone.trials, strict=True):
            assert (found.initialization, found.seed) == (wanted.initialization, wanted.seed)
            np.testing.assert_allclose(found.loss_values, wanted.loss_values, rtol=1e-5)
            assert found.final_loss == pytest.approx(wanted.final_loss, rel=1e-5)
            assert [each.code for each in found.findings] == [each.code for each in wanted.findings]
            assert (found.origin.engine, wanted.origin.engine) == ("torch.func", "torch")


def test_batches_are_of_so_many_models():
    study = design(["default", "he_normal"], model=small, ensemble=3, **OPTIONS)
    assert [len(batch.jobs) for batch in batched(study, study.jobs({}))] == [3, 3, 2]


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cell, self.end = nn.LSTM(2, 4, batch_first=True), nn.Linear(4, 1)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.end(self.cell(x[:, None])[0][:, -1])
        return found


class Masked(nn.Module):
    """Holds random numbers that are neither a parameter nor a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.inside, self.mask = small(), torch.rand(2)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.inside(x * self.mask)
        return found


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (Recurrent, {"ensemble": 2}, "cannot be trained as stacked arrays"),
        (lambda: nn.Sequential(small(), nn.Dropout(0.5)), {"ensemble": 2}, "cannot be trained as stacked arrays"),
        (Masked, {"ensemble": 2}, "neither a parameter nor a buffer"),
        (small, {"ensemble": 2, "early_stopping": 2}, "leave out one of the two"),
        (small, {"ensemble": 0}, "an integer from 1 to 1000"),
        (small, {"ensemble": 2.0}, "an integer from 1 to 1000"),
        (None, {"ensemble": 2}, "ensemble=2 goes with a model of your own"),
    ],
)
def test_what_cannot_be_stacked_is_refused_before_anything_is_trained(make, options, message):
    def made() -> nn.Module:
        return make()

    model = {} if make is None else {"model": made}
    with pytest.raises(GoodinitError, match=message):
        goodinit.compare("he_normal", **model, **OPTIONS, **options)


def test_a_study_is_not_mixed_unless_asked(tmp_path: Path) -> None:
    kept = tmp_path / "kept.db"
    goodinit.compare("default", model=small, study=kept, **OPTIONS)
    more = {**OPTIONS, "seeds": "0-5"}
    with pytest.raises(GoodinitError, match=r"trained by torch .*torch\.func"):
        goodinit.compare("default", model=small, study=kept, ensemble=2, **more)
    mixed = goodinit.compare("default", model=small, study=kept, ensemble=2, mixed=True, **more)
    assert [trial.origin.engine for trial in mixed.trials] == ["torch"] * 4 + ["torch.func"] * 2


def test_a_limit_of_time_ends_trials_one_by_one(tmp_path: Path) -> None:
    (trial,) = goodinit.compare(
        "default", model=small, ensemble=2, time_limit=0.01, **{**OPTIONS, "steps": 10**6, "seeds": "0"}
    ).trials
    assert "time limit" in (trial.failure or "")


def test_the_report_says_how_to_run_it_again(tmp_path: Path) -> None:
    from goodinit.comparison.rerun import rerun

    told = rerun(design("default", model=small, ensemble=4, **OPTIONS))
    assert "'ensemble': 4" in told.call


def test_a_model_of_one_in_a_race_may_be_trained_in_ensembles() -> None:
    torch.manual_seed(0)
    found = goodinit.recommend(
        small,
        goodinit.datasets.load("moons"),
        budget=40,
        candidates=["he_normal"],
        learning_rates=[0.01, 0.1],
        steps=20,
        ensemble=4,
    )
    assert found.finals
