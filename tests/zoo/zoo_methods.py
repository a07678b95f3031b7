"""Every method, recipe and edit on every model of the zoo: applied, or refused in one sentence.

    python tests/zoo/zoo_methods.py RESULTS.jsonl [--write] [NAME ...]

What RESULTS.jsonl holds already is not tried again; `--write` writes docs/zoo-methods.md. Each model is tried in a
process of its own, small ones first, and one run of it serves all. Language models are those of the fast tests, two
layers of width 96. Those that tune take one step; one that measures has `SECONDS` of processor time. A model of more
numbers than `FILLED` is planned, measured and staged, but not written.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from zoo_models import Case, Model
from zoo_run import same_value, state_of
from zoo_table import apart, ready, rows_of
from zoo_transformers import LANGUAGE, small

import goodinit
from goodinit import methods, recipes
from goodinit.errors import GoodinitError
from goodinit.pytorch import editing, filling, structure
from goodinit.pytorch.calling import call_model

FILLED = 3_000_000  # numbers of a model that is written
SECONDS = 6  # of processor time, for a method that measures
STEPS = {
    "metainit": "metainit(steps=1)",
    "gradinit": "gradinit(steps=1)",
    "grad_cosine": "grad_cosine(steps=1)",
    "kraehenbuehl": "kraehenbuehl(rounds=1)",
}
"""How those that tune are tried: with one step."""
EDITS = ("rezero", "skipinit", "layerscale", "fixup", "dks(slope=1.5)", "tat", "logits(base_width=64)")
_LONGEST = 1000  # characters of a refusal that is kept
_FIRST = "docs/zoo.md"  # from which sizes are known, so that small models come first


def texts() -> dict[str, str]:
    """Every method but a model's own start, every recipe, and every edit, by the name it has in the table."""
    names = [name for name in (*methods.names(), *recipes.names()) if name != "default"]
    known = {each.partition("(")[0]: each for each in EDITS}
    return {name: STEPS.get(name, name) for name in names} | {
        f"edit {name}": f"edit {known.get(name, name)}" for name in editing.edit_names()
    }


class _LateError(Exception):
    """A method's time is over."""


@contextmanager
def _limited(measures: bool) -> Iterator[None]:
    def late(number: int, frame: Any) -> None:
        raise _LateError

    before = signal.signal(signal.SIGPROF, late)
    signal.setitimer(signal.ITIMER_PROF, SECONDS if measures else 10 * SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def tried(case: Case, text: str, before: dict[str, Any]) -> str:
    """`applied`, the sentence that refuses it, or what else went wrong."""
    small = sum(each.numel() for each in case.model.parameters()) <= FILLED
    given: dict[str, Any] = {"seed": 0, "inputs": case.inputs, "targets": case.targets, "loss": case.loss}
    refused = ""
    try:
        if text.startswith("edit "):
            return _edited(case, text.removeprefix("edit "), before)
        with _limited(methods.as_method(text).measures):
            if small:
                goodinit.initialize(case.model, text, **given)
            else:
                filling.prepare(case.model, text, **given)
    except GoodinitError as error:
        refused = f"refused: {error}"[:_LONGEST]
    except _LateError:
        refused = "late"
    except Exception as error:
        return f"traceback: {type(error).__name__}: {error}"[:_LONGEST]
    if refused or not small:
        return _changed(case, before) or refused or "applied"
    with torch.no_grad():
        odd = [
            name
            for name, each in case.model.named_parameters()
            if not each.isfinite().all() and before[name].isfinite().all()
        ]
        for name, each in (*case.model.named_parameters(), *case.model.named_buffers()):
            each.copy_(before[name])
    return f"wrong: {odd[0]} is not finite" if odd else "applied"


def _edited(case: Case, text: str, before: dict[str, Any]) -> str:
    """The same of an edit, which is run, and taken back."""
    try:
        done = goodinit.edit(case.model, text, inputs=case.inputs)
    except GoodinitError as error:
        return _changed(case, before) or f"refused: {error}"[:_LONGEST]
    call_model(case.model, case.inputs)
    done.undo()
    with torch.no_grad():
        for name, each in case.model.named_buffers():  # which the run moved
            each.copy_(before[name])
    return _changed(case, before) or "applied"


def _changed(case: Case, before: dict[str, Any]) -> str:
    after = state_of(case.model)
    changed = [name for name in before if name not in after or not same_value(before[name], after[name])]
    changed += [name for name in after if name not in before]
    return f"wrong: changed {changed[0]}" if changed else ""


def row(model: Model) -> dict[str, Any]:
    """What became of every method on one model, from one run of it."""
    found: dict[str, Any] = {"name": model.name, "library": model.library, "failure": ""}
    torch.manual_seed(0)
    try:
        case = model.make()
        found["parameters"] = sum(each.numel() for each in case.model.parameters())
        traced, once = filling.traced, dict[str, Any]()
        before = state_of(case.model)

        def run(concrete: Any, inputs: Any) -> Any:
            if "trace" not in once:
                once["trace"] = traced(concrete, inputs)
            return once["trace"]

        with mock.patch.object(filling, "traced", run), mock.patch.object(structure, "traced", run):
            found["methods"] = {name: tried(case, text, before) for name, text in texts().items()}
    except Exception as error:
        found["failure"] = f"{type(error).__name__}: {error}"[:_LONGEST]
    return found


def _sizes() -> dict[str, float]:
    """Millions of numbers by model, as docs/zoo.md has them."""
    cells = [line.split("|") for line in Path(__file__).parents[2].joinpath(_FIRST).read_text().splitlines()]
    return {each[1].strip(): float(each[2].split()[0]) for each in cells if len(each) > 2 and each[2].endswith(" M ")}


def main() -> None:
    """Try what is not in the file yet."""
    os.environ |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error"}
    given = [each for each in sys.argv[1:] if not each.startswith("--")]
    path, names = Path(given[0]), set(given[1:])
    done, sizes = {(each["library"], each["name"]) for each in rows_of(path)}, _sizes()
    for model in sorted(ready(), key=lambda each: 0.0 if each.name in LANGUAGE else sizes.get(each.name, 0.0)):
        if (model.library, model.name) not in done and (not names or model.name in names):
            found = apart(small(model.name) if model.name in LANGUAGE else model, row, 3600)
            told = Counter(text.partition(":")[0] for text in found.get("methods", {}).values())
            sys.stdout.write(f"{model.name}: {dict(told)} {found.get('failure', '')}\n")
            sys.stdout.flush()
            with path.open("a") as file:
                file.write(json.dumps(found) + "\n")
    if "--write" in sys.argv:
        from zoo_methods_page import page

        written = page(list(rows_of(path)), list(texts()), len(ready()), SECONDS)
        (Path(__file__).parents[2] / "docs/zoo-methods.md").write_text(written)


if __name__ == "__main__":
    main()
