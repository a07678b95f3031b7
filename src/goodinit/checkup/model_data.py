"""What the batch itself is like: the inputs feature by feature, before any weight meets them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import torch
from torch import Tensor

from goodinit.model_records import InputStart

__all__ = ["inputs_of"]

_FEWEST: Final = 8  # examples, below which a feature's size says little


def inputs_of(inputs: Any, last: bool = False) -> tuple[InputStart, ...]:
    """A record for every input of finite real numbers with an axis of examples and one of features.

    `last` says that the model's first layer sums over the last axis, which then has the features of sequences.
    """
    return tuple(
        _measured(name, tensor.detach(), last)
        for name, tensor in _named(inputs, "inputs")
        if tensor.dtype.is_floating_point
        and tensor.dim() > 1
        and len(tensor) >= _FEWEST
        and tensor.numel()
        and bool(torch.isfinite(tensor).all())
    )


def _named(value: Any, name: str) -> Iterator[tuple[str, Tensor]]:
    """The tensors that the model is called with, each as Python names it."""
    if isinstance(value, Tensor):
        yield name, value
    elif isinstance(value, Mapping):
        for key, each in value.items():
            yield from _named(each, f"{name}[{key!r}]")
    elif isinstance(value, tuple | list):
        for place, each in enumerate(value):
            yield from _named(each, f"{name}[{place}]")


def _measured(name: str, tensor: Tensor, last: bool) -> InputStart:
    """Columns are features, and the channels of images; of what has three axes any may be, where it is not told."""
    wide = tensor.double()
    sequences = last and tensor.dim() == 3
    columns = wide.flatten(2).transpose(1, 2).flatten(0, 1) if tensor.dim() > 3 else wide.reshape(len(wide), -1)
    columns = wide.flatten(0, 1) if sequences else columns
    by = "channel" if tensor.dim() > 3 else "feature" if tensor.dim() == 2 or sequences else None
    alike = bool((wide == wide[:1]).all())
    sizes, means = columns.square().mean(0).sqrt(), columns.mean(0)
    deviations = columns.std(0, correction=0)
    moving = deviations > 1e-6 * sizes
    largest = int(sizes.argmax())
    usual = sizes[sizes > 0].median() if bool((sizes > 0).any()) else sizes.new_ones(())
    away = (means.abs() / deviations)[moving]
    return InputStart(
        name=name,
        shape=tuple(tensor.shape),
        by=by,
        mean=float(wide.mean()),
        rms=float(wide.square().mean().sqrt()),
        low=float(wide.min()),
        high=float(wide.max()),
        largest=largest if by == "feature" else None,
        uneven=float(sizes.max() / usual) if by == "feature" else None,
        offset=float(away.median()) if len(away) else None,
        moving=0.0 if alike else float(moving.double().mean()),
    )
