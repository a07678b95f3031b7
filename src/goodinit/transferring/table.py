"""The tables of a transfer check for the terminal, and the texts that table and page share."""

from __future__ import annotations

from typing import Final

from rich.console import Group
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from goodinit.transferring.records import Coordinate, LayerRow, ParameterRow, TransferFacts

__all__ = ["LAYER_COLUMNS", "PARAMETER_COLUMNS", "cell", "facts", "table"]

LAYER_COLUMNS: Final = {
    "start": "start",
    "size": "size",
    "change": "change",
    "step": "last step",
    "own": "own part",
    "passed": "passed on",
}
PARAMETER_COLUMNS: Final = {
    "start": "start",
    "rate": "rate",
    "spectral": "update",
    "moved": "moved",
    "decay": "decay",
    "epsilon": "epsilon",
}
_MOST: Final = 60
_STYLES: Final = {"grows": "bold red", "shrinks": "bold red", "unclear": "yellow"}
_SEVERITIES: Final = {"severe": "bold red", "warning": "yellow", "info": "dim"}


def cell(found: Coordinate | None) -> str:
    """An exponent with half its interval."""
    if found is None:
        return ""
    half = (found.slope.high - found.slope.low) / 2
    return f"{round(found.slope.value, 2) + 0.0:+.2f}" + (f" ±{half:.2f}" if half >= 0.005 else "")


def facts(found: TransferFacts) -> list[tuple[str, str]]:
    """What was run."""
    sizes = ", ".join(map(str, found.sizes))
    seeds = "1 seed" if len(found.seeds) == 1 else f"{len(found.seeds)} seeds"
    steps = "1 step" if found.steps == 1 else f"{found.steps} steps"
    said = [("model", found.model), (f"{found.axis}s", f"{sizes}; {seeds}, {steps}"), ("taken for", found.promise)]
    if found.proof is not None:
        said.append(("proof", found.proof.answer))
    return said


def table(found: TransferFacts) -> Group:
    """Verdict, findings, and exponents by layer and by parameter."""
    style = "bold green" if found.transfers else "bold yellow" if found.transfers is None else "bold red"
    parts: list[Text | Table] = [Text(f"{found.answer}.", style)]
    parts += [Text(f"{name}: {value}") for name, value in facts(found)]
    for each in found.findings:
        parts.append(Text.assemble((f"{each.severity} {each.code}: ", _SEVERITIES[each.severity]), f"{each.message}."))
        if each.remedy:
            parts.append(Text("\n".join(f"    {line}" for line in each.remedy.splitlines()), "cyan"))
    parts.append(_rows(f"exponent over {found.axis}, with half its 95 % interval", found.layers, LAYER_COLUMNS))
    parts.append(_rows("parameter", found.parameters, PARAMETER_COLUMNS))
    return Group(*parts)


def _rows(title: str, rows: tuple[LayerRow, ...] | tuple[ParameterRow, ...], columns: dict[str, str]) -> Table:
    made = Table(box=None, pad_edge=False, padding=(0, 1), header_style="dim")
    made.add_column(title, overflow="ellipsis", no_wrap=True, max_width=34)
    made.add_column("role")
    for head in columns.values():
        made.add_column(head, justify="right", no_wrap=True)
    for row in rows[:_MOST]:
        cells = []
        for measure in columns:
            each = row.coordinates.get(measure)
            style = _STYLES.get(each.judged, "") if each is not None else ""
            cells.append(Text(cell(each), style))
        made.add_row(escape(row.name), row.role or getattr(row, "kind", ""), *cells)
    if len(rows) > _MOST:
        made.add_row(f"and {len(rows) - _MOST} more", "")
    return made
