"""The torch engine: an ensemble as batched matrix products in PyTorch, for wide networks, on a CUDA device or the CPU.

It trains as `reference` does, by the same formulas written in torch operations, in float64 or float32. PyTorch is
imported at the first use. Its threads, default dtype, generators and precision settings are left as they are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from goodinit.activations import SELU_ALPHA, SELU_SCALE
from goodinit.errors import GoodinitError
from goodinit.networks import MLP, Parameters
from goodinit.training import own_loss
from goodinit.training.arguments import check_examples, check_start
from goodinit.training.optimizers import OPTIMIZERS
from goodinit.training.schedule import BatchIndices, Call, Run, Schedule, check_snapshots

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["KNOWN", "available", "device", "has_gpu", "train"]

_GROUP_BYTES: Final = 1 << 28  # of activations held at a time; a larger ensemble is trained group after group


def _import() -> Any:
    try:
        import torch
    except ImportError as error:
        raise GoodinitError(
            f"the torch engine needs PyTorch, which cannot be imported ({error}); pip install 'goodinit[torch]', or "
            "use engine='auto'"
        ) from None
    return torch


def available() -> bool:
    """Whether PyTorch is installed; it is not imported for the answer."""
    try:
        return find_spec("torch") is not None
    except (ImportError, ValueError):
        return False


def has_gpu() -> bool:
    """Whether this machine has a GPU that PyTorch may use; it is not imported for the answer."""
    return available() and any(Path(each).exists() for each in ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd"))


def device() -> str:
    """Where `train` computes unless it is told: `cuda` where PyTorch finds such a device, else `cpu`."""
    return "cuda" if _import().cuda.is_available() else "cpu"


def train(call: Call, *, device: str | None = None) -> Run:
    """Train an ensemble as `call` says; the network's activation must be one of `KNOWN`.

    `device` is as PyTorch names it; None takes a CUDA device where there is one, else the CPU. A watch is told the
    snapshots at the end.

    Returns a Run whose arrays are NumPy's, in float64. Which bits it has depends on PyTorch's matrix products, and so
    on its version, its threads and the number of networks.

    Raises GoodinitError where PyTorch is not installed, and for an array that cannot be used.
    """
    torch = _import()
    network, schedule, dtype, X, Y = call.network, call.schedule, call.dtype, call.X, call.Y
    if network.activation.family not in KNOWN:
        raise GoodinitError(
            f"activation {network.activation.name!r} is not one of its own: the torch engine cannot compute it; "
            "use engine='reference'"
        )
    chosen = device or ("cuda" if torch.cuda.is_available() else "cpu")
    check_examples(network, X, Y)
    networks = check_start(network, call.start)
    rates, multipliers = call.rates()
    decays = call.decays()
    wanted = check_snapshots(call.snapshots, schedule.steps)
    order = list(call.batches)
    if len(order) != schedule.steps:
        raise GoodinitError(f"there are {len(order)} batches for the {schedule.steps} steps of the schedule")

    try:
        place = {"dtype": getattr(torch, dtype), "device": torch.device(chosen)}
        task = _Task(
            torch, network, schedule, multipliers, decays, wanted, place, *(torch.tensor(a.T, **place) for a in (X, Y))
        )
    except (RuntimeError, AssertionError) as error:
        raise GoodinitError(f"device {chosen!r} cannot be used: {str(error).splitlines()[0]}") from None
    held = 3 * X.shape[1] * sum(network.widths) * np.dtype(dtype).itemsize
    size = max(1, _GROUP_BYTES // held)
    groups = [slice(first, min(first + size, networks)) for first in range(0, networks, size)]
    often, reported = max(1, schedule.steps // 100), 0
    runs: list[Run] = []
    with torch.inference_mode():
        for number, group in enumerate(groups):
            members = {name: value[group] for name, value in call.start.items()}
            for step in _trained(task, members, rates[group], order, runs):
                done = (number * schedule.steps + step) // len(groups)
                if done // often > reported:
                    reported = done // often
                    call.progress(reported * often)
    call.progress(schedule.steps)
    run = _joined(runs)
    if call.watch is None:
        return run
    for step, parameters in run.snapshots.items():
        call.watch(step, parameters)
    return replace(run, snapshots={})


@dataclass(frozen=True)
class _Task:
    """What all groups of networks share; `X` and `Y` hold one example a row."""

    torch: Any
    network: MLP
    schedule: Schedule
    multipliers: dict[str, float]
    decays: dict[str, float]
    wanted: list[int]
    place: dict[str, Any]
    X: Tensor
    Y: Tensor

    def taken(self, batch: BatchIndices) -> tuple[Tensor, Tensor]:
        """The inputs and targets of a batch, one example a column."""
        if isinstance(batch, slice) and batch == slice(None):
            return self.X.T, self.Y.T
        chosen = self.torch.from_numpy(np.arange(len(self.X))[batch]).to(self.place["device"])
        return self.X[chosen].T, self.Y[chosen].T


def _trained(
    task: _Task, start: Parameters, rates: NDArray[np.float64], order: list[BatchIndices], runs: list[Run]
) -> Iterator[int]:
    """Train one group, telling each finished step; its Run joins `runs`."""
    torch, schedule = task.torch, task.schedule
    parameters = _Arrays(task, start)
    gradients = _Arrays(task, start)
    loss, value_and_slope = _loss(task), _activation(task)
    rate = _rates(task, parameters, rates)
    update = _optimizer(task, parameters.flat, gradients.flat, rate)
    decay = _decay(task, parameters, gradients, rate)
    networks = len(rates)
    losses = np.full((networks, len(schedule.recorded)), np.nan)
    diverged_by: list[int | None] = [None] * networks
    stopped: dict[int, Parameters] = {}  # a network that diverged stands still
    kept: dict[int, Parameters] = {}

    def record(step: int) -> NDArray[np.float64]:
        logits = _forward(task, parameters.named, task.X.T, value_and_slope)[0]
        value = loss(logits, task.Y.T).double().cpu().numpy()
        finite = torch.ones(networks, dtype=torch.bool, device=task.place["device"])
        for p in parameters.named.values():
            finite &= torch.isfinite(p).all(dim=-1).all(dim=-1)
        for member in np.flatnonzero(~(np.isfinite(value) & finite.cpu().numpy())).tolist():
            if diverged_by[member] is None:
                diverged_by[member] = step
                stopped[member] = {name: p[member].double().cpu().numpy().copy() for name, p in parameters}
        return np.where([by is None for by in diverged_by], value, np.nan)

    def current() -> Parameters:
        now = {name: p.double().cpu().numpy().copy() for name, p in parameters}
        for member, values in stopped.items():
            for name, p in values.items():
                now[name][member] = p
        return now

    for step, batch in enumerate(order):
        if step % schedule.record_every == 0:
            losses[:, step // schedule.record_every] = record(step)
            if None not in diverged_by:
                break
        if step in task.wanted:
            kept[step] = current()
        X, Y = task.taken(batch)
        logits, A, slopes = _forward(task, parameters.named, X, value_and_slope)
        _backward(task, parameters.named, gradients.named, logits, A, slopes, Y)
        if schedule.gradient_clipping is not None:
            _clip(torch, gradients, schedule.gradient_clipping)
        factor = schedule.factor(step)
        if decay is not None:
            decay(factor)
        update(factor)
        yield step + 1
    final_loss = record(schedule.steps)
    final = current()
    kept.update({step: final for step in task.wanted if step not in kept})
    runs.append(Run(schedule.recorded, losses, final_loss, final, tuple(diverged_by), kept))


class _Arrays:
    """W1, b1, W2, ... as views into one flat tensor, so that an optimizer's step is a few operations on the whole."""

    def __init__(self, task: _Task, values: Parameters) -> None:
        with np.errstate(over="ignore"):  # a start that overflows has diverged at step 0
            flat = np.concatenate([np.asarray(values[name], np.float64).ravel() for name in values])
            self.flat: Tensor = task.torch.tensor(flat.astype(str(task.place["dtype"]).split(".")[1]), **task.place)
        self.named: dict[str, Tensor] = {}
        at = 0
        for name, value in values.items():
            self.named[name] = self.flat[at : at + value.size].view(value.shape)
            at += value.size

    def __iter__(self) -> Iterator[tuple[str, Tensor]]:
        return iter(self.named.items())


