"""The command `goodinit`: thin over the Python calls."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import replace
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup

from goodinit import cli_advise, cli_audit, cli_check, cli_recommend, cli_suite, cli_transfer
from goodinit.cli_complete import completion, shown_names
from goodinit.cli_ends import StoppedError, guarded, stoppable
from goodinit.cli_options import JsonOnly
from goodinit.cli_progress import ProgressBar
from goodinit.cli_read import integer, number
from goodinit.errors import GoodinitError, shown
from goodinit.options import DEFAULT_OUT, OPTIONS, Option

__all__ = ["app", "main", "with_options"]


class _Commands(TyperGroup):
    """Commands that Ctrl-C ends as `guarded` says; Typer itself would end them with a code of its own."""

    def make_context(self, *given: Any, **options: Any) -> Any:
        """Read the options."""
        with stoppable():
            return super().make_context(*given, **options)

    def invoke(self, ctx: typer.Context) -> Any:  # type: ignore[override]  # Typer's own type is click's, which it hides
        """Run the command."""
        with stoppable():
            return super().invoke(ctx)


app = typer.Typer(
    cls=_Commands,
    add_completion=True,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Choose, check and compare the initial weights of neural networks.",
)


def _integers(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")] if text.strip() else []
    except ValueError:
        raise GoodinitError(f"widths {shown(text)}: give integers with commas between them, such as 10,5") from None


def _learning_rates(given: list[str] | None) -> float | str | list[float] | None:
    if not given:
        return None
    if given == ["auto"]:
        return "auto"
    return [number(each) for each in given]


@app.callback(invoke_without_command=True)
def _root(version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False) -> None:
    if version:
        from goodinit import __version__

        typer.echo(f"goodinit {__version__}")
        raise typer.Exit


def _parameter(option: Option) -> Parameter:
    """An option as typer takes it."""
    types: dict[str, Any] = {"texts": list[str], "rates": list[str], "integer": int, "number": float, "switch": bool}
    parser = {"integer": integer, "number": number}.get(option.kind)
    names = () if option.kind == "switch" else (f"--{option.word}",)
    declared = typer.Option(
        *names,
        metavar=option.metavar or None,
        parser=parser,
        help=option.help,
        autocompletion=completion(option.name),
    )
    kind: Any = bool if option.kind == "flag" else types.get(option.kind, str) | None
    default = False if option.kind == "flag" else None
    return Parameter(option.name, Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, declared])


def with_options(function: Callable[..., None]) -> Callable[..., None]:
    """The function with every option of the table as a parameter of its own, in place of `**given`."""
    before = signature(function, eval_str=True).parameters.values()
    own = [each for each in before if each.kind not in (each.VAR_KEYWORD, each.KEYWORD_ONLY)]
    every = [*own, *(_parameter(option) for option in OPTIONS.values())]
    function.__signature__ = Signature(every)  # type: ignore[attr-defined]  # inspect and typer read it, mypy does not
    function.__annotations__ = {}
    return function


_READ: Final[dict[str, Callable[[Any], Any]]] = {
    "texts": lambda given: given or None,
    "rates": _learning_rates,
    "integers": lambda given: None if given is None else _integers(given),
}


@app.command()
@with_options
def compare(
    study_toml: Annotated[
        str | None, typer.Argument(metavar="[STUDY.toml]", help="A study described in a file; options go on top.")
    ] = None,
    **given: Any,
) -> None:
    """Train one network from several starts, on many seeds, and say which lets it learn, and why.

    With no option: the classic experiment, two circles of points and three starts, with seed 3 and then with 50.
    """
    from goodinit import comparison, report
    from goodinit.cli_console import console as terminal
    from goodinit.comparison.remembered import remembering

    options = comparison.load_study(study_toml) if study_toml is not None else {}
    for option in OPTIONS.values():
        if option.scope != "command":
            value = _READ.get(option.kind, lambda value: value)(given[option.name])
            options |= {} if value is None else {option.name: value}
    study, out, page_file, overwrite = given["study"], given["out"], given["report"], given["overwrite"]
    folder: report.OutputFolder | None = None
    if out is not None:
        folder = report.OutputFolder(out, overwrite)
    elif not given["json"] and page_file is None:
        folder = report.OutputFolder.fresh(DEFAULT_OUT)
    if page_file is not None:
        report.check_page(page_file, overwrite)
    bar = ProgressBar(hidden=given["quiet"])
    alone = study is not None and given["cluster"] is None
    models = remembering(keep=alone, recall=alone and Path(study).exists())
    with bar as progress, redirect_stdout(sys.stderr), models:  # Ray prints what nodes do
        try:
            announce = None if given["quiet"] else bar.announce
            result = comparison.compare(**options, study=study, progress=progress, announce=announce)
        except KeyboardInterrupt:
            progress_is = f"the same command goes on from what {study} holds" if study else "nothing was written"
            raise StoppedError(progress_is) from None
    written = result.save(folder) if folder is not None else None
    page = result.report(page_file, overwrite=overwrite) if page_file is not None else None
    if given["json"]:
        typer.echo(result.to_json())
    elif not given["quiet"]:
        console = terminal()
        console.print(report.summary(result.task, result.shown, result.summaries, result.across_tasks))
        if not result.task.data.regression and len(result.task.data.features) != 2:
            console.print("No decision boundary is drawn: it needs data with two features.", markup=False)
        if written is not None:
            console.print(f"Figures and result.json are in {written}{os.sep}", markup=False, highlight=False)
        if page is not None:
            console.print(f"The report is {page}", markup=False, highlight=False)


@app.command()
def show(
    name: Annotated[
        str | None,
        typer.Argument(
            help="An initializer, method, recipe or activation; without it, the catalogue.",
            autocompletion=shown_names,
        ),
    ] = None,
    widths: Annotated[
        str | None,
        typer.Option(metavar="N,N,...", help="Inputs, hidden layers, outputs: what the initializer does there."),
    ] = None,
    activation: Annotated[str, typer.Option(metavar="NAME", help="Activation of that network.")] = "relu",
    seed: Annotated[int, typer.Option(metavar="N", parser=integer, help="Seed of the weights drawn.")] = 0,
    bias_variance: Annotated[
        float, typer.Option(metavar="X", parser=number, help="Of the biases, for an activation's theory.")
    ] = 0.05,
    out: Annotated[str | None, typer.Option(metavar="DIR", help="Write an activation's figures there.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace other figures in --out.")] = False,
) -> None:
    """List initializers, methods and recipes, or show one: its formula or rules, its source, its name elsewhere.

    With --widths: what it does in that network, layer by layer. With an activation's name: its gains, critical line
    and depth scales.
    """
    from goodinit import activations, checkup, initializers, methods, networks, recipes, report, theory
    from goodinit.cli_console import console as terminal
    from goodinit.spec import parse_spec

    console = terminal()
    if name is None:
        known = [recipes.get(each) for each in recipes.names()]
        console.print(report.catalogue(initializers.catalogue(), known, methods.catalogue()))
        return
    if parse_spec(name)[0] in recipes.names():
        console.print(report.recipe(recipes.get(name)))
        return
    if activations.is_known(name):
        folder = report.OutputFolder(out, overwrite) if out is not None else None
        survey = theory.survey(name, bias_variance=bias_variance)
        console.print(report.activation(survey))
        if folder is not None:
            written = folder.write(report.theory_figures(survey))
            console.print(f"The figures are in {written}{os.sep}", markup=False, highlight=False)
        return
    initializer = methods.get(name)
    console.print(report.entry(initializer))
    if widths is not None:
        network = networks.MLP(tuple(_integers(widths)), activations.get(activation), "cross_entropy")
        console.print(report.forecast(checkup.forecast(initializer, network, seed), initializer, network, seed))


@app.command()
def bench(
    quick: Annotated[bool, typer.Option("--quick", help="Fewer sizes and repetitions: about a minute.")] = False,
    full: Annotated[bool, typer.Option("--full", help="More sizes, up to 100,000 networks: many minutes.")] = False,
    processor_time: Annotated[
        bool, typer.Option("--processor-time", help="Count the processor's seconds: for a busy machine.")
    ] = False,
    out: Annotated[
        str | None, typer.Option(metavar="DIR", help="Write bench.md, bench.json and the figures there.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace another run in --out.")] = False,
    json: JsonOnly = False,
) -> None:
    """Measure how fast this machine trains networks and draws weights, beside NumPy, PyTorch and JAX where installed.

    All take turns in one process; ratios come first.
    """
    from rich.console import Console

    from goodinit import bench as benchmark

    if quick and full:
        raise GoodinitError("--quick and --full exclude each other; choose one")
    folder = benchmark.BenchFolder(out, overwrite) if out is not None else None
    console = Console(stderr=True)
    with console.status("measuring", spinner="line") as status:
        sizes = benchmark.QUICK if quick else benchmark.FULL if full else benchmark.USUAL
        sizes = replace(sizes, processor_time=processor_time)
        result = benchmark.bench(sizes, lambda text: status.update(f"measuring: {text}"))
    written = folder.save(result) if folder is not None else None
    typer.echo(benchmark.to_json(result) if json else benchmark.markdown(result))
    if written is not None and not json:
        typer.echo(f"bench.md, bench.json and the figures are in {written}{os.sep}")


@app.command()
def lab(
    port: Annotated[
        int | None, typer.Option(metavar="N", parser=integer, help="Where to serve it; 0 for any free port.")
    ] = None,
    browser: Annotated[bool, typer.Option(help="Open the page in the browser.")] = True,
    link_base: Annotated[
        str | None,
        typer.Option("--link-base", metavar="URL", help="Where links to scenes point: a public copy of the page."),
    ] = None,
    export: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write the page into a folder for any web host, and end.")
    ] = None,
) -> None:
    """Open the lab: a page, on this machine only, that shows starts side by side and what becomes of them.

    Ctrl-C ends it. With --export the page trains by itself: its folder needs no server but one of files.
    """
    from goodinit import lab as room

    if export is not None:
        if port is not None:
            raise GoodinitError("--port goes with serving the lab, --export with writing it to a folder; give one")
        written = room.export_page(export)
        size = sum(path.stat().st_size for path in written)
        typer.echo(
            f"The lab is in {export}: {len(written)} files, {size / 1e6:.2f} MB. Put the folder on any web host,"
        )
        typer.echo(f"or look at it here: python -m http.server --directory {shlex.quote(str(export))}")
        return

    def tell(address: str) -> None:
        typer.echo(f"The lab is at {address}\nCtrl-C ends it.")

    room.serve(room.PORT if port is None else port, browser=browser, tell=tell, link_base=link_base)
    typer.echo("\nThe lab has ended.")


app.command(name="check")(cli_check.check)
app.command(name="advise")(cli_advise.advise)
app.command(name="audit")(cli_audit.audit)
app.command(name="recommend")(cli_recommend.recommend)
app.command(name="suite")(cli_suite.suite)
app.command(name="transfer")(cli_transfer.transfer)


def main() -> None:
    """Run the command line: exit code 0, 2 for a wrong input or a full disk, 130 after Ctrl-C, 143 after SIGTERM."""
    guarded(app)
