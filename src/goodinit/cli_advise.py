"""The command `goodinit advise`."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout

import typer

from goodinit.cli_options import Factory, FileLoss, JsonOnly, ModelData, Seed, Target

__all__ = ["advise"]


def advise(
    factory: Factory,
    data: ModelData = None,
    target: Target = None,
    loss: FileLoss = None,
    seed: Seed = 0,
    json: JsonOnly = False,
) -> None:
    """Say which initializations a PyTorch model's structure makes sound, in order, without training.

    FACTORY is a function without arguments that returns a model, or (model, inputs), or (model, inputs, targets, loss),
    or a dict of any of them by name. Each initialization comes with the reason and with what was measured of it on a
    small model of the same structure.
    """
    from json import dumps

    from rich.text import Text

    from goodinit.advising import advise as ask
    from goodinit.checkup.model_given import ask_factory
    from goodinit.cli_console import console as terminal

    with redirect_stdout(sys.stderr):  # what the factory and the model print is not the advice
        found = ask_factory(factory, ask, data, target, loss=loss, seed=seed)
    if json:
        facts = {name: advice.to_dict() for name, advice in found.items()}
        typer.echo(dumps(facts[""] if list(facts) == [""] else facts, indent=2, allow_nan=False))
        return
    console = terminal()
    for name, advice in found.items():
        if name:
            console.rule(Text(name))
        console.print(advice)