def _forward(
    task: _Task, parameters: dict[str, Tensor], X: Tensor, value_and_slope: Any
) -> tuple[Tensor, list[Tensor], list[Callable[[], Tensor]]]:
    """The logits, the layers' inputs, and the activation's derivative at each hidden layer, computed when called."""
    A, slopes = [X], []
    for layer in range(1, task.network.depth + 1):
        W, b = parameters[f"W{layer}"], parameters[f"b{layer}"]
        Z = (W @ X).add_(b) if layer == 1 else task.torch.baddbmm(b, W, A[-1])
        if layer < task.network.depth:
            value, slope = value_and_slope(Z)
            A.append(value)
            slopes.append(slope)
    return Z, A, slopes


def _backward(
    task: _Task,
    parameters: dict[str, Tensor],
    gradients: dict[str, Tensor],
    logits: Tensor,
    A: list[Tensor],
    slopes: list[Callable[[], Tensor]],
    Y: Tensor,
) -> None:
    """Write the gradient of the mean loss by each parameter, by the chain rule from the last layer to the first."""
    torch = task.torch
    if task.network.own_loss is not None:
        dZ = own_loss.tensor_slopes(task.network, logits, Y)
    elif task.network.loss == "squared_error":
        dZ = (logits - Y).mul_(2 / Y.numel())
    else:
        binary = task.network.loss == "binary_cross_entropy"
        dZ = (torch.sigmoid(logits) if binary else torch.softmax(logits, dim=-2)).sub_(Y).div_(Y.shape[-1])
    for layer in range(task.network.depth, 0, -1):
        if layer == 1:
            torch.matmul(dZ, A[0].T, out=gradients["W1"])
        else:
            torch.bmm(dZ, A[layer - 1].mT, out=gradients[f"W{layer}"])
        torch.sum(dZ, dim=-1, keepdim=True, out=gradients[f"b{layer}"])
        if layer > 1:
            dZ = torch.bmm(parameters[f"W{layer}"].mT, dZ).mul_(slopes[layer - 2]())


