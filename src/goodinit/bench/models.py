"""The contest in training a person's models: `goodinit.compare`, all of it, beside what a person would write.

The others train the same models from the same starts on the same batches, and record as many losses of all examples.
They check, score and store nothing.
"""

from __future__ import annotations

import os
import shutil
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from goodinit import datasets
from goodinit.bench.clock import interleaved
from goodinit.bench.records import Contest, Entry, TrainerKind
from goodinit.comparison import compare
from goodinit.streams import KeyedStream
from goodinit.training import Schedule, batches

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["MODELS", "ModelProblem", "contestants", "model_contest"]

ModelArrays = tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]
Curves = NDArray[np.float64]
CurvesOf = Callable[[], Curves]
RATE: Final = 0.05
_AGREE: Final = 1e-3  # relative


def _convolutional() -> nn.Module:
    from torch import nn

    return nn.Sequential(
        nn.Unflatten(1, (1, 8, 8)),
        nn.Conv2d(1, 8, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(64, 10),
    )


@cache
def _mean() -> type[nn.Module]:
    """A class that averages over tokens; one, since torch.compile compiles again for every class."""
    from torch import nn

    class Mean(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.mean(1)

    return Mean


def _transformer() -> nn.Module:
    """A digit's eight rows are its tokens."""
    from torch import nn

    block = nn.TransformerEncoderLayer(32, 4, 64, dropout=0.0, batch_first=True)
    return nn.Sequential(nn.Unflatten(1, (8, 8)), nn.Linear(8, 32), block, _mean()(), nn.Linear(32, 10))


MODELS: Final[dict[str, Callable[[], nn.Module]]] = {
    "convolutional model": _convolutional,
    "small transformer": _transformer,
}
"""What is trained, by its name in the tables: 2,000 and 10,000 parameters."""


@dataclass(frozen=True)
class ModelProblem:
    """A model to train on the digits: `trials` seeds, momentum, batches of 32, and some ten recorded losses each."""

    make: Callable[[], nn.Module]
    trials: int
    steps: int

    @property
    def schedule(self) -> Schedule:
        """Of each trial."""
        return Schedule("momentum", RATE, self.steps, 32, max(1, self.steps // 10))

    @property
    def data(self) -> ModelArrays:
        """Training inputs and labels, and those of the test."""
        digits = datasets.load("digits")
        return digits.X_train.astype(np.float32), digits.y_train, digits.X_test.astype(np.float32), digits.y_test

    def started(self, seed: int) -> nn.Module:
        """The model with its own start of the seed."""
        from goodinit.pytorch.loop import seeded

        with seeded(seed, "model"):
            return self.make()

    def order(self, seed: int) -> list[Any]:
        """The examples of each step."""
        return list(batches(len(self.data[1]), self.schedule, KeyedStream(seed)))


def contestants(task: ModelProblem, *, compiles: bool) -> dict[str, tuple[TrainerKind, CurvesOf]]:
    """Who takes part: each gives the losses of every trial before its recorded steps, (trials, records).

    `compiles` is for torch.compile, which takes a part of a minute, once, where there is a C++ compiler.
    """
    found: dict[str, tuple[TrainerKind, CurvesOf]] = {
        "goodinit compare": ("goodinit", partial(_compare, task)),
        f"goodinit compare, ensembles of {task.trials}": ("goodinit", partial(_compare, task, task.trials)),
        "plain loop": ("loop", partial(_plain, task, lambda model: model)),
        f"torch.func vmap ({task.trials})": ("peer", partial(_together, task)),
    }
    if compiles and any(map(shutil.which, ("g++", "clang++"))):
        import torch

        os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", "1")  # its threads would keep `compare` from forking
        found["torch.compile"] = ("peer", partial(_plain, task, torch.compile))
    return found


def model_contest(
    name: str, trials: int, steps: int, repeats: int, timer: Callable[[], float], *, compiles: bool
) -> Contest:
    """The contest in training that model, in trials a second."""
    title = f"{name}, {trials} trials of {steps} steps"
    if find_spec("torch") is None:
        return Contest(title, "trials/s", (), absent={"plain loop": "torch is not installed"})
    task = ModelProblem(MODELS[name], trials, steps)
    able = contestants(task, compiles=compiles)
    short = contestants(replace(task, trials=2, steps=min(steps, 60)), compiles=compiles)  # before rounding grows
    expected, absent = short["plain loop"][1](), {}
    for contestant, (_, work) in zip(list(able), short.values(), strict=True):
        away = float(np.max(np.abs(work() / expected - 1)))  # and compiled before the clock counts
        if not away <= _AGREE:
            absent[contestant] = f"its losses differ from the plain loop's by {away:.1e}: it computes something else"
            del able[contestant]
    timings = interleaved({name: work for name, (_, work) in able.items()}, repeats, timer)
    entries = tuple(Entry(name, able[name][0], timing, trials) for name, timing in timings.items())
    return Contest(title, "trials/s", entries, absent=absent)


def _compare(task: ModelProblem, ensemble: int = 1) -> Curves:
    schedule = task.schedule
    result = compare(
        "default",
        model=lambda: (task.make(), task.data),
        ensemble=ensemble,
        seeds=list(range(task.trials)),
        steps=schedule.steps,
        batch_size=schedule.batch_size,
        optimizer=schedule.optimizer,
        learning_rate=schedule.learning_rate,
        record_every=schedule.record_every,
        perturbations=0,
    )
    return np.array([trial.loss_values for trial in result.trials])


def _plain(task: ModelProblem, ready: Callable[[nn.Module], Any]) -> Curves:
    """The loop of PyTorch's tutorials, one model after the other."""
    import torch
    from torch.nn import functional

    X, y = (torch.from_numpy(each) for each in task.data[:2])
    losses = np.empty((task.trials, len(task.schedule.recorded)))
    for seed in range(task.trials):
        model = task.started(seed)
        run = ready(model)
        optimizer = torch.optim.SGD(model.parameters(), lr=RATE, momentum=0.9)
        for step, chosen in enumerate(task.order(seed)):
            if step % task.schedule.record_every == 0:
                model.eval()
                with torch.no_grad():
                    losses[seed, step // task.schedule.record_every] = float(functional.cross_entropy(model(X), y))
                model.train()
            optimizer.zero_grad()
            functional.cross_entropy(run(X[chosen]), y[chosen]).backward()
            optimizer.step()
    return losses


def _together(task: ModelProblem) -> Curves:
    """All of them at once by `torch.func`, as its tutorial on ensembles has it."""
    import torch
    from torch.func import functional_call, grad, stack_module_state, vmap
    from torch.nn import functional

    X, y = (torch.from_numpy(each) for each in task.data[:2])
    models = [task.started(seed) for seed in range(task.trials)]
    parameters, buffers = stack_module_state(models)
    model = models[0]

    def loss(own: dict[str, Any], kept: dict[str, Any], inputs: Tensor, labels: Tensor) -> Tensor:
        return functional.cross_entropy(functional_call(model, (own, kept), (inputs,)), labels)

    gradients, measured = vmap(grad(loss)), vmap(loss, in_dims=(0, 0, None, None))
    moving = {name: torch.zeros_like(value) for name, value in parameters.items()}
    losses = np.empty((task.trials, len(task.schedule.recorded)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that an operation has no batching rule
        for step, chosen in enumerate(zip(*map(task.order, range(task.trials)), strict=True)):
            if step % task.schedule.record_every == 0:
                model.eval()
                with torch.no_grad():
                    losses[:, step // task.schedule.record_every] = measured(parameters, buffers, X, y).numpy()
                model.train()
            picked = torch.from_numpy(np.stack(chosen))
            for name, gradient in gradients(parameters, buffers, X[picked], y[picked]).items():
                moving[name].mul_(0.9).add_(gradient)
                parameters[name].data.sub_(moving[name], alpha=RATE)
    return losses
