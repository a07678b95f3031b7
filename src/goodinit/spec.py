"""The text form of a choice: `name` or `name(option=value, ...)`. It is parsed, never evaluated.

Initializers and activations are written this way on the command line, in files and in Python. A value is a number,
`true`, `false`, `none`, a bare word, quoted text, a name in a file (`mine.py:small`), or a list of values in brackets.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import fields
from typing import Any, TypeVar, cast

from goodinit.errors import GoodinitError, nearest

__all__ = ["build", "canonical", "format_fields", "format_spec", "parse_spec"]

_T = TypeVar("_T")
_TOKEN = re.compile(
    r"""\s*(?:
        (?P<named>[\w./~-]+:[A-Za-z_]\w*)
      | (?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w.]))
      | (?P<word>[+-]?[A-Za-z_][\w-]*)
      | (?P<quoted>"[^"]*"|'[^']*')
      | (?P<mark>[()\[\],=])
    )""",
    re.VERBOSE,
)
_WORDS = {"true": True, "false": False, "none": None, "nan": float("nan"), "inf": float("inf")}
_LONGEST = 1000


def canonical(name: str) -> str:
    """The name as tables hold it: lower case, underscores for hyphens."""
    return name.strip().lower().replace("-", "_")


def parse_spec(text: str) -> tuple[str, dict[str, Any]]:
    """Split `name(option=value, ...)` into the name and its options.

    >>> parse_spec("normal(std=10)")
    ('normal', {'std': 10})
    >>> parse_spec("he_normal")
    ('he_normal', {})

    Raises GoodinitError where the text has another form.
    """
    if len(text) > _LONGEST:
        raise GoodinitError(f"{text[:40]!r}... has {len(text)} characters; write name(option=value)")
    return _Parser(text).spec()


def format_spec(name: str, options: Mapping[str, Any]) -> str:
    """The text that `parse_spec` reads back: `format_spec("normal", {"std": 10.0})` is `normal(std=10)`."""
    if not options:
        return name
    return f"{name}({', '.join(f'{key}={_format_value(value)}' for key, value in options.items())})"


def format_fields(name: str, record: Any, said: Collection[str | None] = ()) -> str:
    """The text form of a dataclass whose options are its fields: those that are not their defaults, or are `said`."""
    options = {each.name: each.default for each in fields(record) if each.init}
    return format_spec(
        name,
        {key: value for key, default in options.items() if (value := getattr(record, key)) != default or key in said},
    )


def build(cls: Callable[..., _T], what: str, name: str, options: Mapping[str, Any]) -> _T:
    """A dataclass's object of these options. Raises GoodinitError for an option that it does not have."""
    known = [each.name for each in fields(cast(Any, cls)) if each.init]
    for option in options:
        if option not in known:
            close = nearest(option, known)
            advice = f"did you mean {close[0]}?" if close else f"it takes {', '.join(known) or 'no option'}"
            raise GoodinitError(f"{what} {name!r} has no option {option!r}; {advice}")
    return cls(**options)


def _format_value(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        short = value.is_integer() and abs(value) < 1e15 and (value or math.copysign(1, value) > 0)  # -0 would be 0
        return f"{value:.0f}" if short else repr(value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(_format_value, value))}]"
    text = str(value)
    quote = "'" if '"' in text else '"'
    return text if re.fullmatch(r"([\w./~-]+:)?[A-Za-z_]\w*", text) else f"{quote}{text}{quote}"


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = self._tokens()
        self.at = 0

    def _tokens(self) -> list[tuple[str, str]]:
        tokens, at, text = [], 0, self.text.rstrip()
        while at < len(text):
            match = _TOKEN.match(text, at)
            if match is None or match.lastgroup is None:
                raise self._error()
            tokens.append((match.lastgroup, match[match.lastgroup]))
            at = match.end()
        return tokens

    def _error(self) -> GoodinitError:
        return GoodinitError(f"{self.text!r} is not of the form name or name(option=value, ...), as in normal(std=10)")

    def _take(self, *kinds: str, mark: str = "") -> str:
        kind, value = self.tokens[self.at] if self.at < len(self.tokens) else ("end", "")
        if (mark and value != mark) or kind not in kinds:
            raise self._error()
        self.at += 1
        return value

    def _next_is(self, mark: str) -> bool:
        found = self.at < len(self.tokens) and self.tokens[self.at] == ("mark", mark)
        self.at += found
        return found

    def spec(self) -> tuple[str, dict[str, Any]]:
        name, options = canonical(self._take("word")), {}
        if self._next_is("(") and not self._next_is(")"):
            while True:
                option = self._take("word")
                self._take("mark", mark="=")
                if option in options:
                    raise GoodinitError(f"{self.text!r} gives {option} twice; give it once")
                options[option] = self._value()
                if self._next_is(")"):
                    break
                self._take("mark", mark=",")
        if self.at != len(self.tokens):
            raise self._error()
        return name, options

    def _value(self, depth: int = 0) -> Any:
        if depth > 8:
            raise self._error()
        if self._next_is("["):
            values: list[Any] = []
            while not self._next_is("]"):
                if values:
                    self._take("mark", mark=",")
                values.append(self._value(depth + 1))
            return values
        kind = self.tokens[self.at][0] if self.at < len(self.tokens) else "end"
        value = self._take("number", "word", "quoted", "named")
        if kind == "quoted":
            return value[1:-1]
        if kind == "named":
            return value
        if kind == "number":
            return float(value) if re.search(r"[.eE]", value) else int(value)
        if value[0] in "+-":
            if value[1:].lower() not in ("inf", "nan"):
                raise self._error()
            return float(value)
        return _WORDS.get(value.lower(), value)
