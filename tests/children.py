"""Commands as child processes that say when they train, and that end with the test whatever happens."""

import contextlib
import io
import os
import select
import signal
import subprocess
import sys
from unittest import mock

from goodinit import cli

GOODINIT = [sys.executable, "-c", "from goodinit.cli import main; main()"]
PATIENCE = 120  # seconds after which a child is taken to hang


def spoken(text: str) -> list[str]:
    """The lines that a program of several processes printed itself: Gloo says there too whom it met (PyTorch 2.8)."""
    return [line for line in text.splitlines() if not line.startswith("[Gloo]")]


def run(*arguments, cwd=None, columns=200):
    """What `goodinit` with these arguments prints, told of an error, and ends with: in this process, which is quick.

    What is about processes, signals, pipes or what is imported starts `GOODINIT` instead.
    """
    told = [io.StringIO(), io.StringIO()]
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.chdir(cwd or os.curdir))
        stack.enter_context(mock.patch.object(sys, "argv", ["goodinit", *map(str, arguments)]))
        stack.enter_context(mock.patch.dict(os.environ, COLUMNS=str(columns)))
        stack.enter_context(contextlib.redirect_stdout(told[0]))
        stack.enter_context(contextlib.redirect_stderr(told[1]))
        try:
            cli.main()
            code = 0
        except SystemExit as end:
            code = end.code or 0
    return subprocess.CompletedProcess(arguments, code, *(each.getvalue() for each in told))


_TELLING = """
import os, signal, sys
from goodinit.training import REGISTRY

marks, steps, most = (int(sys.argv.pop(1)) for _ in range(3))

def telling(train):
    begun = []
    def begin(self, call):
        if call.schedule.steps == steps:  # an estimate of the time takes fewer
            begun.append(call)
            if 0 < most < len(begun):
                signal.pause()
            os.write(marks, b".")
        return train(self, call)
    return begin

for engine in REGISTRY.values():
    type(engine).train = telling(type(engine).train)

from goodinit.cli import main
main()
"""


@contextlib.contextmanager
def child(line, ignore=None, **options):
    """A process of that line, killed at the end of the block where it still runs.

    `ignore` is a signal that it is started to ignore, as a shell's background does.
    """
    before = signal.signal(ignore, signal.SIG_IGN) if ignore else None
    try:
        started = subprocess.Popen(line, text=True, **options)
    finally:
        if ignore:
            signal.signal(ignore, before)
    with started as process:
        try:
            yield process
        finally:
            process.kill()


class Training:
    """A `goodinit` that trains: its process, and a mark for each training that it begins."""

    def __init__(self, process, marks):
        self.process, self._marks = process, marks

    def begin(self, times=1):
        """Wait until it has begun so many more trainings."""
        for _ in range(times):
            ready, _, _ = select.select([self._marks], [], [], PATIENCE)
            assert ready, "it does not train"
            assert os.read(self._marks, 1), "it has ended"

    def end(self, how):
        """Send it a signal; its output and errors."""
        self.process.send_signal(how)
        return self.process.communicate(timeout=PATIENCE)


@contextlib.contextmanager
def training(*arguments, steps, most=0, **options):
    """A `goodinit` with these arguments and steps; it stops before it begins more than `most` trainings."""
    marks, told = os.pipe()
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    line = [sys.executable, "-c", _TELLING, told, steps, most, *arguments, "--steps", steps]
    try:
        with child([str(each) for each in line], pass_fds=(told,), **options) as process:
            os.close(told)
            yield Training(process, marks)
    finally:
        os.close(marks)
