"""The files of a benchmark, and the folder they are kept in."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Final

from goodinit import report
from goodinit.bench.figure import heat_map, png
from goodinit.bench.records import Bench
from goodinit.bench.tables import markdown
from goodinit.errors import GoodinitError

__all__ = ["BenchFolder", "to_json"]

FILES: Final = ("bench.md", "bench.json", "bench.png", "grid.png")


class BenchFolder(report.OutputFolder):
    """Where a benchmark's files go: checked before the work, written at its end, whole or not at all.

    Raises GoodinitError where the folder cannot be written, or holds another run and `overwrite` is not set.
    """

    def _check(self) -> None:
        kept = [name for name in FILES if os.path.lexists(self.path / name)]
        if kept and not self.overwrite:
            raise GoodinitError(f"{self.path} holds another run ({', '.join(kept)}); choose another or say --overwrite")
        super()._check()

    def save(self, result: Bench) -> Path:
        """Write bench.md, bench.json and the figures, and return the folder."""
        contents = (markdown(result).encode(), to_json(result).encode() + b"\n", png(result))
        files = dict(zip(FILES, contents, strict=False))
        if any(cell.ratio is not None for cell in result.grid):
            files[FILES[-1]] = heat_map(result.grid)
        return self.write(files)


def to_json(result: Bench) -> str:
    """The benchmark as one JSON object."""
    return json.dumps(result.to_dict(), indent=1)
