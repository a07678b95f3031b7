"""A model with its batch, as a person's own function returns them, checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from goodinit import datasets
from goodinit.checkup.model_check import Checkup, check
from goodinit.errors import GoodinitError
from goodinit.factories import load_factory

__all__ = ["check_factory"]

_MOST: Final = 256  # examples of a data set
_PARTS: Final = ("model", "inputs", "targets", "loss")


def check_factory(
    factory: str | Callable[[], Any], data: str | Path | None = None, target: str | None = None, **options: Any
) -> dict[str, Checkup]:
    """Check what a function returns: a model, or (model, inputs, targets, loss) up to any of them, or a dict of those.

    Arguments:
        factory: `MODULE:FUNCTION`, `file.py:FUNCTION`, or the function.
        data: a built-in data set or a file, whose first 256 training rows serve a model that comes alone, with
            cross-entropy as its loss.
        target: the label column of a file.
        options: those of `goodinit.check`.

    Gives the checkups by name; the name of a single model is empty.

    Raises GoodinitError where the function cannot be found, fails, or returns something else.
    """
    name, make = load_factory(factory)
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
    return {
        key: _check(f"{name}(){f' {key!r}' if key else ''}", each, data, target, options) for key, each in every.items()
    }


def _check(name: str, made: Any, data: str | Path | None, target: str | None, options: dict[str, Any]) -> Checkup:
    from goodinit.pytorch.calling import is_model

    if isinstance(made, Mapping):
        unknown = [key for key in made if key not in _PARTS]
        if unknown:
            raise GoodinitError(f"{name} returned a dict with {unknown[0]!r}; its keys are {', '.join(_PARTS)}")
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
        given.update(_batch(model, data, target))
    return check(model, given["inputs"], given.get("targets"), loss=given.get("loss"), **options)


def _batch(model: Any, data: str | Path, target: str | None) -> dict[str, Any]:
    import torch

    found = datasets.load(data, target)
    like = next((p for p in model.parameters() if p.dtype.is_floating_point), torch.empty(0))
    inputs = torch.as_tensor(found.X_train[:_MOST]).to(like)
    targets = torch.as_tensor(found.y_train[:_MOST]).long().to(like.device)

    def loss(output: Any, wanted: Any) -> Any:
        if output.shape == wanted.shape or output.shape[1:] == (1,):  # one logit
            return torch.nn.functional.binary_cross_entropy_with_logits(output.reshape(-1), wanted.to(output))
        return torch.nn.functional.cross_entropy(output, wanted)

    return {"inputs": inputs, "targets": targets, "loss": loss}
