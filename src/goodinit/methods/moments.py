"""Mean and variance of a layer's input, from what it is made of: of layers whose outputs are standard."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from goodinit import activations
from goodinit.structure import SignalForm

__all__ = ["InputMoments", "moments_of"]


class InputMoments(NamedTuple):
    """A mean and a variance, and whether goodinit had a rule for all that it is made of."""

    mean: float
    variance: float
    known: bool = True

    @property
    def square(self) -> float:
        """The mean square."""
        return self.variance + self.mean**2


_STANDARD = InputMoments(0.0, 1.0)


def moments_of(forms: tuple[SignalForm, ...], of_layer: Callable[[int], float]) -> list[InputMoments]:
    """Those of each form, where the output of layer call i has mean 0 and variance `of_layer(i)`, and inputs 1.

    Signals that meet in a sum or a product count as independent, and as normal before an activation.
    """
    found: dict[int, InputMoments] = {}
    waiting = list(forms)
    while waiting:
        form = waiting[-1]
        if id(form) in found:
            waiting.pop()
        elif missing := [each for each in form.of if id(each) not in found]:
            waiting += missing
        else:
            found[id(waiting.pop())] = _of(form, [found[id(each)] for each in form.of], of_layer)
    return [found[id(form)] for form in forms]


def _of(form: SignalForm, parts: list[InputMoments], of_layer: Callable[[int], float]) -> InputMoments:
    known = form.kind != "unknown" and all(each.known for each in parts)
    mean, variance = _STANDARD[:2]
    if form.kind == "layer":
        variance = of_layer(int(form.number))
    elif form.kind == "activation":
        mean, variance = _activated(form.name, float(f"{parts[0].mean:.9g}"), float(f"{parts[0].variance:.9g}"))
    elif form.kind == "sum":
        mean, variance = sum(each.mean for each in parts), sum(each.variance for each in parts)
    elif form.kind == "product":
        mean = math.prod(each.mean for each in parts)
        variance = math.prod(each.square for each in parts) - mean**2
    elif form.kind == "scaled":
        mean, variance = form.number * parts[0].mean, form.number**2 * parts[0].variance
    elif form.kind == "join":
        shares = [share / sum(form.shares) for share in form.shares]
        mean = sum(share * each.mean for share, each in zip(shares, parts, strict=True))
        variance = sum(share * each.square for share, each in zip(shares, parts, strict=True)) - mean**2
    elif form.kind == "mean":
        mean, variance = parts[0].mean, parts[0].variance / form.number
    elif form.kind == "max":
        high, spread = _maximum(form.number)
        deviation = math.sqrt(parts[0].variance)
        mean, variance = parts[0].mean + high * deviation, spread * parts[0].variance
    elif form.kind == "dropout":
        keep = max(1 - form.number, 1e-9)
        mean, variance = parts[0].mean, parts[0].square / keep - parts[0].mean ** 2
    elif form.kind == "softmax":
        mean, variance = 1 / form.number, 0.0
    elif form.kind == "norm":
        known = True
    return InputMoments(mean, variance, known)


@lru_cache(maxsize=4096)
def _activated(name: str, mean: float, variance: float) -> tuple[float, float]:
    """Mean and variance of an activation of a normal signal, by the midpoint rule over 10 standard deviations."""
    z = (np.arange(4000) + 0.5) / 200 - 10
    weights = np.exp(-z * z / 2)
    weights /= weights.sum()
    values = np.asarray(activations.get(name).value(mean + math.sqrt(variance) * z))
    first = float(weights @ values)
    return first, max(float(weights @ values**2) - first**2, 0.0)


@lru_cache
def _maximum(count: float) -> tuple[float, float]:
    """Mean and variance of the largest of so many standard normals."""
    from scipy.special import ndtr  # takes a while to import

    z = (np.arange(4000) + 0.5) / 200 - 10
    density = count * np.exp(-z * z / 2) / math.sqrt(2 * math.pi) * ndtr(z) ** (count - 1)
    density /= density.sum()
    mean = float(density @ z)
    return mean, float(density @ z**2) - mean**2
