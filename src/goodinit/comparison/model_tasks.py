"""A person's own PyTorch model as a task: made afresh, filled and trained for every trial."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from goodinit.checkup.model_check import check
from goodinit.comparison.batches import Batch
from goodinit.comparison.model_factories import SHOWN, inputs_of, made_model
from goodinit.comparison.outcome import finished, has_diverged, stopped
from goodinit.comparison.starts import MEASURED
from goodinit.datasets import Dataset
from goodinit.errors import GoodinitError
from goodinit.methods import Start, as_method
from goodinit.results import Finding, Job, Task, Trial
from goodinit.streams import KeyedStream
from goodinit.threads import torch_threads
from goodinit.training import batches

if TYPE_CHECKING:
    from torch import Tensor, nn

    from goodinit.pytorch import Initialization
    from goodinit.pytorch.loop import Criterion, LoopRun

__all__ = ["check_ensemble", "check_model", "model_of", "train_models", "work_of_call"]


def model_of(task: Task) -> tuple[nn.Module, Any]:
    """A model of the task, with its own start of seed 0, and a batch of its inputs."""
    from goodinit.pytorch.loop import seeded

    factory: Any = task.network
    with seeded(0, "model"):
        model, _ = made_model(factory.make, factory.text)
    return model, inputs_of(model, task.data.X_train[:SHOWN], "cpu")


def check_model(task: Task, chosen: Sequence[Start], *, measured: bool = False) -> None:
    """Refuse initializations that cannot fill the model, before anything is trained; `measured` tries all they do."""
    from goodinit.pytorch.filling import prepare
    from goodinit.pytorch.loop import seeded

    factory: Any = task.network
    with seeded(0, "model"):
        model, _ = made_model(factory.make, factory.text)
        for start in chosen:
            batch = _batch(model, task.data, start, factory.criterion)
            for each in prepare(model, start, 0, measured=measured, **batch).made:
                each.said.multipliers(task.schedule.optimizer)


def train_models(batch: Batch, progress: Callable[[int], None] = lambda step: None) -> list[Trial]:
    """The trials of a batch's jobs: one model after the other, or as one ensemble where their task has it so."""
    if batch.task.network.ensemble > 1:
        return _train_ensemble(batch.task, batch.jobs, progress)
    with torch_threads(work_of_call(batch.task)):
        return [_train(batch.task, job, progress) for job in batch.jobs]


def check_ensemble(task: Task) -> None:
    """Refuse models that cannot be trained as an ensemble, by a step of two, and training that ends where each would.

    Raises GoodinitError.
    """
    from goodinit.pytorch.ensemble import check_stacked

    factory: Any = task.network
    if task.schedule.early_stopping is not None:
        raise GoodinitError(
            f"ensemble {factory.ensemble}: the models of one end together, and early stopping ends each at a step of "
            "its own; leave out one of the two"
        )
    schedule = replace(task.schedule, steps=1, warmup=0, record_every=1)
    short = replace(task, schedule=schedule, network=factory.unchecked())
    two = tuple(Job(0, as_method("default"), schedule.learning_rate, seed) for seed in (0, 1))
    data = task.source.dataset(0)
    try:
        models = [_started(short, job).model for job in two]
        check_stacked(models, inputs_of(models[0], data.X_train[:SHOWN], "cpu"))
        train_models(Batch(short, two))
    except (RuntimeError, NotImplementedError) as error:
        reason = str(error).strip().splitlines()[0]
        raise GoodinitError(
            f"ensemble {factory.ensemble}: {factory.text} cannot be trained as stacked arrays ({reason}); without the "
            "option each model is trained by itself"
        ) from error


def work_of_call(task: Task) -> float:
    """The multiplications and additions of a product or convolution of one model in a step, in the mean."""
    examples = len(task.data.X_train)
    return _operations(task) * min(task.schedule.batch_size or examples, examples)


_counted: dict[str, float] = {}  # by the model's fingerprint


def _operations(task: Task) -> float:
    """Those of one example, counted once: what PyTorch counts with takes a while to import."""
    from goodinit.pytorch.loop import operations_of
    from goodinit.pytorch.ready import shaped

    fingerprint = task.network.facts["fingerprint"]
    if fingerprint not in _counted:
        model, inputs = model_of(task)
        _counted[fingerprint] = operations_of(shaped(model, inputs).model, inputs)
    return _counted[fingerprint]


