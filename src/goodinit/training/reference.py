"""The reference engine: the textbook's mathematics in plain NumPy, float64, to be read from top to bottom.

A network of depth L turns the inputs A0 = X, one column an example, into logits ZL:

    Z1 = W1 A0 + b1,   A1 = phi(Z1),   ...,   ZL = WL A(L-1) + bL

and the loss is the mean cross-entropy, or the mean squared error, of ZL against the targets Y. Every function also
takes an ensemble: parameters with a leading axis, one network a row, all trained on the same X and Y at once.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import special

from goodinit.networks import MLP, Parameters
from goodinit.statistics import determination
from goodinit.training import own_loss
from goodinit.training.optimizers import OPTIMIZERS
from goodinit.training.schedule import Call, Run, SnapshotCallback, check_snapshots

__all__ = [
    "accuracy",
    "backward",
    "decide",
    "deltas",
    "forward",
    "loss",
    "predict",
    "probabilities",
    "r_squared",
    "train",
]

Array = NDArray[np.float64]


def forward(network: MLP, parameters: Parameters, X: Array) -> tuple[list[Array], list[Array]]:
    """The pre-activations [Z1, ..., ZL] and the layers' inputs [A0, ..., A(L-1)]; X is (inputs, examples).

    The last pre-activations are the logits, of shape (outputs, examples).
    """
    Z: list[Array] = []
    A: list[Array] = [X]
    for layer in range(1, network.depth + 1):
        Z.append(parameters[f"W{layer}"] @ A[-1] + parameters[f"b{layer}"])
        if layer < network.depth:
            A.append(network.activation.value(Z[-1]))
    return Z, A


def loss(network: MLP, logits: Array, Y: Array) -> Array:
    """The mean cross-entropy over the examples, in nats, from the logits, so that it is finite for every finite logit.

    Y is (1, examples) of 0 and 1 for one output, and one-hot (classes, examples) for several. The squared error is
    the mean of (z - y)^2 over examples and outputs, as in PyTorch's MSELoss.
    """
    if network.own_loss is not None:
        return own_loss.values(network, logits, Y)
    if network.loss == "binary_cross_entropy":
        each = np.logaddexp(0, logits) - Y * logits  # -ln sigma(z) where y = 1, -ln(1 - sigma(z)) where y = 0
    elif network.loss == "squared_error":
        each = (logits - Y) ** 2
    else:
        each = special.logsumexp(logits, axis=-2, keepdims=True) - (Y * logits).sum(axis=-2, keepdims=True)
    return np.asarray(each.mean(axis=(-2, -1)))


def probabilities(network: MLP, logits: Array) -> Array:
    """The sigmoid of one logit, or the softmax over several; the same shape.

    The squared error has no probabilities: its outputs, clipped to 0..1, stand for them.
    """
    if network.loss == "squared_error":
        return np.clip(logits, 0, 1)
    if network.loss == "binary_cross_entropy":
        return np.asarray(special.expit(logits))
    return np.asarray(special.softmax(logits, axis=-2))


def backward(network: MLP, parameters: Parameters, Z: list[Array], A: list[Array], Y: Array) -> Parameters:
    """The gradient of the mean loss by each parameter, by the chain rule from the last layer to the first."""
    gradients: Parameters = {}
    for layer, dZ in deltas(network, parameters, Z, Y):
        gradients[f"W{layer}"] = dZ @ A[layer - 1].swapaxes(-1, -2)
        gradients[f"b{layer}"] = dZ.sum(axis=-1, keepdims=True)
    return gradients


def deltas(network: MLP, parameters: Parameters, Z: list[Array], Y: Array) -> Iterator[tuple[int, Array]]:
    """Each layer with the gradient of the mean loss by its pre-activations, from the last layer to the first."""
    if network.own_loss is not None:
        dZ = own_loss.slopes(network, Z[-1], Y)
    elif network.loss == "squared_error":
        dZ = 2 * (Z[-1] - Y) / Y.size
    else:
        dZ = (probabilities(network, Z[-1]) - Y) / Y.shape[-1]
    for layer in range(network.depth, 0, -1):
        yield layer, dZ
        if layer > 1:
            dA = parameters[f"W{layer}"].swapaxes(-1, -2) @ dZ
            dZ = dA * network.activation.derivative(Z[layer - 2])


def clipped(gradients: Parameters, limit: float) -> Parameters:
    """The gradients, scaled down where the norm over all parameters of a network is above the limit.

    As by torch.nn.utils.clip_grad_norm_, which divides by that norm and a millionth.
    """
    squares = sum((g**2).sum(axis=(-2, -1), keepdims=True) for g in gradients.values())
    factor = np.minimum(1, limit / (np.sqrt(squares) + 1e-6))
    return {name: g * factor for name, g in gradients.items()}


def predict(network: MLP, parameters: Parameters, X: Array) -> NDArray[np.intp]:
    """The class of each example, shape (..., examples), by `decide`."""
    with np.errstate(all="ignore"):  # parameters that diverged still have a prediction
        return decide(network, forward(network, parameters, X)[0][-1])


def decide(network: MLP, logits: Array) -> NDArray[np.intp]:
    """The class that the logits tell, shape (..., examples): the likelier one; of equally likely ones the first.

    With the squared error it is the class whose target, 0 or 1 or a one-hot column, is nearest.
    """
    if network.loss == "binary_cross_entropy":
        return (logits[..., 0, :] > 0).astype(np.intp)
    if network.widths[-1] == 1:
        return (logits[..., 0, :] > 0.5).astype(np.intp)
    return np.asarray(logits.argmax(axis=-2))


def accuracy(network: MLP, parameters: Parameters, X: Array, labels: NDArray[np.intp]) -> Array:
    """The share of examples whose class is predicted; labels are class numbers, one an example."""
    return np.asarray((predict(network, parameters, X) == labels).mean(axis=-1))


def r_squared(network: MLP, parameters: Parameters, X: Array, y: Array) -> Array:
    """The coefficient of determination of one output against the numbers y, one an example; 1 is best."""
    with np.errstate(all="ignore"):  # parameters that diverged still have outputs
        return determination.r_squared(forward(network, parameters, X)[0][-1][..., 0, :], y)


def train(call: Call) -> Run:
    """Train an ensemble as `call` says, in float64."""
    network, X, Y, schedule = call.network, call.X, call.Y, call.schedule
    parameters = {name: value.copy() for name, value in call.start.items()}
    optimizer = OPTIMIZERS[schedule.optimizer]
    update = optimizer.update()
    networks = len(next(iter(parameters.values())))
    rates, multipliers = call.rates()
    rate_of = {name: rates[:, None, None] * multiplier for name, multiplier in multipliers.items()}
    decays = call.decays()
    wanted = check_snapshots(call.snapshots, schedule.steps)
    losses = np.full((networks, len(schedule.recorded)), np.nan)
    diverged_by: list[int | None] = [None] * networks
    stopped: dict[int, Parameters] = {}  # a network that diverged stands still
    kept: dict[int, Parameters] = {}
    keep: SnapshotCallback = call.watch or kept.__setitem__
    often = max(1, schedule.steps // 100)

    def record(step: int) -> Array:
        value = loss(network, forward(network, parameters, X)[0][-1], Y)
        finite = np.isfinite(value) & np.all([np.isfinite(p).all(axis=(-2, -1)) for p in parameters.values()], axis=0)
        for member in np.flatnonzero(~finite).tolist():
            if diverged_by[member] is None:
                diverged_by[member] = step
                stopped[member] = {name: p[member].copy() for name, p in parameters.items()}
        return np.where([by is None for by in diverged_by], value, np.nan)

    def current() -> Parameters:
        now = {name: p.copy() for name, p in parameters.items()}
        for member, values in stopped.items():
            for name, p in values.items():
                now[name][member] = p
        return now

    with np.errstate(all="ignore"):  # what overflows is recorded as divergence, not printed as a warning
        for step, batch in zip(range(schedule.steps), call.batches, strict=True):
            if step % schedule.record_every == 0:
                losses[:, step // schedule.record_every] = record(step)
                if None not in diverged_by:
                    break
            if step in wanted:
                keep(step, current())
                wanted.remove(step)
            Z, A = forward(network, parameters, X[:, batch])
            gradients = backward(network, parameters, Z, A, Y[:, batch])
            if schedule.gradient_clipping is not None:
                gradients = clipped(gradients, schedule.gradient_clipping)
            factor = schedule.factor(step)
            now = rate_of if factor == 1 else {name: rate * factor for name, rate in rate_of.items()}
            for name, decay in decays.items():
                if optimizer.decoupled:
                    parameters[name] *= 1 - now[name] * decay
                else:
                    gradients[name] = gradients[name] + decay * parameters[name]
            update(parameters, gradients, now)
            if (step + 1) % often == 0:
                call.progress(step + 1)
        final_loss = record(schedule.steps)
    call.progress(schedule.steps)
    final = current()
    for step in wanted:
        keep(step, final)
    return Run(schedule.recorded, losses, final_loss, final, tuple(diverged_by), kept)
