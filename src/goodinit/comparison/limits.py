"""A time limit for code that may hang: an alarm that raises, and for a process that may die a watch that ends it."""

from __future__ import annotations

import faulthandler
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

from goodinit.errors import GoodinitError

__all__ = ["time_limit"]

GRACE: Final = 10.0  # seconds after which code that does not hear the alarm ends with its process


@contextmanager
def time_limit(seconds: float | None, *, deadly: bool = False) -> Iterator[None]:
    """Raise TimeoutError in the block once it has taken `seconds`; None is no limit.

    The alarm is heard between two operations of Python, and within the compiled engine. Code that does not hear it goes
    on, unless `deadly`: then the process ends some seconds later, which is for one that somebody else starts again.
    An error that code makes of the alarm, as of whatever a model raises, is the TimeoutError again behind the block.
    """
    if seconds is None:
        yield
        return
    if not hasattr(signal, "SIGALRM") or threading.current_thread() is not threading.main_thread():
        raise GoodinitError(
            "a time limit needs the main thread of a system with alarms, such as Linux; use cluster='local', which "
            "trains in processes of their own"
        )

    rung: list[BaseException] = []

    def ring(_: int, frame: FrameType | None) -> None:
        while frame is not None:
            if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
                return  # an import that is broken off leaves half a module behind; the next ring is a second later
            frame = frame.f_back
        rung.append(TimeoutError(f"it took longer than the time limit of {seconds:g} s"))
        raise rung[-1]

    before = signal.signal(signal.SIGALRM, ring)
    if deadly:
        faulthandler.dump_traceback_later(seconds + GRACE, exit=True)  # a thread of C, which needs no lock of Python's
    signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)  # again each second: code may swallow an exception
    try:
        yield
    except Exception as error:
        behind: BaseException | None = error
        while behind is not None and behind not in rung:
            behind = behind.__cause__ or behind.__context__
        if behind is None or behind is error:
            raise
        raise behind from None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before if before is not None else signal.SIG_DFL)
        if deadly:
            faulthandler.cancel_dump_traceback_later()
