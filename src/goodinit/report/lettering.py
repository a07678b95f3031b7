"""Text in figures: shown as it is written, whatever a person's columns and classes are called."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["as_written", "plain_number", "printable"]


def as_written(figure: Figure) -> Figure:
    """The figure with no text taken for mathematics, and a mark for characters that no file should hold.

    Its axes need tick labels that are plain numbers: Matplotlib writes those of a log scale as mathematics.
    """
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        if isinstance(text, Text):
            text.set_parse_math(False)
            if not text.get_text().replace("\n", "").isprintable():
                text.set_text(printable(text.get_text()))
    return figure


def plain_number(value: float, _: object = None) -> str:
    """A tick's label."""
    return f"{value:g}"


def printable(text: str) -> str:
    """The text with a mark for each character that no file should hold; ticks need it, whose labels are set anew."""
    return "".join(letter if letter.isprintable() or letter == "\n" else "\ufffd" for letter in text)
