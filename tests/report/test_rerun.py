"""What a page says to run again: it is the same study, as Python, as a command and as a file."""

from __future__ import annotations

import shlex
import tomllib

import pytest

from goodinit.comparison import design
from goodinit.comparison.rerun import format_seeds, rerun

OPTIONS = [
    {},
    {"seeds": "0-4"},
    {"data": "circles"},
    {"learning_rate": 0.01},
    {"init": ["he_normal", "normal(std=10)"], "steps": 20, "record_every": 3, "widths": [4], "dtype": "float32"},
    {"init": "orthogonal", "learning_rate": [0.1, 0.001], "seeds": "9,3-5"},
    {"tasks": "moons"},
    {"tasks": "moons", "learning_rate": "auto", "activation": "tanh"},
    {"tasks": ["moons", "xor"], "steps": 30},
    {"tasks": ["classic", "moons"]},
    {"data": "moons", "batch_size": 10, "optimizer": "adam", "stream": "keyed"},
    {"tasks": [{"name": "mine", "like": "moons", "steps": 9}, {"name": "yours", "widths": [3]}]},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_what_the_page_says_to_run_is_the_same_study(options: dict[str, object]) -> None:
    study = design(**options)  # type: ignore[arg-type]
    told = rerun(study, perturbations=4, margin=0.0, target_loss=None)
    caught: list[dict[str, object]] = []

    class Goodinit:
        @staticmethod
        def compare(init: object = None, **given: object) -> None:
            caught.append({**given, **({} if init is None else {"init": init})})

    code = told.call.removeprefix("import goodinit\n\nresult = ")
    eval(code, {"goodinit": Goodinit})  # our own text, to see that it is Python
    again = design(**caught[0])  # type: ignore[arg-type]
    assert [task.name for task in again.tasks] == [task.name for task in study.tasks]
    assert [task.identity for task in again.tasks] == [task.identity for task in study.tasks]
    assert [task.schedule for task in again.tasks] == [task.schedule for task in study.tasks]
    assert (again.initializers, again.seeds) == (study.initializers, study.seeds)
    assert (again.learning_rates, again.tune) == (study.learning_rates, study.tune)
    words = shlex.split((told.command or "").replace("\\\n", " "))
    assert words[:2] == ["goodinit", "compare"]
    if told.toml is not None:
        assert words[2:] == ["study.toml"]
        assert [task["name"] for task in tomllib.loads(told.toml)["task"]] == ["mine", "yours"]


def test_the_demonstration_is_run_again_without_an_option() -> None:
    study = design(seeds=(3, *(seed for seed in range(50) if seed != 3)))
    told = rerun(study, perturbations=4, margin=0.0, target_loss=None)
    assert told.command == "goodinit compare"
    assert told.call.endswith("goodinit.compare()")


def test_seeds_are_told_short() -> None:
    assert format_seeds((5,)) == "5"
    assert format_seeds((0, 1, 2, 9)) == "0-2,9"
