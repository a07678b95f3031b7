"""Standard and muP as an MLP widens: the check, on normal inputs and on digits, and the best rate beside it, on digits.

python examples/transfer/rates.py check | rates
"""

from __future__ import annotations

import sys

import models
import torch
from torch import nn
from torch.nn import functional

import goodinit


def batch(step, count=64):
    x, y = models.digits(1024)
    rows = torch.randint(len(x), (count,), generator=torch.Generator().manual_seed(step))
    return x[rows], y[rows]


def normal(make):
    """With a batch of normal inputs with labels by chance, others for each seed: digits' pixels go together."""

    def made(width):
        generator = torch.Generator().manual_seed(torch.initial_seed())  # which is the run's
        return make(width), torch.randn(64, 64, generator=generator), torch.randint(10, (64,), generator=generator)

    return made


def standard(width):
    """He's start, of the readout too, and one rate for all."""
    model = models.MLP(width)
    models.fill(model, "readout start")
    with torch.no_grad():
        model.readout.weight.mul_(2**0.5)
    return model


def standard_optimizer(model, learning_rate=1e-2):
    return torch.optim.Adam(model.parameters(), lr=learning_rate)


def mup(width):
    """The same with a readout of zeros; `mup_optimizer` divides the rates of what sums over the width."""
    model = models.MLP(width)
    models.fill(model)
    nn.init.zeros_(model.readout.weight)
    return model


def mup_optimizer(model, width, learning_rate=1e-2):
    def rate(name, each):
        return learning_rate * (64 / width if models.kind(name, each) in ("hidden", "readout") else 1)

    return torch.optim.Adam([{"params": [p], "lr": rate(name, p)} for name, p in model.named_parameters()])


if __name__ == "__main__":
    torch.set_num_threads(1)
    what = sys.argv[1] if len(sys.argv) > 1 else "check"
    for make, optimizer in ((standard, standard_optimizer), (mup, mup_optimizer)):
        options = {"loss": functional.cross_entropy, "optimizer": optimizer, "learning_rate": 1e-2}
        if what == "check":
            options |= {"widths": [64, 128, 256, 512, 1024], "steps": 3, "seeds": 5}
            for inputs in ("normal", "digits"):
                if inputs == "normal":
                    found = goodinit.transfer(normal(make), **options)
                else:
                    found = goodinit.transfer(make, batch=batch, **options)
                print(make.__name__, inputs, found.answer)
                for row in found.layers:
                    each = row.coordinates["size"].slope
                    print(f"    {row.name}: {each.value:+.3f} [{each.low:+.3f}, {each.high:+.3f}]", flush=True)
        else:
            rates = [2.0**-k for k in range(4, 12)]
            found = goodinit.transfer(
                make, widths=[64, 256, 1024], steps=3, seeds=2, rates=rates, batch=batch, **options
            )
            print(make.__name__, found.answer, found.proof.answer, sep="\n    ", flush=True)
