"""The suite: every registered task trains, budgets are nested, and the table says what was found."""

import io
import itertools
import json
import math
import runpy
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from goodinit.cli import app
from goodinit.errors import GoodinitError
from goodinit.methods import get
from goodinit.suite import joined, judge_claims, read_result, registered, run_suite, suite_table
from goodinit.suite.examples import examples
from goodinit.suite.figure import profile
from goodinit.suite.models import build
from goodinit.suite.page import suite_html
from goodinit.suite.records import StartResult, SuiteResult, SuiteTask
from goodinit.suite.registered import SETS
from goodinit.suite.table import mean_ranks, standings

torch = pytest.importorskip("torch")


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


@pytest.mark.parametrize("name", SETS)
def test_what_is_registered_fits_together(name):
    """Every model takes its data; names are single; the grids of rates are nested; every start is known."""
    plan = registered(name)
    assert len({task.name for task in plan.tasks}) == len(plan.tasks)
    made = {}
    for task in plan.tasks:
        data = made.setdefault(str(task.data), examples(task.data))
        X = torch.from_numpy(data.X_train[:3])
        inputs = X.float() if X.is_floating_point() else X
        for options in (task.model, *([task.tuned_on] if task.tuned_on else [])):
            assert build(data.X_train.shape[1:], data.outputs, options)(inputs).shape == (3, data.outputs)
        starts = task.starts or plan.starts
        assert len(starts) == 2 if task.claim else len(starts) >= 5
        for start in starts:
            assert start == "advise" or get(start)
        sizes = list(plan.rates[task.optimizer])
        grids = [set(rates) for rates in plan.rates[task.optimizer].values()]
        assert [len(grid) for grid in grids] == sizes
        assert all(small < large for small, large in itertools.pairwise(grids))


def test_the_full_set_is_as_large_as_it_says():
    full = registered("full")
    assert len(full.tasks) >= 30
    assert len(full.starts) >= 14
    assert {task.optimizer for task in full.tasks} == {"adam", "momentum"}
    with pytest.raises(GoodinitError, match="claims"):
        registered("claim")


def test_advise_is_a_start_that_stands_for_another():
    protocol = replace(
        registered("full"),
        tasks=(replace(registered("full").chosen(["deep tanh, small"])[0], steps=2),),
        starts=("default", "advise"),
        seeds=(1, 2),
        tuning_seeds=(100,),
        rates={"adam": {1: (0.01,)}},
    )
    own, chosen, advised = run_suite(protocol=protocol).tasks[0].results
    assert (own.start, advised.start) == ("default", "advise")
    assert advised.stands_for == chosen.start == "orthogonal(gain=1.05)"
    assert advised.losses == chosen.losses


def test_rates_are_tuned_on_the_model_that_is_named_for_it():
    """The narrow model learns with a large rate that the wide one is then given."""
    (claim,) = registered("claims").chosen(["muP's transfer"])
    protocol = replace(
        registered("claims"),
        tasks=(replace(claim, steps=6),),
        seeds=(1, 2),
        tuning_seeds=(100,),
        rates={"adam": {1: (1e-3,), 2: (1e-3, 1e-2)}},
    )
    told = []
    (found,) = run_suite(protocol=protocol, progress=lambda what, trained, total: told.append((what, total))).tasks
    assert ("muP's transfer, tuning", 4) in told
    base, scaled = found.of(2)
    assert base.learning_rate == scaled.learning_rate  # at the base width they are the same start
    assert base.losses != scaled.losses


def test_a_larger_budget_chooses_among_the_rates_of_the_smaller_ones_and_more():
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


def test_the_start_that_is_behind_is_trained_at_the_rate_of_the_other_and_nothing_else_is(tmp_path):
    """The tiny start is tuned to its best rate, and held against the model's own at the own's rate too."""
    protocol = replace(
        registered(),
        tasks=(replace(registered().chosen(["deep linear"])[0], steps=20),),
        starts=("default", "normal(std=0.0001)"),
        seeds=tuple(range(6)),
        tuning_seeds=(100,),
        rates={"adam": {1: (1e-6,), 2: (0.001, 0.01)}},
    )
    told = {}
    found = run_suite(protocol=protocol, progress=lambda what, trained, total: told.setdefault(what, total))
    (own, tiny), (_, alike) = found.tasks[0].of(2), found.tasks[0].of(1)
    assert (own.learning_rate, tiny.learning_rate) == (0.001, 0.01)
    assert (tiny.verdict, len(tiny.crossed)) == ("worse", 6)
    assert alike.crossed == ()
    assert told["deep linear, at the other's rate"] == 6
    (tmp_path / "found.json").write_text(found.to_json())
    kept = read_result(tmp_path / "found.json").tasks[0].of(2)[1]
    assert kept.crossed == pytest.approx(tiny.crossed)


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
            (("orthogonal", "it has no matrix"),) if number != 1 else (),
        )
        for number, lsuv in enumerate((1.0, 9.0, math.inf))
    ]
    return SuiteResult(tuple(tasks), {"engine": "pytorch"})


