"""From a person's options to a study: the classic experiment, the named tasks, and every variation of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace
from numbers import Integral
from typing import Any, Final, cast

import numpy as np

from goodinit import activations
from goodinit.activations import Activation
from goodinit.comparison.model_factories import own_data, read_factory
from goodinit.comparison.model_tasks import check_ensemble, check_model
from goodinit.comparison.own_losses import NamedLoss, find_loss, tried
from goodinit.comparison.own_starts import read_start
from goodinit.comparison.remembered import known_factory
from goodinit.datasets import Dataset, Source, is_builtin
from goodinit.errors import GoodinitError, as_word, shown, unknown_name
from goodinit.methods import Start
from goodinit.networks import MLP, Loss, check_size, check_widths
from goodinit.options import LOSSES, OPTIONS, TASKS, task_options
from goodinit.results import Study, Task
from goodinit.spec import canonical
from goodinit.streams import as_stream, check_seed
from goodinit.trainable import OwnLoss
from goodinit.training import OPTIMIZERS, Dtype, Schedule

__all__ = ["CLASSIC_INITIALIZATIONS", "check_starts", "design", "model_defaults", "parse_seeds"]

CLASSIC_INITIALIZATIONS: Final = ("zeros", "normal(std=10)", "he_normal")
GRID: Final = tuple(float(f"{rate:.3g}") for rate in 10.0 ** np.arange(-4, 0.51, 0.5))  # 1e-4, 3.16e-4, ..., 1, 3.16
TUNING_SEEDS: Final = tuple(range(1_000_000, 1_000_005))
_MOST_TRIALS: Final = 10_000_000

_MODEL: Final[Mapping[str, Any]] = {
    "stream": "keyed",
    "optimizer": "adam",
    "learning_rate": 1e-3,
    "steps": 1000,
    "batch_size": 64,
}
"""What a task of a person's own model changes of the one it is like."""
MODEL_INITIALIZATIONS: Final = ("default", "he_normal")


def design(
    init: str | Start | Sequence[str | Start] | None = None,
    *,
    tasks: str | Sequence[str | Mapping[str, Any]] = "classic",
    learning_rate: float | str | Sequence[float] | None = None,
    tuning_seeds: str | Sequence[int] | None = None,
    tuning_criterion: str = "final_loss",
    seeds: str | Sequence[int] = (3,),
    **options: Any,
) -> Study:
    """The study that these options describe; the defaults are the classic experiment. See `compare`."""
    rates, growing = _learning_rates(learning_rate)
    if tuning_criterion not in OPTIONS["tuning_criterion"].choices:
        raise GoodinitError(f"tuning criterion {shown(tuning_criterion)}: choose {OPTIONS['tuning_criterion'].takes}")
    if len(rates) == 1:
        options["learning_rate"] = rates[0]
    if not isinstance(tasks, Iterable):
        raise GoodinitError(f"tasks={shown(tasks)}: give a task's name, or a list of names and of options with a name")
    given = [tasks] if isinstance(tasks, str | Mapping) else list(tasks)
    if not given:
        raise GoodinitError(f"no task was given; name at least one of {', '.join(TASKS)}")
    made = tuple(_task(each, options) for each in given)
    models = any(task.network.own_start for task in made)
    chosen = _initializers((MODEL_INITIALIZATIONS if models else CLASSIC_INITIALIZATIONS) if init is None else init)
    names = [task.name for task in made]
    for name in names:
        if names.count(name) > 1:
            raise GoodinitError(f"two tasks are called {name!r}; give each its own name")
    alike: dict[str, str] = {}
    for task in made if len(made) > 1 else ():
        if (first := alike.setdefault(task.identity, task.name)) != task.name:
            raise GoodinitError(
                f"the tasks {first!r} and {task.name!r} are the same but for their names; leave one out, or give one "
                "another option"
            )
    for task in made:
        check_starts(task, chosen)
    evaluation = parse_seeds(seeds)
    apart = _tuning_seeds(evaluation, tuning_seeds) if len(rates) > 1 else ()
    for task in made:
        as_stream(max(*evaluation, *apart, 0), task.stream)  # a seed that it does not take is told before any work
    study = Study(made, tuple(chosen), rates, evaluation, apart, tuning_criterion if apart else "final_loss", growing)
    if (trials := study.size) > _MOST_TRIALS:
        raise GoodinitError(f"the study has {trials:,} trials; {_MOST_TRIALS:,} are the most one file should hold")
    return study


