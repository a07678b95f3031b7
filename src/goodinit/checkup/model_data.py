"""What the batch itself is like: the inputs feature by feature, before any weight meets them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

import torch
from torch import Tensor

from goodinit.model_records import InputStart
from goodinit.pytorch.held import whole_tensor
from goodinit.pytorch.operands import Operands
from goodinit.pytorch.values import ModelInput
from goodinit.structure import Trace

__all__ = ["InputSignals"]

_FEWEST: Final = 8  # examples, below which a feature's size says little


class InputSignals:
    """Measures the model's inputs as its layers meet them, each once: in the units that `forward` brings them to."""

    def __init__(self) -> None:
        self._met: dict[int, tuple[int, InputStart]] = {}  # by the input, the layer call that met it first

    def meets(self, index: int, used: Operands, given: tuple[ModelInput, ...]) -> None:
        """Measure the inputs that a layer call was given; what it is only looked up by has no size."""
        for each in given if used.kind != "embedding" and used.seen else ():
            if id(each.source) in self._met:
                continue
            alike = used.input.dim() == each.form.dim() and len(used.input) == len(each.form)
            part = len(given) == 1 and alike and used.input.numel() <= each.form.numel()  # and not put beside others
            tensor = whole_tensor((used.input if part else each.form).detach())
            if _measurable(tensor):
                last = used.kind in ("linear", "recurrent")
                self._met[id(each.source)] = (index, _measured("", tensor, last))

    def start(self, inputs: Any, trace: Trace) -> tuple[InputStart, ...]:
        """The records of what the model was called with; of a model that cannot be seen inside, as it was given."""
        named = list(_named(inputs, "inputs"))
        if not trace.calls:
            return tuple(_measured(name, tensor.detach(), False) for name, tensor in named if _measurable(tensor))
        return tuple(
            replace(self._met[id(tensor)][1], name=name, norm_after=trace.calls[self._met[id(tensor)][0]].norm_after)
            for name, tensor in named
            if id(tensor) in self._met
        )


def _measurable(tensor: Tensor) -> bool:
    """Whether these are finite real numbers with an axis of examples, enough of them, and one of features."""
    return (
        tensor.layout == torch.strided
        and tensor.dtype.is_floating_point
        and tensor.dim() > 1
        and len(tensor) >= _FEWEST
        and tensor.numel() > 0
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
    """Columns are features, and the channels of images; of what has three axes any may be, where it is not told.

    `last` says that the layer that meets it sums over the last axis, which then has the features of sequences.
    """
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
