"""Stop every command that writes at many moments, and take its disk away, and see that nothing is half-written or lost.

    python tools/faults/run.py --kills 100

A command runs in a fork of this process, which has everything imported, so that hundreds fit into minutes. Half of
the kills come at a random moment; the others just before the n-th time that the command opens a file to write, or
makes, moves or removes one, each n in turn. Half of the runs find an older run in their place. The table goes to
standard output; the exit code is 1 where something was wrong.
"""

from __future__ import annotations

import argparse
import errno
import importlib
import itertools
import json
import os
import pkgutil
import random
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).parent))

from jobs import JOBS, MODELS, Job, fresh, leftovers

WRITES: Final = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.truncate", "os.chmod"}
SIGNALS: Final = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
LIMIT: Final = 120.0


def main() -> None:
    """Print a row a command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=100, help="of each command")
    parser.add_argument("--only", help="a command, as in the table")
    parser.add_argument("--folder", default="build/faults")
    given = parser.parse_args()
    base = Path(given.folder).resolve()
    prepare(base)
    print("| command | kills | absent | whole | marked | hidden leftovers | disk full | read-only | no links | wrong |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    failed = 0
    for name, job in JOBS.items():
        if given.only in (None, name):
            wrong = row(name, job, base, given.kills)
            failed += len(wrong)
            for each in wrong[:5]:
                print(f"{name}: {each}", file=sys.stderr)
    sys.exit(failed > 0)


def prepare(base: Path) -> None:
    """Import what the commands use, and train the study that stored trials are compared with."""
    import torch

    import goodinit
    from goodinit.lab.catalogue import catalogue

    for module in pkgutil.walk_packages(goodinit.__path__, "goodinit."):
        if not module.name.endswith(("__main__", "ray_executor")):
            importlib.import_module(module.name)
    torch.set_num_threads(1)
    catalogue()  # which keeps what takes it long
    base.mkdir(parents=True, exist_ok=True)
    found = goodinit.compare(
        ["he_normal", "zeros"], data="moons(points=40)", steps=60, record_every=20, perturbations=0, seeds="0-5"
    )
    losses = {f"{trial.initialization} {trial.seed}": trial.final_loss for trial in found.trials}
    (base / "reference.json").write_text(json.dumps(losses))


def command(job: Job) -> None:
    """What the fork runs: the command as a person types it, in its folder."""
    if job.arguments == ["draw"]:
        import models  # the folder's

        import goodinit

        try:
            goodinit.draw(models.model(), seed=0, path="w.safetensors", overwrite=True)
        except KeyboardInterrupt:
            sys.exit(130)
        except goodinit.GoodinitError as error:
            print(error, file=sys.stderr)
            sys.exit(2)
        return
    if job.arguments[0] == "bench":
        _small_bench()
    from goodinit.cli import main as typed

    sys.argv = ["goodinit", *job.arguments]
    typed()


def _small_bench() -> None:
    from goodinit import bench
    from goodinit.bench import trainers

    trainers.find_spec = lambda name: None  # type: ignore[assignment]  # JAX's threads do not outlive a fork
    bench.QUICK = bench.Sizes(  # type: ignore[misc]
        seconds=0.01, repeats=1, ensembles=(16,), product=64, digits_width=16, elements=1 << 12, networks=(1,),
        widths=(4,), depths=(1,), samples=(30,), drawn=(1 << 10,), growth_seconds=0.005, growth_repeats=1,
        growth_networks=2,
    )  # fmt: skip


def start(job: Job, folder: Path, before: Callable[[], None] = lambda: None) -> int:
    """A fork that runs the command in its folder; its process id. What it prints goes to files beside."""
    child = os.fork()
    if child:
        return child
    code = 70
    try:
        os.setsid()
        os.chdir(folder)
        for number, name in ((1, "stdout"), (2, "stderr")):
            os.dup2(os.open(folder.parent / f"{folder.name}.{name}", os.O_CREAT | os.O_WRONLY | os.O_TRUNC), number)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        sys.path.insert(0, str(folder))
        before()
        command(job)
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def end_of(child: int) -> int:
    """How it ended, as a shell says it; a run that hangs is killed and told."""
    until = time.monotonic() + LIMIT
    while time.monotonic() < until:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    raise TimeoutError(f"it ran for more than {LIMIT} s")


def watch_writes(folder: Path, at: int = 0, how: signal.Signals | None = None, count: Path | None = None) -> None:
    """Sends this process a signal before its `at`-th writing in the folder; or makes a file as long as their number."""
    counted = 0
    marks = None if count is None else os.open(count, os.O_CREAT | os.O_WRONLY | os.O_TRUNC)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal counted
        writing = event in WRITES or (event == "open" and isinstance(arguments[2], int) and arguments[2] & 3)
        if writing and Path(os.fsdecode(arguments[0])).absolute().is_relative_to(folder):
            counted += 1
            if marks is not None:
                os.write(marks, b".")
            if how is not None and counted == at:
                os.kill(os.getpid(), how)

    sys.addaudithook(hook)


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
    for number in range(kills):
        how, before = SIGNALS[number % 3], number // 3 % 2 == 1
        folder = fresh(base / "killed")
        if before:
            shutil.copytree(whole, folder, dirs_exist_ok=True)
            if name in ("compare --study", "audit --baseline"):  # a second run of these writes nothing
                (folder / job.target).unlink()
                before = False
        if number % 2:
            at = next(turns)
            child = start(job, folder, lambda f=folder, a=at, h=how: watch_writes(f, a, h))
        else:
            child = start(job, folder)
            time.sleep(rng.random() * lasted)
            os.kill(child, how)
        code = end_of(child)
        told = (base / "killed.stderr").read_text()
        problem = job.wrong(folder, before)
        if "Traceback" in told:
            problem = f"a traceback: {told[-300:]}"
        left = leftovers(folder)
        if left and how == signal.SIGINT:
            problem = f"Ctrl-C left {left[0].name}"
        if problem:
            wrong.append(f"{how.name}, kill {number}: {problem}")
        place = folder / job.target
        state = "absent" if not place.exists() else "marked" if list(place.glob("INCOMPLETE.txt")) else "whole"
        seen[state] += 1
        seen["left"] += bool(left)
        if number % 10 == 9:  # the same command again ends as if nothing had been
            code = end_of(start(job, folder))
            problem = f"exit code {code}" if code not in (0, 1) else job.wrong(folder, True)
            if problem or list(place.glob("INCOMPLETE.txt")):
                wrong.append(f"again after kill {number}: {problem or 'still marked'}")
    faults = [fault(job, base, each) for each in ("full", "read-only", "links")]
    wrong += [each for each in faults if each not in ("told", "whole", "not tried")]
    cells = [seen["absent"], seen["whole"], seen["marked"], seen["left"], *faults, len(wrong)]
    print(f"| `{name}` | {kills} | {' | '.join(map(str, cells))} |", flush=True)
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


def without_links() -> None:
    """Takes hard links and locks away, as some file systems over a network do."""

    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    os.link = refuse
    import fcntl

    fcntl.flock = fcntl.lockf = refuse  # type: ignore[assignment]


if __name__ == "__main__":
    main()
