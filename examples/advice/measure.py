"""What `goodinit.advise` gives as evidence: starts on a small model of each structure, at the best of four rates.

    python examples/advice/measure.py --studies advice/ --out src/goodinit/advising/evidence.json

Each start is trained on the digits for 120 steps of Adam in batches of 64, its rate chosen among 0.0003, 0.001, 0.003
and 0.01 on two seeds of its own, then judged by test accuracy on three others. A start that a structure refuses is left
out. Stopped, the same command goes on; one that is new is added.
"""

from __future__ import annotations

import argparse
import json
from functools import partial
from pathlib import Path
from statistics import mean
from typing import Any

import torch
from models import MODELS

import goodinit
from goodinit.pytorch import read_structure

EVERYWHERE = ("default", "he_normal", "orthogonal", "lecun_normal")
FURTHER = {
    "shallow": ("glorot_uniform", "lsuv"),
    "plain relu": ("glorot_uniform", "lsuv", "looks_linear"),
    "plain tanh": ("orthogonal(gain=1.05)", "edge_of_chaos(activation=tanh, bias_variance=0.05)", "lsuv"),
    "plain gelu": ("edge_of_chaos(activation=gelu, bias_variance=0.174)", "lsuv"),
    "residual": ("residual_scaling", "residual_scaling(of=orthogonal)", "zero_branches", "fixup", "lsuv"),
    "residual with norms": ("residual_scaling", "zero_branches", "lsuv"),
    "transformer, norms before": ("gpt2", "llama", "neox", "residual_scaling", "zero_branches", "small_init", "lsuv"),
    "transformer, norms after": ("gpt2", "bert", "deepnorm", "residual_scaling", "depth_scaled", "small_init", "lsuv"),
    "transformer without norms": ("gpt2", "t_fixup", "residual_scaling", "zero_branches", "fixup", "lsuv"),
    "recurrent": ("glorot_uniform",),
}
OPTIONS: dict[str, Any] = {
    "learning_rate": [3e-4, 1e-3, 3e-3, 1e-2],
    "tuning_seeds": "100-101",
    "seeds": "0-2",
    "steps": 120,
    "batch_size": 64,
    "optimizer": "adam",
    "perturbations": 0,
}


def _make(structure: str) -> Any:
    return MODELS[structure]()


def measured(structure: str, studies: Path, starts: tuple[str, ...]) -> dict[str, Any]:
    """The scores of the starts that the structure allows, by their names."""
    make = partial(_make, structure)
    batch = torch.randn(32, 64, generator=torch.Generator().manual_seed(0))
    allowed = []
    for start in starts:
        try:
            goodinit.methods.get(start)
            goodinit.initialize(make(), start, seed=0, inputs=batch)
            allowed.append(start)
        except goodinit.GoodinitError as error:
            print(f"{structure}: {start} is left out: {error}", flush=True)
    path = studies / f"{structure.replace(',', '').replace(' ', '-')}.db"
    read_structure(make(), batch)
    found = goodinit.compare(allowed, model=make, data="digits", study=path, **OPTIONS)
    rates = {each.initialization: each.chosen for each in found.summaries[0].rates}
    scores: dict[str, list[float]] = {}
    for trial in found.trials:
        scores.setdefault(trial.initialization, []).append(trial.test_accuracy or 0.0)
    rows = {name: {"accuracy": round(mean(each), 4), "rate": rates[name]} for name, each in scores.items()}
    for name, row in sorted(rows.items(), key=lambda each: -each[1]["accuracy"]):
        print(f"  {name}: {row['accuracy']:.3f} at {row['rate']:g}", flush=True)
    return rows


def main() -> None:
    """Measure, and write the table as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=Path, default=Path("advice"))
    parser.add_argument("--out", type=Path)
    parser.add_argument("--structure", action="append", choices=list(MODELS))
    given = parser.parse_args()
    given.studies.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    known = given.out is not None and given.out.exists()
    table = json.loads(given.out.read_text(encoding="utf-8"))["structures"] if known else {}
    facts = {"data": "digits", "score": "test accuracy", **{key: OPTIONS[key] for key in ("steps", "optimizer")}}
    facts |= {"seeds": 3, "structures": table}
    for structure in given.structure or MODELS:
        print(structure, flush=True)
        table[structure] = measured(structure, given.studies, (*EVERYWHERE, *FURTHER[structure]))
        if given.out is not None:
            given.out.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
