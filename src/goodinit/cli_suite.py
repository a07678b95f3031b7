"""The command `goodinit suite`."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from typing import Annotated

import typer

from goodinit.cli_ends import StoppedError
from goodinit.cli_options import ClusterAt, JsonOnly, Kept, Overwrite, Quiet
from goodinit.cli_progress import ProgressBar
from goodinit.errors import GoodinitError

__all__ = ["suite"]


def suite(
    task: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A registered task; repeat for several. All without.")
    ] = None,
    which: Annotated[
        str, typer.Option("--set", metavar="NAME", help="What is registered: small, full or claims.")
    ] = "small",
    table: Annotated[bool, typer.Option("--table", help="Print the results that ship, and run nothing.")] = False,
    results: Annotated[
        list[str] | None, typer.Option(metavar="FILE", help="With --table: these results instead; repeat to join.")
    ] = None,
    study: Kept = None,
    out: Annotated[str | None, typer.Option(metavar="FILE", help="Write the results, a JSON file.")] = None,
    cluster: ClusterAt = None,
    report: Annotated[str | None, typer.Option(metavar="FILE", help="Write the page, with plots.")] = None,
    overwrite: Overwrite = False,
    figure: Annotated[str | None, typer.Option(metavar="FILE", help="Draw the ranks: .svg, .pdf or .png.")] = None,
    json: JsonOnly = False,
    quiet: Quiet = False,
) -> None:
    """Run the suite, the registered benchmark of initializations, or print its results.

    Every start is tuned with 1, 3 and 10 learning rates on seeds of their own, and judged on paired seeds, two
    starts at the rate of each.
    """
    from goodinit.cli_console import console as terminal
    from goodinit.report import check_drawn, check_new
    from goodinit.report.folder import write_new
    from goodinit.suite import read_result, registered, run_suite, suite_table
    from goodinit.suite.figure import write_figure
    from goodinit.suite.page import write_page

    if results and not table:
        raise GoodinitError("--results goes with --table; say both")
    if report is not None:
        check_new(report, overwrite, "suite.html")
    if out is not None:
        check_new(out, overwrite, "suite.json")
    if figure is not None:
        check_drawn(figure)
    if table:
        found = read_result(*(results or ()), name=which)
    else:
        with ProgressBar(hidden=quiet) as progress, redirect_stdout(sys.stderr):
            try:
                found = run_suite(
                    tasks=task, study=study, cluster=cluster, protocol=registered(which), progress=progress
                )
            except KeyboardInterrupt:
                kept = f"the same command goes on from what {study} holds" if study else "nothing was written"
                raise StoppedError(kept) from None
    if out is not None:
        write_new(out, (found.to_json() + "\n").encode(), overwrite, "suite.json")
    if report is not None:
        write_page(found, report, overwrite)
    if figure is not None:
        write_figure(found, figure)
    if json:
        typer.echo(found.to_json())
    else:
        terminal(140).print(suite_table(found))
