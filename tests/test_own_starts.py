"""Initializations of a person's own in a study: by a file, a module, and the entry points of installed packages."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

import goodinit
from goodinit import GoodinitError
from goodinit.cli import app
from goodinit.comparison.design import design
from goodinit.comparison.own_starts import read_start
from goodinit.streams import KeyedStream, RandomStateStream
from goodinit.weights import Weight

CODE = """
from dataclasses import dataclass

import numpy as np
from goodinit import methods
from goodinit.initializers import Initializer

seen = []


@dataclass(frozen=True)
class Small(Initializer):
    '''A tenth of something.'''

    std: float = 0.1

    def elements(self, weight, stream, start, stop):
        return self.std * stream.normal(weight.name, start, stop)

    def expected_variance(self, weight):
        return self.std**2


@dataclass(frozen=True)
class Ends(methods.Method):
    def prepare(self, structure, probe=None):
        return methods.as_method("he_normal").prepare(structure)


def drawn(weight, generator, scale=0.5):
    return scale * generator.standard_normal(weight.shape) / np.sqrt(weight.fan_in)


def flat(weight, generator):
    return np.zeros(3)


def needs(weight, generator, scale):
    return np.zeros(weight.shape)


def alone(weight):
    return np.zeros(weight.shape)


def fails(weight, generator):
    raise ValueError("no")


