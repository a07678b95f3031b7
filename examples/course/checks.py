"""The checks of exercise.ipynb: each says that all is right, or what was given, what was expected and what to do."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

LAYERS = [3, 4, 2, 1]
Start = Callable[[list[int]], dict[str, np.ndarray]]


def check_zeros(start: Start) -> bool:
    """Whether a start has zeros of the right shapes."""
    return _told("zeros", start, lambda W, fan_in: None if not W.any() else "has numbers that are not 0")


def check_random(start: Start) -> bool:
    """Whether a start has weights ten times a standard normal number."""
    return _told("random", start, lambda W, fan_in: _scale(W, 10.0, "10", fan_in), [400, 300, 100])


def check_he(start: Start) -> bool:
    """Whether a start has weights of variance 2 / fan-in."""
    return _told(
        "he", start, lambda W, fan_in: _scale(W, np.sqrt(2 / fan_in), "np.sqrt(2 / fan_in)", fan_in), [400, 300, 100]
    )


def _told(name: str, start: Start, judge: Callable[[np.ndarray, int], str | None], layers: list[int] = LAYERS) -> bool:
    trouble = _trouble(start, judge, layers)
    print(f"{name}: all right." if trouble is None else f"{name}: not yet. {trouble}")
    return trouble is None


def _trouble(start: Start, judge: Callable[[np.ndarray, int], str | None], layers: list[int]) -> str | None:
    """What is wrong with the first parameter that is wrong, or None."""
    try:
        parameters = start(layers)
    except (TypeError, ValueError) as error:
        return f"It stops with: {error}. Fill every None."
    for k in range(1, len(layers)):
        for letter, shape in (("W", (layers[k], layers[k - 1])), ("b", (layers[k], 1))):
            name, value = f"{letter}{k}", parameters.get(f"{letter}{k}")
            if value is None:
                return f"{name} is None: fill in the blank."
            if np.shape(value) != shape:
                return f"{name} has shape {np.shape(value)}, and {shape} is expected for layers {layers}."
            if letter == "b" and np.any(value):
                return f"{name} has numbers that are not 0; biases start at 0."
        told = judge(np.asarray(parameters[f"W{k}"]), layers[k - 1])
        if told:
            return f"W{k} {told}."
    return None


def _scale(W: np.ndarray, wanted: float, text: str, fan_in: int) -> str | None:
    """What is wrong with the deviation of normal weights: it is to be within five of its standard errors."""
    std, error = W.std(), wanted / np.sqrt(2 * W.size)
    if abs(std - wanted) <= 5 * error:
        centred = abs(W.mean()) <= 5 * wanted / np.sqrt(W.size)
        return None if centred else f"has mean {W.mean():.3g}, and 0 is expected: standard_normal, not random"
    fan_out = W.shape[0]
    known = {
        "1: it lacks the factor": 1.0,
        "2 / fan_in: take the square root": 2 / fan_in,
        "sqrt(1 / fan_in): a ReLU needs a 2": np.sqrt(1 / fan_in),
        "sqrt(2 / fan_out): it is the number of inputs that counts": np.sqrt(2 / fan_out),
        "0: it needs chance": 0.0,
    }
    hint = next(
        (f" This is {name}." for name, value in known.items() if abs(std - value) <= 5 * value / np.sqrt(2 * W.size)),
        "",
    )
    return f"has deviation {std:.3g}, and {text} = {wanted:.3g} is expected.{hint}".removesuffix(".")
