"""Scenes, frames and bands as the page reads them: compact JSON, arrays as base64, null for what is not finite."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from goodinit.datasets import BUILTIN, Dataset
from goodinit.jsonable import finite_or_none, json_fields
from goodinit.lab.scene import Choice, Scene
from goodinit.results import Trial
from goodinit.scenes import UNIT, Band, Film, Frame, LayerPicture, Opening

__all__ = ["band", "frame", "opening", "outcome", "scene"]


def packed(values: NDArray[Any] | None) -> str | None:
    """An array as base64 of little-endian uint8 or float32 values."""
    if values is None:
        return None
    kind = "u1" if values.dtype.kind in "ui" else "<f4"
    with np.errstate(over="ignore"):  # beyond float32 is infinite there
        return base64.b64encode(np.ascontiguousarray(values, kind).tobytes()).decode("ascii")


def scene(asked: Scene, film: Film, moments: Sequence[int]) -> dict[str, Any]:
    """The event `scene`: everything that stays the same throughout the film."""
    network, data, view = film.task.mlp, film.data, film.view
    layers = [
        {"layer": layer, "units": count, "of": network.widths[layer]} for layer, count in view.drawn.items() if layer
    ]
    samples = None
    if view.samples is not None:
        taken = view.samples
        samples = {
            "values": packed(data.X_test[taken]),
            "labels": packed(data.y_test[taken]),
            "count": len(taken),
        }
    kind = BUILTIN.get(asked.data.name)
    return {
        "scene": asked.to_dict(),
        "data": {
            "name": data.name,
            "note": data.note,
            "features": list(data.features),
            "classes": list(data.classes),
            "image": list(kind.image) if kind is not None and kind.image else None,
            "box": None if view.box is None else list(view.box),
            "train": _examples(data, data.X_train, data.y_train),
            "test": _examples(data, data.X_test, data.y_test),
            "samples": samples,
        },
        "network": {
            "widths": list(network.widths),
            "weights": sum(weight.size for weight in network.weights),
            "loss": network.loss,
            "activation": network.activation.name,
            "drawn": {"inputs": view.units(0), "layers": layers},
        },
        "map": {"size": view.size},
        "unit": {"size": UNIT},
        "starts": [_start(each) for each in asked.inits],
        "steps": list(moments),
    }


def _start(choice: Choice) -> dict[str, Any]:
    return {"name": choice.text, "spec": choice.spec, "gain": choice.gain}


def _examples(data: Dataset, X: NDArray[np.float64], y: NDArray[Any]) -> dict[str, Any]:
    points = packed(X) if len(data.features) == 2 else None
    return {"points": points, "labels": packed(y), "count": len(y)}


def opening(given: Opening) -> dict[str, Any]:
    """A start in the event `begin`."""
    forward = [layer.preactivation_variance for layer in given.forecast]
    backward = [layer.gradient_square for layer in given.forecast]
    return {
        "frame": frame(given.frame),
        "expected": {"forward": _expected(forward), "backward": _expected(backward)},
        "findings": [finding.to_dict() for finding in given.findings],
        "measure": json_fields(given.measure),
    }


def _expected(values: Sequence[float | None]) -> list[float | None] | None:
    if not values or any(value is None for value in values):
        return None
    return [finite_or_none(value) for value in values]


def frame(given: Frame) -> dict[str, Any]:
    """One start at one moment."""
    picture = samples = None
    if given.certainty is not None:
        picture = {"p": packed(given.certainty)}
        if given.regions is not None:
            picture["class"] = packed(given.regions)
    if given.sample_class is not None:
        samples = {"class": packed(given.sample_class), "p": packed(given.sample_certainty)}
    return {
        "loss": finite_or_none(given.loss),
        "test_loss": finite_or_none(given.test_loss),
        "train_accuracy": given.train_accuracy,
        "test_accuracy": given.test_accuracy,
        "diverged": given.diverged,
        "map": picture,
        "predicted": {"train": packed(given.predicted_train), "test": packed(given.predicted_test)},
        "samples": samples,
        "layers": [_layer(each) for each in given.layers],
    }


def _layer(given: LayerPicture) -> dict[str, Any]:
    activations = None
    if given.activations is not None and given.range is not None:
        activations = {"range": list(given.range), "counts": given.activations.tolist()}
    return {
        "units": packed(given.responses),
        "scale": None if given.scale is None else [finite_or_none(value) for value in given.scale.tolist()],
        "means": packed(given.means),
        "zeros": packed(given.zeros),
        "W": packed(given.weights),
        "b": packed(given.biases),
        "dW": packed(given.gradients),
        "activations": activations,
        "gradients": {"counts": given.gradient_counts.tolist(), "zero": given.zero_gradients},
        "forward": finite_or_none(given.forward),
        "backward": finite_or_none(given.backward),
    }


def band(given: Mapping[str, Band]) -> dict[str, Any]:
    """A start's bands over the seeds."""
    return {name: json_fields(each) for name, each in given.items()}


def outcome(trial: Trial, last: Frame) -> dict[str, Any]:
    """A start in the event `end`: the trial as `goodinit compare` tells it."""
    return {
        "name": trial.name,
        "loss": finite_or_none(trial.final_loss),
        "test_loss": finite_or_none(last.test_loss),
        "train_accuracy": trial.train_accuracy,
        "test_accuracy": trial.test_accuracy,
        "diverged": trial.diverged,
        "diverged_by": trial.diverged_by,
        "why": trial.why,
        "findings": [finding.to_dict() for finding in trial.findings],
    }
