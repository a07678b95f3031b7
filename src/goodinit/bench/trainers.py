"""The contestants in training: this package's engines, and what a person would write with NumPy, PyTorch or JAX.

Each is made ready for a task, a number of networks and a precision, and is then a function from a number of steps to
the losses of all networks before the first step and after the last. Whatever is compiled is compiled when it is made
ready.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from goodinit import activations, datasets, initializers
from goodinit.bench.records import TrainerKind
from goodinit.networks import MLP, Parameters, stack
from goodinit.streams import KeyedStream
from goodinit.training import REGISTRY, Call, Dtype, EngineName, Schedule, reference, train

__all__ = ["COMPILED", "TRAINERS", "Problem", "Trainer", "classic", "digits", "disagreement", "missing"]

Losses = tuple[NDArray[Any], NDArray[Any]]
Work = Callable[[int], Losses]
Ready = Callable[["Problem", int, Dtype], Work]

_STARTS: Final = 64  # different He starts; a larger ensemble repeats them
_AGREE: Final = 1e-3  # relative, in float32


@dataclass(frozen=True)
class Problem:
    """A ReLU network, its data with one example a column, and the learning rate of gradient descent on all of it."""

    network: MLP
    X: NDArray[np.float64]
    Y: NDArray[np.float64]
    learning_rate: float = 0.01

    def start(self, networks: int) -> Parameters:
        """He starts from seeds 0, 1, ..., as an ensemble."""
        he = initializers.get("he_normal")
        members = [self.network.parameters(he, KeyedStream(seed)) for seed in range(min(networks, _STARTS))]
        repeated = np.arange(networks) % _STARTS
        return {name: np.ascontiguousarray(value[repeated]) for name, value in stack(members).items()}

    @property
    def operations(self) -> float:
        """Multiplications and additions of the matrix products of one step of one network.

        Two for each weight and example in the forward pass, two for its gradient, and two to carry the gradient
        through it, the first layer excepted. Activations, losses and updates are not counted.
        """
        sizes = [fan_in * fan_out for fan_in, fan_out in pairwise(self.network.widths)]
        examples: int = self.X.shape[1]
        return 2.0 * examples * (3 * sum(sizes) - sizes[0])


@dataclass(frozen=True)
class Trainer:
    """A contestant: its name, its kind, the package it needs, and how it is made ready."""

    name: str
    kind: TrainerKind
    needs: str | None
    ready: Ready


def classic(hidden: tuple[int, ...] = (10, 5), samples: int | None = None) -> Problem:
    """The classic experiment's points, 300 of them or as many as asked for, and its network."""
    data = datasets.load("circles")
    taken = np.arange(samples or len(data.y_train)) % len(data.y_train)
    network = MLP((2, *hidden, 1), activations.get("relu"), "binary_cross_entropy")
    return Problem(network, np.ascontiguousarray(data.X_train.T[:, taken]), data.targets[:, taken])


def digits(width: int = 128, depth: int = 3, samples: int | None = None) -> Problem:
    """The handwritten digits, or the first of them, and a network of that many layers."""
    data = datasets.load("digits")
    network = MLP((64, *[width] * (depth - 1), 10), activations.get("relu"), "cross_entropy")
    return Problem(network, np.ascontiguousarray(data.X_train[:samples].T), data.targets[:, :samples])


def _engine(engine: EngineName) -> Ready:
    def ready(task: Problem, networks: int, dtype: Dtype) -> Work:
        start = task.start(networks)

        def work(steps: int) -> Losses:
            schedule = Schedule(learning_rate=task.learning_rate, steps=steps, record_every=steps)
            run = train(
                task.network, start, task.X, task.Y, schedule, [slice(None)] * steps, engine=engine, dtype=dtype
            )
            return run.losses[:, 0], run.final_loss

        return work

    return ready


def _numpy_loop(task: Problem, networks: int, dtype: Dtype) -> Work:
    """The textbook's mathematics, one network after the other."""
    start = {name: value.astype(dtype) for name, value in task.start(networks).items()}
    X, Y = (array.astype(dtype) for array in (task.X, task.Y))

    def work(steps: int) -> Losses:
        schedule = Schedule(learning_rate=task.learning_rate, steps=steps, record_every=steps)
        runs = [
            reference.train(
                Call(
                    task.network,
                    {name: value[member : member + 1] for name, value in start.items()},
                    X,
                    Y,
                    schedule,
                    [slice(None)] * steps,
                )
            )
            for member in range(networks)
        ]
        return np.concatenate([r.losses[:, 0] for r in runs]), np.concatenate([r.final_loss for r in runs])

    return work


def _pytorch(task: Problem, networks: int, dtype: Dtype, *, compiled: bool = False) -> Work:
    """Batched matrix products over the leading axis, gradients by autograd; eager, or the loss by torch.compile."""
    import torch
    from torch.nn import functional

    kind = getattr(torch, dtype)
    begin = [torch.tensor(value, dtype=kind) for value in task.start(networks).values()]
    X, Y = (torch.tensor(array, dtype=kind) for array in (task.X, task.Y))
    examples, depth = X.shape[1], task.network.depth
    labels = Y.argmax(dim=0).expand(networks, -1)
    binary = task.network.loss == "binary_cross_entropy"

    def losses(parameters: list[Any]) -> Any:
        A: Any = X
        for layer in range(depth):
            W, b = parameters[2 * layer], parameters[2 * layer + 1]
            A = W @ A + b if layer == 0 else torch.baddbmm(b, W, A)
            A = torch.relu(A) if layer < depth - 1 else A
        if binary:
            each = functional.binary_cross_entropy_with_logits(A, Y.expand_as(A), reduction="none")
        else:
            each = functional.cross_entropy(A, labels, reduction="none")
        return each.reshape(networks, -1).sum(dim=1) / examples

    if compiled:
        losses = torch.compile(losses, dynamic=False)

    def work(steps: int) -> Losses:
        parameters = [p.clone().requires_grad_() for p in begin]
        with torch.no_grad():
            first = losses(parameters).numpy()
        for _ in range(steps):
            gradients = torch.autograd.grad(losses(parameters).sum(), parameters)
            with torch.no_grad():
                for p, gradient in zip(parameters, gradients, strict=True):
                    p.sub_(gradient, alpha=task.learning_rate)
        with torch.no_grad():
            return first, losses(parameters).numpy()

    return work


