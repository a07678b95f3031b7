"""LSUV on deep stacks: what unit variance mends, and the collapse that it hides.

`python examples/methods/lsuv.py` prints the table of docs/methods.md: stacks of width 64 on the digits, trained by Adam
for 200 steps at the best of three learning rates, with the least share of variance between examples in any layer.
"""

from __future__ import annotations

import argparse
import statistics

import torch
from metainit import RATES, accuracy, network
from torch import nn

import goodinit
from goodinit import datasets

CASES = [("relu", nn.ReLU, 10), ("relu", nn.ReLU, 60), ("tanh", nn.Tanh, 10), ("tanh", nn.Tanh, 60)]
CASES += [("sigmoid", nn.Sigmoid, 10), ("sigmoid", nn.Sigmoid, 60)]
STARTS = ["default", "he_normal", "orthogonal", "lsuv"]


def between(model: nn.Sequential, x: torch.Tensor) -> float:
    """The least share of a layer's variance that lies between examples."""
    shares: list[float] = []
    with torch.no_grad():
        for layer in model:
            x = layer(x)
            if isinstance(layer, nn.Linear):
                total = x.double().var(correction=0)
                shares.append(float(x.double().var(0, correction=0).mean() / total) if total > 0 else 0.0)
    return min(shares)


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seeds", type=int, default=3)
    options.add_argument("--training", type=int, default=200, help="steps of training")
    given = options.parse_args()
    data = datasets.load("digits")
    x = torch.from_numpy(data.X_train[:256]).float()
    print("| activation | layers | " + " | ".join(STARTS) + " | between examples, lsuv | noted |")
    print("| --- | --- | " + "--- | " * len(STARTS) + "--- | --- |")
    for name, activation, depth in CASES:
        means, shares, noted = [], [], 0
        for start in STARTS:
            scores = []
            for seed in range(given.seeds):
                best = 0.0
                for rate in RATES:
                    torch.manual_seed(seed)
                    model = network(activation, depth, 64)
                    done = goodinit.initialize(model, start, seed=seed, inputs=x)
                    if start == "lsuv" and rate == RATES[0]:
                        shares.append(between(model, x))
                        noted += any("collapse" in note for note in done.notes)
                    best = max(best, accuracy(model, data, rate, given.training, seed))
                scores.append(best)
            means.append(f"{statistics.fmean(scores):.2f}")
        share = f"{statistics.fmean(shares):.2g}"
        print(f"| {name} | {depth} | {' | '.join(means)} | {share} | {noted} of {given.seeds} |", flush=True)


if __name__ == "__main__":
    main()
