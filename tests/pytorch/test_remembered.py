"""A finished study of a model: not read again while all that went into it is as it was, and read again otherwise."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import goodinit
from goodinit.cli import app
from goodinit.comparison import remembered
from goodinit.comparison.model_factories import read_factory
from goodinit.factories import is_of_a_file

pytest.importorskip("torch")

CODE = """
import json
import os
from pathlib import Path

from torch import nn

import helper


def make():
    width = helper.WIDTH + json.loads(Path("width.json").read_text())
    width += int(os.environ.get("MORE", "0"))
    try:
        width += len(Path("more.txt").read_text())
    except FileNotFoundError:
        pass
    return nn.Sequential(nn.Linear(64, width), nn.ReLU(), nn.Linear(width, 10))


def runs():
    import subprocess

    subprocess.run(["true"])
    return make()
"""
LINE = ["compare", "--model", "mine.py:make", "--data", "digits", "--init", "default", "--init", "he_normal",
        "--seeds", "0-1", "--steps", "5", "--study", "a.db", "--json"]  # fmt: skip

TUNED = ("--learning-rate", "0.001", "--learning-rate", "0.01", "--tuning-seeds", "7")


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))  # which PyTorch sets else, in this same process
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "helper", raising=False)
    for name, text in (("mine.py", CODE), ("helper.py", "WIDTH = 4\n"), ("width.json", "3")):
        wrote(tmp_path / name, text)
    yield tmp_path
    sys.modules.pop("helper", None)


@pytest.fixture
def reads(monkeypatch):
    """The models that were read since."""
    found = []
    monkeypatch.setattr(remembered, "read_factory", lambda *given: found.append(given[0]) or read_factory(*given))
    return found


def wrote(path, text):
    """A file of some time ago."""
    path.write_text(text)
    os.utime(path, (path.stat().st_atime - 60, path.stat().st_mtime - 60))


def ran(*more, line=LINE):
    done = CliRunner().invoke(app, [*line, *more])
    assert done.exit_code == 0, done.exception
    return json.loads(done.stdout)


def test_a_finished_study_reads_no_model(here, reads):
    first = ran()
    assert reads == ["mine.py:make"]
    assert ran() == first
    assert ran("--seeds", "1") != first
    assert reads == ["mine.py:make"]
    (kept,) = (here / "cache" / "goodinit" / "models").iterdir()
    files = {Path(path).name for path in json.loads(kept.read_text())["files"]}
    assert {"mine.py", "helper.py", "width.json", "more.txt"} <= files


def test_what_is_remembered_is_what_was_read(here):
    ran()
    with remembered.remembering(keep=True, recall=True):
        source = goodinit.comparison.design("default", model="mine.py:make", data="digits").tasks[0].source
        found = remembered.known_factory("mine.py:make", source, "cpu")
    assert found.remembered
    assert found == read_factory("mine.py:make", source.dataset(0))
    assert found.facts == read_factory("mine.py:make", source.dataset(0)).facts


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("mine.py", CODE.replace("nn.ReLU()", "nn.Tanh()")), ("helper.py", "WIDTH = 50\n"), ("width.json", "2"),
        ("more.txt", "x"),
    ],
)  # fmt: skip
def test_a_changed_file_is_another_model(here, reads, name, text):
    ran()
    wrote(here / name, text)
    for module in [each for each in sys.modules if each == "helper" or is_of_a_file(each)]:
        del sys.modules[module]  # as in another process
    done = CliRunner().invoke(app, LINE)
    assert len(reads) == 2
    assert "use another file for this task" in str(done.exception)


def test_another_environment_is_read_again(here, reads, monkeypatch):
    ran()
    monkeypatch.setenv("MORE", "0")
    ran()
    assert len(reads) == 2
    monkeypatch.setenv("MORE", "2")
    assert "use another file" in str(CliRunner().invoke(app, LINE).exception)


@pytest.mark.parametrize("more", [("--seeds", "0-2"), ("--init", "orthogonal"), TUNED])
def test_what_is_missing_is_trained(here, reads, more):
    ran()
    found = ran(*more)
    again = ran(*more)
    assert len(reads) >= 1
    fresh = ran(*more, "--study", "b.db")
    for each in (found, again):
        assert [trial["loss"] for trial in each["trials"]] == [trial["loss"] for trial in fresh["trials"]]


def test_a_wrong_start_leaves_the_study_as_it_was(here):
    ran()
    before = goodinit.open_study("a.db")
    done = CliRunner().invoke(app, [*LINE, "--init", "delta_orthogonal"])
    assert "cannot be filled" in str(done.exception)
    assert goodinit.open_study("a.db").trials == before.trials
    done = CliRunner().invoke(app, [*LINE, "--init", "delta_orthogonal", "--study", "new.db"])
    assert done.exit_code != 0
    assert not (here / "new.db").exists()


def test_what_cannot_be_followed_is_not_kept(here, reads):
    line = [word.replace(":make", ":runs") for word in LINE]
    assert ran(line=line) == ran(line=line)
    assert len(reads) == 2
    assert not (here / "cache").exists()


def test_a_damaged_or_unwritable_cache_is_none(here, reads, monkeypatch):
    first = ran()
    (kept,) = (here / "cache" / "goodinit" / "models").iterdir()
    for text in ("", "{}", "[]", kept.read_text()[:-9]):
        kept.write_text(text)
        assert ran() == first
    assert len(reads) == 5
    wrote(here / "file", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(here / "file"))
    assert ran() == first


def test_in_python_nothing_is_kept(here, reads):
    for _ in range(2):
        goodinit.compare("default", model="mine.py:make", data="digits", steps=5, seeds=[0], study="a.db")
    assert len(reads) == 2
    assert not (here / "cache").exists()


def test_the_second_run_imports_no_torch(here):
    code = f"import sys; sys.argv = {['goodinit', *LINE]!r}\nfrom goodinit.cli import app\napp(standalone_mode=False)\n"
    code += "print('torch' in sys.modules)"
    ends = []
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=300)
        ends.append(done.stdout.splitlines()[-1])
    assert ends == ["True", "False"]
