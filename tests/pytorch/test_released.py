"""What was seen of a model holds it no longer than the caller does: nothing of it waits for the garbage collector."""

import gc
import weakref

import pytest
import torch
from torch import nn
from torch.nn import functional

import goodinit

X, Y = torch.randn(8, 16), torch.arange(8) % 4


def network(width=32):
    return nn.Sequential(nn.Linear(16, width), nn.ReLU(), nn.Linear(width, 4))


@pytest.fixture
def uncollected():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


SEEN = {
    "check": lambda model: goodinit.check(model, X, Y, loss=functional.cross_entropy),
    "advise": lambda model: goodinit.advise(model, X),
    "initialize": lambda model: goodinit.initialize(model, "he_normal", seed=0, inputs=X),
    "a method that measures": lambda model: goodinit.initialize(model, "lsuv", seed=0, inputs=X),
}


@pytest.mark.usefixtures("uncollected")
@pytest.mark.parametrize("what", SEEN)
def test_a_model_is_freed_with_its_last_reference(what):
    model = network()
    SEEN[what](model)
    alive = weakref.ref(model)
    del model
    assert alive() is None


@pytest.mark.usefixtures("uncollected")
def test_a_coordinate_check_holds_one_model_at_a_time():
    torch.optim.SGD([nn.Parameter(torch.zeros(1))], 0.1)  # PyTorch keeps the frames of its first optimizer
    made = []

    def make(width):
        assert not any(each() for each in made)
        model = network(width)
        made.append(weakref.ref(model))
        return model

    goodinit.transfer(
        make,
        widths=[8, 16, 32],
        batch=(X, Y),
        loss=functional.cross_entropy,
        optimizer=lambda model: torch.optim.SGD(model.parameters(), 0.1),
        steps=2,
        seeds=[0],
    )
    assert len(made) >= 3
