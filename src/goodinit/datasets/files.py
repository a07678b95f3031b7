"""A person's own data: a CSV with a header and a label or target column, or an NPZ with arrays of both."""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from goodinit.datasets.base import Dataset, split
from goodinit.datasets.labels import classes as make_classes
from goodinit.datasets.labels import column as named_column
from goodinit.datasets.labels import is_missing, spelled_once
from goodinit.datasets.npz import MOST_BYTES, read_npz
from goodinit.datasets.scaling import scaled
from goodinit.errors import GoodinitError

__all__ = ["CsvText", "is_there", "load_file", "load_text", "read_header"]

_DELIMITERS = ",;\t"


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
    if not is_there(path):
        raise GoodinitError(f"{path}: there is no such file; give a built-in name or the path of a CSV or NPZ file")
    if not path.is_file():
        what = "a folder" if path.is_dir() else "not a file"
        raise GoodinitError(f"{path} is {what}; give the path of a CSV or NPZ file")
    try:
        if path.stat().st_size > MOST_BYTES:
            raise GoodinitError(
                f"{path}: it has {path.stat().st_size / 2**30:.3g} GiB, and 1 is the most; give fewer rows"
            )
        if path.suffix.lower() == ".npz":
            read = read_npz(path, target, regression)
            data = _numbers(path, *read, target or "y", seed) if regression else _classified(path, *read, seed)
            return scaled(data) if standardize else data
        with path.open(encoding="utf-8-sig", newline="") as file:
            return _of_csv(path, file, target, seed, standardize, regression)
    except (OSError, MemoryError) as error:
        raise GoodinitError(f"{path}: it cannot be read ({error})") from error


def is_there(path: Path) -> bool:
    """Whether there is such a file or folder; a name that the system does not take has none."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


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
    spelled = spelled_once([*labels, *(labels_test or [])])
    labels = [spelled[label] for label in labels]
    classes, y = make_classes(path, labels)
    if X_test is None or labels_test is None:
        train, test = split(y, seed)
        return Dataset(path.name, X[train], y[train], X[test], y[test], classes, features)
    labels_test = [spelled[label] for label in labels_test]
    number = {name: index for index, name in enumerate(classes)}
    unseen = sorted(set(labels_test) - set(number))
    if unseen:
        raise GoodinitError(f"{path}: the test labels hold {unseen[0]!r}, which no training label has")
    y_test = np.array([number[label] for label in labels_test], dtype=np.intp)
    return Dataset(path.name, X, y, X_test, y_test, classes, features, parted=True)


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
    label_at = header.index(named_column(path, target, header, "column"))
    X, labels = np.empty((len(rows), len(header) - 1)), []
    for index, (line, row) in enumerate(rows):
        label = row[label_at].strip()
        if is_missing(label) and not (regression and label):  # a target says more of what is wrong with it
            raise GoodinitError(
                f"{path}, line {line}: the label {header[label_at]!r} is missing ({label!r}); fill it or drop the row"
            )
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
