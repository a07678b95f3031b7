"""What a person's model was read as, kept for the next run of the same command, which may have nothing to train.

To read a model is to import PyTorch, which takes longer than all else that a finished study does. What was read is
kept in a file of the user's cache with all that was seen to go into it: the files that the person's code opened or
consists of, by their content, installed packages, goodinit's own code, the environment. Where anything of it is not as
it was, or anything is to be trained, the model is read again.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from goodinit.comparison.model_factories import read_factory
from goodinit.datasets import Source
from goodinit.errors import GoodinitError
from goodinit.factories import ModelFactory
from goodinit.report import write_file
from goodinit.weights import Weight

__all__ = ["StillToTrainError", "known_factory", "remembering"]

_FORMAT: Final = 1
_GOODINIT: Final = Path(__file__).parents[1]
_MOST_BYTES: Final = 64 << 20  # of the files that go into a model
_FOLDERS: Final = tuple(
    {f"{Path(folder)}{os.sep}" for folder in (*sysconfig.get_paths().values(), str(_GOODINIT), "/proc", "/sys")}
)
_CHANGING: Final = ("_", "COLUMNS", "LINES", "OLDPWD", "SHLVL")  # variables that say nothing of a program's work
_UNSEEN: Final = ("os.exec", "os.fork", "os.posix_spawn", "os.spawn", "os.system", "socket.connect", "subprocess.Popen")

_keeping = _recalling = False
_watched: set[str] | None = None
_hooked = False


class StillToTrainError(Exception):
    """A study whose model was not read has something to train: the model has to be read."""


@contextmanager
def remembering(*, keep: bool, recall: bool) -> Iterator[None]:
    """Within the block, models that are read are kept in the cache, and those that were read before taken from it."""
    global _keeping, _recalling
    before = _keeping, _recalling
    _keeping, _recalling = keep, recall
    try:
        yield
    finally:
        _keeping, _recalling = before


def known_factory(model: str | Callable[[], Any], source: Source, device: str) -> ModelFactory:
    """The model that a function makes for the data, as it was read before or is read now: see `read_factory`."""
    memory = _memory_of(model, source, device)
    known = memory.recall() if memory is not None and _recalling else None
    if known is not None:
        return known
    import goodinit.pytorch  # noqa: F401  # where PyTorch is missing, it says which extra to install

    if memory is None:
        return read_factory(model, source.dataset(0), device)
    with memory.watching():
        factory = read_factory(model, source.dataset(0), device)
    memory.keep(factory)
    return factory


def _memory_of(model: str | Callable[[], Any], source: Source, device: str) -> _Memory | None:
    """Where the model is kept; None where nobody asked for that, or it is not named by a text."""
    if not _keeping or not isinstance(model, str):
        return None
    place = [str(Path.cwd()), sys.version, sys.path, _code(), _environment()]
    facts = json.dumps([_FORMAT, model, device, source.fingerprint, *place])
    return _Memory(model, device, hashlib.sha256(facts.encode()).hexdigest()[:32])


@dataclass(frozen=True)
class _Memory:
    """A model's place in the cache."""

    text: str
    device: str
    key: str
    since: float = field(default_factory=time.time)
    _seen: set[str] = field(default_factory=set, repr=False)

    @property
    def path(self) -> Path:
        """The file."""
        home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111  # it never raises
        return Path(home, "goodinit", "models", f"{self.key}.json")

    def recall(self) -> ModelFactory | None:
        """The model as it was read, unless anything that went into it has changed; it cannot be made."""
        with suppress(OSError, ValueError, TypeError, KeyError, AttributeError, GoodinitError):
            kept = json.loads(self.path.read_bytes())
            if kept["files"] == _contents(kept["files"]) and kept["packages"] == _stamps(kept["packages"]):
                weights = tuple(
                    Weight(**{**each, "shape": tuple(each["shape"]), "parts": tuple(each["parts"])})
                    for each in kept["weights"]
                )
                facts = [str(kept[name]) for name in ("fingerprint", "loss", "dtype")]
                loss: Any = facts[1]
                return ModelFactory(
                    self.text, _not_read, facts[0], weights, loss, facts[2], self.device, remembered=True
                )
        return None

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Within the block, see which files are opened."""
        global _watched, _hooked
        self._seen.clear()
        if not _hooked:
            sys.addaudithook(_see)
            _hooked = True
        _watched = self._seen
        try:
            yield
        finally:
            _watched = None

    def keep(self, factory: ModelFactory) -> None:
        """Keep what was read within `watching`, where all that went into it can be known."""
        files = {path for path in self._seen if path == "" or not _installed(path)} | set(_own_modules())
        with suppress(OSError, GoodinitError):
            here = [Path(path).stat() for path in files if Path(path).exists()]
            late = any(at.st_mtime > self.since - 0.02 for at in here)  # what was read is not what lies there now
            if "" in files or late or sum(at.st_size for at in here) > _MOST_BYTES:
                return
            kept = {
                "files": _contents(files),
                "packages": _stamps(_packages()),
                "fingerprint": factory.fingerprint,
                "loss": factory.loss,
                "dtype": factory.dtype,
                "weights": [asdict(each) for each in factory.weights],
            }
            write_file(self.path, json.dumps(kept).encode())


def _not_read() -> Any:
    raise StillToTrainError


def _see(event: str, arguments: tuple[Any, ...]) -> None:
    """The audit hook: the files that are opened while somebody watches; "" for what cannot be followed."""
    if _watched is None:
        return
    if event == "open" and isinstance(arguments[0], str | bytes | os.PathLike):
        _watched.add(str(Path(os.fsdecode(arguments[0])).absolute()))
    elif event.startswith(_UNSEEN):
        _watched.add("")


def _installed(path: str) -> bool:
    """Whether a file is not a person's own: of Python, a package, or the system."""
    parts = Path(path).parts
    return path.startswith(_FOLDERS) or bool({"site-packages", "dist-packages", "__pycache__"} & set(parts))


def _own_modules() -> Iterator[str]:
    """The files of a person's modules that are imported."""
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if isinstance(file, str) and not _installed(path := str(Path(file).absolute())):
            yield path


def _packages() -> Iterator[str]:
    """A file of each package that is imported: another version brings another one. Python's own go by its version."""
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if "." not in name and isinstance(file, str) and {"site-packages", "dist-packages"} & set(Path(file).parts):
            yield file


def _contents(paths: Any) -> dict[str, str | None]:
    """A hash of each file; None where there is none."""
    found: dict[str, str | None] = {}
    for path in sorted(paths):
        try:
            found[path] = hashlib.sha256(Path(path).read_bytes()).hexdigest()
        except OSError:
            found[path] = None
    return found


def _stamps(paths: Any) -> dict[str, list[int]]:
    """When each file was changed, and its size."""
    return {path: [(at := Path(path).stat()).st_mtime_ns, at.st_size] for path in paths}


def _code() -> str:
    """A hash of goodinit's files, by their times and sizes."""
    files = sorted(str(path) for path in _GOODINIT.rglob("*.py"))
    return hashlib.sha256(json.dumps(_stamps(files)).encode()).hexdigest()


def _environment() -> str:
    """A hash of the variables that a person's code may read."""
    said = sorted((name, value) for name, value in os.environ.items() if name not in _CHANGING)
    return hashlib.sha256(repr(said).encode()).hexdigest()
