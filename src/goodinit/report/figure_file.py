"""A figure that a person asked for by the name of a file."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from goodinit.errors import GoodinitError
from goodinit.report.folder import check_place, write_file
from goodinit.report.lettering import as_written

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["check_drawn", "without_box", "write_drawn"]

_KINDS: Final = ("svg", "pdf", "png")


def without_box(axes: Axes) -> None:
    """Leave out the lines above the axes and to their right."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def check_drawn(path: str | os.PathLike[str]) -> Path:
    """The place of a figure, looked at before it is drawn; raises what `write_drawn` raises."""
    place = Path(path)
    if place.suffix.lower().removeprefix(".") not in _KINDS:
        raise GoodinitError(f"{place}: a figure is written as {', '.join(_KINDS)}; give a name that ends so")
    return check_place(place)


def write_drawn(figure: Figure, path: str | os.PathLike[str]) -> Path:
    """Write a figure as SVG, PDF or PNG, by the ending of the name.

    Raises GoodinitError for another ending, or where it cannot be written.
    """
    place = check_drawn(path)
    kind = place.suffix.lower().removeprefix(".")
    buffer = io.BytesIO()
    as_written(figure).savefig(buffer, format=kind, dpi=160, metadata={"Date": None} if kind == "svg" else None)
    return write_file(place, buffer.getvalue())