def _train(task: Task, job: Job, progress: Callable[[int], None]) -> Trial:
    import torch

    from goodinit import pytorch
    from goodinit.pytorch.loop import seeded

    factory: Any = task.network
    data = task.source.dataset(job.seed)
    with seeded(job.seed, "model"):
        model, _ = made_model(factory.make, factory.text)
    shown = inputs_of(model, data.X_train[:SHOWN], "cpu")
    if any(torch.nn.parameter.is_lazy(each) for each in model.parameters()) and as_method(job.initializer).base is None:
        with seeded(job.seed, "model/lazy"), torch.no_grad():
            model(shown[:1])  # its own code draws what is kept
    batch = _batch(model, data, job.initializer, factory.criterion)
    done = pytorch.initialize(model, job.initializer, seed=job.seed, **batch)
    return _run(task, job, data, model, shown, done, progress)


def _train_ensemble(task: Task, jobs: Sequence[Job], progress: Callable[[int], None]) -> list[Trial]:
    """The trials of jobs as an ensemble; what differs only in its learning rate is started once."""

    from goodinit.pytorch.ensemble import Examples, train_ensemble
    from goodinit.pytorch.loop import all_outputs

    factory: Any = task.network
    optimizer, schedule = task.schedule.optimizer, task.schedule
    started: dict[tuple[str, int], _Started] = {}
    for job in jobs:
        if (str(job.initializer), job.seed) not in started:
            started[str(job.initializer), job.seed] = _started(task, job)
    own = [started[str(job.initializer), job.seed] for job in jobs]
    models = [copy.deepcopy(each.model).train().to(factory.device) for each in own]
    sets = {job.seed: _tensors(models[0], task.source.dataset(job.seed), factory.device) for job in jobs}
    examples = {
        seed: Examples(X, y, batches(len(X), schedule, KeyedStream(seed))) for seed, (X, y, _, _) in sets.items()
    }
    with torch_threads(work_of_call(task) * len(models)):
        runs = train_ensemble(
            models,
            [job.seed for job in jobs],
            examples,
            factory.criterion,
            optimizer=optimizer,
            weight_decay=schedule.decay,
            learning_rates=[job.learning_rate for job in jobs],
            steps=schedule.steps,
            record_every=schedule.record_every,
            factor=schedule.factor,
            clipping=schedule.gradient_clipping,
            progress=progress,
            multipliers=[each.multipliers for each in own],
        )
        return [
            _measured(
                task, job, run, each.found, sets[job.seed][1], sets[job.seed][3], all_outputs(model, sets[job.seed][2])
            )
            for job, run, model, each in zip(jobs, runs, models, own, strict=True)
        ]


@dataclass(frozen=True)
class _Started:
    """A model that has its start, what its rates are multiplied by, and what its checkup found."""

    model: nn.Module
    multipliers: Any
    found: tuple[Finding, ...]


def _started(task: Task, job: Job) -> _Started:
    import torch

    from goodinit import pytorch
    from goodinit.pytorch.loop import seeded

    factory: Any = task.network
    data = task.source.dataset(job.seed)
    with seeded(job.seed, "model"):
        model, _ = made_model(factory.make, factory.text)
    batch = _batch(model, data, job.initializer, factory.criterion)
    done = pytorch.initialize(model, job.initializer, seed=job.seed, **batch)
    found: tuple[Finding, ...] = ()
    if factory.checked:
        targets = torch.from_numpy(np.ascontiguousarray(data.y_train[:SHOWN]))
        found = _findings(model, inputs_of(model, data.X_train[:SHOWN], "cpu"), targets, factory.criterion)
    return _Started(model, done.multipliers(task.schedule.optimizer), found)


def _tensors(model: nn.Module, data: Dataset, device: str) -> tuple[Tensor, ...]:
    """Inputs and targets to train on, and to test on."""
    import torch

    def targets(y: NDArray[Any]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(y)).to(device)

    X, X_test = (inputs_of(model, points, device) for points in (data.X_train, data.X_test))
    return X, targets(data.y_train), X_test, targets(data.y_test)


def _batch(model: nn.Module, data: Dataset, start: Start, kind: Criterion) -> dict[str, Any]:
    """What the start is told of the data: more examples, targets and the loss where it measures them."""
    import torch

    from goodinit.pytorch.loop import loss_of, rows

    if not as_method(start).measures:
        return {"inputs": inputs_of(model, data.X_train[:SHOWN], "cpu")}
    targets = torch.from_numpy(np.ascontiguousarray(data.y_train[:MEASURED]))
    return {
        "inputs": inputs_of(model, data.X_train[:MEASURED], "cpu"),
        "targets": targets,
        "loss": lambda output, y: loss_of(kind, rows(output, len(y)), y),
    }


