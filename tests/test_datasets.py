"""Built-in data and a person's own files: what is read, and what is refused with which sentence."""

import io
import os
import re
import tracemalloc
import zipfile

import numpy as np
import pytest

from goodinit import datasets
from goodinit.datasets import shapes
from goodinit.datasets.base import split
from goodinit.datasets.builtin import BUILTIN, make
from goodinit.errors import GoodinitError


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def table(rows=12):
    return "".join(f"{i * 100},{i % 3 - 1},{'cat' if i % 2 else 'dog'}\n" for i in range(rows))


@pytest.mark.parametrize("name", datasets.names())
def test_builtin_sets(name):
    data, again, other = datasets.load(name), datasets.load(name), datasets.load(name, seed=1)
    assert data.X_train.shape == (len(data.y_train), len(data.features))
    assert data.X_test.shape == (len(data.y_test), len(data.features))
    if data.regression:
        assert data.classes == ()
        assert data.targets.shape == (1, len(data.y_train))
    else:
        assert set(data.y_train) == set(data.y_test) == set(range(len(data.classes)))
    assert np.isfinite(data.X_train).all()
    assert np.array_equal(data.X_train, again.X_train)
    assert np.array_equal(data.X_train, other.X_train) == (name == "circles")
    assert data.targets.shape == (data.outputs, len(data.y_train))


def test_circles_are_the_published_points():
    make_circles = pytest.importorskip("sklearn.datasets").make_circles
    X, y = make_circles(n_samples=100, noise=0.05, random_state=2)
    data = datasets.load("circles", seed=99)
    assert np.array_equal(data.X_test, X)
    assert np.array_equal(data.y_test, y)


@pytest.mark.parametrize(("name", "rows"), [("iris", 150), ("wine", 178), ("breast_cancer", 569)])
def test_tables_are_those_of_scikit_learn_with_every_class_parted_alike(name, rows):
    theirs = getattr(pytest.importorskip("sklearn.datasets"), f"load_{name}")()
    scaler = pytest.importorskip("sklearn.preprocessing").StandardScaler()
    data = datasets.load(name, seed=3)
    assert len(data.y_train) + len(data.y_test) == rows
    assert (len(data.y_train), len(data.y_test)) == datasets.BUILTIN[name].rows
    named = [each.removesuffix(" (cm)").replace("_", " ") for each in theirs.feature_names]
    assert list(data.features) == named
    share = np.bincount(data.y_test) / np.bincount(theirs.target)
    np.testing.assert_allclose(share, 0.25, atol=0.015)
    train, _ = split(theirs.target, 3)
    np.testing.assert_allclose(data.X_train, scaler.fit_transform(theirs.data[train]), rtol=1e-9, atol=1e-12)
    assert np.array_equal(data.y_train, theirs.target[train])


@pytest.mark.parametrize("noise", [0.0, 0.3])
@pytest.mark.parametrize("points", [2, 7, 100, 1001])
def test_points_are_those_of_scikit_learn_to_the_bit(points, noise):
    theirs = pytest.importorskip("sklearn.datasets")
    centres = np.array([[0.0, 2.0], [-1.7, -1.0], [1.7, -1.0]])
    for seed in (0, 123456):
        ours = [np.random.RandomState(seed) for _ in range(3)]
        for found, expected in (
            (shapes.circles(points, noise, ours[0]), theirs.make_circles(points, noise=noise, random_state=seed)),
            (shapes.moons(points, noise, ours[1]), theirs.make_moons(points, noise=noise, random_state=seed)),
            (
                shapes.blobs(points, centres, noise, ours[2]),
                theirs.make_blobs(points, centers=centres, cluster_std=noise, random_state=seed),
            ),
        ):
            assert [each.tobytes() for each in found] == [each.tobytes() for each in expected]


