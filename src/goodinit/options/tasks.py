"""The named tasks of `compare`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

__all__ = ["TASKS"]

_SMALL: Final = {"stream": "keyed", "widths": (16, 16), "optimizer": "momentum", "learning_rate": 0.05, "steps": 2000}
_DIGITS: Final = {"data": "digits", "stream": "keyed", "optimizer": "momentum", "batch_size": 64}
TASKS: Final[Mapping[str, Mapping[str, Any]]] = {
    "classic": {},
    "moons": {"data": "moons", **_SMALL},
    "spirals": {"data": "spirals", **_SMALL, "widths": (32, 32), "steps": 4000},
    "xor": {"data": "xor", **_SMALL},
    "blobs": {"data": "blobs", **_SMALL},
    "digits": {**_DIGITS, "widths": (64, 64), "learning_rate": 0.05, "steps": 1000},
    "regression": {
        **_SMALL,
        "data": "wave",
        "widths": (32, 32),
        "activation": "tanh",
        "learning_rate": 0.01,
        "steps": 4000,
    },
    "deep-relu": {**_DIGITS, "batch_size": 128, "widths": (256,) * 30, "learning_rate": 3e-3, "steps": 300},
    "deep-tanh": {
        **_DIGITS,
        "widths": (128,) * 80,
        "activation": "tanh",
        "batch_size": 128,
        "learning_rate": 1e-3,
        "steps": 200,
    },
}
"""The named tasks: what each changes of the classic experiment."""
