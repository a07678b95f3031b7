"""What travels to other nodes: data once by its content, a person's modules, and loads of batches; and how they train.

What is sent by pickle is read back by the job's own workers, with the rights that the job has there anyway.
"""

from __future__ import annotations

import hashlib
import os
import pickletools
import stat
import sys
import sysconfig
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from goodinit import datasets
from goodinit.comparison.batches import Batch
from goodinit.comparison.executor import LocalExecutor
from goodinit.errors import GoodinitError
from goodinit.factories import is_of_a_file
from goodinit.methods import Start
from goodinit.results import Job, Task, Trial

__all__ = ["Load", "Payload", "agreed", "fulfil", "label", "modules_of", "packed", "source_of", "unlabelled"]

MOST_CODE: Final = 64 << 20  # bytes of a person's modules

Load = tuple[Batch, ...]
"""Batches of one task that are sent together."""

agreed: dict[str, str] = {}
"""The versions that this process has found to be the driver's."""


@dataclass(frozen=True)
class Payload:
    """What is sent once however many batches need it; equal contents have equal digests."""

    digest: str
    content: Any


def source_of(task: Task) -> Payload:
    """The task's data as it travels: arrays, a file's bytes, or the name of a built-in set."""
    source = task.source
    if not isinstance(source.given, str | Path) or datasets.is_builtin(str(source.given)):
        return Payload(f"data-{source.fingerprint}", source)
    path = Path(source.given)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise GoodinitError(f"{path}: it cannot be read ({error})") from error
    how = source.target, source.standardize, source.regression, source.held_out, source.validated
    digest = hashlib.sha256(content + repr((path.name, how)).encode()).hexdigest()
    return Payload(f"file-{digest}", (path.name, content, how))


def modules_of(blob: bytes, names: Iterable[str] = ()) -> Payload | None:
    """The modules of a person that a pickle refers to, and those of `names`, with what was loaded beside them.

    A module counts as a person's where it is neither Python's, nor installed, nor goodinit's.
    """
    said = {argument for _, argument, _ in pickletools.genops(blob) if isinstance(argument, str)} | set(names)
    folders = {path.parent for name in said if (path := _own(name.partition(".")[0])) is not None}
    if not folders:
        return None
    own = {path for name in list(sys.modules) if (path := _own(name)) is not None}
    files: dict[str, bytes] = {}
    for path in sorted(path for path in own if path.parent in folders):
        inside = [path] if path.is_file() else sorted(p for p in path.rglob("*") if _travels(p, path))
        for file in inside:
            files[file.relative_to(path.parent).as_posix()] = file.read_bytes()
        if sum(map(len, files.values())) > MOST_CODE:
            raise GoodinitError(
                f"{path}: the modules beside it are more than {MOST_CODE >> 20} MiB, too much to send with a job; "
                "install them on every node"
            )
    digest = hashlib.sha256(repr(sorted(files.items())).encode()).hexdigest()
    return Payload(f"code-{digest}", files)


def _own(name: str) -> Path | None:
    """The file, or for a package the folder, of a top-level module that is a person's own."""
    if "." in name or name.startswith("__") or name == "goodinit" or name in sys.stdlib_module_names:
        return None
    module = sys.modules.get(name)
    folders = list(getattr(module, "__path__", None) or ())
    place = folders[0] if folders else getattr(module, "__file__", None)
    if not isinstance(place, str):
        return None
    path = Path(place)
    installed = {"site-packages", "dist-packages"} & set(path.parts)
    if installed or path.is_relative_to(sysconfig.get_path("stdlib")):
        return None
    return path if path.is_dir() or (path.is_file() and path.suffix == ".py") else None


def _travels(path: Path, root: Path) -> bool:
    parts = path.relative_to(root).parts
    return path.is_file() and "__pycache__" not in parts and not any(part.startswith(".") for part in parts)


def packed(load: Load, options: dict[str, Any]) -> bytes:
    """A load and how to train it, without its data."""
    starts = {module for batch in load for job in batch.jobs for module in _modules_of(job.initializer)}
    for name in {*load[0].task.modules, *starts}:
        if is_of_a_file(name):
            _by_value(name)
    task: Task = replace(load[0].task, source=None)  # type: ignore[arg-type]  # it comes in a payload of its own
    return _pickled((task, [batch.jobs for batch in load], options))


