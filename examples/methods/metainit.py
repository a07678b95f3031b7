"""MetaInit on networks whose start is of a wrong size: where it mends them, and where it makes more of the harm.

`python examples/methods/metainit.py` prints the table of docs/methods.md: a stack of 10 layers of width 64 on the
digits, its weights 0.1 or 3 times He's, trained by Adam for 200 steps at the best of three learning rates, before and
after MetaInit (500 steps on normal numbers), with the gradient quotient before and after, mean of 3 seeds.
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch
from torch import nn

import goodinit
from goodinit import datasets

RATES = (1e-3, 3e-3, 1e-2)
CASES = [("relu", nn.ReLU, 0.1), ("relu", nn.ReLU, 3.0), ("tanh", nn.Tanh, 0.1), ("tanh", nn.Tanh, 3.0)]


def network(activation: type[nn.Module], depth: int, width: int) -> nn.Sequential:
    """`depth` hidden layers and an output."""
    layers: list[nn.Module] = []
    for layer in range(depth):
        layers += [nn.Linear(64 if layer == 0 else width, width), activation()]
    return nn.Sequential(*layers, nn.Linear(width, 10))


def accuracy(model: nn.Module, data: datasets.Dataset, rate: float, steps: int, seed: int) -> float:
    """On the test half, after training; of a run that diverged, chance."""
    X, y = torch.from_numpy(data.X_train).float(), torch.from_numpy(data.y_train)
    order = torch.randint(len(X), (steps, 64), generator=torch.Generator().manual_seed(seed))
    optimizer = torch.optim.Adam(model.parameters(), lr=rate)
    for chosen in order:
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(X[chosen]), y[chosen]).backward()
        optimizer.step()
    with torch.no_grad():
        guess = model(torch.from_numpy(data.X_test).float()).argmax(1).numpy()
    return float((guess == data.y_test).mean())


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seeds", type=int, default=3)
    options.add_argument("--steps", type=int, default=500, help="of MetaInit")
    options.add_argument("--training", type=int, default=200, help="steps of training")
    given = options.parse_args()
    data = datasets.load("digits")
    x, y = torch.from_numpy(data.X_train[:64]).float(), torch.from_numpy(data.y_train[:64])
    print("| activation | weights | quotient before | after | accuracy before | after | seconds |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name, activation, gain in CASES:
        rows: list[tuple[float, float, float, float, float]] = []
        for seed in range(given.seeds):
            inner = f"scaled(of=he_normal, gain={gain})"
            begun = time.perf_counter()
            text = f'metainit(of="{inner}", steps={given.steps})'
            tuned = network(activation, 10, 64)
            done = goodinit.initialize(tuned, text, seed=seed, inputs=x, targets=y, loss=nn.functional.cross_entropy)
            took = time.perf_counter() - begun
            scores = []
            for init in (inner, None):
                best = 0.0
                for rate in RATES:
                    model = network(activation, 10, 64)
                    if init is None:
                        model.load_state_dict(tuned.state_dict())
                    else:
                        goodinit.initialize(model, init, seed=seed, inputs=x)
                    best = max(best, accuracy(model, data, rate, given.training, seed))
                scores.append(best)
            quotient = done.measured[0]
            rows.append((quotient.before or 0.0, quotient.after or 0.0, *scores, took))
        means = [statistics.fmean(column) for column in zip(*rows, strict=True)]
        cells = [f"{means[0]:.3g}", f"{means[1]:.3g}", f"{means[2]:.2f}", f"{means[3]:.2f}", f"{means[4]:.0f}"]
        print(f"| {name} | {gain:g} x He | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