def check_starts(task: Task, chosen: Sequence[Start], *, measured: bool = False) -> None:
    """Refuse initializations that cannot fill what the task trains, or be trained as they ask.

    With `measured`, what they measure of a model is measured too. Raises GoodinitError.
    """
    if task.network.together:
        _check_network(task, chosen)
    elif not task.network.remembered:
        check_model(task, chosen, measured=measured)


def _check_network(task: Task, chosen: Sequence[Start]) -> None:
    """Refuse initializations that cannot fill the network, or that its engines cannot train as they ask."""
    for start in chosen:
        for each in task.mlp.assignments(start):
            assert each.initializer is not None, start
            each.initializer.expected_variance(task.mlp.structure[each.name].target)
            if each.multipliers(task.schedule.optimizer).epsilon != 1 and task.schedule.optimizer == "adam":
                raise GoodinitError(
                    f"{start} multiplies Adam's epsilon for {each.name}, which no engine does for a network; train a "
                    f"model, or with another optimizer"
                )


def parse_seeds(seeds: str | int | Sequence[int]) -> tuple[int, ...]:
    """Seeds from `0-19`, `3`, `0,2,5-9` or a list of integers, each once.

    >>> parse_seeds("0-3,7")
    (0, 1, 2, 3, 7)

    Raises GoodinitError for another form, a range that falls, no seed, or a seed given twice.
    """
    wrong = GoodinitError(f"seeds {shown(seeds)}: give integers of at least 0, as in 0-19 or 0,2,5-9")
    if isinstance(seeds, str):
        listed: list[int] = []
        for part in seeds.split(","):
            low, dash, high = part.strip().partition("-")
            if (
                len(part) > 200
                or not low.isascii()
                or not low.isdigit()
                or (dash and not (high.isascii() and high.isdigit()))
            ):
                raise wrong
            first, last = int(low), int(high or low)
            if last < first or len(listed) + last - first > _MOST_TRIALS:
                raise wrong
            listed += range(first, last + 1)
    else:
        given: Any = seeds
        if not isinstance(given, Integral | Iterable):
            raise wrong
        listed = list(given) if isinstance(given, Iterable) else [cast(int, given)]
    if not listed:
        raise wrong
    checked = tuple(check_seed(seed) for seed in listed)
    if len(set(checked)) < len(checked):
        raise GoodinitError(f"seeds {shown(seeds)}: a seed is given twice; give each once")
    return checked


def _tuning_seeds(evaluation: tuple[int, ...], given: str | Sequence[int] | None) -> tuple[int, ...]:
    """Seeds to tune on that the evaluation does not use, the same whatever its seeds are, so that it can grow."""
    chosen = TUNING_SEEDS if given is None else parse_seeds(given)
    shared = sorted(set(chosen) & set(evaluation))
    if shared:
        raise GoodinitError(f"seed {shared[0]} is one that learning rates are tuned on; evaluate on other seeds")
    return chosen


def _learning_rates(given: float | str | Sequence[float] | None) -> tuple[tuple[float, ...], bool]:
    """The learning rates and whether they are a grid that grows; none for the tasks' own."""
    if given is None:
        return (), False
    if isinstance(given, str):
        if given != "auto":
            raise GoodinitError(f"learning rate {shown(given)}: give a number, several, or auto")
        return GRID, True
    listed = [given] if isinstance(given, int | float) else list(given)
    if not listed:
        raise GoodinitError("learning rate: the list is empty; give a number, several, or auto")
    for rate in listed:
        Schedule(learning_rate=rate)
        if listed.count(rate) > 1:
            raise GoodinitError(f"learning rate {rate:g} is given twice; give each once")
    return tuple(float(rate) for rate in listed), False


