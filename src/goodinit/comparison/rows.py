"""A trial as a row of a study's file: what is kept of it, its checksum, and the file's formats."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from goodinit.networks import Parameters
from goodinit.results import Trial, key_of

__all__ = ["APPLICATION", "COLUMNS", "SCHEMA", "VERSION", "Row", "TaskRow", "columns", "row_of"]

VERSION: Final = 2
SMALL: Final = 10_000  # numbers that are compressed within a millisecond
APPLICATION: Final = 0x676F6F64  # "good": SQLite's mark of whose file it is
SCHEMA: Final = """
CREATE TABLE task (
    name TEXT PRIMARY KEY,
    identity TEXT NOT NULL,
    facts TEXT NOT NULL,
    checksum TEXT
) STRICT;
CREATE TABLE trial (
    key TEXT PRIMARY KEY,
    task TEXT NOT NULL REFERENCES task (name),
    phase TEXT NOT NULL CHECK (phase IN ('evaluation', 'tuning')),
    initialization TEXT NOT NULL,
    learning_rate REAL NOT NULL,
    seed INTEGER NOT NULL,
    result TEXT NOT NULL,
    parameters BLOB,
    failure TEXT,
    checksum TEXT
) STRICT;
CREATE INDEX trial_order ON trial (task, phase, initialization, learning_rate, seed);
"""
_OF_BOTH: Final = ("key", "task", "phase", "initialization", "learning_rate", "seed", "result", "parameters")
COLUMNS: Final = (*_OF_BOTH, "failure", "checksum")


def columns(version: int, table: str = "trial") -> str:
    """The columns of a table as a query names them, NULL for those that a format lacks."""
    if table == "task":
        return "name, identity, facts, checksum" if version > 1 else "name, identity, facts, NULL"
    return ", ".join(COLUMNS if version > 1 else (*_OF_BOTH, "NULL", "NULL"))


class TaskRow(NamedTuple):
    """A task as its row holds it."""

    name: str
    identity: str
    facts: str
    checksum: str | None

    @property
    def whole(self) -> bool:
        """Whether the row is as it was written."""
        return self.checksum == self.sealed().checksum

    def sealed(self) -> TaskRow:
        """The row with its checksum."""
        return self._replace(checksum=_hash([self.name, self.identity, self.facts]))


class Row(NamedTuple):
    """A trial as its row holds it."""

    key: str
    task: str
    phase: str
    initialization: str
    learning_rate: float
    seed: int
    result: str
    parameters: bytes | None
    failure: str | None
    checksum: str | None

    @property
    def whole(self) -> bool:
        """Whether the row is as it was written."""
        return self.checksum == self.sealed().checksum

    def sealed(self) -> Row:
        """The row with its checksum."""
        return self._replace(
            checksum=_hash([*self[:4], repr(self.learning_rate), *self[5:7], self[8]], self.parameters)
        )

    def migrated(self, tasks: Iterable[TaskRow]) -> Row:
        """The row as format 2 holds it, with the phase in a tuning trial's key; the same where it is of that format."""
        identity = next((task.identity for task in tasks if task.name == self.task), None)
        key = self.key
        if self.phase == "tuning" and identity and key == key_of(identity, *self[3:6]):
            key = key_of(identity, *self[3:6], self.phase)
        return self._replace(key=key, failure=json.loads(self.result)["failure"]).sealed()

    def trial(self) -> Trial:
        """The trial."""
        return Trial.from_dict(json.loads(self.result), _unpacked(self.parameters))


def row_of(key: str, trial: Trial, keep: bool) -> Row:
    """The trial as a row, with its parameters where they are to be kept."""
    parameters = _packed(trial.parameters) if keep and trial.parameters else None
    place = trial.task, trial.phase, trial.initialization, trial.learning_rate, trial.seed
    return Row(key, *place, json.dumps(trial.to_dict()), parameters, trial.failure, None).sealed()


def _hash(facts: list[Any], blob: bytes | None = None) -> str:
    """Of whatever a damaged row may hold."""
    blob = blob if isinstance(blob, bytes) else repr(blob).encode() if blob else b""
    return hashlib.sha256(json.dumps(facts, default=repr).encode() + blob).hexdigest()[:32]


def _packed(parameters: Parameters) -> bytes:
    """Small ones compressed; weights hardly are, and in half a second for a million of them."""
    arrays = {name: _rounded(value) for name, value in parameters.items()}
    save = np.savez_compressed if sum(map(np.size, arrays.values())) < SMALL else np.savez
    buffer = io.BytesIO()
    save(buffer, **arrays)  # type: ignore[arg-type]  # NumPy's stub takes the names for options
    return buffer.getvalue()


def _rounded(value: NDArray[np.float64]) -> NDArray[Any]:
    """In float32 where that has all of its digits."""
    with np.errstate(over="ignore"):
        rounded = value.astype(np.float32)
    return rounded if np.array_equal(rounded, value, equal_nan=True) else value


def _unpacked(blob: bytes | None) -> Parameters:
    if blob is None:
        return {}
    with np.load(io.BytesIO(blob), allow_pickle=False) as archive:
        return {name: archive[name].astype(np.float64, copy=False) for name in archive.files}
