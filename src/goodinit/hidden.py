"""Where files are written before they get their names: beside them, hidden, and gone however the writing ends."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

__all__ = ["HIDDEN", "hidden_folder"]

HIDDEN: Final = ".goodinit-"
"""How the names begin of what is being written; a kill that no program sees may leave some, which nothing reads."""


@contextmanager
def hidden_folder(beside: Path) -> Iterator[Path]:
    """A new empty folder in `beside`, for what is to be moved out of it; it goes with the block, however that ends."""
    folder = beside / f"{HIDDEN}{secrets.token_hex(6)}"
    try:  # it is named before it is made: a signal finds no moment in which it stands and nobody knows of it
        folder.mkdir()
        yield folder
    finally:
        try:
            shutil.rmtree(folder, ignore_errors=True)
        except KeyboardInterrupt:  # it came while this was being removed
            shutil.rmtree(folder, ignore_errors=True)
            raise
