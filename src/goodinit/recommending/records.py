"""The records of a race: what dropped out and why, each rung, the finals, and the answer. They compute nothing."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal

from goodinit.jsonable import json_fields

__all__ = ["Dropped", "FinalResult", "RaceFacts", "RaceVerdict", "RateResult", "RungResult", "Standing"]

RaceVerdict = Literal["better", "keep"]


@dataclass(frozen=True)
class Dropped:
    """A start that was not raced, and why: it cannot fill the model, or its checkup has a severe finding (`code`)."""

    initialization: str
    reason: str
    code: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return json_fields(self)


@dataclass(frozen=True)
class Standing:
    """A start at a learning rate in a rung: the median of the criterion over the rung's seeds, lower for better.

    It is infinite where most seeds diverged. `kept` says that it went on; `curve` is the median training loss at the
    recorded steps.
    """

    initialization: str
    learning_rate: float
    value: float
    kept: bool
    curve: tuple[tuple[int, float], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return json_fields(self)


@dataclass(frozen=True)
class RungResult:
    """One rung of the halving: so many steps on those seeds, the best first."""

    steps: int
    seeds: tuple[int, ...]
    standings: tuple[Standing, ...]

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return json_fields(self)


@dataclass(frozen=True)
class FinalResult:
    """A finalist on the fresh seeds, beside the baseline of the same seeds.

    `values` has the criterion on each seed that it had: a rival that lost dropped out before the last. `median` is
    that of the criterion, infinite where most runs diverged, `score` the median score on the test examples,
    `diverged` how many runs did. `wins`, `ties` and `losses` count seeds against the baseline; `share` is that of
    seeds won, at least, with 95 % confidence at all times together. `evidence` has the e-value of the signed ranks
    after each seed, `adjusted` the last, corrected for the number of finalists; `better` says that it reached 20, and
    that more seeds are won than lost. `more` is about how many seeds it takes to tell, if it goes on so; None where
    2,000 would not do. All of it is None or 0 for the
    baseline itself.
    """

    initialization: str
    learning_rate: float
    values: tuple[float, ...]
    median: float
    score: float
    diverged: int
    wins: int = 0
    ties: int = 0
    losses: int = 0
    share: float | None = None
    evidence: tuple[float, ...] = ()
    adjusted: float | None = None
    better: bool = False
    more: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return json_fields(self)


@dataclass(frozen=True)
class RateResult:
    """What the last stage found of a start at a rate: the criterion on each of its fresh seeds, and the median.

    Those that were left at the end have the most seeds, the same ones; others the first of them. `lost` is the share of
    its duels that it loses on those seeds, a tie as half, against whatever has as many: the lowest is taken.
    """

    initialization: str
    learning_rate: float
    values: tuple[float, ...]
    median: float
    lost: float

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return json_fields(self)


@dataclass(frozen=True)
class RaceFacts:
    """A race from its beginning to its answer.

    `task` has the facts of what was trained, `baseline` is the start that others are held against, `criterion` what
    decides. `verdict` is `better` where a start was told from the baseline at the whole race's 5 %, else `keep`.
    `initialization` and `learning_rate` are what is recommended, `rates` what the finals' seeds say of its rates.
    `complete` says that the race came to its end; without, they are the best so far, and `stopped` that it was Ctrl-C
    that ended it. `trainings` is what the race has cost, in full trainings, and `seconds` about what one takes here,
    None where that was not measured.
    """

    name: str
    task: dict[str, Any]
    baseline: str
    criterion: str
    score_name: str
    verdict: RaceVerdict
    initialization: str
    learning_rate: float
    answer: str
    further: str
    cautions: tuple[str, ...]
    code: str
    dropped: tuple[Dropped, ...]
    rungs: tuple[RungResult, ...]
    finals: tuple[FinalResult, ...]
    rates: tuple[RateResult, ...]
    seeds: tuple[int, ...]
    complete: bool
    stopped: bool
    trainings: float
    seconds: float | None

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it: what is not finite is null."""
        return json_fields(self)

    def to_json(self) -> str:
        """`to_dict` as the text of one JSON object."""
        return json.dumps(self.to_dict(), indent=2, allow_nan=False)
