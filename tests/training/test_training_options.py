"""Options of training that every engine has, step by step against PyTorch's own optimizers and autograd."""

from dataclasses import fields

import numpy as np
import pytest

from goodinit import GoodinitError, activations, initializers
from goodinit.networks import MLP, stack
from goodinit.streams import KeyedStream
from goodinit.training import REGISTRY, Schedule, batches, train

torch = pytest.importorskip("torch")

NETWORK = MLP((3, 7, 5, 2), activations.get("tanh"), "cross_entropy")
START = stack([NETWORK.parameters(initializers.get("lecun_normal"), KeyedStream(seed)) for seed in range(3)])
X = KeyedStream(1).normal("X", 0, 3 * 20).reshape(3, 20)
Y = np.eye(2)[:, np.arange(20) % 2]
RATE, STEPS = 0.05, 30
OPTIMIZERS = {
    "gradient_descent": lambda groups: torch.optim.SGD(groups, lr=RATE),
    "momentum": lambda groups: torch.optim.SGD(groups, lr=RATE, momentum=0.9),
    "adam": lambda groups: torch.optim.Adam(groups, lr=RATE),
    "adamw": lambda groups: torch.optim.AdamW(groups, lr=RATE),
}
SAID = [each.name for each in fields(Schedule)]
DECAYS = {"W1": 4.0, "b1": 0.5}


SCHEDULES = {
    "constant": lambda update, steps: torch.optim.lr_scheduler.ConstantLR(update, 1.0, steps),
    "linear": lambda update, steps: torch.optim.lr_scheduler.LinearLR(update, 1.0, 0.0, steps),
    "cosine": lambda update, steps: torch.optim.lr_scheduler.CosineAnnealingLR(update, steps),
}


def scheduler(update, name, warmup, steps):
    """PyTorch's own: a rise over the warm-up, and then the schedule over the steps that are left."""
    after = SCHEDULES[name](update, steps - warmup)
    if not warmup:
        return after
    rise = torch.optim.lr_scheduler.LinearLR(update, 1 / (warmup + 1), 1.0, warmup)
    return torch.optim.lr_scheduler.SequentialLR(update, [rise, after], [warmup])


@pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler")
@pytest.mark.parametrize("steps", [1, 2, 30, 257])
@pytest.mark.parametrize("warmup", [0, 1, 10, 29])
@pytest.mark.parametrize("name", SCHEDULES)
def test_rates_are_those_of_pytorchs_schedulers_step_by_step(name, warmup, steps):
    if warmup >= steps:
        pytest.skip("no step is left")
    update = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=RATE)
    theirs, schedule = scheduler(update, name, warmup, steps), Schedule(
        learning_rate=RATE, steps=steps, learning_rate_schedule=name, warmup=warmup
    )  # fmt: skip
    for step in range(steps):
        expected = update.param_groups[0]["lr"]
        assert RATE * schedule.factor(step) == pytest.approx(expected, rel=1e-9), step
        assert schedule.factor(step) > 0
        update.step()
        theirs.step()


def by_pytorch(
    optimizer, member, order, weight_decay=0.0, multipliers=(), schedule="constant", warmup=0, rates=(), clipping=None
):
    """The parameters of one network after training by PyTorch alone."""
    values = {name: torch.tensor(value[member], requires_grad=True) for name, value in START.items()}
    groups = [
        {
            "params": [value],
            "weight_decay": weight_decay * dict(multipliers).get(name, 1.0),
            "lr": RATE * dict(rates).get(name, 1.0),
        }
        for name, value in values.items()
    ]
    update = OPTIMIZERS[optimizer](groups)
    paced = scheduler(update, schedule, warmup, STEPS)
    x, y = torch.tensor(X.T), torch.tensor(Y.argmax(0))
    for batch in order:
        update.zero_grad()
        hidden = x[batch]
        for layer in (1, 2, 3):
            hidden = hidden @ values[f"W{layer}"].T + values[f"b{layer}"].T
            hidden = torch.tanh(hidden) if layer < 3 else hidden
        torch.nn.functional.cross_entropy(hidden, y[batch]).backward()
        if clipping is not None:
            torch.nn.utils.clip_grad_norm_(values.values(), clipping)
        update.step()
        paced.step()
    return {name: value.detach().numpy() for name, value in values.items()}


def trained(engine, optimizer, *, size=None, **options):
    if not REGISTRY[engine].available():
        pytest.skip(f"{engine} is not there")
    said = {name: options.pop(name) for name in list(options) if name in SAID}
    schedule = Schedule(optimizer, RATE, STEPS, size, 10, **said)
    return train(NETWORK, START, X, Y, schedule, order(size), engine=engine, **options)


def order(size):
    return list(batches(20, Schedule(steps=STEPS, batch_size=size), KeyedStream(0)))


@pytest.mark.parametrize("multipliers", [{}, DECAYS], ids=["alike", "multiplied"])
@pytest.mark.parametrize("size", [None, 6])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("engine", REGISTRY)
def test_weight_decay_is_pytorchs(engine, optimizer, size, multipliers):
    found = trained(engine, optimizer, size=size, weight_decay=0.3, decay_multipliers=multipliers).parameters
    plain = trained(engine, optimizer, size=size).parameters
    for member in range(3):
        for name, value in by_pytorch(optimizer, member, order(size), 0.3, multipliers).items():
            np.testing.assert_allclose(found[name][member], value, rtol=1e-9, atol=1e-12, err_msg=name)
            assert np.abs(plain[name][member] - value).max() > 1e-5, name


