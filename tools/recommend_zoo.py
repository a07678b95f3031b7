"""How good `recommend`'s answers are on models of other libraries: against their own starts at their best rates.

    python tools/recommend_zoo.py RESULTS.jsonl --budget 1min --model "timm nfnet"
    python tools/recommend_zoo.py RESULTS.jsonl --table

Small configurations of torchvision, timm, transformers and torch_geometric, 100 steps of Adam on digits or on
sequences. Each race takes the candidates and rates that `recommend` takes by itself. The model's own start is tuned
apart, at seven rates on three seeds, by the loss on a quarter of the training examples; at its best rate it, and what
was recommended, are then trained on 20 seeds that neither has seen, and compared by the loss on the test examples. The
libraries are not among goodinit's: install those that are to be raced.
"""

import time

import numpy as np
import torch
from recommend_suite import counts_of, line, lines_of, losses_of, measure, parser_of
from torch import nn

import goodinit
from goodinit.comparison.conduct import conducting
from goodinit.comparison.policies import Wave
from goodinit.comparison.tuning import best_rates
from goodinit.datasets import Dataset
from goodinit.methods import get
from goodinit.recommending.given import RATES, RaceRequest, task_of
from goodinit.results import Job, Study
from goodinit.statistics import wilson
from goodinit.suite.examples import examples

OPTIONS = {"optimizer": "adam", "steps": 100, "batch_size": 32}
TUNING = range(1_500_000, 1_500_003)
SEEDS = range(5000, 5020)
DIGITS = {"kind": "digits"}
WORDS = {"kind": "majority", "length": 12, "examples": 1200}


for operator in ("nms", "qnms"):  # of torchvision's compiled part, which does not load beside PyTorch for the CPU
    if not hasattr(torch.ops.torchvision, operator):
        torch.library.define(f"torchvision::{operator}", "(Tensor dets, Tensor scores, float threshold) -> Tensor")


def torchvision_vit():
    """A transformer of patches."""
    from torchvision.models import VisionTransformer

    return VisionTransformer(8, 2, num_layers=2, num_heads=4, hidden_dim=32, mlp_dim=64, num_classes=10)


def torchvision_densenet():
    """Dense blocks with batch norm."""
    from torchvision.models import DenseNet

    return DenseNet(growth_rate=8, block_config=(2, 2), num_init_features=16, num_classes=10)


def timm_resnet():
    """Residual blocks with batch norm."""
    from timm.models.resnet import BasicBlock, ResNet

    return ResNet(BasicBlock, (1, 1, 1, 1), num_classes=10, channels=(8, 16, 24, 32), stem_width=8)


def timm_mixer():
    """Products over patches and over channels."""
    from timm.models.mlp_mixer import MlpMixer

    return MlpMixer(num_classes=10, img_size=8, patch_size=2, num_blocks=3, embed_dim=32)


def timm_nfnet():
    """Residual convolutions without a norm, with weight standardization."""
    from timm.models.nfnet import NfCfg, NormFreeNet

    shape = NfCfg((1, 1), (16, 32), stem_type="3x3", stem_chs=8, group_size=None, bottle_ratio=0.5, num_features=32)
    return NormFreeNet(shape, num_classes=10)


def transformers_bert():
    """A post-norm encoder."""
    from transformers import BertConfig, BertForSequenceClassification

    size = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 64}
    return BertForSequenceClassification(BertConfig(vocab_size=5, max_position_embeddings=16, num_labels=4, **size))


def transformers_gpt2():
    """A pre-norm decoder; the last token's features are told apart."""
    from transformers import GPT2Config, GPT2ForSequenceClassification

    size = {"n_embd": 32, "n_layer": 3, "n_head": 4, "n_positions": 16}
    return GPT2ForSequenceClassification(GPT2Config(vocab_size=5, pad_token_id=4, num_labels=4, **size))


def transformers_llama():
    """A pre-norm decoder with gated branches."""
    from transformers import LlamaConfig, LlamaForSequenceClassification

    size = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 64}
    return LlamaForSequenceClassification(LlamaConfig(vocab_size=5, pad_token_id=4, num_labels=4, **size))


