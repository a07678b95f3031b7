"""The command `goodinit advise`."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from typing import Annotated

import typer

__all__ = ["advise"]


def advise(
    factory: Annotated[
        str,
        typer.Argument(metavar="MODULE:FACTORY", help="A function that returns (model, inputs, targets, loss)."),
    ],
    data: Annotated[
        str | None, typer.Option(metavar="NAME|PATH", help="Data for a model that comes without: as for compare.")
    ] = None,
    target: Annotated[str | None, typer.Option(metavar="COLUMN", help="The label column of a file.")] = None,
    loss: Annotated[
        str | None, typer.Option(metavar="NAME", help="squared_error: a file's target is a number to predict.")
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="What PyTorch draws starts from it.")] = 0,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
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
