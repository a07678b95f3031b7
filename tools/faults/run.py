"""Stop every command that writes at many moments, and take its disk away, and see that nothing is half-written or lost.

    python tools/faults/run.py --kills 100

Half of the kills come at a random moment of the command's work; the others just before the n-th time that it opens a
file to write, or makes, moves or removes one, each n in turn. A command that ended before the signal came does not
count. Half of the runs find an older run in their place. The table goes to standard output; the exit code is 1 where
something was wrong. studies.py kills what writes a study.
"""

from __future__ import annotations

import itertools
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).parent))

from forks import SIGNALS, asked, end_of, start, watch_writes, without_links, wrong_end
from jobs import MODELS, Job, fresh, leftovers

KEPT: Final = ("audit --baseline", "check --baseline")
"""What a second run reads and does not write."""
TRIES: Final = 4  # for each kill that is to meet the command at work


def main() -> None:
    """Print a row a command."""
    kills, base, jobs = asked(__doc__.splitlines()[0])
    print("| command | kills | absent | whole | marked | hidden leftovers | disk full | read-only | no links | wrong |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    failed = 0
    for name, job in jobs.items():
        wrong = row(name, job, base, 0 if job.study else kills)
        failed += len(wrong)
        for each in wrong[:5]:
            print(f"{name}: {each}", file=sys.stderr)
    sys.exit(failed > 0)


def row(name: str, job: Job, base: Path, kills: int) -> list[str]:
    """Kills and faults of one command; what was wrong."""
    rng, seen, wrong = random.Random(0), Counter(), []
    whole, count = fresh(base / "whole"), base / "count"
    began = time.monotonic()
    code = end_of(start(job, whole, lambda: watch_writes(whole, count=count)))
    lasted = time.monotonic() - began
    problem = f"exit code {code}" if code not in (0, 1) else job.whole(whole)
    if problem:
        said = (base / "whole.stderr").read_text()[-300:]
        return [f"it does not end by itself: {problem}; {said}"]
    writes = len(count.read_bytes())
    turns = itertools.cycle(range(1, writes + 1))
    met = 0
    for number in range(kills * TRIES):
        if met == kills:
            break
        how, before = SIGNALS[number % 3], number // 3 % 2 == 1 and name not in KEPT
        folder = fresh(base / "killed")
        if before:
            shutil.copytree(whole, folder, dirs_exist_ok=True)
        if number % 2:
            at = next(turns)
            child = start(job, folder, lambda f=folder, a=at, h=how: watch_writes(f, a, h))
        else:
            child = start(job, folder)
            time.sleep(rng.random() * lasted)
            os.kill(child, how)
        code = end_of(child)
        met += code not in (0, 1)
        told = (base / "killed.stderr").read_text()
        problem = wrong_end(code, how, told) or job.wrong(folder, before)
        left = leftovers(folder)
        if left and how != signal.SIGKILL:
            problem = f"{how.name} left {left[0].name}"
        if problem:
            wrong.append(f"{how.name}, kill {number}: {problem}")
        place = folder / job.target
        if code not in (0, 1):
            state = "absent" if not place.exists() else "marked" if list(place.glob("INCOMPLETE.txt")) else "whole"
            seen[state] += 1
            seen["left"] += bool(left)
        if number % 10 == 9:  # the same command again ends as if nothing had been
            code = end_of(start(job, folder))
            problem = f"exit code {code}" if code not in (0, 1) else job.wrong(folder, True)
            if problem or list(place.glob("INCOMPLETE.txt")):
                wrong.append(f"again after kill {number}: {problem or 'still marked'}")
    if met < kills:
        wrong.append(f"only {met} kills met the command at work")
    faults = [fault(job, base, each) for each in ("full", "read-only", "links")]
    wrong += [each for each in faults if each not in ("told", "whole", "not tried")]
    cells = [seen["absent"], seen["whole"], seen["marked"], seen["left"], *faults, len(wrong)]
    print(f"| `{name}` | {met} | {' | '.join(map(str, cells))} |", flush=True)
    return wrong


def fault(job: Job, base: Path, kind: str) -> str:
    """`told` where the command says in a sentence that it cannot write, `whole` where it can; else what was wrong."""
    folder = base / "fault"
    with disk(folder, kind) as there:
        if not there:
            return "not tried"
        code = end_of(start(job, folder, without_links if kind == "links" else lambda: None))
        if kind != "links":
            subprocess.run(["mount", "-o", "remount,rw,size=64m", folder], check=True)  # to look at it
        said = (base / "fault.stderr").read_text()
        if "Traceback" in said:
            return f"{kind}: a traceback: {said[-300:]}"
        if code == 2:
            if not said.startswith("goodinit: ") or len(said.splitlines()) != 1:
                return f"{kind}: no sentence: {said[-300:]}"
            place = folder / job.target
            return f"{kind}: half of it stands there" if place.exists() and job.wrong(folder, False) else "told"
        problem = job.whole(folder) if code in (0, 1) else f"exit code {code}"
        return f"{kind}: {problem}" if problem else "whole"


@contextmanager
def disk(folder: Path, kind: str) -> Iterator[bool]:
    """A folder on a disk of its own: full, read-only, or any."""
    fresh(folder)
    if kind == "links":
        yield True
        return
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", folder], capture_output=True, check=False
    )
    if mounted.returncode:
        yield False
        return
    try:
        (folder / "models.py").write_text(MODELS)
        if kind == "read-only":
            subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
        yield True
    finally:
        subprocess.run(["umount", folder], check=True)


if __name__ == "__main__":
    main()
