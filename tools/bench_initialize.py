"""Times `goodinit.initialize` on a model of 350 million parameters beside PyTorch's own initialization of it.

Both fill the same tensors, in turns, in one process: PyTorch by every module's `reset_parameters`, which is what making
the model does after allocating it. Run it as `python tools/bench_initialize.py [repetitions]`; it needs 2 GB.
"""

import sys
import time

import torch
from torch import nn

import goodinit


class Transformer(nn.Module):
    """An encoder of GPT-2 medium's size: 24 layers of width 1,024, and a table of 50,257 tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(50_257, 1024)
        layer = nn.TransformerEncoderLayer(1024, 16, 4096, batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, 24, enable_nested_tensor=False)


def reset(model: nn.Module) -> None:
    """PyTorch's own initialization of every module."""
    for module in model.modules():
        for name in ("reset_parameters", "_reset_parameters"):
            if name in dir(type(module)):
                getattr(module, name)()
                break


def main(repetitions: int) -> None:
    """Print the seconds of each contestant, the best of the repetitions."""
    model = Transformer()
    size = sum(parameter.numel() for parameter in model.parameters())
    seconds: dict[str, list[float]] = {}
    contestants = {
        "PyTorch's own": lambda: reset(model),
        "goodinit he_normal": lambda: goodinit.initialize(model, "he_normal", seed=0),
        "goodinit glorot_uniform": lambda: goodinit.initialize(model, "glorot_uniform", seed=0),
        "goodinit truncated": lambda: goodinit.initialize(
            model, "variance_scaling(distribution=truncated_normal)", seed=0
        ),
    }
    for _ in range(repetitions):
        for name, run in contestants.items():
            start = time.perf_counter()
            run()
            seconds.setdefault(name, []).append(time.perf_counter() - start)
    theirs = min(seconds["PyTorch's own"])
    print(f"{size:,} parameters, torch {torch.__version__}, {torch.get_num_threads()} threads")
    for name, each in seconds.items():
        print(f"{name:26} {min(each):6.2f} s   {min(each) / theirs:5.2f} x")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
