"""Methods that measure a batch, against their reference code: the figures are what it gave, run in torch 2.13."""

import copy

import numpy as np
import pytest
import torch
from measuring_models import Residual, convolutional, models, numbers
from torch import nn

import goodinit
from goodinit import methods
from goodinit.errors import GoodinitError
from goodinit.initializers.units import GainByUnit
from goodinit.weights import Weight

CROSS_ENTROPY = nn.functional.cross_entropy
MEASURING = [cls.name for cls in methods.catalogue() if set(cls.needs) - {"run"}]
SHORT = {"metainit": "metainit(steps=3)", "gradinit": "gradinit(steps=3)", "grad_cosine": "grad_cosine(steps=3)"}


def network() -> nn.Module:
    return nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 3)).double()


def batch(rows: int = 36) -> tuple[torch.Tensor, torch.Tensor]:
    x = (torch.linspace(-3, 5, rows * 6).reshape(rows, 6).sin() * 2).double()
    return x, torch.arange(rows) % 3


def norms(model: nn.Module, part: str = "weight") -> list[float]:
    return [float(value.norm()) for name, value in model.state_dict().items() if name.endswith(part)]


def test_kraehenbuehl_is_magic_init():
    """philkr/magic_init at 20b87dc, its two functions run on a NumPy network of Caffe's interface: the norms.

    It was given these weights and these gradients of the outputs where it draws them, and one round of its ten.
    """
    model = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 4)).double()
    x = batch(40)[0]
    goodinit.initialize(model, "kraehenbuehl(rounds=0)", seed=0, inputs=x)
    assert norms(model) == pytest.approx([25.156762713778324, 15.007574844999523, 2.4241343447736736], rel=1e-5)
    assert norms(model, "bias") == pytest.approx([0.8708324846253188, 4.56795368612304, 0.8966939649131945], rel=1e-5)
    goodinit.initialize(model, "kraehenbuehl(rounds=1)", seed=0, inputs=x)
    assert norms(model) == pytest.approx([21.29712733247546, 10.491174564755447, 4.096159083093765], rel=1e-5)
    assert norms(model, "bias") == pytest.approx([0.7372264277932568, 2.7033455467024625, 0.8966939649131949], rel=1e-5)


def test_metainit_is_the_papers_listing():
    """The listing of Dauphin & Schoenholz 2019, on the same normal inputs: the norms after 25 steps."""
    layers = [part for _ in range(6) for part in (nn.Linear(8, 8), nn.Tanh())]
    model = nn.Sequential(*layers, nn.Linear(8, 3)).double()
    text = 'metainit(of="normal(std=0.2)", steps=25)'
    x, y = torch.ones(24, 8).double(), torch.arange(24) % 3
    done = goodinit.initialize(model, text, seed=0, inputs=x, targets=y, loss=CROSS_ENTROPY)
    reference = [3.6386796691663963, 2.4657389247192674, 0.9478188848675944, 1.0959909173323044]
    reference += [1.2797627588567718, 2.143703692938237, 0.3701014742706549]
    assert norms(model) == pytest.approx(reference, rel=1e-5)
    assert done.measured[0].before == pytest.approx(0.2106404718371849)


@pytest.mark.parametrize(
    ("std", "options", "reference"),
    [
        (1, "optimizer=sgd, eta=0.1, bound=1.0", [1.3386513607158173, 0.20000000800000026]),
        (0.5, "optimizer=adam, eta=0.001, bound=30.0", [0.20108982828921168, 0.20111605413310996, 0.20127910399759186]),
    ],
    ids=["sgd", "adam"],
)
def test_gradinit_is_the_papers_code(std, options, reference):
    """zhuchen03/gradinit at 777c407, its `gradinit` on the same three thirds of the batch: the gains after 40 steps.

    The first stays above the bound at every step, the second goes on to its objective after six.
    """
    x, y = batch()
    text = f'gradinit(of="normal(std={std})", {options}, steps=40, rate=0.02)'
    done = goodinit.initialize(network(), text, seed=0, inputs=x, targets=y, loss=CROSS_ENTROPY)
    gains = [each.after for each in done.measured if each.quantity == "gain"]
    assert gains[-len(reference) :] == pytest.approx(reference, rel=1e-5)
    assert bool(done.notes) == (std == 1)
    assert not done.notes or "above 1" in done.notes[0]


