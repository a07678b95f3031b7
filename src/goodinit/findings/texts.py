"""A finding's sentence, rendered from its values: one file of texts a language, read by the page of the lab too.

A file holds for each code its `text`, and for a fault that lies in code or data what is to be changed, `change`. In a
text

- `{name}` is a value, `{name:3g}` a number to three significant digits, `{name:3f}` with three decimals, `{name:%}` a
  share in whole percents, `{name:,}` an integer with separators;
- `{names:list}` are names in a list, `{parts:each}` records, each rendered by the entry's text of that name, in a list;
  `{parts:comma}` the same without an "and";
- a piece in `[brackets]` is left out where one of its values is missing.

Where values hold a `case`, the entry's `text.CASE` or `change.CASE` is taken, where there is one.
`static/js/finding-text.js` of the lab does the same, and a test holds the two against each other.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any, Final

from goodinit.errors import unknown_name

__all__ = ["LANGUAGES", "codes", "rendered", "texts"]

LANGUAGES: Final = ("en", "zh")
MISSING: Final = "?"
_LISTS: Final = "lists"  # the entry that says how a language lists things
_EFFECT: Final = "effect"  # the entry that says what a remedy did
_MOST: Final = 4  # things in a list; of more, the first three and how many there are more
_HOLE: Final = re.compile(r"\{(\w+)(?::([^}]*))?\}")
_PIECE: Final = re.compile(r"\[([^\]]*)\]")


@cache
def texts(language: str) -> dict[str, dict[str, str]]:
    """The texts of a language by code. Raises GoodinitError for a language that there are no texts of."""
    if language not in LANGUAGES:
        raise unknown_name("language", language, LANGUAGES)
    read = files("goodinit.findings").joinpath(f"texts/{language}.json").read_text("utf-8")
    found: dict[str, dict[str, str]] = json.loads(read)
    return found


def codes() -> tuple[str, ...]:
    """Every code that a finding can have, in the order of the documentation."""
    return tuple(code for code in texts("en") if code not in (_LISTS, _EFFECT))


def rendered(code: str, values: Mapping[str, Any], language: str, name: str = "text") -> str:
    """The sentence of a code from values, in a language: its `text`, or its `change`, empty where it has none.

    The code itself where it has no texts.
    """
    entry = texts(language).get(code)
    if entry is None:
        return code if name == "text" else ""
    return _filled(_choice(entry, name, values), values, entry, texts(language)[_LISTS])


def _choice(entry: Mapping[str, str], name: str, values: Mapping[str, Any]) -> str:
    return entry.get(f"{name}.{values.get('case')}") or entry.get(name, "")


def _filled(text: str, values: Mapping[str, Any], entry: Mapping[str, str], lists: Mapping[str, str]) -> str:
    def piece(match: re.Match[str]) -> str:
        return match[1] if all(values.get(name) is not None for name, _ in _HOLE.findall(match[1])) else ""

    def value(match: re.Match[str]) -> str:
        name, kind = match[1], match[2] or ""
        given = values.get(name)
        if given is None:
            return MISSING
        if kind in ("each", "comma"):
            parts = [_filled(_choice(entry, name, part), part, entry, lists) for part in given]
            return _listed(parts, lists, lists["and" if kind == "each" else "comma"])
        return _listed(given, lists, lists["and"]) if kind == "list" else _number(given, kind)

    return _HOLE.sub(value, _PIECE.sub(piece, text))


def _number(value: Any, kind: str) -> str:
    if isinstance(value, str):  # a name, or the word of a number that is not finite
        return value
    if kind == "%":
        return f"{value:.0%}"
    if kind == ",":
        return f"{value:,}"
    if kind:
        return f"{value:.{kind}}"
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e15 else f"{value:g}"


def _listed(given: Sequence[str], lists: Mapping[str, str], last: str) -> str:
    each = list(dict.fromkeys(given))
    if len(each) > _MOST:
        each = [*each[: _MOST - 1], _HOLE.sub(str(len(each) - _MOST + 1), lists["more"])]
        last = lists["and"]
    return last.join(part for part in (lists["comma"].join(each[:-1]), *each[-1:]) if part)