def _run(
    task: Task,
    job: Job,
    data: Dataset,
    model: nn.Module,
    shown: Any,
    done: Initialization,
    progress: Callable[[int], None],
) -> Trial:
    """The trial of a model that has its start; it is checked on the examples `shown`."""
    import torch

    from goodinit.pytorch.loop import all_outputs, seeded, train_model

    factory: Any = task.network
    device = torch.device(factory.device)
    model.to(device)
    X, X_test = (inputs_of(model, points, factory.device) for points in (data.X_train, data.X_test))
    targets, answers = (torch.from_numpy(np.ascontiguousarray(each)).to(device) for each in (data.y_train, data.y_test))
    found = _findings(model, shown.to(device), targets[: len(shown)], factory.criterion) if factory.checked else ()
    order = batches(len(X), task.schedule, KeyedStream(job.seed))
    validation = None
    if task.schedule.early_stopping is not None:
        held = task.source.validation(job.seed)
        aside = torch.from_numpy(np.ascontiguousarray(held.y_test)).to(device)
        validation = inputs_of(model, held.X_test, factory.device), aside
    with seeded(job.seed, "training"):
        run = train_model(
            model.train(),
            X,
            targets,
            factory.criterion,
            optimizer=task.schedule.optimizer,
            weight_decay=task.schedule.decay,
            learning_rate=job.learning_rate,
            steps=task.schedule.steps,
            record_every=task.schedule.record_every,
            batches=order,
            factor=task.schedule.factor,
            clipping=task.schedule.gradient_clipping,
            validation=validation,
            patience=task.schedule.early_stopping or 1,
            progress=progress,
            multipliers=done.multipliers(task.schedule.optimizer),
        )
    return _measured(task, job, run, found, targets, answers, all_outputs(model, X_test))


def _measured(
    task: Task, job: Job, run: LoopRun, found: tuple[Finding, ...], targets: Tensor, answers: Tensor, tested: Tensor
) -> Trial:
    """The trial of a run, its scores, and the loss on the test examples, by the outputs for these."""
    from goodinit.pytorch.loop import loss_of, score_of

    factory: Any = task.network
    scores = [score_of(factory.loss, run.outputs, targets), score_of(factory.loss, tested, answers)]
    test_loss = float(loss_of(factory.criterion, tested, answers))
    trial = replace(_trial(task, job, run, found, scores), test_loss=test_loss)
    return stopped(trial, run.best_step, run.stopped_at)


def _findings(model: nn.Module, inputs: Any, targets: Any, kind: Criterion) -> tuple[Finding, ...]:
    """What the checkup of the model's start finds on some examples; remedies are named, and not tried."""
    from goodinit.pytorch.loop import loss_of, rows

    def loss(output: Any, y: Any) -> Any:
        return loss_of(kind, rows(output, len(y)), y)

    checked = check(model, inputs, targets, loss=loss, remedies=False)
    return checked.findings


def _trial(task: Task, job: Job, run: LoopRun, found: tuple[Finding, ...], scores: Sequence[float]) -> Trial:
    first, chance = run.losses[0], task.chance_loss
    factory: Any = task.network
    found_nothing = "the checkup finds nothing severe; " if factory.checked else ""
    diverged = has_diverged(run.diverged_by, run.final_loss, first, chance)
    return finished(
        task,
        job,
        losses=run.losses,
        final_loss=run.final_loss,
        scores=scores,
        diverged=diverged,
        diverged_by=run.diverged_by,
        findings=found,
        why=_why(run, chance, found, found_nothing, f"{task.metric.test} {scores[1]:.4g}", diverged, job.learning_rate),
    )


def _why(
    run: LoopRun,
    chance: float,
    found: Sequence[Finding],
    found_nothing: str,
    score: str,
    diverged: bool,
    rate: float,
) -> str:
    """What stood out at the start, then where training led: each part of it measured."""
    first = run.losses[0]
    severe = [finding.message for finding in found if finding.severity == "severe" and finding.code != "diverged"]
    near = "near" if chance / 2 < first < 2 * chance else "held against"
    cause = "; ".join(severe[:2]) or f"{found_nothing}the first loss, {first:.4g}, is {near} the "
    if not severe:
        cause += f"{chance:.4g} of guessing"
    if run.diverged_by is not None:
        outcome = f"a number was no longer finite by step {run.diverged_by:,}: the learning rate {rate:g} is too large"
    elif diverged:
        outcome = f"training diverged, from a loss of {first:.5g} to {run.final_loss:.5g}"
    elif math.isclose(first, run.final_loss, rel_tol=1e-3):
        outcome = f"the loss stays near {first:.5g}, {score}"
    else:
        verb = "falls" if run.final_loss < first else "rises"
        outcome = f"the loss {verb} from {first:.5g} to {run.final_loss:.3g}, {score}"
    sentence = f"{cause}; {outcome}."
    return sentence[0].upper() + sentence[1:]