class Grid(nn.Module):
    """A graph network on the places of an image, each joined to those beside it."""

    def __init__(self) -> None:
        from torch_geometric.nn import DenseGCNConv
        from torch_geometric.utils import grid, to_dense_adj

        super().__init__()
        self.layers = nn.ModuleList(DenseGCNConv(inputs, 32) for inputs in (1, 32, 32, 32))
        self.head = nn.Linear(32, 10)
        self.register_buffer("joined", to_dense_adj(grid(8, 8)[0])[0])

    def forward(self, x):
        """The classes of images of shape (examples, 3, 8, 8)."""
        x = x[:, 0].flatten(1)[:, :, None]
        for layer in self.layers:
            x = layer(x, self.joined).relu()
        return self.head(x.amax(dim=1))


def geometric_gcn():
    """Four convolutions over the graph of an image."""
    return Grid()


def geometric_mlp():
    """Linear layers with batch norm."""
    from torch_geometric.nn import MLP

    return nn.Sequential(nn.Flatten(), MLP([192, 32, 32, 32, 32, 10]))


MODELS = {
    "torchvision vit": (torchvision_vit, DIGITS),
    "torchvision densenet": (torchvision_densenet, DIGITS),
    "timm resnet": (timm_resnet, DIGITS),
    "timm mixer": (timm_mixer, DIGITS),
    "timm nfnet": (timm_nfnet, DIGITS),
    "transformers bert": (transformers_bert, WORDS),
    "transformers gpt2": (transformers_gpt2, WORDS),
    "transformers llama": (transformers_llama, WORDS),
    "geometric gcn": (geometric_gcn, DIGITS),
    "geometric mlp": (geometric_mlp, DIGITS),
}


def data_of(options):
    """The data: digits of three equal channels, as models of pictures take them."""
    found = examples(options)
    if options is not DIGITS:
        return found
    X, aside = (np.repeat(each, 3, axis=1) for each in (found.X_train, found.X_test))
    names = tuple(f"input {number}" for number in range(X[0].size))
    return Dataset("digits", X, found.y_train, aside, found.y_test, found.classes, names, parted=True)


def own_rate(task):
    """The best rate of the model's own start."""
    own, rates = get("default"), RATES[task.schedule.optimizer]
    study = Study((task,), (own,), rates, (0,), tuple(TUNING), "validation_loss")
    jobs = [Job(0, own, rate, seed, "tuning") for rate in rates for seed in TUNING]
    with conducting(study, path=None) as conductor:
        conductor.run(Wave("tuning", tuple(jobs)))
        ((_, rate),) = best_rates(conductor.finished(jobs), "validation_loss").items()
    return rate


def measured(name, budget):
    """A line of the results."""
    make, options = MODELS[name]
    data = data_of(options)
    began, spent = time.time(), time.process_time()
    found = goodinit.recommend(make, data, budget=budget, **OPTIONS)
    seconds, processor = time.time() - began, time.process_time() - spent
    task, _ = task_of(RaceRequest(make, data, OPTIONS, "validation_loss"), None)
    named = {"recommended": (found.initialization, found.learning_rate), "own": ("default", own_rate(task))}
    losses = losses_of(task, list(dict.fromkeys(named.values())), SEEDS)
    sized = {"parameters": sum(each.numel() for each in make().parameters())}
    return sized | line(found, budget, named, losses, (seconds, processor))


def table(rows):
    """The lines as a table of Markdown, and the shares."""
    lines = [
        "| model | parameters | said | recommended | the model's own | against its own |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        cells = [f"`{row[key][0]}` at {row[key][1]:g}: {row['medians'][key]:.3g}" for key in ("recommended", "own")]
        same = row["recommended"] == row["own"]
        against = "the same" if same else f"{row['against own']} (p {row['p_value']:.2g})"
        lines.append(f"| {row['model']} | {row['parameters']:,} | {row['verdict']} | {' | '.join(cells)} | {against} |")
    better, worse = (wilson(sum(row["against own"] == word for row in rows), len(rows)) for word in ("better", "worse"))
    trainings = sorted(row["trainings"] for row in rows)
    lines += [
        "",
        f"Of {len(rows)} models {counts_of(rows)}: better on a share of [{better.low:.0%}, {better.high:.0%}], worse "
        f"on one of [{worse.low:.0%}, {worse.high:.0%}]; {trainings[0]} to {trainings[-1]} trainings a race.",
    ]
    return "\n".join(lines)


def main():
    """Measure models, or print the table."""
    parser = parser_of(__doc__.splitlines()[0])
    parser.add_argument("--model", action="append", choices=tuple(MODELS))
    given = parser.parse_args()
    if given.table:
        print(table(lines_of(given)))
        return
    measure(given, "model", given.model or MODELS, lambda name: measured(name, given.budget))


if __name__ == "__main__":
    main()
