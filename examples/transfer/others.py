"""Other layers, and SGD: a convolutional network and an LSTM with Adam, an MLP and a convolutional network with SGD.

Each in standard parametrization, He's start and one rate for all, and in muP: python examples/transfer/others.py
"""

from __future__ import annotations

from functools import partial

import models
import torch
from torch import nn
from torch.nn import functional

import goodinit

RATES = {"adam": 1e-2, "sgd": 0.1}
POWERS = {  # of the width that a parameter's rate goes by in muP (Yang and Hu 2021, arXiv 2203.03466, table 8)
    "adam": {"input": 0, "vectors": 0, "hidden": -1, "readout": -1},
    "sgd": {"input": 1, "vectors": 1, "hidden": 0, "readout": -1},
}


class Convolutional(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.first, self.hidden = nn.Conv2d(1, width, 3, padding=1), nn.Conv2d(width, width, 3, padding=1)
        self.readout = nn.Linear(width, 10)

    def forward(self, x):
        x = functional.max_pool2d(functional.relu(self.first(x.view(-1, 1, 8, 8))), 2)
        return self.readout(functional.relu(self.hidden(x)).mean((2, 3)))


class Recurrent(nn.Module):
    """A digit's eight rows, one after the other."""

    def __init__(self, width):
        super().__init__()
        self.hidden, self.readout = nn.LSTM(8, width, batch_first=True), nn.Linear(width, 10)

    def forward(self, x):
        return self.readout(self.hidden(x.view(-1, 8, 8))[0][:, -1])


MODELS = {"MLP": models.MLP, "convolutional": Convolutional, "LSTM": Recurrent}
WIDTHS = {
    "MLP": [32, 64, 128, 256],
    "convolutional": [16, 32, 64, 128],
    "LSTM": [16, 32, 64, 128],
}  # the first: the base


def kind(name, parameter):
    return "input" if name.startswith("hidden.weight_ih") else models.kind(name, parameter)


def make(width, model, mup):
    made = MODELS[model](width)
    with torch.no_grad():
        for name, each in made.named_parameters():
            fan_in, gain = each[0].numel(), 1 if model == "LSTM" else 2
            if kind(name, each) == "vectors":
                each.zero_()
            elif name.startswith("readout"):
                each.normal_(0, WIDTHS[model][0] ** 0.5 / fan_in if mup else fan_in**-0.5)
            else:
                each.normal_(0, (gain / fan_in) ** 0.5)
    return made


def optimizer(model, width, rule, mup, base):
    groups = []
    for name, each in model.named_parameters():
        power = POWERS[rule][kind(name, each)] if mup and name != "readout.bias" else 0
        groups.append({"params": [each], "lr": RATES[rule] * (width / base) ** power})
    return torch.optim.Adam(groups) if rule == "adam" else torch.optim.SGD(groups)


def judged(model, rule, mup, seeds=3, steps=4):
    found = goodinit.transfer(
        partial(make, model=model, mup=mup),
        widths=WIDTHS[model],
        seeds=seeds,
        steps=steps,
        batch=models.digits(),
        loss=functional.cross_entropy,
        optimizer=partial(optimizer, rule=rule, mup=mup, base=WIDTHS[model][0]),
    )
    findings = ", ".join(f"`{each.code}`" for each in found.findings) or "-"
    name = "muP" if mup else "standard"
    print(f"| {model} | {rule} | {name} | {seeds}, {steps} | {found.verdict} | {findings} |", flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    print("| model | optimizer | parametrization | seeds, steps | verdict | findings |\n" + "| --- " * 6 + "|")
    for model, rule in (("convolutional", "adam"), ("LSTM", "adam"), ("MLP", "sgd"), ("convolutional", "sgd")):
        for mup in (False, True):
            judged(model, rule, mup)
    for model in ("MLP", "convolutional"):
        judged(model, "sgd", True, seeds=6, steps=8)
