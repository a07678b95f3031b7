"""Every method from structure on every model of the zoo: applied, or refused in one sentence; a table of the counts.

    python tests/zoo/zoo_methods.py [results.json]

It needs transformers, timm, torchvision, diffusers and torch_geometric. One run of a model serves all methods.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from zoo_models import Case, Model, zoo

import goodinit
from goodinit import methods
from goodinit.errors import GoodinitError
from goodinit.pytorch import filling

_LONGEST = 400  # characters of a refusal that is told


def structural() -> list[str]:
    """The methods that need one run at most."""
    return [cls.name for cls in methods.catalogue() if set(cls.needs) <= {"run"} and cls.name != "default"]


def tried(case: Case, name: str) -> str:
    """`applied`, the sentence that refuses it, or what else went wrong."""
    before = {key: value.clone() for key, value in case.model.state_dict().items()}
    try:
        state = goodinit.draw(case.model, name, seed=0, inputs=case.inputs)
    except GoodinitError as error:
        told = str(error)
        return f"refused: {told[:_LONGEST]}"
    except Exception as error:
        return f"traceback: {type(error).__name__}: {error}"[:_LONGEST]
    after = case.model.state_dict()
    same = all(torch.equal(before[key], after[key]) or before[key].isnan().any() for key in before)
    whole = set(state) == set(before)
    finite = all(
        value.isfinite().all() for key, value in state.items() if value.is_floating_point() and "mask" not in key
    )
    return "applied" if same and whole and finite else f"wrong: untouched {same}, whole {whole}, finite {finite}"


def row(model: Model) -> dict[str, Any]:
    """What became of every method on one model, from one run of it."""
    found: dict[str, Any] = {"model": model.name, "library": model.library}
    torch.manual_seed(0)
    try:
        case = model.make()
        traced, shaped = filling.traced, filling.shaped
        once: dict[str, Any] = {}

        def run(concrete: Any, inputs: Any) -> Any:
            if "trace" not in once:
                once["trace"] = traced(concrete, inputs)
            return once["trace"]

        with mock.patch.object(filling, "traced", run), mock.patch.object(filling, "shaped", shaped):
            found["methods"] = {name: tried(case, name) for name in structural()}
    except Exception as error:
        found["failure"] = f"{type(error).__name__}: {error}"[:_LONGEST]
    return found


def table(rows: list[dict[str, Any]]) -> str:
    """Counts by method, and the refusals that are most frequent."""
    lines = ["| method | applied | refused | of these most often |", "| --- | --- | --- | --- |"]
    for name in structural():
        told = [each["methods"][name] for each in rows if "methods" in each]
        refused = Counter(
            text.partition(": ")[2].partition(": ")[2][:60] for text in told if text.startswith("refused")
        )
        most = refused.most_common(1)[0] if refused else ("", 0)
        count = sum(text.startswith("refused") for text in told)
        lines.append(f"| {name} | {told.count('applied')} | {count} | {most[1] or ''} {most[0]} |")
    return "\n".join(lines)


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    rows: list[dict[str, Any]] = []
    for each in zoo():
        begun = time.perf_counter()
        rows.append(row(each))
        said = Counter(text.partition(":")[0] for text in rows[-1].get("methods", {}).values())
        spent = time.perf_counter() - begun
        sys.stdout.write(f"{each.name}: {dict(said)} {rows[-1].get('failure', '')} {spent:.1f} s\n")
        sys.stdout.flush()
        if target is not None:
            target.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    sys.stdout.write(f"{table(rows)}\n")
