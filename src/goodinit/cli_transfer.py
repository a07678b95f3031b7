"""The command `goodinit transfer`."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from typing import Annotated

import typer

from goodinit.cli_options import JsonOnly, Overwrite

__all__ = ["transfer"]


def transfer(
    factory: Annotated[
        str,
        typer.Argument(
            metavar="MODULE:FACTORY",
            help="A function of width (or depth) that returns (model, inputs, targets, loss, optimizer).",
        ),
    ],
    widths: Annotated[str | None, typer.Option(metavar="64,128,256", help="The widths, three or more.")] = None,
    depths: Annotated[str | None, typer.Option(metavar="4,8,16", help="The depths, in place of widths.")] = None,
    optimizer: Annotated[
        str | None, typer.Option(metavar="NAME", help="gradient_descent, momentum, adam or adamw.")
    ] = None,
    learning_rate: Annotated[float | None, typer.Option(metavar="X", help="For the optimizer.")] = None,
    steps: Annotated[int, typer.Option(metavar="N", help="Steps of training before the last look.")] = 4,
    seeds: Annotated[str, typer.Option(metavar="3", help="How many, or which: 0,1,2.")] = "3",
    init: Annotated[str | None, typer.Option(metavar="SPEC", help="What fills the model.")] = None,
    parametrization: Annotated[
        str | None, typer.Option(metavar="NAME", help="What is promised: mup, completep, standard or none.")
    ] = None,
    rates: Annotated[
        str | None, typer.Option(metavar="0.1,0.03,0.01", help="Also train at these rates, for the proof.")
    ] = None,
    proof_steps: Annotated[int, typer.Option(metavar="N", help="The steps of each of those runs.")] = 60,
    report_page: Annotated[
        str | None, typer.Option("--report", metavar="FILE", help="Write the check, an HTML page.")
    ] = None,
    overwrite: Overwrite = False,
    figure: Annotated[str | None, typer.Option(metavar="FILE", help="Write the figure: .svg, .pdf or .png.")] = None,
    json: JsonOnly = False,
) -> None:
    """Say whether a learning rate carries over as a model grows in width or depth, and if not, why.

    A few steps at each size, measured layer by layer. The exit code is 1 where the rate does not transfer, or where
    there is not enough data to tell.
    """
    from goodinit.cli_console import console as terminal
    from goodinit.report import check_drawn, check_new
    from goodinit.transferring import transfer as run

    if report_page is not None:
        check_new(report_page, overwrite, "transfer.html")
    if figure is not None:
        check_drawn(figure)
    with redirect_stdout(sys.stderr):  # what the factory prints is not the check's
        found = run(
            factory,
            widths=_numbers("widths", widths),
            depths=_numbers("depths", depths),
            optimizer=optimizer,
            learning_rate=learning_rate,
            steps=steps,
            seeds=_seeds(seeds),
            init=init,
            parametrization=parametrization,
            rates=_floats(rates),
            proof_steps=proof_steps,
        )
    page = found.report(report_page, overwrite=overwrite) if report_page is not None else None
    if figure is not None:
        found.figure(figure)
    if json:
        typer.echo(found.to_json())
    else:
        console = terminal(120)
        console.print(found)
        if page is not None:
            console.print(f"The page is {page}", markup=False, highlight=False)
    if not found.transfers:
        raise typer.Exit(1)


def _numbers(name: str, text: str | None) -> list[int] | None:
    from goodinit.errors import GoodinitError

    if text is None:
        return None
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise GoodinitError(f"{name} {text!r}: give integers with commas between them, such as 64,128,256") from None


def _seeds(text: str) -> int | list[int]:
    found = _numbers("seeds", text)
    assert found is not None
    return found if "," in text else found[0]


def _floats(text: str | None) -> list[float] | None:
    from goodinit.errors import GoodinitError

    if text is None:
        return None
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise GoodinitError(f"rates {text!r}: give numbers with commas between them, such as 0.1,0.03,0.01") from None
