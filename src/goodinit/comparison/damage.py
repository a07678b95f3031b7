"""What can be read of a study's file, row by row, and what is lost where the file is damaged.

Each row has a checksum. A row whose page cannot be read is found by halving the range of rows that holds it; what it
was is told by the index, which lies in other pages.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from goodinit.comparison.rows import Row, TaskRow, columns

__all__ = ["Content", "scan"]

_MOST_NAMED: Final = 6


@dataclass(frozen=True)
class Content:
    """The rows of a file that are whole, and what is lost: trials by name, a number of others, and tasks' facts.

    `sound` says that the file's structure is whole, so that it can be written to. `damaged` are the
    numbers of rows that can be read but are not what was written.
    """

    tasks: tuple[TaskRow, ...]
    trials: tuple[Row, ...]
    lost: tuple[str, ...]
    unknown: int
    lost_tasks: int
    sound: bool
    damaged: tuple[int, ...]

    @property
    def whole(self) -> bool:
        """Whether nothing is lost."""
        return not (self.lost or self.unknown or self.lost_tasks) and self.sound

    def sentence(self, path: Path) -> str:
        """What is lost, as a clause."""
        named = ", ".join(self.lost[:_MOST_NAMED])
        more = len(self.lost) - _MOST_NAMED
        parts = [f"{named} and {more} more" if more > 0 else named] if self.lost else []
        if self.unknown:
            parts.append(f"{self.unknown} that cannot be named")
        count = len(self.lost) + self.unknown
        what = f"{count} trial{'s' * (count != 1)} {'are' if count != 1 else 'is'} lost ({'; '.join(parts)})"
        if not count:
            what = "the facts of a task are lost" if self.lost_tasks else "no trial is lost"
        return f"{path} is damaged: {what}, {len(self.trials)} can be read"


def scan(db: sqlite3.Connection, version: int) -> Content:
    """Everything that can be read. Raises sqlite3.DatabaseError where not even the tables are known."""
    db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    sound = _sound(db)
    tasks, lost_tasks, _ = _whole(db, "task", TaskRow, version)
    trials, unread, damaged = _whole(db, "trial", Row, version)
    named = _names(db)
    kept = {rowid for rowid, _ in trials}
    gone = [name for rowid, name in named.items() if rowid not in kept] if named is not None else []
    return Content(
        tasks=tuple(row for _, row in tasks),
        trials=tuple(row for _, row in trials),
        lost=tuple(gone),
        unknown=unread if named is None else 0,
        lost_tasks=lost_tasks,
        sound=sound,
        damaged=tuple(damaged),
    )


def _sound(db: sqlite3.Connection) -> bool:
    try:
        return bool(db.execute("PRAGMA integrity_check(1)").fetchone() == ("ok",))
    except sqlite3.DatabaseError:
        return False


def _whole(db: sqlite3.Connection, table: str, kind: Any, version: int) -> tuple[list[tuple[int, Any]], int, list[int]]:
    """The rows that are whole by their number, how many are not, and the numbers of those that can be read."""
    found, unread, damaged = [], 0, []
    query = f"SELECT rowid, {columns(version, table)} FROM {table} WHERE rowid BETWEEN ? AND ?"
    for rowid, values in _read(db, query, 1, _highest(db, table)):
        row = None if values is None else kind(*values)
        if row is not None and version == 1:  # which has no checksums
            row = row.sealed() if _readable(row) else None
        if row is not None and row.whole:
            found.append((rowid, row))
        else:
            unread += 1
            if values is not None:
                damaged.append(rowid)
    return found, unread, damaged


def _readable(row: Any) -> bool:
    """Whether a row without a checksum means anything."""
    try:
        if isinstance(row, Row):
            row.trial()
    except (ValueError, KeyError, TypeError, AttributeError, OSError, EOFError, NotImplementedError):
        return False
    return True


def _read(db: sqlite3.Connection, query: str, low: int, high: int) -> Iterator[tuple[int, Sequence[Any] | None]]:
    """The rows of that range with their numbers; None for one that cannot be read."""
    try:
        rows = db.execute(query, (low, high)).fetchall()
    except sqlite3.DatabaseError:
        if low == high:
            yield low, None
            return
        middle = (low + high) // 2
        yield from _read(db, query, low, middle)
        yield from _read(db, query, middle + 1, high)
        return
    yield from ((number, values) for number, *values in rows)


def _highest(db: sqlite3.Connection, table: str) -> int:
    """The number of the last row, or a bound where that cannot be read: a row takes a hundred bytes at least."""
    try:
        return int(db.execute(f"SELECT max(rowid) FROM {table}").fetchone()[0] or 0)
    except (sqlite3.DatabaseError, TypeError, ValueError):
        pages, size = (db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size"))
        return int(pages * size // 100)


def _names(db: sqlite3.Connection) -> dict[int, str] | None:
    """What each trial is called, by its row's number, from the index alone; None where it cannot be read."""
    query = "SELECT rowid, task, phase, initialization, learning_rate, seed FROM trial INDEXED BY trial_order"
    try:
        rows = db.execute(query).fetchall()
        return {
            rowid: f"{name} seed {seed}{' of the tuning' if phase == 'tuning' else ''} at {rate:g} on {task}"
            for rowid, task, phase, name, rate, seed in rows
        }
    except (sqlite3.DatabaseError, TypeError, ValueError):
        return None
