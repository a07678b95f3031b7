"""The suite: every registered task trains, budgets are nested, and the table says what was found."""

import io
import json
import math
from dataclasses import replace

import pytest
from rich.console import Console
from typer.testing import CliRunner

from goodinit.cli import app
from goodinit.errors import GoodinitError
from goodinit.suite import read_result, registered, run_suite, suite_table
from goodinit.suite.records import StartResult, SuiteResult, SuiteTask
from goodinit.suite.table import mean_ranks

pytest.importorskip("torch")


@pytest.mark.parametrize("task", registered().tasks, ids=lambda task: task.name)
def test_every_registered_task_trains(task):
    """One start for two steps, in the registered model and data."""
    short = replace(task, steps=2)
    protocol = replace(
        registered(),
        tasks=(short,),
        starts=("default",),
        seeds=(7, 8),
        tuning_seeds=(9,),
        rates={"adam": {1: (1e-3,)}},
    )
    (found,) = run_suite(protocol=protocol).tasks
    (result,) = found.results
    assert len(result.losses) == 2
    assert all(map(math.isfinite, result.losses))
    assert result.verdict == ""


def test_a_larger_budget_chooses_among_the_rates_of_the_smaller_ones_and_more():
    for budgets in registered().rates.values():
        assert [len(rates) for rates in budgets.values()] == list(budgets) == [1, 3, 10]
        small, middle, _large = map(set, budgets.values())
        assert small < middle
    protocol = replace(
        registered(),
        tasks=(replace(registered().chosen(["deep linear"])[0], steps=8),),
        starts=("default", "normal(std=0.0001)"),
        seeds=tuple(range(6)),
        tuning_seeds=(100,),
        rates={"adam": {1: (1e-6,), 2: (1e-6, 0.01)}},
    )
    told = []
    found = run_suite(protocol=protocol, progress=lambda what, trained, total: told.append((what, total)))
    rates = {(each.start, each.budget): each.learning_rate for each in found.tasks[0].results}
    assert rates["default", 1] == 1e-6
    assert rates["default", 2] == 0.01
    (tiny,) = (each for each in found.tasks[0].of(2) if each.start != "default")
    assert tiny.verdict == "worse"  # thirteen linear layers of 1e-4 pass nothing on
    assert ("deep linear, tuning", 4) in told
    assert SuiteResult.to_dict(found)["tasks"][0]["name"] == "deep linear"


def result(start, budget, losses, verdict):
    return StartResult(start, budget, 0.01, tuple(losses), tuple(losses), 0, None, verdict)


@pytest.fixture
def invented():
    tasks = [
        SuiteTask(
            f"task {number}",
            "mlp",
            "accuracy",
            (0, 1),
            (result("default", 1, [2.0, 2.0], ""), result("lsuv", 1, [1.0, lsuv], "better")),
            (("orthogonal", "it has no matrix"),) if number == 0 else (),
        )
        for number, lsuv in enumerate((1.0, 9.0, math.inf))
    ]
    return SuiteResult(tuple(tasks), {"engine": "pytorch"})


def test_ranks_are_of_medians_and_a_diverged_run_is_the_worst(invented):
    assert mean_ranks(invented.tasks, 1) == {"default": [2.0, 1.0, 1.0], "lsuv": [1.0, 2.0, 2.0]}


def test_results_are_kept_and_printed(invented, tmp_path):
    path = tmp_path / "suite.json"
    path.write_text(invented.to_json())
    assert read_result(path).to_dict() == json.loads(path.read_text())
    console = Console(width=140, file=io.StringIO())
    console.print(suite_table(read_result(path)))
    text = console.file.getvalue()
    assert "diverged (0.01) +" in text
    assert "orthogonal does not apply (it has no matrix)" in text
    done = CliRunner().invoke(app, ["suite", "--table", "--results", str(path)], catch_exceptions=False)
    assert "3 tasks, 2 paired seeds each" in " ".join(done.stdout.split())


def test_wrong_input_is_told(tmp_path):
    with pytest.raises(GoodinitError, match="deep linear"):
        run_suite(tasks=["deep liner"])
    (tmp_path / "no.json").write_text("{}")
    with pytest.raises(GoodinitError, match="no results of the suite"):
        read_result(tmp_path / "no.json")
    with pytest.raises(GoodinitError, match="no results of the suite ship"):
        read_result()
    with pytest.raises(GoodinitError, match="cannot be read"):
        read_result(tmp_path / "missing.json")
