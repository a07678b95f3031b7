"""The command `goodinit check`."""

from __future__ import annotations

import os
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Annotated, Any

import typer

from goodinit.cli_ends import StoppedError
from goodinit.cli_options import Factory, FileLoss, JsonOnly, ModelData, Overwrite, Seed, Target
from goodinit.cli_read import number
from goodinit.errors import GoodinitError

__all__ = ["check"]


def check(
    factory: Factory,
    data: ModelData = None,
    target: Target = None,
    loss: FileLoss = None,
    learning_rate: Annotated[
        float | None, typer.Option(metavar="X", parser=number, help="The one training starts with.")
    ] = None,
    optimizer: Annotated[str, typer.Option(metavar="NAME", help="sgd, momentum, adam, adamw, ...")] = "sgd",
    seed: Seed = 0,
    curvature: Annotated[bool, typer.Option("--curvature", help="Also the loss's largest curvature.")] = False,
    jacobian: Annotated[bool, typer.Option("--jacobian", help="Also the Jacobian's extreme singular values.")] = False,
    rounding: Annotated[bool, typer.Option("--rounding", help="Also the sensitivity to rounding.")] = False,
    ignore: Annotated[
        list[str] | None, typer.Option(metavar="CODE", help="A finding that is accepted; may be given several times.")
    ] = None,
    remedies: Annotated[
        bool, typer.Option(help="Try each remedy before it is shown, which takes a checkup each.")
    ] = True,
    baseline: Annotated[
        str | None, typer.Option(metavar="FILE", help="Write the checkup there; where it is there, tell what changed.")
    ] = None,
    report_page: Annotated[
        str | None, typer.Option("--report", metavar="FILE", help="Write the checkup, an HTML page.")
    ] = None,
    overwrite: Overwrite = False,
    max_rows: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="The most lines that are printed of a model; 40 if not said.")
    ] = None,
    json: JsonOnly = False,
) -> None:
    """Check whether a PyTorch model's start is healthy, layer by layer, and say what to change.

    FACTORY is a function without arguments that returns a model, or (model, inputs), or (model, inputs, targets, loss),
    or a dict of any of them by name. The exit code is 1 where a finding is severe, so that CI can guard a start; with
    a baseline, where a warning or a severe finding is new or more severe than it was.
    """
    from json import dumps

    from rich.text import Text

    from goodinit.checkup.model_changes import read_checkups, worse
    from goodinit.checkup.model_given import check_factory
    from goodinit.cli_console import console as terminal
    from goodinit.report import check_new, check_place, write_file

    file = Path(baseline) if baseline is not None else None
    before = read_checkups(file) if file is not None and os.path.lexists(file) else None
    if file is not None and before is None:
        check_place(file)
    if report_page is not None:
        check_new(report_page, overwrite, "checkup.html")
    options = {
        "learning_rate": learning_rate,
        "optimizer": optimizer,
        "ignore": tuple(ignore or ()),
        "remedies": remedies,
    }
    expensive = {"curvature": curvature, "jacobian": jacobian, "rounding": rounding}
    try:
        with redirect_stdout(sys.stderr):  # what the factory and the model print is not the checkup's
            checkups = check_factory(factory, data, target, loss=loss, seed=seed, **options, **expensive)
    except KeyboardInterrupt:
        raise StoppedError("nothing was written") from None
    if report_page is not None and len(checkups) > 1:
        raise GoodinitError(f"--report: {factory} returned {len(checkups)} models; a page is for one")
    page = next(iter(checkups.values())).report(report_page, overwrite=overwrite) if report_page is not None else None
    facts = {name: checkup.to_dict() for name, checkup in checkups.items()}
    if file is not None and before is None:
        write_file(file, f"{dumps({'checkups': facts}, indent=2, allow_nan=False)}\n".encode())
    console = terminal()
    if json:
        typer.echo(dumps(facts[""] if list(facts) == [""] else facts, indent=2, allow_nan=False))
    elif before is not None:
        for name in dict.fromkeys((*before, *facts)):
            console.print(_changed(name, before.get(name), facts.get(name)), markup=False, highlight=False)
    else:
        for name, checkup in checkups.items():
            if name:
                console.rule(Text(name))
            console.print(checkup.table() if max_rows is None else checkup.table(max_rows))
    if page is not None and not json:
        console.print(f"The page is {page}", markup=False, highlight=False)
    nothing: dict[str, Any] = {"findings": []}
    if before is None:
        failed = not all(checkup.healthy for checkup in checkups.values())
    else:
        failed = any(worse(before.get(name, nothing), each) for name, each in facts.items())
    if failed:
        raise typer.Exit(1)


def _changed(name: str, old: dict[str, Any] | None, new: dict[str, Any] | None) -> str:
    from goodinit.checkup.model_changes import difference

    title = f"{name}: " if name else ""
    if old is None or new is None:
        return f"{title}{'absent' if old is None else 'checked'} -> {'absent' if new is None else 'checked'}"
    lines = str(difference(old, new)).splitlines()
    return "\n".join(f"{title}{line}" for line in lines)
