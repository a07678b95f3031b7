"""The starts of a race: those that are worth trying on a model, and what is wrong with those that are not."""

from __future__ import annotations

from collections.abc import Sequence

from goodinit.advising import advise
from goodinit.comparison.design import check_starts
from goodinit.comparison.model_tasks import model_of
from goodinit.comparison.own_starts import read_start
from goodinit.comparison.policies import Finished
from goodinit.errors import GoodinitError
from goodinit.methods import Start
from goodinit.recommending.records import Dropped
from goodinit.results import Finding, Job, Task, Trial

__all__ = [
    "MORE",
    "MOST",
    "SPARE",
    "check_jobs",
    "checked",
    "fillable",
    "severe_findings",
    "usual_candidates",
    "usual_starts",
]

_OF_NETWORKS = ("he_normal", "glorot_normal", "lecun_normal", "orthogonal", "edge_of_chaos", "pytorch_linear")
MOST = 8  # of the usual starts of a model, besides its own, where there is no room for more
MORE = ("lsuv", "zero_branches", "orthogonal", "t_fixup")
"""What is raced beside them where it fits: each was the suite's best on tasks for which `advise` does not name it."""
SPARE = ("lecun_normal", "glorot_uniform", "he_normal")
"""What is raced too where the budget holds every start at every rate."""


def usual_starts(task: Task) -> list[str]:
    """The starts to race where a person names none: for a model those that `advise` finds sound, the best first."""
    if task.network.together:
        return list(_OF_NETWORKS)
    advice = advise(*model_of(task))
    return [each.init for each in advice.options if each.init != "default"]


def fillable(
    task: Task, given: Sequence[str | Start], baseline: Start, more: Sequence[str] = ()
) -> tuple[list[Start], list[Dropped]]:
    """The baseline and those of the starts that can fill what the task trains, each once; and the others with why not.

    Those of `more` come last, and nothing is said of those that cannot.

    Raises GoodinitError where the baseline cannot, or a start is not known.
    """
    check_starts(task, [baseline])
    kept, dropped = {str(baseline): baseline}, list[Dropped]()
    for each in (*given, *(one for one in more if one not in given)):
        start = read_start(each)
        if str(start) in kept or str(start) in [one.initialization for one in dropped]:
            continue
        try:
            check_starts(task, [start], measured=True)
        except GoodinitError as error:
            if each not in more or each in given:
                dropped.append(Dropped(str(start), f"{error}"))
        else:
            kept[str(start)] = start
    return list(kept.values()), dropped


def usual_candidates(task: Task, baseline: Start) -> tuple[list[Start], list[Dropped], int]:
    """What is raced where a person names none: the starts, those that cannot be, and how many of them come first.

    Those are raced whatever the budget; those of `SPARE`, and what is beyond `MOST`, where it holds all.
    """
    named = usual_starts(task)
    if task.network.together:
        kept, dropped = fillable(task, named, baseline)
        return kept, dropped, len(kept)
    spare = [each for each in SPARE if each not in named]
    kept, dropped = fillable(task, named, baseline, (*MORE, *spare))
    return kept, dropped, min(sum(str(each) not in spare for each in kept), MOST + 1)


def check_jobs(task: int, starts: Sequence[Start], rate: float, seed: int) -> tuple[Job, ...]:
    """Trials of one step, whose findings say what is wrong with a start."""
    return tuple(Job(task, start, rate, seed, "tuning") for start in starts)


def checked(
    starts: Sequence[Start], baseline: Start, finished: Finished, jobs: Sequence[Job]
) -> tuple[list[Start], list[Dropped]]:
    """The starts whose checkup has nothing severe, and the others with why not.

    The baseline stays whatever its own says, and what is severe of it is held against no other: it may be the model's
    or the data's fault.
    """
    found = {trial.initialization: trial for trial in finished(jobs)}
    usual = {finding.code for finding in severe_findings(found.get(str(baseline)))}
    kept, dropped = list[Start](), list[Dropped]()
    for start in starts:
        trial = found.get(str(start))
        severe = [finding for finding in severe_findings(trial) if finding.code not in usual]
        if str(start) == str(baseline) or trial is None or trial.machine_failure:
            kept.append(start)
        elif trial.failure is not None:
            dropped.append(Dropped(str(start), trial.failure))
        elif severe:
            dropped.append(Dropped(str(start), severe[0].message, severe[0].code))
        else:
            kept.append(start)
    return kept, dropped


def severe_findings(trial: Trial | None) -> list[Finding]:
    """What is severe of a trial's start."""
    found = trial.findings if trial is not None else ()
    return [finding for finding in found if finding.severity == "severe" and finding.code != "diverged"]
