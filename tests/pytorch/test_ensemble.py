"""Models trained as one ensemble: each as if alone, but for rounding."""

import math
from dataclasses import replace

import numpy as np
import pytest

from goodinit.comparison.batches import Batch, batched
from goodinit.comparison.design import check_starts
from goodinit.comparison.model_tasks import train_models
from goodinit.methods import get
from goodinit.results import Job, Study
from goodinit.suite import registered

torch = pytest.importorskip("torch")


def a_task(name, **changes):
    (found,) = registered("full").chosen([name])
    return replace(found, steps=3, **changes).task()


def alone(task):
    return replace(task, network=replace(task.network, ensemble=1))


@pytest.mark.parametrize(
    ("name", "optimizer", "options"),
    [
        ("plain relu, small", "gradient_descent", {}),
        ("residual convolutions, batch norm, small", "momentum", {}),
        ("majority, post-norm, small", "adamw", {}),
        ("hypernetwork", "adam", {}),
        *(("plain relu, small", each, {"weight_decay": 3.0}) for each in ("momentum", "adam", "adamw")),
        ("residual convolutions, batch norm, small", "momentum", {"gradient_clipping": 0.01}),
        ("plain relu, small", "adamw", {"weight_decay": 3.0, "learning_rate_schedule": "cosine", "warmup": 1}),
    ],
)
def test_an_ensemble_trains_each_model_as_alone(name, optimizer, options):
    """The same losses to 1e-5, starts and rates of their own, also where a method multiplies rates and decays."""
    task = a_task(name, optimizer=optimizer)
    task = replace(task, schedule=replace(task.schedule, **options))
    starts = [get("default"), get("mup(base_width=4)")]
    jobs = tuple(Job(0, start, rate, seed) for start, seed in zip(starts, (5, 6), strict=True) for rate in (1e-3, 1e-2))
    together = train_models(Batch(task, jobs))
    for found, job in zip(together, jobs, strict=True):
        (wanted,) = train_models(Batch(alone(task), (job,)))
        assert found.initialization == wanted.initialization
        np.testing.assert_allclose(found.loss_values, wanted.loss_values, rtol=1e-6)
        assert found.final_loss == pytest.approx(wanted.final_loss, rel=1e-5)
        assert found.test_loss == pytest.approx(wanted.test_loss, rel=1e-5)
        assert (found.train_score, found.test_score) == pytest.approx((wanted.train_score, wanted.test_score), abs=0.01)


def test_a_model_that_diverges_harms_no_other():
    task = a_task("plain relu, small")
    start = get("default")
    calm, wild = train_models(Batch(task, (Job(0, start, 1e-3, 5), Job(0, start, 1e30, 5))))
    (wanted,) = train_models(Batch(alone(task), (Job(0, start, 1e30, 5),)))
    assert not calm.diverged
    assert wild.diverged
    assert (wild.diverged_by, math.isnan(wild.final_loss)) == (wanted.diverged_by, math.isnan(wanted.final_loss))


def test_models_of_all_seeds_are_one_batch_also_with_held_out_examples():
    task = a_task("plain relu, small")
    study = Study((task,), (get("default"),), (1e-3, 1e-2), (1, 2), (8, 9), "validation_loss")
    (batch,) = batched(study, study.tuning_jobs())
    assert [job.seed for job in batch.jobs] == [8, 8, 9, 9]
    for found, job in zip(train_models(batch), batch.jobs, strict=True):
        (wanted,) = train_models(Batch(alone(batch.task), (job,)))
        assert found.test_loss == pytest.approx(wanted.test_loss, rel=1e-5)
    assert {len(batch.jobs) for batch in batched(replace(study, tasks=(alone(task),)), study.tuning_jobs())} == {1}


def test_a_start_that_needs_gradients_is_tried_with_them_before_a_study():
    """`check_starts` gave such a method no loss, so that the suite and `recommend` left it out."""
    check_starts(a_task("hypernetwork"), [get("metainit(steps=1)")], measured=True)