@pytest.mark.parametrize("name", datasets.names())
def test_a_built_in_set_with_its_own_options_is_the_set(name):
    kind = datasets.BUILTIN[name]
    options = ", ".join(f"{option}={value}" for option, value in kind.options().items())
    data, told = datasets.load(name, seed=5), datasets.load(f"{name}({options})", seed=5)
    assert told.name == data.name == name
    np.testing.assert_array_equal(told.X_train, data.X_train)
    assert datasets.Source(f"{name}({options})").fingerprint == datasets.Source(name).fingerprint
    assert datasets.Source(name).varies == (name != "circles")


@pytest.mark.parametrize("name", ["circles", "moons", "spirals", "xor", "blobs"])
def test_noise_and_points_of_a_built_in_set(name):
    clean, noisy = (datasets.load(f"{name}(noise={noise}, points=600)") for noise in (0, 0.5))
    assert (len(clean.y_train), len(clean.y_test)) == (600, 200)
    assert noisy.name == f"{name}(noise=0.5, points=600)"
    np.testing.assert_array_equal(clean.y_train, noisy.y_train)
    moved = (noisy.X_train - clean.X_train).std()
    assert moved == pytest.approx(0.5, rel=4 / np.sqrt(2 * noisy.X_train.size))  # four standard errors


def test_wrong_options_of_a_built_in_set():
    for text, message in {
        "moons(nose=1)": "no option 'nose'; it takes noise and points",
        "digits(noise=1)": "it takes no option",
        "moons(noise=-1)": "noise must be a finite number of at least 0",
        "moons(noise=inf)": "noise must be",
        "moons(noise=true)": "noise must be",
        "moons(points=2)": "points must be an integer from 6",
        "moons(points=1e5)": "points must be an integer",
        "moons(points=10000000)": "points must be an integer",
    }.items():
        with pytest.raises(GoodinitError, match=re.escape(message)):
            datasets.load(text)


