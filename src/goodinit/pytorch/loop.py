"""A plain training loop for a model: SGD, momentum, Adam or AdamW, on the CPU or one GPU.

Losses are recorded over all training examples, in evaluation mode; the steps run in training mode. Nothing reads or
changes PyTorch's global random state: what a model draws while it trains, such as dropout, comes from the seed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from goodinit.errors import GoodinitError
from goodinit.methods import Multipliers
from goodinit.pytorch.calling import tensors_in
from goodinit.pytorch.groups import grouped, multiply
from goodinit.pytorch.guard import untouched
from goodinit.pytorch.stopping import Lowest
from goodinit.statistics.determination import r_squared
from goodinit.streams import KeyedStream

__all__ = [
    "TORCH_OPTIMIZERS",
    "Criterion",
    "LoopRun",
    "all_outputs",
    "loss_of",
    "operations_of",
    "outputs_of",
    "rows",
    "score_of",
    "seeded",
    "to_tensor",
    "train_model",
]

Criterion = str | Callable[[Tensor, Tensor], Tensor]
"""The name of a loss, or a function of (outputs, targets) that gives the mean loss."""

_CHUNK: Final = 1024  # examples measured at a time

TORCH_OPTIMIZERS: Final[dict[str, Callable[[list[Any], float], torch.optim.Optimizer]]] = {
    "gradient_descent": lambda parameters, rate: torch.optim.SGD(parameters, lr=rate),
    "momentum": lambda parameters, rate: torch.optim.SGD(parameters, lr=rate, momentum=0.9),
    "adam": lambda parameters, rate: torch.optim.Adam(parameters, lr=rate),
    "adamw": lambda parameters, rate: torch.optim.AdamW(parameters, lr=rate, weight_decay=0.01),
}


@dataclass(frozen=True)
class LoopRun:
    """One training run: the loss at each recorded step (nan from where it diverged), and at the end.

    `diverged_by` is the recorded step at which the loss or a parameter was no longer finite, None where none was.
    `outputs` are those on all training examples at the end. With early stopping the end is `best_step`, before which
    the validation loss was lowest, and `stopped_at` the step at which training ended, None at its end.
    """

    losses: tuple[float, ...]
    final_loss: float
    diverged_by: int | None
    outputs: Tensor = field(repr=False, compare=False)
    best_step: int | None = None
    stopped_at: int | None = None


@contextmanager
def seeded(seed: int, name: str) -> Iterator[None]:
    """PyTorch's global random state is that of the seed and the name within the block, and as before after it."""
    started = torch.cuda.is_initialized()
    devices = list(range(torch.cuda.device_count())) if started else []
    with torch.random.fork_rng(devices=devices):
        word = int(KeyedStream(seed).words(name, 0, 1)[0] >> np.uint64(1))
        torch.default_generator.manual_seed(word)  # torch.manual_seed would seed a GPU that is first used later, too
        if started:
            torch.cuda.manual_seed_all(word)
        yield


def to_tensor(array: NDArray[Any], device: torch.device, dtype: torch.dtype) -> Tensor:
    """Examples as the model takes them: numbers in its own dtype, whole ones, such as tokens, as int64."""
    tensor = torch.from_numpy(np.ascontiguousarray(array))
    return tensor.to(device, dtype if tensor.is_floating_point() else torch.int64)


def outputs_of(model: Callable[[Tensor], Any], X: Tensor) -> Tensor:
    """What the model gives for the inputs, a row an example."""
    return rows(model(X), len(X))


def rows(output: Any, examples: int) -> Tensor:
    """The first tensor of an output, as (examples, outputs). Raises GoodinitError where it has another form."""
    found = tensors_in(output)
    if not found or found[0].dim() not in (1, 2) or len(found[0]) != examples:
        shape = tuple(found[0].shape) if found else None
        raise GoodinitError(
            f"the model gives outputs of shape {shape} for {examples} examples; it must give one row an example"
        )
    return found[0].reshape(examples, -1)


def loss_of(kind: Criterion, outputs: Tensor, targets: Tensor) -> Tensor:
    """The mean loss: cross-entropy in nats from logits, the squared error, or what a person's function gives."""
    if callable(kind):
        value: Tensor = kind(outputs, targets)
        return value
    if kind == "cross_entropy":
        return functional.cross_entropy(outputs, targets)
    if kind == "binary_cross_entropy":
        return functional.binary_cross_entropy_with_logits(outputs[:, 0], targets.to(outputs.dtype))
    return functional.mse_loss(outputs[:, 0], targets.to(outputs.dtype))


def score_of(kind: str, outputs: Tensor, targets: Tensor) -> float:
    """The share of right classes, or where numbers are predicted R², the share of the variance."""
    if kind == "squared_error":
        predicted, truth = (values.detach().double().cpu().numpy() for values in (outputs[:, 0], targets))
        score = float(r_squared(predicted, truth))
        return score if math.isfinite(score) else math.nan
    guess = outputs.argmax(1) if kind == "cross_entropy" else (outputs[:, 0] > 0).long()
    return float((guess == targets).double().mean())


