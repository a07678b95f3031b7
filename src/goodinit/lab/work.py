"""What a job does for a page: films a scene and its bands, or makes its report."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

from goodinit.comparison import PERTURBATIONS, run_study
from goodinit.lab import wire
from goodinit.lab.jobs import PageJob
from goodinit.lab.scene import Scene
from goodinit.results import Study
from goodinit.scenes import Film, Frame, affordable, bands, moments

__all__ = ["report", "train"]

BAND_MOMENTS: Final = 40
FLUSH: Final = 0.05  # seconds between messages with frames


def train(scene: Scene, study: Study) -> Callable[[PageJob], None]:
    """The job that films the scene: the events of `/api/train`, in their order."""

    def work(job: PageJob) -> None:
        began = time.perf_counter()
        task = study.tasks[0]
        film = Film(task, study.initializers, scene.seed)
        steps = moments(scene.steps, affordable(task.mlp, film.data, len(study.initializers)))
        job.send("scene", wire.scene(scene, film, steps))
        job.send("begin", {"starts": [wire.opening(each) for each in film.openings()]})
        frames = _Frames(job)
        trials = film.run(steps, frames.show, lambda step: job.check())
        frames.flush()
        trained = time.perf_counter() - began
        if len(study.seeds) > 1:
            curve = moments(scene.steps, BAND_MOMENTS)
            for done, starts in bands(study, curve, lambda step: job.check()):
                facts = {"done": done, "of": len(study.seeds), "steps": curve}
                job.send("seeds", {**facts, "starts": [wire.band(each) for each in starts]})
        outcomes = [wire.outcome(trial, last) for trial, last in zip(trials, film.last, strict=True)]
        job.send("end", {"starts": outcomes, "seconds": {"training": trained, "all": time.perf_counter() - began}})

    return work


class _Frames:
    """Sends frames some at a time, so that a page gets a few large messages rather than many small ones."""

    def __init__(self, job: PageJob) -> None:
        self.job, self.held, self.sent = job, list[dict[str, Any]](), time.perf_counter()

    def show(self, step: int, frames: list[Frame]) -> None:
        self.job.check()
        if step:  # the first one is in `begin`
            self.held.append({"step": step, "starts": [wire.frame(each) for each in frames]})
        if time.perf_counter() - self.sent >= FLUSH:
            self.flush()

    def flush(self) -> None:
        if self.held:
            self.job.send("frames", {"frames": self.held})
        self.held, self.sent = [], time.perf_counter()


def report(study: Study) -> Callable[[PageJob], None]:
    """The job that makes the HTML report of a study; it puts the page as one message."""

    def work(job: PageJob) -> None:
        result = run_study(study, perturbations=PERTURBATIONS, progress=lambda what, trained, total: job.check())
        page = result.report_html()
        job.put(page.encode("utf-8", "replace"))

    return work
