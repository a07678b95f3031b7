"""What a command prints its tables with: as wide as the terminal, and of names only what a terminal may show."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from typing import Final

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

__all__ = ["SafeConsole", "console"]

_STEERING: Final = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""What steers a terminal, turns the direction of text, or can't be encoded; not the end of a line."""


class SafeConsole(Console):
    """A console on which the names of somebody's modules, columns and files can't steer the terminal."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """The segments, with a question mark for every character that would."""
        for segment in super().render(renderable, options):
            if not segment.control and _STEERING.search(segment.text):
                segment = Segment(_STEERING.sub("?", segment.text), segment.style)
            yield segment


def console(width: int = 110) -> SafeConsole:
    """Standard output; `width` is for what is no terminal."""
    return SafeConsole(width=None if sys.stdout.isatty() else width)
