"""The audit of a model, and what differs between two."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from goodinit.auditing.records import ParameterAudit
from goodinit.auditing.table import table
from goodinit.errors import GoodinitError
from goodinit.findings import Finding
from goodinit.jsonable import read_json
from goodinit.results import Difference

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["Audit", "Difference", "read_baseline"]


@dataclass(frozen=True)
class Audit:
    """The audit of a model; prints as a table, folded by repeated blocks."""

    model: str
    device: str
    parameters: tuple[ParameterAudit, ...]
    findings: tuple[Finding, ...] = ()
    note: str = ""

    @property
    def complete(self) -> bool:
        """Whether no parameter or buffer was left unwritten, but for buffers made empty that no checkpoint keeps."""
        return not any(each.incomplete for each in self.parameters)

    @property
    def sound(self) -> bool:
        """Whether it is complete and nothing severe was found."""
        return self.complete and not any(each.severity == "severe" for each in self.findings)

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
            "findings": [each.to_dict() for each in self.findings],
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

    def report(self, path: str | os.PathLike[str], overwrite: bool = False) -> Path:
        """Write one self-contained HTML page, the model as a tree, and return its path.

        Raises GoodinitError where it exists and `overwrite` is not set, or cannot be written.
        """
        from goodinit.auditing.page import write_page

        return write_page(self.model, self.parameters, self.findings, self.note, path, overwrite)

    def __rich__(self) -> Table:
        return table(self.model, self.parameters, self.note)

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
        found = read_json(path)
        _summaries(found)
    except OSError as error:
        raise GoodinitError(f"baseline {path}: cannot be read ({error.strerror})") from None
    except (ValueError, KeyError, TypeError, AttributeError):
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