def _loss(task: _Task) -> Callable[[Tensor, Tensor], Tensor]:
    """The mean loss of each network from its logits, as in `reference.loss`."""
    torch = task.torch
    if task.network.own_loss is not None:
        return lambda z, Y: own_loss.tensor_values(task.network, z, Y)
    if task.network.loss == "binary_cross_entropy":
        return lambda z, Y: (torch.logaddexp(z, torch.zeros_like(z)) - Y * z).mean(dim=(-2, -1))
    if task.network.loss == "squared_error":
        return lambda z, Y: ((z - Y) ** 2).mean(dim=(-2, -1))
    return lambda z, Y: (torch.logsumexp(z, dim=-2) - (Y * z).sum(dim=-2)).mean(dim=-1)


def _activation(task: _Task) -> Callable[[Tensor], tuple[Tensor, Callable[[], Tensor]]]:
    """The activation: from Z to its value and a function that computes its derivative there."""
    activation = task.network.activation
    value, derivative = _forms(task.torch, activation.parameter or 0.0)[str(activation.family)]

    def both(z: Tensor) -> tuple[Tensor, Callable[[], Tensor]]:
        a = value(z)
        return a, lambda: derivative(z, a)

    return both


def _forms(
    torch: Any, parameter: float
) -> dict[str, tuple[Callable[[Tensor], Tensor], Callable[[Tensor, Tensor], Tensor]]]:
    """Each activation's value, and its derivative from Z and the value, by the name of its family."""

    def softplus(z: Tensor) -> Tensor:
        return torch.logaddexp(z, torch.zeros_like(z))

    def elu(z: Tensor, alpha: float, scale: float = 1.0) -> Tensor:
        return torch.where(z > 0, scale * z, scale * alpha * torch.expm1(z.clamp(max=0)))

    def elu_slope(z: Tensor, alpha: float, scale: float = 1.0) -> Tensor:
        return torch.where(z > 0, scale, scale * alpha * torch.exp(z.clamp(max=0)))

    def mish_slope(z: Tensor) -> Tensor:
        t = torch.tanh(softplus(z))
        return t + z * torch.sigmoid(z) * (1 - t * t)

    return {
        "linear": (lambda z: z, lambda z, a: torch.ones_like(z)),
        "relu": (lambda z: torch.relu(z), lambda z, a: z > 0),
        "relu6": (lambda z: z.clamp(0, 6), lambda z, a: (z > 0) & (z < 6)),
        "leaky_relu": (
            lambda z: torch.where(z > 0, z, parameter * z),
            lambda z, a: torch.where(z > 0, torch.ones_like(z), parameter),
        ),
        "elu": (lambda z: elu(z, parameter), lambda z, a: elu_slope(z, parameter)),
        "selu": (lambda z: elu(z, SELU_ALPHA, SELU_SCALE), lambda z, a: elu_slope(z, SELU_ALPHA, SELU_SCALE)),
        "gelu": (
            lambda z: z * torch.special.ndtr(z),
            lambda z, a: torch.special.ndtr(z) + z * torch.exp(-z * z / 2) / math.sqrt(2 * math.pi),
        ),
        "silu": (
            lambda z: z * torch.sigmoid(z),
            lambda z, a: torch.sigmoid(z) * (1 + z * torch.sigmoid(-z)),
        ),
        "mish": (lambda z: z * torch.tanh(softplus(z)), lambda z, a: mish_slope(z)),
        "softplus": (softplus, lambda z, a: torch.sigmoid(z)),
        "sigmoid": (lambda z: torch.sigmoid(z), lambda z, a: a * torch.sigmoid(-z)),
        "tanh": (lambda z: torch.tanh(z), lambda z, a: 1 - a * a),
        "erf": (lambda z: torch.erf(z), lambda z, a: 2 / math.sqrt(math.pi) * torch.exp(-z * z)),
        "hard_tanh": (lambda z: z.clamp(-1, 1), lambda z, a: z.abs() < 1),
        "softsign": (lambda z: z / (1 + z.abs()), lambda z, a: (1 + z.abs()) ** -2),
        "sine": (lambda z: torch.sin(parameter * z), lambda z, a: parameter * torch.cos(parameter * z)),
    }


