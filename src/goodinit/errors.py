"""The one error a person sees: what was given, what was expected, what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["GoodinitError", "nearest", "unknown_name"]


class GoodinitError(ValueError):
    """A value that goodinit cannot use; the message says what to do. The command line exits with 2."""


def nearest(name: str, known: Iterable[str]) -> list[str]:
    """The names in `known` that look most like `name`, best first, three at most."""
    return difflib.get_close_matches(name.lower(), list(known), n=3, cutoff=0.5)


def unknown_name(what: str, name: str, known: Iterable[str], see: str = "") -> GoodinitError:
    """The error for a name that is not in a table, with the nearest names that are."""
    known = list(known)
    close = nearest(name, known)
    advice = f"did you mean {' or '.join(close)}?" if close else f"choose one of {', '.join(known)}"
    return GoodinitError(f"{what} {name!r} is not known; {advice}{f' ({see})' if see else ''}")
