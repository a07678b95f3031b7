"""What is measured agrees with theory: gains, gradients, and the ends of the Jacobian."""

import itertools
import math

import pytest
import torch
from checkup_models import batch, fill, mlp
from torch import nn
from torch.nn import functional

import goodinit
from goodinit import activations, theory
from goodinit.checkup.model_theory import expected_std, moments
from goodinit.theory.maps import derivative_moment, second_moment

# Largest squared singular values at criticality, width towards infinity: Pennington, Schoenholz & Ganguli 2018,
# (L + 1)^(L + 1) / L^L for Gaussian linear, L^L / (L - 1)^(L - 1) for orthogonal ReLU networks of L = 5 layers.
LARGEST = {("gaussian", "linear"): 14.93, ("orthogonal", "relu"): 12.21, ("gaussian", "relu"): 27.3}


@pytest.mark.parametrize("name", [name for name in activations.names() if name != "linear"])
@pytest.mark.parametrize("q", [0.01, 1.0, 9.0])
def test_the_grid_agrees_with_the_quadrature(name, q):
    found = moments(name, q)
    activation = activations.get(name)
    assert found == pytest.approx((second_moment(activation, q), derivative_moment(activation, q)), rel=4e-3)


def test_the_expected_size_of_a_weight():
    assert expected_std("relu", 100.0) == pytest.approx(math.sqrt(2 / 100))  # He et al. 2015
    assert expected_std(None, 100.0) == pytest.approx(0.1)
    assert expected_std("tanh", 100.0) == pytest.approx(0.1)  # the critical weight variance without biases is 1
    assert expected_std("gelu", 1.0) == pytest.approx(theory.gain("gelu"))
    one = expected_std("sine", 64.0)
    assert expected_std("sine(frequency=30)", 64.0) == pytest.approx(one / 30)
    assert expected_std("hardswish", 64.0) is None


@pytest.mark.parametrize("weights", ["gaussian", "orthogonal"])
@pytest.mark.parametrize(("activation", "module"), [("relu", nn.ReLU), ("tanh", nn.Tanh)])
def test_measured_gains_are_those_of_mean_field_theory(weights, activation, module):
    """The variance map, seed by seed, within four standard errors of the mean over twelve networks."""
    width, variance, depth = 128, 2.0 if activation == "relu" else 1.3, 5
    ratios = [[] for _ in range(depth - 1)]
    slopes = [[] for _ in range(depth - 2)]
    for seed in range(12):
        model = mlp(depth, module, width, width)

        def draw(weight):
            if weights == "gaussian":
                return nn.init.normal_(weight, std=math.sqrt(variance / weight.shape[1]))
            return nn.init.orthogonal_(weight, math.sqrt(variance))

        fill(model, draw, seed)
        x, _ = batch(64, width, seed=5000 + seed)  # not the numbers of the weights
        away = torch.randn(x.shape, generator=torch.Generator().manual_seed(1000 + seed))
        # A gradient that does not depend on the outputs: theory takes the two for independent.
        layers = goodinit.check(model, x, away, loss=lambda output, targets: (output * targets).mean()).layers
        for place, (before, after) in enumerate(itertools.pairwise(layers)):
            q = before.signal.rms**2
            ratios[place].append(after.signal.rms**2 / theory.variance_map(activation, q, weight_variance=variance))
            if place < depth - 2:
                slope = variance * derivative_moment(activations.get(activation), q)
                slopes[place].append((before.gradient.rms / after.gradient.rms) ** 2 / slope)
    for found in (*ratios, *slopes):
        values = torch.tensor(found)
        error = float(values.std() / math.sqrt(len(values)))
        assert float(values.mean()) == pytest.approx(1, abs=4 * error + 2 / width), found


