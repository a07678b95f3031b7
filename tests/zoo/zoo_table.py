"""See every model of the zoo, each in a process of its own, and write docs/zoo.md.

python tests/zoo/zoo_table.py RESULTS.jsonl [--write] [NAME ...]

What RESULTS.jsonl holds already is not seen again, so that a run that was stopped goes on; `--write` writes the page.
"""

from __future__ import annotations

import importlib
import json
import multiprocessing
import os
import resource
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import torch
from zoo_models import Model, installed, zoo

SECONDS = 240  # for one model
MEMORY = 30 * 2**30  # of addresses


def main() -> None:
    """See what is not in the file yet."""
    os.environ |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error"}
    given = [each for each in sys.argv[1:] if not each.startswith("--")]
    path, names = Path(given[0]), set(given[1:])
    done = {(row["library"], row["name"]) for row in rows_of(path)}
    models = ready()
    for model in models:
        if (model.library, model.name) not in done and (not names or model.name in names):
            with path.open("a") as file:
                file.write(json.dumps(apart(model, _seen)) + "\n")
    if "--write" in sys.argv:
        from zoo_page import page

        (Path(__file__).parents[2] / "docs/zoo.md").write_text(page(list(rows_of(path))))


def ready() -> list[Model]:
    """All models, with what makes them imported once, for all the processes that are forked."""
    models = list(zoo())
    for library in ("torchvision", "timm", "transformers"):
        if installed(library):
            importlib.import_module(library)
    return models


def rows_of(path: Path) -> Iterator[dict[str, Any]]:
    """What a file of results holds."""
    return map(json.loads, path.read_text().splitlines()) if path.exists() else iter(())


def apart(model: Model, see: Callable[[Model], dict[str, Any]], seconds: float = SECONDS) -> dict[str, Any]:
    """The row that `see` gives of a model, in a process of its own; or what became of that."""
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe(duplex=False)
    child = context.Process(target=_child, args=(model, see, there))
    child.start()
    there.close()
    nothing = {"name": model.name, "library": model.library}
    try:
        return here.recv() if here.poll(seconds) else {**nothing, "failure": f"no end within {seconds:g} s"}
    except EOFError:
        return {**nothing, "failure": "its process died"}
    finally:
        child.kill()
        child.join()


def _child(model: Model, see: Callable[[Model], dict[str, Any]], pipe: Any) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    with Path(os.devnull).open("w") as sink, redirect_stdout(sink), redirect_stderr(sink):
        pipe.send(see(model))


def _seen(model: Model) -> dict[str, Any]:
    from zoo_run import see

    return see(model).row()


if __name__ == "__main__":
    main()
