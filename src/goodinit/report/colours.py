"""The colours and line styles that every figure takes in this order, so that a start looks alike in all of them."""

from __future__ import annotations

from typing import Final

__all__ = ["COLOURS", "STYLES"]

COLOURS: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")  # Okabe & Ito 2008
STYLES: Final = ("-", "--", "-.", ":")
