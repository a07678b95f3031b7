"""The command `goodinit audit`."""

from __future__ import annotations

import os
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Annotated, Final

import typer

from goodinit.cli_options import JsonOnly, Overwrite

__all__ = ["audit"]

_SHOWN: Final = 20  # findings


def audit(
    factory: Annotated[str, typer.Argument(metavar="MODULE:FACTORY", help="A function that returns a model.")],
    init: Annotated[
        str | None, typer.Option(metavar="METHOD", help="The model's method that fills it after to_empty.")
    ] = None,
    recipe: Annotated[
        str | None, typer.Option(metavar="NAME", help="The recipe that it should start as: gpt2, olmo2, llama, ...")
    ] = None,
    device: Annotated[
        str | None, typer.Option(metavar="NAME", help="cpu builds in memory at once, meta on no account.")
    ] = None,
    baseline: Annotated[
        str | None, typer.Option(metavar="FILE", help="Write the audit there; where it is there, tell what changed.")
    ] = None,
    report_page: Annotated[
        str | None, typer.Option("--report", metavar="FILE", help="Write the audit, an HTML page.")
    ] = None,
    overwrite: Overwrite = False,
    json: JsonOnly = False,
) -> None:
    """Say who filled every parameter of a PyTorch model, with what, from which line, or that nobody did.

    No memory is needed where the model can be built on the meta device. The exit code is 1 where a parameter is never
    filled, where its values are not those of its writes or of the recipe, or where something changed since the
    baseline.
    """
    from goodinit.auditing import audit as run
    from goodinit.auditing.result import read_baseline
    from goodinit.cli_console import console as terminal
    from goodinit.report import check_new, check_place, write_file

    console = terminal()
    file = Path(baseline) if baseline is not None else None
    before = read_baseline(file) if file is not None and os.path.lexists(file) else None
    if file is not None and before is None:
        check_place(file)
    if report_page is not None:
        check_new(report_page, overwrite, "audit.html")
    with redirect_stdout(sys.stderr):  # what the factory prints is not the audit's
        found = run(factory, init, recipe, device=device)
    changed = found.since(before) if before is not None else None
    if file is not None and before is None:
        write_file(file, f"{found.to_json()}\n".encode())
    page = found.report(report_page, overwrite=overwrite) if report_page is not None else None
    if json:
        typer.echo(found.to_json())
    elif changed is not None:
        console.print(f"{changed}", markup=False, highlight=False, emoji=False, soft_wrap=True)
    else:
        console.print(found)
        for each in found.findings[:_SHOWN]:
            console.print(f"{each.severity}: {each.where}: {each.message}", markup=False, highlight=False, emoji=False)
        if len(found.findings) > _SHOWN:
            console.print(f"{len(found.findings) - _SHOWN} more findings: --report or --json shows all")
    if page is not None and not json:
        console.print(f"The page is {page}", markup=False, highlight=False)
    if changed or not found.sound:
        raise typer.Exit(1)
