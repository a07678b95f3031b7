"""What a network looks like at one moment of its training, in numbers: a `Camera` makes a `Frame` of parameters.

Pictures are 8-bit where a screen shows no more, so that a film of a hundred frames is a megabyte.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray

from goodinit.datasets import Dataset
from goodinit.networks import MLP, Parameters
from goodinit.scenes.view import UNIT, View
from goodinit.training import decide, deltas, forward, loss, probabilities

__all__ = ["ACTIVATION_BINS", "GRADIENT_BINS", "Camera", "Frame", "LayerPicture"]

Array = NDArray[np.float64]
Bytes = NDArray[np.uint8]

ACTIVATION_BINS: Final = 32
GRADIENT_BINS: Final = 40  # half decades of |gradient|
GRADIENT_RANGE: Final = (-16.0, 4.0)  # log10; what lies beyond is in the first and the last bin
TOGETHER: Final = 1 << 20  # activations computed at a time, which bounds memory


@dataclass(frozen=True)
class LayerPicture:
    """One layer of weights with the units behind it.

    `responses` are the drawn units' values over the plane, 8 bits a pixel, 0 at 127.5 and `scale` at 255; for
    images, in the first layer, the unit's incoming weights. `means` are those units' means over the training examples,
    `zeros` the shares of these for which they put out 0. `weights` and `gradients` are those of the drawn links,
    (drawn units, drawn units before). `activations` counts all units' values over the training examples in equal bins
    of `range`; `gradient_counts` the layer's weights by log10 of their gradient's size, `zero_gradients` those without.
    `forward` is the mean square of the pre-activations, `backward` that of the loss's gradient by them, in units of
    the last layer's; nan where that is not finite.
    """

    responses: Bytes | None
    scale: NDArray[np.float32] | None
    means: NDArray[np.float32] | None
    zeros: NDArray[np.float32] | None
    weights: NDArray[np.float32] | None
    biases: NDArray[np.float32] | None
    gradients: NDArray[np.float32] | None
    activations: NDArray[np.intp] | None
    range: tuple[float, float] | None
    gradient_counts: NDArray[np.intp]
    zero_gradients: int
    forward: float
    backward: float


@dataclass(frozen=True)
class Frame:
    """One network at one moment.

    `certainty` is the map: with two classes the probability of class 1, of which 128 and more mean that class 1 is
    predicted; with more the probability of the predicted class, which `regions` names. `predicted_*` are the classes
    predicted for the examples, `sample_*` the class and its probability for the samples shown.
    """

    loss: float
    test_loss: float
    train_accuracy: float
    test_accuracy: float
    diverged: bool
    certainty: Bytes | None
    regions: Bytes | None
    predicted_train: Bytes
    predicted_test: Bytes
    sample_class: Bytes | None
    sample_certainty: Bytes | None
    layers: tuple[LayerPicture, ...]


class Camera:
    """Makes frames of networks that are trained on that data, all from the same `view`."""

    def __init__(self, network: MLP, data: Dataset, view: View) -> None:
        self.network, self.data, self.view = network, data, view
        self.X, self.Y = np.ascontiguousarray(data.X_train.T), data.targets
        self.X_test, self.Y_test = np.ascontiguousarray(data.X_test.T), data.test_targets
        self.pixels = view.size * view.size
        self.plane: NDArray[np.float32] | None = None  # pictures of 8 bits need no float64
        if view.box is not None:
            self.plane = np.hstack([view.grid(view.size), view.grid(UNIT)]).astype(np.float32)
        held = sum(network.widths) * max(self.X.shape[1], 0 if self.plane is None else self.plane.shape[1])
        self.together = max(1, TOGETHER // held)

    def frames(self, parameters: Parameters) -> list[Frame]:
        """The frames of an ensemble, one a network."""
        members = len(parameters["W1"])
        made: list[Frame] = []
        with np.errstate(all="ignore"):  # a network that diverged has its frame
            for first in range(0, members, self.together):
                made += self._frames({name: p[first : first + self.together] for name, p in parameters.items()})
        return made

    def _frames(self, parameters: Parameters) -> list[Frame]:
        network = self.network
        Z, A = forward(network, parameters, self.X)
        outputs = [*A[1:], Z[-1]]
        losses = loss(network, Z[-1], self.Y)
        test_logits = forward(network, parameters, self.X_test)[0][-1]
        test_losses = loss(network, test_logits, self.Y_test)
        predicted, predicted_test = (_classes(network, logits) for logits in (Z[-1], test_logits))
        gradients: list[Array] = [np.empty(0)] * network.depth
        squares: list[Array] = [np.empty(0)] * network.depth
        for layer, dZ in deltas(network, parameters, Z, self.Y):
            gradients[layer - 1] = dZ @ A[layer - 1].swapaxes(-1, -2)
            squares[layer - 1] = (dZ**2).mean(axis=(-2, -1))
        forwards = [(z**2).mean(axis=(-2, -1)) for z in Z]
        plane, responses = self._over_the_plane(parameters)
        sample_class, sample_certainty = self._samples(parameters)
        frames = []
        for at in range(len(losses)):
            finite = bool(np.isfinite(losses[at])) and all(np.isfinite(p[at]).all() for p in parameters.values())
            certainty, regions = (None, None) if plane is None else _map(network, plane[at])
            frames.append(
                Frame(
                    loss=float(losses[at]),
                    test_loss=float(test_losses[at]),
                    train_accuracy=float((predicted[at] == self.data.y_train).mean()),
                    test_accuracy=float((predicted_test[at] == self.data.y_test).mean()),
                    diverged=not finite,
                    certainty=certainty,
                    regions=regions,
                    predicted_train=predicted[at],
                    predicted_test=predicted_test[at],
                    sample_class=None if sample_class is None else sample_class[at],
                    sample_certainty=None if sample_certainty is None else sample_certainty[at],
                    layers=tuple(
                        self._layer(
                            layer,
                            {name: p[at] for name, p in parameters.items()},
                            outputs[layer - 1][at],
                            gradients[layer - 1][at],
                            None if responses is None else responses[layer - 1][at],
                            float(forwards[layer - 1][at]),
                            float(squares[layer - 1][at] / squares[-1][at]),
                        )
                        for layer in range(1, network.depth + 1)
                    ),
                )
            )
        return frames

    def _over_the_plane(self, parameters: Parameters) -> tuple[Array | None, list[Array] | None]:
        """The logits over the map's pixels, and every layer's values over the thumbnails'."""
        if self.plane is None:
            return None, None
        single: Any = {name: p.astype(np.float32) for name, p in parameters.items()}
        Z, A = forward(self.network, single, cast(Array, self.plane))
        return Z[-1][..., : self.pixels], [values[..., self.pixels :] for values in (*A[1:], Z[-1])]

    def _samples(self, parameters: Parameters) -> tuple[Bytes | None, Bytes | None]:
        if self.view.samples is None:
            return None, None
        logits = forward(self.network, parameters, self.X_test[:, self.view.samples])[0][-1]
        predicted, p = _classes(self.network, logits), probabilities(self.network, logits)
        chosen = np.where(predicted == 1, p[..., 0, :], 1 - p[..., 0, :]) if p.shape[-2] == 1 else p.max(axis=-2)
        return predicted, _byte(np.nan_to_num(chosen))

    def _layer(
        self,
        layer: int,
        parameters: Parameters,
        values: Array,
        gradient: Array,
        response: Array | None,
        forward_square: float,
        backward_square: float,
    ) -> LayerPicture:
        W = parameters[f"W{layer}"]
        units, before = self.view.units(layer), self.view.units(layer - 1)
        counts, bounds = _activation_histogram(values)
        sizes, zero = _gradient_histogram(gradient)
        picture = response[:units] if response is not None and units else None
        if units and layer == 1 and self.view.image is not None:
            picture = W[:units]
        drawn, scale = (None, None) if picture is None else _diverging(picture)
        links = bool(units and before)
        return LayerPicture(
            responses=drawn,
            scale=scale,
            means=values[:units].mean(axis=1).astype(np.float32) if units else None,
            zeros=(values[:units] == 0).mean(axis=1).astype(np.float32) if units else None,
            weights=W[:units, :before].astype(np.float32) if links else None,
            biases=parameters[f"b{layer}"][:units, 0].astype(np.float32) if units else None,
            gradients=gradient[:units, :before].astype(np.float32) if links else None,
            activations=counts,
            range=bounds,
            gradient_counts=sizes,
            zero_gradients=zero,
            forward=forward_square,
            backward=backward_square,
        )


