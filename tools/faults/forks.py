"""A command in a fork of this process, which has everything imported, so that hundreds of runs fit into minutes."""

from __future__ import annotations

import argparse
import errno
import importlib
import os
import pkgutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, NoReturn

from jobs import JOBS, Job

__all__ = ["SIGNALS", "asked", "end_of", "start", "watch_stored", "watch_writes", "without_links", "wrong_end"]

WRITES: Final = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.truncate", "os.chmod"}
SIGNALS: Final = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
ENDS: Final = {signal.SIGKILL: -9, signal.SIGTERM: 143, signal.SIGINT: 130}
LIMIT: Final = 600.0


def asked(summary: str) -> tuple[int, Path, dict[str, Job]]:
    """What a person asks of a table: how many kills, in which folder, which is there then, and of which commands."""
    parser = argparse.ArgumentParser(description=summary)
    parser.add_argument("--kills", type=int, default=100, help="of each command")
    parser.add_argument("--only", help="a command, as in the table")
    parser.add_argument("--folder", default="build/faults")
    given = parser.parse_args()
    base = Path(given.folder).resolve()
    _prepare(base)
    return given.kills, base, {name: job for name, job in JOBS.items() if given.only in (None, name)}


def _prepare(base: Path) -> None:
    """Import what the commands use, and make the folder that they run in."""
    import torch

    import goodinit
    from goodinit.lab.catalogue import catalogue

    for module in pkgutil.walk_packages(goodinit.__path__, "goodinit."):
        if not module.name.endswith(("__main__", "ray_executor", "of_lightning", "of_transformers")):
            importlib.import_module(module.name)
    torch.set_num_threads(1)
    catalogue()  # which keeps what takes it long
    _small_bench()
    _small_suite()
    base.mkdir(parents=True, exist_ok=True)


def _small_bench() -> None:
    from goodinit import bench
    from goodinit.bench import trainers

    trainers.find_spec = lambda name: None  # type: ignore[assignment]  # JAX's threads do not outlive a fork
    bench.QUICK = bench.Sizes(  # type: ignore[misc]
        seconds=0.01, repeats=1, ensembles=(16,), product=64, digits_width=16, elements=1 << 12, networks=(1,),
        widths=(4,), depths=(1,), samples=(30,), drawn=(1 << 10,), growth_seconds=0.005, growth_repeats=1,
        growth_networks=2, grid_widths=(16,), grid_depths=(2,), grid_networks=(1,), model_trials=2, model_steps=4,
        compiles=False,
    )  # fmt: skip


def _small_suite() -> None:
    """A task of the suite with few rates, seeds and steps."""
    from goodinit import suite

    whole = suite.registered("small")
    task = replace(whole.tasks[0], model={**whole.tasks[0].model, "depth": 2, "width": 8}, steps=4)
    rates = {"adam": {1: (0.001,), 3: (0.0003, 0.001)}}
    small = replace(whole, tasks=(task,), starts=whole.starts[:2], tuning_seeds=(7,), seeds=(0, 1, 2), rates=rates)
    suite.registered = lambda which: small  # type: ignore[assignment]


def _typed(job: Job, folder: Path) -> None:
    """The command as a person types it. Until it begins no signal comes through."""
    from goodinit import cli

    command = cli.app

    def begin() -> Any:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        return command()

    cli.app = begin  # type: ignore[assignment]
    if job.arguments == ["draw"]:
        cli.app = lambda: _draw(folder)  # type: ignore[assignment]
    sys.argv = ["goodinit", *job.arguments]
    cli.main()


def _draw(folder: Path) -> None:
    import models  # the folder's

    import goodinit

    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    goodinit.draw(models.model(), seed=0, path=folder / "w.safetensors", overwrite=True)


def start(job: Job, folder: Path, before: Callable[[], None] = lambda: None, name: str | None = None) -> int:
    """A fork that runs the command in its folder; its process id. What it prints goes to files beside the folder."""
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    child = os.fork()
    if not child:
        _run(job, folder, before, name or folder.name)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    return child


def _run(job: Job, folder: Path, before: Callable[[], None], name: str) -> NoReturn:
    code = 70
    try:
        os.setsid()
        os.chdir(folder)
        for number, stream in ((1, "stdout"), (2, "stderr")):
            os.dup2(os.open(folder.parent / f"{name}.{stream}", os.O_CREAT | os.O_WRONLY | os.O_TRUNC), number)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        sys.path.insert(0, str(folder))
        before()
        _typed(job, folder)
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        with suppress(KeyboardInterrupt):  # the command has ended
            signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
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


def wrong_end(code: int, how: signal.Signals, said: str) -> str | None:
    """What is wrong with how a command ended that was sent a signal; it may have ended by itself before."""
    if "Traceback" in said or "Exception ignored" in said:
        return f"a traceback: {said[-600:]}"
    if code in (0, 1):
        return None
    if code != ENDS[how]:
        return f"exit code {code}: {said[-300:]}"
    if code > 0 and not any(line.startswith("goodinit: stopped") for line in said.splitlines()):
        return f"nothing says that it was stopped: {said[-300:]!r}"
    return None


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


def watch_stored(marks: Path) -> None:
    """Makes a file as long as the number of trials that this process has stored and been told so."""
    from goodinit.comparison.store import Store

    handle, insert = os.open(marks, os.O_CREAT | os.O_WRONLY | os.O_TRUNC), Store.insert

    def telling(store: Store, rows: Sequence[Any]) -> int:
        new = insert(store, rows)
        os.write(handle, b"." * new)
        return new

    Store.insert = telling  # type: ignore[method-assign]


def without_links() -> None:
    """Takes hard links and locks away, as some file systems over a network do."""

    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    os.link = refuse
    import fcntl

    fcntl.flock = fcntl.lockf = refuse  # type: ignore[assignment]
