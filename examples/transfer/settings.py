"""What a coordinate check's exponents depend on: inputs, batch, the readout's start, what is an output's size.

A ReLU MLP of four layers in standard parametrization, widths 64 to 1024, three steps of Adam at 0.01. Each row has the
exponents of the outputs of layers 2 to 4 by a line through the means over five seeds, and between which values those of
95 % of such fives lie, of 60 seeds.
"""

from __future__ import annotations

import models
import numpy as np
import torch
from torch.nn import functional

WIDTHS, SEEDS, STEPS = (64, 128, 256, 512, 1024), 60, 3


def inputs(kind, count, generator):
    """A batch: digits on one scale, digits on a scale for each pixel, or normal inputs with labels by chance."""
    if kind == "normal":
        return torch.randn(count, 64, generator=generator), torch.randint(10, (count,), generator=generator)
    x, y = models.digits(1797)
    if kind == "digits by pixel":
        x = (x - x.mean(0)) / (x.std(0) + 1e-6)
    rows = torch.randint(len(x), (count,), generator=generator)
    return x[rows], y[rows]


def sizes(width, seed, kind, count, fresh, readout):
    """The mean absolute value and the rms of each layer's output on the first batch, after the steps."""
    torch.manual_seed(seed)
    model = models.MLP(width)
    models.fill(model, "readout start")
    with torch.no_grad():
        model.readout.weight.mul_(readout)
    generator = torch.Generator().manual_seed(seed)
    batches = [inputs(kind, count, generator) for _ in range(STEPS)]
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for x, y in batches if fresh else batches[:1] * STEPS:
        optimizer.zero_grad()
        functional.cross_entropy(model(x), y).backward()
        optimizer.step()
    found, x = [], batches[0][0]
    with torch.no_grad():
        for layer in (model.first, *model.hidden, model.readout):
            output = layer(x)
            found.append((float(output.abs().mean()), float(output.square().mean().sqrt())))
            x = functional.relu(output)
    return found[1:]


def exponents(values):
    """By a line through the means over the seeds: (widths, seeds, layers) gives one for each layer."""
    return np.polyfit(np.log(WIDTHS), np.log(values.mean(axis=1)), 1)[0]


def row(kind, count, fresh, readout):
    values = np.array([[sizes(w, seed, kind, count, fresh, readout) for seed in range(SEEDS)] for w in WIDTHS])
    random = np.random.default_rng(0)
    fives = [random.choice(SEEDS, 5, replace=False) for _ in range(2000)]
    for place, size in enumerate(("mean", "rms")):
        each = np.array([exponents(values[:, five][..., place]) for five in fives])
        low, high = np.percentile(each, [2.5, 97.5], axis=0)
        middle = exponents(values[..., place])
        told = " | ".join(f"{m:.2f} ({a:.2f} to {b:.2f})" for m, a, b in zip(middle, low, high, strict=True))
        start = "He" if readout > 1 else "1 / sqrt(n)"
        print(f"| {kind} | {count}, {'fresh' if fresh else 'one'} | {start} | {size} | {told} |", flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    print(
        "| inputs | batch | readout | size | layer 2 | layer 3 | layer 4 |\n| --- | --- | --- | --- | --- | --- | --- |"
    )
    for kind in ("normal", "digits by pixel", "digits"):
        for count in (64, 128):
            for fresh in (True, False):
                for readout in (2**0.5, 1.0):
                    row(kind, count, fresh, readout)
