"""Writing an initializer's values into tensors: in place, a piece at a time, on any device and in any dtype."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from goodinit.errors import GoodinitError
from goodinit.initializers import Initializer
from goodinit.streams import KeyedStream
from goodinit.weights import Weight

__all__ = ["Box", "Moments", "draw_box", "fill", "is_whole", "local_box"]

_PIECE: Final = 1 << 21  # elements drawn at a time: few enough to be measured while a cache holds them
_SUMMED: Final = 1 << 16  # float32's own sums of so many are good to five digits
_DIRECT: Final = (torch.float32, torch.float64)

Box = tuple[tuple[int, int], ...]
"""A part of a tensor: start and stop along each axis."""


@dataclass
class Moments:
    """The number of elements written, their sum, and the sum of their squares, all of them less `pivot`."""

    pivot: float = 0.0
    count: int = 0
    total: float = 0.0
    squares: float = 0.0

    def add(self, values: Tensor, sign: int = 1) -> None:
        """Count a tensor of one dimension, or take it out again."""
        self.count += sign * values.numel()
        if values.dtype not in _DIRECT or values.device.type != "cpu":
            values = values.float().cpu()
        array = values.detach().numpy()
        for at in range(0, array.size, _SUMMED):
            # NumPy's own sums: one thread, and so no waiting for others between pieces this small.
            piece = array[at : at + _SUMMED]
            if array.size < _SUMMED or self.pivot:
                piece = piece.astype(np.float64) - self.pivot
            self.total += sign * float(np.add.reduce(piece))
            self.squares += sign * float(np.einsum("i,i->", piece, piece))

    @property
    def std(self) -> float | None:
        """The standard deviation; None of nothing."""
        if not self.count:
            return None
        mean, square = self.total / self.count, self.squares / self.count
        variance = square - mean * mean
        return math.sqrt(variance) if variance > 1e-9 * square else 0.0  # less is the sums' own rounding


def is_whole(initializer: Initializer) -> bool:
    """Whether the initializer, or the one that it scales, makes a tensor as a whole.

    Even a slice of it then needs the memory of all.
    """
    while (inner := getattr(initializer, "inner", None)) is not None:
        initializer = inner
    return initializer.whole


def fill(
    tensor: Tensor, initializer: Initializer, weight: Weight, stream: KeyedStream, zero_row: int | None
) -> Moments:
    """Fill a tensor, or the part of a distributed one that is kept here, and say what it holds then."""
    moments = Moments(initializer.expected_mean(weight))
    with torch.no_grad():
        here, box = local_box(tensor)
        if not here.numel():
            return moments
        flat = here.view(-1) if here.is_contiguous() else torch.empty(here.numel(), dtype=here.dtype)
        for at, values in _pieces(flat, initializer, weight, stream, box):
            there = flat[at : at + values.numel()]
            if there.data_ptr() != values.data_ptr():
                values = values.to(flat.dtype)
                there.copy_(values)
            moments.add(values)
        if zero_row is not None:
            _forget(flat, zero_row, weight, box, moments)
        if flat.data_ptr() != here.data_ptr():
            here.copy_(flat.view(here.shape))
        else:
            flat[:0].zero_()  # what is written through NumPy is not counted; autograd must know of a change
    return moments


def _pieces(
    flat: Tensor, initializer: Initializer, weight: Weight, stream: KeyedStream, box: Box | None
) -> Iterator[tuple[int, Tensor]]:
    """A contiguous tensor's values, piece by piece with their places; each lies where it belongs already, if it can."""
    law = initializer.law(weight)
    if box is not None or law is None:
        yield from _cut(initializer, weight, stream, box or tuple((0, size) for size in weight.shape))
        return
    kind = np.float64 if flat.dtype == torch.float64 else np.float32
    spare = np.empty(min(_PIECE, flat.numel()), kind)
    for at in range(0, flat.numel(), _PIECE):
        there = flat[at : at + _PIECE]
        direct = there.device.type == "cpu" and there.dtype in _DIRECT
        piece: NDArray[Any] = there.numpy() if direct else spare[: there.numel()]
        stream.fill(weight.name, law, piece, at)
        yield at, torch.from_numpy(piece)


def _cut(initializer: Initializer, weight: Weight, stream: KeyedStream, box: Box) -> Iterator[tuple[int, Tensor]]:
    """The values of a box in C order, some rows at a time, in float64."""
    cut = tuple(slice(start, stop) for start, stop in box[1:])
    first, last = box[0] if box else (0, 1)
    row = math.prod(weight.shape[1:])
    rows = max(1, _PIECE // max(row, 1))
    whole = initializer.elements(weight, stream, 0, weight.size) if is_whole(initializer) else None
    at = 0
    for start in range(first, last, rows):
        stop = min(start + rows, last)
        if whole is None:
            values = initializer.elements(weight, stream, start * row, stop * row)
        else:
            values = whole[start * row : stop * row]
        piece = values.reshape((stop - start, *weight.shape[1:]))[(slice(None), *cut)].reshape(-1)
        yield at, torch.from_numpy(np.ascontiguousarray(piece))
        at += piece.size


def _forget(flat: Tensor, row: int, weight: Weight, box: Box | None, moments: Moments) -> None:
    """Set a row to 0, the one that padding looks up, where it lies here."""
    (first, last), *rest = box or ((0, weight.shape[0]), (0, weight.shape[1]))
    if first <= row < last:
        size = math.prod(stop - start for start, stop in rest)
        values = flat[(row - first) * size : (row - first + 1) * size]
        moments.add(values, sign=-1)
        moments.count += size
        values.zero_()


def draw_box(initializer: Initializer, weight: Weight, stream: KeyedStream, box: Box, zero_row: int | None) -> Tensor:
    """A part of the weight's values, in float64, made without the memory of the rest.

    Only what makes a matrix as a whole, such as `orthogonal`, is drawn whole and cut.
    """
    out = torch.empty(tuple(stop - start for start, stop in box), dtype=torch.float64)
    if out.numel():
        for at, values in _cut(initializer, weight, stream, box):
            out.view(-1)[at : at + values.numel()] = values
        if zero_row is not None:
            _forget(out.view(-1), zero_row, weight, box, Moments())
    return out


def local_box(tensor: Tensor) -> tuple[Tensor, Box | None]:
    """The tensor as it is; of a distributed one (DTensor), the part that is kept here and which part that is.

    Raises GoodinitError for a distributed tensor that is not a plain cut, such as a sum over processes.
    """
    if not hasattr(tensor, "to_local") or not hasattr(tensor, "placements"):
        return tensor.detach(), None
    from torch.distributed.tensor._utils import compute_local_shape_and_global_offset

    placed: Any = tensor
    if any(place.is_partial() for place in placed.placements):
        raise GoodinitError(f"a distributed tensor is placed as {placed.placements}; it must be sharded or replicated")
    shape, offset = compute_local_shape_and_global_offset(placed.shape, placed.device_mesh, placed.placements)
    here: Tensor = placed.to_local().detach()
    return here, tuple((start, start + size) for start, size in zip(offset, shape, strict=True))
