"""Arguments and options that several commands have, declared once."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["ClusterAt", "Factory", "FileLoss", "JsonOnly", "Kept", "ModelData", "Overwrite", "Quiet", "Seed", "Target"]

Factory = Annotated[
    str, typer.Argument(metavar="MODULE:FACTORY", help="A function that returns (model, inputs, targets, loss).")
]
ModelData = Annotated[
    str | None, typer.Option(metavar="NAME|PATH", help="Data for a model that comes without: as for compare.")
]
Target = Annotated[str | None, typer.Option(metavar="COLUMN", help="The label column of a file.")]
FileLoss = Annotated[
    str | None, typer.Option(metavar="NAME", help="squared_error: a file's target is a number to predict.")
]
Seed = Annotated[int, typer.Option(metavar="N", min=0, help="What PyTorch draws starts from it.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the file that is there.")]
JsonOnly = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
Kept = Annotated[
    str | None, typer.Option(metavar="FILE", help="Keep every trial there; the same command goes on from it.")
]
ClusterAt = Annotated[str | None, typer.Option(metavar="auto|ADDRESS|local", help="Train on a Ray cluster.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress.")]
