"""docs/zoo.md, from the rows that the zoo gave."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from statistics import median
from typing import Any

from zoo_argued import argued

__all__ = ["page"]

_HEAD = """# The zoo

Models that others wrote, built from configurations with their own start and never downloaded; written by `make zoo`.
Each is checked as it is, filled with `initialize(model, "he_normal", seed=0, inputs=batch)` and checked again, and the
first finding's remedy is run on a copy.

`kept` counts what a run does not tell the use of, and deliberate zeros; nothing of it is drawn. Findings are those that
are severe (**bold**) or a warning; `0` is none. A check is told as a multiple of one training step (forward, loss and
backward), in processor time, the fastest that was made, on one thread: of models that take milliseconds it is mostly
its own fixed time.
`raised` says what could not be done.
"""


def page(rows: Sequence[dict[str, Any]]) -> str:
    """The whole page."""
    lines = [_HEAD, _summary(rows).replace(" ()", ""), ""]
    for library in dict.fromkeys(row["library"] for row in rows):
        lines += [f"## {library} {_version(library)}".rstrip(), ""]
        lines += ["| model | parameters | filled | kept | its own start | he_normal | remedied | check / step |"]
        lines += ["| --- | ---: | ---: | ---: | --- | --- | --- | ---: |"]
        lines += [_row(row) for row in rows if row["library"] == library]
        lines.append("")
    return "\n".join([*lines, *_arguments(rows)])


def _summary(rows: Sequence[dict[str, Any]]) -> str:
    whole = [row for row in rows if not row["failure"]]
    filled = [row for row in rows if row.get("filled") is not None]
    severe = [row["name"] for row in rows if any(each[0] == "severe" for each in row.get("own") or [])]
    touched = [row["name"] for row in rows if row.get("touched")]
    times = [row["check"] / row["step"] for row in whole if row["step"] and row["step"] > 0.1]
    remedied = [row for row in whole if row["remedied"] is not None]
    gone = [row for row in remedied if _first(row["own"]) not in {each[1] for each in row["remedied"]}]
    parts = [
        f"{len(rows)} models; filled, or kept with a caution: {len(filled)}; severe at their own start: "
        f"{len(severe)} ({', '.join(severe)}); changed by a check, in any bit: {len(touched)}.",
        f"Remedies run: {len(remedied)}; that removed their finding: {len(gone)}.",
    ]
    if times:
        parts.append(f"A check takes {median(times):.2g} steps in the median of models whose step takes 0.1 s or more.")
    return " ".join(parts)


def _first(findings: Sequence[Sequence[str]]) -> str:
    return next((code for severity, code, _ in findings if severity == "severe"), findings[0][1])


def _row(row: dict[str, Any]) -> str:
    if row["failure"] and row.get("own") is None:
        return f"| {row['name']} | | | | raised: {row['failure'].replace('|', '/')[:120]} | | | |"
    ratio = f"{row['check'] / row['step']:.2g}" if row["step"] else ""
    cells = (
        *(row["name"], f"{row['parameters'] / 1e6:.2f} M", _number(row["filled"]), _kept(row)),
        *(_codes(row["own"]), _codes(row["he"]), "" if row["remedied"] is None else _codes(row["remedied"]), ratio),
    )
    return f"| {' | '.join(cells)} |" + (f" raised: {row['failure'][:80]}" if row["failure"] else "")


def _number(value: int | None) -> str:
    return "" if value is None else str(value)


def _kept(row: dict[str, Any]) -> str:
    why = ", ".join(row["cautions"])
    return f"{row['kept']} ({why})" if row["kept"] else _number(row["kept"])


def _codes(findings: Sequence[Sequence[str]] | None) -> str:
    if findings is None:
        return "not reached"
    told = dict.fromkeys(f"**{code}**" if severity == "severe" else code for severity, code, _ in findings)
    return ", ".join(told) or "0"


def _arguments(rows: Sequence[dict[str, Any]]) -> list[str]:
    lines = ["## Findings at their own start, argued", "", "| model | finding | where | why it holds |"]
    lines.append("| --- | --- | --- | --- |")
    for row in rows:
        for severity, code, where in row.get("own") or []:
            mark = f"**{code}**" if severity == "severe" else code
            lines.append(f"| {row['name']} | {mark} | `{where}` | {argued(row['name'], code)} |")
    return [*lines, ""]


def _version(library: str) -> str:
    try:
        return version(library.replace("_", "-"))
    except PackageNotFoundError:
        return ""
