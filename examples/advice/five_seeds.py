"""Five models from their own start, from goodinit's default and from what goodinit advises: is any worse?

    python examples/advice/five_seeds.py [--model NAME ...] [--seeds 5]

ViT, GPT-2 and Llama are transformers', the residual network of batch norms torchvision's, the LSTM PyTorch's: small,
and built from configurations. Pictures are scikit-learn's digits, texts the characters of Python's own `argparse.py`.
Each start is trained by AdamW at the better of two rates, which are tried on a seed of their own, then on the seeds,
each of which gives every start the same batches. `advised` is what `goodinit.advise` names first, but for the own
start; where the checkup of that shows a remedy, it is tried too. The table has the training loss and the accuracy on
what was held out, means over the seeds, and the paired difference from the own start with its 95 % interval.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev

import torch
from scipy import stats
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional

import goodinit
from goodinit.streams import KeyedStream

RATES = (1e-3, 3e-3)
TUNING_SEED = 100
CONTEXT, BATCH, WIDTH = 32, 16, 64
OWN = "default"
GOODINIT = "he_normal"  # what `initialize` takes where nothing is said
LAST = 10  # steps whose mean is the training loss


@dataclass(frozen=True)
class Task:
    """How to make a model, and what it is trained and judged on; examples are rows, each with its targets."""

    make: Callable[[], nn.Module]
    data: Callable[[], tuple[Tensor, Tensor]]
    steps: int


@dataclass(frozen=True)
class Start:
    """What fills a model; a remedy is run on its own values before."""

    what: str
    init: str
    remedy: str = ""


class Logits(nn.Module):
    """A model of transformers that gives its logits alone."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        """Logits, the classes on axis 1."""
        logits: Tensor = self.model(x).logits
        return logits.transpose(1, 2) if logits.dim() == 3 else logits


class Characters(nn.Module):
    """Two layers of LSTM that tell the next character."""

    def __init__(self, characters: int, width: int = 2 * WIDTH) -> None:
        super().__init__()
        self.embed = nn.Embedding(characters, width)
        self.lstm = nn.LSTM(width, width, num_layers=2, batch_first=True)
        self.head = nn.Linear(width, characters)

    def forward(self, x: Tensor) -> Tensor:
        """Logits, the classes on axis 1."""
        logits: Tensor = self.head(self.lstm(self.embed(x))[0])
        return logits.transpose(1, 2)


def digits() -> tuple[Tensor, Tensor]:
    """8 x 8 pictures of mean 0 and deviation 1."""
    data = load_digits()
    x = torch.tensor(data.images, dtype=torch.float32).unsqueeze(1)
    return (x - x.mean()) / x.std(), torch.tensor(data.target)


def characters() -> tuple[Tensor, Tensor]:
    """Pieces of a text, each with the characters that follow."""
    codes = torch.tensor(list(Path(argparse.__file__).read_bytes()))
    codes = torch.unique(codes, return_inverse=True)[1]
    rows = codes[: len(codes) // CONTEXT * CONTEXT - CONTEXT + 1]
    windows = rows.unfold(0, CONTEXT + 1, CONTEXT // 2)
    return windows[:, :-1], windows[:, 1:]


def _vit() -> nn.Module:
    from transformers import ViTConfig, ViTForImageClassification

    sizes = {"image_size": 8, "patch_size": 2, "num_channels": 1, "hidden_size": WIDTH, "num_hidden_layers": 6}
    sizes |= {"num_attention_heads": 4, "intermediate_size": 4 * WIDTH}
    return Logits(ViTForImageClassification(ViTConfig(**sizes, num_labels=10)))


def _resnet() -> nn.Module:
    from torchvision.models.resnet import BasicBlock, ResNet

    model = ResNet(BasicBlock, [2, 2, 2, 2], num_classes=10, width_per_group=64)
    model.conv1, model.maxpool = nn.Conv2d(1, 64, 3, padding=1, bias=False), nn.Identity()  # as for small pictures
    return model


def _gpt2() -> nn.Module:
    from transformers import GPT2Config, GPT2LMHeadModel

    sizes = {"n_embd": WIDTH, "n_layer": 6, "n_head": 4, "n_positions": CONTEXT}
    return Logits(GPT2LMHeadModel(GPT2Config(**sizes, vocab_size=_vocabulary(), use_cache=False)))


def _llama() -> nn.Module:
    from transformers import LlamaConfig, LlamaForCausalLM

    sizes = {"hidden_size": WIDTH, "num_hidden_layers": 12, "num_attention_heads": 4}
    sizes["intermediate_size"] = 3 * WIDTH
    return Logits(LlamaForCausalLM(LlamaConfig(**sizes, vocab_size=_vocabulary(), use_cache=False)))


def _vocabulary() -> int:
    return int(characters()[0].max()) + 1


TASKS = {
    "ViT": Task(_vit, digits, 200),
    "ResNet": Task(_resnet, digits, 30),
    "GPT-2": Task(_gpt2, characters, 100),
    "Llama": Task(_llama, characters, 100),
    "LSTM": Task(lambda: Characters(_vocabulary()), characters, 200),
}


def batches(examples: int, seed: int, steps: int) -> Iterator[Tensor]:
    """Rows of each step: the same for all starts of a seed."""
    picked = KeyedStream(seed).uniform("order", 0, steps * BATCH) * examples
    yield from torch.from_numpy(picked).long().reshape(steps, BATCH)


def trained(task: Task, start: Start, rate: float, seed: int) -> tuple[float, float]:
    """Training loss, the mean of the last steps, and accuracy on what was held out; nan where it diverged."""
    x, y = task.data()
    mixed = torch.from_numpy(KeyedStream(0).uniform("split", 0, len(x))).argsort()
    train, test = mixed[: len(x) * 3 // 4], mixed[len(x) * 3 // 4 :]
    torch.manual_seed(seed)
    model, batch = task.make(), x[train[:BATCH]]
    if start.remedy:
        exec(start.remedy, {"model": model, "inputs": batch, "torch": torch, "goodinit": goodinit})
    done = goodinit.initialize(model, start.init, seed=seed, inputs=batch)
    update = torch.optim.AdamW(done.param_groups(lr=rate, weight_decay=0.01, eps=1e-8, optimizer="adamw"))
    losses = []
    torch.manual_seed(seed)  # dropout
    for rows in batches(len(train), seed, task.steps):
        loss = functional.cross_entropy(model(x[train[rows]]), y[train[rows]])
        if not math.isfinite(loss.item()):
            return math.nan, math.nan
        update.zero_grad()
        loss.backward()
        update.step()
        losses.append(loss.item())
    model.eval()
    with torch.no_grad():
        right = torch.cat([(model(x[rows]).argmax(1) == y[rows]).flatten() for rows in test[:512].split(128)])
    return mean(losses[-LAST:]), float(right.double().mean())


def starts_of(task: Task) -> list[Start]:
    """The starts that are compared, the model's own first."""
    torch.manual_seed(0)
    x, y = task.data()
    model, given = task.make(), (x[:BATCH], y[:BATCH])
    advice = goodinit.advise(model, *given, loss=functional.cross_entropy)
    checkup = goodinit.check(model, *given, loss=functional.cross_entropy)
    first = next(each.init for each in advice.options if each.init != OWN)
    what = "advised" if advice.options[0].init == first else "advised after its own"
    starts = [Start("its own", OWN), Start("goodinit's default", GOODINIT), Start(what, first)]
    remedied = next((each for each in checkup.findings if each.remedy and each.severity != "info"), None)
    return starts + ([Start(f"its own, `{remedied.code}` remedied", OWN, remedied.remedy)] if remedied else [])


