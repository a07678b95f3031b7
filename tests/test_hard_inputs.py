"""Numbers without end, names that are none, files that lead nowhere: one sentence, and no memory first."""

import os
import subprocess
import sys
from dataclasses import fields

import numpy as np
import pytest

from goodinit import activations, comparison, datasets, initializers, networks, theory
from goodinit.checkup.forecast import forecast
from goodinit.errors import GoodinitError, shown
from goodinit.streams import KeyedStream
from goodinit.training import Schedule
from goodinit.weights import Weight

MANY = 10**400  # beyond float64, and more digits than a sentence holds
ENDLESS = 10**5000  # more digits than Python writes
WEIGHT = Weight.linear("W", 4, 3)
HUGE = networks.MLP((10**5,) * 3, activations.get("relu"), "cross_entropy")


@pytest.mark.parametrize("number", [MANY, -MANY, ENDLESS], ids=["many", "less", "endless"])
@pytest.mark.parametrize(
    "use",
    [
        lambda n: initializers.get("normal", std=n),
        lambda n: initializers.get("normal", mean=n),
        lambda n: initializers.get("scaled", gain=n),
        lambda n: initializers.get("sparse", sparsity=n),
        lambda n: theory.mean_field("tanh", weight_variance=n),
        lambda n: KeyedStream(n),
        lambda n: Weight.linear("W", n, 3),
        lambda n: Weight.conv("W", 3, 3, n),
        lambda n: Weight.conv("W", 3, 3, 3, dims=n),
        lambda n: Weight("W", (2, n), 2, 2),
        lambda n: Weight("W", (2, 2), n, 2),
        lambda n: networks.check_widths([10, n]),
        lambda n: Schedule(steps=n),
        lambda n: Schedule(learning_rate=n),
        lambda n: comparison.compare(seeds=[n]),
        lambda n: comparison.compare(widths=[n]),
        lambda n: comparison.compare(margin=n),
        lambda n: comparison.compare(time_limit=n),
        lambda n: comparison.compare(learning_rate=n),
    ],
)
def test_integers_beyond_all_bounds(use, number):
    with pytest.raises(GoodinitError) as caught:
        use(number)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    "text", [f"normal(std={MANY})", f"moons(noise={MANY})", f"moons(points={MANY})", f"leaky_relu(slope={MANY})"]
)
def test_the_same_in_texts(text):
    use = initializers.get if "normal" in text else datasets.load if "moons" in text else activations.get
    with pytest.raises(GoodinitError, match="bits"):
        use(text)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Weight("W", (2**62, 2), 2, 2), r"2\^60"),
        (lambda: Weight("W", (2**40, 2**40), 2, 2), r"more than 2\^60 elements"),
        (lambda: Weight("W", (1,) * 64, 1, 1), "64 numbers; 32 at most"),
        (lambda: Weight.conv("W", 3, 3, 3, dims=10**9), "one to three dimensions"),
        (lambda: Weight(5, (2, 2), 2, 2), "must be a text"),
        (lambda: KeyedStream(0).normal(None, 0, 3), "which is a text"),
        (lambda: initializers.HeNormal().draw(WEIGHT, 0, int), "floating-point type"),
        (lambda: initializers.HeNormal().draw(WEIGHT, 0, complex), "floating-point type"),
        (lambda: initializers.HeNormal().draw(Weight.linear("W", 2**29, 2**29), 0), "draw slices"),
        (lambda: initializers.Orthogonal().draw(Weight.linear("W", 2**29, 2**29), 0), "draw slices"),
        (
            lambda: forecast(initializers.HeNormal(), HUGE),
            "20,000,000,000 weights",
        ),
        (lambda: networks.check_widths([1] * 20_000), "10,000 layers at most"),
        (lambda: comparison.compare(seeds="0-" + "9" * 5000), "give integers"),
        (lambda: comparison.compare(steps=10**9, record_every=1), "1,000,000 losses at most"),
        (lambda: initializers.get("n" * 900), "is not known"),
        (lambda: comparison.compare(tasks=[0]), "give a task's name"),
        (lambda: comparison.compare(tasks=None), "give a task's name"),
        (lambda: Weight.recurrent("W", 2, 2, cell=[]), "is not known"),
    ],
)
def test_sizes_that_no_machine_has(make, message):
    with pytest.raises(GoodinitError, match=message):
        make()


def test_large_options_are_an_outcome_and_no_error():
    start = initializers.get("normal(std=1e308)")
    assert start.draw(WEIGHT, 0).shape == (3, 4)
    assert start.expected_variance(WEIGHT) == np.inf
    for name in initializers.names():
        for option in fields(initializers.get(name)):
            if option.type == "float" and name != "normal":
                with pytest.raises(GoodinitError, match=r"its square|from 0 to 1|must be"):
                    initializers.get(name, **{option.name: 1e308})


def test_a_study_that_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "pipe.toml")
    (tmp_path / "digits.toml").write_text("steps = " + "9" * 5000)
    (tmp_path / "deep.toml").write_text("a = " + "[" * 5000)
    for name, message in {
        "pipe.toml": "is not a file",
        "digits.toml": "cannot be read",
        "deep.toml": "cannot be read|is not TOML",
        "n" * 300 + ".toml": "cannot be read",
        "null\0.toml": "cannot be read",
    }.items():
        with pytest.raises(GoodinitError, match=message):
            comparison.load_study(tmp_path / name)


def test_a_path_that_no_system_takes():
    for path in ("n" * 300 + ".csv", "n" * 300 + ".npz", "null\0.csv"):
        with pytest.raises(GoodinitError, match="no such file"):
            datasets.load(path, "y")


def test_a_value_in_a_message_is_short():
    assert shown(3) == "3"
    assert shown(-(2**200)) == "a negative integer of 201 bits"
    assert shown([ENDLESS]) == "a list"
    assert len(shown("a" * 10_000)) < 120
    assert shown(np.float64(0.5)) == repr(np.float64(0.5))


SHORT = "compare --steps 5 --perturbations 0 --init he_normal --json"


@pytest.mark.parametrize("arguments", ["--version", SHORT, "show he_normal"])
@pytest.mark.parametrize(("where", "message"), [(">/dev/full", "not whole"), (">&-", "standard output is closed")])
def test_output_that_nobody_can_take(arguments, where, message):
    done = subprocess.run(
        f"{sys.executable} -m goodinit {arguments} {where}", shell=True, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_closed_standard_error_is_no_error():
    done = subprocess.run(
        f"{sys.executable} -m goodinit --version 2>&-", shell=True, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout[:9]) == (0, "goodinit ")


@pytest.mark.parametrize(
    ("line", "word", "offered"),
    [
        ("goodinit comp", 1, "compare"),
        ("goodinit show he_n", 2, "he_normal"),
        ("goodinit compare --init ortho", 3, "orthogonal"),
        ("goodinit compare --optimizer mom", 3, "momentum"),
        ("goodinit compare --data moo", 3, "moons"),
    ],
)
def test_a_shell_completes(line, word, offered):
    environment = {**os.environ, "_GOODINIT_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(word)}
    code = "import sys; sys.argv = ['goodinit']; from goodinit.__main__ import main; main()"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert offered in done.stdout.split()
