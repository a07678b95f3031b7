"""Small models trained side by side: a batch in a process that is forked for it, on a processor of its own.

A step of a small model is mostly Python's own work, which threads do not share. A forked process has all that this one
has, so that nothing of a person's model need be sent there; what comes back are the trials.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from typing import Any, Final

from goodinit.comparison.batches import Batch
from goodinit.comparison.model_tasks import work_of_step
from goodinit.results import Task, Trial
from goodinit.streams import processors
from goodinit.threads import ALONE

__all__ = ["PAYS", "Forks", "places"]

PAYS: Final = 0.1  # seconds of a trial: to fork, and to touch what is shared, takes a tenth of it

Train = Callable[[Batch, Callable[[int], None]], list[Trial]]


def places(task: Task, threads: int | None = None) -> int:
    """How many models of a task can be trained side by side: as many as PyTorch has threads, where one does not need
    them; one where a process cannot be forked safely: beside other threads, or where PyTorch has a GPU's."""
    if task.network.engines or task.network.at_once > 1 or sys.platform != "linux":
        return 1
    if threading.active_count() > 1 or multiprocessing.current_process().daemon or work_of_step(task) > ALONE:
        return 1
    import torch

    if torch.cuda.is_available() or torch.xpu.is_available():
        return 1
    return min(torch.get_num_threads(), processors(), threads or processors())


class Forks:
    """Batches in processes of their own, at most `count` at a time; `train` gives a batch's trials there.

    What a process could not give, since the batch's training raised or the process was lost, is trained here, so that
    errors come up as they would without it; after that no more are forked.
    """

    def __init__(self, train: Train) -> None:
        self.train = train
        self.running: dict[Connection, tuple[Any, Batch]] = {}
        self.failed = False

    def add(self, batch: Batch, count: int) -> Iterator[tuple[Batch, list[Trial]]]:
        """Begin a batch where fewer than `count` run; before that gives those that have ended."""
        while len(self.running) >= count:
            yield self._ended()
        if self.failed:
            yield batch, self.train(batch, lambda step: None)
            return
        context = multiprocessing.get_context("fork")
        here, there = context.Pipe(duplex=False)
        process = context.Process(target=_fulfil, args=(self.train, batch, there, os.getpid()), daemon=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # PyTorch's own threads sleep: `places` saw to the rest
            process.start()
        there.close()
        self.running[here] = process, batch

    def rest(self) -> Iterator[tuple[Batch, list[Trial]]]:
        """Those that still run, as they end."""
        while self.running:
            yield self._ended()

    def stop(self) -> None:
        """End what still runs, at once: its trials are not stored, and can be trained again."""
        for here, (process, _) in self.running.items():
            process.kill()
            process.join()
            here.close()
        self.running.clear()

    def _ended(self) -> tuple[Batch, list[Trial]]:
        here = next(each for each in wait(list(self.running)) if isinstance(each, Connection))
        process, batch = self.running[here]
        trials: list[Trial] | None = None
        with suppress(EOFError, OSError):
            trials = here.recv()
        del self.running[here]
        here.close()
        process.join()
        if trials is None:
            self.failed = True
            trials = self.train(batch, lambda step: None)
        return batch, trials


def _fulfil(train: Train, batch: Batch, there: Connection, parent: int) -> None:
    """In the forked process: train the batch, and send its trials."""
    import torch

    torch.set_num_threads(1)  # its other threads were not forked along

    def alive(step: int) -> None:
        if os.getppid() != parent:  # which was killed: nobody hears any more
            os._exit(1)

    with suppress(BaseException):
        there.send(train(batch, alive))
    there.close()
