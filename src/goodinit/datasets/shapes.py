"""Points in the plane as scikit-learn draws them, to the bit, without the second that importing it takes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["blobs", "circles", "moons"]

Drawn = tuple[NDArray[np.float64], NDArray[np.intp]]


def circles(points: int, noise: float, random: np.random.RandomState) -> Drawn:
    """`sklearn.datasets.make_circles`: half of the points on a circle, the others on one of 0.8 times its radius."""
    outer, inner = (np.linspace(0, 2 * np.pi, number, endpoint=False) for number in (points // 2, points - points // 2))
    x = np.append(np.cos(outer), np.cos(inner) * 0.8)
    y = np.append(np.sin(outer), np.sin(inner) * 0.8)
    return _two(x, y, points, noise, random)


def moons(points: int, noise: float, random: np.random.RandomState) -> Drawn:
    """`sklearn.datasets.make_moons`: two half circles, each with its end in the other."""
    outer, inner = (np.linspace(0, np.pi, number) for number in (points // 2, points - points // 2))
    x = np.append(np.cos(outer), 1 - np.cos(inner))
    y = np.append(np.sin(outer), 1 - np.sin(inner) - 0.5)
    return _two(x, y, points, noise, random)


def blobs(points: int, centres: NDArray[np.float64], noise: float, random: np.random.RandomState) -> Drawn:
    """`sklearn.datasets.make_blobs`: a normal cloud about each centre, of as many points as the others or one more."""
    many = len(centres)
    sizes = [points // many + (number < points % many) for number in range(many)]
    X = np.concatenate([random.normal(centre, noise, (size, 2)) for centre, size in zip(centres, sizes, strict=True)])
    return _shuffled(X, np.repeat(np.arange(many, dtype=np.intp), sizes), random)


def _two(
    x: NDArray[np.float64], y: NDArray[np.float64], points: int, noise: float, random: np.random.RandomState
) -> Drawn:
    classes = np.repeat(np.arange(2, dtype=np.intp), [points // 2, points - points // 2])
    X, classes = _shuffled(np.stack([x, y], axis=1), classes, random)
    return X + random.normal(scale=noise, size=X.shape), classes


def _shuffled(X: NDArray[np.float64], y: NDArray[np.intp], random: np.random.RandomState) -> Drawn:
    order = np.arange(len(y))
    random.shuffle(order)
    return X[order], y[order]
