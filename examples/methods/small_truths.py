"""Small truths of initialization, on the digits: who trains, at which depth, with which start.

    python small_truths.py A1 A2 A3 A4 A5 A7 [--seeds 3]

Each prints its table: training accuracy after the steps at each rate, the mean over the seeds that did not diverge (how
many, where some did); `-` where all did. A7's is of training losses. One thread suffices, with minutes for each.
"""

from __future__ import annotations

import argparse
import itertools
import math
from collections.abc import Callable, Sequence

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

import goodinit
from goodinit.streams import KeyedStream

BATCH = 64


class Branch(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.up, self.down = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.down(torch.relu(self.up(x)))


def plain(depth: int, width: int, activation: Callable[[], nn.Module] | None) -> nn.Sequential:
    """`depth` layers; no activation makes it linear."""
    sizes = [64] + [width] * (depth - 1) + [10]
    layers: list[nn.Module] = []
    for number, (into, out) in enumerate(itertools.pairwise(sizes)):
        layers.append(nn.Linear(into, out))
        if activation is not None and number < depth - 1:
            layers.append(activation())
    return nn.Sequential(*layers)


def residual(blocks: int, width: int) -> nn.Sequential:
    """A residual network of branches of two layers."""
    return nn.Sequential(nn.Linear(64, width), *(Branch(width) for _ in range(blocks)), nn.Linear(width, 10))


def digits() -> tuple[Tensor, Tensor]:
    """The digits, each pixel of mean 0 and deviation 1."""
    data = load_digits()
    X = torch.tensor(data.data, dtype=torch.float32)
    return (X - X.mean(0)) / X.std(0).clamp(min=1e-3), torch.tensor(data.target)


def accuracy(
    make: Callable[[], nn.Module], init: str, seed: int, rate: float, steps: int, momentum: float, biases: float
) -> float:
    """Training accuracy after the steps of SGD; nan where it diverged. Biases start with the deviation `biases`."""
    X, y = digits()
    model = make()
    rules = {"*.bias": f"normal(std={biases})"} if biases else None
    done = goodinit.initialize(model, init, seed=seed, inputs=X[:32], rules=rules)
    update = torch.optim.SGD(done.param_groups(lr=rate, weight_decay=0, optimizer="sgd"), momentum=momentum)
    order = torch.from_numpy(KeyedStream(seed).uniform("order", 0, steps * BATCH) * len(X)).long().reshape(steps, BATCH)
    for batch in order:
        loss = nn.functional.cross_entropy(model(X[batch]), y[batch])
        if not math.isfinite(loss.item()):
            return math.nan
        update.zero_grad()
        loss.backward()
        update.step()
    with torch.no_grad():
        return float((model(X).argmax(1) == y).double().mean())


def show(
    title: str,
    rows: Sequence[tuple[str, Callable[[], nn.Module], str]],
    rates: Sequence[float],
    steps: int,
    seeds: int,
    momentum: float = 0.9,
    biases: float = 0.0,
) -> None:
    """One table: a row for each model and start, a column for each rate."""
    print(f"{title}\n\n| network | start | {' | '.join(f'{rate:g}' for rate in rates)} |")
    print(f"| --- | --- | {' | '.join('---' for _ in rates)} |")
    for name, make, init in rows:
        cells = []
        for rate in rates:
            found = [accuracy(make, init, seed, rate, steps, momentum, biases) for seed in range(seeds)]
            alive = [each for each in found if math.isfinite(each)]
            cells.append(f"{sum(alive) / len(alive):.2f}" + f" ({len(alive)})" * (len(alive) < seeds) if alive else "-")
        print(f"| {name} | `{init}` | {' | '.join(cells)} |", flush=True)
    print()


def a1(seeds: int) -> None:
    """He and Glorot in ReLU networks."""
    starts = ("he_normal", "glorot_normal(gain=1)", "pytorch_linear")
    rows = [
        (f"{depth} layers of 256, ReLU", lambda depth=depth: plain(depth, 256, nn.ReLU), init)
        for depth in (10, 30)
        for init in starts
    ]
    show("A1: 300 steps", rows, (3e-3,), 300, seeds)


def a2(seeds: int) -> None:
    """The variance of tanh networks, with biases of variance 0.05: too small, critical (1.761), too large."""
    rows = [
        (
            f"{depth} layers of 128, tanh",
            lambda depth=depth: plain(depth, 128, nn.Tanh),
            f"variance_scaling(scale={variance}, mode=fan_in, distribution=normal)",
        )
        for variance, depths in ((1.0, (20, 80)), (1.761, (20, 80)), (4.0, (20, 40)))
        for depth in depths
    ]
    show("A2: 200 steps of SGD", rows, (3e-3, 1e-2, 3e-2, 1e-1), 200, seeds, momentum=0.0, biases=math.sqrt(0.05))


def a3(seeds: int) -> None:
    """Orthogonal and Gaussian weights in 200 layers of tanh."""
    gain = math.sqrt(1.05)
    starts = (
        f"orthogonal(gain={gain:.6f})",
        "variance_scaling(scale=1.05, mode=fan_in, distribution=normal)",
        "tanh_init",
    )
    rows = [("200 layers of 128, tanh", lambda: plain(200, 128, nn.Tanh), init) for init in starts]
    show("A3: 300 steps of SGD", rows, (3e-3,), 300, seeds, momentum=0.0, biases=math.sqrt(2.01e-5))


def a4(seeds: int) -> None:
    """Orthogonal and Gaussian weights in 100 linear layers."""
    rows = [("100 layers of 64, linear", lambda: plain(100, 64, None), init) for init in ("orthogonal", "lecun_normal")]
    show("A4: 300 steps of SGD", rows, (3e-3, 1e-2), 300, seeds, momentum=0.0)


def a5(seeds: int) -> None:
    """100 residual blocks without norms."""
    starts = (
        "he_normal",
        "residual_scaling",
        "depth_scaled(of=he_normal)",
        "fixup",
        "zero_branches",
        "zer_o",
        "autoinit",
    )
    rows = [("100 blocks of 64, ReLU", lambda: residual(100, 64), init) for init in starts]
    show("A5: 150 steps", rows, (1e-3, 1e-2), 150, seeds)


def a7(seeds: int) -> None:
    """The best rate of Adam as the network widens, with one rate for all and with muP's."""
    exponents = range(-4, -13, -1)
    X, y = digits()
    print("A7: training loss after 60 steps of Adam, 4 layers, ReLU; the best rate by a parabola through three\n")
    print(f"| start | width | {' | '.join(f'2^{k}' for k in exponents)} | best |")
    print(f"| --- | --- | {' | '.join('---' for _ in exponents)} | --- |")
    for init in ("he_normal", "mup(base_width=64)"):
        for width in (64, 256, 1024):
            losses = []
            for exponent in exponents:
                found = [adam_loss(X, y, init, width, 2.0**exponent, seed) for seed in range(seeds)]
                losses.append(math.exp(sum(map(math.log, found)) / seeds))
            low = min(range(1, len(losses) - 1), key=losses.__getitem__)
            below, least, above = (math.log(each) for each in losses[low - 1 : low + 2])
            shift = (above - below) / (2 * (below - 2 * least + above))
            best = exponents[low] + shift
            cells = " | ".join(f"{each:.2g}" for each in losses)
            print(f"| `{init}` | {width} | {cells} | 2^{best:.1f} |", flush=True)
    print()


def adam_loss(X: Tensor, y: Tensor, init: str, width: int, rate: float, seed: int, steps: int = 60) -> float:
    """The loss on all digits after the steps, at most 100."""
    model = plain(4, width, nn.ReLU)
    done = goodinit.initialize(model, init, seed=seed, inputs=X[:32])
    update = torch.optim.Adam(done.param_groups(lr=rate, weight_decay=0, optimizer="adam"))
    order = torch.from_numpy(KeyedStream(seed).uniform("order", 0, steps * BATCH) * len(X)).long().reshape(steps, BATCH)
    for batch in order:
        update.zero_grad()
        nn.functional.cross_entropy(model(X[batch]), y[batch]).backward()
        update.step()
    with torch.no_grad():
        loss = float(nn.functional.cross_entropy(model(X), y))
    return min(loss, 100.0) if math.isfinite(loss) else 100.0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("which", nargs="+", choices=["A1", "A2", "A3", "A4", "A5", "A7"])
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    for each in options.which:
        {"A1": a1, "A2": a2, "A3": a3, "A4": a4, "A5": a5, "A7": a7}[each](options.seeds)
