"""The store: one SQLite file a study. A trial is in it once it has ended, whole or not at all."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from goodinit.comparison.damage import Content, scan
from goodinit.comparison.rows import APPLICATION, COLUMNS, SCHEMA, VERSION, Row, TaskRow, row_of
from goodinit.errors import GoodinitError
from goodinit.results import Trial

__all__ = ["Store", "read_file"]

PATIENCE: Final = 60.0  # seconds for other processes to let go of the file
_PLACES = ", ".join("?" * len(COLUMNS))
_KEPT = ", ".join(f"{name} = excluded.{name}" for name in COLUMNS if name != "key")


class Store:
    """A study's file. Several processes may write and read it at once: readers never wait for a writer.

    What was damaged since it was written, row by row, is dropped, to be trained again, and a study of format 1 becomes
    one of format 2; `notes` has a sentence for either. Raises GoodinitError for a file that is not a study, of
    another version, whose structure is damaged, or that cannot be written.
    """

    def __init__(self, path: str | Path) -> None:
        self.path, self.notes = Path(path), list[str]()
        with _errors(self.path):
            self._db = sqlite3.connect(self.path, timeout=PATIENCE, isolation_level=None)
            try:
                self._open()
            except BaseException:
                self._db.close()
                raise

    def _open(self) -> None:
        db = self._db
        db.execute("PRAGMA foreign_keys = ON")
        empty = db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
        if not empty:
            _check_mark(db, self.path)
        _patiently(db, "PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        if empty:
            with self._transaction():
                if db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0:  # nobody came first
                    for statement in SCHEMA.split(";\n"):
                        db.execute(statement)
                    db.execute(f"PRAGMA application_id = {APPLICATION}")
                    db.execute(f"PRAGMA user_version = {VERSION}")
            return
        version = _check_version(db, self.path)
        content = scan(db, version)
        if not content.sound:
            raise GoodinitError(
                f"{content.sentence(self.path)}; "
                f"goodinit.open_study({str(self.path)!r}).copy('new.db') keeps those in a "
                "new file, with which the same command goes on"
            )
        if version < VERSION:
            self._migrate(content)
        if content.damaged:
            with self._transaction():
                db.executemany("DELETE FROM trial WHERE rowid = ?", [(number,) for number in content.damaged])
            self.notes.append(f"{content.sentence(self.path)}; what is lost is trained again")

    def _migrate(self, content: Content) -> None:
        """Make a study of format 1 one of format 2: failures, checksums, the phase in a tuning trial's key."""
        db = self._db
        with self._transaction():
            if _version(db) == VERSION:  # another process came first
                return
            db.execute("ALTER TABLE task ADD COLUMN checksum TEXT")
            db.execute("ALTER TABLE trial ADD COLUMN failure TEXT")
            db.execute("ALTER TABLE trial ADD COLUMN checksum TEXT")
            for task in content.tasks:
                db.execute("UPDATE task SET checksum = ? WHERE name = ?", (task.checksum, task.name))
            for row in content.trials:
                new = row.migrated(content.tasks)
                db.execute(
                    "UPDATE trial SET key = ?, failure = ?, checksum = ? WHERE key = ?",
                    (new.key, new.failure, new.checksum, row.key),
                )
            db.execute(f"PRAGMA user_version = {VERSION}")
        count = len(content.trials)
        self.notes.append(
            f"{self.path} was a study of goodinit 0.1's format; its {count} trial{'s' * (count != 1)} stay valid, and "
            "that version can no longer read it"
        )

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
        given = TaskRow(name, identity, json.dumps(facts), None).sealed()
        with _errors(self.path), self._transaction():
            row = self._db.execute(
                "SELECT name, identity, facts, checksum FROM task WHERE name = ?", (name,)
            ).fetchone()
            if row is None:
                self._db.execute("INSERT INTO task VALUES (?, ?, ?, ?)", given)
            elif not TaskRow(*row).whole or not row[1]:  # what was damaged is told again
                self._db.execute(
                    "UPDATE task SET identity = ?, facts = ?, checksum = ? WHERE name = ?", (*given[1:], name)
                )
            elif row[1] != identity:
                raise GoodinitError(f"{self.path}: {_difference(name, json.loads(row[1]), json.loads(identity))}")

    def facts(self, name: str, identity: str) -> dict[str, Any] | None:
        """What `remember` kept of that name and identity; None where nothing was, or what was is damaged."""
        with _errors(self.path):
            row = self._db.execute(
                "SELECT name, identity, facts, checksum FROM task WHERE name = ? AND identity = ?", (name, identity)
            ).fetchone()
        if row is None or not TaskRow(*row).whole:
            return None
        facts: dict[str, Any] = json.loads(row[2])
        return facts

    def remember(self, name: str, identity: str, facts: dict[str, Any]) -> None:
        """Keep what was decided in a study beside its tasks, in place of what was kept of that name before.

        Raises GoodinitError where the name stands for something of another identity.
        """
        self.register(name, identity, facts)
        row = TaskRow(name, identity, json.dumps(facts), None).sealed()
        with _errors(self.path), self._transaction():
            self._db.execute("UPDATE task SET facts = ?, checksum = ? WHERE name = ?", (row.facts, row.checksum, name))

    def keys(self) -> set[str]:
        """The keys of all trials that are stored."""
        with _errors(self.path):
            return {key for (key,) in self._db.execute("SELECT key FROM trial")}

    def failures(self) -> dict[str, str]:
        """The reasons of the stored trials that could not be trained, by key."""
        with _errors(self.path):
            return dict(self._db.execute("SELECT key, failure FROM trial WHERE failure IS NOT NULL").fetchall())

    def stored(self, keys: Iterable[str], again: Collection[str] = ()) -> set[str]:
        """Those of the keys whose trials are stored; of those in `again` the ones that have not failed."""
        found = set()
        with _errors(self.path):
            for key in keys:
                row = self._db.execute("SELECT failure FROM trial WHERE key = ?", (key,)).fetchone()
                if row is not None and (row[0] is None or key not in again):
                    found.add(key)
        return found

    def add(self, trials: Iterable[tuple[str, Trial, bool]]) -> int:
        """Store finished trials with their keys in one transaction; the flag says whether to keep the parameters.

        A trial that is stored already stays as it is, unless it failed. Returns how many were new.
        """
        return self.insert([row_of(key, trial, keep) for key, trial, keep in trials])

    def insert(self, rows: Sequence[Row]) -> int:
        """Store rows in one transaction; see `add`."""
        with _errors(self.path), self._transaction():
            before = self._db.total_changes
            self._db.executemany(
                f"INSERT INTO trial VALUES ({_PLACES}) ON CONFLICT (key) DO UPDATE SET {_KEPT} "
                "WHERE trial.failure IS NOT NULL",
                rows,
            )
            return self._db.total_changes - before

    def insert_tasks(self, rows: Sequence[TaskRow]) -> None:
        """Store rows of tasks that are not stored."""
        with _errors(self.path), self._transaction():
            self._db.executemany("INSERT OR IGNORE INTO task VALUES (?, ?, ?, ?)", rows)

    def trials(
        self, phase: str = "evaluation", keys: Collection[str] | None = None, *, parameters: bool = True
    ) -> list[Trial]:
        """The stored trials of a phase, of those keys only where they are given; with their parameters unless not."""
        names = ", ".join(name if parameters or name != "parameters" else "NULL" for name in COLUMNS)
        query = f"SELECT {names} FROM trial WHERE phase = ? ORDER BY task, initialization, learning_rate, seed"
        with _errors(self.path):
            rows = (Row(*values) for values in self._db.execute(query, (phase,)))
            return [row.trial() for row in rows if keys is None or row.key in keys]

    def close(self) -> None:
        """Close the file; its side files go when the last process has closed it."""
        self._db.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def read_file(path: str | Path) -> tuple[Content, list[str]]:
    """What a study's file holds, read without writing a byte, and sentences on what is lost.

    On a medium that cannot be written the file is taken as it lies there. Raises GoodinitError where there is none, it
    cannot be read, or it is not a study.
    """
    place = Path(path)
    if not place.exists():
        raise GoodinitError(f"{place}: there is no such study; goodinit compare --study makes one")
    if place.is_dir():
        raise GoodinitError(f"{place}: this is a folder; give the study's file")
    if not os.access(place, os.R_OK):
        raise GoodinitError(f"{place}: the file may not be read by this user; ask for the right to read it")
    notes = list[str]()
    with _errors(place):
        content = _read(place, "mode=ro")
        if content is None:
            content = _read(place, "mode=ro&immutable=1")
            side = place.with_name(f"{place.name}-wal")
            if side.exists() and side.stat().st_size:
                notes.append(
                    f"{place} cannot be written, so that the latest trials, in {side.name}, are left out; copy both to "
                    "where you can write"
                )
    assert content is not None, "an immutable file is read or raises"
    if not content.whole:
        notes.append(content.sentence(place))
    return content, notes


