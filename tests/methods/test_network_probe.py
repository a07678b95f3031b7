"""The probe of goodinit's own networks gives the numbers of PyTorch's probe on the same network."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.special import expit
from torch import nn

import goodinit
from goodinit import activations, datasets, methods
from goodinit.methods import Rescale, assign
from goodinit.networks import MLP
from goodinit.pytorch import read_structure
from goodinit.pytorch.probe import GivenBatch, ModelProbe
from goodinit.streams import KeyedStream
from goodinit.training.probe import NetworkProbe

WIDTHS = (3, 8, 6, 1)
GAINS = {"W1": 0.7, "W2": 1.3, "W3": 1.1}


class Same(nn.Module):
    """The network (3, 8, 6, 1) with tanh, its parameters of the same names."""

    def __init__(self) -> None:
        super().__init__()
        for layer, (into, out) in enumerate(pairwise(WIDTHS), 1):
            self.register_parameter(f"W{layer}", nn.Parameter(torch.zeros(out, into, dtype=torch.float64)))
            self.register_parameter(f"b{layer}", nn.Parameter(torch.zeros(out, dtype=torch.float64)))

    def forward(self, x):
        for layer in (1, 2, 3):
            x = nn.functional.linear(x, getattr(self, f"W{layer}"), getattr(self, f"b{layer}"))
            x = torch.tanh(x) if layer < 3 else x
        return x


@pytest.fixture(scope="module")
def probes():
    """Both probes, and what the method says of both."""
    drawn = KeyedStream(5).normal("x", 0, 90).reshape(30, 3)
    y = (drawn[:, :1] > 0).astype(float)
    network, model = MLP(WIDTHS, activations.get("tanh"), "binary_cross_entropy"), Same()
    x, targets = torch.from_numpy(drawn), torch.from_numpy(y)
    structure = read_structure(model, x)
    method = methods.as_method("normal(std=0.5)")
    loss = nn.functional.binary_cross_entropy_with_logits
    batch = GivenBatch(x, targets, loss)

    def finish(said):
        return said

    ours = NetworkProbe(network, lambda: KeyedStream(0), 0, drawn.T.copy(), y.T.copy(), finish)
    torchs = ModelProbe(model, structure.parameters, structure.trace, KeyedStream(0), batch, finish)
    yield (ours, assign(method, network.structure)), (torchs, assign(method, structure))
    torchs.close()


def test_outputs_and_gradients(probes):
    (ours, said), (torchs, other) = probes
    for one, two in zip(ours.outputs(said), torchs.outputs(other), strict=True):
        assert (one.mean, one.std, one.between) == pytest.approx((two.mean, two.std, two.between))
        assert np.allclose(one.unit_stds, two.unit_stds)
    own = torchs.gradients(other)
    for name, gradient in ours.gradients(said).items():
        assert np.allclose(gradient.ravel(), own[name].ravel(), rtol=1e-9)
    assert set(ours.backward(said)) == {"W1", "W2", "W3"}


def test_jacobians(probes):
    """The one exact, the other from random vectors; and both after layers were rescaled."""
    (ours, said), (torchs, other) = probes

    def sweep(call, output):
        asked.append(call.index)
        return Rescale(1.5) if asked.count(call.index) == 1 else None

    asked: list[int] = []
    exact = ours.sweep(said, sweep, jacobians=True)
    asked = []
    estimated = torchs.sweep(other, sweep, jacobians=True)
    for one, two in zip(exact, estimated, strict=True):
        assert one.std == pytest.approx(two.std)
        assert two.jacobian == pytest.approx(one.jacobian, rel=0.5)
    plain = ours.outputs(said)
    assert exact[0].std == pytest.approx(1.5 * plain[0].std)


@pytest.mark.parametrize(
    "ask",
    [
        lambda probe, said: probe.norm(said, GAINS, order=1),
        lambda probe, said: probe.norm(said, GAINS, order=2),
        lambda probe, said: probe.after_step(said, GAINS, rate=0.3, order=1),
        lambda probe, said: probe.after_step(said, GAINS, rate=0.3, order=2),
        lambda probe, said: probe.cosine(said, GAINS, parts=3),
        lambda probe, said: probe.quotient(said, GAINS, noise="n"),
    ],
    ids=["norm1", "norm2", "sign_step", "step", "cosine", "quotient"],
)
def test_values_and_slopes(probes, ask):
    (ours, said), (torchs, other) = probes
    one, two = ask(ours, said), ask(torchs, other)
    assert one.value == pytest.approx(two.value, rel=1e-4)
    for name, slope in two.slopes.items():
        if name in GAINS:
            assert one.slopes[name] == pytest.approx(slope, rel=2e-2, abs=1e-3)


def test_compare_starts_a_network_as_it_measures():
    data = datasets.load("moons")
    options = {"widths": [30] * 6, "activation": "sigmoid", "seeds": "0-1", "steps": 5, "perturbations": 0}
    result = goodinit.compare(["lsuv(tolerance=0.001)", "lecun_normal"], data="moons", **options)
    start = result.trials[0].parameters
    assert start is not None
    from goodinit.comparison.starts import start_of

    begun = start_of(result.study.tasks[0], methods.get("lsuv(tolerance=0.001)"), 0)
    a = data.X_train[:256].T
    for layer in range(1, 8):
        z = begun[f"W{layer}"] @ a + begun[f"b{layer}"]
        assert z.var() == pytest.approx(1, abs=1e-3)
        a = expit(z)
    again = start_of(result.study.tasks[0], methods.get("lsuv(tolerance=0.001)"), 0)
    assert all(np.array_equal(again[name], value) for name, value in begun.items())


def test_compare_starts_a_model_as_it_measures():
    def make():
        return nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 1))

    result = goodinit.compare(["lsuv", "default"], model=make, data="moons", seeds="0", steps=3)
    assert [trial.initialization for trial in result.trials] == ["lsuv", "default"]


def test_without_examples_it_is_refused():
    network = MLP(WIDTHS, activations.get("tanh"), "binary_cross_entropy")
    with pytest.raises(goodinit.GoodinitError, match="lsuv measures examples, and there are none here"):
        network.parameters("lsuv", KeyedStream(0))
    assert str(network.assignments("lsuv")[0].initializer) == "orthogonal"
