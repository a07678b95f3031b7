"""The table of options: everything that a person meets of an option of `compare` comes from its record."""

from __future__ import annotations

import inspect
import re
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

import goodinit
from goodinit import GoodinitError, cli, comparison
from goodinit.comparison import CLASSIC_INITIALIZATIONS, design, load_study, rerun
from goodinit.lab.catalogue import catalogue
from goodinit.lab.scene import Scene
from goodinit.options import OPTIONS, Bounds, Option, task_options
from goodinit.streams import as_stream
from goodinit.training import ENGINES, OPTIMIZERS, Schedule

again = sys.modules["goodinit.comparison.rerun"]  # the name is the function's in the package
designing = sys.modules["goodinit.comparison.design"]
CALLBACKS = ["progress", "announce"]  # which only Python can hand over
DOCS = Path(__file__).parent.parent / "docs" / "compare.md"


def test_the_signature_of_compare_is_the_table():
    parameters = inspect.signature(goodinit.compare).parameters.values()
    written = [(each.name, each.default) for each in parameters if each.name not in CALLBACKS]
    assert written == [(option.name, option.default) for option in OPTIONS.values() if option.python]


def test_the_docstring_of_compare_tells_every_option():
    told = re.findall(
        r"^    ([a-z_, ]+): ", inspect.getdoc(goodinit.compare), re.MULTILINE
    )  # 3.13 keeps no indentation
    names = [name for each in told for name in each.split(", ")]
    assert [name for name in names if name not in CALLBACKS] == [o.name for o in OPTIONS.values() if o.python]


def test_the_documented_table_is_the_records():
    rows = [line for line in DOCS.read_text(encoding="utf-8").splitlines() if line.startswith("| `--")]
    assert rows == [option.row for option in OPTIONS.values()]


def test_the_command_line_is_the_table():
    command = typer.main.get_command(cli.app).commands["compare"]
    words = {word for each in command.params if each.param_type_name == "option" for word in each.opts}
    assert words - {"--help", "-h"} == {f"--{option.word}" for option in OPTIONS.values()}


def test_choices_are_those_of_what_they_choose():
    assert OPTIONS["engine"].choices == ENGINES
    assert OPTIONS["optimizer"].choices == tuple(OPTIMIZERS)
    assert goodinit.tasks() == list(OPTIONS["tasks"].choices)
    for stream in OPTIONS["stream"].choices:
        as_stream(0, stream)
    for dtype in OPTIONS["dtype"].choices:
        assert design("zeros", dtype=dtype).tasks[0].dtype == dtype
    for loss in OPTIONS["loss"].choices:
        assert design("zeros", loss=loss).tasks[0].network.loss.endswith(loss)


def test_usual_values_are_the_classic_task():
    usual = {option.name: option.usual for option in task_options()}
    given = {name: value for name, value in usual.items() if value is not None and name != "model"}
    classic, told = (design("zeros", **options).tasks[0] for options in ({}, given))
    assert told.identity == classic.identity
    assert told.schedule == classic.schedule
    facts = Schedule()
    for name in ("optimizer", "learning_rate", "steps", "batch_size"):
        assert getattr(facts, name) == usual[name]