KNOWN: Final = frozenset(_forms(None, 0.0))  # PyTorch is used only where a form is called
"""The activations that this engine has, by their names in the table."""


def _rates(task: _Task, parameters: _Arrays, rates: NDArray[np.float64]) -> float | Tensor:
    """One learning rate where all networks and parameters share it, else one for each number of the flat tensor."""
    own_rates = any(value != 1 for value in task.multipliers.values())
    if (rates == rates[0]).all() and not own_rates:
        return float(rates[0])
    each = task.torch.tensor(rates, **task.place)
    if not own_rates:
        return task.torch.cat([each[:, None, None].expand_as(p).reshape(-1) for _, p in parameters])
    return task.torch.cat(
        [(each * task.multipliers[name])[:, None, None].expand_as(p).reshape(-1) for name, p in parameters]
    )


def _clip(torch: Any, gradients: _Arrays, limit: float) -> None:
    """Scale down the gradients of each network whose norm is above the limit, as torch.nn.utils.clip_grad_norm_."""
    squares = sum(g.square().sum(dim=(-2, -1), keepdim=True) for _, g in gradients)
    factor = (limit / (torch.sqrt(squares) + 1e-6)).clamp_(max=1)
    for _, g in gradients:
        g.mul_(factor)


def _decay(
    task: _Task, parameters: _Arrays, gradients: _Arrays, rate: float | Tensor
) -> Callable[[float], None] | None:
    """What adds the weight decay to the gradients, or takes it off the parameters where it is decoupled; None for none.

    It is told what the step's rates are multiplied by.
    """
    p, g = parameters.flat, gradients.flat
    if not task.decays:
        return None
    decay: float | Tensor = next(iter(task.decays.values()))
    if len(set(task.decays.values())) > 1:
        decay = task.torch.cat(
            [task.torch.full((each.numel(),), task.decays[name], **task.place) for name, each in parameters]
        )

    def off_parameters(factor: float) -> None:
        p.mul_(1 - rate * factor * decay)

    def to_gradients(factor: float) -> None:
        if isinstance(decay, float):
            g.add_(p, alpha=decay)
        else:
            g.addcmul_(p, decay)

    return off_parameters if OPTIMIZERS[task.schedule.optimizer].decoupled else to_gradients


def _optimizer(task: _Task, p: Tensor, g: Tensor, rate: float | Tensor) -> Callable[[float], None]:
    """What changes p in place by its gradient g: the rules of `optimizers`, on flat tensors.

    It is told what the step's rates are multiplied by.
    """

    def move(direction: Tensor, factor: float) -> None:
        if isinstance(rate, float):
            p.sub_(direction, alpha=rate * factor)
        else:
            p.addcmul_(direction, rate, value=-factor)

    if task.schedule.optimizer == "gradient_descent":
        return lambda factor: move(g, factor)
    first, second = (task.torch.zeros_like(p) for _ in range(2))
    if task.schedule.optimizer == "momentum":
        return lambda factor: move(first.mul_(0.9).add_(g), factor)
    step = 0

    def adam(factor: float) -> None:
        nonlocal step
        step += 1
        first.mul_(0.9).add_(g, alpha=1 - 0.9)
        second.mul_(0.999).addcmul_(g, g, value=1 - 0.999)
        root = (second / (1 - 0.999**step)).sqrt_().add_(1e-8)
        move((first / (1 - 0.9**step)).div_(root), factor)

    return adam


def _joined(runs: list[Run]) -> Run:
    """The runs of several groups as one."""

    def joined(parts: list[Parameters]) -> Parameters:
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    return Run(
        runs[0].recorded,
        np.concatenate([run.losses for run in runs]),
        np.concatenate([run.final_loss for run in runs]),
        joined([run.parameters for run in runs]),
        tuple(by for run in runs for by in run.diverged_by),
        {step: joined([run.snapshots[step] for run in runs]) for step in runs[0].snapshots},
    )
