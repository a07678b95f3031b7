"""What an audit is made of; nothing here needs PyTorch."""

from __future__ import annotations

import math
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from goodinit.auditing.laws import DrawnLaw

__all__ = ["ELSEWHERE", "INCOMPLETE", "ParameterAudit", "Write"]

INCOMPLETE: Final = ("never", "lost", "partial")
ELSEWHERE: Final = "made elsewhere"  # the operation of what was made where PyTorch tells nobody


@dataclass(frozen=True)
class Write:
    """One write: the operation with its arguments, the line of whose code, and the PyTorch layer it came through."""

    operation: str
    arguments: tuple[str, ...] = ()
    file: str | None = None
    line: int | None = None
    through: str | None = None
    full: bool = True

    def __str__(self) -> str:
        if self.operation == ELSEWHERE:
            return ELSEWHERE
        where = f" at {_short(self.file)}:{self.line}" if self.file else ""
        through = f" in {self.through}" if self.through else ""
        return f"{self.operation}({', '.join(self.arguments)}){through}{where}"


def _short(file: str) -> str:
    """A file as its package names it: from the folder on that Python found it in."""
    folders = [str(Path(each)) + os.sep for each in (str(Path.cwd()), *sys.path) if Path(each).is_absolute()]
    return file[max((len(each) for each in folders if file.startswith(each)), default=0) :]


@dataclass(frozen=True)
class ParameterAudit:
    """A parameter or buffer: its writes in order, the law they leave, and the verdict.

    `kind` is `parameter`, `buffer`, or `non-persistent buffer` for one that no checkpoint keeps. The verdict is
    `filled`, `checkpoint`, `never` (memory that nobody wrote), `lost` (written, then replaced by memory that nobody
    wrote), `partial` (a part was never written), or `values` (a built model: only its values are known). `confirmed`
    says whether a build in memory filled with NaN left NaN there; None where there was none. `overwritten` is the write
    that replaced what a checkpoint had left, None where there was none. `checkpoint` is the file or folder that its
    values come from, or that it is missing from, where the verdict is another; None where neither is known. `measured`
    is the mean and the standard deviation of its values, None where no values were looked at, and `expected` what a
    recipe asks for.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    verdict: str
    law: DrawnLaw | None = None
    writes: tuple[Write, ...] = ()
    lost: tuple[Write, ...] = ()
    tied: tuple[str, ...] = ()
    confirmed: bool | None = None
    measured: tuple[float, float] | None = None
    expected: str | None = None
    overwritten: Write | None = None
    checkpoint: str | None = None

    @property
    def incomplete(self) -> bool:
        """Whether it holds what nobody wrote. A buffer that no checkpoint keeps may be made empty, as a cache is."""
        return self.verdict in INCOMPLETE and (self.kind != "non-persistent buffer" or self.verdict != "never")

    @property
    def size(self) -> int:
        """The number of its elements."""
        return math.prod(self.shape)

    @property
    def shown_law(self) -> str:
        """The law, or where it is not known what was measured; and the checkpoint that it is of, or missing from."""
        origin = ""
        if self.checkpoint is not None:
            origin = f"from {self.checkpoint}" if self.verdict == "checkpoint" else f"missing from {self.checkpoint}"
        found = f"mean {self.measured[0]:.4g}, std {self.measured[1]:.4g}" if self.measured is not None else ""
        if self.law is not None and (self.law.distribution != "unknown" or not (found or origin)):
            found = str(self.law)
        elif self.verdict == "filled" and self.law is None and not self.writes and not origin:
            origin = "made elsewhere, as by a loader of files"
        return "; ".join(each for each in (origin, found) if each)

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        moments = self.law.moments if self.law else None
        return {
            "name": self.name,
            "kind": self.kind,
            "shape": list(self.shape),
            "verdict": self.verdict,
            "law": str(self.law) if self.law else None,
            "mean": moments[0] if moments else None,
            "std": moments[1] if moments else None,
            "writes": [vars(each) | {"arguments": list(each.arguments)} for each in self.writes],
            "lost": [vars(each) | {"arguments": list(each.arguments)} for each in self.lost],
            "tied": list(self.tied),
            "confirmed": self.confirmed,
            "checkpoint": self.checkpoint,
            "expected": self.expected,
            "measured": list(self.measured) if self.measured is not None else None,
        }
