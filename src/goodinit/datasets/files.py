"""A person's own data: a CSV with a header and a label or target column, or an NPZ with arrays of both."""

from __future__ import annotations

import csv
import io
import math
import zipfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from goodinit.datasets.base import Dataset, split
from goodinit.datasets.scaling import scaled
from goodinit.errors import GoodinitError, nearest
from goodinit.wording import listed

__all__ = ["CsvText", "load_file", "load_text", "read_header"]

_DELIMITERS = ",;\t"
_MOST_CLASSES = 100


@dataclass(frozen=True)
class CsvText:
    """A CSV file's name and text, for data that is not on disk."""

    name: str
    text: str = field(repr=False)


def load_text(
    given: CsvText, target: str | None, seed: int, standardize: bool = True, regression: bool = False
) -> Dataset:
    """What `load_file` makes of a CSV file of that name and text."""
    file = io.StringIO(given.text.removeprefix("\ufeff"), newline="")
    return _of_csv(Path(given.name), file, target, seed, standardize, regression)


def load_file(path: Path, target: str | None, seed: int, standardize: bool = True, regression: bool = False) -> Dataset:
    """Read a CSV or NPZ file into a Dataset: of classes, or with `regression` of numbers to predict.

    A quarter of every class, or of all rows, chosen by the seed, is kept for testing, unless an NPZ brings `X_test` and
    `y_test`. With `standardize`, each feature and a target of numbers is shifted and scaled by the training rows' mean
    and standard deviation.

    Raises GoodinitError for a file that cannot be read or trained on; the message says what to change.
    """
    if not path.exists():
        raise GoodinitError(f"{path}: there is no such file; give a built-in name or the path of a CSV or NPZ file")
    if path.is_dir():
        raise GoodinitError(f"{path} is a folder; give the path of a CSV or NPZ file")
    try:
        if path.suffix.lower() == ".npz":
            read = _read_npz(path, target, regression)
            data = _numbers(path, *read, target or "y", seed) if regression else _classified(path, *read, seed)
            return scaled(data) if standardize else data
        with path.open(encoding="utf-8-sig", newline="") as file:
            return _of_csv(path, file, target, seed, standardize, regression)
    except (OSError, MemoryError) as error:
        raise GoodinitError(f"{path}: it cannot be read ({error})") from error


def _of_csv(path: Path, file: TextIO, target: str | None, seed: int, standardize: bool, regression: bool) -> Dataset:
    X, labels, features, name = _read_csv(path, file, target, regression)
    read = X, labels, None, None, features
    data = _numbers(path, *read, name, seed) if regression else _classified(path, *read, seed)
    return scaled(data) if standardize else data


def _numbers(
    path: Path,
    X: NDArray[np.float64],
    targets: list[str],
    X_test: NDArray[np.float64] | None,
    targets_test: list[str] | None,
    features: tuple[str, ...],
    target: str,
    seed: int,
) -> Dataset:
    y = np.array(targets, dtype=np.float64)
    if (y == y[0]).all():
        raise GoodinitError(f"{path}: all {y.size} targets are {targets[0]}; there is nothing to predict")
    if X_test is not None and targets_test is not None:
        y_test = np.array(targets_test, dtype=np.float64)
        return Dataset(path.name, X, y, X_test, y_test, (), features, parted=True, target=target)
    train, test = split(np.zeros(y.size, dtype=np.intp), seed)
    return Dataset(path.name, X[train], y[train], X[test], y[test], (), features, target=target)


def _classified(
    path: Path,
    X: NDArray[np.float64],
    labels: list[str],
    X_test: NDArray[np.float64] | None,
    labels_test: list[str] | None,
    features: tuple[str, ...],
    seed: int,
) -> Dataset:
    classes, y = _classes(path, labels)
    if X_test is None or labels_test is None:
        train, test = split(y, seed)
        return Dataset(path.name, X[train], y[train], X[test], y[test], classes, features)
    number = {name: index for index, name in enumerate(classes)}
    unseen = sorted(set(labels_test) - set(number))
    if unseen:
        raise GoodinitError(f"{path}: the test labels hold {unseen[0]!r}, which no training label has")
    y_test = np.array([number[label] for label in labels_test], dtype=np.intp)
    return Dataset(path.name, X, y, X_test, y_test, classes, features, parted=True)


