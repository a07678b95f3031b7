"""The command `goodinit recommend`."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from typing import Annotated

import typer

from goodinit.cli_ends import StoppedError
from goodinit.cli_options import ClusterAt, JsonOnly, Kept, Overwrite, Quiet
from goodinit.cli_progress import ProgressBar
from goodinit.cli_read import integer, number

__all__ = ["recommend"]


def recommend(
    factory: Annotated[
        str,
        typer.Argument(
            metavar="MODULE:FACTORY",
            help="A function that returns a new model, or (model, data); or a task's name, such as spirals.",
        ),
    ],
    data: Annotated[
        str | None, typer.Option(metavar="NAME|PATH", help="Built-in data, or a CSV or NPZ file, for the model.")
    ] = None,
    target: Annotated[str | None, typer.Option(metavar="COLUMN", help="The file's labels or targets.")] = None,
    loss: Annotated[str | None, typer.Option(metavar="NAME", help="squared_error: the target is a number.")] = None,
    budget: Annotated[
        str, typer.Option(metavar="2min|200", help="A time, as in 90s or 1h, or a number of full trainings.")
    ] = "2min",
    candidate: Annotated[
        list[str] | None, typer.Option(metavar="SPEC", help="A start to race; repeat for several.")
    ] = None,
    baseline: Annotated[
        str | None, typer.Option(metavar="SPEC", help="What others are held against (the model's own start).")
    ] = None,
    learning_rate: Annotated[
        list[float] | None,
        typer.Option(metavar="X", parser=number, help="A rate to race; repeat for several."),
    ] = None,
    optimizer: Annotated[
        str | None, typer.Option(metavar="NAME", help="gradient_descent, momentum, adam, adamw.")
    ] = None,
    steps: Annotated[int | None, typer.Option(metavar="N", parser=integer, help="Of a full training.")] = None,
    batch_size: Annotated[int | None, typer.Option(metavar="N", parser=integer, help="Examples a step.")] = None,
    device: Annotated[str | None, typer.Option(metavar="NAME", help="cpu or cuda.")] = None,
    ensemble: Annotated[
        int | None, typer.Option(metavar="N", parser=integer, help="Models trained at once as stacked arrays.")
    ] = None,
    criterion: Annotated[
        str, typer.Option(metavar="NAME", help="validation_loss, validation_score, final_loss or area.")
    ] = "validation_loss",
    seeds: Annotated[int, typer.Option(metavar="N", parser=integer, help="Fresh seeds of the finals, at most.")] = 400,
    study: Kept = None,
    cluster: ClusterAt = None,
    report_page: Annotated[
        str | None, typer.Option("--report", metavar="FILE", help="Write the race, an HTML page.")
    ] = None,
    overwrite: Overwrite = False,
    figure: Annotated[str | None, typer.Option(metavar="FILE", help="Draw the race: .svg, .pdf or .png.")] = None,
    json: JsonOnly = False,
    quiet: Quiet = False,
) -> None:
    """Race starts on your own task within a budget, and say which to take, at which learning rate.

    Each is checked, the sound ones are raced at several learning rates by successive halving, and the best are held
    against the model's own start on fresh seeds. A start that is no better is called better in at most 5 % of races.
    Ctrl-C ends the race with the best so far; the exit code is then 130.
    """
    from goodinit.cli_console import console as terminal
    from goodinit.recommending import recommend as run
    from goodinit.report import check_drawn, check_new

    if report_page is not None:
        check_new(report_page, overwrite, "race.html")
    if figure is not None:
        check_drawn(figure)
    with ProgressBar(hidden=quiet) as progress, redirect_stdout(sys.stderr):  # what the factory prints is no answer
        try:
            found = run(
                factory,
                data,
                loss=loss,
                target=target,
                budget=budget,
                candidates=candidate or None,
                baseline=baseline,
                learning_rates=learning_rate or None,
                optimizer=optimizer,
                steps=steps,
                batch_size=batch_size,
                device=device,
                ensemble=ensemble,
                criterion=criterion,
                seeds=seeds,
                study=study,
                cluster=cluster,
                progress=progress,
            )
        except KeyboardInterrupt:
            raise StoppedError("the race had not begun, so that nothing can be told") from None
    page = found.report(report_page, overwrite=overwrite) if report_page is not None else None
    if figure is not None:
        found.figure(figure)
    if json:
        typer.echo(found.to_json())
    else:
        console = terminal()
        console.print(found)
        if page is not None:
            console.print(f"The page is {page}", markup=False, highlight=False)
    if found.stopped:
        raise StoppedError(f"the same command goes on from what {study} holds" if study else "that is the best so far")
