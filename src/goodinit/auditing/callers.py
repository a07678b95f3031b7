"""Whose line of code is running: the innermost one outside PyTorch, Python's own library and what loads files."""

from __future__ import annotations

import os
import sys
import sysconfig
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any, Final, NamedTuple

import torch

__all__ = ["Caller", "caller"]

_TORCH: Final = str(Path(torch.__file__).parent) + os.sep
_OWN: Final = str(Path(__file__).parent) + os.sep
_RUN: Final = str(Path(__file__).with_name("run.py"))  # calls the factory: what lies above is no part of it
_PYTHON: Final = (sysconfig.get_path("stdlib") + os.sep, sysconfig.get_path("platstdlib") + os.sep)
_PACKAGES: Final = (f"site-packages{os.sep}", f"dist-packages{os.sep}")  # inside Python's own folder
_WRAPPERS: Final = (f"transformers{os.sep}initialization.py", "typing_extensions.py")
# Functions that read a checkpoint: the end of their file, their name, and the argument that holds the path.
_LOADERS: Final = (
    (f"safetensors{os.sep}torch.py", "load_file", "filename"),
    (f"torch{os.sep}serialization.py", "load", "f"),
)


class Caller(NamedTuple):
    """A line, the PyTorch layer it came through, whether a state dict is loaded, and the checkpoint that is read."""

    file: str | None
    line: int | None
    through: str | None
    loading: bool
    checkpoint: str | None


def caller(depth: int = 2) -> Caller:
    """The line that is running, seen from the frame `depth` above this one; no line outside the factory."""
    frame: FrameType | None = sys._getframe(depth)
    through, loading, checkpoint = None, False, None
    generated: tuple[str | None, int | None] = (None, None)
    while frame is not None and frame.f_code.co_filename != _RUN:
        code = frame.f_code
        kind = _kind(code.co_filename)
        if kind == "author":
            return Caller(code.co_filename, frame.f_lineno, through, loading, checkpoint)
        if kind == "generated" and generated[0] is None:
            generated = code.co_filename, frame.f_lineno
        if kind == "torch":
            name = code.co_name
            if name in ("reset_parameters", "_reset_parameters") and through is None:
                through = f"{type(frame.f_locals.get('self')).__name__}.{name}"
            loading = loading or name == "_load_from_state_dict"
        if checkpoint is None and (holds := _loads(code.co_filename, code.co_name)) is not None:
            checkpoint = _path(frame.f_locals.get(holds))
        frame = frame.f_back
    return Caller(*generated, through, loading, checkpoint)


@cache
def _kind(file: str) -> str:
    if file.startswith(_TORCH):
        return "torch"
    if file.startswith("<") and not file.startswith("<frozen"):
        return "generated"  # by a dataclass, or given on a command line
    if file.startswith((_OWN, "<")) or file.endswith((*_WRAPPERS, *(end for end, _, _ in _LOADERS))):
        return "between"
    own = any(file.startswith(folder) for folder in _PYTHON) and not any(part in file for part in _PACKAGES)
    return "between" if own else "author"


@cache
def _loads(file: str, name: str) -> str | None:
    return next((holds for end, function, holds in _LOADERS if file.endswith(end) and name == function), None)


def _path(given: Any) -> str:
    """The path of a checkpoint, or what else was read."""
    if isinstance(given, str | os.PathLike):
        return os.fspath(given) if isinstance(os.fspath(given), str) else repr(given)
    return str(getattr(given, "name", f"an open {type(given).__name__}"))
