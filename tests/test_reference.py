"""The reference engine: gradients against finite differences and autograd, optimizers against PyTorch's."""

import itertools

import numpy as np
import pytest

from goodinit import activations, initializers
from goodinit.networks import MLP, stack
from goodinit.streams import KeyedStream
from goodinit.training import OPTIMIZERS, Schedule, backward, batches, forward, loss, predict, probabilities, train

NETWORKS = [
    ((2, 10, 5, 1), "binary_cross_entropy"),
    ((3, 1), "binary_cross_entropy"),
    ((4, 7, 3), "cross_entropy"),
    ((5, 6, 4, 3, 2), "cross_entropy"),
]


def problem(widths, kind, activation="tanh", examples=13):
    network = MLP(widths, activations.get(activation), kind)
    stream = KeyedStream(1)
    parameters = network.parameters(initializers.get("lecun_normal"), stream)
    for layer in range(1, network.depth + 1):
        bias = parameters[f"b{layer}"]
        bias += 0.1 * stream.normal(f"bias{layer}", 0, bias.size).reshape(bias.shape)
    X = stream.normal("X", 0, widths[0] * examples).reshape(widths[0], examples)
    labels = np.arange(examples) % max(2, widths[-1])
    Y = labels[np.newaxis].astype(float) if widths[-1] == 1 else np.eye(widths[-1])[:, labels]
    return network, parameters, X, Y, labels


def value(network, parameters, X, Y):
    return float(loss(network, forward(network, parameters, X)[0][-1], Y))


@pytest.mark.parametrize(("shape", "activation"), list(itertools.product(NETWORKS, activations.names())))
def test_gradients_agree_with_finite_differences(shape, activation):
    network, parameters, X, Y, _ = problem(*shape, activation)
    gradients = backward(network, parameters, *forward(network, parameters, X), Y)
    step = 1e-6
    for name, gradient in gradients.items():
        for index in np.ndindex(gradient.shape):
            moved = []
            for sign in (1, -1):
                changed = {key: p.copy() for key, p in parameters.items()}
                changed[name][index] += sign * step
                moved.append(value(network, changed, X, Y))
            assert gradient[index] == pytest.approx((moved[0] - moved[1]) / (2 * step), rel=1e-5, abs=1e-8)


