"""Transformers of 24 layers on the digits: norms after, before or nowhere, and the starts that are made for each.

    python deep_transformers.py [CASE ...] [--seeds 3] [--steps 100]

CASE is the number of a row, from 0; all where none is given.

A picture is 8 tokens, its rows. Adam on batches of 32, without warmup, at the best of three rates, which are tried on a
seed of their own; the table has the test accuracy of each other seed, `-` where it diverged.
"""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path

import torch
from small_truths import digits
from torch import nn

import goodinit
from goodinit.streams import KeyedStream

sys.path.insert(0, str(Path(__file__).parents[1] / "advice"))
from models import Transformer

LAYERS, WIDTH, BATCH, TRAINING = 24, 24, 32, 1200
RATES = (3e-4, 1e-3, 3e-3)
CASES = [  # where the norms are, the values, and an edit
    ("after", "glorot_normal", None),
    ("after", "deepnorm", None),
    ("after", "admin", None),
    ("before", "glorot_normal", None),
    ("none", "glorot_normal", None),
    ("none", "t_fixup", None),
    ("none", "glorot_normal", "rezero"),
]


def accuracy(norms: str, init: str, edit: str | None, rate: float, seed: int, steps: int) -> float:
    """Test accuracy after the steps of Adam; nan where it diverged."""
    X, y = digits()
    mixed = torch.from_numpy(KeyedStream(0).uniform("split", 0, len(X))).argsort()
    train, test = mixed[:TRAINING], mixed[TRAINING:]
    model = Transformer(LAYERS, norms, WIDTH)
    done = goodinit.initialize(model, init, seed=seed, inputs=X[train[:64]])
    groups = done.param_groups(lr=rate, weight_decay=0, eps=1e-8, optimizer="adam")
    if edit is not None:
        added = set(goodinit.edit(model, edit, inputs=X[train[:64]]).parameters)
        groups.append({"params": [each for name, each in model.named_parameters() if name in added], "lr": rate})
    update = torch.optim.Adam(groups, lr=rate)
    picks = KeyedStream(seed).uniform("order", 0, steps * BATCH) * TRAINING
    for rows in torch.from_numpy(picks).long().reshape(steps, BATCH):
        loss = nn.functional.cross_entropy(model(X[train[rows]]), y[train[rows]])
        if not math.isfinite(loss.item()):
            return math.nan
        update.zero_grad()
        loss.backward()
        update.step()
    with torch.no_grad():
        return float((model(X[test]).argmax(1) == y[test]).double().mean())


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("cases", nargs="*", type=int)
    given = parser.parse_args()
    torch.set_num_threads(1)
    print(f"| norms | start | rates {', '.join(f'{rate:g}' for rate in RATES)} | best | test accuracy |")
    print("| --- | --- | --- | --- | --- |")
    for norms, init, edit in (CASES[number] for number in given.cases or range(len(CASES))):
        tried = [accuracy(norms, init, edit, rate, 100, given.steps) for rate in RATES]
        best = max(zip(tried, RATES, strict=True), key=lambda pair: -1 if math.isnan(pair[0]) else pair[0])[1]
        found = [accuracy(norms, init, edit, best, seed, given.steps) for seed in range(given.seeds)]
        cells = [", ".join("-" if math.isnan(each) else f"{each:.2f}" for each in row) for row in (tried, found)]
        start = f"`{init}`" + (f", edit `{edit}`" if edit else "")
        print(f"| {norms} | {start} | {cells[0]} | {best:g} | {cells[1]} |", flush=True)


if __name__ == "__main__":
    main()
