"""Trainings for pages: a bounded number at a time, each stopped when its page goes on or goes away."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Final

from goodinit.errors import GoodinitError
from goodinit.lab.errors import BusyError, Cancelled, LabError
from goodinit.lab.message import error_record

__all__ = ["Jobs", "PageJob", "PageWork"]

RUNNING: Final = 2  # at a time: each uses all cores
WAITING: Final = 30
HELD: Final = 1 << 22  # bytes of messages that wait for a slow page
STALLED: Final = 5.0  # seconds after which a page that takes no message is given up
ALIVE: Final = 2.0  # seconds between signs of life while there is nothing to say
LAST: Final = 10.0  # seconds that trainings have to end when the lab does


class PageJob:
    """One training: it puts messages, a page reads them. Messages are made in the training's thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.cancelled = self.ended = False
        self.failure: LabError | None = None
        self.messages: deque[bytes] = deque()
        self.held = 0  # bytes of those that wait
        self.changed = threading.Condition()
        self.news = asyncio.Event()

    def check(self) -> None:
        """Raise Cancelled where the page has gone on."""
        if self.cancelled:
            raise Cancelled

    def put(self, message: bytes) -> None:
        """Give the page bytes; waits while the page is slow. Raises Cancelled where it has gone on."""
        with self.changed:
            room = self.changed.wait_for(lambda: self.cancelled or self.held < HELD, STALLED)
            if not room or self.cancelled:
                self._drop()
                raise Cancelled
            self.messages.append(message)
            self.held += len(message)
        self._tell()

    def cancel(self) -> None:
        """Stop the training at its next sign of progress; what waits to be read is dropped."""
        with self.changed:
            self._drop()
            self.changed.notify_all()
        self._tell()

    def _drop(self) -> None:
        self.cancelled, self.held = True, 0
        self.messages.clear()

    def end(self, message: bytes = b"") -> None:
        """Say that nothing more will come, after a last message."""
        if message:
            with self.changed:
                self.messages.append(message)
                self.held += len(message)
        self.ended = True
        self._tell()

    def _tell(self) -> None:
        try:
            self.loop.call_soon_threadsafe(self.news.set)
        except RuntimeError:  # the server has ended
            self.cancelled = True

    def fail(self, error: LabError) -> None:
        """Say why nothing more will come."""
        self.failure = error
        self.end(error_record(error))

    async def read(self) -> AsyncIterator[bytes]:
        """The messages as they come, and nothing now and then while none does; leaving off cancels the job."""
        try:
            while True:
                self.news.clear()
                ended = self.ended  # before the messages are taken: the last one comes before the end
                message = self._take()
                if message is not None:
                    yield message
                elif ended or self.cancelled:
                    return
                else:
                    try:
                        await asyncio.wait_for(self.news.wait(), ALIVE)
                    except TimeoutError:
                        yield b""
        finally:
            self.cancel()

    def _take(self) -> bytes | None:
        with self.changed:
            message = self.messages.popleft() if self.messages else None
            self.held -= len(message or b"")
            self.changed.notify_all()
        return message


class Jobs:
    """Runs jobs in two threads, and lets some more wait."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.waiting: deque[tuple[PageJob, PageWork]] = deque()
        self.running: set[PageJob] = set()
        self.closed = False
        self.threads = [
            threading.Thread(target=self._serve, name=f"goodinit-lab-training-{number}", daemon=True)
            for number in range(RUNNING)
        ]
        for thread in self.threads:
            thread.start()

    def start(self, work: PageWork) -> PageJob:
        """Start a page's job; the one that came last is begun first.

        So a person is served while many streams wait that nobody reads. Where too many wait, the oldest is told so.
        Raises BusyError where the lab is closing.
        """
        job = PageJob(asyncio.get_running_loop())
        dropped = None
        with self.changed:
            if self.closed:
                raise BusyError
            if len(self.waiting) >= WAITING:
                dropped = self.waiting.popleft()[0]
            self.waiting.append((job, work))
            self.changed.notify()
        if dropped is not None:
            dropped.cancel()
            dropped.fail(BusyError())
        return job

    def leave(self, job: PageJob) -> None:
        """Stop a job whose page is gone, and forget it where it has not begun."""
        self._cancel(lambda other: other is job)

    def close(self) -> None:
        """Stop all jobs and end the threads."""
        with self.changed:
            self.closed = True
            self.changed.notify_all()
        self._cancel(lambda job: True)

    def wait(self) -> None:
        """Until the threads have ended, which were told to: one that still computed as Python ends would abort it."""
        for thread in self.threads:
            thread.join(LAST)

    def _cancel(self, which: Callable[[PageJob], bool]) -> None:
        with self.changed:
            skipped = [job for job, _ in self.waiting if which(job)]
            running = [job for job in self.running if which(job)]
            self.waiting = deque(each for each in self.waiting if each[0] not in skipped)
        for job in running:
            job.cancel()
        for job in skipped:
            job.cancel()
            job.end()

    def _serve(self) -> None:
        while True:
            with self.changed:
                self.changed.wait_for(lambda: self.closed or self.waiting)
                if not self.waiting:
                    return
                job, work = self.waiting.pop()
                self.running.add(job)
            try:
                _run(job, work)
            finally:
                with self.changed:
                    self.running.discard(job)


def _run(job: PageJob, work: PageWork) -> None:
    try:
        job.check()
        work(job)
    except Cancelled:
        job.end()
    except LabError as error:
        job.fail(error)
    except GoodinitError as error:
        job.fail(LabError("refused", str(error)))
    except Exception:
        logging.getLogger("goodinit.lab").exception("a training failed")
        message = "the lab failed at this scene; the terminal it was started from says how"
        job.fail(LabError("internal", message, status=500))
    else:
        job.end()


PageWork = Callable[[PageJob], None]