def _read(path: Path, how: str) -> Content | None:
    """The content; None where SQLite would have to write beside the file and cannot."""
    db = sqlite3.connect(f"{path.absolute().as_uri()}?{how}", uri=True, timeout=PATIENCE, isolation_level=None)
    try:
        db.execute("SELECT count(*) FROM sqlite_master").fetchone()
        _check_mark(db, path)
        return scan(db, _check_version(db, path))
    except sqlite3.OperationalError as error:
        if "immutable" not in how and _code(error) in ("CANTOPEN", "READONLY", "PROTOCOL"):
            return None
        raise
    finally:
        with suppress(sqlite3.Error):
            db.close()


def _check_mark(db: sqlite3.Connection, path: Path) -> None:
    if db.execute("PRAGMA application_id").fetchone()[0] != APPLICATION:
        raise GoodinitError(f"{path} is a database, but not a study of goodinit; choose another file")


def _patiently(db: sqlite3.Connection, statement: str) -> None:
    """Wait for another process that opens the file at the same moment, where SQLite does not: for its journal."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            db.execute(statement)
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > until:
                raise
        time.sleep(0.02)


def _version(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def _check_version(db: sqlite3.Connection, path: Path) -> int:
    version = _version(db)
    if not 1 <= version <= VERSION:
        raise GoodinitError(
            f"{path} is a study of format {version}; this goodinit reads formats 1 to {VERSION}; use the version that "
            "made it, or another file"
        )
    return version


def _code(error: sqlite3.Error) -> str:
    """SQLite's primary result code by its name, such as FULL of `SQLITE_FULL`; empty where Python raised it."""
    name: str = getattr(error, "sqlite_errorname", "")
    return name.removeprefix("SQLITE_").partition("_")[0]


@contextmanager
def _errors(path: Path) -> Iterator[None]:
    """SQLite's errors as sentences."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        what, code = str(error), _code(error)
        if code == "FULL":
            what = "the disk is full; what was stored before is intact: free some space and run the same again"
        elif code == "NOTADB":
            what = "the file is not a study of goodinit; choose another file"
        elif code == "CORRUPT":
            what = f"the file is damaged where its tables are described ({what}); take a copy of it from before"
        raise GoodinitError(f"{path}: {what}") from error


def _difference(name: str, stored: dict[str, Any], given: dict[str, Any]) -> str:
    """The sentence for a task whose name stands for another one."""
    for fact in sorted(stored):
        if stored[fact] != given.get(fact):
            if fact == "data":
                return f"its task {name!r} was trained on other data; use another file for this data"
            return f"its task {name!r} has {fact} {stored[fact]}, not {given.get(fact)}; use another file for this task"
    return f"its task {name!r} is another one; use another file"