def test_the_lab_offers_the_options_of_compare():
    offered, scene = catalogue(), Scene()
    assert offered["losses"] == list(OPTIONS["loss"].choices)
    assert offered["streams"] == list(OPTIONS["stream"].choices)
    assert offered["optimizers"] == list(OPTIONS["optimizer"].choices)
    assert [each.spec for each in scene.inits] == list(CLASSIC_INITIALIZATIONS)
    for name in ("activation", "learning_rate", "optimizer", "steps", "batch_size", "stream"):
        assert getattr(scene, name) == OPTIONS[name].usual


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("steps", [1, np.int64(3), 10**12], [0, 1.0, True, "3", None, 10**12 + 1, 10**400, 10**5000]),
        ("batch_size", [None, 1], [0, -1, 2.5]),
        ("gradient_clipping", [None, 1, 1e-9], [0, -1, float("inf"), "1"]),
        ("warmup", [0, 7], [-1, 1.0, None]),
        ("weight_decay", [None, 0, 0.1, 1e6], [-1e-9, 1e7, float("nan"), "0.1", True]),
        ("learning_rate", [1e-9, 2, np.float32(0.1)], [10**400, 0, -1, float("nan"), float("inf"), "x", None, True]),
        ("perturbations", [0, 1000], [-1, 1001, 1.0, None]),
        ("margin", [0, 0.999], [1, -0.001, float("nan"), None]),
        ("target_loss", [None, 1e-9], [0, float("inf")]),
        ("time_limit", [None, 0.01], [0.009, float("inf"), "1"]),
    ],
)
def test_bounds(name, right, wrong):
    for value in right:
        OPTIONS[name].check(value)
    for value in wrong:
        with pytest.raises(GoodinitError, match=re.escape(f"{name.replace('_', ' ')} ") + ".*: it must be a"):
            OPTIONS[name].check(value)


LABELS = "a,b,label,other\n" + "".join(f"{n},{n * n % 7},{n % 2},{n // 2 % 2}\n" for n in range(16))
FILE = {"data": goodinit.datasets.CsvText("labels.csv", LABELS), "target": "label"}
OTHERS = {  # what else is told, and a value that the classic task does not have
    "data": ({}, "moons"),
    "target": (FILE, "other"),
    "standardize": (FILE, False),
    "loss": ({}, "squared_error"),
    "widths": ({}, [3]),
    "activation": ({}, "tanh"),
    "steps": ({"record_every": 1}, 7),
    "batch_size": ({}, 5),
    "optimizer": ({}, "adam"),
    "weight_decay": ({}, 0.001),
    "gradient_clipping": ({}, 1.0),
    "learning_rate_schedule": ({}, "cosine"),
    "warmup": ({}, 3),
    "early_stopping": ({}, 2),
    "stream": ({}, "keyed"),
    "record_every": ({}, 17),
    "dtype": ({}, "float32"),
    "learning_rate": ({}, 0.5),
}


@pytest.mark.parametrize("option", [o for o in task_options() if o.of != "model"], ids=lambda option: option.name)
def test_a_task_with_another_value_has_other_trials(option):
    base, value = OTHERS[option.name]
    before, after = design("zeros", **base), design("zeros", **{**base, option.name: value})
    assert (before.tasks[0].identity != after.tasks[0].identity) == option.identity
    assert before.key(before.jobs({})[0]) != after.key(after.jobs({})[0])  # the learning rate is in a trial's own key


def test_the_identity_of_a_task_is_that_of_stored_studies():
    task = design("zeros").tasks[0]
    assert task.identity == (
        '{"activation": "relu", "batch_size": null, "data": "' + task.source.fingerprint + '", "dtype": "float64", '
        '"loss": "binary_cross_entropy", "optimizer": "gradient_descent", "record_every": 1000, "steps": 15000, '
        '"stream": "randomstate", "widths": [2, 10, 5, 1]}'
    )


def test_a_later_option_at_its_usual_value_leaves_the_identity_of_stored_studies():
    later = [option for option in task_options() if option.later]
    assert "weight_decay" in [option.name for option in later]
    for option in later:
        base, value = OTHERS[option.name]
        plain, told = design("zeros", **base).tasks[0], design("zeros", **{**base, option.name: value}).tasks[0]
        assert option.name not in plain.identity
        assert option.name in told.identity
        assert plain.to_dict().get(option.name) is None
        assert told.to_dict()[option.name] == value