def test_ranks_are_of_medians_and_a_diverged_run_is_the_worst(invented):
    assert mean_ranks(invented.tasks, 1) == {"default": [2.0, 1.0, 1.0], "lsuv": [1.0, 2.0, 2.0]}


def test_a_start_that_some_tasks_refuse_is_counted_and_not_ranked(invented):
    first = invented.tasks[0]
    more = replace(first, results=(*first.results, result("fixup", 1, [0.5, 0.5], "better")))
    rows = {each.start: each for each in standings(replace(invented, tasks=(more, *invented.tasks[1:])), 1)}
    assert rows["fixup"].rank is None
    assert (rows["fixup"].tasks, rows["fixup"].better) == (1, 1)
    assert rows["default"].rank == 4 / 3
    assert rows["default"].without == (1.0, 1.5)
    assert (rows["default"].low, rows["default"].high) == (1.0, 2.0)  # of two starts


def test_a_profile_is_the_share_of_tasks_within_a_factor_of_the_lowest(invented):
    assert profile(invented, 1, "default")[0] == pytest.approx(2 / 3)  # lowest on two of three tasks
    assert profile(invented, 1, "default")[-1] == 1.0
    assert profile(invented, 1, "lsuv")[-1] == pytest.approx(2 / 3)  # 2.5 times the lowest once, and once diverged


def test_results_are_kept_and_printed(invented, tmp_path):
    path = tmp_path / "suite.json"
    path.write_text(invented.to_json())
    assert read_result(path).to_dict() == json.loads(path.read_text())
    console = Console(width=140, file=io.StringIO())
    console.print(suite_table(read_result(path)))
    text = console.file.getvalue()
    assert "diverged (0.01) +" in text
    assert text.count("not apply") == 1
    assert 'orthogonal does not apply to "task 0" and "task 2": it has no matrix' in text
    kept = path.read_bytes()
    done = CliRunner().invoke(app, ["suite", "--table", "--results", str(path), "--out", str(path)])
    assert done.exit_code != 0
    assert path.read_bytes() == kept
    page = tmp_path / "suite.html"
    arguments = ["suite", "--table", "--results", str(path), "--report", str(page)]
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert "3 tasks, 2 paired seeds each" in " ".join(done.stdout.split())
    text = page.read_text("utf-8")
    assert text.count("<svg") == 3
    assert "0 of 8 registered tasks were run" in text


def test_results_of_one_set_are_joined(invented):
    halves = [replace(invented, tasks=invented.tasks[:2]), replace(invented, tasks=invented.tasks[2:])]
    assert joined(halves) == invented
    with pytest.raises(GoodinitError, match="claims and small"):
        joined([invented, replace(invented, name="claims")])


def claimed(name, base, losses, verdict, p_value):
    rows = [result("he_normal", 7, base, ""), replace(result("fixup", 7, losses, verdict), p_value=p_value)]
    usual = [replace(each, budget=1) for each in rows]
    return SuiteTask(name, "claim", "accuracy", tuple(range(len(base))), (*usual, *rows), ())


def test_claims_are_judged():
    base = [1.0 + number / 100 for number in range(20)]
    names = [task.name for task in registered("claims").tasks[:4]]
    found = SuiteResult(
        (
            claimed(names[0], base, [0.5 * loss for loss in base], "better", 1e-6),
            claimed(names[1], base, [1.01 * loss for loss in base], "not separable", 0.3),
            claimed(names[2], base, [2.0 * loss for loss in base], "worse", 1e-6),
            claimed(names[3], base, [math.inf, *base[1:]], "not separable", 1.0),
        ),
        {},
        "claims",
    )
    judged = judge_claims(found)
    assert [each.outcome for each in judged] == ["survives", "vanishes", "reverses", "cannot be told"]
    assert judged[0].ratio.value == pytest.approx(0.5)
    assert judged[3].ratio is None
    page = suite_html(found)
    assert "1 survives, 1 vanishes, 1 reverses, 1 cannot be told" in page
    assert page.count("<svg") == 1


def test_the_page_of_results_is_made_from_those_that_ship():
    root = Path(__file__).parents[1]
    tool = runpy.run_path(str(root / "tools" / "suite_docs.py"))
    assert (root / "docs" / "suite-results.md").read_text() == tool["page"](tool["shipped"]())


def test_wrong_input_is_told(tmp_path):
    with pytest.raises(GoodinitError, match="deep linear"):
        run_suite(tasks=["deep liner"])
    (tmp_path / "no.json").write_text("{}")
    with pytest.raises(GoodinitError, match="no results of the suite"):
        read_result(tmp_path / "no.json")
    with pytest.raises(GoodinitError, match="cannot be read"):
        read_result(tmp_path / "missing.json")
