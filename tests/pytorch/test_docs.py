"""What docs/pytorch.md says is so: its code runs, and its table of defaults is the program's."""

from __future__ import annotations

import re
from pathlib import Path

from goodinit.pytorch import DEFAULTS, ROLES

PAGE = (Path(__file__).parents[2] / "docs" / "pytorch.md").read_text(encoding="utf-8")


def test_the_code_runs_in_order(capsys) -> None:
    space: dict[str, object] = {}
    blocks = re.findall(r"```python\n(.*?)```\n(?:\n```\n(.*?)```)?", PAGE, flags=re.DOTALL)
    assert len(blocks) == 5
    for code, shown in blocks:
        exec(compile(code, "docs/pytorch.md", "exec"), space)
        printed = capsys.readouterr().out
        if shown:
            words = [line.split() for line in printed.splitlines()]
            assert [line.split() for line in shown.splitlines() if "─" not in line] == [
                line for line in words if not any("─" in word for word in line)
            ]
    assert printed.strip() == "16"


def test_the_defaults_are_the_programs() -> None:
    told: dict[str, str] = {}
    for roles, defaults in re.findall(r"^\| (`[^|]*`) \| (`[^|]*`) \|", PAGE, flags=re.MULTILINE):
        names = re.findall(r"`([^`]+)`", roles)
        if set(names) <= set(ROLES):
            told.update(zip(names, re.findall(r"`([^`]+)`", defaults), strict=True))
    assert told == dict(DEFAULTS)
    assert all(f"`{role}`" in PAGE for role in ROLES)
