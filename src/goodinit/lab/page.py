"""The lab as a folder of files for any web host: the page with its own engine, and what it knows of the catalogue."""

from __future__ import annotations

import hashlib
import json
import posixpath
import re
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import numpy as np

from goodinit.errors import GoodinitError
from goodinit.hidden import HIDDEN
from goodinit.lab.catalogue import catalogue
from goodinit.report.folder import INCOMPLETE, write_tree

__all__ = ["POLICY", "digits_bytes", "export_page"]

POLICY: Final = (
    "default-src 'self'; img-src 'self' data: blob:; style-src 'self'; script-src 'self' 'wasm-unsafe-eval'; "
    "connect-src 'self'; font-src 'self'; worker-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'"
)
"""What the page's browser may load. It goes into an exported page itself, since a host of files sends no header."""
_SERVED: Final = (".html", ".js", ".css", ".json", ".svg", ".wasm", ".md", "")  # LICENSE has no suffix
_ENGINE: Final = '<meta name="goodinit-engine" content="{}">'
_PRELOAD: Final = '  <link rel="modulepreload" href="static/js/main.js">\n'
_WORKER: Final = "static/engine/worker.js"
_MADE: Final = "static/catalogue.json"  # by which a folder that was written before is known


def export_page(folder: Path) -> list[Path]:
    """Write the lab's page, which needs no server of its own, into a folder; the files written.

    A new folder appears whole. While an older page is replaced, INCOMPLETE.txt stands beside it; after a kill there,
    the same command writes it anew.

    Raises GoodinitError for a folder that holds something else, or cannot be written.
    """
    source = Path(str(files("goodinit.lab").joinpath("static")))
    try:
        if folder.exists() and not _is_ours(folder):
            raise GoodinitError(f"{folder} holds files that are not the lab's; give a new or an empty folder")
        written = {name: path.read_bytes() for path, name in _static(source)}
        written |= {
            _MADE: json.dumps(catalogue(), separators=(",", ":"), allow_nan=False).encode(),
            "static/engine/digits.bin": digits_bytes(),
        }
        written[_WORKER] = _named_at_once(_WORKER, written)
        written["index.html"] = _page((source / "index.html").read_text("utf-8"), sorted(written)).encode()
        written["sw.js"] = _worker(written, (source / "sw.js").read_text("utf-8")).encode()
        write_tree(folder, written)
    except OSError as error:
        raise GoodinitError(f"{folder}: the page cannot be written there ({error})") from error
    return [folder / name for name in written]


def _is_ours(folder: Path) -> bool:
    """Whether the folder is empty, or holds a page that was written before, or half of one."""
    known = (folder / _MADE).exists() or (folder / INCOMPLETE).exists()
    return known or all(each.name.startswith(HIDDEN) for each in folder.iterdir())


def _static(source: Path) -> list[tuple[Path, str]]:
    """The page's files and their names in the folder."""
    apart = {source / "index.html", source / "sw.js"}
    found = sorted(
        path for path in source.rglob("*") if path.is_file() and path.suffix in _SERVED and path not in apart
    )
    return [(path, f"static/{path.relative_to(source).as_posix()}") for path in found]


def _page(text: str, written: list[str]) -> str:
    """The page with its policy and own engine; its modules are named at once: none waits for those that import it."""
    policy = f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
    modules = [name for name in written if name.endswith(".js") and name not in (_WORKER, "static/js/server.js")]
    named = "".join(f'  <link rel="modulepreload" href="{name}">\n' for name in modules)
    return text.replace(_ENGINE.format("server"), f"{policy}\n  {_ENGINE.format('page')}").replace(_PRELOAD, named)


def _named_at_once(module: str, written: dict[str, bytes]) -> bytes:
    """The module, which begins with the names of all that it and its imports import: none waits for another."""
    found: list[str] = []
    todo = [module]
    while todo:
        name = todo.pop()
        for path in re.findall(r'^import .* from "(\.[^"]+)"', written[name].decode(), re.MULTILINE):
            other = posixpath.normpath(posixpath.join(posixpath.dirname(name), path))
            if other not in found:
                found.append(other)
                todo.append(other)
    named = [posixpath.relpath(name, posixpath.dirname(module)) for name in sorted(found)]
    lines = [f'import "{name if name.startswith(".") else f"./{name}"}";\n' for name in named]
    return "".join(lines).encode() + written[module]


def _worker(written: dict[str, bytes], text: str) -> str:
    """The service worker, told which files there are; another name for its store where one of them has changed."""
    digest = hashlib.sha256()
    for name in sorted(written):
        digest.update(name.encode() + hashlib.sha256(written[name]).digest())
    values: dict[str, Any] = {"STORE": f"goodinit-lab-{digest.hexdigest()[:16]}", "FILES": ["./", *sorted(written)]}
    for name, value in values.items():
        text = text.replace(f"const {name} = null;", f"const {name} = {json.dumps(value)};")
    return text


@cache
def digits_bytes() -> bytes:
    """The digits data set for the page: a byte a pixel, 0 to 16, and then its label, image after image."""
    from sklearn.datasets import load_digits

    data: Any = load_digits()
    return np.column_stack([data.data, data.target]).astype(np.uint8).tobytes()
