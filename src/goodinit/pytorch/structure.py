"""The structure of a model: its parameters as they are read, and what one run did with them."""

from __future__ import annotations

from typing import Any

from torch import nn

from goodinit.pytorch.guard import plain_model
from goodinit.pytorch.read import read_model, with_meaning
from goodinit.pytorch.ready import shaped, traced
from goodinit.structure import Structure

__all__ = ["read_structure"]


def read_structure(model: nn.Module, inputs: Any = None) -> Structure:
    """What the model is: its parameters by role, and with `inputs` its layer calls and residual streams.

    `inputs` is a batch: a tensor, a tuple of positional arguments or a dict of keywords; the model is run on it once
    and left as it was.

    >>> import torch
    >>> model = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.ReLU(), torch.nn.Linear(8, 1))
    >>> structure = read_structure(model, torch.zeros(2, 3))
    >>> sorted(structure.inputs), sorted(structure.readouts), structure["0.weight"].weight.fan_in
    (['0.weight'], ['2.weight'], 3)

    Raises GoodinitError for what is not a model, and where it cannot be run on the inputs.
    """
    read_model(model)  # refuses what it cannot read before the inputs are run
    concrete = shaped(plain_model(model), inputs).model
    trace, meanings = traced(concrete, inputs)
    return Structure(tuple(with_meaning(weight, meanings) for weight in read_model(concrete)), trace)
