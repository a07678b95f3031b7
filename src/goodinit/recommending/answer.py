"""The answer of a race in words: what to take, what it would take to tell more, and the code to paste."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from goodinit.methods import Start
from goodinit.recommending.outcome import Recommendation
from goodinit.recommending.rates import order
from goodinit.recommending.records import Dropped, FinalResult, RaceVerdict, RateResult, RungResult
from goodinit.results import Task
from goodinit.wording import count, duration, listed

__all__ = ["answered"]

_FEWEST: Final = 6  # seeds that can tell one finalist from the baseline
_OPTIMIZERS: Final = {
    "gradient_descent": "SGD({groups})",
    "momentum": "SGD({groups}, momentum=0.9)",
    "adam": "Adam({groups})",
    "adamw": "AdamW({groups})",
}
_CRITERIA: Final = {
    "validation_loss": "test loss",
    "validation_score": "test score",
    "final_loss": "training loss",
    "area": "mean training loss",
}


def answered(
    task: Task,
    own: Start,
    criterion: str,
    dropped: Sequence[Dropped],
    rungs: Sequence[RungResult],
    finals: Sequence[FinalResult],
    seeds: Sequence[int],
    rates: Sequence[RateResult],
    *,
    cautions: Sequence[str],
    stopped: bool,
    seconds: float | None,
    grid: Sequence[float],
    usual_steps: int,
    called: str,
    most: int,
) -> Recommendation:
    """The recommendation that a race's results make; `most` seeds were there for the finals."""
    base = str(own)
    better = [each for each in finals if each.better]
    last = _last(rates)
    chosen = _chosen(better, last)
    complete = not stopped and len(seeds) >= min(_FEWEST, len(seeds) + 1) and len(seeds) > 0
    name, rate = _taken(task, base, chosen, rungs, finals)
    if last is not None:
        rate = last.learning_rate
    verdict: RaceVerdict = "better" if chosen is not None else "keep"
    full = task.schedule.steps
    trained = {
        (rung.steps, each.initialization, each.learning_rate, seed)
        for rung in rungs
        for each in rung.standings
        for seed in rung.seeds
    }
    spent = sum(steps for steps, *_ in trained) / full
    said = list(cautions)
    if full < usual_steps:
        said.append(
            f"A training had {full:,} steps in place of {usual_steps:,}, so that the race fits into its time: the "
            "answer is about those."
        )
    if finals and len(grid) > 1 and rate in (grid[0], grid[-1]):
        end = "lowest" if rate == grid[0] else "highest"
        said.append(f"The learning rate {rate:g} is the {end} that was raced; a better one may lie beyond.")
    return Recommendation(
        name=task.network.title,
        task=task.to_dict(),
        baseline=base,
        criterion=criterion,
        score_name=task.metric.score,
        verdict=verdict,
        initialization=name,
        learning_rate=rate,
        answer=_answer(task, base, chosen, finals, len(seeds), rate, stopped, criterion)
        + _also(base, chosen, better, rates, last, criterion)
        + _other_rate(chosen, rates, rate, criterion),
        further=_further(base, chosen, finals, len(seeds), most, seconds, stopped),
        cautions=tuple(said),
        code=_code(task, name, rate, called),
        dropped=tuple(dropped),
        rungs=tuple(rungs),
        finals=tuple(finals),
        rates=tuple(rates),
        seeds=tuple(seeds),
        complete=complete,
        stopped=stopped,
        trainings=spent + sum(len(each.values) for each in finals) + _further_trainings(rates, finals),
        seconds=seconds,
    )


def _taken(
    task: Task, base: str, chosen: FinalResult | None, rungs: Sequence[RungResult], finals: Sequence[FinalResult]
) -> tuple[str, float]:
    """What is recommended: a start told better, else the baseline at the best rate that is known of it."""
    if chosen is not None:
        return chosen.initialization, chosen.learning_rate
    if finals:
        return base, _own(finals).learning_rate
    for rung in reversed(rungs):
        for each in rung.standings:
            if each.initialization == base and math.isfinite(each.value):
                return base, each.learning_rate
    return base, task.schedule.learning_rate


def _answer(
    task: Task,
    base: str,
    chosen: FinalResult | None,
    finals: Sequence[FinalResult],
    seeds: int,
    rate: float,
    stopped: bool,
    criterion: str,
) -> str:
    begun = "Stopped early; the best so far: " if stopped else ""
    if chosen is not None:
        own = _own(finals)
        assert chosen.share is not None
        on = count(len(chosen.values), "fresh seed")
        said = (
            f"{chosen.initialization} at a learning rate of {chosen.learning_rate:g} is better than {base} at "
            f"{own.learning_rate:g}: it wins {chosen.wins} of {on}{_all_seeds(chosen.share)}. "
            f"Median {_CRITERIA[criterion]} {_number(chosen, criterion)} against {_number(own, criterion)}"
        )
        if task.metric.score == "accuracy":
            said += f", test accuracy {100 * chosen.score:.4g} % against {100 * own.score:.4g} %"
        return begun + said
    keep = f"keep {base}, at a learning rate of {rate:g}"
    rivals = [each for each in finals if each.share is not None]
    if finals and not rivals:
        return _begun(begun, f"no other start came to the finals: {keep}")
    if not finals or seeds == 0:
        why = "the race had not come to its finals" if stopped else "the time was out before the finals"
        return f"{begun}{keep}; {why}, so that nothing can be told"
    others, on = count(len(rivals), "finalist"), count(seeds, "fresh seed")
    return _begun(begun, f"none of {others} is separable from {base} on {on}: {keep}")