def _torch_func(task: Problem, networks: int, dtype: Dtype) -> Work:
    """One network's step by `torch.func.grad` under `torch.func.vmap`, as its tutorial on ensembles has it."""
    import torch
    from torch.nn import functional

    kind = getattr(torch, dtype)
    begin = {name: torch.tensor(value, dtype=kind) for name, value in task.start(networks).items()}
    X, Y = (torch.tensor(array, dtype=kind) for array in (task.X, task.Y))
    depth, labels, binary = task.network.depth, Y.argmax(dim=0), task.network.loss == "binary_cross_entropy"

    def loss(parameters: dict[str, Any]) -> Any:
        A: Any = X
        for layer in range(1, depth + 1):
            A = parameters[f"W{layer}"] @ A + parameters[f"b{layer}"]
            A = torch.relu(A) if layer < depth else A
        if binary:
            return functional.binary_cross_entropy_with_logits(A, Y)
        return functional.cross_entropy(A.T, labels)

    gradients, losses = torch.func.vmap(torch.func.grad(loss)), torch.func.vmap(loss)

    def work(steps: int) -> Losses:
        parameters = {name: p.clone() for name, p in begin.items()}
        with torch.no_grad():
            first = losses(parameters).numpy()
            for _ in range(steps):
                for name, gradient in gradients(parameters).items():
                    parameters[name].sub_(gradient, alpha=task.learning_rate)
            return first, losses(parameters).numpy()

    return work


def _jax(task: Problem, networks: int, dtype: Dtype) -> Work:
    """One network's step under vmap, all steps in one fori_loop, under jit, compiled here."""
    import jax
    from jax import numpy as jnp

    double = dtype == "float64"
    depth = task.network.depth
    binary = task.network.loss == "binary_cross_entropy"
    with jax.enable_x64(double):
        X, Y = (jnp.asarray(array, dtype=dtype) for array in (task.X, task.Y))
        begin = {name: jnp.asarray(value, dtype=dtype) for name, value in task.start(networks).items()}

        def loss(parameters: dict[str, Any]) -> Any:
            A = X
            for layer in range(1, depth + 1):
                A = parameters[f"W{layer}"] @ A + parameters[f"b{layer}"]
                A = jax.nn.relu(A) if layer < depth else A
            if binary:
                return (jnp.logaddexp(0, A) - Y * A).mean()
            return (jax.nn.logsumexp(A, axis=0) - (Y * A).sum(axis=0)).mean()

        def step(parameters: dict[str, Any]) -> dict[str, Any]:
            gradient = jax.grad(loss)(parameters)
            return {name: p - task.learning_rate * gradient[name] for name, p in parameters.items()}

        def run(parameters: dict[str, Any], steps: Any) -> Any:
            end = jax.lax.fori_loop(0, steps, lambda _, p: jax.vmap(step)(p), parameters)
            return jax.vmap(loss)(parameters), jax.vmap(loss)(end)

        compiled = jax.jit(run).lower(begin, np.int32(1)).compile()

    def work(steps: int) -> Losses:
        with jax.enable_x64(double):
            first, final = compiled(begin, np.int32(steps))
            return np.asarray(first), np.asarray(final)

    return work


TRAINERS: Final = {
    trainer.name: trainer
    for trainer in (
        Trainer("NumPy loop", "loop", None, _numpy_loop),
        Trainer("PyTorch eager", "peer", "torch", _pytorch),
        Trainer("torch.func vmap", "peer", "torch", _torch_func),
        Trainer("JAX vmap", "peer", "jax", _jax),
        *(
            Trainer(f"goodinit {name}", "goodinit", next(iter(engine.packages), None), _engine(name))
            for name, engine in REGISTRY.items()
            if "float32" in engine.dtypes
        ),
        Trainer("goodinit auto", "goodinit", None, _engine("auto")),
    )
}


COMPILED: Final = Trainer("torch.compile", "peer", "torch", partial(_pytorch, compiled=True))
"""Where it is asked for: it takes a part of a minute to compile, for every size."""


def missing(trainer: Trainer) -> str | None:
    """Why a contestant cannot take part on this machine, or None."""
    if trainer.needs is not None and find_spec(trainer.needs) is None:
        return f"{trainer.needs} is not installed"
    engine = REGISTRY.get(trainer.name.removeprefix("goodinit "))
    return None if engine is None or engine.available() else "the compiled engine is not built"


def disagreement(trainer: Trainer, task: Problem, dtype: Dtype, steps: int = 50, networks: int = 3) -> str | None:
    """None where its first and final losses are the reference's to 1e-3, as they must be before it is timed."""
    expected = _numpy_loop(task, networks, "float64")(steps)
    for when, found, right in zip(
        ("first", "final"), trainer.ready(task, networks, dtype)(steps), expected, strict=True
    ):
        away = float(np.max(np.abs(np.asarray(found, np.float64) / right - 1)))
        if not away <= _AGREE:
            return f"its {when} losses differ from the reference by {away:.1e}: it computes something else"
    return None
