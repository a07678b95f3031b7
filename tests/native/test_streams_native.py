"""The compiled streams: the same bits as the NumPy code, however and on whatever instruction set they are made."""

import os
import signal
import subprocess
import sys
import threading
import tracemalloc

import numpy as np
import pytest

from goodinit import normal, streams
from goodinit.errors import GoodinitError
from goodinit.initializers import HeNormal, HeUniform, Normal, TruncatedNormal, Uniform, VarianceScaling
from goodinit.streams import KeyedStream, Law
from goodinit.weights import Weight

native = pytest.importorskip("goodinit._native", reason="the extension is not built")
if not hasattr(native, "stream_fill"):
    pytest.skip("the extension is built without the streams", allow_module_level=True)

ISAS = native.stream_isas()
CUTS = [
    (-2.0, 2.0),  # both sides, centre and tails
    (-0.5, 0.5),  # no tails
    (-8.0, 0.1),
    (-1e-3, 2e-3),
    (0.0, 3.0),
    (-np.inf, np.inf),
    (-np.inf, 1.0),
    (-6.0, -4.0),  # one tail
    (-np.inf, -36.9),  # probabilities below the normal numbers
    (-1.0, 0.0),
    (0.5, 1.0),  # mirrored
    (3.0, np.inf),
    (35.0, 36.5),
]
LAWS = [
    Law("uniform"),
    Law("uniform", scale=3.5, shift=-1.25),
    Law("centred", scale=0.3),
    Law("signs", scale=0.7),
    Law("normal"),
    Law("normal", scale=0.1),
    Law("normal", scale=-1e-3, shift=1e3),
    Law("normal", scale=0.0),
    *(Law("truncated_normal", scale=1.1, low=low, high=high) for low, high in CUTS),
]


def name_of(law):
    return f"{law.kind}-{law.scale}-{law.shift}-{law.low}-{law.high}"


def same_bits(a, b):
    return a.dtype == b.dtype and a.tobytes() == b.tobytes()


def expected(law, words, dtype):
    out = np.empty(words.size, dtype)
    cut = streams._cut(law.low, law.high) if law.kind == "truncated_normal" else None
    streams._write(law, streams._from_words(law, words, cut), out)
    return out


def options(law):
    cut = streams._cut(law.low, law.high) if law.kind == "truncated_normal" else None
    shift = {} if law.shift is None else {"shift": law.shift}
    return {"scale": law.scale, "cut": cut, **shift}


