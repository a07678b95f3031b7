"""The film of a scene: several starts of one network trained side by side, a frame of each at chosen moments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from goodinit import checkup
from goodinit.checkup import NetworkMeasure
from goodinit.comparison.starts import start_of
from goodinit.comparison.trials import trial_of
from goodinit.errors import GoodinitError
from goodinit.methods import Start
from goodinit.networks import Parameters, stack
from goodinit.results import Finding, Job, LayerForecast, Task, Trial
from goodinit.scenes.pictures import Camera, Frame
from goodinit.scenes.view import view
from goodinit.streams import KeyedStream, as_stream
from goodinit.training import batches, train

__all__ = ["Film", "Opening"]

Show = Callable[[int, list[Frame]], None]


@dataclass(frozen=True)
class Opening:
    """A start before any training: its frame, its measure, what was found, theory's forecast of its layers if any."""

    frame: Frame
    measure: NetworkMeasure
    findings: tuple[Finding, ...]
    forecast: tuple[LayerForecast, ...]


class Film:
    """The starts of a task at one seed, and their training: the numbers are those of `goodinit.compare`.

    >>> from goodinit.comparison import design
    >>> study = design(["zeros", "he_normal"], steps=100)
    >>> film = Film(study.tasks[0], study.initializers, seed=3)
    >>> [opening.findings[0].code for opening in film.openings() if opening.findings]
    ['identical-units']
    >>> seen = []
    >>> trials = film.run([0, 50, 100], lambda step, frames: seen.append((step, len(frames))))
    >>> seen
    [(0, 2), (50, 2), (100, 2)]
    >>> [trial.test_accuracy == frame.test_accuracy for trial, frame in zip(trials, film.last, strict=True)]
    [True, True]
    """

    def __init__(self, task: Task, initializers: Sequence[Start], seed: int) -> None:
        self.task, self.initializers, self.seed = task, tuple(initializers), seed
        self.data = task.source.dataset(seed)
        self.view = view(task.mlp, self.data)
        self.camera = Camera(task.mlp, self.data, self.view)
        self.last: list[Frame] = []

    @cached_property
    def starts(self) -> list[Parameters]:
        """Each start's parameters."""
        return [start_of(self.task, each, self.seed) for each in self.initializers]

    def openings(self) -> list[Opening]:
        """What each start is like before any training."""
        network, X = self.task.mlp, self.camera.X
        with np.errstate(all="ignore"):  # a start may be too large for any forecast
            input_square = float((X**2).mean())
            forecasts = [self._forecast(each, input_square) for each in self.initializers]
        measures = [checkup.measure(network, start, X, self.camera.Y) for start in self.starts]
        frames = self.camera.frames(stack(self.starts))
        return [
            Opening(frame, measure, checkup.findings(measure), forecast)
            for frame, measure, forecast in zip(frames, measures, forecasts, strict=True)
        ]

    def _forecast(self, initializer: Start, input_square: float) -> tuple[LayerForecast, ...]:
        """What theory expects; nothing where the weights are too large for it."""
        try:
            stream = as_stream(self.seed, self.task.stream)
            return checkup.forecast(initializer, self.task.mlp, stream, input_square)
        except GoodinitError:
            return ()

    def run(
        self, moments: Sequence[int], show: Show, progress: Callable[[int], None] = lambda step: None
    ) -> list[Trial]:
        """Train, and show the frames of every start at each of the moments as training comes there.

        Returns the trials. What `show` or `progress` raises stops the training within a hundredth of the steps.
        """

        def watch(step: int, parameters: Parameters) -> None:
            self.last = self.camera.frames(parameters)
            show(step, self.last)

        task = self.task
        run = train(
            task.mlp,
            stack(self.starts),
            self.camera.X,
            self.camera.Y,
            task.schedule,
            batches(self.camera.Y.shape[1], task.schedule, KeyedStream(self.seed)),
            progress,
            snapshots=moments,
            watch=watch,
            dtype=task.dtype,
        )
        jobs = [Job(0, each, task.schedule.learning_rate, self.seed) for each in self.initializers]
        return [
            trial_of(task, job, start, run, slice(at, at + 1))
            for at, (job, start) in enumerate(zip(jobs, self.starts, strict=True))
        ]
