"""`Source`: where a task's data comes from; the seed of a trial makes or splits it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np

from goodinit.datasets.base import Dataset, held_out
from goodinit.datasets.builtin import BUILTIN, canonical_text, is_builtin, make, parse
from goodinit.datasets.files import CsvText, is_there, load_file, load_text
from goodinit.errors import GoodinitError, shown, unknown_name

__all__ = ["Source"]


@dataclass(frozen=True)
class Source:
    """A built-in data set by name, a file, a CSV's text, or a Dataset; `dataset(seed)` gives a trial's examples.

    `text` names it in results, `fingerprint` is a hash of what it holds: two studies on the same data have the same.
    `regression` says that a file's target is a number to predict; None takes what built-in data and a Dataset are, and
    classes for a file or a CSV's text. With `held_out` a quarter of the examples to train on, chosen by the seed, takes
    the place of those to test on; with `validated` it is only taken from those to train on.
    """

    given: str | Path | CsvText | Dataset = field(repr=False)
    target: str | None = None
    standardize: bool = True
    regression: bool | None = None
    held_out: bool = False
    validated: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.given, str | Path | CsvText | Dataset):
            raise GoodinitError(f"data={shown(self.given)}: give the name of a data set, a file or a Dataset")
        if not isinstance(self.target, str | None):
            raise GoodinitError(f"target={shown(self.target)}: give the name of a column, or of an NPZ's array")
        if self._builtin is not None:
            object.__setattr__(self, "given", canonical_text(self._builtin))
            if self.target is not None:
                raise GoodinitError(
                    f"target {self.target!r} goes with a file; the built-in {self.given} has its labels"
                )
        elif isinstance(self.given, str | Path):
            path = Path(self.given)
            if not (path.suffix or len(path.parts) > 1 or is_there(path)):
                raise unknown_name("data set", str(self.given), BUILTIN, see="or give the path of a CSV or NPZ file")
        data = self.dataset(0)  # what cannot be read is told now
        _ = self.fingerprint  # of the bytes that were read
        if self.regression is not None and self.regression != data.regression:
            has, needs = ("numbers to predict", "classes") if data.regression else ("classes", "numbers to predict")
            raise GoodinitError(f"{data.name} has {has}, not {needs}; say nothing of it, or give other data")

    @property
    def text(self) -> str:
        """The data's name."""
        return Path(self.given).name if isinstance(self.given, str | Path) else self.given.name

    @property
    def _builtin(self) -> str | None:
        """The text of a built-in set."""
        return self.given if isinstance(self.given, str) and is_builtin(self.given) else None

    @property
    def varies(self) -> bool:
        """Whether the examples depend on the seed."""
        return self.held_out or self.validated or self._varied

    @property
    def _varied(self) -> bool:
        if isinstance(self.given, Dataset):
            return False
        if self._builtin is not None:
            return BUILTIN[parse(self._builtin)[0]].varies
        return not self._whole(0).parted

    def dataset(self, seed: int) -> Dataset:
        """The examples for that seed: made, or split into those to train and to test on, by the seed alone."""
        whole = self._whole(seed)
        if not (self.held_out or self.validated):
            return whole
        kept = held_out(whole, seed)
        return kept if self.held_out else replace(kept, X_test=whole.X_test, y_test=whole.y_test)

    def validation(self, seed: int) -> Dataset:
        """The examples for that seed, those that are held out in the place of those to test on."""
        return held_out(self._whole(seed), seed)

    def _whole(self, seed: int) -> Dataset:
        if isinstance(self.given, Dataset):
            return self.given
        if self._builtin is not None:
            return _made(self._builtin, seed if self._varied else 0)
        if isinstance(self.given, CsvText):
            return _text(self.given, self.target, seed, self.standardize, bool(self.regression))
        return self._first if seed == 0 else self._read(seed)

    def _read(self, seed: int) -> Dataset:
        """The file's examples for that seed, as long as the file is the one that was first read."""
        path = Path(str(self.given))
        changed = _changed(path)
        if changed != self._stamp:
            raise GoodinitError(f"{path} was changed or removed since it was first read; run again, in another study")
        return _file(path, changed, self.target, seed, self.standardize, bool(self.regression))

    @cached_property
    def _first(self) -> Dataset:
        """A file's examples for seed 0, which tables and figures tell the facts of."""
        return self._read(0)

    @cached_property
    def _stamp(self) -> int:
        """When the file was last changed, as it was at the first use."""
        return _changed(Path(str(self.given)))

    @cached_property
    def fingerprint(self) -> str:
        """A hash of the data: a file's bytes and how they are read, a built-in set's name, a Dataset's arrays."""
        digest = hashlib.sha256()
        if isinstance(self.given, Dataset):
            for array in (self.given.X_train, self.given.y_train, self.given.X_test, self.given.y_test):
                digest.update(repr(array.shape).encode() + np.ascontiguousarray(array).tobytes())
        elif self._builtin is not None:
            digest.update(f"built-in {self.given}".encode())
        else:
            how = (self.target, self.standardize, *(["regression"] if self.regression else []))
            content = self.given.text.encode() if isinstance(self.given, CsvText) else Path(self.given).read_bytes()
            digest.update(content + repr(how).encode())
        if self.held_out:
            digest.update(b"held out")
        if self.validated:
            digest.update(b"validated")
        return digest.hexdigest()[:16]


def _changed(path: Path) -> int:
    return path.stat().st_mtime_ns if is_there(path) else 0


@lru_cache(maxsize=64)
def _made(text: str, seed: int) -> Dataset:
    return make(text, seed)


@lru_cache(maxsize=8)
def _text(given: CsvText, target: str | None, seed: int, standardize: bool, regression: bool) -> Dataset:
    return load_text(given, target, seed, standardize, regression)


@lru_cache(maxsize=64)
def _file(path: Path, changed: int, target: str | None, seed: int, standardize: bool, regression: bool) -> Dataset:
    return load_file(path, target, seed, standardize, regression)
