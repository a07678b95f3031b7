"""How a study is run again: the command line, the Python call and, where it takes one, the TOML file."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from goodinit import activations
from goodinit.comparison.design import CLASSIC_INITIALIZATIONS, TUNING_SEEDS, design, model_defaults
from goodinit.datasets import Dataset, is_builtin
from goodinit.options import OPTIONS, TASKS, task_options
from goodinit.report import Rerun
from goodinit.results import Study, Task

__all__ = ["PERTURBATIONS", "format_seeds", "rerun"]

Options = dict[str, Any]
DEMONSTRATION: Final = (3, *(seed for seed in range(50) if seed != 3))  # the seeds of `compare()` without an option
PERTURBATIONS: Final[int] = OPTIONS["perturbations"].default  # what `compare` takes unless told
_TOML: Final = "study.toml"


class _Own(str):
    """Stands for an object that only Python can hand over: its name there, bare."""

    def __repr__(self) -> str:
        return str(self)


def rerun(study: Study, **run: Any) -> Rerun:
    """How to run the study again, only what differs from the defaults; `run` holds the options of a run by name.

    A file of data is called by its name alone, without its folder.
    """
    named = _named(study)
    tasks: Any = None
    if named is not None:
        bases, changes = named
        tasks = None if bases == ["classic"] else bases[0] if len(bases) == 1 else bases
    else:
        tasks, changes = [_described(task, study) for task in study.tasks], {}
    options: Options = {**changes}
    if study.learning_rates:
        rates = list(study.learning_rates)
        options["learning_rate"] = "auto" if study.growing else rates[0] if len(rates) == 1 else rates
    else:
        options = {key: value for key, value in options.items() if key != "learning_rate" or value is not None}
    if study.tune and study.tuning_seeds != TUNING_SEEDS:
        options["tuning_seeds"] = format_seeds(study.tuning_seeds)
    if study.criterion != OPTIONS["tuning_criterion"].default:
        options["tuning_criterion"] = study.criterion
    options |= {name: value for name, value in run.items() if value != OPTIONS[name].default}
    init = [str(initializer) for initializer in study.initializers]
    plain = tasks is None and not options and init == list(CLASSIC_INITIALIZATIONS)
    if not (plain and study.seeds == DEMONSTRATION):
        options["seeds"] = format_seeds(study.seeds)
    if init == list(CLASSIC_INITIALIZATIONS):
        init = []
    own = any(isinstance(value, _Own) for each in [options, *_tables(tasks)] for value in each.values())
    toml = _as_toml(init, tasks, options) if named is None and not own else None
    command = f"goodinit compare {_TOML}" if toml else _as_command(init, tasks, options)
    return Rerun(None if own else command, _as_call(init, tasks, options), toml, tuple(_notes(study, own)))


def format_seeds(seeds: Sequence[int]) -> str:
    """The seeds in their order, as `--seeds` reads them.

    >>> format_seeds((3, 0, 1, 2, 4, 7, 8))
    '3,0-2,4,7,8'
    """
    runs: list[list[int]] = []
    for seed in seeds:
        if runs and seed == runs[-1][1] + 1:
            runs[-1][1] = seed
        else:
            runs.append([seed, seed])
    parts = []
    for first, last in runs:
        parts += [f"{first}-{last}"] if last > first + 1 else [str(seed) for seed in range(first, last + 1)]
    return ",".join(parts)


def _tables(tasks: Any) -> list[Mapping[str, Any]]:
    return [each for each in tasks if isinstance(each, Mapping)] if isinstance(tasks, list) else []


def _options(task: Task) -> Options:
    """Every option that makes this task."""
    brought = ("data", "loss") if task.network.brings_data else ()
    return {
        option.name: _SAID.get(option.name, Task.choice)(task, option.name)
        for option in task_options()
        if option.of in (None, task.network.kind) and option.name not in brought
    }


def _data(task: Task, _: str) -> str:
    return _Own("data") if isinstance(task.source.given, Dataset) else task.source.text


def _loss(task: Task, _: str) -> str | None:
    if (own := task.network.own_loss) is not None:
        return own.text if ":" in own.text or own.text.isidentifier() else _Own(own.text)
    return "squared_error" if task.network.loss == "squared_error" else None


def _activation(task: Task, _: str) -> str:
    name = task.mlp.activation.name
    return name if activations.is_known(name) else _Own("activation")


def _model(task: Task, _: str) -> str:
    text = task.network.title
    return text if ":" in text else _Own(text)


_SAID: Final[Mapping[str, Callable[[Task, str], Any]]] = {
    "data": _data,
    "loss": _loss,
    "widths": lambda task, _: list(task.mlp.widths[1:-1]),
    "activation": _activation,
    "model": _model,
}
"""The options that a task holds in another form than they are given in."""


@lru_cache(maxsize=64)
def _base(name: str) -> Task:
    return design("zeros", tasks=name).tasks[0]


@lru_cache(maxsize=64)
def _usual_interval(name: str, steps: int) -> int:
    return design("zeros", tasks=name, steps=steps).tasks[0].schedule.record_every


def _changes(task: Task, base: str, study: Study) -> Options:
    """What the task's options change of a named task's; without the learning rate where the study has its own."""
    own = _options(_base(base)) if task.network.kind == "network" else model_defaults(base)
    usual = {**own, "record_every": _usual_interval(base, task.schedule.steps)}
    changes = {key: value for key, value in _options(task).items() if value != usual[key]}
    if task.network.kind == "model" and base == "classic" and "data" in _options(task):
        changes["data"] = _options(task)["data"]  # or the factory would be asked for it
    if study.learning_rates:
        changes.pop("learning_rate", None)
    return changes


def _named(study: Study) -> tuple[list[str], Options] | None:
    """Named tasks and the options on top of them all that make the study's tasks, or None where there are none."""
    bases: list[str] = []
    union: Options = {}
    for task in study.tasks:
        variation = "circles" if task.source.given == "circles" else task.source.text
        candidates = [name for name in (task.name, "classic") if name in TASKS and name in (task.name, "classic")]
        if task.name not in ("classic", variation):
            candidates = [name for name in candidates if name != "classic"]
        if not candidates:
            return None
        base = min(dict.fromkeys(candidates), key=lambda name: len(_changes(task, name, study)))
        bases.append(base)
        union.update(_changes(task, base, study))
    varied = bool(union) or len(study.learning_rates) == 1
    if not varied and any(base == "classic" != task.name for base, task in zip(bases, study.tasks, strict=True)):
        union["data"], varied = "circles", True  # it was called a variation, by an option with the default's value
    for base, task in zip(bases, study.tasks, strict=True):
        wanted = _options(task)
        if any(wanted[key] != value for key, value in union.items()):
            return None
        if base == "classic" and varied == (task.name == "classic"):
            return None
    if len(set(bases)) < len(bases) or any(value is None for value in union.values()):
        return None
    return bases, union


