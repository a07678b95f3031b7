"""A model with its batch, as a person's own function returns them, checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

from goodinit import datasets
from goodinit.checkup.model_check import Checkup, check
from goodinit.errors import GoodinitError, shown, unknown_name
from goodinit.factories import load_factory
from goodinit.options import LOSSES

__all__ = ["ask_factory", "check_factory"]

_R = TypeVar("_R")

_MOST: Final = 256  # examples of a data set
_PARTS: Final = ("model", "inputs", "targets", "loss")


def check_factory(
    factory: str | Callable[[], Any],
    data: str | Path | None = None,
    target: str | None = None,
    *,
    loss: str | None = None,
    seed: int = 0,
    **options: Any,
) -> dict[str, Checkup]:
    """`goodinit.check` of what a function returns, by the name of each model; `options` are its own. See `ask_factory`.

    The same seed gives the same checkup.
    """
    return ask_factory(factory, partial(check, **options), data, target, loss=loss, seed=seed)


def ask_factory(
    factory: str | Callable[[], Any],
    ask: Callable[..., _R],
    data: str | Path | None = None,
    target: str | None = None,
    *,
    loss: str | None = None,
    seed: int = 0,
) -> dict[str, _R]:
    """What is answered of the models that a function returns: one, (model, inputs, targets, loss) up to any of them, or
    a dict of those.

    Arguments:
        factory: `MODULE:FUNCTION`, `file.py:FUNCTION`, or the function.
        ask: what is called with (model, inputs, targets, loss=loss).
        data: a built-in data set or a file, whose first 256 training rows serve a model that comes alone, with
            cross-entropy as its loss, or the squared error where the data are numbers to predict.
        target: the label column of a file.
        loss: `squared_error` where a file's target is a number to predict, not a class.
        seed: what PyTorch draws, in the function and in the answer, starts from; its global state is as it was then.

    Gives the answers by name; the name of a single model is empty.

    Raises GoodinitError where the function cannot be found, fails, or returns something else.
    """
    from goodinit.pytorch.loop import seeded

    if loss not in (None, *LOSSES):
        raise unknown_name("loss", str(loss), LOSSES)
    name, make = load_factory(factory)
    with seeded(seed, "model"):
        try:
            made = make()
        except GoodinitError:
            raise
        except (Exception, SystemExit) as error:
            raise GoodinitError(f"{name}() failed: {type(error).__name__}: {error}") from error
        several = isinstance(made, Mapping) and "model" not in made
        every = {str(key): each for key, each in made.items()} if several else {"": made}
        if not every:
            raise GoodinitError(f"{name}() returned an empty dict; return the models to check by name")
        said = {key: f"{name}(){f' {key!r}' if key else ''}" for key in every}
        return {key: _answer(said[key], each, data, (target, loss), ask) for key, each in every.items()}


def _answer(
    name: str, made: Any, data: str | Path | None, column: tuple[str | None, str | None], ask: Callable[..., _R]
) -> _R:
    from goodinit.pytorch.calling import is_model

    if isinstance(made, Mapping):
        unknown = [key for key in made if key not in _PARTS]
        if unknown:
            raise GoodinitError(f"{name} returned a dict with {shown(unknown[0])}; its keys are {', '.join(_PARTS)}")
        given = dict(made)
    else:
        parts = made if isinstance(made, tuple | list) else (made,)
        if not 1 <= len(parts) <= len(_PARTS):
            raise GoodinitError(f"{name} returned {len(parts)} things; return up to four: {', '.join(_PARTS)}")
        given = dict(zip(_PARTS, parts, strict=False))
    model = given["model"]
    if not is_model(model):
        raise GoodinitError(
            f"{name} returned a {type(model).__name__}; return a torch.nn.Module, or (model, inputs, targets, loss)"
        )
    if given.get("inputs") is None:
        if data is None:
            raise GoodinitError(f"{name} returned no inputs; return (model, inputs), or give --data")
        given.update(_batch(model, data, *column))
    return ask(model, given["inputs"], given.get("targets"), loss=given.get("loss"))


def _batch(model: Any, data: str | Path, target: str | None, loss: str | None) -> dict[str, Any]:
    import torch

    from goodinit.pytorch.loop import loss_of, to_tensor

    found = datasets.load(data, target, regression=None if loss is None else loss == "squared_error")
    like = next((p for p in model.parameters() if p.dtype.is_floating_point), torch.empty(0))
    inputs = to_tensor(found.X_train[:_MOST], like.device, like.dtype)
    targets = to_tensor(found.y_train[:_MOST], like.device, like.dtype)

    def mean_loss(output: Any, wanted: Any) -> Any:
        outputs = output.reshape(len(wanted), -1)
        one_logit = "cross_entropy" if outputs.shape[1] > 1 else "binary_cross_entropy"
        kind = "squared_error" if found.regression else one_logit
        return loss_of(kind, outputs, wanted)

    return {"inputs": inputs, "targets": targets, "loss": mean_loss}