def words_around(p):
    """The words whose cells surround that lower-tail probability, and their mirror images."""
    middle = int(np.float64(p).as_integer_ratio()[0] * 2**64 // np.float64(p).as_integer_ratio()[1])
    near = [middle + step * 2**shift for shift in (0, 1, 5, 8, 9, 10, 11) for step in range(-4, 5)]
    near = [word for word in near if 0 <= word < 2**64]
    return near + [2**64 - 1 - word for word in near]


@pytest.fixture(scope="module")
def special_words():
    """The ends, the middle, the powers of two, and the borders of every formula and segment."""
    words = {0, 1, 2, 2**63 - 1, 2**63, 2**63 + 1, 2**64 - 2, 2**64 - 1}
    words |= {(1 << bit) + step for bit in range(64) for step in (-1, 0, 1)}
    words |= {2**64 - 1 - word for word in words}
    for exponent in range(-11, -1):
        for quarter in range(4, 8):
            words.update(words_around(2.0**exponent * quarter / 4))
    words.update(words_around(np.exp(-25.0)))
    words.update(words_around(normal.cdf_lower(-2.0)))
    return np.array(sorted(words), dtype=np.uint64)


@pytest.mark.parametrize("isa", ISAS)
def test_words_are_numpys(isa):
    key = (2**64 - 1, 0x0123456789ABCDEF)
    for start, size in ((0, 1), (1, 2), (3, 5000), (4, 4), (7, 1021), (2**32 - 3, 10), (2**34 + 1, 3000), (2**62, 9)):
        words = np.empty(size, np.uint64)
        native.stream_fill(words, "words", key, start, isa=isa)
        assert same_bits(words, streams._philox(key, start, start + size))


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("law", LAWS, ids=name_of)
def test_special_words(isa, law, special_words):
    for dtype in (np.float64, np.float32):
        out = np.empty(special_words.size, dtype)
        native.stream_transform(special_words, out, law.kind, isa=isa, **options(law))
        assert same_bits(out, expected(law, special_words, dtype))


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("law", LAWS, ids=name_of)
def test_random_words(isa, law):
    words = np.random.default_rng(5).integers(0, 2**64, 30_011, dtype=np.uint64)
    for dtype in (np.float64, np.float32):
        out = np.empty(words.size, dtype)
        native.stream_transform(words, out, law.kind, isa=isa, **options(law))
        assert same_bits(out, expected(law, words, dtype))


@pytest.mark.parametrize("isa", ISAS)
def test_the_deep_tail(isa):
    """Words beyond 5 standard deviations, which chance hardly gives: every one of 100,000 lies there."""
    words = np.random.default_rng(6).integers(0, 2**40, 100_000, dtype=np.uint64)
    words[::2] = ~words[::2]
    out = np.empty(words.size)
    native.stream_transform(words, out, "normal", isa=isa)
    assert same_bits(out, expected(Law("normal"), words, np.float64))


@pytest.mark.parametrize("size", [0, 1, 2, 3, 7, 8, 9, 15, 17, 127, 129, 1023, 1024, 1025, 2050])
def test_every_length_writes_its_own_elements_only(size):
    for law in (Law("uniform"), Law("normal"), Law("truncated_normal", low=2.0, high=3.0)):
        for isa in ISAS:
            for dtype in (np.float64, np.float32):
                room = np.full(size + 40, 77.0, dtype)
                native.stream_fill(room[20 : 20 + size], law.kind, (1, 2), 5, isa=isa, **options(law))
                assert (room[:20] == 77).all()
                assert (room[20 + size :] == 77).all()
                assert same_bits(room[20 : 20 + size], expected(law, streams._philox((1, 2), 5, 5 + size), dtype))


def test_random_ranges_are_the_numpy_codes(monkeypatch):
    rng = np.random.default_rng(7)
    for trial in range(60):
        law = LAWS[rng.integers(len(LAWS))]
        stream, name = KeyedStream(int(rng.integers(2**60))), f"layer{trial}.µ"
        start, size = int(rng.integers(0, 2 ** int(rng.integers(1, 62)))), int(rng.integers(0, 40_000))
        dtype = (np.float64, np.float32, np.float16, np.longdouble)[trial % 4]
        outs = []
        for flag in ("1", "0"):
            monkeypatch.setenv("GOODINIT_NATIVE", flag)
            out = np.zeros(size, dtype)
            with np.errstate(over="ignore"):
                stream.fill(name, law, out, start)
            outs.append(out)
        assert np.array_equal(*outs)
        if dtype in (np.float64, np.float32):
            assert same_bits(*outs)


def test_the_methods_are_the_numpy_codes(monkeypatch):
    stream = KeyedStream(11)
    for method, more in (("words", ()), ("uniform", ()), ("normal", ()), ("signs", ()), ("truncated_normal", (-2, 2))):
        drawn = []
        for flag in ("1", "0"):
            monkeypatch.setenv("GOODINIT_NATIVE", flag)
            drawn.append(getattr(stream, method)("a", *more, 3, 70_001))
        assert same_bits(*drawn)


@pytest.mark.parametrize("kind", ["normal", "uniform", "words"])
def test_threads_and_slices_change_nothing(kind):
    dtype = np.uint64 if kind == "words" else np.float32
    whole = np.empty(700_001, dtype)
    native.stream_fill(whole, kind, (3, 4), 1)
    for threads in (2, 3, 8, 100):
        out = np.zeros_like(whole)
        native.stream_fill(out, kind, (3, 4), 1, threads=threads)
        assert same_bits(out, whole)
    for start, stop in ((1, 2), (65_535, 65_537), (131_070, 400_003), (699_999, 700_001)):
        part = np.empty(stop - start, dtype)
        native.stream_fill(part, kind, (3, 4), 1 + start, threads=2)
        assert same_bits(part, whole[start:stop])


def test_a_build_that_makes_other_bits_is_not_used(monkeypatch):
    class Stale:
        __file__ = "stale.so"
        stream_fill = None

        @staticmethod
        def stream_transform(words, out, kind):
            native.stream_transform(words, out, kind)
            out[7] = np.nextafter(out[7], np.inf)

    monkeypatch.setattr(streams, "import_module", lambda name: Stale)
    streams._built.cache_clear()
    try:
        with pytest.warns(RuntimeWarning, match=r"stale\.so makes other bits"):
            assert KeyedStream(0).normal("a", 0, 3).size == 3
    finally:
        streams._built.cache_clear()


def test_many_callers_at_once():
    alone = {name: KeyedStream(0).normal(name, 0, 300_000) for name in "abcd"}
    together = {}
    callers = [
        threading.Thread(target=lambda n=name: together.update({n: KeyedStream(0).normal(n, 0, 300_000)}))
        for name in alone
    ]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert all(same_bits(alone[name], together[name]) for name in alone)


def test_subnormal_numbers_are_kept_where_the_caller_flushes_them():
    torch = pytest.importorskip("torch")
    law = Law("normal", scale=1e-310)
    kept = expected(law, streams._philox((1, 2), 0, 5000), np.float64)
    if not torch.set_flush_denormal(True):
        pytest.skip("this processor cannot flush subnormal numbers")
    try:
        out = np.empty(5000)
        native.stream_fill(out, "normal", (1, 2), 0, scale=1e-310)
    finally:
        torch.set_flush_denormal(False)
    assert same_bits(out, kept)
    assert np.count_nonzero(out) == 5000


def test_a_lower_instruction_set_can_be_chosen_and_a_wrong_one_is_refused():
    code = (
        "import importlib.util as u, sys; spec = u.spec_from_file_location('goodinit._native', sys.argv[1]);"
        "native = u.module_from_spec(spec); spec.loader.exec_module(native); print(native.stream_isas())"
    )
    command = [sys.executable, "-c", code, native.__file__]
    environment = {**os.environ, "GOODINIT_ISA": "baseline"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(["baseline"] if "baseline" in ISAS else ISAS)  # or compiled for one alone
    with pytest.raises(ValueError, match="isa sse9"):
        native.stream_fill(np.empty(3), "normal", (1, 2), 0, isa="sse9")


class Interrupted(Exception):  # noqa: N818  # what a handler raises, as KeyboardInterrupt is
    pass


def test_a_long_fill_is_interrupted():
    """What the fill had not reached when the signal came stays as it was."""
    if not hasattr(signal, "setitimer"):
        pytest.skip("no interval timers on this system")

    def interrupt(*_):
        raise Interrupted

    out, cut = np.zeros(1 << 25, np.float32), streams._cut(3.0, 4.0)
    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    try:
        with pytest.raises(Interrupted):
            native.stream_fill(out, "truncated_normal", (1, 2), 0, cut=cut, isa=ISAS[0])
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert out[-1] == 0


def read_only():
    array = np.empty(4)
    array.setflags(write=False)
    return array


@pytest.mark.parametrize(
    "out",
    [
        np.empty((2, 2)),
        np.empty(8)[::2],
        np.empty(4, np.int64),
        np.empty(4, np.float16),
        np.empty(4, ">f8"),
        [0.0, 0.0],
        None,
        read_only(),
        np.frombuffer(bytearray(33), np.float64, 4, 1),
    ],
    ids=["two axes", "strided", "int64", "float16", "big-endian", "list", "None", "read-only", "not aligned"],
)
def test_wrong_arrays_are_refused(out):
    with pytest.raises((TypeError, ValueError)):
        native.stream_fill(out, "normal", (1, 2), 0)


@pytest.mark.parametrize(
    ("kind", "key", "start", "more"),
    [
        ("gamma", (1, 2), 0, {}),
        ("words", (1, 2), 0, {}),
        ("normal", (1, 2), -1, {}),
        ("normal", (1, 2), 2**63, {}),
        ("normal", (1, 2), 2**64, {}),
        ("normal", (-1, 2), 0, {}),
        ("normal", (1,), 0, {}),
        ("normal", (1, 2), 0, {"threads": 0}),
        ("normal", (1, 2), 0, {"threads": 10_000}),
        ("normal", (1, 2), 0, {"scale": "1"}),
        ("normal", (1, 2), 0, {"cut": streams._cut(-2.0, 2.0)}),
        ("truncated_normal", (1, 2), 0, {}),
        ("truncated_normal", (1, 2), 0, {"cut": (2.0, -2.0, 0.1, 0.1, 0.1, 0.1, False)}),
        ("truncated_normal", (1, 2), 0, {"cut": (-2.0, 2.0, np.nan, 0.1, 0.1, 0.1, False)}),
        ("truncated_normal", (1, 2), 0, {"cut": (-2.0, 2.0, 0.1, 0.1, 0.1, 0.0, False)}),
    ],
)
def test_wrong_arguments_are_refused(kind, key, start, more):
    with pytest.raises((TypeError, ValueError)):
        native.stream_fill(np.empty(4), kind, key, start, **more)


def test_wrong_words_are_refused():
    words = np.zeros(4, np.uint64)
    for given, out in ((words[:3], np.empty(4)), (words.astype(np.int64), np.empty(4)), (words[::2], np.empty(2))):
        with pytest.raises((TypeError, ValueError)):
            native.stream_transform(given, out, "normal")


def test_a_fill_of_two_axes_is_refused_with_its_remedy():
    with pytest.raises(GoodinitError, match=r"reshape\(-1\)"):
        KeyedStream(0).fill("W", Law("normal"), np.empty((2, 2)))


def test_other_layouts_are_filled_through_chunks():
    whole = KeyedStream(0).normal("W", 0, 3000)
    for out in (np.empty(6000)[::2], np.empty(3000, ">f8"), np.frombuffer(bytearray(24_001), np.float64, 3000, 1)):
        KeyedStream(0).fill("W", Law("normal"), out)
        assert np.array_equal(out, whole)


@pytest.mark.parametrize(
    "initializer",
    [
        HeNormal(),
        HeUniform(),
        VarianceScaling(distribution="truncated_normal"),
        Normal(std=10, mean=-3),
        Normal(),
        Uniform(low=0, high=2),
        TruncatedNormal(std=0.02, mean=1, low=-3, high=1),
    ],
    ids=str,
)
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
def test_what_an_initializer_draws_is_its_elements_rounded(initializer, dtype):
    weight = Weight.linear("W1", 301, 211)
    elements = initializer.elements(weight, KeyedStream(3), 0, weight.size)
    rounded = elements.astype(np.float32).astype(dtype) if dtype == np.float16 else elements.astype(dtype)
    assert initializer.law(weight) is not None
    assert same_bits(initializer.draw(weight, 3, dtype), rounded.reshape(weight.shape))


def test_a_draw_needs_no_copy_in_float64():
    weight = Weight.linear("W1", 2000, 2000)
    HeNormal().draw(weight, 0, np.float32)
    tracemalloc.start()
    try:
        HeNormal().draw(weight, 0, np.float32)
        assert tracemalloc.get_traced_memory()[1] < 4.1 * weight.size
    finally:
        tracemalloc.stop()
