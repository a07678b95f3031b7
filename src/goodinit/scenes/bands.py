"""Bands: how far loss and accuracy spread over many seeds of a scene, at moments of the training."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

import numpy as np
from numpy.typing import NDArray

from goodinit.comparison.batches import Batch, batched
from goodinit.comparison.starts import start_of
from goodinit.networks import Parameters, stack
from goodinit.results import Job, Study, Task
from goodinit.streams import KeyedStream
from goodinit.training import batches, decide, forward, loss, train

__all__ = ["QUANTITIES", "Band", "bands"]

Array = NDArray[np.float64]
QUANTITIES: Final = ("loss", "test_loss", "train_accuracy", "test_accuracy")
SHARES: Final = (0.1, 0.5, 0.9)
TOGETHER: Final = 16  # networks that an engine trains in about the time of one
VALUES: Final = 1 << 20  # activations computed at a time, which bounds memory


@dataclass(frozen=True)
class Band:
    """One quantity over the seeds, at each moment: the seed at a tenth, the middle and nine tenths of them, in order.

    Each value is some seed's own; a loss that is not finite counts as the largest.
    """

    low: tuple[float, ...]
    middle: tuple[float, ...]
    high: tuple[float, ...]


def bands(
    study: Study, moments: Sequence[int], progress: Callable[[int], None] = lambda step: None
) -> Iterator[tuple[int, list[Mapping[str, Band]]]]:
    """Train every start of a study's one task on its seeds; after each group of seeds, their number and the bands.

    The bands are one mapping from quantity to band for each initialization, of all seeds so far.
    """
    task, kinds = study.tasks[0], len(study.initializers)
    curves: list[list[Array]] = [[] for _ in range(kinds)]
    for batch in batched(study, study.jobs({})):
        for jobs in _groups(batch):
            found = _curves(task, jobs, moments, progress)
            for at, job in enumerate(jobs):
                curves[study.initializers.index(job.initializer)].append(found[:, :, at])
            yield len(curves[0]), [_bands(np.stack(each)) for each in curves]


def _groups(batch: Batch) -> Iterator[tuple[Job, ...]]:
    """The jobs of a batch, whole seeds together, about as many as an engine trains at once."""
    held: list[Job] = []
    for _, seed in groupby(batch.jobs, key=lambda job: job.seed):
        jobs = list(seed)
        if held and len(held) + len(jobs) > TOGETHER:
            yield tuple(held)
            held = []
        held += jobs
    yield tuple(held)


def _curves(task: Task, jobs: Sequence[Job], moments: Sequence[int], progress: Callable[[int], None]) -> Array:
    """The four quantities at each moment, (moments, quantities, jobs); the jobs share their examples and order."""
    data, network = task.source.dataset(jobs[0].seed), task.mlp
    X, X_test = (np.ascontiguousarray(each.T) for each in (data.X_train, data.X_test))
    size = max(1, VALUES // (sum(network.widths) * max(X.shape[1], X_test.shape[1])))
    curves = np.empty((len(moments), len(QUANTITIES), len(jobs)))
    places = {step: place for place, step in enumerate(moments)}

    def watch(step: int, parameters: Parameters) -> None:
        with np.errstate(all="ignore"):  # a network that diverged has its losses too
            for first in range(0, len(jobs), size):
                some = slice(first, first + size)
                members = {name: p[some] for name, p in parameters.items()}
                logits, test_logits = (forward(network, members, each)[0][-1] for each in (X, X_test))
                curves[places[step], :, some] = [
                    loss(network, logits, data.targets),
                    loss(network, test_logits, data.test_targets),
                    (decide(network, logits) == data.y_train).mean(axis=-1),
                    (decide(network, test_logits) == data.y_test).mean(axis=-1),
                ]

    train(
        network,
        stack([start_of(task, job.initializer, job.seed) for job in jobs]),
        X,
        data.targets,
        task.schedule,
        batches(X.shape[1], task.schedule, KeyedStream(jobs[0].seed)),
        progress,
        snapshots=moments,
        watch=watch,
        dtype=task.dtype,
    )
    return curves


def _bands(curves: Array) -> dict[str, Band]:
    """The bands of (seeds, moments, quantities)."""
    ordered = np.sort(np.where(np.isfinite(curves), curves, np.inf), axis=0)
    places = [min(len(ordered) - 1, max(0, int(np.ceil(share * len(ordered))) - 1)) for share in SHARES]
    return {
        name: Band(*(tuple(ordered[place, :, number].tolist()) for place in places))
        for number, name in enumerate(QUANTITIES)
    }
