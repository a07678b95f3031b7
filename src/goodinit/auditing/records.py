"""The records of an audit; nothing here needs PyTorch."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from goodinit.auditing.laws import Law
from goodinit.errors import GoodinitError

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["Audit", "AuditFinding", "Difference", "ParameterAudit", "Write", "read_baseline"]

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


@dataclass(frozen=True)
class Difference:
    """What differs between two audits: `(name, what it was, what it is)`; None where there is no such parameter."""

    changes: tuple[tuple[str, str | None, str | None], ...]

    def __bool__(self) -> bool:
        return bool(self.changes)

    def __str__(self) -> str:
        if not self.changes:
            return "Nothing changed."
        return "\n".join(f"{name}: {old or 'absent'} -> {new or 'absent'}" for name, old, new in self.changes)


@dataclass(frozen=True)
class Audit:
    """The audit of a model; prints as a table, folded by repeated blocks."""

    model: str
    device: str
    parameters: tuple[ParameterAudit, ...]
    findings: tuple[AuditFinding, ...] = ()
    note: str = ""

    @property
    def complete(self) -> bool:
        """Whether no parameter or persistent buffer was left unwritten."""
        return not any(each.verdict in INCOMPLETE for each in self.parameters)

    def __getitem__(self, name: str) -> ParameterAudit:
        for each in self.parameters:
            if name == each.name or name in each.tied:
                return each
        raise KeyError(name)

    def __iter__(self) -> Iterator[ParameterAudit]:
        return iter(self.parameters)

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it; docs/audit.md says what each key means."""
        return {
            "model": self.model,
            "device": self.device,
            "complete": self.complete,
            "note": self.note,
            "findings": [dict(vars(each)) for each in self.findings],
            "parameters": [each.to_dict() for each in self.parameters],
        }

    def to_json(self) -> str:
        """The text of `to_dict`."""
        return json.dumps(self.to_dict(), indent=2, allow_nan=False)

    def beside(self, other: Audit) -> Difference:
        """What changes from this audit to another: names, shapes, verdicts and laws."""
        return _difference(_summaries(self.to_dict()), _summaries(other.to_dict()))

    def since(self, baseline: dict[str, Any]) -> Difference:
        """What changed since an audit that was written as JSON."""
        return _difference(_summaries(baseline), _summaries(self.to_dict()))

    def __rich__(self) -> Table:
        from goodinit.auditing.table import table

        return table(self)

    def __str__(self) -> str:
        from rich.console import Console

        console = Console(width=110, color_system=None)
        with console.capture() as capture:
            console.print(self)
        return capture.get()


def read_baseline(path: Path) -> dict[str, Any]:
    """An audit that `to_json` wrote.

    Raises GoodinitError where the file cannot be read or is something else.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        _summaries(found)
    except OSError as error:
        raise GoodinitError(f"baseline {path}: cannot be read ({error.strerror})") from None
    except (ValueError, KeyError, TypeError):
        raise GoodinitError(f"baseline {path}: not an audit; give a file that --baseline wrote, or remove it") from None
    assert isinstance(found, dict)
    return found


def _summaries(facts: dict[str, Any]) -> dict[str, str]:
    return {
        each["name"]: f"{each['verdict']}, {each['law'] or 'no law'}, shape {tuple(each['shape'])}"
        + (f", tied to {', '.join(each['tied'])}" if each["tied"] else "")
        for each in facts["parameters"]
    }


def _difference(old: dict[str, str], new: dict[str, str]) -> Difference:
    names = [*old, *(name for name in new if name not in old)]
    return Difference(tuple((n, old.get(n), new.get(n)) for n in names if old.get(n) != new.get(n)))
