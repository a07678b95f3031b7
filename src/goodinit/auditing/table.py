"""An audit as a table, folded by repeated blocks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from goodinit.auditing.records import ParameterAudit
from goodinit.wording import spanned

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["folded", "table", "verdict"]

_ROWS: Final = 40
_NUMBER: Final = re.compile(r"(?<![^.])\d+(?![^.])")


def folded(parameters: Sequence[ParameterAudit]) -> list[tuple[str, list[ParameterAudit]]]:
    """Each group with its name: parameters that are equal but for the numbers in their names."""
    groups: dict[tuple[str, ...], list[ParameterAudit]] = {}
    for each in parameters:
        last = str(each.writes[-1]) if each.writes else ""
        key = (_NUMBER.sub("*", each.name), str(each.shape), each.verdict, str(each.law), last, str(each.confirmed))
        groups.setdefault(key, []).append(each)
    return [(spanned([each.name for each in group]), group) for group in groups.values()]


def verdict(parameters: Sequence[ParameterAudit]) -> str:
    """The answer in a few words."""
    if not parameters:
        return "no parameter can be seen: a container, such as a quantized layer, keeps its own"
    if any(each.verdict == "values" for each in parameters):
        return "values only"
    wrong = sum(each.incomplete for each in parameters)
    return f"{wrong} of {len(parameters)} not filled" if wrong else "every parameter was filled"


def table(model: str, parameters: Sequence[ParameterAudit], note: str = "", rows: int | None = _ROWS) -> Table:
    """The table of a model's audit; those that nobody filled come first. `rows=None` shows all."""
    from rich.table import Table
    from rich.text import Text

    groups = sorted(folded(parameters), key=lambda group: not group[1][0].incomplete)
    shown = groups if rows is None else groups[:rows]
    left = f" {len(groups) - len(shown)} more rows are not shown." if len(shown) < len(groups) else ""
    result = Table(title=Text(f"{model}: {verdict(parameters)}"), caption=Text((note + left).strip()))
    for column in ("parameter", "shape", "verdict", "law", "last write"):
        result.add_column(column, overflow="fold")
    for name, (each, *_) in shown:
        confirmed = " (NaN seen)" if each.confirmed else ""
        write = (each.writes or each.lost or ("",))[-1]
        shape = "x".join(map(str, each.shape)) or "scalar"
        cells = (name, shape, each.verdict + confirmed, each.shown_law, str(write))
        result.add_row(*map(Text, cells))  # names and lines as they are, without markup or emoji
    return result
