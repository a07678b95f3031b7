"""`compare`: train the same networks from several starts on many seeds, and say which start lets them learn."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from goodinit.activations import Activation
from goodinit.comparison.cluster import check_cluster
from goodinit.comparison.conduct import Progress, conducting
from goodinit.comparison.design import design, parse_seeds
from goodinit.comparison.plan import Plan, estimate
from goodinit.comparison.policies import TuneThenEvaluate, wanted_tuning
from goodinit.comparison.remembered import StillToTrainError, remembering
from goodinit.comparison.rerun import PERTURBATIONS
from goodinit.comparison.result import Comparison
from goodinit.datasets import CsvText, Dataset
from goodinit.errors import GoodinitError, shown, unknown_name
from goodinit.methods import Start
from goodinit.options import OPTIONS, task_options
from goodinit.report import OutputFolder
from goodinit.results import Study
from goodinit.training import ENGINES, EngineName

__all__ = ["CLASSIC_SEED", "Progress", "compare", "run_study"]

CLASSIC_SEED = 3
DEMONSTRATION_SEEDS = tuple(range(50))

Announce = Callable[[Plan], None]
"""Told what a study will take, before it runs."""


def compare(
    init: str | Start | Sequence[str | Start] | None = None,
    *,
    tasks: str | Sequence[str | Mapping[str, Any]] = "classic",
    model: str | Callable[[], Any] | None = None,
    device: str | None = None,
    ensemble: int | None = None,
    data: str | Path | CsvText | Dataset | None = None,
    target: str | None = None,
    standardize: bool | None = None,
    loss: str | Callable[[Any, Any], Any] | None = None,
    widths: Sequence[int] | None = None,
    activation: str | Activation | Callable[[Any], Any] | None = None,
    learning_rate: float | str | Sequence[float] | None = None,
    learning_rate_schedule: str | None = None,
    warmup: int | None = None,
    tuning_seeds: str | Sequence[int] | None = None,
    tuning_criterion: str = "final_loss",
    steps: int | None = None,
    early_stopping: int | None = None,
    batch_size: int | None = None,
    optimizer: str | None = None,
    weight_decay: float | None = None,
    gradient_clipping: float | None = None,
    seed: int | None = None,
    seeds: str | Sequence[int] | None = None,
    stream: str | None = None,
    record_every: int | None = None,
    dtype: str | None = None,
    engine: EngineName = "auto",
    perturbations: int = PERTURBATIONS,
    margin: float = 0.0,
    target_loss: float | None = None,
    study: str | Path | None = None,
    out: str | Path | None = None,
    overwrite: bool = False,
    cluster: str | None = None,
    time_limit: float | None = None,
    retry: str | None = None,
    mixed: bool = False,
    progress: Progress | None = None,
    announce: Announce | None = None,
) -> Comparison:
    """Train the same networks on the same data from several initializations, and compare what becomes of them.

    With no argument this is the classic experiment: two circles of points, a [2, 10, 5, 1] ReLU network, 15,000
    steps of gradient descent, started from zeros, normal(std=10) and he_normal; first with seed 3, then with 50.

    Arguments:
        init: one initialization or several: names, `name(option=value)` texts, initializers or methods; or one of your
            own as `file.py:NAME` or `MODULE:NAME`, a function or a class.
        tasks: one named task or several (`goodinit.tasks()`), or mappings of the options below with a `name`.
        model: a person's own PyTorch model in place of the network: a function that gives a new `torch.nn.Module`, or
            (model, data), as the function itself, `MODULE:FUNCTION` or `file.py:FUNCTION`. An initialization may then
            be `default`, the model's own start.
        device: where models are trained: cpu, or one GPU such as cuda.
        ensemble: models that are trained at once as stacked arrays, by `torch.func.vmap`: faster where a model is
            small, with the same numbers but for rounding. Not for recurrent layers, dropout, or early stopping.
        data: a built-in data set (`goodinit.datasets.names()`), with options as in `moons(noise=0.3, points=600)`, the
            path of a CSV or NPZ file, a CSV's text, or a Dataset.
        target: a CSV's column of labels or targets, or an NPZ's array of them.
        standardize: shift and scale a file's features, and a target of numbers, by the training rows' mean and standard
            deviation.
        loss: `squared_error` to predict a file's target as a number (regression), or to compare outputs with 0 and 1
            where built-in data or a Dataset has classes; `cross_entropy` for classes; None means what built-in data is
            made for, and classes for a file. With a model also a function of your own, as itself, `file.py:NAME` or
            `MODULE:NAME`: of (outputs, targets), it gives their mean loss.
        widths: the sizes of the hidden layers.
        activation: of the hidden layers, a name of `goodinit.activations.names()`, an Activation, or a plain function
            of an array, whose derivative is then that of `goodinit.activations.of_function`.
        learning_rate: one, several, or `auto`. Of several each initialization is evaluated with its best one, found on
            seeds of their own; `auto` tries a grid from 1e-4 to 3.16, and beyond where the best one lies at its end.
        learning_rate_schedule: what becomes of the learning rate over the steps: `constant`, or down to 0 after the
            last one, `linear` or along a `cosine`, as by PyTorch's `LinearLR` and `CosineAnnealingLR`.
        warmup: the steps before that, in which the rate rises: to (n + 1) / (warmup + 1) of it in step n, from 0.
        tuning_seeds: the seeds that learning rates are chosen on, other than those of the evaluation.
        tuning_criterion: what decides among learning rates, by its median over the tuning seeds: `final_loss` of the
            training, `area` under the curve of the training loss, `validation_loss` or `validation_score` on a quarter
            of the examples to train on, which the tuning holds out.
        steps: the number of updates.
        early_stopping: training ends when so many recorded steps in a row have passed without a lower validation loss,
            and the parameters of the lowest one count; a quarter of the training examples, chosen by the seed, is held
            out for that. A network is trained on beside others, and what came after its stop is dropped.
        batch_size: examples a step; None takes the task's, all for the classic one.
        optimizer: gradient_descent, momentum (0.9), adam or adamw (weight decay 0.01).
        weight_decay: that of PyTorch's optimizers, of all parameters, biases too: with gradient descent, momentum and
            adam so many times a parameter is added to its gradient; adamw multiplies the parameter by 1 less the
            learning rate times it. None means none, and 0.01 for adamw.
        gradient_clipping: the largest Euclidean norm of a step's gradient over all parameters; a larger gradient is
            scaled down to it, as by `torch.nn.utils.clip_grad_norm_`, before any weight decay is added.
        seed, seeds: one seed, or several as `0-19` or a list. A seed gives initial weights, batches' order, and data
            that is made or split, each from its own stream; every initialization gets the same data and order.
        stream: where weights come from: `randomstate` (the classic experiment's) or `keyed` (by seed and weight name).
        record_every: steps between recorded losses; None chooses a round number that gives about 15 to 40.
        dtype: `float64` or `float32`.
        engine: `auto`, `reference`, `lanes` or `torch`.
        perturbations: how often each start of the first seed is trained again with its weights changed by one part
            in 1e15, to measure how far rounding moves the curve; 0 leaves this out.
        margin: differences in the score up to this are called equivalent: in test accuracy, or in test R² for
            regression.
        target_loss: the training loss that counts as learned; None for half of that of guessing.
        study: a file that keeps every trial as it ends; the same study again runs only what is missing.
        out: a folder for the figures and `result.json`; None writes nothing.
        overwrite: replace another run's files in `out`.
        cluster: train on a Ray cluster: `auto` for the one of this machine or of RAY_ADDRESS, `host:port` of its
            head, or `local` for one of this run's own on all processors; None trains in this process.
        time_limit: seconds that one trial may take by itself; one that takes longer was not trained: it is counted
            apart, and says nothing of its start.
        retry: which stored trials that could not be trained are tried again: `failed` for all of them, `never` for
            none; None for those that a time limit ended which is now longer, or gone.
        mixed: go on with a study whose stored trials were trained by another engine or version, though their last
            digits may differ.
        progress: called with what is done, the trained networks and their number.
        announce: called once, before anything is trained, with the `Plan`: how many trials there are, how many are
            stored, and about how many seconds the others take here. Measuring that takes a fraction of a second a task.

    Returns a Comparison: `.trials`, `.ranking()`, `.to_dict()`, `.report(path)`, and tables when printed.

    >>> result = compare(["zeros", "he_normal"], steps=200, seeds="0-2", perturbations=0)
    >>> [(trial.initialization, trial.seed) for trial in result.trials][:3]
    [('zeros', 0), ('he_normal', 0), ('zeros', 1)]
    >>> round(result.trials[0].final_loss, 6)
    0.693147

    Raises GoodinitError for a value that cannot be used, before anything is trained or written.
    """
    given = dict(locals())
    if seed is not None and seeds is not None:
        raise GoodinitError(f"seed {seed} and seeds {shown(seeds)} were given; give one of them")
    options = {option.name: given[option.name] for option in task_options() if option.name != "learning_rate"}
    plain = (
        tasks == "classic"
        and init is None
        and learning_rate is None
        and not any(value is not None for value in options.values())
    )
    if seeds is None and seed is None and plain:
        chosen_seeds = (CLASSIC_SEED, *(s for s in DEMONSTRATION_SEEDS if s != CLASSIC_SEED))
    else:
        chosen_seeds = parse_seeds(seeds if seeds is not None else CLASSIC_SEED if seed is None else seed)
    designed = partial(
        design,
        init,
        tasks=tasks,
        learning_rate=learning_rate,
        tuning_seeds=tuning_seeds,
        tuning_criterion=tuning_criterion,
        seeds=chosen_seeds,
        **options,
    )
    plan = designed()
    if engine not in ENGINES:
        raise unknown_name("engine", str(engine), ENGINES)
    for option in OPTIONS.values():
        if option.scope == "run":
            option.check(given[option.name])
    if retry not in (None, *OPTIONS["retry"].choices):
        raise GoodinitError(f"retry {shown(retry)}: choose {OPTIONS['retry'].takes}")
    check_cluster(cluster)
    folder = OutputFolder(out, overwrite) if out is not None else None
    conducted = partial(
        run_study,
        path=study,
        engine=engine,
        perturbations=perturbations,
        margin=margin,
        target_loss=target_loss,
        cluster=cluster,
        time_limit=time_limit,
        retry=retry,
        mixed=mixed,
        progress=progress,
        announce=announce,
    )
    try:
        comparison = conducted(plan)
    except StillToTrainError:
        with remembering(keep=False, recall=False):
            comparison = conducted(designed())
    if folder is not None:
        comparison.save(folder)
    return comparison


def run_study(
    study: Study,
    *,
    path: str | Path | None = None,
    engine: EngineName = "auto",
    perturbations: int = 0,
    margin: float = 0.0,
    target_loss: float | None = None,
    cluster: str | None = None,
    time_limit: float | None = None,
    retry: str | None = None,
    mixed: bool = False,
    progress: Progress | None = None,
    announce: Announce | None = None,
) -> Comparison:
    """Run what is missing of a study and return all of it; trials are kept in the file at `path`, or in memory."""
    with conducting(
        study,
        path=path,
        engine=engine,
        cluster=cluster,
        time_limit=time_limit,
        retry=retry,
        mixed=mixed,
        progress=progress,
    ) as conductor:
        policy = TuneThenEvaluate(study, perturbations)
        if announce is not None:
            _, tuned = wanted_tuning(study, conductor.finished)
            where = None if cluster else engine  # what a cluster needs is not measured on this machine
            stored = conductor.store.keys() - conductor.again
            announce(estimate(study, engine=where, perturbations=perturbations, tuned=tuned, stored=stored))
        conductor.conduct(policy)
        _, tuned = wanted_tuning(study, conductor.finished)
        jobs = policy.evaluation(conductor.finished)
        found = {trial.place: trial for trial in conductor.finished(jobs)}
    trials = tuple(found[study.tasks[j.task].name, str(j.initializer), float(j.learning_rate), j.seed] for j in jobs)
    return Comparison(study, trials, tuple(tuned), margin, target_loss, engine)