def _initializers(init: str | Start | Sequence[str | Start]) -> list[Start]:
    given = [init] if isinstance(init, str | Start) or not isinstance(init, Sequence) else list(init)
    if not given:
        raise GoodinitError("no initialization was given; name at least one, such as he_normal")
    chosen = [read_start(each) for each in given]
    texts = [str(each) for each in chosen]
    for text in texts:
        if texts.count(text) > 1:
            raise GoodinitError(f"the initialization {text} was given twice; give it once")
    return chosen


def _task(given: str | Mapping[str, Any], options: Mapping[str, Any]) -> Task:
    """A named task, or a mapping of options with a name, with the options on top."""
    own: Mapping[str, Any] = {}
    if isinstance(given, Mapping):
        own = {key: value for key, value in given.items() if key not in ("name", "like")}
        name, base = given.get("name"), as_word(given.get("like", "classic"))
    else:
        name, base = None, given
    if not isinstance(base, str):
        raise GoodinitError(f"task {shown(base)}: give a task's name, or its options with a name")
    if base not in TASKS:
        raise unknown_name("task", base, TASKS)
    changes = {**own, **{key: value for key, value in options.items() if value is not None}}
    known = [option.name for option in task_options()]
    for name_ in changes:
        if name_ not in known:
            raise unknown_name("option", name_, known)
    if changes.get("model") is not None:
        return _made_model(name, base, changes)
    for option in task_options():
        if option.of == "model" and changes.get(option.name) not in (None, option.usual):
            raise GoodinitError(
                f"{option.name}={shown(changes[option.name])} goes with a model of your own; goodinit's networks "
                "are trained as ensembles, where the engine runs"
            )
    return _made(name, base, {**_classic(), **TASKS[base], **changes}, varied=bool(changes))


def _classic() -> dict[str, Any]:
    return {option.name: option.usual for option in task_options()}


def model_defaults(base: str) -> Mapping[str, Any]:
    """The options of a model's task that is like a named one."""
    return {**_classic(), **TASKS[base], **_MODEL}


def _made_model(name: str | None, base: str, changes: Mapping[str, Any]) -> Task:
    """The task of a person's own model, on the data told or on what its factory brings."""
    for option in task_options():
        if option.of == "network" and changes.get(option.name) is not None:
            raise GoodinitError(
                f"{option.name}={shown(changes[option.name])} goes with goodinit's own networks; a model has its own"
            )
    options, given = {**model_defaults(base), **changes}, changes.get("data", TASKS[base].get("data"))
    if given is None or options["loss"] not in (None, *LOSSES):  # which the model brings, or its file
        import goodinit.pytorch  # noqa: F401  # where PyTorch is missing, it says which extra to install
    schedule = _schedule(options)
    own, loss = find_loss(options["loss"]) if options["loss"] not in LOSSES else None, None
    if own is None:
        loss = _explicit_loss(options["loss"])
    source = _source(
        own_data(options["model"]) if given is None else given, options["target"], options["standardize"], loss
    )
    if loss == "squared_error" and not source.dataset(0).regression:
        raise GoodinitError(f"the loss squared_error needs numbers to predict with a model; {source.text} has classes")
    device = as_word(options["device"])
    if given is None or own is not None:
        factory = read_factory(options["model"], source.dataset(0), device, own)
    else:
        factory = known_factory(options["model"], source, device)
    OPTIONS["ensemble"].check(options["ensemble"])
    factory = replace(factory, brings_data=given is None, ensemble=options["ensemble"])
    source = replace(source, validated=schedule.early_stopping is not None)
    task = Task(str(name or factory.text), source, factory, schedule, "keyed", cast(Dtype, factory.dtype))
    if factory.ensemble > 1 and not factory.remembered:
        check_ensemble(task)
    return task


