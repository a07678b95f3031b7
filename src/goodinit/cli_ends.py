"""How a command ends: its exit code, and one sentence on standard error where something is wrong."""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import current_thread, main_thread
from typing import Final

from goodinit.errors import GoodinitError

__all__ = ["StoppedError", "guarded", "stoppable"]

_DISK: Final = frozenset((errno.EBADF, errno.EDQUOT, errno.EIO, errno.ENOSPC))
"""A disk that takes no more, or standard output that takes nothing."""


_stopped = 130  # the exit code of what was stopped, as shells have it: 128 and the signal's number


class StoppedError(Exception):
    """Ctrl-C or SIGTERM; the message, where there is one, says what was kept."""


@contextmanager
def stoppable() -> Iterator[None]:
    """Within the block Ctrl-C and SIGTERM raise StoppedError, which Typer passes on; of Ctrl-C it has its own idea."""
    try:
        yield
    except KeyboardInterrupt:
        raise StoppedError from None


class _Terminated(KeyboardInterrupt):
    """SIGTERM, as batch systems send it before they kill: what Ctrl-C tidies, it tidies."""


@contextmanager
def _terminable() -> Iterator[None]:
    """Within the block SIGTERM raises as Ctrl-C does, where nobody has said otherwise."""
    global _stopped
    _stopped = 130
    ours = signal.getsignal(signal.SIGTERM) is signal.SIG_DFL and current_thread() is main_thread()
    if ours:
        signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        if ours:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


@_terminable()
def guarded(command: Callable[[], object]) -> None:
    """Run a command and write its output to the last byte.

    It ends with 2 for a wrong input, a full disk or too little memory, 130 after Ctrl-C, 143 after SIGTERM, and with
    what it says itself.
    """
    if sys.stderr is None:  # it was closed; Python then has none
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115  # for as long as the process runs
    if sys.stdout is None:
        _end(2, "standard output is closed; send it to a file, or to /dev/null")
    try:
        try:
            command()
        finally:
            sys.stdout.flush()
    except GoodinitError as error:
        _end(2, f"{error}")
    except StoppedError as stop:
        _end(_stopped, f"stopped; {stop}" if f"{stop}" else "stopped")
    except KeyboardInterrupt:  # before the command began: while its modules are imported
        _end(_stopped, "stopped")
    except BrokenPipeError:  # the reader, such as head, has seen enough
        _silence()
        sys.exit(0)
    except OSError as error:
        if error.errno not in _DISK:
            raise
        _silence()
        place = f"{error.filename}: " if error.filename else ""
        _end(2, f"{place}what was asked for is not whole ({error.strerror}); make room, or write elsewhere")
    except MemoryError as error:
        _end(2, f"there is not the memory for it ({error}); use less data or smaller layers")
    except Exception as error:  # of an extension that was stopped while it was imported, of a file while it was closed
        if not _from_stop(error):
            raise
        _end(_stopped, "stopped")


def _from_stop(error: BaseException | None) -> bool:
    """Whether the error came of Ctrl-C or SIGTERM, or while something tidied up after one."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


def _terminate(*_: object) -> None:
    global _stopped
    _stopped = 143
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # a second one ends it at once
    raise _Terminated


def _end(code: int, message: str) -> None:
    sys.stderr.write(f"goodinit: {_plain(message)}\n")
    sys.exit(code)


def _plain(message: str) -> str:
    """Without what would steer a terminal."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in message)


def _silence() -> None:
    """What is still to be written on standard output goes nowhere, so that the interpreter's end says nothing."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
