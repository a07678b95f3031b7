"""A loss that is given what it does not take is found as that, and its value is told of guessing's."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from checkup_models import batch, fill, he, images, mlp
from torch import Tensor, nn
from torch.nn import functional

import goodinit
from goodinit import GoodinitError

X, Y = batch()
CE = functional.cross_entropy


def stretched(output: Tensor, targets: Tensor) -> Tensor:
    return (output - targets).square().mean()


NUMBERS = X[:, 0] * 2
LOSSES: dict[str, tuple[nn.Module | None, Any, Callable[..., Tensor], str | None]] = {
    "softmax before cross-entropy": (nn.Softmax(-1), Y, CE, "probabilities-as-scores"),
    "log_softmax before cross-entropy, which changes nothing": (nn.LogSoftmax(-1), Y, CE, None),
    "relu before cross-entropy": (nn.ReLU(), Y, CE, "activation-before-loss"),
    "log_softmax before nll_loss": (nn.LogSoftmax(-1), Y, functional.nll_loss, None),
    "softmax before nll_loss": (nn.Softmax(-1), Y, functional.nll_loss, "scores-not-logarithms"),
    "scores to nll_loss": (None, Y, functional.nll_loss, "scores-not-logarithms"),
    "one class only": (None, torch.full((64,), 3), CE, "targets-alike"),
}


@pytest.mark.parametrize("case", LOSSES)
def test_losses_are_given_what_they_want(case: str) -> None:
    last, targets, loss, code = LOSSES[case]
    model = fill(mlp(4), he)
    model = model if last is None else nn.Sequential(model, last)
    found = {each.code for each in goodinit.check(model, X, targets, loss=loss).findings if each.severity != "info"}
    assert found == (set() if code is None else {code})


@pytest.mark.parametrize("last", [None, nn.Sigmoid()])
def test_a_sigmoid_before_a_loss_that_takes_it(last: nn.Module | None) -> None:
    model, targets = fill(mlp(4, outputs=1), he), (Y % 2).float()[:, None]
    model = nn.Sequential(model, last) if last is not None else model
    checkup = goodinit.check(model, X, targets, loss=functional.binary_cross_entropy_with_logits)
    assert ("probabilities-as-scores" in {each.code for each in checkup.findings}) == (last is not None)


@pytest.mark.filterwarnings("ignore:Using a target size")
@pytest.mark.parametrize("loss", [functional.mse_loss, stretched, functional.l1_loss])
def test_outputs_and_targets_that_are_stretched_to_each_other(loss: Callable[..., Tensor]) -> None:
    model = fill(mlp(4, outputs=1), he)
    found = goodinit.check(model, X, NUMBERS, loss=loss).findings
    assert [each.code for each in found] == ["targets-stretched"]
    space: dict[str, Any] = {"targets": NUMBERS}
    exec(found[0].remedy, space)
    again = goodinit.check(model, X, space["targets"], loss=loss)
    assert "targets-stretched" not in {each.code for each in again.findings}
    squeezed = goodinit.check(model, X, NUMBERS, loss=lambda output, targets: loss(output.squeeze(1), targets))
    assert "targets-stretched" not in {each.code for each in squeezed.findings}


@pytest.mark.parametrize("shift", [1, -1])
def test_classes_out_of_range_are_told(shift: int) -> None:
    with pytest.raises(GoodinitError, match="classes are numbered from 0 to 9"):
        goodinit.check(fill(mlp(3), he), X, Y + shift, loss=CE)


def test_an_output_off_the_targets_mean_is_centred_channel_by_channel() -> None:
    pictures = images() * 0.1
    targets = pictures + torch.tensor([3.0, -2.0, 1.0])[:, None, None]
    model = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.Tanh(), nn.Conv2d(16, 3, 3, padding=1))
    found = {e.code: e for e in goodinit.check(model, images(), targets, loss=functional.mse_loss).findings}
    exec(found["loss-above-chance"].remedy, {"model": model, "targets": targets, "torch": torch})
    assert model[2].bias.tolist() == pytest.approx([3, -2, 1], abs=0.1)
    again = goodinit.check(model, images(), targets, loss=functional.mse_loss).start.loss
    assert again.value < found["loss-above-chance"].measured / 10


@pytest.mark.parametrize("examples", [2, 3, 64])
def test_the_loss_of_guessing_knows_how_few_examples_tell_the_mean(examples: int) -> None:
    targets = torch.randn(examples, 4096, generator=torch.Generator().manual_seed(0))
    loss = goodinit.check(nn.Linear(64, 4096), X[:examples], targets, loss=functional.mse_loss).start.loss
    assert loss.chance == pytest.approx(1, abs=0.05)  # the variance that the targets were drawn with
    assert loss.offset == pytest.approx(0, abs=0.4)


def test_scores_that_lie_between_0_and_1_are_not_taken_for_probabilities() -> None:
    """A sigmoid is seen where it is called."""
    model, targets = nn.Linear(64, 1), (X[:, :1] > 0).float()
    with torch.no_grad():
        model.weight.mul_(0.1)
        model.bias.fill_(0.5)
    assert 0 < float(model(X).min().detach()) < float(model(X).max().detach()) < 1
    for made, wrong in ((model, False), (nn.Sequential(model, nn.Sigmoid()), True)):
        found = goodinit.check(made, X, targets, loss=nn.functional.binary_cross_entropy_with_logits).findings
        assert ("probabilities-as-scores" in {each.code for each in found}) == wrong


def test_what_the_loss_does_with_the_outputs_is_no_activation_of_the_last_layer() -> None:
    """A head that begins at a small probability, as focal losses ask for."""
    model, targets = nn.Linear(64, 10), (X[:, :10] > 2).float()
    nn.init.constant_(model.bias, -math.log(99))

    def focal(scores: Tensor, wanted: Tensor) -> Tensor:
        p = scores.sigmoid()
        return -(wanted * (1 - p) ** 2 * p.log() + (1 - wanted) * p**2 * (1 - p).log()).mean()

    checkup = goodinit.check(model, X, targets, loss=focal)
    assert checkup.layers[-1].call.activation is None
    assert not [each for each in checkup.findings if each.severity != "info"]
