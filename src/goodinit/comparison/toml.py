"""A study described by a TOML file: the options of `compare`, checked before anything runs."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from goodinit.datasets import is_builtin
from goodinit.errors import GoodinitError, nearest, shown
from goodinit.options import OPTIONS, Option, task_options

__all__ = ["load_study"]

_TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    "integer": (int,),
    "number": (int, float),
    "text": (str,),
    "texts": (str, list),
    "switch": (bool,),
    "integers": (list,),
    "rates": (int, float, str, list),
    "seeds": (str, list, int),
}
_ITEMS: Final[Mapping[str, tuple[type, ...]]] = {
    "texts": (str,),
    "rates": (int, float),
    "seeds": (int,),
    "integers": (int,),
}


def load_study(path: str | Path) -> dict[str, Any]:
    """The options of `compare` that a TOML file holds.

    The keys are the command's options without their dashes in front; `[[task]]` tables describe tasks of one's own,
    with a `name`, optionally the named task they are `like`, and the options that differ. A relative path of data is
    meant from the file's folder.

    Raises GoodinitError for an unknown key, a wrong type or an empty list, with the line and what is allowed.
    """
    file = Path(path)
    try:
        if file.exists() and not file.is_file():
            raise GoodinitError(f"{file}: it is not a file; give the path of a study in TOML")
        text = file.read_text(encoding="utf-8")
        given = tomllib.loads(text)
    except GoodinitError:
        raise
    except (OSError, UnicodeDecodeError, RecursionError) as error:
        raise GoodinitError(f"{file}: the study cannot be read ({error})") from error
    except tomllib.TOMLDecodeError as error:
        raise GoodinitError(f"{file}: this is not TOML ({error})") from error
    except ValueError as error:  # Python's own: an integer of thousands of digits, a path with a null byte
        raise GoodinitError(f"{shown(str(file))}: the study cannot be read ({error})") from error
    own = given.pop("task", [])
    if not isinstance(own, list) or not all(isinstance(each, dict) for each in own):
        raise GoodinitError(f"{file}, line {_line(text, 'task')}: task must be a table, written [[task]]")
    keys = {_key(option): option for option in OPTIONS.values() if option.in_file}
    of_task: dict[str, Option | None] = {"name": None, "like": None, **{_key(each): each for each in task_options()}}
    for key, value in given.items():
        _check(file, text, key, value, keys)
    for number, each in enumerate(own):
        for key, value in each.items():
            _check(file, text, key, value, of_task, number)
        if "name" not in each:
            raise GoodinitError(f"{file}, line {_line(text, 'task', number)}: a [[task]] needs a name of your own")
    options = {key.replace("-", "_"): value for key, value in given.items()}
    tasks = [{key.replace("-", "_"): value for key, value in each.items()} for each in own]
    for table in (options, *tasks):
        data = table.get("data")
        if isinstance(data, str) and not is_builtin(data) and (Path(data).suffix or "/" in data):
            table["data"] = str(file.parent / data)
    if tasks:
        named = options.get("tasks", [])
        options["tasks"] = [*([named] if isinstance(named, str) else named), *tasks]
    return options


def _key(option: Option) -> str:
    return option.name.replace("_", "-")


def _check(
    file: Path, text: str, key: str, value: Any, known: Mapping[str, Option | None], table: int | None = None
) -> None:
    where = f"{file}, line {_line(text, key, table)}"
    if key not in known:
        close = nearest(key, known)
        advice = f"did you mean {close[0]}?" if close else f"choose one of {', '.join(known)}, or [[task]]"
        raise GoodinitError(f"{where}: {key!r} is not a key of a study; {advice}")
    option = known[key]
    what, kind = (option.takes, option.kind) if option is not None else ("a text", "text")
    kinds = _TYPES[kind]
    right = isinstance(value, kinds) and (bool in kinds or not isinstance(value, bool))
    if not right:
        raise GoodinitError(f"{where}: {key} = {shown(value)} must be {what}")
    if isinstance(value, list):
        if not value and key != "widths":
            raise GoodinitError(f"{where}: {key} is an empty list; it must be {what}, with one at least")
        for item in value:
            if not isinstance(item, _ITEMS[kind]) or isinstance(item, bool):
                raise GoodinitError(f"{where}: {key} holds {shown(item)}; it must be {what}")
            if key == "seeds" and isinstance(item, int) and item < 0:
                raise GoodinitError(f"{where}: {key} holds {item}; a seed is an integer of at least 0")


def _line(text: str, key: str, table: int | None = None) -> int:
    """The line, counted from 1, where a key stands: within the [[task]] of that number, or before the first."""
    lines = text.splitlines()
    heads = [number for number, line in enumerate(lines) if re.match(r"\s*\[\[?\s*task\b", line)]
    first, last = 0, heads[0] if heads else len(lines)
    if table is not None and table < len(heads):
        first, last = heads[table], heads[table + 1] if table + 1 < len(heads) else len(lines)
    pattern = re.compile(rf"""\s*["']?{re.escape(key)}["']?\s*[=.]""")
    for number in range(first, last):
        if pattern.match(lines[number]):
            return number + 1
    return first + 1
