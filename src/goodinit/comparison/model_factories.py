"""A person's own PyTorch model, as the function that makes it says: run once on the data, which decide its loss."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from goodinit.comparison.own_losses import NamedLoss, tried
from goodinit.datasets import Dataset
from goodinit.errors import GoodinitError, shown
from goodinit.factories import ModelFactory, load_factory, source_fingerprint
from goodinit.weights import Weight

if TYPE_CHECKING:
    from torch import nn

__all__ = ["SHOWN", "dataset_of", "inputs_of", "made_model", "own_data", "read_factory"]

SHOWN: Final = 32  # examples that the model is run on to learn its activations and to check its start


def read_factory(
    given: str | Callable[[], Any], data: Dataset | None, device: str = "cpu", own_loss: NamedLoss | None = None
) -> ModelFactory:
    """The model that a function makes, tried on the data once: what it gives decides its loss.

    `own_loss` takes that one's place, and is tried as well.

    Raises GoodinitError where the function fails, gives no model, or the model's outputs do not fit the data.
    """
    import torch

    from goodinit import pytorch
    from goodinit.pytorch.guard import untouched
    from goodinit.pytorch.loop import outputs_of, seeded
    from goodinit.pytorch.ready import shaped

    text, make = load_factory(given)
    with seeded(0, "model"):
        model, own = made_model(make, text)
        examples = data or dataset_of(own, text)
        _check_device(device)
        inputs = inputs_of(model, examples.X_train[:SHOWN], "cpu")
        model = shaped(model, inputs).model
        with untouched(model, inputs) as x, torch.no_grad():
            what = f"the model of {text} cannot be run on inputs of shape {tuple(inputs.shape)} from {examples.name}"
            outputs = _try(lambda: outputs_of(model.eval(), x), what)
    read = pytorch.read_model(model)
    listed = [(each.name, each.shape, str(each.dtype), each.kind) for each in read]
    classes = {type(module) for module in model.modules()}
    loss = _loss(examples, outputs.shape[1], text)
    own = None
    if own_loss is not None:
        targets = torch.from_numpy(np.ascontiguousarray(examples.y_train[:SHOWN]))
        own = tried(own_loss, loss, outputs, targets)
    return ModelFactory(
        text,
        make,
        source_fingerprint([make, *classes], repr(sorted(listed))),
        tuple(each.weight or Weight.elementwise(each.name, each.shape or ()) for each in read),
        loss,
        str(read[0].dtype).removeprefix("torch.") if read else "float32",
        str(device),
        data is None,
        own_loss=own,
    )


def own_data(given: str | Callable[[], Any]) -> Dataset:
    """The data that a factory brings. Raises GoodinitError where it gives a model only."""
    from goodinit.pytorch.loop import seeded

    text, make = load_factory(given)
    with seeded(0, "model"):
        return dataset_of(made_model(make, text)[1], text)


def made_model(make: Callable[[], Any], text: str) -> tuple[nn.Module, Any]:
    """The model that a function makes, and its data where it brings some. Raises GoodinitError for anything else."""
    from torch import nn

    made = _try(make, f"{text} failed")
    model, data = made if isinstance(made, tuple) and len(made) == 2 else (made, None)
    if not isinstance(model, nn.Module):
        raise GoodinitError(
            f"{text} gave a {type(model).__name__}; it must give a new torch.nn.Module, or (model, data)"
        )
    return model, data


def _try(call: Callable[[], Any], what: str) -> Any:
    try:
        return call()
    except GoodinitError:
        raise
    except Exception as error:
        raise GoodinitError(f"{what}: {type(error).__name__}: {error}") from error


def dataset_of(given: Any, text: str) -> Dataset:
    """The data that a factory or a person gives: a Dataset, or (X_train, y_train, X_test, y_test)."""
    if isinstance(given, Dataset):
        return given
    if given is None:
        raise GoodinitError(f"{text} gives a model without data; name some with data, or return (model, data)")
    if not isinstance(given, Sequence) or len(given) != 4:
        raise GoodinitError(f"{text}: data must be a goodinit.datasets.Dataset or (X_train, y_train, X_test, y_test)")
    X_train, y_train, X_test, y_test = (np.asarray(each) for each in given)
    name = text.rpartition(":")[2]
    features = tuple(f"input {number}" for number in range(math.prod(X_train.shape[1:])))
    if y_train.dtype.kind == "f":
        return Dataset(name, X_train, y_train.astype(float), X_test, y_test.astype(float), (), features, parted=True)
    for X, y in ((X_train, y_train), (X_test, y_test)):
        if y.dtype.kind not in "iub" or y.ndim != 1 or len(X) != len(y) or not len(y) or y.min() < 0:
            raise GoodinitError(f"{text}: labels must be class numbers from 0, one for each of {len(X)} examples")
    classes = tuple(str(number) for number in range(int(y_train.max()) + 1))
    if len(classes) < 2 or y_test.max() >= len(classes):
        raise GoodinitError(
            f"{text}: the labels to train on name {len(classes)} classes; at least two, and all there are"
        )
    return Dataset(
        name, X_train, y_train.astype(np.intp), X_test, y_test.astype(np.intp), classes, features, parted=True
    )


def _loss(data: Dataset, outputs: int, text: str) -> Any:
    count = len(data.classes)
    if count == 2 and outputs == 1:
        return "binary_cross_entropy"
    if count == 0 and outputs == 1:
        return "squared_error"
    if count and outputs == count:
        return "cross_entropy"
    wanted = f"{count} classes need {count} outputs" if count else "numbers to predict need one output"
    raise GoodinitError(f"{text}: the model gives {outputs} outputs an example, and {data.name} has others: {wanted}")


def inputs_of(model: nn.Module, X: NDArray[Any], device: str) -> Any:
    """The examples as the model takes them: of the number type of its first parameter, on the device."""
    import torch

    from goodinit.pytorch.loop import to_tensor

    dtypes = [parameter.dtype for parameter in model.parameters() if parameter.dtype.is_floating_point]
    return to_tensor(X, torch.device(device), dtypes[0] if dtypes else torch.float32)


def _check_device(device: str) -> None:
    import torch

    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise GoodinitError(
            f"device {shown(device)} cannot be used: {str(error).splitlines()[0]}; choose cpu"
        ) from error
