"""Pictures that are not drawn again: each says in itself what it was drawn from, and what it is.

A PNG file's text chunk `goodinit` holds a hash of what was drawn and by what, and one of all else in the file. The
picture of an earlier run is taken where both are right; anything else is drawn.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
import sys
import zlib
from collections.abc import Iterable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from goodinit.results import Task, Trial

__all__ = ["drawn_from", "kept", "signed"]

_KEY: Final = b"goodinit\0"
_END: Final = struct.pack(">I4sI", 0, b"IEND", zlib.crc32(b"IEND"))


def drawn_from(task: Task, trials: Sequence[Trial]) -> str | None:
    """A hash of all that the figures of a comparison depend on; None where that is not known.

    Matplotlib's settings can be changed once it is imported, and a function made in Python has no content to compare.
    """
    if "matplotlib" in sys.modules or (task.network.kind == "network" and task.network.needed is not None):
        return None
    digest = hashlib.sha256(json.dumps([task.name, task.identity, *_drawn_by()]).encode())
    for trial in trials:
        digest.update(json.dumps(trial.to_dict()).encode())
        for name, values in sorted(trial.parameters.items()):
            digest.update(f"{name} {values.shape} {values.dtype}".encode() + values.tobytes())
    return digest.hexdigest()


def _drawn_by() -> list[str]:
    """The versions of what draws, its code, and the settings that Matplotlib will read."""
    named = [os.environ[name] for name in ("MATPLOTLIBRC", "MPLCONFIGDIR") if name in os.environ]
    usual = [f"{os.environ.get('XDG_CONFIG_HOME') or '~/.config'}/matplotlib", "~/.matplotlib"]
    settings = [*map(Path, named), *(Path(folder, "matplotlibrc") for folder in (".", *named, *usual))]
    code = sorted(Path(__file__).parent.glob("*.py"))
    return [*map(_version, ("goodinit", "matplotlib", "numpy")), *map(_content, (*settings, *code))]


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _content(path: Path) -> str:
    try:
        return hashlib.sha256(path.expanduser().read_bytes()).hexdigest()
    except (OSError, RuntimeError):  # there is none, or no home
        return ""


def signed(picture: bytes, source: str | None) -> bytes:
    """A PNG file that says what it was drawn from."""
    if source is None or not picture.endswith(_END):
        return picture
    said = b"tEXt" + _KEY + f"{source} {hashlib.sha256(picture).hexdigest()}".encode()
    chunk = struct.pack(">I", len(said) - 4) + said + struct.pack(">I", zlib.crc32(said))
    return picture[: -len(_END)] + chunk + _END


def kept(name: str, folders: Iterable[Path], source: str | None) -> bytes | None:
    """The picture of that name in the first of the folders where it was drawn from the same; None where none was."""
    if source is None:
        return None
    for folder in folders:
        try:
            content = (folder / name).read_bytes()
        except OSError:
            continue
        place = content.rfind(b"tEXt" + _KEY)
        if place >= 4 and signed(content[: place - 4] + _END, source) == content:
            return content
    return None