def _classes(network: MLP, logits: Array) -> Bytes:
    classes: Bytes = decide(network, logits).astype(np.uint8)
    return classes


def _byte(share: Array) -> Bytes:
    """A share in 8 bits: above one half, and only there, it is 128 or more."""
    byte: Bytes = np.clip(np.ceil(share * 256) - 1, 0, 255).astype(np.uint8)
    return byte


def _map(network: MLP, logits: Array) -> tuple[Bytes | None, Bytes | None]:
    if not np.isfinite(logits).all():
        return None, None
    p = probabilities(network, logits)
    if len(p) == 1:
        return _byte(p[0]), None
    return _byte(p.max(axis=0)), _classes(network, logits)


def _diverging(values: Array) -> tuple[Bytes | None, NDArray[np.float32] | None]:
    """Each row as 8 bits around 0, and the size that stands for 255; none where a value is not finite."""
    if not np.isfinite(values).all():
        return None, None
    scale = np.abs(values).max(axis=1, keepdims=True)
    shares = values / np.where(scale > 0, scale, 1)
    return np.rint(127.5 * (shares + 1)).astype(np.uint8), scale[:, 0].astype(np.float32)


def _activation_histogram(values: Array) -> tuple[NDArray[np.intp] | None, tuple[float, float] | None]:
    """Counts in equal bins between 0, or minus a power of two, and a power of two; none for values not finite."""
    low, high = float(values.min()), float(values.max())
    if not (math.isfinite(low) and math.isfinite(high)):
        return None, None
    largest = max(-low, high)
    top = 2.0 ** min(max(math.ceil(math.log2(largest)), -300), 1000) if largest > 0 else 1.0
    bottom = -top if low < 0 else 0.0
    places = np.clip((values - bottom) * (ACTIVATION_BINS / (top - bottom)), 0, ACTIVATION_BINS - 1)
    return np.bincount(places.astype(np.intp).ravel(), minlength=ACTIVATION_BINS), (bottom, top)


def _gradient_histogram(gradient: Array) -> tuple[NDArray[np.intp], int]:
    """Counts of log10 |gradient| in half decades, and the number of zeros; what is not a number is left out."""
    sizes = np.abs(gradient[~np.isnan(gradient)])
    moving = sizes[sizes > 0]
    low, high = GRADIENT_RANGE
    places = np.clip((np.log10(moving) - low) * (GRADIENT_BINS / (high - low)), 0, GRADIENT_BINS - 1).astype(np.intp)
    return np.bincount(places, minlength=GRADIENT_BINS), int(sizes.size - moving.size)
