"""What a study will take: counted exactly, told before anything runs; the time as a person would check it."""

import json
import re
import signal

import pytest

import goodinit
from children import run, training
from goodinit.comparison import Plan, design, estimate


def announced(**options):
    """The plans that `compare` announced, and how many networks it then trained."""
    plans, trained = [], {}

    def progress(what, done, total):
        assert plans, "something was trained before the plan was told"
        trained[what] = total

    goodinit.compare(announce=plans.append, progress=progress, perturbations=0, **options)
    return plans, sum(trained.values())


def test_the_trials_are_counted_and_those_that_are_stored(tmp_path):
    options = {"init": ["zeros", "he_normal"], "data": "moons", "steps": 20, "study": tmp_path / "s.db"}
    for seeds, total, stored in (("0-2", 6, 0), ("0-2", 6, 6), ("0-4", 10, 6)):
        (plan,), trained = announced(seeds=seeds, **options)
        assert trained == total - stored
        assert (plan.trials, plan.stored) == (total, stored)
        assert plan.seconds is not None
        assert (plan.seconds == 0) == (total == stored)


def test_tuning_counts(tmp_path):
    options = {"init": "he_normal", "data": "moons", "steps": 5, "learning_rate": "auto", "study": tmp_path / "s.db"}
    for seeds, stored in (("0-1", 0), ("0-1", 52), ("0-3", 52)):
        (plan,), _ = announced(seeds=seeds, **options)
        assert plan.stored == stored
        assert plan.trials == design("he_normal", data="moons", learning_rate="auto", seeds=seeds).size


@pytest.mark.parametrize("batch_size", [None, 100])
def test_the_time_is_that_of_the_steps_and_the_recorded_losses(monkeypatch, batch_size):
    """On a clock of our own, where a step takes 2 ms and training once 30 ms, for each network, and nothing else."""
    from goodinit.comparison import plan as module

    now = [0.0]

    def train(network, start, X, Y, schedule, order, **options):
        now[0] += len(start["b1"]) * (0.030 + 0.002 * schedule.steps)
        assert len(list(order)) == schedule.steps

    monkeypatch.setattr(module, "train", train)
    monkeypatch.setattr(module.time, "perf_counter", lambda: now[0])
    plan = estimate(design(["he_normal", "zeros"], seeds="0-4", steps=5000, record_every=50, batch_size=batch_size))
    forward = 0.002 / 3 * (300 / (batch_size or 300))  # a step is a forward pass and twice as much backward
    assert plan.seconds == pytest.approx(10 * (0.030 + 5000 * 0.002 + 99 * forward))
    copies = estimate(design(["he_normal", "zeros"], seeds="0-4", steps=5000, record_every=50), perturbations=4)
    assert copies.seconds == pytest.approx(18 * (0.030 + 5000 * 0.002 + 99 * 0.002 / 3))


def test_what_cannot_be_trained_has_no_time(monkeypatch):
    from goodinit.comparison import plan as module

    def train(*arguments, **options):
        raise MemoryError

    monkeypatch.setattr(module, "train", train)
    assert estimate(design("he_normal")).seconds is None


@pytest.mark.parametrize(
    ("plan", "told"),
    [
        (Plan(1, 0, 0.01), "1 trial: about a second"),
        (Plan(3000, 0, 61), "3,000 trials: about 60 seconds"),
        (Plan(3000, 20, 1000), "3,000 trials, 20 of them stored already: about 15 minutes"),
        (Plan(20, 20, 0), "20 trials, 20 of them stored already: nothing is left to train"),
        (Plan(2, 0, 6000), "2 trials: about 2 hours"),
        (Plan(2, 0, None), "2 trials: how long they take is not known"),
    ],
)
def test_it_is_said_in_round_numbers(plan, told):
    assert str(plan) == told


def test_the_command_says_it_on_standard_error(tmp_path, monkeypatch):
    long = ["compare", "--seeds", "0-3", "--json", "--study", "s.db"]
    for quiet in (["--quiet"], []):
        with training(*long, *quiet, steps=10_000_000, cwd=tmp_path) as command:
            command.begin()
            output, errors = command.end(signal.SIGKILL)
        assert errors == "" if quiet else re.fullmatch(r"12 trials: about .*\n", errors)
        assert output == ""
    short = run("compare", "--steps", "20", "--json", cwd=tmp_path)
    assert short.stderr == ""
    assert json.loads(short.stdout)["trials"]
