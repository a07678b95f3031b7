"""Options of training that every engine has, step by step against PyTorch's own optimizers and autograd."""

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
}
DECAYS = {"W1": 4.0, "b1": 0.5}


def by_pytorch(optimizer, member, weight_decay, multipliers, order):
    """The parameters of one network after training by PyTorch alone."""
    values = {name: torch.tensor(value[member], requires_grad=True) for name, value in START.items()}
    groups = [
        {"params": [value], "weight_decay": weight_decay * multipliers.get(name, 1.0)} for name, value in values.items()
    ]
    update = OPTIMIZERS[optimizer](groups)
    x, y = torch.tensor(X.T), torch.tensor(Y.argmax(0))
    for batch in order:
        update.zero_grad()
        hidden = x[batch]
        for layer in (1, 2, 3):
            hidden = hidden @ values[f"W{layer}"].T + values[f"b{layer}"].T
            hidden = torch.tanh(hidden) if layer < 3 else hidden
        torch.nn.functional.cross_entropy(hidden, y[batch]).backward()
        update.step()
    return {name: value.detach().numpy() for name, value in values.items()}


def trained(engine, optimizer, *, size=None, **options):
    if not REGISTRY[engine].available():
        pytest.skip(f"{engine} is not there")
    said = {name: options.pop(name) for name in list(options) if name in ("weight_decay",)}
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
        for name, value in by_pytorch(optimizer, member, 0.3, multipliers, order(size)).items():
            np.testing.assert_allclose(found[name][member], value, rtol=1e-9, atol=1e-12, err_msg=name)
            assert np.abs(plain[name][member] - value).max() > 1e-5, name


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


def test_the_compiled_code_has_the_same_bits_whatever_the_layout():
    from goodinit.training import lanes
    from goodinit.training.schedule import Call

    if not lanes.available():
        pytest.skip("the extension is not built")
    for dtype in ("float64", "float32"):
        call = Call(
            NETWORK, START, X, Y, Schedule("adam", RATE, STEPS, 6, 10, 0.3), order(6),
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