@pytest.mark.parametrize(("optimizer", "own"), [("gradient_descent", 0), ("momentum", 0), ("adam", 0), ("adamw", 0.01)])
def test_the_decay_that_an_optimizer_has_anyway_is_no_other_task(optimizer, own):
    plain, told = (design("zeros", optimizer=optimizer, **given).tasks[0] for given in ({}, {"weight_decay": own}))
    assert told.identity == plain.identity


@dataclass(frozen=True)
class Smoothing(Schedule):
    """A schedule with one option more: the record that uses it."""

    label_smoothing: float = 0.0


@pytest.fixture
def added(monkeypatch):
    option = Option(
        "label_smoothing",
        "number",
        "task",
        "Labels are mixed with this much of a guess.",
        "X",
        usual=0.0,
        identity=True,
        bounds=Bounds("a number of at least 0", low=0),
        default_text="`0`",
        meaning="labels are mixed with this much of a guess",
    )
    monkeypatch.setitem(OPTIONS, option.name, option)
    monkeypatch.setattr(designing, "Schedule", Smoothing)
    monkeypatch.setattr(again, "_base", again._base.__wrapped__)  # which keeps tasks of before
    return option


def test_an_added_option_of_a_task_is_everywhere(added, monkeypatch, tmp_path):
    plain, told = design("zeros"), design("zeros", label_smoothing=0.25)
    assert told.tasks[0].schedule.label_smoothing == 0.25
    assert told.tasks[0].identity != plain.tasks[0].identity
    assert told.key(told.jobs({})[0]) != plain.key(plain.jobs({})[0])
    with pytest.raises(GoodinitError, match="label smoothing -1: it must be a number of at least 0"):
        design("zeros", label_smoothing=-1)

    told_again = rerun(told)
    assert "--label-smoothing 0.25" in str(told_again.command)
    assert "label_smoothing=0.25" in told_again.call
    assert "smoothing" not in str(rerun(plain).command)

    file = tmp_path / "study.toml"
    file.write_text('label-smoothing = 0.5\n[[task]]\nname = "mine"\nlabel-smoothing = 0.75\n')
    loaded = load_study(file)
    assert loaded == {"label_smoothing": 0.5, "tasks": [{"name": "mine", "label_smoothing": 0.75}]}
    file.write_text('label-smoothing = "much"\n')
    with pytest.raises(GoodinitError, match="line 1: label-smoothing = 'much' must be a number"):
        load_study(file)

    given = {}

    def compare(**options):
        given.update(options)
        raise GoodinitError("that is enough")

    monkeypatch.setattr(comparison, "compare", compare)
    monkeypatch.setattr(cli.compare, "__signature__", cli.compare.__signature__)  # to be put back
    cli.with_options(cli.compare)
    shown = CliRunner().invoke(cli.app, ["compare", "--help"], env={"COLUMNS": "200", "TERMINAL_WIDTH": "200"})
    assert "--label-smoothing" in shown.output
    CliRunner().invoke(cli.app, ["compare", "--label-smoothing", "0.25", "--json"])
    assert given["label_smoothing"] == 0.25

    assert added.row == "| `--label-smoothing X` | `0` | labels are mixed with this much of a guess |"


def test_an_added_option_that_no_record_holds_is_no_silent_reuse(monkeypatch):
    option = Option("forgotten", "number", "task", "Held by nothing.", identity=True)
    monkeypatch.setitem(OPTIONS, option.name, option)
    with pytest.raises(LookupError, match="the option forgotten is in no record of the task classic"):
        _ = design("zeros").tasks[0].identity


def test_a_rerun_tells_the_engine():
    study = design("zeros", steps=5)
    for engine in ENGINES:
        line = rerun(study, engine=engine)
        assert (f"--engine {engine}" in str(line.command)) == (engine != "auto")
        assert (f"engine='{engine}'" in line.call) == (engine != "auto")
    result = goodinit.compare("zeros", steps=5, seeds=[1], perturbations=0, engine="reference")
    assert "engine=&#39;reference&#39;" in result.report_html() or "engine='reference'" in result.report_html()