@pytest.mark.parametrize(("shape", "activation"), list(itertools.product(NETWORKS, activations.names())))
def test_gradients_agree_with_autograd(shape, activation):
    torch = pytest.importorskip("torch")
    network, parameters, X, Y, labels = problem(*shape, activation, examples=17)
    tensors = {name: torch.tensor(p, requires_grad=True) for name, p in parameters.items()}
    found = network.activation
    unnamed = {"erf": torch.erf, "sine": torch.sin}
    phi = getattr(torch.nn, found.torch_name)() if found.torch_name else unnamed[found.name]
    A = torch.tensor(X)
    for layer in range(1, network.depth + 1):
        A = tensors[f"W{layer}"] @ A + tensors[f"b{layer}"]
        A = phi(A) if layer < network.depth else A
    if network.loss == "binary_cross_entropy":
        expected = torch.nn.functional.binary_cross_entropy_with_logits(A, torch.tensor(Y))
    else:
        expected = torch.nn.functional.cross_entropy(A.T, torch.tensor(labels))
    expected.backward()
    assert value(network, parameters, X, Y) == pytest.approx(expected.item(), rel=1e-12)
    for name, gradient in backward(network, parameters, *forward(network, parameters, X), Y).items():
        np.testing.assert_allclose(gradient, tensors[name].grad.numpy(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("batch_size", [None, 4])
def test_optimizers_agree_with_pytorch(optimizer, batch_size):
    torch = pytest.importorskip("torch")
    network, parameters, X, Y, labels = problem((4, 7, 3), "cross_entropy")
    schedule = Schedule(optimizer, 0.03, steps=40, batch_size=batch_size, record_every=10)
    run = train(network, stack([parameters]), X, Y, schedule, batches(13, schedule, KeyedStream(5)))
    layers = [torch.nn.Linear(4, 7), torch.nn.Tanh(), torch.nn.Linear(7, 3)]
    model = torch.nn.Sequential(*layers).double()
    with torch.no_grad():
        for number, layer in ((1, layers[0]), (2, layers[2])):
            layer.weight.copy_(torch.tensor(parameters[f"W{number}"]))
            layer.bias.copy_(torch.tensor(parameters[f"b{number}"][:, 0]))
    make = {
        "gradient_descent": lambda p: torch.optim.SGD(p, lr=0.03),
        "momentum": lambda p: torch.optim.SGD(p, lr=0.03, momentum=0.9),
        "adam": lambda p: torch.optim.Adam(p, lr=0.03),
        "adamw": lambda p: torch.optim.AdamW(p, lr=0.03),
    }[optimizer](model.parameters())
    for batch in batches(13, schedule, KeyedStream(5)):
        make.zero_grad()
        torch.nn.functional.cross_entropy(model(torch.tensor(X.T[batch])), torch.tensor(labels[batch])).backward()
        make.step()
    np.testing.assert_allclose(run.parameters["W1"][0], layers[0].weight.detach().numpy(), rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(run.parameters["b2"][0, :, 0], layers[2].bias.detach().numpy(), rtol=1e-7, atol=1e-9)


def test_an_ensemble_trains_as_its_members_do_alone():
    network, parameters, X, Y, _ = problem((2, 10, 5, 1), "binary_cross_entropy")
    other = {name: 2 * p for name, p in parameters.items()}
    schedule = Schedule(steps=50, record_every=10)
    together = train(network, stack([parameters, other]), X, Y, schedule, batches(13, schedule, KeyedStream(0)))
    for member, start in enumerate((parameters, other)):
        alone = train(network, stack([start]), X, Y, schedule, batches(13, schedule, KeyedStream(0)))
        np.testing.assert_allclose(together.losses[member], alone.losses[0], rtol=1e-12)


def test_every_epoch_sees_every_example_once_in_a_new_order():
    schedule = Schedule(steps=6, batch_size=5)
    drawn = list(batches(13, schedule, KeyedStream(2)))
    epochs = [np.concatenate(drawn[:3]), np.concatenate(drawn[3:])]
    assert [len(batch) for batch in drawn] == [5, 5, 3, 5, 5, 3]
    for epoch in epochs:
        assert sorted(epoch) == list(range(13))
    assert epochs[0].tolist() != epochs[1].tolist()


def test_losses_come_from_logits_and_never_overflow():
    network = MLP((1, 1), activations.get("relu"), "binary_cross_entropy")
    logits, Y = np.array([[-2000.0, 2000.0]]), np.array([[1.0, 0.0]])
    assert loss(network, logits, Y) == 2000
    assert probabilities(network, logits).tolist() == [[0, 1]]


def test_divergence_is_an_outcome():
    network, parameters, X, Y, _ = problem((2, 10, 5, 1), "binary_cross_entropy", "relu")
    huge = {name: 1e200 * p for name, p in parameters.items()}
    schedule = Schedule(steps=50, record_every=10, learning_rate=1e200)
    run = train(network, stack([huge, parameters]), X, Y, schedule, batches(13, schedule, KeyedStream(0)))
    assert run.diverged_by[0] == 0
    assert run.diverged_by[1] in (10, 20, 30, 40, 50)
    assert np.isfinite(run.losses[1, 0])
    assert np.isnan(run.final_loss).all()


def test_a_tie_is_the_first_class():
    network, parameters, X, _, _ = problem((4, 7, 3), "cross_entropy")
    zeros = {name: 0 * p for name, p in parameters.items()}
    assert set(predict(network, zeros, X)) == {0}
