"""The store: one SQLite file a study. A trial is in it once it has ended, whole or not at all."""

from __future__ import annotations

import io
import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np

from goodinit.errors import GoodinitError
from goodinit.networks import Parameters
from goodinit.results import Trial

__all__ = ["Store"]

VERSION: Final = 1
APPLICATION: Final = 0x676F6F64  # "good": SQLite's mark of whose file it is
_SCHEMA: Final = """
CREATE TABLE task (
    name TEXT PRIMARY KEY,
    identity TEXT NOT NULL,
    facts TEXT NOT NULL
) STRICT;
CREATE TABLE trial (
    key TEXT PRIMARY KEY,
    task TEXT NOT NULL REFERENCES task (name),
    phase TEXT NOT NULL CHECK (phase IN ('evaluation', 'tuning')),
    initialization TEXT NOT NULL,
    learning_rate REAL NOT NULL,
    seed INTEGER NOT NULL,
    result TEXT NOT NULL,
    parameters BLOB
) STRICT;
CREATE INDEX trial_order ON trial (task, phase, initialization, learning_rate, seed);
"""


class Store:
    """A study's file. Several processes may write and read it at once: readers never wait for a writer.

    Raises GoodinitError for a file that is not a study, of another version, or that cannot be written.
    """

    def __init__(self, path: str | Path, *, create: bool = True) -> None:
        self.path = Path(path)
        if not create and not self.path.exists():
            raise GoodinitError(f"{self.path}: there is no such study; goodinit compare --study makes one")
        with self._errors():
            self._db = sqlite3.connect(self.path, timeout=60, isolation_level=None)
            self._open()

    def _open(self) -> None:
        db = self._db
        db.execute("PRAGMA foreign_keys = ON")
        empty = db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
        mark = db.execute("PRAGMA application_id").fetchone()[0]
        if not empty and mark != APPLICATION:
            raise GoodinitError(f"{self.path} is a database, but not a study of goodinit; choose another file")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        if empty:
            with self._transaction():
                if db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0:  # nobody came first
                    for statement in _SCHEMA.split(";\n"):
                        db.execute(statement)
                    db.execute(f"PRAGMA application_id = {APPLICATION}")
                    db.execute(f"PRAGMA user_version = {VERSION}")
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version != VERSION:
            raise GoodinitError(
                f"{self.path} is a study of format {version}; this goodinit reads format {VERSION}; use the "
                "version that made it, or another file"
            )

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """SQLite's errors as sentences."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            what = str(error)
            if "full" in what:
                what = "the disk is full; what was stored before is intact: free some space and run the same again"
            elif "not a database" in what:
                what = "the file is not a study of goodinit; choose another file"
            raise GoodinitError(f"{self.path}: {what}") from error

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def register(self, name: str, identity: str, facts: dict[str, Any]) -> None:
        """Say what a task is; the same again is fine. Raises GoodinitError where the name stands for another task."""
        with self._errors(), self._transaction():
            row = self._db.execute("SELECT identity FROM task WHERE name = ?", (name,)).fetchone()
            if row is None:
                self._db.execute("INSERT INTO task VALUES (?, ?, ?)", (name, identity, json.dumps(facts)))
            elif row[0] != identity:
                raise GoodinitError(f"{self.path}: {_difference(name, json.loads(row[0]), json.loads(identity))}")

    def keys(self) -> set[str]:
        """The keys of all trials that are stored."""
        with self._errors():
            return {key for (key,) in self._db.execute("SELECT key FROM trial")}

    def stored(self, keys: Iterable[str]) -> set[str]:
        """Those of the keys whose trials are stored."""
        with self._errors():
            return {key for key in keys if self._db.execute("SELECT 1 FROM trial WHERE key = ?", (key,)).fetchone()}

    def add(self, trials: Iterable[tuple[str, Trial, bool]]) -> int:
        """Store finished trials with their keys in one transaction; the flag says whether to keep the parameters.

        A trial that is stored already stays as it is. Returns how many were new.
        """
        rows = [
            (
                key,
                trial.task,
                trial.phase,
                trial.initialization,
                trial.learning_rate,
                trial.seed,
                json.dumps(trial.to_dict()),
                _packed(trial.parameters) if keep and trial.parameters else None,
            )
            for key, trial, keep in trials
        ]
        with self._errors(), self._transaction():
            before = self._db.total_changes
            self._db.executemany("INSERT OR IGNORE INTO trial VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
            return self._db.total_changes - before

    def trials(self, phase: str = "evaluation", keys: set[str] | None = None) -> list[Trial]:
        """The stored trials of a phase, of those keys only where they are given."""
        query = (
            "SELECT key, result, parameters FROM trial WHERE phase = ? "
            "ORDER BY task, initialization, learning_rate, seed"
        )
        with self._errors():
            return [
                Trial.from_dict(json.loads(result), _unpacked(parameters))
                for key, result, parameters in self._db.execute(query, (phase,))
                if keys is None or key in keys
            ]

    def tasks(self) -> dict[str, dict[str, Any]]:
        """The facts of every task by name."""
        with self._errors():
            return {name: json.loads(facts) for name, facts in self._db.execute("SELECT name, facts FROM task")}

    def close(self) -> None:
        """Close the file; its side files go when the last process has closed it."""
        self._db.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _difference(name: str, stored: dict[str, Any], given: dict[str, Any]) -> str:
    """The sentence for a task whose name stands for another one."""
    for fact in sorted(stored):
        if stored[fact] != given.get(fact):
            if fact == "data":
                return f"its task {name!r} was trained on other data; use another file for this data"
            return f"its task {name!r} has {fact} {stored[fact]}, not {given.get(fact)}; use another file for this task"
    return f"its task {name!r} is another one; use another file"


def _packed(parameters: Parameters) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **parameters)  # type: ignore[arg-type]  # NumPy's stub takes the names for options
    return buffer.getvalue()


def _unpacked(blob: bytes | None) -> Parameters:
    if blob is None:
        return {}
    with np.load(io.BytesIO(blob), allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}
