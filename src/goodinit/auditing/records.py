"""What an audit is made of; nothing here needs PyTorch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from goodinit.auditing.laws import Law

__all__ = ["INCOMPLETE", "AuditFinding", "ParameterAudit", "Write"]

INCOMPLETE: Final = ("never", "lost", "partial")


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
        where = f" at {self.file}:{self.line}" if self.file else ""
        through = f" in {self.through}" if self.through else ""
        return f"{self.operation}({', '.join(self.arguments)}){through}{where}"


@dataclass(frozen=True)
class ParameterAudit:
    """A parameter or persistent buffer: its writes in order, the law they leave, and the verdict.

    The verdict is `filled`, `checkpoint`, `never` (memory that nobody wrote), `lost` (written, then replaced by
    memory that nobody wrote), `partial` (a part was never written), or `values` (a built model: only its values are
    known). `confirmed` says whether a build in memory filled with NaN left NaN there; None where there was none.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    verdict: str
    law: Law | None = None
    writes: tuple[Write, ...] = ()
    lost: tuple[Write, ...] = ()
    tied: tuple[str, ...] = ()
    confirmed: bool | None = None

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
        }


@dataclass(frozen=True)
class AuditFinding:
    """One judgement: `never-filled`, `lost-write`, `partly-filled` or `not-finite`, all severe."""

    code: str
    name: str
    message: str
    severity: str = "severe"
