"""What a frame of a film must show, from its definition, in NumPy and the reference engine."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from goodinit.datasets import Dataset
from goodinit.networks import MLP, Parameters
from goodinit.training import decide, deltas, forward, loss, probabilities

UNIT = 12  # pixels of a unit's thumbnail, a side


@dataclass(frozen=True)
class Told:
    """What an opening says is drawn: the box of the plane or the samples, the map's pixels, units of each layer."""

    box: list[float] | None
    samples: int
    size: int
    drawn: dict[int, int]

    @classmethod
    def of(cls, opening: dict) -> Told:
        drawn = {0: opening["network"]["drawn"]["inputs"]}
        drawn |= {each["layer"]: each["units"] for each in opening["network"]["drawn"]["layers"]}
        samples = opening["data"]["samples"]
        return cls(opening["data"]["box"], samples["count"] if samples else 0, opening["map"]["size"], drawn)


def frame(network: MLP, data: Dataset, parameters: Parameters, told: Told, image: bool) -> dict:
    """The frame of one network, an ensemble of one."""
    with np.errstate(all="ignore"):
        return _frame(network, data, parameters, told, image)


def _frame(network: MLP, data: Dataset, parameters: Parameters, told: Told, image: bool) -> dict:
    X, Y, X_test = np.ascontiguousarray(data.X_train.T), data.targets, np.ascontiguousarray(data.X_test.T)
    Z, A = forward(network, parameters, X)
    test = forward(network, parameters, X_test)[0][-1]
    single = {name: p.astype(np.float32) for name, p in parameters.items()}
    picture, responses = None, [None] * network.depth
    if told.box is not None:
        logits = forward(network, single, grid(told.box, told.size).astype(np.float32))[0][-1][0]
        picture = _map(network, logits)
        thumbs_Z, thumbs_A = forward(network, single, grid(told.box, UNIT).astype(np.float32))
        responses = [values[0] for values in (*thumbs_A[1:], thumbs_Z[-1])]
    gradients, squares = {}, {}
    for layer, dZ in deltas(network, parameters, Z, Y):
        gradients[layer] = (dZ @ A[layer - 1].swapaxes(-1, -2))[0]
        squares[layer] = float((dZ**2).mean())
    outputs = [*(a[0] for a in A[1:]), Z[-1][0]]
    finite = np.isfinite(loss(network, Z[-1], Y)[0]) and all(np.isfinite(p).all() for p in parameters.values())
    layers = []
    for layer, values in enumerate(outputs, 1):
        units, before = told.drawn.get(layer, 0), told.drawn.get(layer - 1, 0)
        W = parameters[f"W{layer}"][0]
        shown = W[:units] if image and layer == 1 and units else responses[layer - 1]
        links = bool(units and before)
        layers.append(
            {
                **_diverging(shown[:units] if shown is not None and units else None),
                "means": values[:units].mean(axis=1) if units else None,
                "zeros": (values[:units] == 0).mean(axis=1) if units else None,
                "W": W[:units, :before] if links else None,
                "b": parameters[f"b{layer}"][0, :units, 0] if units else None,
                "dW": gradients[layer][:units, :before] if links else None,
                "activations": _counted(values),
                "gradients": _sizes(gradients[layer]),
                "forward": float((Z[layer - 1] ** 2).mean()),
                "backward": float(np.divide(squares[layer], squares[network.depth])),
            }
        )
    predicted, predicted_test = decide(network, Z[-1])[0], decide(network, test)[0]
    return {
        "loss": float(loss(network, Z[-1], Y)[0]),
        "test_loss": float(loss(network, test, data.test_targets)[0]),
        "train_accuracy": float((predicted == data.y_train).mean()),
        "test_accuracy": float((predicted_test == data.y_test).mean()),
        "diverged": not finite,
        "predicted": predicted.tolist(),
        "map": picture,
        "samples": _samples(network, test, told.samples),
        "layers": layers,
    }


def grid(box: list[float], size: int) -> np.ndarray:
    """The centres of size x size pixels of the box, row by row from the top, (2, pixels)."""
    x0, x1, y0, y1 = box
    centres = (np.arange(size) + 0.5) / size
    return np.stack([each.ravel() for each in np.meshgrid(x0 + (x1 - x0) * centres, y1 - (y1 - y0) * centres)])


def _byte(share: np.ndarray) -> np.ndarray:
    return np.clip(np.ceil(share * 256) - 1, 0, 255)


def _map(network: MLP, logits: np.ndarray) -> dict | None:
    if not np.isfinite(logits).all():
        return None
    p = probabilities(network, logits)
    return (
        {"p": _byte(p[0]), "class": None}
        if len(p) == 1
        else {"p": _byte(p.max(axis=0)), "class": logits.argmax(axis=0)}
    )


def _samples(network: MLP, logits: np.ndarray, count: int) -> dict | None:
    if not count:
        return None
    taken = np.linspace(0, logits.shape[-1] - 1, count).round().astype(int)
    predicted, p = decide(network, logits)[0, taken], probabilities(network, logits)[0][:, taken]
    chosen = np.where(predicted == 1, p[0], 1 - p[0]) if len(p) == 1 else p.max(axis=0)
    return {"class": predicted.tolist(), "p": _byte(np.nan_to_num(chosen))}


def _diverging(values: np.ndarray | None) -> dict:
    if values is None or not np.isfinite(values).all():
        return {"units": None, "scale": None}
    scale = np.abs(values).max(axis=1, keepdims=True)
    return {"units": np.rint(127.5 * (values / np.where(scale > 0, scale, 1) + 1)).ravel(), "scale": scale[:, 0]}


def _counted(values: np.ndarray) -> dict | None:
    largest = np.abs(values).max()
    if not math.isfinite(largest):
        return None
    top = 2.0 ** min(max(math.ceil(math.log2(largest)), -300), 1000) if largest > 0 else 1.0
    bottom = -top if values.min() < 0 else 0.0
    return {"range": [bottom, top], "counts": np.histogram(np.clip(values, bottom, top), 32, (bottom, top))[0]}


def _sizes(gradient: np.ndarray) -> dict:
    sizes = np.abs(gradient[~np.isnan(gradient)])
    logs = np.clip(np.log10(sizes[sizes > 0]), -16, 4)
    return {"counts": np.histogram(logs, 40, (-16, 4))[0], "zero": int((sizes == 0).sum())}
