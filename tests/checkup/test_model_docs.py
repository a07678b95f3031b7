"""What docs/check.md says is so: its code runs, in order."""

import re
from pathlib import Path

import torch

PAGE = (Path(__file__).parents[2] / "docs" / "check.md").read_text(encoding="utf-8")


def test_the_code_runs_in_order(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    space: dict[str, object] = {}
    blocks = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    assert len(blocks) == 2
    for code in blocks:
        exec(compile(code, "docs/check.md", "exec"), space)
    assert (tmp_path / "checkup.html").exists()
    assert len(space["watch"].steps) == 10
    assert "a healthy start" in capsys.readouterr().out
