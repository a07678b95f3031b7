"""What differs between two checkups, and whether a start got worse: for CI, and for models of one family."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from goodinit.errors import GoodinitError, is_finite
from goodinit.jsonable import read_json
from goodinit.results import Difference

__all__ = ["difference", "read_checkups", "worse"]

_APART: Final = 1.25  # times, from which two sizes are told apart
_SHARE: Final = 0.05
_SIZES: Final = {"weight_std": "weight std", "rms": "output rms", "gradient_rms": "gradient rms"}
_SHARES: Final = {"dead_share": "dead", "saturated_share": "saturated", "correlation": "cosine of two inputs"}
_LOSS: Final = "loss at the start"
_RANK: Final = {"info": 0, "warning": 1, "severe": 2}


def difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> Difference:
    """What differs between two checkups as `to_dict` gives them: findings, the loss, layers and their sizes.

    Sizes are told that differ by a quarter or more, shares by a twentieth.
    """
    changes: list[tuple[str, str | None, str | None]] = []
    before, after = _severities(old), _severities(new)
    for name in dict.fromkeys((*before, *after)):
        if before.get(name) != after.get(name):
            changes.append((f"finding {name}", before.get(name), after.get(name)))
    changes += _numbers("the model", {_LOSS: _loss(old)}, {_LOSS: _loss(new)})
    layers, others = _layers(old), _layers(new)
    for name in dict.fromkeys((*layers, *others)):
        if name in layers and name in others:
            changes += _numbers(name, layers[name], others[name])
        else:
            kinds = [each[name]["kind"] if name in each else None for each in (layers, others)]
            changes.append((f"layer {name}", kinds[0], kinds[1]))
    return Difference(tuple(changes))


def worse(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Whether a warning or a severe finding is new, or a finding more severe than it was."""
    before = _severities(old)
    return any(_RANK[severity] > _RANK.get(before.get(name, ""), 0) for name, severity in _severities(new).items())


def read_checkups(path: Path) -> dict[str, dict[str, Any]]:
    """The checkups by name that `goodinit check --baseline` wrote.

    Raises GoodinitError where the file cannot be read or is something else.
    """
    try:
        found = read_json(path)
        checkups = {str(name): dict(facts) for name, facts in found["checkups"].items()}
        for facts in checkups.values():
            _check(facts)
    except OSError as error:
        raise GoodinitError(f"baseline {path}: cannot be read ({error.strerror})") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise GoodinitError(f"baseline {path}: no checkup; give a file that --baseline wrote, or remove it") from None
    return checkups


def _check(facts: Mapping[str, Any]) -> None:
    """Raise a ValueError, KeyError, TypeError or AttributeError for what can't be held against another checkup."""
    sizes = [_loss(facts), *(each.get(key) for each in _layers(facts).values() for key in (*_SIZES, *_SHARES))]
    if not all(size is None or (isinstance(size, int | float) and is_finite(size)) for size in sizes):
        raise ValueError("a size that is no number")
    if not all(isinstance(each["kind"], str) for each in _layers(facts).values()):
        raise ValueError("a kind that is no name")
    difference(facts, facts)


def _severities(facts: Mapping[str, Any]) -> dict[str, str]:
    """By code and place the severity; the worst where there are several."""
    found: dict[str, str] = {}
    for each in facts["findings"]:
        name = each["code"] + (f" in {each['where']}" if each["where"] else "")
        if _RANK[each["severity"]] >= _RANK.get(found.get(name, ""), 0):
            found[name] = each["severity"]
    return found


def _loss(facts: Mapping[str, Any]) -> float | None:
    return None if facts["loss"] is None else facts["loss"]["total"]


def _layers(facts: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {
        (each["name"] or each["weight"]) + (f" #{each['number'] + 1}" if each["number"] else ""): each
        for each in facts["layers"]
    }


def _numbers(name: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[tuple[str, str | None, str | None]]:
    for key, words in (*_SIZES.items(), *_SHARES.items(), (_LOSS, _LOSS)):
        one, other = old.get(key), new.get(key)
        if one is None and other is None:
            continue
        if one is not None and other is not None:
            apart = abs(one - other) > _SHARE if key in _SHARES else _far(one, other)
            if not apart:
                continue
        title = words if key == words else f"{name}, {words}"
        yield title, None if one is None else f"{one:.3g}", None if other is None else f"{other:.3g}"


def _far(one: float, other: float) -> bool:
    low, high = sorted((abs(one), abs(other)))
    return high > _APART * low or (one < 0) != (other < 0)
