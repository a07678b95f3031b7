"""The folder of a run: checked before the work, written at its end, whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from goodinit.errors import GoodinitError
from goodinit.hidden import hidden_folder

__all__ = [
    "INCOMPLETE",
    "OutputFolder",
    "check_new",
    "check_place",
    "mark",
    "write_file",
    "write_new",
    "write_tree",
]

FILES: Final = ("result.json", "loss.png", "decision_boundary.png", "fit.png", "phase_diagram.png", "depth_scales.png")
"""Every file that a run may write; one of them in a folder says that another run is kept there."""

INCOMPLETE: Final = "INCOMPLETE.txt"
"""Beside files that are being replaced: where it stands, they may be of two runs, since one was stopped meanwhile."""

_LOOKED_BACK: Final = 8  # numbered folders in which pictures of an earlier run are looked for


def mark(folder: Path) -> Path:
    """Say in a file of the folder that its files are being replaced, and return it, to be removed when they are."""
    marker = folder / INCOMPLETE
    marker.write_text("goodinit was replacing the files here: they may be of two runs. Write them again.\n", "utf-8")
    return marker


class OutputFolder:
    """Where a run's files go. Making it checks that they can be written; `write` writes them.

    Raises GoodinitError where the folder cannot be written, or holds another run and `overwrite` is not set.
    """

    def __init__(self, path: str | Path, overwrite: bool = False) -> None:
        self.path = Path(path)
        self.overwrite = overwrite
        self._base: Path | None = None  # of a numbered folder, its name without the number
        self._check()

    @classmethod
    def fresh(cls, path: str | Path) -> OutputFolder:
        """The folder of that name, or name-2, name-3, ...: the first that does not exist."""
        folder = cls(_first_free(Path(path)))
        folder._base = Path(path)
        return folder

    @property
    def earlier(self) -> tuple[Path, ...]:
        """Where the files of an earlier run may lie: the folder itself, of a numbered one the last ones before it."""
        if self._base is None:
            return (self.path,)
        last = int(self.path.name.removeprefix(self._base.name).removeprefix("-") or 1) - 1
        return tuple(_numbered(self._base, number) for number in range(last, max(0, last - _LOOKED_BACK), -1))

    def _check(self) -> None:
        kept = [name for name in FILES if os.path.lexists(self.path / name)]
        if os.path.lexists(self.path / INCOMPLETE) and not self.overwrite:
            raise GoodinitError(
                f"{self.path} may hold files of two runs, since one was stopped while it wrote there; choose another "
                "or say --overwrite"
            )
        if kept and not self.overwrite:
            raise GoodinitError(f"{self.path} holds another run ({', '.join(kept)}); choose another or say --overwrite")
        try:
            _try(self.path)
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> GoodinitError:
        return GoodinitError(
            f"{self.path}: the folder cannot be written ({error.strerror or error}); choose another with --out"
        )

    def write(self, files: Mapping[str, bytes]) -> Path:
        """Write the files, all of them or none, and return the folder."""
        if self._base is None:
            self._check()  # again: another run may have ended meanwhile
        try:
            if self.path.exists() and self._base is None:
                self._replace(files)
            else:
                self._create(files)
        except OSError as error:
            raise self._unwritable(error) from error
        return self.path

    def _create(self, files: Mapping[str, bytes]) -> None:
        """Fill a hidden folder beside the place, then give it its name in one step."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with hidden_folder(self.path.parent) as hidden:
            for name, content in files.items():
                (hidden / name).write_bytes(content)
            while True:
                try:
                    hidden.rename(self.path)
                    return
                except OSError:
                    if self._base is None or not self.path.exists():
                        raise
                    self.path = _first_free(self._base)  # another run took the name meanwhile

    def _replace(self, files: Mapping[str, bytes]) -> None:
        """Write everything beside its place first; only then replace, marked, and drop what is stale."""
        with hidden_folder(self.path) as hidden:
            for name, content in files.items():
                (hidden / name).write_bytes(content)
            marker = mark(self.path)
            for name in files:
                (hidden / name).replace(self.path / name)
            for name in set(FILES) - set(files):
                (self.path / name).unlink(missing_ok=True)
            marker.unlink()


def write_tree(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write a folder of files, by their names with slashes: in one step where it is new, else marked while it changes.

    All is written beside its place first; then each file or folder at the top of the tree replaces what stands there.
    """
    fresh = not folder.exists()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with hidden_folder(folder.parent if fresh else folder) as hidden:
        new = hidden / "new"
        for name, content in files.items():
            (new / name).parent.mkdir(parents=True, exist_ok=True)
            (new / name).write_bytes(content)
        if fresh:
            new.rename(folder)
            return
        marker = mark(folder)
        for each in sorted(new.iterdir()):
            place = folder / each.name
            if place.is_dir():
                place.rename(hidden / f"old-{each.name}")
            each.replace(place)
        marker.unlink()


def check_place(path: str | os.PathLike[str]) -> Path:
    """The place of a file that is written after the work, looked at before it.

    Raises GoodinitError for a folder, and where no file can be written there.
    """
    place = Path(path)
    if place.is_dir() or not place.name:
        raise GoodinitError(f"{place}: this is a folder; give a file's name")
    try:
        _try(place.parent)
    except OSError as error:
        raise GoodinitError(
            f"{place}: it cannot be written ({error.strerror or error}); choose another place"
        ) from error
    return place


def _try(folder: Path) -> None:
    """Raise the OSError of a file in the folder, or in the nearest above it where it is still to be made."""
    nearest = folder
    while not nearest.exists():
        nearest = nearest.parent
    if not nearest.is_dir():
        raise NotADirectoryError(f"{nearest} is not a folder")
    with tempfile.TemporaryFile(dir=nearest):
        pass


def check_new(path: str | os.PathLike[str], overwrite: bool, example: str) -> Path:
    """The place of a file that a person named; `example` is a name that would do.

    Raises GoodinitError for a folder, where it exists and `overwrite` is not set, and where it cannot be written.
    """
    place = Path(path)
    if place.is_dir() or not place.name:
        raise GoodinitError(f"{place}: this is a folder; give a file's name, such as {place / example}")
    if os.path.lexists(place) and not overwrite:
        raise GoodinitError(f"{place} exists; choose another name or say overwrite=True")
    return check_place(place)


def write_new(path: str | os.PathLike[str], content: bytes, overwrite: bool, example: str) -> Path:
    """Write a file that a person named, whole or not at all; `example` is a name that would do.

    Raises GoodinitError where it exists and `overwrite` is not set, or cannot be written.
    """
    return write_file(check_new(path, overwrite, example), content)


def write_file(path: str | Path, content: bytes) -> Path:
    """Write one file, whole or not at all, over what stands there; its folder is made where there is none.

    Raises GoodinitError where it cannot be written.
    """
    place = Path(path)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with hidden_folder(place.parent) as hidden:
            whole = hidden / place.name
            whole.write_bytes(content)
            whole.replace(place)
    except OSError as error:
        raise GoodinitError(
            f"{place}: it cannot be written ({error.strerror or error}); choose another place"
        ) from error
    return place


def _first_free(path: Path) -> Path:
    number = 1
    while os.path.lexists(_numbered(path, number)):
        number += 1
    return _numbered(path, number)


def _numbered(path: Path, number: int) -> Path:
    return path if number == 1 else path.with_name(f"{path.name}-{number}")
