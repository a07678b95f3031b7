"""Anything in the place of the binding's arguments: it trains, or refuses by TypeError or ValueError; never more.

`make sanitize` runs these under AddressSanitizer, where a read or write beyond an array ends the process.
"""

from __future__ import annotations

import os

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip("goodinit._native", reason="the extension is not built")

from lanes_problems import native_arguments

from goodinit import _native

MANY = int(os.environ.get("GOODINIT_FUZZ", "0")) or 200
ENOUGH = 100  # calls of progress after which a training that would not end is ended

INTEGERS = st.one_of(
    st.integers(-2, 30), st.sampled_from([2**31 - 1, 2**31, 2**62, 2**63 - 1, 2**63, 2**64, -(2**31), -(2**63), 10**30])
)
NUMBERS = st.one_of(st.floats(), st.sampled_from([0.1, 1e308, -0.0, 5e-324]))
TEXTS = st.one_of(
    st.sampled_from(["leaky_relu", "cross_entropy", "adamw", "momentum", "wide", "normal", "é"]), st.text(max_size=5)
)
DTYPES = st.sampled_from(["f8", "f4", "f2", ">f8", "i4", "i8", "u8", "c16", "?", "O", "S1"])


@st.composite
def arrays(draw: st.DrawFn) -> np.ndarray:
    """Of any dtype, shape and strides, writable or not, of integers that are indices sometimes."""
    shape = tuple(draw(st.lists(st.sampled_from([0, 1, 2, 3, 5, 21, 64]), max_size=3)))
    values = draw(st.sampled_from([0, 1, 2, 20, 21, -1, np.nan, np.inf, 1e300]))
    with np.errstate(all="ignore"):
        array = np.resize(np.array([0, 1, values]), shape).astype(draw(DTYPES))
    changed = draw(st.sampled_from(["as it is", "transposed", "strided", "read-only", "broadcast"]))
    if changed == "transposed":
        array = array.T
    elif changed == "strided" and array.ndim:
        array = np.repeat(array, 2, axis=-1)[..., ::-2]
    elif changed == "broadcast":
        array = np.broadcast_to(array, (2, *array.shape))
    elif changed == "read-only":
        array.flags.writeable = False
    return array


ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    INTEGERS,
    NUMBERS,
    TEXTS,
    arrays(),
    st.lists(INTEGERS, max_size=6),
    st.lists(arrays(), max_size=7),
)
NAMES = sorted(native_arguments())
CHOICES = {
    "function": _native.activations(),
    "loss": ["binary_cross_entropy", "cross_entropy", "squared_error"],
    "optimizer": ["gradient_descent", "momentum", "adam", "adamw"],
    "layout": ["auto", "grouped", "alone", "wide"],
}
INDICES = {"offsets": "i8", "indices": "i4", "snapshot_steps": "i8", "diverged_by": "i8"}
SIZES = st.sampled_from([0, 1, 2, 3, 4, 5, 6, 20, 21, 22, 37, 111, 112])


@st.composite
def nearly(draw: st.DrawFn, name: str, value: object) -> object:
    """What is of the right type, and comes as far as the checks of sizes and values."""
    if name in CHOICES:
        return draw(st.sampled_from(CHOICES[name]))
    if name == "widths":
        return draw(st.lists(st.sampled_from([0, 1, 2, 3, 5, 2**31, 2**62]), max_size=5))
    if name in ("parameters", "snapshots"):
        many = draw(st.lists(nearly("X", np.zeros(draw(SIZES))), max_size=7))
        return [*value, *many][draw(st.integers(0, 3)) :]
    if isinstance(value, int | float):
        return draw(INTEGERS if isinstance(value, int) else NUMBERS)
    shape = list(np.shape(value)) or [draw(SIZES)]
    if draw(st.booleans()):
        shape[draw(st.integers(0, len(shape) - 1))] = draw(SIZES)
    low, high = draw(st.sampled_from([(0, 1), (0, 20), (0, 21), (-1, 2), (2**31 - 1, -(2**31))]))
    if name in INDICES:
        return np.resize(np.linspace(low, high, 5).astype(INDICES[name]), shape)
    return np.resize(np.array([low, 0.1, high, draw(NUMBERS)]), shape)


@st.composite
def like(draw: st.DrawFn, name: str, value: object) -> object:
    """Nearly right, mostly."""
    if draw(st.integers(0, 9)) == 5:
        return draw(ANYTHING)
    return value if callable(value) else draw(nearly(name, value))


@settings(max_examples=MANY, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_whatever_is_given_trains_or_is_refused(data):
    arguments = native_arguments()
    for name in data.draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique=True)):
        arguments[name] = data.draw(like(name, arguments[name]))
    calls = iter(range(ENOUGH))

    def progress(step: int) -> None:
        if next(calls, None) is None:
            raise InterruptedError

    if callable(arguments["progress"]):
        arguments["progress"] = progress
    train = data.draw(st.sampled_from([_native.train_float64, _native.train_float32]))
    if train is _native.train_float32:
        arguments = {name: value if "loss" in name else single(value) for name, value in arguments.items()}
    try:
        train(**arguments)
    except (TypeError, ValueError, InterruptedError):
        return


def single(value: object) -> object:
    """Arrays of float64 as float32."""
    if isinstance(value, list):
        return [single(each) for each in value]
    with np.errstate(all="ignore"):
        return value.astype("f4") if isinstance(value, np.ndarray) and value.dtype == np.float64 else value


FILLED = ["normal", "uniform", "truncated_normal"]


@settings(max_examples=MANY, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_whatever_is_given_is_filled_or_refused(data):
    out = data.draw(st.one_of(arrays(), ANYTHING))
    kind = data.draw(st.one_of(st.sampled_from(FILLED), ANYTHING))
    more = data.draw(
        st.dictionaries(
            st.sampled_from(["scale", "shift", "cut", "threads", "isa"]), st.one_of(NUMBERS, ANYTHING), max_size=2
        )
    )
    cut = st.tuples(*[NUMBERS] * 6, st.booleans())
    if data.draw(st.booleans()):
        more["cut"] = data.draw(cut)
    try:
        if data.draw(st.booleans()):
            key = data.draw(st.one_of(st.just((1, 2)), st.tuples(INTEGERS, INTEGERS), ANYTHING))
            _native.stream_fill(out, kind, key, data.draw(st.one_of(INTEGERS, ANYTHING)), **more)
        else:
            more.pop("threads", None)
            _native.stream_transform(data.draw(st.one_of(arrays(), ANYTHING)), out, kind, **more)
    except (TypeError, ValueError):
        return


@settings(max_examples=MANY, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    name=st.one_of(st.sampled_from(_native.activations()), ANYTHING),
    option=st.one_of(NUMBERS, ANYTHING),
    data=st.data(),
)
def test_whatever_an_activation_is_given_it_is_computed_or_refused(name, option, data):
    z, value, slope = (data.draw(st.one_of(arrays(), ANYTHING)) for _ in range(3))
    if data.draw(st.booleans()):
        z = np.resize(np.array([-1.0, 0.0, 2.0]), (data.draw(st.integers(0, 70)),))
        value, slope = np.empty_like(z), np.empty_like(z)
    try:
        _native.activation_float64(name, option, z, value, slope)
    except (TypeError, ValueError):
        return
