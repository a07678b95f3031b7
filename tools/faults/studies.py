"""Stop what writes a study once some of its trials were seen to be stored, then let the same command go on from it.

    python tools/faults/studies.py --kills 100

Trials that the process was told are stored must be there, every trial must be that of an uninterrupted run to the bit,
and the second run must train just those that are missing. Then two processes work on one file, and one of them is
stopped. A run that ended before the signal came does not count. The exit code is 1 where something was wrong.
"""

from __future__ import annotations

import json
import os
import random
import sqlite3
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).parent))

from forks import SIGNALS, asked, end_of, start, watch_stored, wrong_end
from jobs import Job, fresh

TRIES: Final = 4  # for each kill that is to meet progress


def main() -> None:
    """Print a row a command."""
    kills, base, jobs = asked(__doc__.splitlines()[0])
    print("| command | processes | trials | kills that met progress | lost | doubled | changed | wrong |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    failed = 0
    for name, job in jobs.items():
        for tried in (Killed(job, base), Shared(job, base)) if job.study else ():
            tried.run(kills)
            print(f"| `{name}` | {tried.row()} |", flush=True)
            for each in tried.wrong[:5]:
                print(f"{name}: {each}", file=sys.stderr)
            failed += len(tried.wrong)
    sys.exit(failed > 0)


class Killed:
    """One process, stopped; what is lost is trained by the same command again."""

    processes = 1

    def __init__(self, job: Job, base: Path) -> None:
        self.job, self.base, self.rng = job, base, random.Random(0)
        self.lost = self.doubled = self.changed = self.met = 0
        self.wrong: list[str] = []
        whole, began = fresh(base / "whole"), time.monotonic()
        code = end_of(start(job, whole, self.telling("first")))
        if code:
            said = (base / "whole.stderr").read_text()[-300:]
            raise SystemExit(f"{job.arguments} does not end by itself: {code}; {said}")
        self.reference = rows_of(whole / job.target)
        self.lasted = time.monotonic() - began

    def telling(self, marks: str) -> Callable[[], None]:
        """What makes a process tell how many trials it has stored."""
        (self.base / marks).write_bytes(b"")
        return lambda: watch_stored(self.base / marks)

    def told(self, marks: str) -> int:
        """How many trials that process has stored."""
        return (self.base / marks).stat().st_size

    def run(self, kills: int) -> None:
        """That many kills that met progress."""
        for number in range(kills * TRIES):
            if self.met == kills:
                return
            try:
                self.once(number)
            except (sqlite3.DatabaseError, ValueError) as error:
                self.wrong.append(f"try {number}: {error}")
        self.wrong.append(f"only {self.met} kills met progress")

    def stop(self, child: int, marks: str, number: int, name: str) -> bool:
        """Stop a process a moment after it has stored some trials; whether it was at work still."""
        how, wanted = SIGNALS[number % 3], self.rng.randrange(1, len(self.reference))
        while self.told(marks) < wanted and os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            time.sleep(0.0005)
        time.sleep(self.rng.random() * self.lasted / len(self.reference))
        os.kill(child, how)
        code, said = end_of(child), (self.base / f"{name}.stderr").read_text()
        problem = wrong_end(code, how, said)
        if problem:
            self.wrong.append(f"{how.name}, try {number}: {problem}")
        return code not in (0, 1)

    def once(self, number: int) -> None:
        """One run that is stopped, and one that goes on."""
        folder, target = fresh(self.base / "killed"), self.job.target
        at_work = self.stop(start(self.job, folder, self.telling("first")), "first", number, "killed")
        kept = rows_of(folder / target)
        self.lost += max(0, self.told("first") - len(kept))
        if at_work and 0 < len(kept) < len(self.reference):
            self.met += 1
        self.go_on(folder, len(kept), number)

    def go_on(self, folder: Path, kept: int, number: int) -> None:
        """The same command again ends as if nothing had been, and trains what is missing alone."""
        code = end_of(start(self.job, folder, self.telling("second")))
        if code:
            said = (self.base / f"{folder.name}.stderr").read_text()[-300:]
            self.wrong.append(f"again after try {number}: exit code {code}; {said}")
        self.doubled += max(0, kept + self.told("second") - len(self.reference))
        self.compare(folder)

    def compare(self, folder: Path) -> None:
        """Count what a finished study lacks, and what is not as it was."""
        found = rows_of(folder / self.job.target)
        self.lost += len(self.reference.keys() - found.keys())
        self.changed += sum(self.reference.get(key) != value for key, value in found.items())

    def row(self) -> str:
        """Its cells of the table."""
        if self.lost or self.doubled or self.changed:
            self.wrong.append(f"{self.lost} lost, {self.doubled} doubled, {self.changed} changed")
        cells = (self.processes, len(self.reference), self.met, self.lost, self.doubled, self.changed, len(self.wrong))
        return " | ".join(map(str, cells))


class Shared(Killed):
    """Two processes on one file, of which one is stopped; the other ends the study."""

    processes = 2

    def once(self, number: int) -> None:
        """One pair of processes."""
        folder = fresh(self.base / "shared")
        first, second = self.telling("first"), self.telling("second")
        stopped, other = start(self.job, folder, first, "stopped"), start(self.job, folder, second, "other")
        at_work = self.stop(stopped, "first", number, "stopped")
        code = end_of(other)
        if code:
            said = (self.base / "other.stderr").read_text()[-600:]
            self.wrong.append(f"the other process of try {number}: exit code {code}; {said}")
        self.met += at_work and self.told("first") > 0
        self.doubled += max(0, self.told("first") + self.told("second") - len(self.reference))
        self.compare(folder)


def rows_of(file: Path) -> dict[str, str]:
    """The trials of a study's file by their keys, with all that does not tell of time or machine.

    Raises ValueError where the file is damaged, or a trial stands there twice.
    """
    database = sqlite3.connect(file)
    try:
        if database.execute("PRAGMA integrity_check").fetchone() != ("ok",):
            raise ValueError("the study's file is damaged")
        if not database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            return {}  # stopped before its tables were made
        query = "SELECT key, task, phase, initialization, learning_rate, seed, result, hex(parameters) FROM trial"
        rows = database.execute(query).fetchall()
    finally:
        database.close()
    found, places = dict[str, str](), set()
    for key, *place, result, parameters in rows:
        if tuple(place) in places:
            raise ValueError(f"{place} stands there twice")
        places.add(tuple(place))
        found[key] = json.dumps({**json.loads(result), "origin": None}) + (parameters or "")
    return found


if __name__ == "__main__":
    main()
