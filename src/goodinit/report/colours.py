"""The colours and line styles that every figure takes in this order, so that a start looks alike in all of them."""

from __future__ import annotations

from typing import Final

__all__ = ["CLASSES", "COLOURS", "STYLES"]

COLOURS: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")  # Okabe & Ito 2008
CLASSES: Final = (COLOURS[1], COLOURS[0], *COLOURS[2:])  # class 0 warm, class 1 blue, as in the lab and the course
STYLES: Final = ("-", "--", "-.", ":")
