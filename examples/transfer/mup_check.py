"""What the coordinate check of mup 1.0.0, which is not a dependency, records for the same mistakes: pip install mup.

It plots the mean size of every module's output over the width and leaves the judgement to the eye; here a line shows
where its exponent is off by more than 0.35, the output's fall left out, as mup's own text says of it.
"""

from __future__ import annotations

import models
import numpy as np
import torch
from mup.coord_check import _get_coord_data

WIDTHS = [32, 64, 128, 256]


class Several:
    """Two optimizers as one, which is all that mup's check takes."""

    def __init__(self, every):
        self.every = every if isinstance(every, list) else [every]

    def zero_grad(self):
        for each in self.every:
            each.zero_grad()

    def step(self):
        for each in self.every:
            each.step()


def check(make, mistake, steps):
    _, inputs, targets, _, _ = make(WIDTHS[0], mistake)

    def lazy(width):
        return lambda: make(width, mistake)[0]

    def build(model):
        width = model.readout.weight.shape[1]
        return Several(models.optimizer(model, width=width, mistake=mistake))

    several = targets.dim() > 1
    data = [(inputs, targets.flatten() if several else targets)]
    found = _get_coord_data(
        {width: lazy(width) for width in WIDTHS},
        data,
        build,
        nsteps=steps + 1,  # it looks before each step
        nseeds=3,
        cuda=False,
        flatten_output=several,
        show_progress=False,
    )
    last = found[found["t"] == steps + 1]
    slopes = {}
    for name, rows in last.groupby("module"):
        sizes = rows.groupby("width")["l1"].mean()
        if name and (sizes > 0).all():
            slopes[name] = float(np.polyfit(np.log(sizes.index), np.log(sizes.values), 1)[0])
    return slopes


if __name__ == "__main__":
    torch.set_num_threads(1)
    print("| model | mistake | steepest line | does it show |\n| --- | --- | --- | --- |")
    for make, every in ((models.mlp, models.MLP_MISTAKES), (models.gpt, models.GPT_MISTAKES)):
        for mistake in [None, *every]:
            slopes = check(make, mistake, 1 if mistake == "zero readout" else 4)
            told = {name: each for name, each in slopes.items() if each > 0 or not name.startswith("readout")}
            name = max(told, key=lambda each: abs(told[each]))
            shows = "yes" if abs(told[name]) > 0.35 else "no"
            print(f"| {make.__name__} | {mistake or 'none'} | {name} {told[name]:+.2f} | {shows} |", flush=True)
