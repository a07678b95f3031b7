"""`advise`: one run shows the structure, rules judge the model's own start, and measured evidence sets the order."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import TYPE_CHECKING, Any, Final

from goodinit import methods
from goodinit.advising.evidence import evidence
from goodinit.advising.records import Advice, Advised
from goodinit.advising.starts import STARTS
from goodinit.checkup.model_check import check
from goodinit.errors import GoodinitError
from goodinit.methods import Method
from goodinit.methods.traits import Traits, traits
from goodinit.structure import Structure

if TYPE_CHECKING:
    import torch

    from goodinit.pytorch.known import KnownModel

__all__ = ["advise"]

_BEHIND: Final = 0.1  # of test accuracy behind the best measured: no longer sound


def advise(
    model: torch.nn.Module,
    inputs: Any,
    targets: Any = None,
    *,
    loss: Callable[..., Any] | None = None,
) -> Advice:
    """Which initializations this model's structure makes sound, in order, each with its reason and our own evidence.

    Nothing is trained, and the model is left as it was. One run shows the structure: depth, activations, residual
    streams, norms, attention. What suits it is asked of every initializer, method and recipe; those whose conditions
    it does not meet are left out. The order is that of their test accuracies on a small model of the same structure,
    measured beforehand (docs/advise.md); what was not measured comes last. The model's own start, `default`, is an
    option where `goodinit.check` finds nothing severe, and the first where it raises no warning and nothing was
    measured on such a model.

    Arguments:
        model: any `torch.nn.Module`.
        inputs: a batch: a tensor, a tuple of positional arguments, or a dict of keywords.
        targets, loss: as for `goodinit.check`, which then sees gradients too.

    Returns an Advice: a table when printed, `.options` (each with `.init`, `.reason`, `.evidence`), `.findings` of the
    model's own start, `.to_dict()`.

    >>> import torch
    >>> layers = [layer for _ in range(12) for layer in (torch.nn.Linear(32, 32), torch.nn.Tanh())]
    >>> advice = advise(torch.nn.Sequential(*layers, torch.nn.Linear(32, 2)), torch.randn(64, 32))
    >>> advice.structure
    'plain tanh: 13 layers, tanh'
    >>> [each.init for each in advice.options][:1]
    ['orthogonal(gain=1.05)']

    Raises GoodinitError where the model cannot be run on the inputs.
    """
    from goodinit.pytorch.known import known_model

    known = known_model(model, inputs)
    structure = known.structure
    found = traits(structure)
    own = check(model, inputs, targets, loss=loss)
    measured = evidence(found.kind)
    options, left_out = [], []
    for init, reason in _candidates(structure, found, own.healthy, tuple(measured.accuracies)):
        accuracy = measured.accuracies.get(init)
        if accuracy is not None and accuracy < measured.best - _BEHIND and init != "default":
            continue
        problem = _problem(init, known)
        if problem is not None:
            left_out.append((init, problem))
            continue
        options.append(Advised(init, reason, measured.of(init), accuracy))
    # Where nothing was measured, nothing speaks against a start of the model's own that raises no warning.
    sound = not measured.accuracies and all(each.severity == "info" for each in own.findings)
    order = {each.init: each.accuracy for each in options} | ({"default": 1.0} if sound else {})
    options.sort(key=lambda each: -1.0 if (found := order[each.init]) is None else found, reverse=True)
    return Advice(found.text, found.kind, tuple(options), own.findings, tuple(left_out), measured.setting)


def _candidates(
    structure: Structure, found: Traits, healthy: bool, measured: Collection[str]
) -> Iterator[tuple[str, str]]:
    """What suits, with why: initializers, and methods that were measured there or speak of structures themselves."""
    for init, suits in STARTS.items():
        if (reason := suits(found)) is not None:
            yield str(methods.get(init)), reason
    for init in dict.fromkeys([*methods.names(), *measured]):
        method = methods.get(init)
        if not isinstance(method, Method) or (init not in measured and type(method).suits is Method.suits):
            continue
        if (reason := method.suits(structure)) is not None:
            yield init, reason
    if healthy:
        yield "default", "its own start, in which nothing severe was found"


def _problem(init: str, known: KnownModel) -> str | None:
    """Why an initialization cannot fill this model; of several parameters that speak against it, the first."""
    try:
        known.plan(init, measured=False)
    except GoodinitError as error:
        lines = str(error).splitlines()
        return lines[min(1, len(lines) - 1)].strip()
    return None
