"""The data sets that come with goodinit: the classic circles, and others made from a seed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from goodinit.datasets.base import Dataset, split
from goodinit.datasets.scaling import scaled
from goodinit.streams import KeyedStream

__all__ = ["BUILTIN"]

TRAIN, TEST = 300, 100  # as many points as the classic experiment has
NOISE = 0.1


def circles(seed: int) -> Dataset:
    """Two circles, one inside the other: the classic experiment's own points, whatever the seed.

    scikit-learn's `make_circles` with noise 0.05: 300 points to train (NumPy seed 1), 100 to test (seed 2).
    """
    from sklearn.datasets import make_circles

    X_train, y_train = make_circles(n_samples=TRAIN, noise=0.05, random_state=1)
    X_test, y_test = make_circles(n_samples=TEST, noise=0.05, random_state=2)
    return _plane("circles", X_train, y_train, X_test, y_test, ("outer", "inner"))


def moons(seed: int) -> Dataset:
    """Two interleaved half circles, noise 0.1."""
    from sklearn.datasets import make_moons

    X_train, y_train = make_moons(n_samples=TRAIN, noise=0.1, random_state=_state(seed, "moons/train"))
    X_test, y_test = make_moons(n_samples=TEST, noise=0.1, random_state=_state(seed, "moons/test"))
    return _plane("moons", X_train, y_train, X_test, y_test, ("upper", "lower"))


def blobs(seed: int) -> Dataset:
    """Three normal clouds around the corners of a triangle, one a class."""
    from sklearn.datasets import make_blobs

    angles = np.array([90, 210, 330]) * np.pi / 180
    centres = 2 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    X_train, y_train = make_blobs(TRAIN, centers=centres, cluster_std=0.6, random_state=_state(seed, "blobs/train"))
    X_test, y_test = make_blobs(TEST, centers=centres, cluster_std=0.6, random_state=_state(seed, "blobs/test"))
    return _plane("blobs", X_train, y_train, X_test, y_test, ("top", "left", "right"))


def spirals(seed: int) -> Dataset:
    """Two spirals of a turn and a half around each other, noise 0.05."""

    def arms(examples: int, name: str) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
        stream = KeyedStream(seed)
        y = np.arange(examples) % 2
        turn = np.sqrt(stream.uniform(f"{name}/turn", 0, examples))  # even along the arm's area
        angle = 3 * np.pi * turn + np.pi * y
        arm = turn[:, np.newaxis] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
        return arm + 0.05 * stream.normal(f"{name}/noise", 0, 2 * examples).reshape(-1, 2), y

    return _plane("spirals", *arms(TRAIN, "spirals/train"), *arms(TEST, "spirals/test"), ("first", "second"))


def xor(seed: int) -> Dataset:
    """Points of a square in four quarters; opposite quarters share a class. No noise: the border is a gap of 0.1."""

    def square(examples: int, name: str) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
        stream = KeyedStream(seed)
        inside = 0.05 + 0.95 * stream.uniform(f"{name}/distance", 0, 2 * examples)
        X = (inside * stream.signs(f"{name}/quarter", 0, 2 * examples)).reshape(-1, 2)
        return X, (X.prod(axis=1) < 0).astype(np.intp)

    return _plane("xor", *square(TRAIN, "xor/train"), *square(TEST, "xor/test"), ("same sign", "opposite signs"))


def digits(seed: int) -> Dataset:
    """1,797 handwritten digits of 8 x 8 pixels (Alpaydin & Kaynak 1998, from scikit-learn), scaled to [0, 1]."""
    from sklearn.datasets import load_digits

    data: Any = load_digits()
    X, y = data.data / 16.0, data.target.astype(np.intp)
    train, test = split(y, seed)
    pixels = tuple(f"pixel {row},{column}" for row in range(8) for column in range(8))
    return Dataset("digits", X[train], y[train], X[test], y[test], tuple("0123456789"), pixels)


def wave(seed: int) -> Dataset:
    """Regression: y = sin(2 pi x) + sin(5 pi x) / 2 for x even in [-1, 1], with normal noise of deviation 0.1.

    The noise bounds what can be learned: the function's variance is 5/8, so that R² ends near 1 - 0.01 / 0.635.
    """

    def line(examples: int, name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        stream = KeyedStream(seed)
        x = 2 * stream.uniform(f"{name}/x", 0, examples) - 1
        y = np.sin(2 * np.pi * x) + np.sin(5 * np.pi * x) / 2
        return x[:, np.newaxis], y + NOISE * stream.normal(f"{name}/noise", 0, examples)

    X_train, y_train = line(TRAIN, "wave/train")
    X_test, y_test = line(TEST, "wave/test")
    note = "target as it is, with noise of standard deviation 0.1"
    return Dataset("wave", X_train, y_train, X_test, y_test, (), ("x",), note)


def diabetes(seed: int) -> Dataset:
    """Regression: how far diabetes went in a year, 442 patients, 10 features (Efron et al. 2004, from scikit-learn)."""
    from sklearn.datasets import load_diabetes

    data: Any = load_diabetes(scaled=False)
    train, test = split(np.zeros(len(data.target), dtype=np.intp), seed)
    raw = Dataset(
        "diabetes",
        data.data[train],
        data.target[train],
        data.data[test],
        data.target[test],
        (),
        tuple(data.feature_names),
        target="progression",
    )
    return scaled(raw)


BUILTIN: Final[dict[str, Callable[[int], Dataset]]] = {
    "circles": circles,
    "moons": moons,
    "spirals": spirals,
    "xor": xor,
    "blobs": blobs,
    "digits": digits,
    "wave": wave,
    "diabetes": diabetes,
}


def _state(seed: int, name: str) -> np.random.RandomState:
    """A generator for scikit-learn, seeded by the first word of that name's stream."""
    return np.random.RandomState(int(KeyedStream(seed).words(name, 0, 1)[0] >> np.uint64(32)))


def _plane(name: str, X_train: Any, y_train: Any, X_test: Any, y_test: Any, classes: tuple[str, ...]) -> Dataset:
    return Dataset(name, X_train, y_train.astype(np.intp), X_test, y_test.astype(np.intp), classes, ("x1", "x2"))
