"""One option: its record, the check of a value, and its row in the documentation."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Integral, Rational, Real
from typing import Any, Final, Literal

from goodinit.errors import GoodinitError, is_finite, shown

__all__ = ["COUNT", "Bounds", "Option", "OptionKind"]

OptionKind = Literal["integer", "number", "text", "texts", "switch", "flag", "integers", "rates", "seeds"]
"""What an option takes; a switch is on or off, and has a default of neither."""
Scope = Literal["study", "task", "run", "command"]

_EXPECTED: Final[dict[OptionKind, str]] = {
    "integer": "an integer",
    "number": "a number",
    "text": "a text",
    "texts": "a text or a list of texts",
    "switch": "true or false",
    "flag": "true or false",
    "integers": "a list of integers",
    "rates": "a number, a list of numbers, or auto",
    "seeds": 'a list of integers, or a text such as "0-19"',
}


@dataclass(frozen=True)
class Bounds:
    """Where a number has to lie: from `low` to `high`, without these where they are open; `must` says so in words."""

    must: str
    low: float = -math.inf
    high: float = math.inf
    open_low: bool = False
    open_high: bool = False

    def hold(self, value: Any) -> bool:
        """Whether the value lies between them and is finite."""
        above: bool = value > self.low if self.open_low else value >= self.low
        below: bool = value < self.high if self.open_high else value <= self.high
        return above and below and is_finite(value)


COUNT: Final = Bounds("an integer from 1 to 10^12", 1, 10**12)
"""Of steps, of examples."""


@dataclass(frozen=True)
class Option:
    """An option of `compare`.

    `scope` says what it belongs to: the study's design, a task, the run that trains it, or the command alone.
    `default` is what `compare` takes where nothing is said, and `usual` what the classic task then has. `identity` says
    whether a task's trials depend on it, and so whether trials of another value are others; `later` that it came when
    there were stored studies, so that a task of the usual value has the identity of one that knew nothing of it. `of`
    names what alone has it: a network of goodinit's own, or a person's model. `bounds` are those of a number, `in_file`
    and `python` say whether a study's file and `compare` take it, as the command does, and `expected` says what a file
    has to hold.
    """

    name: str
    kind: OptionKind
    scope: Scope
    help: str
    metavar: str = ""
    default: Any = None
    usual: Any = None
    identity: bool = False
    later: bool = False
    of: Literal["network", "model"] | None = None
    choices: tuple[str, ...] = ()
    bounds: Bounds | None = None
    expected: str = ""
    in_file: bool = True
    python: bool = True
    flag: str = ""
    default_text: str = ""
    meaning: str = ""

    @property
    def word(self) -> str:
        """As the command line and a study's file call it."""
        return self.flag or self.name.replace("_", "-")

    @property
    def takes(self) -> str:
        """What it takes, as a message says it."""
        if self.choices and self.kind == "text":
            return f"{', '.join(self.choices[:-1])} or {self.choices[-1]}"
        return self.expected or _EXPECTED[self.kind]

    def check(self, value: object) -> None:
        """Raise GoodinitError unless a number with bounds is finite and within them, or a default of None."""
        if self.bounds is None or (value is None and self.default is None and self.usual is None):
            return
        if self.kind == "integer":
            right = isinstance(value, Integral)
        else:
            right = isinstance(value, Integral) or (isinstance(value, Real) and not isinstance(value, Rational))
        if not right or isinstance(value, bool) or not self.bounds.hold(value):
            raise GoodinitError(f"{self.name.replace('_', ' ')} {shown(value)}: it must be {self.bounds.must}")

    @property
    def row(self) -> str:
        """Its row in the table of docs/compare.md."""
        written = f"--{self.word}"
        written += f" / --no-{self.word}" if self.kind == "switch" else f" {self.metavar}" if self.metavar else ""
        cells = (f"`{written}`".replace("|", r"\|"), self.default_text, self.meaning)
        return "|" + "|".join(f" {cell} " if cell else " " for cell in cells) + "|"