def test_grad_cosine_is_its_code():
    """The loop of its published code on the optimizer of zhuchen03/gradinit: the gains after 30 steps."""
    x, y = batch()
    text = 'grad_cosine(of="normal(std=0.5)", parts=3, bound=1.2, steps=30)'
    done = goodinit.initialize(network(), text, seed=0, inputs=x, targets=y, loss=CROSS_ENTROPY)
    gains = [each.after for each in done.measured if each.quantity == "gain"]
    assert gains == pytest.approx([1.0387977535442174, 0.8211388964899348, 0.3733690011465436], rel=1e-5)
    assert done.measured[0].before == pytest.approx(0.4531615805546636)


def test_weight_normalization_starts_from_the_data():
    """Every unit of every layer has mean 0 and variance 1; g is 1 over the deviation of the normalized projection."""
    parts = [nn.utils.parametrizations.weight_norm(nn.Linear(6, 12)), nn.ReLU(), nn.Linear(12, 5)]
    model, x = nn.Sequential(*parts).double(), batch()[0] + 3
    goodinit.initialize(model, "weight_norm_ddi", seed=0, inputs=x)
    g, v = (getattr(model[0].parametrizations.weight, f"original{at}").detach() for at in (0, 1))
    projected = x @ (v / v.norm(dim=1, keepdim=True)).T
    assert torch.allclose(g[:, 0], 1 / projected.std(0, correction=0))
    assert torch.allclose(model[0].bias.detach(), -projected.mean(0) / projected.std(0, correction=0))
    with torch.no_grad():
        for output in (model[0](x), model(x)):
            assert torch.allclose(output.mean(0), torch.zeros(1).double(), atol=1e-9)
            assert torch.allclose(output.std(0, correction=0), torch.ones(1).double())


def test_convolutions_are_scaled_channel_by_channel():
    model, x = convolutional(), 5 * numbers(16, 3, 9, 9) + 2
    goodinit.initialize(model, "weight_norm_ddi", seed=0, inputs=x)
    seen = []
    handles = [
        layer.register_forward_hook(lambda module, args, output: seen.append(output.detach().double()))
        for layer in model
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)
    ]
    with torch.no_grad():
        model(x)
    for handle in handles:
        handle.remove()
    for output in seen:
        axes = (0, 2, 3)
        assert float(output.mean(axes).abs().max()) < 1e-4
        assert float((output.std(axes, correction=0) - 1).abs().max()) < 1e-4


def test_a_product_whose_units_are_not_known_is_scaled_as_one():
    class Product(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(torch.zeros(6, 8))

        def forward(self, x):
            return torch.einsum("bi,ij->bj", x, self.w)

    model, x = Product(), 3 * numbers(32, 6)
    goodinit.initialize(model, "weight_norm_ddi", seed=0, inputs=x)
    assert float(model(x).detach().std(correction=0)) == pytest.approx(1, abs=1e-3)


def test_a_failure_halfway_leaves_the_model_as_it_was():
    model, (x, y) = network(), batch()
    before, calls = copy.deepcopy(model.state_dict()), []

    def loss(output, targets):
        calls.append(1)
        if len(calls) > 3:
            raise ValueError("no more")
        return CROSS_ENTROPY(output, targets)

    with pytest.raises(GoodinitError, match="ValueError: no more"):
        goodinit.initialize(model, "gradinit", seed=0, inputs=x, targets=y, loss=loss)
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())


def test_gains_by_unit_of_a_grouped_transposed_convolution():
    weight = Weight.conv_transpose("w", 4, 6, (1, 1), groups=2)
    gains = tuple(range(1, 7))
    drawn = GainByUnit(methods.get("ones"), gains).draw(weight)  # (4, 3, 1, 1): inputs 0 and 1 are the first group
    assert np.array_equal(drawn[:, :, 0, 0], [[1, 2, 3], [1, 2, 3], [4, 5, 6], [4, 5, 6]])


def test_a_tuned_jacobian_is_critical():
    """At the depth where the size of pre-activations is q: std(w)^2 n E[tanh'(sqrt(q) z)^2] = 1, by quadrature."""
    model = nn.Sequential(*(part for _ in range(5) for part in (nn.Linear(300, 300), nn.Tanh()))).double()
    x = numbers(40, 300).double()
    done = goodinit.initialize(model, "autoinit_jacobian(of=lecun_normal)", seed=0, inputs=x)
    assert not done.notes
    with torch.no_grad():
        for at in range(0, 8, 2):
            q = float(model[: at + 1](x).square().mean())
            z, w = np.polynomial.hermite_e.hermegauss(200)
            expected = float((w * (1 - np.tanh(np.sqrt(q) * z) ** 2) ** 2).sum() / w.sum())
            variance = float(model[at + 2].weight.square().mean()) * 300
            assert variance * expected == pytest.approx(1, rel=0.03)


