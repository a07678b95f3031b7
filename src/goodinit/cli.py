"""The command `goodinit`: thin over the Python calls."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from goodinit.errors import GoodinitError

if TYPE_CHECKING:
    from goodinit.comparison import Progress

__all__ = ["app", "main"]

DEFAULT_OUT = "goodinit-compare"

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Choose, check and compare the initial weights of neural networks.",
)


def _whole_number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no whole number; give one such as 100") from None


def _whole_numbers(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")] if text.strip() else []
    except ValueError:
        raise GoodinitError(f"widths {text!r}: give whole numbers with commas between them, such as 10,5") from None


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no number; give one such as 0.01") from None


@app.callback(invoke_without_command=True)
def _root(version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False) -> None:
    if version:
        from importlib.metadata import version as installed

        typer.echo(f"goodinit {installed('goodinit')}")
        raise typer.Exit


@app.command()
def compare(
    init: Annotated[
        list[str] | None,
        typer.Option(help="An initialization, as in he_normal or 'normal(std=10)'; repeat for several."),
    ] = None,
    data: Annotated[
        str, typer.Option(metavar="NAME|PATH", help="A built-in data set, or a CSV or NPZ file.")
    ] = "circles",
    target: Annotated[str | None, typer.Option(metavar="COLUMN", help="The label column of a file.")] = None,
    standardize: Annotated[bool, typer.Option(help="Scale a file's features to mean 0 and deviation 1.")] = True,
    widths: Annotated[str, typer.Option(metavar="N,N,...", help="Sizes of the hidden layers.")] = "10,5",
    activation: Annotated[str, typer.Option(metavar="NAME", help="Activation of the hidden layers.")] = "relu",
    learning_rate: Annotated[
        float, typer.Option(metavar="X", parser=_number, help="Step size of the optimizer.")
    ] = 0.01,
    steps: Annotated[int, typer.Option(metavar="N", parser=_whole_number, help="Number of updates.")] = 15_000,
    batch_size: Annotated[
        int | None, typer.Option(metavar="N", parser=_whole_number, help="Examples a step; all if not given.")
    ] = None,
    optimizer: Annotated[
        str, typer.Option(metavar="NAME", help="gradient_descent, momentum or adam.")
    ] = "gradient_descent",
    seed: Annotated[
        int, typer.Option(metavar="N", parser=_whole_number, help="Seed of weights, batches and made data.")
    ] = 3,
    stream: Annotated[
        str, typer.Option(metavar="NAME", help="Where weights come from: randomstate or keyed.")
    ] = "randomstate",
    record_every: Annotated[
        int | None, typer.Option(metavar="N", parser=_whole_number, help="Steps between recorded losses.")
    ] = None,
    perturbations: Annotated[
        int,
        typer.Option(
            metavar="N", parser=_whole_number, help="Trainings with weights changed by 1e-15, to show rounding's reach."
        ),
    ] = 4,
    out: Annotated[
        str | None,
        typer.Option(metavar="DIR", help=f"Where to write (default: {DEFAULT_OUT}, or the next free number)."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace another run in --out.")] = False,
    json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object and nothing else; write files only with --out.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress and no tables.")] = False,
) -> None:
    """Train one network from several starts and say which lets it learn, and why.

    With no option: the classic experiment, two circles of points and three starts.
    """
    from rich.console import Console

    from goodinit import comparison, report

    chosen = init or comparison.CLASSIC_INITIALIZATIONS
    folder: report.OutputFolder | None = None
    if out is not None:
        folder = report.OutputFolder(out, overwrite)
    elif not json:
        folder = report.OutputFolder.fresh(DEFAULT_OUT)
    with _ProgressBar(hidden=quiet) as progress:
        result = comparison.compare(
            chosen,
            data=data,
            target=target,
            standardize=standardize,
            widths=_whole_numbers(widths),
            activation=activation,
            learning_rate=learning_rate,
            steps=steps,
            batch_size=batch_size,
            optimizer=optimizer,
            seed=seed,
            stream=stream,
            record_every=record_every,
            perturbations=perturbations,
            progress=progress,
        )
    written = result.save(folder) if folder is not None else None
    if json:
        typer.echo(result.to_json())
    elif not quiet:
        console = Console(width=None if sys.stdout.isatty() else 110)
        console.print(report.summary(result.task, result.trials))
        if len(result.task.data.features) != 2:
            console.print("No decision boundary is drawn: it needs data with two features.", markup=False)
        console.print(f"Figures and result.json are in {written}{os.sep}", markup=False, highlight=False)


@app.command()
def show(
    name: Annotated[
        str | None, typer.Argument(help="An initializer or an activation; without it, the catalogue.")
    ] = None,
    widths: Annotated[
        str | None,
        typer.Option(metavar="N,N,...", help="Inputs, hidden layers, outputs: what the initializer does there."),
    ] = None,
    activation: Annotated[str, typer.Option(metavar="NAME", help="Activation of that network.")] = "relu",
    seed: Annotated[int, typer.Option(metavar="N", parser=_whole_number, help="Seed of the weights drawn.")] = 0,
    bias_variance: Annotated[
        float, typer.Option(metavar="X", parser=_number, help="Of the biases, for an activation's theory.")
    ] = 0.05,
    out: Annotated[str | None, typer.Option(metavar="DIR", help="Write an activation's figures there.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace other figures in --out.")] = False,
) -> None:
    """List the initializers, or show one: its formula, reference, and what other frameworks mean by its name.

    With --widths: what it does in that network, layer by layer. With an activation's name: its gains, critical line
    and depth scales.
    """
    from rich.console import Console

    from goodinit import activations, checkup, initializers, networks, report, theory

    console = Console(width=None if sys.stdout.isatty() else 110)
    if name is None:
        console.print(report.catalogue(initializers.catalogue()))
        return
    if activations.is_known(name):
        folder = report.OutputFolder(out, overwrite) if out is not None else None
        survey = theory.survey(name, bias_variance=bias_variance)
        console.print(report.activation(survey))
        if folder is not None:
            written = folder.write(report.theory_figures(survey))
            console.print(f"The figures are in {written}{os.sep}", markup=False, highlight=False)
        return
    initializer = initializers.get(name)
    console.print(report.entry(initializer))
    if widths is not None:
        network = networks.MLP(tuple(_whole_numbers(widths)), activations.get(activation), "cross_entropy")
        console.print(report.forecast(checkup.forecast(initializer, network, seed), initializer, network, seed))


class _ProgressBar:
    """A bar on standard error, one task an initialization."""

    def __init__(self, hidden: bool) -> None:
        from rich.console import Console
        from rich.progress import Progress

        console = Console(stderr=True)
        self.bar = Progress(console=console, disable=hidden or not console.is_terminal, transient=True)
        self.tasks: dict[str, int] = {}

    def __enter__(self) -> Progress:
        self.bar.start()
        return self._update

    def __exit__(self, *_: object) -> None:
        self.bar.stop()

    def _update(self, name: str, step: int, steps: int) -> None:
        from rich.markup import escape
        from rich.progress import TaskID

        if name not in self.tasks:
            self.tasks[name] = self.bar.add_task(escape(name), total=steps)
        self.bar.update(TaskID(self.tasks[name]), completed=step)


def main() -> None:
    """Run the command line: exit code 0, 2 for a wrong input, 130 after Ctrl-C."""
    try:
        app(standalone_mode=True)
    except GoodinitError as error:
        print(f"goodinit: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(2)
    except KeyboardInterrupt:
        print("goodinit: stopped; nothing was written", file=sys.stderr)  # noqa: T201
        sys.exit(130)
    except BrokenPipeError:  # the reader, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