def _classes(path: Path, labels: list[str]) -> tuple[tuple[str, ...], NDArray[np.intp]]:
    """The classes in order (numbers by size, words by alphabet) and each row's class number."""
    counts = Counter(labels)
    if len(counts) < 2:
        raise GoodinitError(
            f"{path}: all {len(labels)} labels are {labels[0]!r}; a comparison needs at least two classes"
        )
    if len(counts) > min(_MOST_CLASSES, max(2, len(labels) // 2)):
        raise GoodinitError(
            f"{path}: the label column has {len(counts)} different values in {len(labels)} rows; "
            f"labels are classes, {_MOST_CLASSES} at most and with two rows each on average. Is it a measurement? "
            "Predict it as a number with --loss squared_error"
        )
    try:
        ordered = sorted(counts, key=float)
    except ValueError:
        ordered = sorted(counts)
    number = {name: index for index, name in enumerate(ordered)}
    return tuple(ordered), np.array([number[label] for label in labels], dtype=np.intp)


def _column(path: Path, wanted: str | None, known: list[str], what: str) -> str:
    """The wanted name if it is among the known ones; else an error that lists them."""
    if wanted is None:
        raise GoodinitError(f"{path}: which {what} holds the labels? Name it with --target: {_quoted(known)}")
    if wanted not in known:
        close = nearest(wanted, known)
        advice = f"did you mean {close[0]!r}?" if close else f"it has {_quoted(known)}"
        raise GoodinitError(f"{path}: there is no {what} {wanted!r}; {advice}")
    return wanted


def read_header(given: CsvText) -> tuple[tuple[str, ...], int]:
    """A CSV's column names and the number of rows below them. Raises GoodinitError for what is not such a table."""
    header, rows = _read_table(Path(given.name), io.StringIO(given.text.removeprefix("\ufeff"), newline=""))
    return tuple(header), len(rows)


def _read_table(path: Path, file: TextIO) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The header and the rows with their line numbers, all as long; comma, semicolon or tab between the values."""
    try:
        first = file.readline()
        if "\0" in first:
            raise GoodinitError(f"{path}: this is not a CSV text file; save the table as CSV in UTF-8")
        file.seek(0)
        delimiter = max(_DELIMITERS, key=first.count)
        reader = csv.reader(file, delimiter=delimiter)
        rows = [(reader.line_num, row) for row in reader if any(row)]
    except (UnicodeDecodeError, csv.Error) as error:
        raise GoodinitError(f"{path}: this is not a CSV text file ({error}); save the table as CSV in UTF-8") from error
    if not rows:
        raise GoodinitError(f"{path}: the file is empty; it needs a header line and rows of numbers with a label")
    header = [name.strip() for name in rows[0][1]]
    if len(header) < 2:
        raise GoodinitError(
            f"{path}: its first line {first.strip()[:60]!r} is not a header of a CSV with features and a label; "
            "separate the columns by commas, semicolons or tabs"
        )
    if all(_number(name) is not None for name in header):
        raise GoodinitError(f"{path}: the first line holds numbers; add a header line that names the columns")
    for name, count in Counter(header).items():
        if count > 1 or not name:
            raise GoodinitError(f"{path}: the header has {count} columns named {name!r}; give each its own name")
    if len(rows) < 3:
        raise GoodinitError(f"{path}: it has {len(rows) - 1} rows below the header; training needs more")
    for line, row in rows[1:]:
        if len(row) != len(header):
            raise GoodinitError(f"{path}, line {line}: {len(row)} values where the header has {len(header)} columns")
    return header, rows[1:]


def _read_csv(
    path: Path, file: TextIO, target: str | None, regression: bool
) -> tuple[NDArray[np.float64], list[str], tuple[str, ...], str]:
    """The features, labels, features' names and label's name of a CSV with a header."""
    header, rows = _read_table(path, file)
    label_at = header.index(_column(path, target, header, "column"))
    X, labels = np.empty((len(rows), len(header) - 1)), []
    for index, (line, row) in enumerate(rows):
        if not row[label_at].strip():
            raise GoodinitError(
                f"{path}, line {line}: the label {header[label_at]!r} is missing; fill it or drop the row"
            )
        label = row[label_at].strip()
        if regression and ((found := _number(label)) is None or not math.isfinite(found)):
            raise GoodinitError(f"{path}, line {line}, column {header[label_at]!r}: {_complaint(label, found)}")
        labels.append(label)
        for column, text in enumerate(row[:label_at] + row[label_at + 1 :]):
            value = _number(text)
            if value is None or not math.isfinite(value):
                name = [*header[:label_at], *header[label_at + 1 :]][column]
                raise GoodinitError(f"{path}, line {line}, column {name!r}: {_complaint(text, value)}")
            X[index, column] = value
    return X, labels, (*header[:label_at], *header[label_at + 1 :]), header[label_at]


def _number(text: str) -> float | None:
    try:
        return None if "_" in text else float(text)
    except ValueError:
        return None


def _complaint(text: str, value: float | None) -> str:
    if not text.strip() or text.strip().lower() in ("na", "n/a", "null", "none", "?") or value != value:
        return f"the value is missing ({text.strip()!r}); fill it or drop the row"
    if value is not None:
        return f"{text.strip()!r} is infinite; it must be a finite number"
    return f"{text.strip()[:40]!r} is not a number; encode the column as numbers or drop it"


Npz = tuple[NDArray[np.float64], list[str], NDArray[np.float64] | None, list[str] | None, tuple[str, ...]]


def _read_npz(path: Path, target: str | None, regression: bool) -> Npz:
    """Features and labels from `X` and `y`, or `X_train`, `y_train`, `X_test`, `y_test`, or by the labels' name."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise GoodinitError(
            f"{path}: this is not an NPZ file of plain arrays ({error}); write it with numpy.savez"
        ) from error
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
    label_name = folded.get("y") if target is None else _column(path, target, list(arrays), "array")
    feature_names = [folded["x"]] if "x" in folded else [name for name in arrays if name != label_name]
    if label_name is None or len(feature_names) != 1:
        raise GoodinitError(
            f"{path} holds {_quoted(arrays) or 'no array'}; name the features X and the labels y, or give "
            "X_train, y_train, X_test and y_test"
        )
    features, labels = _checked(path, arrays[feature_names[0]], arrays[label_name], regression)
    return features, labels, None, None, _columns(features)


def _columns(X: NDArray[np.float64]) -> tuple[str, ...]:
    return tuple(f"x{column}" for column in range(1, X.shape[1] + 1))


def _quoted(names: Iterable[str]) -> str:
    return listed(map(repr, names), most=12)


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
    flat = X.reshape(len(X), -1).astype(np.float64)
    bad = np.argwhere(~np.isfinite(flat))
    if bad.size:
        row, column = (int(i) for i in bad[0])
        raise GoodinitError(
            f"{path}: {len(bad)} values are missing or infinite, first row {row}, feature {column}; fill or drop them"
        )
    if labels.dtype.kind == "f" and not np.isfinite(labels).all():
        raise GoodinitError(f"{path}: some labels are missing or infinite; fill them or drop their rows")
    if regression:
        if labels.dtype.kind not in "fiu":
            raise GoodinitError(f"{path}: targets of type {labels.dtype}; squared_error needs numbers")
        return flat, [repr(label) for label in labels.tolist()]
    return flat, [f"{label:g}" if labels.dtype.kind == "f" else str(label) for label in labels.tolist()]
