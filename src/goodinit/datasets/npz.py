"""A person's arrays: an NPZ file, whose sizes are looked at before anything is unpacked."""

from __future__ import annotations

import math
import zipfile
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from goodinit.datasets.labels import column, is_missing, quoted
from goodinit.errors import GoodinitError

__all__ = ["MOST_BYTES", "Npz", "read_npz"]

MOST_BYTES: Final = 1 << 30
"""The largest data: of a file, and of its numbers in float64. More would be unpacked before anything could be told."""

Npz = tuple[NDArray[np.float64], list[str], NDArray[np.float64] | None, list[str] | None, tuple[str, ...]]


def read_npz(path: Path, target: str | None, regression: bool) -> Npz:
    """Features and labels from `X` and `y`, or `X_train`, `y_train`, `X_test`, `y_test`, or by the labels' name.

    Raises GoodinitError for what is no NPZ of plain arrays, or unpacks to more than `MOST_BYTES`.
    """
    arrays = _arrays(path)
    folded = {name.lower(): name for name in arrays}
    if target is None and {"x_train", "y_train", "x_test", "y_test"} <= set(folded):
        X, y, X_test, y_test = (arrays[folded[name]] for name in ("x_train", "y_train", "x_test", "y_test"))
        features, labels = _checked(path, X, y, regression)
        more_features, more_labels = _checked(path, X_test, y_test, regression)
        if more_features.shape[1] != features.shape[1]:
            raise GoodinitError(
                f"{path}: X_train has {features.shape[1]} features and X_test {more_features.shape[1]}; make them equal"
            )
        return features, labels, more_features, more_labels, _columns(features)
    label_name = folded.get("y") if target is None else column(path, target, list(arrays), "array")
    feature_names = [folded["x"]] if "x" in folded else [name for name in arrays if name != label_name]
    if label_name is None or len(feature_names) != 1:
        raise GoodinitError(
            f"{path} holds {quoted(arrays) or 'no array'}; name the features X and the labels y, or give "
            "X_train, y_train, X_test and y_test"
        )
    features, labels = _checked(path, arrays[feature_names[0]], arrays[label_name], regression)
    return features, labels, None, None, _columns(features)


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(_unpacked(archive, name) for name in archive.namelist())
        if size > MOST_BYTES:
            raise GoodinitError(
                f"{path}: its arrays are {size / 2**30:.3g} GiB of float64, and 1 GiB is the most; give fewer rows"
            )
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (GoodinitError, OSError, MemoryError):
        raise
    except Exception as error:  # the bytes may be anything: zipfile, zlib, lzma and NumPy each have errors of their own
        raise GoodinitError(
            f"{path}: this is not an NPZ file of plain arrays ({error}); write it with numpy.savez"
        ) from error


def _unpacked(archive: zipfile.ZipFile, name: str) -> int:
    """The bytes of an array in memory, in float64 or its own type, as its header has them."""
    with archive.open(name) as file:
        version = np.lib.format.read_magic(file)
        # Version 3.0 is 2.0 with field names in UTF-8, which say nothing of the size.
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(file)
    if any(length < 0 for length in shape):
        raise ValueError(f"{name} has the shape {shape}")
    return math.prod(shape) * max(8, dtype.itemsize)


def _columns(X: NDArray[np.float64]) -> tuple[str, ...]:
    return tuple(f"x{number}" for number in range(1, X.shape[1] + 1))


def _checked(
    path: Path, X: NDArray[np.generic], y: NDArray[np.generic], regression: bool
) -> tuple[NDArray[np.float64], list[str]]:
    if X.ndim < 2 or X.dtype.kind not in "fiub" or X.size == 0:
        raise GoodinitError(
            f"{path}: features of shape {X.shape} and type {X.dtype}; give numbers, (examples, features)"
        )
    labels = y.reshape(-1)
    if labels.size != len(X):
        raise GoodinitError(f"{path}: {len(X)} rows of features and {labels.size} labels; give one label a row")
    with np.errstate(over="ignore"):  # a long double beyond float64 is found with the infinite ones
        flat = X.reshape(len(X), -1).astype(np.float64)
    bad = np.argwhere(~np.isfinite(flat))
    if bad.size:
        row, feature = (int(i) for i in bad[0])
        raise GoodinitError(
            f"{path}: {len(bad)} values are missing or infinite, first row {row}, feature {feature}; fill or drop them"
        )
    if labels.dtype.kind == "f" and not np.isfinite(labels).all():
        raise GoodinitError(f"{path}: some labels are missing or infinite; fill them or drop their rows")
    if regression:
        if labels.dtype.kind not in "fiu":
            raise GoodinitError(f"{path}: targets of type {labels.dtype}; squared_error needs numbers")
        return flat, [repr(label) for label in labels.tolist()]
    if labels.dtype.kind == "f":
        return flat, [_spelled(label) for label in labels]
    texts = [str(label).strip() for label in labels.tolist()]
    gaps = [row for row, text in enumerate(texts) if is_missing(text)]
    if gaps:
        raise GoodinitError(
            f"{path}: {len(gaps)} labels are missing, first row {gaps[0]} ({texts[gaps[0]]!r}); fill or drop them"
        )
    return flat, texts


def _spelled(label: Any) -> str:
    """A floating-point label with the fewest digits that tell it from its neighbours; 3.0 is 3, as in whole numbers."""
    return str(int(label)) if abs(label) < 1e15 and label == int(label) else str(label)
