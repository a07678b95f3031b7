"""What the suite found: for each task, start and tuning budget the runs on the evaluation seeds, and the verdicts."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Final

from goodinit.errors import GoodinitError, is_finite, shown
from goodinit.jsonable import json_fields, read_json

__all__ = ["VERDICTS", "StartResult", "SuiteResult", "SuiteTask", "joined", "read_result"]

VERDICTS: Final = ("better", "worse", "not separable", "")
"""What a start is against the model's own; empty for that itself."""


@dataclass(frozen=True)
class StartResult:
    """A start on a task with so many learning rates to tune on.

    `losses` and `scores` are those on the test examples, a seed each, infinite and nan where a run diverged. `verdict`
    is against the model's own start: better, worse, not separable, or empty for that itself; `p_value` is corrected for
    the starts of the task. `stands_for` is the start that a name such as `advise` stands for on the task. `crossed`
    has the losses of the one that is behind, this or the model's own, at the rate of the other: where the two differ
    at their own rates, which are unequal.
    """

    start: str
    budget: int
    learning_rate: float
    losses: tuple[float, ...]
    scores: tuple[float, ...]
    diverged: int
    p_value: float | None
    verdict: str
    stands_for: str | None = None
    crossed: tuple[float, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return json_fields(self)


@dataclass(frozen=True)
class SuiteTask:
    """A task's results. `left_out` says which starts do not apply, and why."""

    name: str
    family: str
    score: str
    seeds: tuple[int, ...]
    results: tuple[StartResult, ...]
    left_out: tuple[tuple[str, str], ...]

    @property
    def budgets(self) -> tuple[int, ...]:
        """The tuning budgets, the smallest first."""
        return tuple(sorted({each.budget for each in self.results}))

    def of(self, budget: int) -> tuple[StartResult, ...]:
        """The results of a tuning budget."""
        return tuple(each for each in self.results if each.budget == budget)

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return json_fields(self)


@dataclass(frozen=True)
class SuiteResult:
    """The results of tasks of the set `registered` as `name`; `origin` says what trained them."""

    tasks: tuple[SuiteTask, ...]
    origin: Mapping[str, Any]
    name: str = "small"

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return json_fields(self)

    def to_json(self) -> str:
        """`to_dict` as the text of one JSON object, a line a start and budget, numbers to the digits of a float32."""
        facts = self.to_dict()
        tasks = ",\n".join(map(_lines, facts.pop("tasks")))
        return f'{json.dumps(facts, allow_nan=False)[:-1]}, "tasks": [\n{tasks}\n]}}'


def joined(found: Sequence[SuiteResult]) -> SuiteResult:
    """The tasks of several results of one set together; of a task that is in two the last.

    Raises GoodinitError for results of different sets.
    """
    names = sorted({each.name for each in found})
    if len(names) != 1:
        raise GoodinitError(f"results of the sets {' and '.join(names)}: give those of one set")
    tasks = {task.name: task for each in found for task in each.tasks}
    return SuiteResult(tuple(tasks.values()), found[-1].origin, names[0])


def read_result(*paths: str | Path, name: str = "small") -> SuiteResult:
    """The results in files that `goodinit suite --out` wrote, together; without any those that ship of the named set.

    Raises GoodinitError for a file that is not there, or holds something else, and where no results ship.
    """
    if paths:
        return joined([_read(Path(path), str(path)) for path in paths])
    shipped = files("goodinit.suite").joinpath("results", f"{name}.json")
    if not shipped.is_file():
        raise GoodinitError(
            f"no results of the set {name} ship with this version: it has not been run; run it with goodinit suite "
            f"--set {name} --study suite.db --out suite.json, and print that with --table --results suite.json"
        )
    return _read(shipped, shipped.name)


def _read(file: Traversable, name: str) -> SuiteResult:
    try:
        facts = read_json(file) if isinstance(file, Path) else json.loads(file.read_text("utf-8"))
        named, origin = facts.get("name", "small"), facts["origin"]
        if not isinstance(named, str) or not isinstance(origin, dict):
            raise ValueError("a value of another type")
        return SuiteResult(tuple(_task(each) for each in facts["tasks"]), origin, named)
    except OSError as error:
        raise GoodinitError(f"{name}: it cannot be read ({error.strerror}); give a file of results") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise GoodinitError(
            f"{name}: these are no results of the suite ({shown(str(error))}); goodinit suite --out FILE makes some"
        ) from error


def _lines(task: dict[str, Any]) -> str:
    """A task's JSON, a line a result."""
    for each in task["results"]:
        for name in ("losses", "scores", "crossed"):
            each[name] = [None if value is None else float(f"{value:.9g}") for value in each[name]]
    results = ",\n  ".join(json.dumps(each, allow_nan=False) for each in task.pop("results"))
    return f'{json.dumps(task, allow_nan=False)[:-1]}, "results": [\n  {results}\n]}}'


def _task(facts: Mapping[str, Any]) -> SuiteTask:
    results = []
    for each in facts["results"]:
        losses, crossed = (_losses(each.get(name, ())) for name in ("losses", "crossed"))
        scores = tuple(math.nan if value is None else value for value in each["scores"])
        results.append(StartResult(**{**each, "losses": losses, "scores": scores, "crossed": crossed}))
    left_out = tuple((name, why) for name, why in facts["left_out"])
    task = SuiteTask(**{**facts, "results": tuple(results), "left_out": left_out, "seeds": tuple(facts["seeds"])})
    texts = [task.name, task.family, task.score, *(text for pair in left_out for text in pair)]
    if not all(isinstance(text, str) for text in texts) or not all(map(_is_result, results)):
        raise ValueError("a value of another type")
    return task


def _losses(values: Sequence[float | None]) -> tuple[float, ...]:
    return tuple(math.inf if value is None else value for value in values)


def _is_result(found: StartResult) -> bool:
    """Whether every value is of its type, and there are some."""
    numbers = (found.learning_rate, found.p_value or 0.0, *found.losses, *found.scores, *found.crossed)
    return (
        isinstance(found.start, str)
        and isinstance(found.stands_for, str | None)
        and found.verdict in VERDICTS
        and all(isinstance(number, int) and abs(number) < 2**31 for number in (found.budget, found.diverged))
        and all(isinstance(number, float) or (isinstance(number, int) and is_finite(number)) for number in numbers)
        and len(found.losses) == len(found.scores) > 0
        and len(found.crossed) in (0, len(found.losses))
    )
