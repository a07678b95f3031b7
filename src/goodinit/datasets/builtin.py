"""The data sets that come with goodinit: the classic circles, and others made from a seed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from goodinit.datasets import shapes
from goodinit.datasets.base import Dataset, split
from goodinit.datasets.scaling import scaled
from goodinit.errors import GoodinitError, is_finite, shown, unknown_name
from goodinit.spec import format_spec, parse_spec
from goodinit.streams import KeyedStream

__all__ = ["BUILTIN", "Builtin", "canonical_text", "is_builtin", "make", "parse"]

TRAIN = 300  # as many points as the classic experiment has
TESTED = 3  # one point to test on for so many to train on: its 100
FEWEST, MOST = 2 * TESTED, 100_000

Points = tuple[Any, Any, Any, Any]


@dataclass(frozen=True)
class Builtin:
    """A data set that is made or read here.

    `make` takes the seed, the noise and the number of points to train on; the set has the options whose defaults are
    given here, `noise` from 0 on and `points`; one without `points` has `rows` to train and to test on. `varies` says
    that the examples depend on the seed. Without `classes` numbers are to be predicted, called `target`.
    `standardized` sets are scaled by the training rows.
    """

    summary: str
    classes: tuple[str, ...]
    features: tuple[str, ...]
    make: Callable[[int, float, int], Points]
    noise: float | None = None
    points: int | None = TRAIN
    rows: tuple[int, int] | None = None
    varies: bool = True
    image: tuple[int, int] | None = None
    target: str = "y"
    standardized: bool = False

    def options(self) -> dict[str, float | int]:
        """The options and their defaults."""
        given = {"noise": self.noise, "points": self.points}
        return {name: value for name, value in given.items() if value is not None}


def _circles(seed: int, noise: float, points: int) -> Points:
    """scikit-learn's `make_circles`: NumPy seed 1 to train, seed 2 to test, whatever the seed."""
    train, test = (np.random.RandomState(fixed) for fixed in (1, 2))
    return *shapes.circles(points, noise, train), *shapes.circles(points // TESTED, noise, test)


def _moons(seed: int, noise: float, points: int) -> Points:
    train = shapes.moons(points, noise, _state(seed, "moons/train"))
    return *train, *shapes.moons(points // TESTED, noise, _state(seed, "moons/test"))


def _blobs(seed: int, noise: float, points: int) -> Points:
    angles = np.array([90, 210, 330]) * np.pi / 180
    centres = 2 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    train = shapes.blobs(points, centres, noise, _state(seed, "blobs/train"))
    return *train, *shapes.blobs(points // TESTED, centres, noise, _state(seed, "blobs/test"))


def _spirals(seed: int, noise: float, points: int) -> Points:
    def arms(examples: int, name: str) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
        stream = KeyedStream(seed)
        y = np.arange(examples) % 2
        turn = np.sqrt(stream.uniform(f"{name}/turn", 0, examples))  # even along the arm's area
        angle = 3 * np.pi * turn + np.pi * y
        arm = turn[:, np.newaxis] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
        return arm + noise * stream.normal(f"{name}/noise", 0, 2 * examples).reshape(-1, 2), y

    return *arms(points, "spirals/train"), *arms(points // TESTED, "spirals/test")


def _xor(seed: int, noise: float, points: int) -> Points:
    """Without noise the border is a gap of 0.1; noise moves the points after their classes are told."""

    def square(examples: int, name: str) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
        stream = KeyedStream(seed)
        inside = 0.05 + 0.95 * stream.uniform(f"{name}/distance", 0, 2 * examples)
        X = (inside * stream.signs(f"{name}/quarter", 0, 2 * examples)).reshape(-1, 2)
        moved = noise * stream.normal(f"{name}/noise", 0, 2 * examples).reshape(-1, 2) if noise else 0.0
        return X + moved, (X.prod(axis=1) < 0).astype(np.intp)

    return *square(points, "xor/train"), *square(points // TESTED, "xor/test")


def _digits(seed: int, noise: float, points: int) -> Points:
    table = _digits_table()
    X, y = table[:, :-1] / 16.0, table[:, -1].astype(np.intp)
    train, test = split(y, seed)
    return X[train], y[train], X[test], y[test]


def _digits_table() -> NDArray[np.float64]:
    """scikit-learn's file of digits, 64 pixels and the class a row, read without its import, which takes longer."""
    found = find_spec("sklearn")
    for folder in (found.submodule_search_locations or ()) if found is not None else ():
        path = Path(folder) / "datasets" / "data" / "digits.csv.gz"
        if path.is_file():
            return np.loadtxt(path, delimiter=",")
    from sklearn.datasets import load_digits

    data: Any = load_digits()
    return np.column_stack([data.data, data.target])


def _wave(seed: int, noise: float, points: int) -> Points:
    """The noise bounds what can be learned: the function's variance is 5/8, so that R² ends near 1 - 0.01 / 0.635."""

    def line(examples: int, name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        stream = KeyedStream(seed)
        x = 2 * stream.uniform(f"{name}/x", 0, examples) - 1
        y = np.sin(2 * np.pi * x) + np.sin(5 * np.pi * x) / 2
        return x[:, np.newaxis], y + noise * stream.normal(f"{name}/noise", 0, examples)

    return *line(points, "wave/train"), *line(points // TESTED, "wave/test")


def _table(loader: str, **options: Any) -> Callable[[int, float, int], Points]:
    """The table that the function of scikit-learn's data sets reads, parted by the seed."""

    def made(seed: int, noise: float, points: int) -> Points:
        from sklearn import datasets

        data: Any = getattr(datasets, loader)(**options)
        labels = data.target if "target_names" in data else np.zeros(len(data.target), dtype=np.intp)
        train, test = split(labels, seed)
        return data.data[train], data.target[train], data.data[test], data.target[test]

    return made


_PLANE: Final = ("x1", "x2")
_WINE: Final = (
    "alcohol", "malic acid", "ash", "alcalinity of ash", "magnesium", "total phenols", "flavanoids",
    "nonflavanoid phenols", "proanthocyanins", "color intensity", "hue", "od280/od315 of diluted wines", "proline",
)  # fmt: skip
_CELLS: Final = (
    "radius", "texture", "perimeter", "area", "smoothness", "compactness", "concavity", "concave points", "symmetry",
    "fractal dimension",
)  # fmt: skip
_PIXELS: Final = tuple(f"pixel {row},{column}" for row in range(8) for column in range(8))

BUILTIN: Final[dict[str, Builtin]] = {
    "circles": Builtin(
        "two circles, one inside the other: the classic experiment's own points, whatever the seed",
        ("outer", "inner"),
        _PLANE,
        _circles,
        noise=0.05,
        varies=False,
    ),
    "moons": Builtin("two interleaved half circles", ("upper", "lower"), _PLANE, _moons, noise=0.1),
    "spirals": Builtin(
        "two spirals of a turn and a half around each other", ("first", "second"), _PLANE, _spirals, noise=0.05
    ),
    "xor": Builtin(
        "points of a square in four quarters; opposite quarters share a class",
        ("same sign", "opposite signs"),
        _PLANE,
        _xor,
        noise=0.0,
    ),
    "blobs": Builtin(
        "three normal clouds around the corners of a triangle, one a class",
        ("top", "left", "right"),
        _PLANE,
        _blobs,
        noise=0.6,
    ),
    "digits": Builtin(
        "1,797 handwritten digits of 8 x 8 pixels (Alpaydin & Kaynak 1998, from scikit-learn), scaled to [0, 1]",
        tuple("0123456789"),
        _PIXELS,
        _digits,
        points=None,
        rows=(1347, 450),
        image=(8, 8),
    ),
    "iris": Builtin(
        "150 irises of three species by four lengths (Fisher 1936, from scikit-learn), standardized",
        ("setosa", "versicolor", "virginica"),
        ("sepal length", "sepal width", "petal length", "petal width"),
        _table("load_iris"),
        points=None,
        rows=(114, 36),
        standardized=True,
    ),
    "wine": Builtin(
        "178 wines of three cultivars by 13 measurements (Aeberhard & Forina 1991, from scikit-learn), standardized",
        ("cultivar 0", "cultivar 1", "cultivar 2"),
        _WINE,
        _table("load_wine"),
        points=None,
        rows=(133, 45),
        standardized=True,
    ),
    "breast_cancer": Builtin(
        "569 tumours, malignant or benign, by 30 measurements (Wolberg et al. 1995, from scikit-learn), standardized",
        ("malignant", "benign"),
        tuple(name.format(cell) for name in ("mean {}", "{} error", "worst {}") for cell in _CELLS),
        _table("load_breast_cancer"),
        points=None,
        rows=(427, 142),
        standardized=True,
    ),
    "wave": Builtin(
        "numbers to predict: y = sin(2 pi x) + sin(5 pi x) / 2 for x even in [-1, 1], with normal noise",
        (),
        ("x",),
        _wave,
        noise=0.1,
    ),
    "diabetes": Builtin(
        "numbers to predict: how far diabetes went in a year, 442 patients (Efron et al. 2004, from scikit-learn)",
        (),
        ("age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6"),
        _table("load_diabetes", scaled=False),
        points=None,
        rows=(332, 110),
        target="progression",
        standardized=True,
    ),
}


def is_builtin(text: str) -> bool:
    """Whether the text, options or not, names a built-in data set."""
    return text.partition("(")[0].strip() in BUILTIN


def parse(text: str) -> tuple[str, dict[str, float | int]]:
    """The name and the options, all of them, that `name` or `name(noise=..., points=...)` tells.

    Raises GoodinitError for an option that the set does not have, or a value out of range.
    """
    name, given = parse_spec(text)
    if name not in BUILTIN:
        raise unknown_name("data set", name, BUILTIN, see="or give the path of a CSV or NPZ file")
    known = BUILTIN[name].options()
    for option in given:
        if option not in known:
            takes = f"it takes {' and '.join(known)}" if known else "it takes no option"
            raise GoodinitError(f"data set {name!r} has no option {option!r}; {takes}")
    options = {**known, **given}
    noise, points = options.get("noise", 0.0), options.get("points", TRAIN)
    if isinstance(noise, bool) or not isinstance(noise, int | float) or not (is_finite(noise) and noise >= 0):
        raise GoodinitError(f"{name}(noise={shown(noise)}): noise must be a finite number of at least 0")
    if isinstance(points, bool) or not isinstance(points, int) or not FEWEST <= points <= MOST:
        raise GoodinitError(f"{name}(points={shown(points)}): points must be an integer from {FEWEST} to {MOST:,}")
    return name, options


def canonical_text(text: str) -> str:
    """The shortest text of the same data: `moons(noise=0.1)` is `moons`."""
    name, options = parse(text)
    usual = BUILTIN[name].options()
    return format_spec(name, {option: value for option, value in options.items() if value != usual[option]})


def make(text: str, seed: int) -> Dataset:
    """The examples of `name` or `name(noise=..., points=...)` for that seed. Raises what `parse` does."""
    name, options = parse(text)
    kind = BUILTIN[name]
    X_train, y_train, X_test, y_test = kind.make(seed, float(options.get("noise", 0.0)), int(options.get("points", 0)))
    note = ""
    if kind.classes:
        y_train, y_test = y_train.astype(np.intp), y_test.astype(np.intp)
    elif not kind.standardized:
        note = f"target as it is, with noise of standard deviation {options['noise']:g}"
    data = Dataset(
        canonical_text(text), X_train, y_train, X_test, y_test, kind.classes, kind.features, note, target=kind.target
    )
    return scaled(data) if kind.standardized else data


def _state(seed: int, name: str) -> np.random.RandomState:
    """A generator of NumPy's older kind, seeded by the first word of that name's stream."""
    return np.random.RandomState(int(KeyedStream(seed).words(name, 0, 1)[0] >> np.uint64(32)))
