"""What a person writes for a study that is not in goodinit: by `file.py:NAME`, `MODULE:NAME`, or an entry point's name.

Only what a person writes for a study is looked up so: a file's code runs, as with `import`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any, Final

from goodinit.errors import GoodinitError
from goodinit.factories import load_object, source_fingerprint
from goodinit.spec import parse_spec

__all__ = ["Found", "installed", "written"]

_WRITTEN: Final = re.compile(r"\s*(?P<name>[^():]+:[A-Za-z_]\w*)\s*(?P<options>\(.*\))?\s*", re.DOTALL)


@dataclass(frozen=True)
class Found:
    """A class or function with the name that it is called by and the options that go with it.

    `source` is a hash of its file, where it was named by that.
    """

    name: str
    made: Any
    options: dict[str, Any]
    source: str | None = None


def written(text: str, what: str) -> Found | None:
    """What `file.py:NAME` or `MODULE:NAME` stands for, `what` it is for; None where the text is not of that form.

    Raises GoodinitError where there is none, or its code fails.
    """
    found = _WRITTEN.fullmatch(text)
    if found is None:
        return None
    name, options = found["name"].strip(), parse_spec(f"own{found['options'] or ''}")[1]
    made = load_object(name, what)
    return Found(name, made, options, source_fingerprint([made], ""))


def installed(text: str, what: str) -> Found | None:
    """What an installed package gives by that name, in the entry points `goodinit.initializations` or `.losses`.

    Raises GoodinitError where the package's code fails.
    """
    name, options = parse_spec(text)
    for point in entry_points(group=f"goodinit.{what}{'es' if what.endswith('s') else 's'}"):
        if point.name == name:
            try:
                return Found(name, point.load(), options)
            except Exception as error:
                raise GoodinitError(f"{what} {name!r}, {point.value}: {type(error).__name__}: {error}") from error
    return None
