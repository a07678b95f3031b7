"""Numbers measured on a network with given parameters and data: nothing here judges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from goodinit.activations import Activation
from goodinit.checkup.model_theory import baseline_saturation
from goodinit.findings import ZERO_GRADIENT
from goodinit.networks import MLP, Parameters
from goodinit.statistics.guessing import chance_loss
from goodinit.threads import blas_threads
from goodinit.training import Dtype, backward, forward, loss, probabilities

__all__ = ["EndMeasure", "LayerMeasure", "NetworkMeasure", "measure", "measure_end"]

SURE = 0.99  # a predicted class with at least this probability is called sure
ROUNDED: Final = 1e9  # how much larger the sums' rounding is in float32, and so what could be zero there
NEAR_BOUND = 0.015  # of the activation's range, from either bound: tanh beyond +-0.97


@dataclass(frozen=True)
class LayerMeasure:
    """One hidden layer: `units`, of which `distinct` differ in their weights; shares are between 0 and 1.

    `dead_share` counts units whose derivative is zero for every example; `saturated_share` counts activations
    near a bound of the activation's range (None where it has no two bounds), of which `usual_saturated_share` are those
    that standard normal inputs would give.
    """

    units: int
    distinct: int
    dead_share: float
    saturated_share: float | None
    activation_rms: float
    usual_saturated_share: float = 0.0


@dataclass(frozen=True)
class NetworkMeasure:
    """A whole network on its training set.

    `chance_loss` is that of equal probabilities, ln(classes), or for a squared error that of predicting the mean of
    the targets, their variance. `sure_share` counts examples whose likeliest class has probability 0.99 or more,
    `sure_and_wrong_share` those of them where it is not their class; both are None where numbers are predicted.
    `largest_gradients` holds the largest absolute entry of each parameter's gradient.
    """

    loss: float
    chance_loss: float
    layers: tuple[LayerMeasure, ...]
    sure_share: float | None
    sure_and_wrong_share: float | None
    logit_rms: float
    largest_gradients: dict[str, float]


@dataclass(frozen=True)
class EndMeasure:
    """A network after training: its loss on the training set, and the copies of another unit in each hidden layer.

    `rounding` is the relative difference below which two losses are called the same number.
    """

    loss: float
    duplicates: tuple[int, ...]
    rounding: float = 1e-9


def measure(
    network: MLP, parameters: Parameters, X: NDArray[np.float64], Y: NDArray[np.float64], dtype: Dtype = "float64"
) -> NetworkMeasure:
    """Measure one network (no ensemble): X is (inputs, examples), Y the targets, (outputs, examples).

    In float32 the network is measured as training in float32 has it; where a gradient could be zero but for rounding,
    in float64 all the same.
    """
    found = _measured(network, parameters, X, Y, dtype)
    if dtype == "float64" or min(found.largest_gradients.values()) > ROUNDED * ZERO_GRADIENT:
        return found
    return _measured(network, parameters, X, Y, "float64")  # also where a gradient is not a number


def measure_end(network: MLP, parameters: Parameters, loss: float, dtype: Dtype = "float64") -> EndMeasure:
    """What is told of a network after training; `loss` is what training itself ended with."""
    alike = tuple(
        network.widths[layer] - _distinct(parameters, layer, parameters[f"W{layer}"])
        for layer in range(1, network.depth)
    )
    return EndMeasure(loss, alike, 1e-9 if dtype == "float64" else 1e-6)


def _measured(
    network: MLP, given: Parameters, X: NDArray[np.float64], Y: NDArray[np.float64], dtype: Dtype
) -> NetworkMeasure:
    product = 2.0 * X.shape[1] * network.size / network.depth  # operations
    with np.errstate(all="ignore"), blas_threads(product):
        parameters: Parameters = {name: np.asarray(value, dtype) for name, value in given.items()}
        targets = np.asarray(Y, dtype)
        Z, A = forward(network, parameters, np.asarray(X, dtype))
        gradients = backward(network, parameters, Z, A, targets)
        sure_share, sure_and_wrong_share = _sure(network, Z[-1], targets)
        return NetworkMeasure(
            loss=float(loss(network, Z[-1], targets)),
            chance_loss=own.guess if (own := network.own_loss) else chance_loss(network.loss, max(2, len(Y)), Y),
            layers=tuple(
                _layer(network.activation, given, layer, Z[layer - 1], A[layer]) for layer in range(1, network.depth)
            ),
            sure_share=sure_share,
            sure_and_wrong_share=sure_and_wrong_share,
            logit_rms=_rms(Z[-1]),
            largest_gradients={name: float(np.abs(g).max()) for name, g in sorted(gradients.items())},
        )


def _sure(network: MLP, logits: NDArray[np.float64], Y: NDArray[np.float64]) -> tuple[float, float] | tuple[None, None]:
    """The shares of examples that are sure of a class, and sure of a wrong one."""
    if network.loss == "squared_error":
        return None, None
    p = probabilities(network, logits)
    likeliest = np.maximum(p, 1 - p)[0] if network.loss == "binary_cross_entropy" else p.max(axis=0)
    wrong = (p[0] > 0.5) != (Y[0] > 0.5) if len(p) == 1 else p.argmax(axis=0) != Y.argmax(axis=0)
    sure = likeliest >= SURE
    return float(sure.mean()), float((sure & wrong).mean())


def _layer(
    activation: Activation, parameters: Parameters, layer: int, Z: NDArray[np.float64], A: NDArray[np.float64]
) -> LayerMeasure:
    W = parameters[f"W{layer}"]
    dead = (activation.derivative(Z) == 0).all(axis=1)
    return LayerMeasure(
        units=len(W),
        distinct=_distinct(parameters, layer, W),
        dead_share=float(dead.mean()),
        saturated_share=_saturated_share(activation, A),
        activation_rms=_rms(A),
        usual_saturated_share=baseline_saturation(activation.name, NEAR_BOUND),
    )


def _distinct(parameters: Parameters, layer: int, W: NDArray[np.float64]) -> int:
    """The units of a layer that differ in what goes in and what comes out of them."""
    if len(np.unique(W[:, 0])) == len(W):  # no two of them have the same first weight
        return len(W)
    unit = np.hstack([W, parameters[f"b{layer}"], parameters[f"W{layer + 1}"].T])
    return len(np.unique(unit, axis=0))


def _saturated_share(activation: Activation, A: NDArray[np.float64]) -> float | None:
    low, high = activation.saturation
    if low is None or high is None:
        return None
    margin = NEAR_BOUND * (high - low)
    return float(((low + margin >= A) | (high - margin <= A)).mean())


def _rms(values: NDArray[np.float64]) -> float:
    return float(np.sqrt(np.mean(values**2)))
