"""After a checkup, a model and the random state are as before to the bit, however the checkup ended."""

import copy
import random

import numpy as np
import pytest
import torch
from checkup_models import ResidualConv, batch, images, mlp
from torch import nn
from torch.nn import functional

import goodinit
from goodinit.pytorch.trace import trace


class Restless(nn.Module):
    """Changes everything that a forward pass can change, and may fail in the middle."""

    def __init__(self, failure: type[BaseException] | None = None) -> None:
        super().__init__()
        self.conv, self.norm, self.drop = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5)
        self.spectral = nn.utils.parametrizations.spectral_norm(nn.Linear(4, 4))
        self.head = nn.Linear(4, 10)
        self.register_buffer("count", torch.zeros(()))
        self.calls, self.history, self.failure = 0, [], failure
        self.norm.eval()

    def forward(self, x):
        self.calls += 1
        self.count += 1
        self.history.append(x.mean().item())
        self.last = x
        with torch.no_grad():
            self.head.bias.add_(1)
        x.add_(random.random() + np.random.rand())  # noqa: NPY002  # as a careless model does
        x = self.drop(self.norm(self.conv(x)).relu_())
        self.train(not self.training)
        if self.failure is not None:
            raise self.failure("in the middle")
        return self.head(self.spectral(x.mean((2, 3))))


def state(model):
    tensors = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    return {
        "tensors": {name: (id(t), t.data_ptr(), t.detach().clone()) for name, t in tensors.items()},
        "grads": {
            name: None if p.grad is None else (id(p.grad), p.grad.clone()) for name, p in model.named_parameters()
        },
        "wants": [p.requires_grad for p in model.parameters()],
        "modes": [module.training for module in model.modules()],
        "hooks": [(len(m._forward_hooks), len(m._forward_pre_hooks), len(m._backward_hooks)) for m in model.modules()],
        "tensor hooks": [p._backward_hooks for p in model.parameters()],
        "attributes": [sorted(module.__dict__) for module in model.modules()],
        "random": (torch.get_rng_state(), np.random.get_state()[1], random.getstate()),  # noqa: NPY002
        "grad mode": torch.is_grad_enabled(),
    }


def same(one, other):
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, np.ndarray):
        return bool((one == other).all())
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, tuple | list):
        return len(one) == len(other) and all(same(a, b) for a, b in zip(one, other, strict=True))
    return one == other


def prepared(failure=None):
    model = Restless(failure)
    model.conv.weight.grad = torch.randn_like(model.conv.weight)
    model.head.weight.requires_grad_(False)
    model.conv.register_forward_hook(lambda module, args, output: None)
    return model


@pytest.mark.parametrize("failure", [None, ValueError, KeyboardInterrupt])
@pytest.mark.parametrize("way", ["check", "trace"])
def test_nothing_is_left_changed(failure, way):
    model, x, y = prepared(failure), images(8, 8), torch.randint(0, 10, (8,))
    kept, inputs = state(model), x.clone()
    expected = {None: None, ValueError: goodinit.GoodinitError, KeyboardInterrupt: KeyboardInterrupt}[failure]

    def run():
        if way == "trace":
            trace(model, x)
        else:
            goodinit.check(
                model, x, y, loss=functional.cross_entropy, curvature=failure is None, rounding=True, jacobian=True
            )

    if expected is None:
        run()
    else:
        with pytest.raises(expected):
            run()
    assert same(state(model), kept)
    assert torch.equal(x, inputs)
    assert (model.calls, model.history, hasattr(model, "last")) == (0, [], False)


def test_a_failing_loss_leaves_nothing_changed_either():
    model, (x, y) = mlp(3), batch()
    kept = state(model)

    def loss(output, targets):
        raise RuntimeError("no")

    with pytest.raises(goodinit.GoodinitError, match="RuntimeError: no"):
        goodinit.check(model, x, y, loss=loss)
    assert same(state(model), kept)


def test_training_goes_on_as_if_there_had_been_no_checkup():
    def train(checked):
        torch.manual_seed(5)
        model = ResidualConv()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        for _ in range(3):
            if checked:
                goodinit.check(model, images(), y, loss=functional.cross_entropy)
            optimizer.zero_grad()
            functional.cross_entropy(model(images() + torch.randn(1)), y).backward()
            optimizer.step()
        return model.state_dict()

    y = torch.arange(16) % 10
    assert same(dict(train(False)), dict(train(True)))


def test_under_no_grad_and_inference_mode_gradients_are_taken_all_the_same():
    x, y = batch()
    model = mlp(2)
    for context in (torch.no_grad(), torch.inference_mode()):
        with context:
            assert goodinit.check(model, x, y, loss=functional.cross_entropy).start.backward


def test_copies_are_equal_and_checks_repeat():
    x, y = batch()
    model = mlp(4)
    one = goodinit.check(model, x, y, loss=functional.cross_entropy)
    assert one == goodinit.check(copy.deepcopy(model), x, y, loss=functional.cross_entropy)