def _all_seeds(share: float) -> str:
    """What the wins alone say of all seeds; nothing where it is the size of the differences that tells."""
    return f", and with 95 % confidence at least {100 * share:.0f} % of all" if share > 0.5 else ""


def _last(rates: Sequence[RateResult]) -> RateResult | None:
    """The best of the last stage, of those that had all its seeds; None where these are too few."""
    most = max((len(each.values) for each in rates), default=0)
    whole = [each for each in rates if len(each.values) == most >= _FEWEST]
    return min(whole, key=order, default=None)


def _chosen(better: Sequence[FinalResult], last: RateResult | None) -> FinalResult | None:
    """Of the starts that are better the one that the last stage found best, else the one that leads the finals."""
    found = [each for each in better if last is not None and each.initialization == last.initialization]
    return min(found or better, key=lambda each: each.median, default=None)


def _also(
    base: str,
    chosen: FinalResult | None,
    better: Sequence[FinalResult],
    rates: Sequence[RateResult],
    last: RateResult | None,
    criterion: str,
) -> str:
    """The other starts that are better, and what the last stage says of them."""
    also = [each.initialization for each in better if each is not chosen]
    if chosen is None or not also:
        return ""
    are = f"{'is' if len(also) == 1 else 'are'} better than {base} too"
    rivals = [each for each in rates if each.initialization in also]
    if last is None or not rivals:
        return f". {listed(also)} {are}; which of them is best was not tested"
    others = [f"{_number(each, criterion)} of {each.initialization}" for each in rivals]
    up_to = "" if all(len(each.values) == len(last.values) for each in rivals) else "up to "
    return (
        f". {listed(also)} {are}; on {up_to}{count(len(last.values), 'seed')} {chosen.initialization} is ahead most "
        f"often, at medians of {_number(last, criterion)} against {listed(others)}"
    )


def _other_rate(chosen: FinalResult | None, rates: Sequence[RateResult], rate: float, criterion: str) -> str:
    """That another rate than the one that was told better is recommended."""
    if chosen is None or chosen.learning_rate == rate:
        return ""
    place = {each.learning_rate: each for each in rates if each.initialization == chosen.initialization}
    tested, taken = (_number(place[each], criterion) for each in (chosen.learning_rate, rate))
    return (
        f". Of its rates {rate:g} is ahead most often on {count(len(place[rate].values), 'seed')}, at medians of "
        f"{taken} against {tested}: take that one"
    )


def _further_trainings(rates: Sequence[RateResult], finals: Sequence[FinalResult]) -> int:
    """The trainings of the last stage that are not those of the finals."""
    known = {(each.initialization, each.learning_rate): len(each.values) for each in finals}
    return sum(max(0, len(each.values) - known.get((each.initialization, each.learning_rate), 0)) for each in rates)


def _begun(begun: str, sentence: str) -> str:
    return begun + sentence if begun else sentence[0].upper() + sentence[1:]


def _own(finals: Sequence[FinalResult]) -> FinalResult:
    """The baseline at the rate that is best on the fresh seeds; that of the tuning before any has ended."""
    return min((each for each in finals if each.share is None), key=lambda each: (each.median, 0.0))


def _number(found: FinalResult | RateResult, criterion: str) -> str:
    value = -found.median if criterion == "validation_score" else found.median
    return f"{value:.4g}" if math.isfinite(value) else "of runs that diverged"


def _further(
    base: str,
    chosen: FinalResult | None,
    finals: Sequence[FinalResult],
    seeds: int,
    most: int,
    seconds: float | None,
    stopped: bool,
) -> str:
    """What it would take to tell more."""
    if chosen is not None or (finals and all(each.share is None for each in finals)):
        return ""
    if not finals or seeds == 0:
        return "Run the same again with the same study, or with more time." if stopped else "Give it more time."
    others = [each for each in finals if each.more is not None]
    if not others:
        return f"More seeds will hardly change that: no finalist is so far ahead of {base} that 2,000 would tell."
    near = min(others, key=lambda each: each.more or 0)
    assert near.more is not None
    time = "" if seconds is None else f", about {duration(near.more * len(finals) * seconds)} more"
    asked = "a larger budget" if seeds < most else f"seeds={seeds + near.more}"
    return (
        f"{near.initialization} wins {near.wins} of {len(near.values)}: if it goes on so, {count(near.more, 'seed')} "
        f"more would tell it from {base}{time}. The same call with the same study and {asked} goes on there."
    )


def _code(task: Task, name: str, rate: float, called: str) -> str:
    if task.network.together:
        return f"goodinit.compare({name!r}, tasks={called}, learning_rate={rate:g})"
    optimizer = _OPTIMIZERS[task.schedule.optimizer]
    if name == "default":
        groups = f"model.parameters(), lr={rate:g}"
        return f"optimizer = torch.optim.{optimizer.format(groups=groups)}"
    groups = f"done.param_groups(lr={rate:g})"
    return (
        f"done = goodinit.initialize(model, {name!r}, seed=0, inputs=batch)\n"
        f"optimizer = torch.optim.{optimizer.format(groups=groups)}"
    )