def _made(name: str | None, base: str, options: Mapping[str, Any], *, varied: bool) -> Task:
    data, widths = options["data"], options["widths"]
    if isinstance(widths, str) or not isinstance(widths, Sequence):
        raise GoodinitError(f"widths={shown(widths)}: give the hidden layers' sizes as a list, such as [10, 5]")
    if options["dtype"] not in OPTIONS["dtype"].choices:
        raise GoodinitError(f"dtype {shown(options['dtype'])} is not known; choose {OPTIONS['dtype'].takes}")
    as_stream(0, options["stream"])
    given = options["activation"]
    plain = callable(given) and not isinstance(given, Activation)
    activation: Activation = activations.of_function(given) if plain else activations.get(given)
    schedule = _schedule(options)
    check_widths(widths)
    own = find_loss(options["loss"]) if options["loss"] not in LOSSES else None
    loss = None if own else _explicit_loss(options["loss"])
    source = _source(data, options["target"], options["standardize"], loss)
    source = replace(source, validated=schedule.early_stopping is not None)
    examples = source.dataset(0)
    kind = _loss(loss, examples)
    own_loss = None if own is None else _tried(own, kind, examples, options["dtype"])
    network = MLP((len(examples.features), *widths, examples.outputs), activation, kind, own_loss)
    check_size(network)
    if name is None:
        name = base if not varied or base != "classic" else source.text if data != "circles" else "circles"
    return Task(str(name), source, network, schedule, options["stream"], options["dtype"])


def _tried(own: NamedLoss, kind: Loss, data: Dataset, dtype: str) -> OwnLoss:
    """A person's own loss, tried on outputs of a network's form: numbers from -1 to 1."""
    import goodinit.pytorch  # noqa: F401  # where PyTorch is missing, it says which extra to install

    examples = len(data.y_train)
    outputs = np.linspace(-1, 1, examples * data.outputs, dtype=dtype).reshape(examples, data.outputs)
    import torch

    return tried(own, kind, torch.from_numpy(outputs), torch.from_numpy(data.y_train))


def _explicit_loss(given: object) -> str | None:
    loss = None if given is None else canonical(as_word(given))
    if loss not in (None, *LOSSES):
        raise unknown_name("loss", as_word(given), LOSSES)
    return loss


def _source(data: Any, target: str | None, standardize: bool, loss: str | None) -> Source:
    """The data, where the loss tells what a file's target is: a number to predict, or a class."""
    made = isinstance(data, Dataset) or (isinstance(data, str) and is_builtin(data))
    source = Source(data, target, standardize, None if made or loss is None else loss == "squared_error")
    if loss == "cross_entropy" and source.dataset(0).regression:
        raise GoodinitError(
            f"the loss cross_entropy needs classes; {source.text} has numbers to predict, so leave it out"
        )
    return source


def _loss(explicit: str | None, data: Dataset) -> Loss:
    if data.regression or explicit == "squared_error":
        return "squared_error"
    return "binary_cross_entropy" if data.outputs == 1 else "cross_entropy"


def _schedule(options: Mapping[str, Any]) -> Schedule:
    steps, every = options["steps"], options["record_every"]
    if every is None:
        every = _round_interval(steps) if isinstance(steps, int) and steps >= 1 else 1
    chosen = {field.name: options[field.name] for field in fields(Schedule)}
    words = {name: canonical(as_word(options[name])) for name in ("optimizer", "learning_rate_schedule")}
    made = Schedule(**{**chosen, **words, "record_every": every})
    if made.warmup >= made.steps:
        raise GoodinitError(f"warmup {made.warmup}: it must be fewer than the {made.steps} steps")
    if made.weight_decay == OPTIMIZERS[made.optimizer].decay:  # the same trials as where nothing is said
        made = replace(made, weight_decay=None)
    return made


def _round_interval(steps: int) -> int:
    """The largest 1, 2 or 5 times a power of ten that records at least 15 losses; 1000 for 15,000 steps."""
    powers = range(max(0, math.floor(math.log10(steps))) + 1)
    return max((c * 10**p for p in powers for c in (1, 2, 5) if c * 10**p * 15 <= steps), default=1)