def test_residual_branches_keep_what_passes_back_through_them():
    """The norm of d output / d first layer's output, with 12 branches: (1 + 1/12)^12 = 2.6 if wide."""

    def growth(init):
        model = Residual(24, 12).double()
        x = numbers(16, 6).double()
        goodinit.initialize(model, init, seed=0, inputs=x)
        hidden = model.first(x).detach().requires_grad_()
        out = hidden
        for branch in model.branches:
            out = out + branch(out)
        direction = numbers(*out.shape, seed=4).double()
        (found,) = torch.autograd.grad(out, hidden, direction)
        return float(found.square().sum() / direction.square().sum())

    assert growth("autoinit_jacobian") < 8
    assert growth("he_normal") > 100


@pytest.mark.parametrize("name", MEASURING)
def test_every_one_of_them_is_deterministic_and_leaves_the_rest(name):
    model, x = models()["transformer" if name == "admin" else "residual"]  # admin is for post-norm models
    y, text = torch.arange(len(x)) % 3, SHORT.get(name, name)
    given = {"inputs": x, "targets": y, "loss": CROSS_ENTROPY}
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    state = torch.get_rng_state()
    done = goodinit.initialize(model, text, seed=0, **given)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(each.grad, torch.ones_like(each)) for each in model.parameters())
    assert done.measured
    assert all(torch.isfinite(each).all() for each in model.parameters())
    drawn = goodinit.draw(model, text, seed=0, **given)
    assert all(torch.equal(drawn[key], value) for key, value in model.state_dict().items())


@pytest.mark.parametrize("name", ["metainit", "gradinit", "grad_cosine"])
def test_what_is_missing_is_one_sentence(name):
    model, x = network(), batch()[0]
    before = norms(model)
    with pytest.raises(GoodinitError, match="needs gradients of the loss: pass loss"):
        goodinit.initialize(model, name, seed=0, inputs=x)
    with pytest.raises(GoodinitError, match="pass inputs"):
        goodinit.initialize(model, name, seed=0)
    with pytest.raises(GoodinitError, match="steps must be an integer of at least 1"):
        methods.get(f"{name}(steps=0)")
    assert norms(model) == before


def test_the_loss_of_an_output_counts():
    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = network()

        def forward(self, x, labels):
            logits = self.body(x)
            return {"loss": CROSS_ENTROPY(logits, labels), "logits": logits}

    x, y = batch()
    done = goodinit.initialize(Own(), "gradinit(steps=2)", seed=0, inputs={"x": x, "labels": y})
    plain = goodinit.initialize(network(), "gradinit(steps=2)", seed=0, inputs=x, targets=y, loss=CROSS_ENTROPY)
    assert len(done.measured) == len(plain.measured)


@pytest.mark.parametrize("name", ["metainit(steps=1)", "gradinit(steps=1)", "grad_cosine(steps=1)"])
def test_methods_of_gradients_are_tried_with_the_loss_before_a_race(name):
    """What `recommend` and the suite ask of a start before any training: the loss and the targets of the task."""
    from goodinit.comparison.design import check_starts, design

    made = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1))
    study = design(name, model=lambda: copy.deepcopy(made), data="moons", steps=1, seeds="0", learning_rate=0.1)
    check_starts(study.tasks[0], [methods.get(name)], measured=True)


@pytest.mark.parametrize("name", ["metainit(steps=1)", "gradinit(steps=1)", "grad_cosine(steps=1)"])
def test_a_loss_that_is_no_number_is_refused(name):
    model, (x, y) = network(), batch()
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(GoodinitError, match="is nan before any step, on the weights of he_normal"):
        goodinit.initialize(
            model, name, seed=0, inputs=x, targets=y, loss=lambda output, target: CROSS_ENTROPY(output, target) * np.nan
        )
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    with pytest.raises(GoodinitError, match="beside 36 examples there are 10 rows of targets") as error:
        goodinit.initialize(model, "gradinit", seed=0, inputs=x, targets=y[:10], loss=CROSS_ENTROPY)
    assert "give one row for each example" in str(error.value)


@pytest.mark.parametrize("name", ["metainit(steps=1)", "lsuv", "kraehenbuehl"])
def test_a_batch_with_numbers_that_are_missing_is_refused(name):
    model, (x, y) = network(), batch()
    x = x.clone()
    x[3, 1] = np.nan
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(GoodinitError, match=r"of shape \(36, 6\), holds nan or infinite numbers"):
        goodinit.initialize(model, name, seed=0, inputs=x, targets=y, loss=CROSS_ENTROPY)
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