@torch.no_grad()
def all_outputs(model: nn.Module, X: Tensor) -> Tensor:
    """The outputs for many examples in evaluation mode, some at a time; the mode is as before afterwards."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        return torch.cat([outputs_of(model, X[at : at + _CHUNK]) for at in range(0, len(X), _CHUNK)])
    finally:
        for module, training in modes:
            module.training = training


def operations_of(model: nn.Module, inputs: Tensor) -> float:
    """Multiplications and additions that a call of the forward pass takes for one example, in the mean over the calls.

    Calls are what PyTorch counts, products, convolutions and attention. What a recurrent layer does is not among them:
    at least two operations are counted for each parameter, and a call for each matrix.
    """
    from torch.utils.flop_counter import FlopCounterMode, flop_registry

    counted, calls = FlopCounterMode(display=False), _Calls(flop_registry)
    with untouched(model, inputs[:1]) as x, torch.no_grad(), counted, calls:
        model.eval()(x)
    parameters = list(model.parameters())
    operations = max(counted.get_total_flops(), 2 * sum(each.numel() for each in parameters))
    return operations / max(calls.made, sum(each.ndim > 1 for each in parameters), 1)


class _Calls(TorchDispatchMode):
    """Counts the calls of some operators."""

    def __init__(self, of: Container[Any]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # PyTorch's
        self.of, self.made = of, 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.made += func._overloadpacket in self.of
        return func(*args, **(kwargs or {}))


def train_model(
    model: nn.Module,
    X: Tensor,
    targets: Tensor,
    kind: Criterion,
    *,
    optimizer: str,
    weight_decay: float | None = None,
    learning_rate: float,
    steps: int,
    record_every: int,
    batches: Iterable[Any],
    factor: Callable[[int], float] = lambda step: 1.0,
    clipping: float | None = None,
    validation: tuple[Tensor, Tensor] | None = None,
    patience: int = 1,
    progress: Callable[[int], None] = lambda step: None,
    multipliers: Mapping[str, Multipliers] | None = None,
) -> LoopRun:
    """Train the model in place.

    Arguments:
        model: on the device of X, its mode set as it is to train.
        X: the inputs, an example a row; `targets` are class numbers, or the numbers to predict.
        kind: cross_entropy, binary_cross_entropy or squared_error, or a function of (outputs, targets).
        optimizer: gradient_descent, momentum (0.9), adam, or adamw (weight decay 0.01), as PyTorch has them.
        weight_decay: that of the optimizer; None for its own.
        learning_rate, steps: of the run.
        record_every: the steps between recorded losses.
        batches: the examples of each step: their numbers, or a slice.
        factor: what the learning rate of each step is multiplied by.
        clipping: the largest norm of a gradient; None for any.
        validation: inputs and targets whose loss, taken with each recorded one, decides when to stop and which
            parameters the model keeps: the lowest's, once `patience` in a row were not lower.
        progress: called with the number of finished steps, about a hundred times.
        multipliers: by a parameter's name what its learning rate, epsilon and decay are multiplied by.
    """
    update = TORCH_OPTIMIZERS[optimizer](grouped(dict(model.named_parameters()), multipliers or {}), learning_rate)
    for group in update.param_groups:
        if weight_decay is not None:
            group["weight_decay"] = weight_decay
        multiply(group)
    rates = [group["lr"] for group in update.param_groups]
    losses: list[float] = []
    often = max(1, steps // 100)

    def measured() -> tuple[float, Tensor]:
        outputs = all_outputs(model, X)
        value = float(loss_of(kind, outputs, targets))
        finite = math.isfinite(value) and all(bool(torch.isfinite(p).all()) for p in model.parameters())
        return value if finite else math.nan, outputs

    def held_out_loss() -> float:
        assert validation is not None
        return float(loss_of(kind, all_outputs(model, validation[0]), validation[1]))

    best = None if validation is None else Lowest(model, held_out_loss, patience)
    for step, batch in zip(range(steps), batches, strict=False):
        if step % record_every == 0:
            value, outputs = measured()
            losses.append(value)
            if math.isnan(value):
                places = len(range(0, steps, record_every))
                return LoopRun((*losses, *(math.nan,) * (places - len(losses))), math.nan, step, outputs)
            if best is not None and best.ends(step):
                break
        chosen = batch if isinstance(batch, slice) else torch.from_numpy(batch).to(X.device)
        update.zero_grad(set_to_none=True)
        loss = loss_of(kind, outputs_of(model, X[chosen]), targets[chosen])
        loss.backward()
        if clipping is not None:
            nn.utils.clip_grad_norm_(model.parameters(), clipping)
        for group, rate in zip(update.param_groups, rates, strict=True):
            group["lr"] = rate * factor(step)
        update.step()
        if (step + 1) % often == 0:
            progress(step + 1)
    progress(steps)
    final, outputs = measured()
    if best is None or (best.stopped_at is None and math.isnan(final)):
        return LoopRun(tuple(losses), final, steps if math.isnan(final) else None, outputs)
    if best.stopped_at is None:
        best.look(steps)
    best.restore()
    final, outputs = measured()
    losses += [math.nan] * (len(range(0, steps, record_every)) - len(losses))
    return LoopRun(tuple(losses), final, None, outputs, best.step, best.stopped_at)