def run(task: Task, start: Start, seeds: int) -> tuple[float, list[tuple[float, float]]]:
    """The best rate, and what became of every seed at it."""
    tried = {rate: trained(task, start, rate, TUNING_SEED)[0] for rate in RATES}
    rate = min(tried, key=lambda each: math.inf if math.isnan(tried[each]) else tried[each])
    return rate, [trained(task, start, rate, seed) for seed in range(seeds)]


def interval(differences: list[float]) -> str:
    """The mean with its 95 % interval by Student's t."""
    half = stats.t.ppf(0.975, len(differences) - 1) * stdev(differences) / math.sqrt(len(differences))
    return f"{mean(differences):+.3f} +- {half:.3f}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", action="append", choices=list(TASKS))
    parser.add_argument("--seeds", type=int, default=5)
    given = parser.parse_args()
    torch.set_num_threads(1)
    print("| model | start | rate | training loss | beside its own | accuracy | beside its own |")
    print("| --- | --- | ---: | ---: | --- | ---: | --- |")
    for name in given.model or TASKS:
        own: list[tuple[float, float]] = []
        for start in starts_of(TASKS[name]):
            rate, runs = run(TASKS[name], start, given.seeds)
            own = own or runs
            cells = []
            for number in (0, 1):
                differences = [each[number] - before[number] for each, before in zip(runs, own, strict=True)]
                cells += [f"{mean(each[number] for each in runs):.3f}", "" if runs is own else interval(differences)]
            print(f"| {name} | {start.what}: `{start.init}` | {rate:g} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
