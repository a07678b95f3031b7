"""Threads are set for the work and put back; a model's time is told beforehand."""

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_info, threadpool_limits
from torch import nn

import goodinit
from goodinit import activations, initializers
from goodinit.comparison import estimate
from goodinit.comparison import plan as planning
from goodinit.comparison.design import design
from goodinit.networks import MLP, stack
from goodinit.pytorch.loop import operations_of
from goodinit.streams import KeyedStream
from goodinit.threads import ALONE, blas_threads, torch_threads
from goodinit.training import Schedule, batches, train

seen: list[int] = []


class Watched(nn.Linear):
    """A layer that notes PyTorch's threads each time it trains."""

    def forward(self, x):
        if self.training:
            seen.append(torch.get_num_threads())
        return super().forward(x)


def data(features):
    x = np.random.default_rng(0).normal(size=(1200, features))
    return x, (x[:, 0] > 0).astype(int), x[:100], (x[:100, 0] > 0).astype(int)


def small():
    return nn.Sequential(Watched(4, 16), nn.ReLU(), nn.Linear(16, 2)), data(4)


def large():
    return nn.Sequential(Watched(64, 1024), nn.ReLU(), nn.Linear(1024, 2)), data(64)


def deep():
    """As much work as `large`, in layers that are small: threads would meet forty times."""
    return nn.Sequential(Watched(40, 40), *(nn.Linear(40, 40) for _ in range(40)), nn.Linear(40, 2)), data(40)


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    with threadpool_limits(2):
        yield
    torch.set_num_threads(before)
    seen.clear()


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize(("make", "threads"), [(small, 1), (large, 2), (deep, 1)])
def test_a_model_trains_with_the_threads_that_it_is_worth(make, threads):
    goodinit.compare(["he_normal"], model=make, steps=3, seeds=[0], learning_rate=0.01, batch_size=1200)
    assert set(seen[-3:]) == {threads}  # the last are the steps
    assert torch.get_num_threads() == 2


@pytest.mark.usefixtures("two_threads")
def test_threads_are_put_back_after_an_error():
    def fails(threads, count):
        with threads(1):
            assert count() in (1, {1})
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fails(torch_threads, torch.get_num_threads)
    assert torch.get_num_threads() == 2

    def blas():
        return {each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"}

    before = blas()
    with pytest.raises(RuntimeError):
        fails(blas_threads, blas)
    with blas_threads(2 * ALONE):
        assert blas() == before
    assert blas() == before


@pytest.mark.usefixtures("two_threads")
def test_a_network_in_pytorch_too(monkeypatch):
    from goodinit.training import torch_engine

    real, found = torch_engine.train, []
    monkeypatch.setattr(torch_engine, "train", lambda call: (found.append(torch.get_num_threads()), real(call))[1])
    for width, examples in ((8, 50), (512, 2000)):
        network = MLP((2, width, width, 1), activations.get("relu"), "binary_cross_entropy")
        start = stack([network.parameters(initializers.get("he_normal"), KeyedStream(0))])
        schedule = Schedule(steps=2, record_every=1)
        order = batches(examples, schedule, KeyedStream(0))
        X, Y = np.ones((2, examples)), np.zeros((1, examples))
        train(network, start, X, Y, schedule, order, engine="torch")
    assert found == [1, 2]


def test_operations_are_counted_and_the_model_stays_as_it_is():
    convolution = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(8 * 64, 2))
    before = {name: value.clone() for name, value in convolution.state_dict().items()}
    counted = operations_of(convolution, torch.randn(5, 3, 8, 8))
    assert counted == 8 * 27 * 64 + 8 * 64 * 2  # a tap is a multiplication and an addition; two calls
    assert all(torch.equal(value, before[name]) for name, value in convolution.state_dict().items())
    assert convolution.training
    assert operations_of(nn.LSTM(4, 8), torch.randn(5, 1, 4)) >= 4 * 8 * 4 + 4 * 8 * 8  # two matrices


@pytest.mark.parametrize("batch_size", [1200, 100])
def test_the_time_of_a_model_is_told(monkeypatch, batch_size):
    """On a clock of our own, where a step takes 2 ms and a model once 30 ms, and nothing else."""
    now = [0.0]

    def trained(batch, *_):
        now[0] += len(batch.jobs) * (0.030 + 0.002 * batch.task.schedule.steps)

    monkeypatch.setattr(planning, "train_models", trained)
    monkeypatch.setattr(planning.time, "perf_counter", lambda: now[0])
    options = {"model": small, "steps": 500, "record_every": 50, "batch_size": batch_size}
    plan = estimate(design(["default", "he_normal"], seeds="0-4", **options))
    forward = 0.002 / 3 * 1200 / batch_size  # a step is a forward pass and twice as much backward
    assert plan.seconds == pytest.approx(10 * (0.030 + 500 * 0.002 + 9 * forward))
    assert "not known" not in str(plan)
