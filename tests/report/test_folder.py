"""A kill at every step of writing: what is there is the old run, the new one, or marked as neither."""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from goodinit import cli
from goodinit.errors import GoodinitError
from goodinit.hidden import HIDDEN
from goodinit.report import folder as writing
from goodinit.report import page
from goodinit.report.folder import INCOMPLETE, OutputFolder, write_file, write_tree

STEPS = ("mkdir", "write_bytes", "write_text", "replace", "rename", "unlink", "chmod")
pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


def killed_at(step: int, write: Callable[[], object]) -> bool:
    """Do it in a process of its own that ends, without any clean-up, before that step; whether it came so far."""
    child = os.fork()
    if child == 0:
        left = step

        def counted(real: Callable[..., object]) -> Callable[..., object]:
            def step_of(*given: object, **options: object) -> object:
                nonlocal left
                left -= 1
                if left < 0:
                    os._exit(9)
                return real(*given, **options)

            return step_of

        for name in STEPS:
            setattr(Path, name, counted(getattr(Path, name)))
        write()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir() if not file.name.startswith(".")}


OLD = {"result.json": b"old", "loss.png": b"old", "fit.png": b"old"}
NEW = {"result.json": b"new", "loss.png": b"new", "decision_boundary.png": b"new"}
NOTES = {"notes.txt": b"mine"}


def test_a_replaced_run_is_the_old_one_the_new_one_or_marked(tmp_path: Path) -> None:
    seen = set()
    for step in range(100):
        place = tmp_path / f"run{step}"
        OutputFolder(place).write(OLD)
        (place / "notes.txt").write_bytes(b"mine")
        killed = killed_at(step, lambda place=place: OutputFolder(place, overwrite=True).write(NEW))
        found = contents(place)
        assert found["notes.txt"] == b"mine"
        if INCOMPLETE in found:
            seen.add("marked")
            with pytest.raises(GoodinitError, match=r"files of two runs.*--overwrite"):
                OutputFolder(place)
            OutputFolder(place, overwrite=True).write(NEW)
            assert contents(place) == NEW | NOTES
        else:
            seen.add("old" if found == OLD | NOTES else "new")
            assert found in (OLD | NOTES, NEW | NOTES)
        if not killed:
            break
    assert not killed
    assert seen == {"old", "new", "marked"}


def test_a_page_and_its_figures_belong_together_or_are_marked(tmp_path: Path) -> None:
    seen = set()
    for step in range(100):
        place, figures = tmp_path / f"{step}.html", tmp_path / f"{step}-figures"
        page._write(place, b"old", figures, {"a.png": b"old", "b.png": b"old"})
        killed = killed_at(
            step, lambda place=place, figures=figures: page._write(place, b"new", figures, {"a.png": b"new"})
        )
        found = contents(figures) if figures.exists() else {}
        if not figures.exists() or INCOMPLETE in found:
            seen.add("marked")
        else:
            text = place.read_bytes()
            seen.add(text.decode())
            assert found == ({"a.png": b"old", "b.png": b"old"} if text == b"old" else {"a.png": b"new"})
        page.check_page(place, overwrite=True)
        if not killed:
            break
    assert not killed
    assert seen == {"old", "new", "marked"}


def test_one_file_is_the_old_or_the_new(tmp_path: Path) -> None:
    for step in range(20):
        place = tmp_path / str(step)
        place.write_bytes(b"old")
        killed = killed_at(step, lambda place=place: writing.write_file(place, b"new"))
        assert place.read_bytes() == (b"old" if killed else b"new")
        if not killed:
            break
    assert not killed


@pytest.mark.parametrize(
    "command",
    [
        ["check", "models:never", "--report"],
        ["check", "models:never", "--baseline"],
        ["audit", "models:never", "--report"],
        ["audit", "models:never", "--baseline"],
        ["transfer", "models:never", "--widths", "4,8", "--report"],
        ["transfer", "models:never", "--widths", "4,8", "--figure"],
        ["recommend", "models:never", "--data", "moons", "--report"],
        ["recommend", "models:never", "--data", "moons", "--figure"],
        ["suite", "--out"],
        ["compare", "--report"],
    ],
    ids=" ".join,
)
def test_a_place_that_cannot_be_written_is_said_before_the_work(tmp_path, monkeypatch, capsys, command):
    """The factory ends the test's process if it is called; a study of the suite would take minutes."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models.py").write_text("import os\ndef never():\n    os._exit(7)\n")
    (tmp_path / "file").touch()
    monkeypatch.setattr("sys.argv", ["goodinit", *command, "file/below.png"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 2
    assert "cannot be written" in capsys.readouterr().err


def test_a_file_is_written_into_a_folder_that_is_still_to_be_made(tmp_path):
    place = tmp_path / "new" / "er" / "a.json"
    assert writing.check_place(place) == place
    assert not place.parent.exists()  # looked at, and not touched
    assert writing.write_file(place, b"{}").read_bytes() == b"{}"
    with pytest.raises(GoodinitError, match="this is a folder"):
        writing.check_place(place.parent)


def test_a_disk_that_takes_nothing_is_said_before_the_work(tmp_path, monkeypatch):
    def refuse(**_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(writing.tempfile, "TemporaryFile", refuse)
    with pytest.raises(GoodinitError, match="Read-only file system"):
        writing.check_place(tmp_path / "a.json")


def test_a_signal_just_after_the_hidden_folder_is_made_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Path] = []
    mkdir = Path.mkdir

    def interrupted(self: Path, *given: Any, **options: Any) -> None:
        mkdir(self, *given, **options)
        if self.name.startswith(HIDDEN):
            made.append(self)
            raise KeyboardInterrupt

    monkeypatch.setattr(Path, "mkdir", interrupted)
    for write in (
        lambda: write_file(tmp_path / "page.html", b"page"),
        lambda: write_tree(tmp_path / "tree", {"a/b": b"b"}),
        lambda: OutputFolder(tmp_path / "run").write({"result.json": b"{}"}),
    ):
        with pytest.raises(KeyboardInterrupt):
            write()
    assert len(made) == 3
    assert list(tmp_path.iterdir()) == []


def test_a_signal_while_the_hidden_folder_is_removed_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rmdir, first = os.rmdir, [True]

    def interrupted(*given: Any, **options: Any) -> None:
        if first.pop() if first else False:
            raise KeyboardInterrupt
        rmdir(*given, **options)

    monkeypatch.setattr(os, "rmdir", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_file(tmp_path / "page.html", b"page")
    assert [each.name for each in tmp_path.iterdir()] == ["page.html"]
