"""Everything that a person can say ends in a result or a GoodinitError; a text form comes back the same.

A short part of the inputs runs with the other tests. `make fuzz` runs many, others each time, and tells the slowest.
"""

import inspect
import io
import math
import os
import resource
import string
import sys
import time
from collections import Counter
from contextlib import contextmanager, suppress

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from goodinit import activations, datasets, initialize, initializers, networks, theory
from goodinit.checkup.forecast import forecast
from goodinit.comparison import load_study
from goodinit.comparison.design import design
from goodinit.datasets import CsvText
from goodinit.errors import GoodinitError
from goodinit.factories import load_factory
from goodinit.lab.scene import read_scene
from goodinit.options import OPTIONS
from goodinit.streams import KeyedStream
from goodinit.weights import Weight

MANY = int(os.environ.get("GOODINIT_FUZZ", "0"))
EACH = settings(
    max_examples=MANY or 40,
    derandomize=not MANY,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
inputs: Counter[str] = Counter()
slowest: dict[str, tuple[float, str]] = {}
largest: dict[str, tuple[float, str]] = {}


def peak():
    """The most memory that this process has held, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@contextmanager
def allowed(what, value, refusals=GoodinitError):
    """A result or a refusal of moderate length; anything else fails the test. The slowest and largest are kept."""
    inputs[what] += 1
    began, held, message = time.perf_counter(), peak(), "a result"
    try:
        yield
    except refusals as error:
        message = str(error)
    finally:
        assert 0 < len(message) < 2000, "an error is a sentence"
        for most, taken in ((slowest, time.perf_counter() - began), (largest, peak() - held)):
            if taken > most.get(what, (0.0, ""))[0]:
                with suppress(ValueError):  # an integer with more digits than Python writes
                    most[what] = taken, repr(value)[:200]


@pytest.fixture(scope="module", autouse=True)
def told():
    yield
    if MANY:
        lines = [f"{count:8,} inputs  {what}" for what, count in sorted(inputs.items())]
        for most, unit in ((slowest, "s"), (largest, "MiB more")):
            lines += [f"{taken:8.3f} {unit}  {what}: {value}" for what, (taken, value) in sorted(most.items())]
        lines.append(f"{sum(inputs.values()):,} inputs, {peak():.0f} MiB in all")
        sys.stderr.write("\n".join(["", *lines, ""]))


integers = st.one_of(
    st.integers(-3, 20),
    st.integers(),
    st.sampled_from([2**31, 2**63, 2**64]),
    st.sampled_from([12, 30, 400, 5000]).map(lambda digits: 10**digits),
)
floats = st.one_of(
    st.floats(), st.floats(-3, 3), st.sampled_from([-0.0, 5e-324, 1e-200, 1e-150, 1e150, 1e200, 1e308, math.inf])
)
words = st.text(string.ascii_letters + string.digits + "_-+.,:()[]='\"éß中\0\x1b\n ", max_size=30)
anything = st.one_of(integers, floats, words, st.booleans(), st.none(), st.lists(st.integers(0, 9), max_size=3))
names = st.sampled_from(initializers.names())
options = st.sampled_from(sorted({name for each in initializers.names() for name in vars(initializers.get(each))}))


def written(value):
    if isinstance(value, str):
        return value
    with suppress(ValueError):
        return str(value).lower()
    return "9" * 5000


specs = st.one_of(
    words,
    st.builds(
        lambda name, given: f"{name}({', '.join(f'{key}={written(value)}' for key, value in given.items())})",
        st.one_of(names, st.sampled_from(activations.names()), words),
        st.dictionaries(st.one_of(options, words), anything, max_size=3),
    ),
)
small = st.integers(0, 6)
weights = st.one_of(
    st.builds(lambda a, b: Weight.linear("W", a, b), small, small),
    st.builds(lambda a, b, k: Weight.conv("W", a, b, k), small, small, st.integers(1, 3)),
    st.builds(lambda a, b, k: Weight.conv_transpose("W", a, b, k, stride=2), small, small, st.integers(1, 3)),
    st.builds(lambda a, parts: Weight.packed("W", a, parts), small, st.lists(small, min_size=1, max_size=3)),
    st.builds(lambda a, b: Weight.embedding("W", a, b), small, small),
    st.builds(lambda shape: Weight.elementwise("W", shape), st.lists(small, max_size=3)),
)


def use(initializer, weight):
    """What is done with an initializer: drawn, told, written and read back."""
    text = str(initializer)
    assert str(initializers.get(text)) == text
    assert initializers.get(text) == initializer
    with np.errstate(all="ignore"):
        assert initializer.draw(weight, 0, np.float32).shape == weight.shape
        assert not math.isnan(initializer.expected_variance(weight))
        initializer.caution(weight)


@EACH
@given(specs, weights)
def test_texts_of_initializers(text, weight):
    with allowed("initializer", text):
        use(initializers.get(text), weight)


@EACH
@given(names, st.data(), weights)
def test_options_of_initializers(name, data, weight):
    own = [each for each in vars(initializers.get(name)) if not each.startswith("_") and each != "inner"]
    given = data.draw(st.dictionaries(st.sampled_from(own or ["none"]), st.one_of(floats, anything), max_size=3))
    with allowed("options", (name, given)):
        use(initializers.get(name, **given), weight)


@EACH
@given(specs, floats)
def test_activations_and_theory(text, number):
    with allowed("activation", (text, number)):
        activation = activations.get(text)
        with np.errstate(all="ignore"):
            theory.gain(activation)
            theory.mean_field(activation, weight_variance=abs(number), bias_variance=0.1)


@EACH
@given(
    st.sampled_from(["linear", "conv", "depthwise", "conv_transpose", "bilinear", "embedding", "recurrent"]), st.data()
)
def test_weights_of_any_size(kind, data):
    own = list(inspect.signature(getattr(Weight, kind)).parameters.values())[1:]
    sizes = [data.draw(anything) for each in own if each.kind is each.POSITIONAL_OR_KEYWORD]
    keywords = [each.name for each in own if each.kind is each.KEYWORD_ONLY]
    more = data.draw(st.dictionaries(st.sampled_from(keywords), anything, max_size=2))
    with allowed("weight", (kind, sizes, more)):
        weight = getattr(Weight, kind)(data.draw(st.one_of(st.just("W"), anything)), *sizes, **more)
        assert weight.size >= 0
        assert len(weight.stack_shapes) >= 1


@EACH
@given(st.lists(integers, max_size=4), names)
def test_networks_of_any_size(widths, name):
    with allowed("forecast", (widths, name)), np.errstate(all="ignore"):
        network = networks.MLP(tuple(widths), activations.get("tanh"), "squared_error")
        if network.size < 1e6:
            forecast(initializers.get(name), network)
        else:
            networks.check_size(network)


@EACH
@given(anything, anything)
def test_streams(seed, name):
    with allowed("stream", (seed, name)):
        assert KeyedStream(seed).uniform(name, 0, 3).size == 3


cells = st.one_of(st.integers(-9, 9).map(str), floats.map(str), words)
tables = st.builds(
    lambda header, rows, mark: "\n".join(mark.join(row) for row in [header, *rows]),
    st.lists(st.sampled_from(["a", "b", "y", "", "1", "é"]), min_size=1, max_size=4),
    st.lists(st.lists(cells, min_size=1, max_size=4), max_size=9),
    st.sampled_from([",", ";", "\t"]),
)


@EACH
@given(st.one_of(tables, st.text(max_size=200)), st.sampled_from(["y", "a", None, ""]), st.booleans())
def test_tables(text, target, regression):
    with allowed("csv", text), np.errstate(all="ignore"):
        data = datasets.Source(CsvText("a.csv", text), target, regression=regression).dataset(0)
        assert np.isfinite(data.X_train).all()
        assert len(set(data.classes)) == len(data.classes)


def archive(X, y):
    held = io.BytesIO()
    np.savez_compressed(held, X=X, y=y)
    return held.getvalue()


WHOLE = archive(np.arange(48.0).reshape(24, 2), np.arange(24) % 3)


@EACH
@given(
    st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.binary(max_size=4)), max_size=4), st.integers(0, len(WHOLE))
)
def test_archives(changes, end):
    content = bytearray(WHOLE)
    for at, new in changes:
        content[at : at + len(new)] = new
    from tempfile import NamedTemporaryFile

    with NamedTemporaryFile(suffix=".npz") as file:
        file.write(bytes(content[:end]) if end % 3 else bytes(content))
        file.flush()
        with allowed("npz", (changes, end)):
            datasets.Source(file.name).dataset(0)


toml_values = st.one_of(
    integers.map(written), floats.map(str), words.map(lambda text: f'"{text}"'), st.just("[1, 2]"), st.just("{}"), words
)
lines = st.builds(
    lambda key, value: f"{key} = {value}",
    st.one_of(st.sampled_from([each.word for each in OPTIONS.values()]), words),
    toml_values,
)


@EACH
@given(st.lists(st.one_of(lines, st.sampled_from(["[[task]]", "[task]", 'name = "a"', "# é"])), max_size=6))
def test_studies_in_toml(tmp_path_factory, given):
    file = tmp_path_factory.getbasetemp() / "study.toml"
    file.write_text("\n".join(given), encoding="utf-8", errors="replace")
    with allowed("toml", given):
        found = load_study(file)
        assert set(found) <= {option.name for option in OPTIONS.values()}


free = st.sampled_from(
    ["widths", "activation", "learning_rate", "steps", "batch_size", "optimizer", "seeds", "stream", "record_every",
     "dtype", "init", "loss", "tasks", "data", "target"]
)  # fmt: skip


@EACH
@given(st.dictionaries(free, anything, max_size=3))
def test_options_of_compare(given):
    with allowed("compare", given), np.errstate(all="ignore"):
        assert design(**given).size >= 1


@EACH
@given(words)
def test_factories(text):
    with allowed("factory", text):
        load_factory(text)


@pytest.fixture(scope="module")
def model():
    torch = pytest.importorskip("torch")
    return torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.LayerNorm(4), torch.nn.Linear(4, 2))


patterns = st.one_of(
    st.sampled_from(["*.weight", "0.*", "[a", "*", "norm", "3.bias", "***.?"]), integers, floats, words, st.none()
)


@EACH
@given(st.dictionaries(patterns, st.one_of(specs, st.sampled_from(["keep", "init"]), anything), max_size=3), specs)
def test_rules(model, rules, init):
    with allowed("rules", (rules, init)), np.errstate(all="ignore"):
        initialize(model, init if len(init) % 2 else "he_normal", seed=0, rules=rules)


json = st.recursive(
    anything, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(words, inner, max_size=3))
)
scenes = st.fixed_dictionaries(
    {},
    optional={
        "data": st.one_of(
            json,
            st.fixed_dictionaries(
                {"name": st.sampled_from(["circles", "spirals", "own", "csv"])},
                optional={
                    "noise": st.one_of(floats, json),
                    "points": st.one_of(integers, json),
                    "own": st.lists(st.tuples(st.floats(-9, 9), floats, st.integers(-1, 3)).map(list), max_size=9),
                    "csv": json,
                },
            ),
        ),
        "hidden": st.one_of(st.lists(integers, max_size=4), json),
        "activation": st.one_of(st.sampled_from(activations.names()), json),
        "inits": st.one_of(st.lists(st.one_of(specs, json), min_size=1, max_size=3), json),
        **{
            name: st.one_of(integers, floats, json)
            for name in ("steps", "batch_size", "seed", "seeds", "learning_rate")
        },
        **{name: st.one_of(words, json) for name in ("loss", "optimizer", "stream", "more")},
    },
)


@EACH
@given(st.one_of(scenes, json))
def test_scenes(given):
    with allowed("scene", given), np.errstate(all="ignore"):
        scene = read_scene(given)
        assert read_scene(scene.to_dict()) == scene
        scene.study()


def call(networks, examples, steps):
    """What the compiled engine is called with for a network of 2, 3 and 1 units."""
    sizes = (6, 3, 3, 1)
    return {
        "widths": [2, 3, 1],
        "function": "tanh",
        "option": 0.0,
        "loss": "binary_cross_entropy",
        "optimizer": "adam",
        "parameters": [np.full((networks, size), 0.1) for size in sizes],
        "first": None,
        "second": np.zeros((networks, sum(sizes))),
        "rates": np.full(networks, 0.1),
        "multipliers": np.ones(4),
        "X": np.ones((examples, 2)),
        "Y": np.ones((examples, 1)),
        "begin": 0,
        "end": steps,
        "steps": steps,
        "record_every": 1,
        "offsets": np.arange(steps + 1) * 2,
        "indices": np.zeros(2 * steps, np.int32),
        "losses": np.zeros((networks, steps)),
        "final_loss": np.zeros(networks),
        "diverged_by": np.full(networks, -1),
        "snapshot_steps": np.array([0, steps]),
        "snapshots": [np.zeros((networks, size)) for size in sizes * 2],
        "threads": 2,
        "layout": "auto",
        "progress": lambda done: None,
    }


def filled(shape, value, dtype):
    with np.errstate(all="ignore"):
        return np.full(shape, value).astype(dtype)


arrays = st.builds(
    filled,
    st.lists(small, max_size=3),
    st.one_of(st.sampled_from([0, 1, -1, 7, math.nan, math.inf, 1e300]), st.integers(-9, 9)),
    st.sampled_from(["f8", "f4", "i8", "i4", "u8", "b1", "c16"]),
)
some = st.one_of(
    st.integers(-1, 50),
    st.sampled_from([-(2**63), 2**64, None, "grouped", "alone", "adam"]),
    words,
    arrays,
    st.lists(arrays, max_size=9),
    st.lists(st.one_of(small, st.sampled_from([2**31, 2**62])), max_size=4),
)


@EACH
@given(small, small, small, st.dictionaries(st.sampled_from(sorted(call(1, 1, 1))), some, max_size=3))
def test_arguments_of_the_compiled_engine(networks, examples, steps, changes):
    native = pytest.importorskip("goodinit._native")
    with (
        allowed("compiled engine", (networks, examples, steps, changes), (TypeError, ValueError)),
        np.errstate(all="ignore"),
    ):
        given = {**call(networks, examples, steps), **changes, "progress": lambda done: None}
        native.train_float64(**given)


@EACH
@given(arrays, st.one_of(words, st.sampled_from(["words", "normal", "truncated_normal"])), some, st.data())
def test_arguments_of_the_compiled_streams(out, kind, start, data):
    native = pytest.importorskip("goodinit._native")
    cuts = st.one_of(some, st.tuples(floats, floats, floats, floats, floats, floats, st.booleans()))
    keywords = st.fixed_dictionaries(
        {}, optional={"scale": floats, "shift": floats, "threads": integers, "isa": words, "cut": cuts}
    )
    given = data.draw(keywords)
    with allowed("compiled streams", (out, kind, start, given), (TypeError, ValueError)), np.errstate(all="ignore"):
        native.stream_fill(out, kind, (1, 2), start, **given)
        native.stream_transform(
            filled(out.shape, 7, "u8"), out, kind, **{k: v for k, v in given.items() if k != "threads"}
        )