def test_a_csv_in_memory_is_the_file(tmp_path):
    text = "\ufeffsize;shade;kind\r\n" + table(40).replace(",", ";")
    path = tmp_path / "a.csv"
    path.write_bytes(text.encode())
    held, read = datasets.CsvText("a.csv", text), path
    for seed in (0, 7):
        a, b = (datasets.load(each, "kind", seed) for each in (held, read))
        assert (a.name, a.classes, a.features, a.note) == (b.name, b.classes, b.features, b.note)
        np.testing.assert_array_equal(a.X_train, b.X_train)
        np.testing.assert_array_equal(a.y_test, b.y_test)
    sources = [datasets.Source(each, "kind") for each in (held, read)]
    assert sources[0].fingerprint == sources[1].fingerprint
    assert sources[0].varies
    with pytest.raises(GoodinitError, match=r"a\.csv: there is no column 'kid'"):
        datasets.load(held, "kid")


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv_with_words_as_labels(tmp_path, delimiter):
    text = "\ufeffsize,shade,kind\n" + table() + "\n\n"
    data = datasets.load(write(tmp_path / "a.csv", text.replace(",", delimiter)), target="kind")
    assert data.classes == ("cat", "dog")
    assert data.features == ("size", "shade")
    assert (len(data.y_train), len(data.y_test)) == (8, 4)
    np.testing.assert_allclose(data.X_train.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(data.X_train.std(axis=0), 1)
    assert "standardized" in data.note
    raw = datasets.load(tmp_path / "a.csv", target="kind", standardize=False)
    assert sorted(np.concatenate([raw.X_train, raw.X_test])[:, 0]) == [100 * i for i in range(12)]
    assert raw.note == ""


def test_the_seed_chooses_the_test_rows_of_every_class(tmp_path):
    path = write(tmp_path / "a.csv", "size,shade,kind\n" + table(40))
    chosen = {tuple(datasets.load(path, "kind", seed, standardize=False).X_test[:, 0]) for seed in range(5)}
    assert len(chosen) == 5
    assert np.bincount(datasets.load(path, "kind").y_test).tolist() == [5, 5]


def test_numbers_as_labels_are_in_order(tmp_path):
    path = write(tmp_path / "a.csv", "y,x\n" + "".join(f"{label},{label}.5\n" for label in (10, 9, 2) * 3))
    data = datasets.load(path, "y")
    assert data.classes == ("2", "9", "10")
    assert data.outputs == 3


def test_a_constant_column_is_centred(tmp_path):
    path = write(tmp_path / "a.csv", "c,x,y\n" + "".join(f"0.1,{i},{i % 2}\n" for i in range(8)))
    assert not datasets.load(path, "y").X_train[:, 0].any()


def test_quoted_fields(tmp_path):
    path = write(tmp_path / "a.csv", '"x, wide",y\n' + "".join(f'"{i}","class, {i % 2}"\n' for i in range(8)))
    data = datasets.load(path, "y")
    assert data.features == ("x, wide",)
    assert data.classes == ("class, 0", "class, 1")


@pytest.mark.parametrize(
    ("text", "target", "message"),
    [
        ("", "kind", "the file is empty"),
        ("\n\n", "kind", "the file is empty"),
        ("size,shade,kind\n", "kind", "0 rows below the header"),
        ("size,shade,kind\n" + table(), None, "which column holds the labels.*'size', 'shade' and 'kind'"),
        ("size,shade,kind\n" + table(), "knid", "no column 'knid'; did you mean 'kind'"),
        ("size,shade,kind\n" + table(1) + ",1,cat\n" + table(), "kind", r"line 3, column 'size': the value is missing"),
        ("size,shade,kind\n" + table() + "1,NA,cat\n", "kind", r"column 'shade': the value is missing \('NA'\)"),
        ("size,shade,kind\n" + table() + "1,nan,cat\n", "kind", "the value is missing"),
        ("size,shade,kind\n" + table() + "-inf,1,cat\n", "kind", "'-inf' is infinite"),
        ("size,shade,kind\n" + table() + "1e999,1,cat\n", "kind", "'1e999' is infinite"),
        ("size,shade,kind\n" + table() + "red,1,cat\n", "kind", "'red' is not a number; encode"),
        ("size,shade,kind\n" + table() + "1_000,1,cat\n", "kind", "is not a number"),
        ("size,shade,kind\n" + table() + "1,1\n", "kind", "line 14: 2 values where the header has 3"),
        ("size,shade,kind\n" + table() + "1,1, \n", "kind", "the label 'kind' is missing"),
        ("size,shade,kind\n" + table().replace("dog", "cat"), "kind", "all 12 labels are 'cat'"),
        ("size,size,kind\n" + table(), "kind", "2 columns named 'size'"),
        (table().replace("cat", "1").replace("dog", "2"), "kind", "the first line holds numbers"),
        ("just some words\nand more\n", "kind", "is not a header"),
        ("x,y\n" + "".join(f"{i},{i * 0.37}\n" for i in range(50)), "y", "50 different values in 50 rows"),
        ("x,y\n" + "1e308,a\n-1e308,b\n" * 8, "y", "too large to standardize"),
        *(
            ("size,shade,kind\n" + table() + f"1,1,{gap}\n", "kind", "line 14: the label 'kind' is missing")
            for gap in ("nan", "NA", "?", "null", "#N/A")
        ),
    ],
)
def test_csv_errors(tmp_path, text, target, message):
    with pytest.raises(GoodinitError, match=message):
        datasets.load(write(tmp_path / "a.csv", text), target=target)


def test_what_is_no_file_of_text(tmp_path):
    (tmp_path / "picture.csv").write_bytes(bytes(range(256)) * 4)
    (tmp_path / "zeros.csv").write_bytes(b"a,b\0c\n")
    (tmp_path / "latin.csv").write_bytes("größe,y\n1,2\n".encode("latin-1"))
    for name in ("picture.csv", "zeros.csv", "latin.csv"):
        with pytest.raises(GoodinitError, match="not a CSV text file"):
            datasets.load(tmp_path / name, target="y")
    with pytest.raises(GoodinitError, match="is a folder"):
        datasets.load(tmp_path)
    with pytest.raises(GoodinitError, match="no such file"):
        datasets.load(tmp_path / "none.csv")
    with pytest.raises(GoodinitError, match="did you mean circles"):
        datasets.load("circle")
    with pytest.raises(GoodinitError, match="goes with a file"):
        datasets.load("circles", target="y")


X = np.arange(24.0).reshape(12, 2)
Y = np.arange(12) % 2


def test_npz(tmp_path):
    np.savez(tmp_path / "a.npz", X=X.reshape(12, 2, 1), y=Y.astype(float))
    np.savez(tmp_path / "b.npz", X_train=X, y_train=Y, X_test=X[:4], y_test=Y[:4])
    np.savez(tmp_path / "c.npz", points=X, animal=np.where(Y, "cat", "dog"))
    assert datasets.load(tmp_path / "a.npz").classes == ("0", "1")
    parted = datasets.load(tmp_path / "b.npz", standardize=False)
    assert np.array_equal(parted.X_train, X)
    assert np.array_equal(parted.y_test, Y[:4])
    assert datasets.load(tmp_path / "c.npz", target="animal").classes == ("cat", "dog")


@pytest.mark.parametrize(
    ("arrays", "target", "message"),
    [
        ({"X": X, "y": Y[:5]}, None, "12 rows of features and 5 labels"),
        ({"X": X.astype(object), "y": Y}, None, "not an NPZ file of plain arrays"),
        ({"X": np.where(X > 5, np.nan, X), "y": Y}, None, "missing or infinite, first row 3"),
        ({"X": X.astype(str), "y": Y}, None, "give numbers"),
        ({"X": X[:, 0], "y": Y}, None, r"\(examples, features\)"),
        ({"X": X[:0], "y": Y[:0]}, None, "give numbers"),
        ({"X": X, "y": 0 * Y}, None, "all 12 labels are '0'"),
        ({"a": X, "b": Y}, None, "name the features X and the labels y"),
        ({"a": X, "b": Y}, "c", "no array 'c'"),
        ({"X": X, "y": np.where(Y, np.nan, 1.0)}, None, "some labels are missing"),
        ({"X_train": X, "y_train": Y, "X_test": X[:, :1], "y_test": Y}, None, "X_train has 2 features and X_test 1"),
        ({"X_train": X, "y_train": Y, "X_test": X, "y_test": Y + 1}, None, "test labels hold '2'"),
    ],
)
def test_npz_errors(tmp_path, arrays, target, message):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(GoodinitError, match=message):
        datasets.load(tmp_path / "a.npz", target=target)


def test_labels_that_are_the_same_number_are_one_class(tmp_path):
    rows = "".join(f"{i},{('1', '1.0', '2', '+2.00')[i % 4]}\n" for i in range(24))
    data = datasets.load(write(tmp_path / "a.csv", "x,y\n" + rows), "y", standardize=False)
    assert data.classes == ("1", "2")
    assert [data.classes[label] for label in data.y_train[np.argsort(data.X_train[:, 0])]].count("1") == 9
    words = "".join(f"{i},{('1', '1.0', 'none')[i % 3]}\n" for i in range(24))
    assert datasets.load(write(tmp_path / "b.csv", "x,y\n" + words), "y").classes == ("1", "1.0", "none")


def test_labels_that_differ_in_the_last_digit_are_two_classes(tmp_path):
    digits = ("9007199254740992", "9007199254740993")  # the same in float64
    rows = "".join(f"{i},{digits[i % 2]}\n" for i in range(24))
    assert datasets.load(write(tmp_path / "a.csv", "x,y\n" + rows), "y").classes == digits
    for labels, classes in {
        (1234567.0, 1234568.0): ("1234567", "1234568"),
        (0.1, 0.100000000001): ("0.1", "0.100000000001"),
        (-0.0, 0.0, 1.0): ("0", "1"),
        (1e300, -2e300): ("-2e+300", "1e+300"),
    }.items():
        np.savez(tmp_path / "a.npz", X=X, y=np.resize(labels, 12))
        assert datasets.load(tmp_path / "a.npz").classes == classes
    np.savez(tmp_path / "a.npz", X_train=X, y_train=Y.astype(np.float32), X_test=X[:4], y_test=Y[:4].astype(str))
    assert datasets.load(tmp_path / "a.npz").y_test.tolist() == [0, 1, 0, 1]
    np.savez(tmp_path / "a.npz", X=X, y=np.resize(np.array(["cat", "NA", "dog"]), 12))
    with pytest.raises(GoodinitError, match="4 labels are missing, first row 1"):
        datasets.load(tmp_path / "a.npz")


def test_what_unpacks_to_too_much_is_refused_before_it_is_unpacked(tmp_path):
    def npy(shape, dtype="<f8", content=b""):
        header = io.BytesIO()
        np.lib.format.write_array_header_2_0(header, {"descr": dtype, "fortran_order": False, "shape": shape})
        return header.getvalue() + content

    zeros = npy((3 << 26, 1), content=bytes(1 << 20))  # 1.5 GiB told, and a beginning of it
    for array in (zeros, npy((10**9, 10**9)), npy((1 << 31, 1), "|i1"), npy((5,), "|V1000000000")):
        with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("X.npy", array)
        tracemalloc.start()
        with pytest.raises(GoodinitError, match="1 GiB is the most"):
            datasets.load(tmp_path / "a.npz")
        assert tracemalloc.get_traced_memory()[1] < 1 << 24
        tracemalloc.stop()


def test_a_file_that_never_ends_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    for path in (tmp_path / "pipe.csv", "/dev/zero"):
        with pytest.raises(GoodinitError, match="is not a file"):
            datasets.load(path, target="y")


def _npz(change):
    held = io.BytesIO()
    np.savez_compressed(held, X=np.arange(4000.0).reshape(2000, 2), y=np.arange(2000) % 2)
    return change(held.getvalue())


@pytest.mark.parametrize(
    "content",
    [
        _npz(lambda whole: whole[:300] + bytes(range(200)) + whole[500:]),  # zlib's error
        _npz(lambda whole: whole.replace(b"\x08\0", b"\x63\0")),  # a method that nobody knows
        _npz(lambda whole: whole.replace(b"PK\x01\x02", b"PK\x01\x03")),
        _npz(lambda whole: whole[:-30]),
    ],
)
def test_a_damaged_npz(tmp_path, content):
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(GoodinitError, match=r"not an NPZ file|no array|name the features"):
        datasets.load(tmp_path / "a.npz")


def test_an_npz_that_holds_no_arrays_or_is_one(tmp_path):
    np.savez(tmp_path / "a.npz")
    np.save(tmp_path / "b.npy", X)
    (tmp_path / "b.npy").rename(tmp_path / "b.npz")
    for name in ("a.npz", "b.npz"):
        with pytest.raises(GoodinitError, match=r"not an NPZ file|no array"):
            datasets.load(tmp_path / name)


def test_a_broken_npz(tmp_path):
    for content in (b"", b"hello", b"PK\3\4 cut"):
        (tmp_path / "a.npz").write_bytes(content)
        with pytest.raises(GoodinitError, match="not an NPZ file"):
            datasets.load(tmp_path / "a.npz")


@pytest.mark.parametrize("name", [name for name, kind in BUILTIN.items() if kind.points is None])
def test_a_set_of_fixed_size_has_the_rows_that_it_is_said_to_have(name: str) -> None:
    for seed in (0, 7):
        data = make(name, seed)
        assert (len(data.y_train), len(data.y_test)) == BUILTIN[name].rows


def test_the_digits_are_those_of_scikit_learn():
    from sklearn.datasets import load_digits

    found, whole = datasets.load("digits", seed=3), load_digits()
    kept = np.concatenate(
        [np.column_stack([found.X_train, found.y_train]), np.column_stack([found.X_test, found.y_test])]
    )
    theirs = np.column_stack([whole.data / 16, whole.target])
    assert np.array_equal(kept[np.lexsort(kept.T)], theirs[np.lexsort(theirs.T)])