number = 3
"""
WEIGHT = Weight.linear("W1", 30, 20)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(CODE)
    return tmp_path


def compared(*init, **options):
    return goodinit.compare(list(init), steps=30, perturbations=0, seeds=[0, 1], stream="keyed", **options)


def test_a_class_of_a_file_is_trained_as_what_it_says(here):
    found = compared("mine.py:Small(std=0.3)", "normal(std=0.3)", "mine.py:Ends", "he_normal").trials
    assert [trial.initialization for trial in found[:4]] == [
        "mine.py:Small(std=0.3)", "normal(std=0.3)", "mine.py:Ends", "he_normal",
    ]  # fmt: skip
    assert found[0].loss_values == found[1].loss_values
    assert found[2].loss_values == found[3].loss_values
    assert str(read_start("mine:Small")) == "mine:Small"


def test_a_function_draws_by_seed_and_weight_alone(here):
    start = read_start("mine.py:drawn(scale=2)")
    assert str(start) == "mine.py:drawn(scale=2)"
    whole = start.draw(WEIGHT, 5)
    assert np.array_equal(whole, read_start("mine.py:drawn(scale=2)").draw(WEIGHT, 5))
    assert np.array_equal(start.elements(WEIGHT, KeyedStream(5), 7, 19), whole.ravel()[7:19])
    assert not np.array_equal(whole, start.draw(WEIGHT, 6))
    assert not np.array_equal(whole, start.draw(Weight.linear("W2", 30, 20), 5))
    assert whole.std() == pytest.approx(2 / 30**0.5, rel=0.1)
    assert start.expected_variance(WEIGHT) == pytest.approx(4 / 30, rel=0.2)
    assert start.draw(WEIGHT, RandomStateStream(3)).shape == WEIGHT.shape
    (trial, _) = compared("mine.py:drawn").trials
    assert trial.findings == () or all(finding.severity != "severe" for finding in trial.findings)


def test_the_command_and_the_line_that_runs_it_again(here):
    line = ["compare", "--init", "mine.py:Small(std=0.3)", "--steps", "20", "--seed", "0", "--json"]
    done = CliRunner().invoke(app, line)
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["trials"][0]["initialization"] == "mine.py:Small(std=0.3)"
    again = compared("mine.py:drawn(scale=2)").rerun
    assert "--init 'mine.py:drawn(scale=2)'" in again.command
    assert "mine.py:drawn(scale=2)" in again.call
    (here / "study.toml").write_text('init = ["mine.py:drawn(scale=2)", "zeros"]\nsteps = 20\nseeds = [0]\n')
    done = CliRunner().invoke(app, ["compare", "study.toml", "--json"])
    assert done.exit_code == 0, done.output


def test_a_method_begins_from_one(here):
    names = [
        'lsuv(of="mine.py:Small(std=0.3)")', 'lsuv(of="normal(std=0.3)")', "mup(of=mine:drawn)",
        "lsuv(of=mine.py:drawn)", "scaled(of=mine.py:Small, gain=3)", 'scaled(of="normal(std=0.1)", gain=3)',
    ]  # fmt: skip
    found = compared(*names).trials[: len(names)]
    assert [trial.initialization for trial in found] == names
    assert found[0].loss_values == found[1].loss_values
    assert found[4].loss_values == found[5].loss_values
    assert {trial.failure for trial in found} == {None}


@pytest.mark.parametrize("start", ["{}", "lsuv(of={})", "scaled(of={}, gain=2)", 'mup(of="scaled(of={}, gain=2)")'])
def test_an_edited_file_is_another_key(here, start):
    keys = []
    for code in (CODE, CODE.replace("0.5", "0.25"), CODE):
        (here / "mine.py").write_text(code)
        study = design(start.format("mine.py:drawn"))
        keys.append(study.key(study.jobs({})[0]))
    assert keys[0] == keys[2] != keys[1]


def test_an_edited_file_is_another_start(here):
    study = here / "study.db"
    first = compared("mine.py:Small", "zeros", study=study)
    before = design("mine.py:Small")
    assert compared("mine.py:Small", "zeros", study=study).trials == first.trials
    (here / "mine.py").write_text(CODE.replace("self.std * stream", "3 * self.std * stream"))
    after = design("mine.py:Small")
    assert before.key(before.jobs({})[0]) != after.key(after.jobs({})[0])
    with pytest.raises(GoodinitError, match=r"of mine\.py:Small were trained with another version of the file"):
        compared("mine.py:Small", "zeros", study=study)
    assert len(goodinit.open_study(study).trials) == 4
    (here / "mine.py").write_text(CODE)
    assert compared("mine.py:Small", "zeros", study=study).trials == first.trials


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mine.py:Gone", "has no function Gone"),
        ("gone.py:Small", "initialization: there is no file gone.py"),
        ("mine.py:Small(size=3)", "has no option 'size'"),
        ("mine.py:flat", "array of shape \\(3,\\); it must give finite numbers"),
        ("mine.py:needs", "options that have defaults, not \\(weight, generator, scale\\)"),
        ("mine.py:alone", "a function takes \\(weight, generator\\)"),
        ("mine.py:fails", "ValueError: no"),
        ("mine.py:number", "has no function number"),
        ("mine.py:Initializer", "give a class under"),
        ("mine.py:np", "has no function np"),
        ("nowhere:Small", "cannot be imported"),
        ("lsuv(of=mine.py:Gone)", "has no function Gone"),
        ("lsuv(of=gone.py:Small)", "there is no file gone.py"),
        ("lsuv(of=mine.py:Ends)", "of=mine.py:Ends: it must be an initializer, and this is a method"),
        ("lsuv(of=mine.py:flat)", "it must give finite numbers"),
        ('lsuv(of="mine.py:Small(size=3)")', "has no option 'size'"),
        ("normal(of=mine.py:Small)", "has no option 'of'"),
        ("lsuv(of=mine.py:)", "is not of the form"),
    ],
)
def test_what_cannot_be_used_is_said_before(here, text, message):
    with pytest.raises(GoodinitError, match=message):
        compared(text)


def test_an_installed_package_gives_names(here, monkeypatch):
    info = here / "theirs-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[goodinit.initializations]\ntiny = theirs:Small\nbroken = theirs:Gone\n")
    (here / "theirs.py").write_text(CODE)
    monkeypatch.syspath_prepend(str(here))
    found = compared("tiny(std=0.3)", "normal(std=0.3)", "scaled(of=tiny, gain=3)").trials
    assert [each.initialization for each in found[::2][:2]] == ["tiny(std=0.3)", "scaled(of=tiny, gain=3)"]
    assert found[0].loss_values == found[1].loss_values
    with pytest.raises(GoodinitError, match="initialization 'broken', theirs:Gone: AttributeError"):
        compared("broken")
    with pytest.raises(GoodinitError, match="'tinny' is not known"):
        compared("tinny")


def test_only_a_study_looks_into_files(here):
    """What a served page, a stored study or another library hands over runs no file's code."""
    for get in (goodinit.initializers.get, goodinit.methods.get):
        with pytest.raises(GoodinitError, match="is not of the form"):
            get("mine.py:Small")
        with pytest.raises(GoodinitError, match="is not of the form"):
            get("scaled(of=mine.py:Small, gain=2)")
