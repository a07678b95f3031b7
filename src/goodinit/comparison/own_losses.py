"""Losses of a person's own: a function of (outputs, targets) that gives their mean loss."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from goodinit.comparison.own_code import Found, installed, written
from goodinit.errors import GoodinitError, as_word, shown
from goodinit.factories import source_fingerprint
from goodinit.spec import format_spec
from goodinit.trainable import Loss, OwnLoss

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["NamedLoss", "find_loss", "tried"]

NamedLoss = tuple[str, Callable[..., Any], str]
"""How a loss is called, the function of (outputs, targets), and a hash of its source."""


def find_loss(given: object) -> NamedLoss | None:
    """The loss that a person hands over or names; None for nothing that a person can have written.

    Raises GoodinitError where its code fails, or an option is not one of its own.
    """
    if isinstance(given, str):
        found = written(given, "loss") or installed(given, "loss")
        return None if found is None else (format_spec(found.name, found.options), _called(found), found.source or "")
    if not callable(given):
        return None
    text = getattr(given, "__qualname__", type(given).__name__)
    return text, given, source_fingerprint([given if hasattr(given, "__qualname__") else type(given)], repr(given))


def _called(found: Found) -> Callable[..., Any]:
    made = found.made
    try:
        if isinstance(made, type):
            called: Callable[..., Any] = made(**found.options)
            return called
    except Exception as error:
        raise GoodinitError(f"loss {found.name}: {type(error).__name__}: {error}") from error
    return partial(made, **found.options) if found.options else made


def tried(criterion: NamedLoss, kind: Loss, outputs: Tensor, targets: Tensor) -> OwnLoss:
    """The loss, tried on outputs and their targets, and its value for a guess.

    A guess is equal scores for all classes, or the mean of numbers to predict.

    Raises GoodinitError where the function fails, does not give one number, or a guess costs nothing.
    """
    import torch

    text, function, fingerprint = criterion
    about = torch.zeros_like(outputs) if kind != "squared_error" else torch.full_like(outputs, float(targets.mean()))
    for name, given in (("the first outputs", outputs), ("a guess", about)):
        try:
            with torch.enable_grad():
                value = function(given.detach().requires_grad_(), targets)
        except Exception as error:
            raise GoodinitError(f"loss {text}: {type(error).__name__}: {error}") from error
        if not isinstance(value, torch.Tensor) or value.shape != () or not value.requires_grad:
            form = tuple(value.shape) if isinstance(value, torch.Tensor) else shown(as_word(value))
            raise GoodinitError(
                f"loss {text} gave {form} for {name}; it must give one number, a tensor of no axes that has a gradient"
            )
    guess = float(value.detach())
    if not math.isfinite(guess) or guess <= 0:
        raise GoodinitError(
            f"loss {text} is {guess:g} for a guess; it must be above 0, since half of it counts as learned"
        )
    return OwnLoss(text, function, fingerprint, guess)
