"""Small models trained side by side: some batches in each of a few processes that are forked for them.

A step of a small model is mostly Python's own work, which threads do not share. A forked process has all that this one
has, so that nothing of a person's model need be sent there; what comes back are the trials.
"""

from __future__ import annotations

import math
import multiprocessing
import os
import sys
import threading
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from typing import Any, Final

from goodinit.comparison.batches import Batch
from goodinit.comparison.model_tasks import work_of_call
from goodinit.results import Task, Trial
from goodinit.streams import processors
from goodinit.threads import ALONE

__all__ = ["TrialPace", "places", "trained"]

PAYS: Final = 0.1  # seconds of a trial: to fork, and to touch what is shared, takes half of it
LEAST: Final = 2e-4  # seconds of a step of any model: what Python's part of it takes
GREETING: Final = 10.0  # seconds for a forked process to say that it runs
THREADED: Final = ("grpc", "jax", "ray", "tensorflow")  # their threads and locks are none that a fork leaves in order
LOAD: Final = 2.0  # seconds of trials for one process: what it is made for is then little, and so is what a stop loses

Train = Callable[[Batch, Callable[[int], None]], list[Trial]]


class TrialPace:
    """How long a batch of models takes, of one or of an ensemble, by its task's name."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}

    def note(self, task: Task, seconds: float) -> None:
        """That a batch took so long."""
        self._seconds[task.name] = seconds

    def pays(self, batch: Batch) -> bool:
        """Whether a batch is long enough to be trained in a process of its own."""
        return self._seconds.get(batch.task.name, LEAST * batch.task.schedule.steps * len(batch.jobs)) > PAYS

    def load(self, task: Task) -> int:
        """The batches for one process: one where none was seen yet."""
        return max(1, math.ceil(LOAD / self._seconds.get(task.name, LOAD)))


def places(task: Task, threads: int | None = None) -> int:
    """How many batches of models can be trained side by side: as many as PyTorch has threads, where one needs only one.

    One where a process cannot be forked safely: beside other threads, of Python or of libraries that are known to have
    some, or where PyTorch has a GPU's.
    """
    if task.network.engines or sys.platform != "linux":
        return 1
    if any(name in sys.modules for name in THREADED):
        return 1
    if threading.active_count() > 1 or multiprocessing.current_process().daemon or work_of_call(task) > ALONE:
        return 1
    import torch

    if torch.cuda.is_available() or torch.xpu.is_available():
        return 1
    return min(torch.get_num_threads(), processors(), threads or processors())


def trained(batches: Sequence[Batch], count: int, train: Train, pace: TrialPace) -> Iterator[tuple[Batch, list[Trial]]]:
    """The batches with their trials as they end, from `count` processes, in each of which `train` gives them in turn.

    What a process could not give, since a batch's training raised or the process was lost, is trained here, so that
    errors come up as they would without it; so is what one was given that does not say within seconds that it runs, as
    where a lock was held when it was forked. Who stops listening ends the processes at once.
    """
    from goodinit.checkup import model_measure, model_remedies  # noqa: F401  # once here, and not in each process

    context = multiprocessing.get_context("fork")
    running: dict[Connection, tuple[Any, deque[Batch]]] = {}
    silent: set[Connection] = set()
    try:
        for place in range(min(count, len(batches))):
            own = batches[place::count]
            here, there = context.Pipe(duplex=False)
            process = context.Process(target=_fulfil, args=(train, own, there, os.getpid()), daemon=True)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # PyTorch's threads sleep, and no others are there
                process.start()
            there.close()
            running[here] = process, deque(own)
            silent.add(here)
        until = time.monotonic() + GREETING
        while running:
            heard = wait(list(running), max(0.0, until - time.monotonic()) if silent else None)
            if not heard:
                for here in silent:
                    running[here][0].kill()  # its end is heard next
                silent.clear()
                continue
            here = next(each for each in heard if isinstance(each, Connection))
            process, left = running[here]
            try:
                said = here.recv()
                silent.discard(here)
                if said is None:  # a greeting
                    continue
                seconds, trials = said
            except (EOFError, OSError):  # it has given all that it can
                del running[here]
                silent.discard(here)
                here.close()
                process.join()
                for batch in left:
                    yield batch, train(batch, lambda step: None)
                continue
            batch = left.popleft()
            pace.note(batch.task, seconds)
            yield batch, trials
    finally:
        for here, (process, _) in running.items():
            process.kill()
            process.join()
            here.close()


def _fulfil(train: Train, batches: Sequence[Batch], there: Connection, parent: int) -> None:
    """In the forked process: train the batches, and send the seconds and the trials of each."""
    import torch

    torch.set_num_threads(1)  # its other threads were not forked along

    def alive(step: int) -> None:
        if os.getppid() != parent:  # which was killed: nobody hears any more
            os._exit(1)

    with suppress(BaseException):
        there.send(None)
        for batch in batches:
            started = time.perf_counter()
            trials = train(batch, alive)
            there.send((time.perf_counter() - started, trials))
    there.close()