def _modules_of(start: Start | None) -> Iterator[str]:
    """Where the class of an initialization is defined, and that of the initializer that it begins from."""
    while start is not None:
        yield type(start).__module__
        inner: Start | None = getattr(start, "inner", None) or getattr(start, "base", None)
        start = None if inner is start else inner


def _by_value(module: str) -> None:
    """Have what a module defines travel whole: no other process can import it by its name."""
    from ray import cloudpickle

    cloudpickle.register_pickle_by_value(sys.modules[module])


def label(load: Load) -> bytes:
    """What a load is, for another driver that knows the same tasks."""
    return _pickled([batch.jobs for batch in load])


def _pickled(what: Any) -> bytes:
    """By Ray's own pickle, which takes along what was defined in a script or a notebook."""
    from ray import cloudpickle

    text: bytes = cloudpickle.dumps(what)
    return text


def unlabelled(text: bytes, tasks: Sequence[Task]) -> Load:
    """The load of which `label` made this text."""
    from ray import cloudpickle

    jobs: list[tuple[Job, ...]] = cloudpickle.loads(text)
    return tuple(Batch(tasks[each[0].task], each) for each in jobs)


def fulfil(order: dict[str, Any]) -> tuple[str, Any]:
    """Train an order's load in this process: `done` with the trials batch by batch, or `refused` with the reason."""
    from ray import cloudpickle

    payloads = order["payloads"]
    for digest in payloads:
        if digest.startswith("code-"):
            _open_modules(digest, payloads[digest])
    (source,) = [_open_source(digest, payloads[digest]) for digest in payloads if not digest.startswith("code-")]
    task, jobs, options = cloudpickle.loads(order["blob"])
    task, keep = replace(task, source=source), options.pop("keep")
    executor = LocalExecutor(**options, deadly=True)
    try:
        return "done", [[_slim(trial, keep) for trial in executor.train(Batch(task, each))] for each in jobs]
    except GoodinitError as error:
        return "refused", str(error)


def _slim(trial: Trial, keep: frozenset[int]) -> Trial:
    """The trial without parameters that nobody keeps."""
    return trial if trial.seed in keep else replace(trial, parameters={})


_sources: dict[str, datasets.Source] = {}


def _open_source(digest: str, reference: Any) -> datasets.Source:
    import ray

    if digest not in _sources:
        content = ray.get(reference)
        if not isinstance(content, datasets.Source):
            name, data, how = content
            content = datasets.Source(_written(digest, {name: data}) / name, *how)
        if len(_sources) >= 8:  # a worker serves one study, and few tasks of it at a time
            _sources.clear()
        _sources[digest] = content
    return _sources[digest]


def _open_modules(digest: str, reference: Any) -> None:
    import ray

    folder = _private() / digest
    if str(folder) not in sys.path:
        sys.path.insert(0, str(_written(digest, ray.get(reference))))


def _written(digest: str, files: dict[str, bytes]) -> Path:
    """A folder with these files, made once a node: it appears whole or not at all."""
    folder = _private() / digest
    if not folder.exists():
        made = Path(tempfile.mkdtemp(dir=_private()))
        for name, content in files.items():
            (made / name).parent.mkdir(parents=True, exist_ok=True)
            (made / name).write_bytes(content)
        try:
            made.rename(folder)
        except OSError:  # another worker of the node came first
            if not folder.exists():
                raise
    return folder


@lru_cache(maxsize=1)
def _private() -> Path:
    """A folder of this user alone, shared by the workers of a node; one of this process's where the name is taken."""
    folder = Path(tempfile.gettempdir()) / f"goodinit-{os.getuid()}"
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    facts = folder.lstat()
    if stat.S_ISDIR(facts.st_mode) and facts.st_uid == os.getuid() and not facts.st_mode & 0o077:
        return folder
    return Path(tempfile.mkdtemp(prefix="goodinit-"))
