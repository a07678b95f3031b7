"""What is known of one storage."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch.multiprocessing.reductions import StorageWeakRef

from goodinit.auditing.laws import UNKNOWN, DrawnLaw
from goodinit.auditing.records import Write

__all__ = ["Memory", "extent"]


@dataclass
class Memory:
    """Who wrote which part of a storage, and the law of its elements.

    `source` is the checkpoint that it was read from, where its path is known. `elsewhere` says that it was made where
    PyTorch tells nobody; what replaced that is `overwritten`, as with a checkpoint. `scattered` says that it was
    written at places that are not followed.
    """

    reference: StorageWeakRef
    writes: list[Write] = field(default_factory=list)
    parts: dict[tuple[Any, ...], int] = field(default_factory=dict)
    full: bool = False
    law: DrawnLaw | None = None
    lost: list[Write] = field(default_factory=list)
    checkpoint: bool = False
    overwritten: Write | None = None
    source: str | None = None
    elsewhere: bool = False
    scattered: bool = False

    def read(self, path: str, file: str | None, line: int | None) -> None:
        """Take it as holding what a file held, read by a line of code."""
        self.writes = [Write("load", (path,), file, line)]
        self.full, self.law, self.checkpoint, self.source, self.elsewhere = True, UNKNOWN, True, path, False

    def lose(self) -> None:
        """Take all that was written as lost."""
        self.lost = self.lost or self.writes
        self.writes, self.parts, self.full, self.law = [], {}, False, None
        self.checkpoint, self.overwritten, self.source = False, None, None
        self.elsewhere = self.scattered = False

    def verdict(self, tensor: torch.Tensor) -> str:
        """What became of the tensor in this memory."""
        if self.full:
            return "checkpoint" if self.checkpoint else "filled"
        start, end = extent(tensor)
        written = sum(min(n, end - start) for (low, high, *_), n in self.parts.items() if low < end and start < high)
        if written >= tensor.numel():
            return "filled"
        return "partial" if written else "lost" if self.lost else "never"


def extent(tensor: torch.Tensor) -> tuple[int, int]:
    """First and last byte."""
    size, first = tensor.element_size(), int(tensor.storage_offset())
    if tensor.numel() == 0:
        return first * size, first * size
    last = first + sum((int(n) - 1) * abs(int(s)) for n, s in zip(tensor.shape, tensor.stride(), strict=True))
    return first * size, (last + 1) * size
