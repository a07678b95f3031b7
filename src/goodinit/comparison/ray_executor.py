"""The executor on a Ray cluster, which keeps a bounded number of loads in flight.

Ray schedules, retries and moves the data. What is added here: loads of about the same work, and what becomes of a load
that kills its worker every time: it is split until one trial is alone, and that one is recorded as failed.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

from goodinit.comparison import serialization
from goodinit.comparison.batches import BATCH_WORK, Batch, operations
from goodinit.comparison.cluster import ANSWER, CPUS, Cluster, first_line
from goodinit.comparison.executor import engine_of
from goodinit.comparison.outcome import failed
from goodinit.comparison.serialization import Load, Payload
from goodinit.errors import GoodinitError
from goodinit.results import Task, Trial

__all__ = ["RayExecutor", "most_trials"]

MOST_TRIALS: Final = 256  # in a load: about a second of what is done for each trial beside training
VECTOR: Final = 8  # networks that the lanes engine trains side by side in float64
RETRIES: Final = 2  # by Ray, where a worker or its node is lost
PATIENCE: Final = 120.0  # seconds that a cluster which grows by itself has to bring a node that fits


@dataclass(frozen=True)
class _Flight:
    """A load on its way: its number with the owner, and whether another driver sent it."""

    number: int
    load: Load
    adopted: bool = False


class RayExecutor:
    """Loads of batches on a cluster, a bounded number at a time; results come back as they end."""

    def __init__(self, cluster: Cluster, perturbations: int, progress: Callable[[float], None]) -> None:
        self.cluster, self.perturbations, self.progress = cluster, perturbations, progress
        self.flying: dict[Any, _Flight] = {}
        self.again: deque[tuple[Load, int]] = deque()  # loads to be sent once more, with how often Ray may retry them
        self.stocked: set[str] = set()
        self.payloads: dict[int, Payload] = {}
        self.looked, self.window, self.waiting_since = 0.0, 2, time.monotonic()
        self.lost = 0  # owners since a load last came back

    def run(self, batches: Iterable[Batch]) -> Iterator[tuple[Batch, list[Trial]]]:
        """Each batch, or part of one, with its finished trials. Raises GoodinitError without a cluster."""
        self.cluster.join()
        try:
            yield from self._run(batches)
        except (OSError, self.cluster.ray.exceptions.RaySystemError) as error:
            raise self.cluster.lost(first_line(error)) from None

    def _run(self, batches: Iterable[Batch]) -> Iterator[tuple[Batch, list[Trial]]]:
        self._adopt()
        fresh, trained = self._loads(batches), 0
        ray = self.cluster.ray
        while True:
            self._look()
            while len(self.flying) < self.window and (following := self._next(fresh)) is not None:
                self._send(*following)
            if not self.flying:
                return
            ended, _ = ray.wait(list(self.flying), num_returns=1, timeout=1.0)
            owner_lives = self._beat()
            for result in ended:
                flight = self.flying[result]
                try:
                    answer = ray.get(result, timeout=10)
                except ray.exceptions.GetTimeoutError:  # it was lost on its way, and Ray makes it again
                    continue
                except (ray.exceptions.OwnerDiedError, ray.exceptions.ActorDiedError):
                    owner_lives = False
                    break
                except ray.exceptions.RayError as error:
                    done = self._refused(flight, error)
                else:
                    done = self._opened(flight, answer)
                del self.flying[result]
                self.lost, self.waiting_since = 0, time.monotonic()
                for batch, trials in done:
                    yield batch, trials  # when this goes on they are stored
                    trained += len(trials)
                    self.progress(trained)
                self.cluster.owner.drop.remote(self.cluster.driver, flight.number)
            if not owner_lives:
                self._replace_owner()

    def _loads(self, batches: Iterable[Batch]) -> Iterator[Load]:
        """Batches of the same task together until they are some seconds of work."""
        load: list[Batch] = []
        for batch in batches:
            for piece in self._pieces(batch):
                jobs = sum(len(each.jobs) for each in load)
                if load and (piece.task is not load[0].task or jobs + len(piece.jobs) > most_trials(piece.task)):
                    yield tuple(load)
                    load = []
                load.append(piece)
        if load:
            yield tuple(load)

    def _pieces(self, batch: Batch) -> Iterator[Batch]:
        """The batch in parts of a few seconds of work; whole where an engine's bits depend on who is beside whom."""
        most = len(batch.jobs) if engine_of(batch.task, self.cluster.engine).company else most_trials(batch.task)
        for at in range(0, len(batch.jobs), most):
            yield replace(batch, jobs=batch.jobs[at : at + most])

    def _next(self, fresh: Iterator[Load]) -> tuple[Load, int] | None:
        """What to send next. What a driver that is gone has sent comes first: it may be among the fresh ones too."""
        if self.again:
            return self.again.popleft()
        if any(flight.adopted for flight in self.flying.values()):
            return None
        load = next(fresh, None)
        return None if load is None else (load, RETRIES)

    def _adopt(self) -> None:
        for number, (text, (result,)) in self.cluster.left.items():
            self.flying[result] = _Flight(number, serialization.unlabelled(text, self.cluster.tasks), adopted=True)
        self.cluster.left = {}

    def _look(self) -> None:
        """See, every few seconds, how large the cluster is. Raises GoodinitError where no node fits for long."""
        now = time.monotonic()
        if now - self.looked < 2:
            return
        needs = {what: max(self.cluster.needs(task)[what] for task in self.cluster.tasks) for what in ("CPU", "GPU")}
        slots = self.cluster.slots(needs)
        self.looked, self.window = now, 2 * max(1, slots)
        if slots:
            self.waiting_since = now
        elif now - self.waiting_since > PATIENCE:
            wanted = " and ".join(f"{number} {what}" for what, number in needs.items() if number)
            raise GoodinitError(
                f"cluster {self.cluster.address}: for {PATIENCE:.0f} seconds no node had {wanted} to offer; add one"
            )

    def _send(self, load: Load, retries: int) -> None:
        cluster, task = self.cluster, load[0].task
        options = {
            "engine": cluster.engine,
            "perturbations": self.perturbations,
            "threads": CPUS,
            "time_limit": cluster.time_limit,
            "keep": cluster.keep,
        }
        blob = serialization.packed(load, options)
        code = serialization.modules_of(blob, task.modules)
        place = load[0].jobs[0].task
        if place not in self.payloads:
            self.payloads[place] = serialization.source_of(task)
        source = self.payloads[place]
        digests = [payload.digest for payload in (source, code) if payload is not None and self._stock(payload)]
        needs = cluster.needs(task)
        resources: dict[str, Any] = {"num_cpus": needs["CPU"], "num_gpus": needs["GPU"], "max_retries": retries}
        if code is not None:  # workers of their own: one that has imported another version of it keeps that
            resources["runtime_env"] = {"env_vars": {"GOODINIT_CODE": code.digest}}
        order = {"versions": cluster.versions, "packages": cluster.packages, "blob": blob}
        sent = self._ask("submit", serialization.label(load), order, digests, resources)
        if sent is None:
            self.again.append((load, retries))
            self._replace_owner()
        else:
            number, (result,) = sent
            self.flying[result] = _Flight(number, load)

    def _stock(self, payload: Payload) -> bool:
        """Put the payload into the cluster's object store, unless it is there."""
        if payload.digest not in self.stocked:
            if not self._ask("has", payload.digest):
                self._ask("stock", payload.digest, payload.content)
            self.stocked.add(payload.digest)
        return True

    def _ask(self, what: str, *arguments: Any) -> Any:
        """The owner's answer; None where it is gone."""
        ray = self.cluster.ray
        try:
            return ray.get(getattr(self.cluster.owner, what).remote(self.cluster.driver, *arguments), timeout=ANSWER)
        except ray.exceptions.RayTaskError:
            raise
        except ray.exceptions.RayError:  # it died, was stopped for its node's memory, or does not answer
            return None

    def _beat(self) -> bool:
        return self._ask("beat") is True

    def _replace_owner(self) -> None:
        """Another owner, and everything that was in flight with the old one once more."""
        self.lost += 1
        if self.lost > 10:
            raise GoodinitError(f"cluster {self.cluster.address}: it loses all that it is given; look at its nodes")
        self.again.extendleft((flight.load, RETRIES) for flight in self.flying.values())
        self.flying.clear()
        self.stocked.clear()
        self.cluster.hire()
        self._adopt()

    def _opened(self, flight: _Flight, answer: tuple[str, Any]) -> Iterable[tuple[Batch, list[Trial]]]:
        kind, content = answer
        if kind == "done":
            return zip(flight.load, content, strict=True)
        if kind == "refused":
            raise GoodinitError(content)
        node, found = content
        wanted = self.cluster.versions
        differing = [name for name in wanted if found.get(name) != wanted[name]]
        raise GoodinitError(
            f"node {node} of the cluster has "
            + ", ".join(f"{name} {found.get(name, 'none')}, not {wanted[name]}" for name in differing)
            + "; trials are comparable only where every node has the same: install the same on all"
        )

    def _refused(self, flight: _Flight, error: Exception) -> Iterable[tuple[Batch, list[Trial]]]:
        """What becomes of a load that Ray gave up: halves of it are sent, or its one trial has failed."""
        reasons = self.cluster.ray.exceptions
        if isinstance(error, reasons.RayTaskError):  # a fault in code, which the local executor lets through too
            raise error
        lost = (
            reasons.WorkerCrashedError,
            reasons.NodeDiedError,
            reasons.LocalRayletDiedError,
            reasons.OutOfMemoryError,
            reasons.ObjectLostError,
        )
        if not isinstance(error, lost):
            raise GoodinitError(f"cluster {self.cluster.address}: Ray cannot run a load ({first_line(error)})")
        load = flight.load
        if len(load) == 1 and len(load[0].jobs) == 1:
            trial = failed(load[0].task, load[0].jobs[0], f"{type(error).__name__}: {self._reason(error)}")
            return [(load[0], [trial])]
        for half in _halves(load):
            alone = len(half) == 1 and len(half[0].jobs) == 1
            self.again.append((half, RETRIES if alone else 0))
        return []

    def _reason(self, error: Exception) -> str:
        reasons = self.cluster.ray.exceptions
        if isinstance(error, reasons.OutOfMemoryError):
            return "its node ran out of memory every time, and Ray stopped its process"
        if isinstance(error, reasons.WorkerCrashedError):
            limit = self.cluster.time_limit
            hang = f", or it hung for longer than the time limit of {limit:g} s in such code" if limit else ""
            return f"its process died every time: native code crashed, or the system stopped it for its memory{hang}"
        return "its node was lost every time"


def most_trials(task: Task) -> int:
    """How many networks of a task make a load."""
    most = max(1, min(MOST_TRIALS, int(BATCH_WORK / operations(task))))
    return most if most < VECTOR else most // VECTOR * VECTOR


def _halves(load: Load) -> tuple[Load, Load]:
    if len(load) > 1:
        middle = len(load) // 2
        return load[:middle], load[middle:]
    (batch,) = load
    middle = len(batch.jobs) // 2
    return (replace(batch, jobs=batch.jobs[:middle]),), (replace(batch, jobs=batch.jobs[middle:]),)