@pytest.mark.parametrize("multipliers", [{}, {"W1": 0.5, "b3": 2.0}], ids=["alike", "multiplied"])
@pytest.mark.parametrize("warmup", [0, 7])
@pytest.mark.parametrize(
    ("optimizer", "name", "size"), [("momentum", "linear", 6), ("adam", "cosine", None), ("adamw", "linear", 6)]
)
@pytest.mark.parametrize("engine", REGISTRY)
def test_a_schedule_is_pytorchs(engine, optimizer, name, size, warmup, multipliers):
    options = {"learning_rate_schedule": name, "warmup": warmup}
    rates = np.array([RATE, RATE, RATE / 2])  # of which the last is not looked at
    for each in ({}, {"learning_rates": rates}):
        run = trained(engine, optimizer, size=size, **options, **each, rate_multipliers=multipliers)
        for member in range(2):
            own = {"weight_decay": 0.01 if optimizer == "adamw" else 0.0, "rates": multipliers}
            expected = by_pytorch(optimizer, member, order(size), schedule=name, warmup=warmup, **own)
            for key, value in expected.items():
                np.testing.assert_allclose(run.parameters[key][member], value, rtol=1e-9, atol=1e-12, err_msg=key)


@pytest.mark.parametrize("clipping", [1e-3, 0.2, 1e6])
@pytest.mark.parametrize(
    ("optimizer", "size"), [("gradient_descent", None), ("momentum", 6), ("adam", 6), ("adamw", 6)]
)
@pytest.mark.parametrize("engine", REGISTRY)
def test_clipping_is_pytorchs(engine, optimizer, size, clipping):
    run = trained(engine, optimizer, size=size, gradient_clipping=clipping, weight_decay=0.3)
    plain = trained(engine, optimizer, size=size, weight_decay=0.3)
    for member in range(3):
        for name, value in by_pytorch(optimizer, member, order(size), 0.3, clipping=clipping).items():
            np.testing.assert_allclose(run.parameters[name][member], value, rtol=1e-9, atol=1e-12, err_msg=name)
            same = np.allclose(plain.parameters[name][member], value, rtol=1e-9, atol=1e-12)
            assert same == (clipping == 1e6) or clipping == 0.2, "which only some gradients are longer than"


@pytest.mark.parametrize("engine", REGISTRY)
def test_a_clipped_network_still_diverges_by_itself(engine):
    rates = np.array([0.05, 1e308, 0.05])
    run, calm = (
        trained(engine, "gradient_descent", gradient_clipping=0.5, learning_rates=each)
        for each in (rates, rates[[0, 0, 2]])
    )
    assert [by is None for by in run.diverged_by] == [True, False, True]
    for name, value in calm.parameters.items():
        assert np.array_equal(run.parameters[name][[0, 2]], value[[0, 2]]), name


@pytest.mark.parametrize("engine", REGISTRY)
def test_no_weight_decay_changes_no_bit(engine):
    plain = trained(engine, "adam")
    found = trained(engine, "adam", weight_decay=0.0, decay_multipliers=DECAYS)
    for name, value in plain.parameters.items():
        assert np.array_equal(found.parameters[name], value), name


@pytest.mark.parametrize("engine", [name for name in REGISTRY if "float32" in REGISTRY[name].dtypes])
def test_weight_decay_in_float32(engine):
    exact, found = (
        trained(engine, "momentum", weight_decay=0.3, decay_multipliers=DECAYS, dtype=dtype).parameters
        for dtype in ("float64", "float32")
    )
    for name, value in exact.items():
        np.testing.assert_allclose(found[name], value, atol=2e-5)


@pytest.mark.parametrize("optimizer", ["adam", "adamw"])
@pytest.mark.parametrize("clipping", [None, 0.2])
def test_the_compiled_code_has_the_same_bits_whatever_the_layout(clipping, optimizer):
    from goodinit.training import lanes
    from goodinit.training.schedule import Call

    if not lanes.available():
        pytest.skip("the extension is not built")
    for dtype in ("float64", "float32"):
        call = Call(
            NETWORK, START, X, Y, Schedule(optimizer, RATE, STEPS, 6, 10, 0.3, clipping, "cosine", 5), order(6),
            decay_multipliers=DECAYS, rate_multipliers={"W2": 0.5}, dtype=dtype,
        )  # fmt: skip
        one = lanes.train(call, layout="grouped")
        for layout in ("alone", "wide"):
            other = lanes.train(call, layout=layout)
            for name, value in one.parameters.items():
                assert np.array_equal(other.parameters[name], value), (layout, name)


def test_a_decay_that_cannot_be_used_is_told():
    with pytest.raises(GoodinitError, match="weight decay -1: it must be a number from 0"):
        Schedule(weight_decay=-1)
    with pytest.raises(GoodinitError, match="decay multiplier of W1"):
        trained("reference", "adam", weight_decay=0.1, decay_multipliers={"W1": 0.0})
    with pytest.raises(GoodinitError, match="decay multiplier's parameter 'W9' is not known"):
        trained("reference", "adam", weight_decay=0.1, decay_multipliers={"W9": 1.0})
    with pytest.raises(GoodinitError, match="cannot be held in float32"):
        trained("torch", "adam", weight_decay=1e6, decay_multipliers={"W1": 1e300}, dtype="float32")
