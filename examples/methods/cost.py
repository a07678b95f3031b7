"""What each method that reads a model's structure costs beside `he_normal`, in processor time.

`python examples/methods/cost.py` prints the table of docs/methods.md: a pre-norm transformer of PyTorch's layers with
46 million numbers, medians of turns in which every method comes once; what refuses this model is left out.
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch
from torch import nn

import goodinit


class Decoder(nn.Module):
    """Token and position tables, pre-norm layers, a final norm, and a readout of its own."""

    def __init__(self, width: int = 512, depth: int = 12, tokens: int = 8000) -> None:
        super().__init__()
        self.tokens = nn.Embedding(tokens, width)
        self.positions = nn.Parameter(0.02 * torch.randn(64, width))
        options = {"activation": "gelu", "batch_first": True, "norm_first": True}
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(width, 8, 4 * width, 0.0, **options) for _ in range(depth)
        )
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, tokens, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.tokens(x) + self.positions[: x.shape[1]]
        for block in self.blocks:
            h = block(h)
        return self.head(self.norm(h))


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--turns", type=int, default=5)
    given = options.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model, x = Decoder(), torch.randint(8000, (2, 16))
    structural = [name for name in goodinit.methods.names() if not goodinit.methods.as_method(name).measures]
    times: dict[str, list[float]] = {}
    for _ in range(given.turns):
        for name in ["he_normal", *structural]:
            begun = time.process_time()
            try:
                goodinit.initialize(model, name, seed=0, inputs=x)
            except goodinit.GoodinitError:
                continue
            times.setdefault(name, []).append(time.process_time() - begun)
    plain = statistics.median(times["he_normal"])
    print("| start | seconds | of he_normal's |")
    print("| --- | --- | --- |")
    for name, each in times.items():
        print(f"| `{name}` | {statistics.median(each):.2f} | {statistics.median(each) / plain:.2f} |")


if __name__ == "__main__":
    main()
