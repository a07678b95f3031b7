"""`compare`: train the same network from several starts and say which lets it learn, and why."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from goodinit import checkup, initializers
from goodinit.activations import Activation
from goodinit.comparison.design import CLASSIC_INITIALIZATIONS, design
from goodinit.comparison.result import Comparison
from goodinit.datasets import Dataset
from goodinit.errors import GoodinitError
from goodinit.initializers import Initializer
from goodinit.networks import Parameters, stack
from goodinit.report import OutputFolder
from goodinit.results import Finding, Sensitivity, Task, Trial
from goodinit.streams import KeyedStream, as_stream
from goodinit.training import Run, accuracy, batches, train

__all__ = ["Progress", "compare"]

PERTURBATION: Final = 1e-15  # relative: four or five units in the last place of float64
CHAOTIC: Final = 1e-6  # a curve that such a perturbation moves further than this amplifies rounding
BLOWN_UP: Final = 10  # a run that ends so many times above both its first loss and chance has diverged

Progress = Callable[[str, int, int], None]
"""Told the initialization in training, the finished steps, and the steps of one training run."""


def compare(
    init: str | Initializer | Sequence[str | Initializer] = CLASSIC_INITIALIZATIONS,
    *,
    data: str | Path | Dataset = "circles",
    target: str | None = None,
    standardize: bool = True,
    widths: Sequence[int] = (10, 5),
    activation: str | Activation = "relu",
    learning_rate: float = 0.01,
    steps: int = 15_000,
    batch_size: int | None = None,
    optimizer: str = "gradient_descent",
    seed: int = 3,
    stream: str = "randomstate",
    record_every: int | None = None,
    perturbations: int = 4,
    out: str | Path | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Comparison:
    """Train the same network on the same data from several initializations, and compare what becomes of it.

    With no argument this is the classic experiment: two circles of points, a [2, 10, 5, 1] ReLU network, 15,000
    steps of gradient descent, started from zeros, normal(std=10) and he_normal.

    Arguments:
        init: one initialization or several: names, `name(option=value)` texts, or initializers.
        data: a built-in data set (`goodinit.datasets.names()`), the path of a CSV or NPZ file, or a Dataset.
        target: a CSV's label column, or an NPZ's label array.
        standardize: shift and scale a file's features by the training rows' mean and standard deviation.
        widths: the sizes of the hidden layers.
        activation: of the hidden layers, a name of `goodinit.activations.names()`.
        learning_rate: the step size of the optimizer.
        steps: the number of updates.
        batch_size: examples a step; None takes them all.
        optimizer: gradient_descent, momentum (0.9) or adam.
        seed: of the initial weights, of the batches' order, and of data that is made or split; each has its own stream.
        stream: where weights come from: `randomstate` (the classic experiment's) or `keyed` (by seed and weight name).
        record_every: steps between recorded losses; None chooses a round number that gives about 15 to 40.
        perturbations: how often each start is trained again with its weights changed by one part in 1e15,
            to measure how far rounding moves the curve; 0 leaves this out.
        out: a folder for the figures and `result.json`; None writes nothing.
        overwrite: replace another run's files in `out`.
        progress: called with the initialization, its finished steps and their total.

    Returns a Comparison: `.trials`, `.ranking()`, `.to_dict()`, and a table when printed.

    >>> result = compare(["zeros", "he_normal"], steps=200, perturbations=0)
    >>> [trial.initialization for trial in result.trials]
    ['zeros', 'he_normal']
    >>> round(result.trials[0].final_loss, 6)
    0.693147

    Raises GoodinitError for a value that cannot be used, before anything is trained or written.
    """
    chosen = _initializers(init)
    if isinstance(perturbations, bool) or not isinstance(perturbations, int) or not 0 <= perturbations <= 1000:
        raise GoodinitError(f"perturbations {perturbations!r}: it must be a whole number from 0 to 1000")
    task = design(
        data=data,
        target=target,
        standardize=standardize,
        widths=widths,
        activation=activation,
        learning_rate=learning_rate,
        steps=steps,
        batch_size=batch_size,
        optimizer=optimizer,
        seed=seed,
        stream=stream,
        record_every=record_every,
    )
    folder = OutputFolder(out, overwrite) if out is not None else None
    trials = tuple(_trial(task, initializer, int(seed), perturbations, progress) for initializer in chosen)
    comparison = Comparison(task, trials)
    if folder is not None:
        comparison.save(folder)
    return comparison


def _initializers(init: str | Initializer | Sequence[str | Initializer]) -> list[Initializer]:
    given = [init] if isinstance(init, str | Initializer) else list(init)
    if not given:
        raise GoodinitError("no initialization was given; name at least one, such as he_normal")
    chosen = [initializers.get(each) for each in given]
    texts = [str(each) for each in chosen]
    for text in texts:
        if texts.count(text) > 1:
            raise GoodinitError(f"the initialization {text} was given twice; give it once")
    return chosen


def _trial(task: Task, initializer: Initializer, seed: int, perturbations: int, progress: Progress | None) -> Trial:
    name, data, schedule = str(initializer), task.data, task.schedule
    start = task.network.parameters(initializer, as_stream(seed, task.stream))
    ensemble = stack([start, *(_perturbed(start, seed, repeat) for repeat in range(perturbations))])
    X, Y = np.ascontiguousarray(data.X_train.T), data.targets
    run = train(
        task.network,
        ensemble,
        X,
        Y,
        schedule,
        batches(Y.shape[1], schedule, KeyedStream(seed)),
        (lambda step: progress(name, step, schedule.steps)) if progress else lambda step: None,
    )
    trained = {key: value[0] for key, value in run.parameters.items()}
    before, after = (checkup.measure(task.network, p, X, Y) for p in (start, trained))
    final_loss, diverged_by = float(run.final_loss[0]), run.diverged_by[0]
    diverged = diverged_by is not None or final_loss > BLOWN_UP * max(before.loss, before.chance_loss)
    found = checkup.findings(before)
    train_accuracy, test_accuracy = (
        float(accuracy(task.network, trained, points.T, labels))
        for points, labels in ((data.X_train, data.y_train), (data.X_test, data.y_test))
    )
    sensitivity = _sensitivity(run, perturbations)
    return Trial(
        initialization=name,
        seed=seed,
        learning_rate=schedule.learning_rate,
        steps=schedule.steps,
        loss_steps=tuple(run.recorded),
        loss_values=tuple(run.losses[0].tolist()),
        final_loss=final_loss,
        train_accuracy=train_accuracy,
        test_accuracy=test_accuracy,
        diverged=diverged,
        diverged_by=diverged_by,
        sensitivity=sensitivity,
        findings=found + _findings_of_training(diverged, diverged_by, sensitivity, schedule.learning_rate),
        why=checkup.why(
            before,
            after,
            found,
            steps=schedule.steps,
            learning_rate=schedule.learning_rate,
            test_accuracy=test_accuracy,
            diverged=diverged,
            diverged_by=diverged_by,
        ),
        parameters=trained,
    )


def _perturbed(start: Parameters, seed: int, repeat: int) -> Parameters:
    """The start with every parameter multiplied by 1 + 1e-15 or 1 - 1e-15, the signs from the seed."""
    stream = KeyedStream(seed)

    def change(name: str, value: NDArray[np.float64]) -> NDArray[np.float64]:
        signs = stream.signs(f"perturbation/{repeat}/{name}", 0, value.size).reshape(value.shape)
        return value * (1 + PERTURBATION * signs)

    return {name: change(name, value) for name, value in start.items()}


def _sensitivity(run: Run, perturbations: int) -> Sensitivity | None:
    if not perturbations:
        return None
    lowest, highest = (tuple(edge(run.losses, axis=0).tolist()) for edge in (np.min, np.max))
    return Sensitivity(PERTURBATION, perturbations, lowest, highest)


def _findings_of_training(
    diverged: bool, diverged_by: int | None, sensitivity: Sensitivity | None, learning_rate: float
) -> tuple[Finding, ...]:
    found: list[Finding] = []
    if diverged:
        how = (
            f"a number was no longer finite by step {diverged_by}"
            if diverged_by is not None
            else "the loss ended far above its start"
        )
        found.append(Finding("diverged", "severe", f"{how} at learning rate {learning_rate:g}; try a tenth of it"))
    elif sensitivity is not None and not math.isnan(sensitivity.largest) and sensitivity.largest > CHAOTIC:
        found.append(
            Finding(
                "chaotic",
                "warning",
                f"changing the initial weights by one part in 1e15 moves the loss curve by up to "
                f"{sensitivity.largest:.2g}: digits beyond that are rounding's",
            )
        )
    return tuple(found)
