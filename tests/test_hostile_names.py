"""Names of modules and tasks that would steer a terminal, or be markup or script, are shown as they are, or marked."""

import csv
import io
import sys

import pytest
from rich.table import Table
from rich.text import Text

import goodinit
from goodinit import cli
from goodinit.cli_console import SafeConsole

MODELS = r"""
import torch
from torch import nn

NAMES = ["<script>alert(1)</script>", "[/bold]", "\x1b]0;title\x07\x1b[31m", "{{7*7}}", "a\nb", "\u202ecba", "\ud800"]

def sized(width):
    torch.manual_seed(0)
    layers = [nn.Linear(width if place else 2, width) for place in range(len(NAMES))]
    model = nn.Sequential()
    for name, layer in zip(NAMES, layers):
        model.add_module(name, layer)
    return model, torch.randn(16, 2), torch.randint(2, (16,)), nn.functional.cross_entropy

def make():
    return sized(4)

def model():
    return make()[0]

def several():
    return {"[/bold]": make(), "\x1b[31m": make()}
"""
STEERING = ("\x1b", "\x07", "\u202e", "\ud800")


@pytest.mark.parametrize(
    "command",
    [
        ["check", "models:make", "--baseline", "b.json"],
        ["audit", "models:model", "--baseline", "b.json"],
        ["transfer", "models:sized", "--widths", "4,8,16", "--steps", "2", "--seeds", "1"],
    ],
    ids=lambda command: command[0],
)
def test_names_of_modules(tmp_path, monkeypatch, capsys, command):
    """On the terminal, in the page, in the baseline's JSON and in what changed since."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "models", raising=False)
    (tmp_path / "models.py").write_text(MODELS)
    for more in (["--report", "p.html"], []):
        monkeypatch.setattr("sys.argv", ["goodinit", *command, *more])
        with pytest.raises(SystemExit) as end:
            cli.main()
        shown = capsys.readouterr()
        assert end.value.code in (0, 1)
        assert not [code for code in STEERING if code in shown.out + shown.err]
    page = (tmp_path / "p.html").read_text()
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert(1)" not in page


@pytest.mark.parametrize("command", ["check", "advise"])
def test_names_of_models(tmp_path, monkeypatch, capsys, command):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "models", raising=False)
    (tmp_path / "models.py").write_text(MODELS)
    monkeypatch.setattr("sys.argv", ["goodinit", command, "models:several"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    shown = capsys.readouterr().out
    assert end.value.code in (0, 1)
    assert "[/bold]" in shown
    assert "?[31m" in shown


def test_what_steers_a_terminal_is_marked_wherever_it_stands():
    out = io.StringIO()
    table = Table("\x1b[2J", box=None)
    table.add_row(Text("a\x9bb\u2066c"))
    SafeConsole(file=out, width=60, force_terminal=True).print(table, "plain 初始化 é\n", Text("red", "red"))
    assert "\x1b[31mred" in out.getvalue()  # its own colours come through
    assert "?[2" in out.getvalue()
    assert "a?b" in out.getvalue()
    assert not {"\x9b", "\u2066"} & set(out.getvalue())
    assert "\x1b[2" not in out.getvalue()
    assert "plain 初始化 é" in out.getvalue()


def test_a_name_is_no_formula_in_a_table_that_a_spreadsheet_opens(tmp_path):
    names = ["=1+1", "+1", "-1", "@SUM(1)", "\t=1", "\r=1"]
    study = goodinit.compare(
        "he_normal",
        tasks=[{"name": name, "steps": 1 + place} for place, name in enumerate(names)],
        data="moons(points=8)",
        seeds="0-1",
        perturbations=0,
    )
    with study.to_csv(tmp_path / "t.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["task"] for row in rows} == {f"'{name}" for name in names}
    assert all(float(row["learning_rate"]) > 0 for row in rows)  # numbers stay numbers, whatever their sign
