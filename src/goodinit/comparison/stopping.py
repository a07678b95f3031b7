"""Early stopping of networks: where the validation loss was lowest, told by snapshots that any engine gives."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from goodinit.networks import Parameters
from goodinit.results import Task
from goodinit.training import Run, forward, loss

__all__ = ["Stopping"]


class Stopping:
    """Watches an ensemble's parameters before each recorded step and at its end: `watch` of a training.

    Every `every`-th network is watched, from the first on: between them are copies that only say how far rounding goes.
    Training goes on for all, and what came after a network's stop is dropped: so a network's result is the same
    whichever are trained beside it.
    """

    def __init__(self, task: Task, seed: int, networks: int, every: int) -> None:
        held = task.source.validation(seed)
        self.task, self.every = task, every
        self.X, self.Y = np.asarray(held.X_test.T, task.dtype), held.test_targets
        watched = len(range(0, networks, every))
        self.lowest = np.full(watched, np.inf)
        self.best: list[int | None] = [None] * watched
        self.stopped: list[int | None] = [None] * watched
        self.stale = [0] * watched
        self.kept: Parameters = {}

    @property
    def steps(self) -> list[int]:
        """The steps before which the parameters are looked at."""
        return [*self.task.schedule.recorded, self.task.schedule.steps]

    def __call__(self, step: int, parameters: Parameters) -> None:
        """Compare the validation loss of each network with its lowest so far."""
        schedule = self.task.schedule
        own = {name: value[:: self.every] for name, value in parameters.items()}
        with np.errstate(all="ignore"):
            rounded = {name: np.asarray(value, self.task.dtype) for name, value in own.items()}
            losses = loss(self.task.mlp, forward(self.task.mlp, rounded, self.X)[0][-1], self.Y)
        if not self.kept:
            self.kept = {name: value.copy() for name, value in own.items()}
        for at, value in enumerate(losses.tolist()):
            if self.stopped[at] is not None:
                continue
            if value < self.lowest[at]:
                self.lowest[at], self.best[at], self.stale[at] = value, step, 0
                for name, array in own.items():
                    self.kept[name][at] = array[at]
                continue
            self.stale[at] += 1
            if self.stale[at] >= (schedule.early_stopping or 0) and step < schedule.steps:
                self.stopped[at] = step

    def applied(self, run: Run) -> Run:
        """The run with each watched network as it was at its best; one that diverged before its stop stays as it is."""
        losses, final_loss, diverged_by = run.losses.copy(), run.final_loss.copy(), list(run.diverged_by)
        parameters = {name: value.copy() for name, value in run.parameters.items()}
        recorded = np.array(run.recorded)
        for at, (best, stopped) in enumerate(zip(self.best, self.stopped, strict=True)):
            member, by = at * self.every, diverged_by[at * self.every]
            if best is None or (by is not None and (stopped is None or by <= stopped)):
                self.best[at] = self.stopped[at] = None
                continue
            diverged_by[member] = None
            if best < self.task.schedule.steps:
                final_loss[member] = run.losses[member, best // self.task.schedule.record_every]
            if stopped is not None:
                losses[member, recorded > stopped] = np.nan
            for name, value in self.kept.items():
                parameters[name][member] = value[at]
        return replace(
            run,
            losses=losses,
            final_loss=final_loss,
            parameters=parameters,
            diverged_by=tuple(diverged_by),
            snapshots={},
        )
