"""What the suite found: for each task, start and tuning budget the runs on the evaluation seeds, and the verdicts."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from goodinit.errors import GoodinitError, is_finite, shown
from goodinit.jsonable import json_fields, read_json

__all__ = ["VERDICTS", "StartResult", "SuiteResult", "SuiteTask", "read_result"]

VERDICTS: Final = ("better", "worse", "not separable", "")
"""What a start is against the model's own; empty for that itself."""


@dataclass(frozen=True)
class StartResult:
    """A start on a task with so many learning rates to tune on.

    `losses` and `scores` are those on the test examples, a seed each, infinite and nan where a run diverged. `verdict`
    is against the model's own start: better, worse, not separable, or empty for that itself; `p_value` is corrected for
    the starts of the task.
    """

    start: str
    budget: int
    learning_rate: float
    losses: tuple[float, ...]
    scores: tuple[float, ...]
    diverged: int
    p_value: float | None
    verdict: str

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

    def of(self, budget: int) -> tuple[StartResult, ...]:
        """The results of a tuning budget."""
        return tuple(each for each in self.results if each.budget == budget)

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return json_fields(self)


@dataclass(frozen=True)
class SuiteResult:
    """The suite's results; `origin` says what trained them."""

    tasks: tuple[SuiteTask, ...]
    origin: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return json_fields(self)

    def to_json(self) -> str:
        """`to_dict` as the text of one JSON object."""
        return json.dumps(self.to_dict(), indent=1, allow_nan=False)


def read_result(path: str | Path | None = None) -> SuiteResult:
    """The results in a file that `goodinit suite --out` wrote; those that ship with the package without one.

    Raises GoodinitError for a file that is not there, or holds something else, and where no results ship.
    """
    shipped = files("goodinit.suite").joinpath("results.json")
    if path is None and not shipped.is_file():
        raise GoodinitError(
            "no results of the suite ship with this version: what is registered has not been run in full; run it with "
            "goodinit suite --study suite.db --out suite.json, and print that with --table --results suite.json"
        )
    try:
        facts = json.loads(shipped.read_text("utf-8")) if path is None else read_json(path)
        return SuiteResult(tuple(_task(each) for each in facts["tasks"]), facts["origin"])
    except OSError as error:
        raise GoodinitError(
            f"{error.filename}: it cannot be read ({error.strerror}); give a file of results"
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise GoodinitError(
            f"{path}: these are no results of the suite ({shown(str(error))}); goodinit suite --out FILE makes some"
        ) from error


def _task(facts: Mapping[str, Any]) -> SuiteTask:
    results = []
    for each in facts["results"]:
        losses = tuple(math.inf if value is None else value for value in each["losses"])
        scores = tuple(math.nan if value is None else value for value in each["scores"])
        results.append(StartResult(**{**each, "losses": losses, "scores": scores}))
    left_out = tuple((name, why) for name, why in facts["left_out"])
    task = SuiteTask(**{**facts, "results": tuple(results), "left_out": left_out, "seeds": tuple(facts["seeds"])})
    texts = [task.name, task.family, task.score, *(text for pair in left_out for text in pair)]
    if not all(isinstance(text, str) for text in texts) or not all(map(_is_result, results)):
        raise ValueError("a value of another type")
    return task


def _is_result(found: StartResult) -> bool:
    """Whether every value is of its type, and there are some."""
    numbers = (found.learning_rate, found.p_value or 0.0, *found.losses, *found.scores)
    return (
        isinstance(found.start, str)
        and found.verdict in VERDICTS
        and all(isinstance(number, int) and abs(number) < 2**31 for number in (found.budget, found.diverged))
        and all(isinstance(number, float) or (isinstance(number, int) and is_finite(number)) for number in numbers)
        and len(found.losses) == len(found.scores) > 0
    )
