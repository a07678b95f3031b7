"""Reading one field of a request: the right type, within its bounds, or an error that names it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NoReturn

from goodinit.errors import nearest
from goodinit.lab.errors import LabError
from goodinit.lab.limits import LIMITS

__all__ = ["array", "boolean", "choice", "items", "number", "read_json", "text", "whole"]


_TEXT: Final = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)


def read_json(body: bytes) -> dict[str, Any]:
    """The JSON object of a request. Raises LabError for what is none, or is nested too deeply."""
    depth = deepest = 0
    for bracket in re.findall(rb"[][{}]", _TEXT.sub(b"", body)):
        depth += 1 if bracket in b"[{" else -1
        deepest = max(deepest, depth)
    if deepest > LIMITS["json_depth"]:
        raise _no_json(f"it is nested {deepest} deep, {LIMITS['json_depth']} at most")
    try:
        given = json.loads(body.decode(), parse_constant=_constant)
        json.dumps(given, ensure_ascii=False).encode()  # half of a surrogate pair is no text, and could not be answered
    except (ValueError, RecursionError) as error:  # not UTF-8, not JSON, or a number of thousands of digits
        raise _no_json(str(error).partition("\n")[0][:120]) from None
    if not isinstance(given, dict):
        raise _no_json(f"it is a {type(given).__name__}, not an object")
    return given


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _no_json(why: str) -> LabError:
    return LabError("bad-json", f"the request is not a JSON object that can be read: {why}", status=400)


def items(given: Any, field: str, known: Iterable[str]) -> Mapping[str, Any]:
    """An object with no other keys than the known ones."""
    known = list(known)
    if not isinstance(given, dict):
        raise _wrong_type(field, given, f"an object with {', '.join(known)}")
    for key in given:
        if key not in known:
            close = nearest(key[:80], known)
            advice = f"did you mean {close[0]}?" if close else f"there are {', '.join(known)}"
            name = f"{field}.{key[:40]}" if field else key[:40]
            raise LabError("unknown-field", f"{name} is not known; {advice}", field=name, allowed={"choices": known})
    return given


def array(given: Any, field: str, fewest: int, most: int) -> Sequence[Any]:
    """A list of so many items."""
    if not isinstance(given, list):
        raise _wrong_type(field, given, "a list")
    if not fewest <= len(given) <= most:
        raise _out_of_range(field, len(given), fewest, most, f"has {len(given)} items; give {fewest} to {most}")
    return given


def number(given: Any, field: str, low: float, high: float) -> float:
    """A finite number within the bounds."""
    if isinstance(given, bool) or not isinstance(given, int | float):
        raise _wrong_type(field, given, "a number")
    if not low <= given <= high:  # false for nan too; a large int is compared exactly
        raise _out_of_range(field, given, low, high, f"{_shown(given)}: give a number from {low:g} to {high:g}")
    return float(given)


def whole(given: Any, field: str, low: int, high: int) -> int:
    """An integer within the bounds; 15000.0 is one."""
    if isinstance(given, float) and math.isfinite(given) and given.is_integer():
        given = int(given)
    if isinstance(given, bool) or not isinstance(given, int):
        raise _wrong_type(field, given, "an integer")
    if not low <= given <= high:
        raise _out_of_range(field, given, low, high, f"{_shown(given)}: give an integer from {low:,} to {high:,}")
    return given


def boolean(given: Any, field: str) -> bool:
    """True or false."""
    if not isinstance(given, bool):
        raise _wrong_type(field, given, "true or false")
    return given


def text(given: Any, field: str, most: int = 200) -> str:
    """A text of at most so many characters that a browser can show."""
    if not isinstance(given, str):
        raise _wrong_type(field, given, "a text")
    if len(given) > most or not given.isprintable():
        message = f"{field} must be one line of at most {most} characters"
        raise LabError("out-of-range", message, field=field, given=given, allowed={"low": 0, "high": most})
    return given


def choice(given: Any, field: str, choices: Iterable[str]) -> str:
    """One of the words."""
    choices = list(choices)
    word = text(given, field)
    if word not in choices:
        close = nearest(word, choices)
        advice = f"did you mean {close[0]}?" if close else f"choose one of {', '.join(choices)}"
        raise LabError(
            "unknown-name",
            f"{field} {word!r} is not known; {advice}",
            field=field,
            given=word,
            allowed={"choices": choices},
        )
    return word


def _shown(given: float) -> str:
    return f"{given:g}" if abs(given) < 1e300 else "a number beyond 1e300"


def _wrong_type(field: str, given: Any, expected: str) -> LabError:
    kinds = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    kind = kinds.get(type(given), "a number")
    message = f"{field or 'the scene'} is {kind}; it must be {expected}"
    return LabError("wrong-type", message, field=field or None, given=given)


def _out_of_range(field: str, given: float, low: float, high: float, why: str) -> LabError:
    joint = " " if why.startswith("has") else " = "
    allowed = {"low": low, "high": high}
    return LabError("out-of-range", f"{field}{joint}{why}", field=field, given=given, allowed=allowed)
