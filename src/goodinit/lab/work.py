"""What a job does for a page: trains what a message asks for, or makes a scene's report."""

from __future__ import annotations

from goodinit.comparison import PERTURBATIONS, run_study
from goodinit.lab.jobs import PageJob, PageWork
from goodinit.lab.message import Message, RecordKind, flat, record
from goodinit.networks import Parameters
from goodinit.results import Study
from goodinit.streams import KeyedStream
from goodinit.training import batches, train

__all__ = ["report", "training"]


def training(asked: Message) -> PageWork:
    """The job that answers a message: the parameters at each of the moments, then how it ended."""

    def work(job: PageJob) -> None:
        def watch(step: int, parameters: Parameters) -> None:
            job.put(record(RecordKind.PARAMETERS, step, flat(asked.network, parameters)))

        run = train(
            asked.network,
            asked.start,
            asked.X,
            asked.Y,
            asked.schedule,
            batches(asked.X.shape[1], asked.schedule, KeyedStream(asked.seed)),
            lambda step: job.check(),
            snapshots=asked.moments,
            watch=watch,
        )
        diverged_by = [-1 if step is None else step for step in run.diverged_by]
        job.put(record(RecordKind.END, run.final_loss, diverged_by))

    return work


def report(study: Study) -> PageWork:
    """The job that makes the HTML report of a study; it puts the page as one message."""

    def work(job: PageJob) -> None:
        result = run_study(study, perturbations=PERTURBATIONS, progress=lambda what, trained, total: job.check())
        job.put(result.report_html().encode("utf-8", "replace"))

    return work
