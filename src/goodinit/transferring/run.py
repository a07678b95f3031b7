"""A transfer check conducted: runs of every size and seed, rows, findings and the verdict."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from goodinit.errors import GoodinitError, shown
from goodinit.factories import load_factory
from goodinit.transferring.outcome import Transfer

if TYPE_CHECKING:
    import torch

    from goodinit.transferring.judging import Table
    from goodinit.transferring.runs import ScaledRun

__all__ = ["PARAMETRIZATIONS", "transfer"]

PARAMETRIZATIONS: Final = ("mup", "completep", "standard", "none")
_FEWEST: Final = 3  # sizes: two points have no line to lie beside


def transfer(
    make: str | Callable[..., Any],
    *,
    widths: Sequence[int] | None = None,
    depths: Sequence[int] | None = None,
    batch: Any = None,
    loss: Callable[..., Any] | None = None,
    optimizer: str | type[torch.optim.Optimizer] | Callable[..., Any] | None = None,
    learning_rate: float | None = None,
    steps: int = 4,
    seeds: int | Sequence[int] = 3,
    init: Any = None,
    parametrization: str | None = None,
    rates: Sequence[float] | None = None,
    proof_steps: int = 60,
    progress: Callable[[int, int], None] | None = None,
) -> Transfer:
    """Whether a learning rate that is right for a small model stays right as the model grows.

    A model of every size and seed is made, trained for a few steps as its optimizer says, and looked at on the first
    batch before and after each: outputs and their changes layer call by layer call, the spectral norm of every update
    beside sqrt(fan out / fan in), starts, rates, epsilon and decay. Over the sizes each has an exponent with an
    interval; where a rate carries over, those that decide are 0. One model is in memory at a time; the models get no
    wrapper and no hook, and PyTorch's random state stays as it is.

    Arguments:
        make: a function of `width` (or `depth`), or `MODULE:FUNCTION`; it returns a model, or (model, inputs, targets,
            loss, optimizer) up to any of them, or a dict of those.
        widths, depths: the sizes, three or more of one of them, such as [64, 128, 256, 512].
        batch: (inputs, targets), a list of such pairs, or a function of the step that gives one.
        loss: of (output, targets); without, the output's own `loss`.
        optimizer: a name (`gradient_descent`, `momentum`, `adam`, `adamw`), a class of PyTorch's, or a function of the
            model, which may also take `learning_rate`, `width` or `depth`, and returns an optimizer or several.
        learning_rate: for the optimizer; 1e-3 where it needs one and none is given.
        steps: of training before the last look; at least 2 to see past a readout that starts at zero.
        seeds: how many, or which.
        init: what fills the model, as for `goodinit.initialize`; without, it stays as its function made it.
        parametrization: what is promised: `mup`, `completep`, `standard` or `none`; found from the rates where it is
            not said.
        rates: learning rates to train at, for the proof: the best of each size, from the same seeds and data.
        proof_steps: the steps of each of those runs.
        progress: called with the number of finished runs and of all.

    Returns a Transfer: a table when printed, `.verdict`, `.transfers`, `.findings`, `.layers`, `.parameters`, `.proof`,
    `.to_dict()`, `.report(path)`, `.figure(path)`.

    >>> import torch
    >>> def make(width):
    ...     return torch.nn.Sequential(torch.nn.Linear(8, width), torch.nn.ReLU(), torch.nn.Linear(width, 2))
    >>> x, y = torch.randn(32, 8, generator=torch.Generator().manual_seed(0)), torch.arange(32) % 2
    >>> found = transfer(
    ...     make, widths=[16, 64, 256], batch=(x, y), loss=torch.nn.functional.cross_entropy, learning_rate=1e-2
    ... )
    >>> found.verdict, found.findings[0].code
    ('grows', 'readout-not-scaled')

    Raises GoodinitError where an argument is out of range, the function fails or returns something else, the layers
    differ from size to size, or the model is spread over processes.

    Sources: Yang et al. 2022 (arXiv 2203.03466, coordinate check); Yang, Simon and Bernstein 2023 (2310.17813, spectral
    norms); Dey et al. 2025 (2505.01618, depth).
    """
    from goodinit.transferring.given import Given
    from goodinit.transferring.judging import Table, layer_rows, parameter_rows
    from goodinit.transferring.runs import measured_run

    axis, sizes = _sizes(widths, depths)
    numbers = _seeds(seeds)
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
        raise GoodinitError(f"steps={shown(steps)}: steps must be an integer of at least 1; 4 is usual")
    if parametrization is not None and parametrization not in PARAMETRIZATIONS:
        raise GoodinitError(
            f"parametrization={shown(parametrization)}: it must be one of {', '.join(PARAMETRIZATIONS)}, or be left out"
        )
    name, factory = (make.__qualname__, make) if isinstance(make, type) else load_factory(make)
    given = Given(name, factory, axis, batch, loss, optimizer, learning_rate, init)
    rates = _rates(rates)
    total = len(sizes) * len(numbers) * (1 + len(rates))
    tell = progress or (lambda done, every: None)
    runs: list[ScaledRun] = []
    for size in sizes:
        for seed in numbers:
            runs.append(measured_run(given, size, seed, steps))
            tell(len(runs), total)
    table = Table(runs, axis)
    _check_layers(table, runs)
    from goodinit.transferring.causes import causes
    from goodinit.transferring.verdict import promise_of, verdict_of

    layers, parameters = layer_rows(table), parameter_rows(table)
    findings = causes(table, layers, parameters)
    promise = parametrization or promise_of(table, parameters)
    verdict, answer, more = verdict_of(table, layers, parameters, findings, promise)
    proof = None
    if rates:
        from goodinit.transferring.proof import prove

        proof = prove(given, sizes, numbers, rates, proof_steps, lambda done: tell(len(runs) + done, total))
    losses = {size: [_mean(table, size, step) for step in range(table.steps)] for size in sizes}
    return Transfer(
        name,
        axis,
        sizes,
        table.steps,
        numbers,
        promise,
        verdict,
        answer,
        tuple(layers),
        tuple(parameters),
        (*findings, *more),
        losses,
        proof,
    )


def _sizes(widths: Sequence[int] | None, depths: Sequence[int] | None) -> tuple[str, tuple[int, ...]]:
    if (widths is None) == (depths is None):
        raise GoodinitError("give widths=[...] or depths=[...], one of them: a check follows one size at a time")
    axis, given = ("width", widths) if widths is not None else ("depth", depths)
    assert given is not None
    sizes = tuple(given)
    if any(isinstance(each, bool) or not isinstance(each, int | np.integer) or each < 1 for each in sizes):
        raise GoodinitError(f"{axis}s={list(sizes)}: each must be an integer of at least 1")
    if len(set(sizes)) < _FEWEST:
        raise GoodinitError(
            f"{axis}s={list(sizes)}: an exponent needs {_FEWEST} sizes or more, such as 64, 128, 256, 512"
        )
    return axis, tuple(sorted({int(each) for each in sizes}))


def _seeds(seeds: int | Sequence[int]) -> tuple[int, ...]:
    numbers = tuple(range(seeds)) if isinstance(seeds, int) and not isinstance(seeds, bool) else None
    if numbers is None and not isinstance(seeds, int | str):
        numbers = tuple(dict.fromkeys(seeds))
    if not numbers or any(isinstance(each, bool) or not isinstance(each, int) or each < 0 for each in numbers):
        raise GoodinitError(f"seeds={shown(seeds)}: give how many, at least 1, or a list of integers of at least 0")
    return numbers


def _rates(rates: Sequence[float] | None) -> tuple[float, ...]:
    found = tuple(sorted({float(each) for each in rates or ()}))
    if rates is not None and (len(found) < 3 or not all(math.isfinite(each) and each > 0 for each in found)):
        raise GoodinitError(
            f"rates={list(rates)}: give three or more numbers above 0, such as [2**-k for k in range(4, 13)]"
        )
    return found


def _check_layers(table: Table, runs: Sequence[ScaledRun]) -> None:
    if not table.layers:
        raise GoodinitError("no layer of the model was seen at every size: its layers must have the same names")
    if table.axis == "width":
        first, last = runs[0], runs[-1]
        differing = sorted(set(first.parameters) ^ set(last.parameters))
        if differing:
            raise GoodinitError(
                f"the model of width {first.size} and that of width {last.size} do not have the same parameters "
                f"({differing[0]}); change the width alone, or give depths="
            )
        if all(each.shape == last.parameters[name].shape for name, each in first.parameters.items()):
            raise GoodinitError(
                f"no parameter's shape changes between width {first.size} and width {last.size}; "
                "make(width) must use its argument"
            )


def _mean(table: Table, size: int, step: int) -> float:
    curves = [table.runs[size, seed].losses for seed in table.seeds]
    return float(np.mean([curve[step] if step < len(curve) else math.nan for curve in curves]))