@pytest.mark.parametrize("kind", LARGEST)
def test_the_jacobians_largest_singular_value(kind):
    """Finite width makes it smaller: by up to 10 % at five layers and width 600, and somewhat more at 256."""
    weights, activation = kind
    width, gain = 256, math.sqrt(2) if activation == "relu" else 1.0
    module = nn.ReLU if activation == "relu" else nn.Identity
    model = nn.Sequential(*[layer for _ in range(5) for layer in (nn.Linear(width, width, bias=False), module())])

    def draw(weight):
        if weights == "gaussian":
            return nn.init.normal_(weight, std=gain / math.sqrt(width))
        return nn.init.orthogonal_(weight, gain)

    fill(model, draw)
    x = torch.randn(1, width, generator=torch.Generator().manual_seed(0))
    low, high = goodinit.check(model, x, jacobian=True).start.singular
    assert 0.8 * LARGEST[kind] < high**2 < 1.1 * LARGEST[kind]
    if kind == ("gaussian", "linear"):
        product = torch.linalg.multi_dot([layer.weight.double() for layer in reversed(model[::2])])
        values = torch.linalg.svdvals(product.detach())
        assert (low, high) == pytest.approx((float(values[-1]), float(values[0])), rel=1e-3, abs=1e-5)


@pytest.mark.parametrize("seed", range(10))
def test_the_curvature_of_a_least_squares_problem_in_closed_form(seed):
    """The Hessian of mean squared error by the weights of one linear layer is 2 X'X / (examples outputs)."""
    generator = torch.Generator().manual_seed(seed)
    x, targets = torch.randn(40, 6, generator=generator), torch.randn(40, 1, generator=generator)
    model = nn.Linear(6, 1, bias=False)
    exact = 2 * torch.linalg.eigvalsh(x.T @ x / 40)[-1].item()
    found = goodinit.check(model, x, targets, loss=functional.mse_loss, curvature=True, learning_rate=2.1 / exact)
    assert found.start.curvature == pytest.approx(exact, rel=1e-4)
    assert "learning-rate-too-large" in {finding.code for finding in found.findings}


def test_spread_and_rank_by_their_definitions():
    from goodinit.checkup.model_signals import spread

    rows = torch.randn(20, 64, generator=torch.Generator().manual_seed(0)).double() + 1
    numbers = {}
    assert spread(rows, 20, numbers) == 19
    unit = rows / rows.norm(dim=1, keepdim=True)
    cosines = (unit @ unit.T)[~torch.eye(20, dtype=bool)]
    assert float(numbers["spread"]) == pytest.approx(1 - cosines.mean().item(), rel=1e-9)
    eigenvalues = torch.linalg.eigvalsh(torch.cov(rows.T))
    assert float(numbers["rank"]) == pytest.approx(
        (eigenvalues.sum() ** 2 / eigenvalues.square().sum()).item(), rel=1e-9
    )


def test_chance_levels():
    x, y = batch()
    assert goodinit.check(mlp(2), x, y, loss=functional.cross_entropy).start.loss.chance == pytest.approx(math.log(10))
    assert goodinit.check(mlp(2), x, y, loss=nn.CrossEntropyLoss(label_smoothing=0.1)).start.loss.classes == 10
    written = goodinit.check(mlp(2), x, y, loss=lambda o, t: -o.log_softmax(1)[torch.arange(64), t].mean())
    assert written.start.loss.chance == pytest.approx(math.log(10))
    binary = goodinit.check(mlp(2, outputs=1), x, y[:, None] % 2.0, loss=functional.binary_cross_entropy_with_logits)
    assert binary.start.loss.chance == pytest.approx(math.log(2))
    wanted = torch.randn(64, 10)
    squared = goodinit.check(mlp(2), x, wanted, loss=functional.mse_loss).start.loss
    assert squared.chance == pytest.approx(wanted.var(0).mean().item(), rel=1e-5)
    summed = goodinit.check(mlp(2), x, y, loss=nn.CrossEntropyLoss(reduction="sum")).start.loss
    assert summed.chance == pytest.approx(64 * math.log(10))
