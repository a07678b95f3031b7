"""A figure that a person asked for by the name of a file."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from goodinit.errors import GoodinitError
from goodinit.report.folder import write_file
from goodinit.report.lettering import as_written

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["without_box", "write_drawn"]

_KINDS: Final = ("svg", "pdf", "png")


def without_box(axes: Axes) -> None:
    """Leave out the lines above the axes and to their right."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def write_drawn(figure: Figure, path: str | os.PathLike[str]) -> Path:
    """Write a figure as SVG, PDF or PNG, by the ending of the name.

    Raises GoodinitError for another ending, or where it cannot be written.
    """
    place = Path(path)
    kind = place.suffix.lower().removeprefix(".")
    if kind not in _KINDS:
        raise GoodinitError(f"{place}: a figure is written as {', '.join(_KINDS)}; give a name that ends so")
    buffer = io.BytesIO()
    as_written(figure).savefig(buffer, format=kind, dpi=160, metadata={"Date": None} if kind == "svg" else None)
    return write_file(place, buffer.getvalue())