def _described(task: Task, study: Study) -> Options:
    """The task as a mapping: its name, the named task it is most like, and what it changes of that."""
    like = min(TASKS, key=lambda name: len(_changes(task, name, study)))
    changes = _changes(task, like, study)
    return {"name": task.name, **({} if like == "classic" else {"like": like}), **changes}


def _as_command(init: list[str], tasks: Any, options: Options) -> str:
    """The command line, an option a line where it is long."""
    parts = ["goodinit compare"]
    listed = [] if tasks is None else [tasks] if isinstance(tasks, str) else tasks
    parts += [f"--task {shlex.quote(str(task))}" for task in listed]
    parts += [f"--init {shlex.quote(text)}" for text in init]
    for key, value in options.items():
        name = f"--{OPTIONS[key].word}"
        if isinstance(value, bool):
            parts.append(name if value else f"--no-{name[2:]}")
        elif key == "widths":
            parts.append(f"{name} {shlex.quote(','.join(map(str, value)))}")
        else:
            for item in value if isinstance(value, list) else [value]:
                text = _number(item) if isinstance(item, float) else str(item)
                joint = "=" if text.startswith("-") else " "
                parts.append(f"{name}{joint}{shlex.quote(text)}")
    line = " ".join(parts)
    return line if len(line) <= 88 else " \\\n    ".join(parts)


def _number(value: float) -> str:
    short = f"{value:g}"
    return short if float(short) == value else repr(value)


def _as_call(init: list[str], tasks: Any, options: Options) -> str:
    """The Python call."""
    arguments = [] if not init else [repr(init[0] if len(init) == 1 else init)]
    if tasks is not None:
        arguments.append(f"tasks={tasks!r}")
    arguments += [f"{key}={value!r}" for key, value in options.items()]
    line = f"goodinit.compare({', '.join(arguments)})"
    if len(line) > 88:
        line = "goodinit.compare(\n" + "".join(f"    {argument},\n" for argument in arguments) + ")"
    return f"import goodinit\n\nresult = {line}"


def _as_toml(init: list[str], tasks: Any, options: Options) -> str:
    """The study as a TOML file."""
    top = {**({"init": init} if init else {}), **options}
    lines = [f"{key.replace('_', '-')} = {_toml_value(value)}" for key, value in top.items()]
    for task in _tables(tasks):
        lines += ["", "[[task]]"]
        lines += [f"{key.replace('_', '-')} = {_toml_value(value)}" for key, value in task.items()]
    return "\n".join(lines) + "\n"


def _toml_value(value: Any) -> str:
    if isinstance(value, bool | str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, list):
        return f"[{', '.join(map(_toml_value, value))}]"
    return repr(value)


def _notes(study: Study, own: bool) -> list[str]:
    """What a person must have beside the line."""
    notes = []
    for task in study.tasks:
        given = task.source.given
        if isinstance(given, Dataset):
            notes.append(f"data stands for the Dataset {given.name!r}, which was made in Python.")
        elif not (isinstance(given, str) and is_builtin(given)):
            notes.append(f"The file {task.source.text} is not part of this page; run this in the folder that holds it.")
        if task.network.needed is not None:
            notes.append(task.network.needed)
    if own:
        notes.append("There is no command line for an object that was made in Python.")
    return list(dict.fromkeys(notes))
