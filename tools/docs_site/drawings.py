"""Small pictures of the catalogue, as SVG with letters as paths: weights as drawn, activations with their slopes."""

from __future__ import annotations

import io

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from goodinit.activations import Activation
from goodinit.initializers import Initializer
from goodinit.weights import Weight

__all__ = ["activation_drawing", "initializer_drawing"]

_BLUE, _RED, _INK = "#0072b2", "#d55e00", "#7a7a7a"  # Okabe & Ito's, and a grey that both themes show


def initializer_drawing(initializer: Initializer, weight: Weight) -> bytes:
    """One draw of the weight, as a matrix and as a histogram."""
    values = np.asarray(initializer.draw(weight, 0)).reshape(weight.shape[0], -1)
    largest = float(np.abs(values).max()) or 1.0
    figure = Figure(figsize=(6.4, 2.3), layout="constrained")
    matrix, histogram = figure.subplots(1, 2)
    shown = matrix.imshow(values, cmap="PuOr", vmin=-largest, vmax=largest, aspect="auto", interpolation="nearest")
    figure.colorbar(shown, ax=matrix)
    matrix.set(xlabel="inputs", ylabel="outputs")
    histogram.hist(values.ravel(), bins=41, range=(-1.05 * largest, 1.05 * largest), color=_BLUE)
    histogram.set(xlabel="weight", ylabel="elements")
    return _svg(figure)


def activation_drawing(activation: Activation) -> bytes:
    """The activation and its derivative from -4 to 4."""
    z = np.linspace(-4, 4, 801)
    figure = Figure(figsize=(6.4, 2.6), layout="constrained")
    axes = figure.subplots()
    axes.plot(z, activation.value(z), color=_BLUE, label="value")
    axes.plot(z, activation.derivative(z), color=_RED, linestyle="--", label="derivative")
    axes.set(xlabel="pre-activation")
    axes.legend(labelcolor=_INK, frameon=False)
    return _svg(figure)


def _svg(figure: Figure) -> bytes:
    for axes in figure.axes:
        _in_grey(axes)
    held = io.BytesIO()
    with rc_context({"svg.hashsalt": "goodinit", "svg.fonttype": "path"}):
        figure.savefig(held, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return held.getvalue()


def _in_grey(axes: Axes) -> None:
    axes.tick_params(colors=_INK)
    for label in (axes.xaxis.label, axes.yaxis.label):
        label.set_color(_INK)
    for spine in axes.spines.values():
        spine.set_color(_INK)
