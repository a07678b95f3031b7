"""The suite's data: what scikit-learn ships, and sequences that are made from a fixed seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np

from goodinit.datasets import Dataset
from goodinit.datasets.base import split
from goodinit.errors import unknown_name
from goodinit.streams import KeyedStream

__all__ = ["EXAMPLES", "examples"]


def examples(options: Mapping[str, Any]) -> Dataset:
    """The data of the options' `kind`, the same each time; a quarter of it is kept to test on."""
    kind = options["kind"]
    if kind not in EXAMPLES:
        raise unknown_name("suite data", str(kind), EXAMPLES)
    return EXAMPLES[kind](**{name: value for name, value in options.items() if name != "kind"})


def _parted(name: str, X: Any, y: Any, classes: tuple[str, ...] = ()) -> Dataset:
    labels = y.astype(np.intp) if classes else np.zeros(len(y), dtype=np.intp)
    kept, aside = split(labels, 0)
    features = tuple(f"input {number}" for number in range(int(np.prod(X.shape[1:]))))
    y = labels if classes else (y - y[kept].mean()) / y[kept].std()
    if X.dtype.kind == "f" and name in ("breast cancer", "wine", "diabetes"):
        X = (X - X[kept].mean(axis=0)) / X[kept].std(axis=0)
    return Dataset(name, X[kept], y[kept], X[aside], y[aside], classes, features, parted=True)


def _digits(examples: int | None = None, form: str = "images") -> Dataset:
    """The first so many digits: as images, or as `rows`, sequences of eight rows."""
    from sklearn.datasets import load_digits

    images = (load_digits().images[:examples] / 16.0 - 0.3) / 0.38
    X = images[:, None] if form == "images" else images
    return _parted("digits", X, load_digits().target[:examples], tuple("0123456789"))


def _pixels(examples: int) -> Dataset:
    """A digit and a place in it; the brightness there is to be told."""
    from sklearn.datasets import load_digits

    images, stream = load_digits().images / 16.0, KeyedStream(0)
    drawn = stream.uniform("suite/pixels", 0, 2 * examples).reshape(examples, 2)
    at, place = (drawn[:, 0] * len(images)).astype(int), (drawn[:, 1] * 64).astype(int)
    row, column = place // 8, place % 8
    places = np.stack([row, column], axis=1) / 3.5 - 1
    return _parted(
        "pixels", np.hstack([(images[at].reshape(examples, 64) - 0.3) / 0.38, places]), images[at, row, column]
    )


def _table(name: str) -> Dataset:
    from sklearn import datasets

    load = {
        "breast cancer": datasets.load_breast_cancer,
        "wine": datasets.load_wine,
        "diabetes": datasets.load_diabetes,
    }
    if name not in load:
        raise unknown_name("suite table", name, load)
    found = load[name]()
    return _parted(name, found.data, found.target, tuple(map(str, getattr(found, "target_names", ()))))


def _characters(context: int, examples: int) -> Dataset:
    """The next character of scikit-learn's descriptions of its data sets, lower case, from those before."""
    from importlib.resources import files

    folder = files("sklearn.datasets").joinpath("descr")
    names = ("breast_cancer.rst", "diabetes.rst", "digits.rst", "iris.rst", "linnerud.rst", "wine_data.rst")
    text = " ".join(" ".join(folder.joinpath(name).read_text("utf-8") for name in names).lower().split())
    letters = sorted(set(text))
    codes = np.array([letters.index(letter) for letter in text])
    starts = KeyedStream(0).permutation("suite/characters", len(codes) - context)[:examples]
    X = np.stack([codes[at : at + context] for at in starts])
    y = codes[starts + context]
    common = np.isin(y, np.flatnonzero(np.bincount(y, minlength=len(letters)) >= 4))
    return _parted("characters", X[common], y[common], tuple(letters))


def _adding(length: int, examples: int) -> Dataset:
    """Hochreiter & Schmidhuber's adding problem: the sum of the two numbers of a sequence that are marked."""
    stream = KeyedStream(0)
    numbers = stream.uniform("suite/adding", 0, examples * length).reshape(examples, length)
    marks = np.zeros_like(numbers)
    places = stream.uniform("suite/adding/marks", 0, 2 * examples).reshape(examples, 2)
    half = length // 2
    first, second = (places[:, 0] * half).astype(int), half + (places[:, 1] * (length - half)).astype(int)
    rows = np.arange(examples)
    marks[rows, first] = marks[rows, second] = 1.0
    return _parted("adding", np.stack([numbers, marks], axis=2), numbers[rows, first] + numbers[rows, second])


def _recall(length: int, examples: int) -> Dataset:
    """The copy task for one symbol: which of eight came first, when `length` places of noise have followed it."""
    symbols = 8
    drawn = (KeyedStream(0).uniform("suite/recall", 0, examples * (length + 1)) * symbols).astype(int)
    tokens = drawn.reshape(examples, length + 1)
    X = np.eye(symbols)[tokens]
    marked = np.zeros((*tokens.shape, 1))
    marked[:, 0] = 1.0  # so that the first is known from the others
    return _parted("recall", np.concatenate([X, marked], axis=2), tokens[:, 0], tuple("abcdefgh"))


def _majority(length: int, examples: int) -> Dataset:
    """Which of four tokens is the most frequent in a sequence."""
    tokens = (KeyedStream(0).uniform("suite/majority", 0, examples * length) * 4).astype(int).reshape(examples, length)
    counts = np.stack([(tokens == each).sum(axis=1) for each in range(4)], axis=1)
    ordered = np.sort(counts, axis=1)
    clear = ordered[:, -1] > ordered[:, -2]
    return _parted("majority", tokens[clear], counts.argmax(axis=1)[clear], tuple("abcd"))


def _waves(examples: int) -> Dataset:
    """sin(3 a x + b) by a, b and x, all between -1 and 1."""
    drawn = 2 * KeyedStream(0).uniform("suite/waves", 0, 3 * examples).reshape(examples, 3) - 1
    return _parted("waves", drawn, np.sin(3 * drawn[:, 0] * drawn[:, 2] + drawn[:, 1]))


def _image(size: int) -> Dataset:
    """The brightness of scikit-learn's flower by its place."""
    from sklearn.datasets import load_sample_image

    grey = load_sample_image("flower.jpg").mean(axis=2)
    rows, columns = (np.linspace(0, length - 1, size).astype(int) for length in grey.shape)
    values = grey[np.ix_(rows, columns)].ravel()
    axis = np.linspace(-1, 1, size)
    places = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)
    return _parted("image", places, values)


EXAMPLES: Final[Mapping[str, Callable[..., Dataset]]] = {
    "digits": _digits,
    "table": _table,
    "characters": _characters,
    "adding": _adding,
    "image": _image,
    "pixels": _pixels,
    "recall": _recall,
    "majority": _majority,
    "waves": _waves,
}
