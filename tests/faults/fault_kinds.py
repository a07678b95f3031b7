"""Faults that people make, each planted into a healthy model, with the findings that name its cause."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from fault_models import HEALTHY, Case, plain
from torch import nn
from torch.nn import functional


@dataclass(frozen=True)
class Fault:
    """`name` says what was done to a healthy model; any of the `codes` names its cause."""

    name: str
    base: str
    codes: frozenset[str]
    plant: Callable[[Case], None]

    def case(self) -> Case:
        """The model with the fault."""
        torch.manual_seed(0)
        case = HEALTHY[self.base]()
        with torch.no_grad():
            self.plant(case)
        return case


FAULTS: list[Fault] = []


def fault(name: str, base: str, *codes: str) -> Callable[[Callable[[Case], None]], Callable[[Case], None]]:
    def note(plant: Callable[[Case], None]) -> Callable[[Case], None]:
        FAULTS.append(Fault(name, base, frozenset(codes), plant))
        return plant

    return note


def every(model: nn.Module, rule: Callable[[torch.Tensor], object], ends: tuple[str, ...] = ("weight",)) -> None:
    for name, each in model.named_parameters():
        if each.dim() > 1 and name.endswith(ends):
            rule(each)


SIZES = ("exploding-signal", "weight-too-large", "exploding-gradient", "output-saturated", "loss-above-chance")
ZERO = ("all-zero", "zero-gradient")
SMALL = ("vanishing-signal", "vanishing-gradient", "collapsed")
INPUTS = ("inputs-not-scaled", "inputs-not-centred")


def planted() -> None:
    """All of them, base by base."""
    fault("all weights 0", "CNN", *ZERO)(lambda c: every(c.model, nn.init.zeros_))
    fault("weights of std 1", "CNN", *SIZES)(lambda c: every(c.model, lambda w: w.normal_(std=1)))
    fault("weights of std 0.001", "CNN", *SMALL)(lambda c: every(c.model, lambda w: w.normal_(std=1e-3)))
    fault("biases of -10", "CNN", "dead-units")(lambda c: c.model.convs[2].bias.fill_(-10))
    fault("one number for all weights", "CNN", "identical-units")(lambda c: every(c.model, lambda w: w.fill_(0.05)))
    fault("pixels 0 to 255", "CNN", *INPUTS)(lambda c: setattr(c, "inputs", torch.rand_like(c.inputs) * 255))
    fault("inputs of mean 1000", "CNN", *INPUTS)(lambda c: setattr(c, "inputs", c.inputs + 1000))
    fault("inputs of 1e-4", "CNN", *INPUTS)(lambda c: setattr(c, "inputs", c.inputs * 1e-4))
    fault("softmax before cross-entropy", "CNN", "probabilities-as-scores")(
        lambda c: setattr(c.model, "last", lambda s: s.softmax(1))
    )
    fault("ReLU before cross-entropy", "CNN", "activation-before-loss")(
        lambda c: setattr(c.model, "last", functional.relu)
    )
    fault("head 100 times too large", "CNN", "output-saturated", "loss-above-chance", "weight-too-large")(
        lambda c: c.model.head.weight.mul_(100)
    )
    fault("frozen convolutions", "CNN", "no-gradient")(lambda c: c.model.convs.requires_grad_(False))
    fault("detach before the head", "CNN", "no-gradient")(lambda c: setattr(c.model, "cut", True))
    fault("dropout of 95 %", "CNN", "dropout-too-large")(lambda c: setattr(c.model.drop, "p", 0.95))
    fault("learning rate of 1, Adam", "CNN", "update-too-large")(
        lambda c: c.options.update(learning_rate=1.0, optimizer="adam")
    )
    fault("a nan in a weight", "CNN", "not-finite")(lambda c: c.model.convs[1].weight.view(-1)[:1].fill_(torch.nan))
    fault("one class only", "CNN", "targets-alike")(lambda c: c.targets.fill_(3))
    fault("a nan in the inputs", "CNN", "not-finite")(lambda c: c.inputs.view(-1)[:1].fill_(torch.nan))
    fault("evaluation mode, statistics of other data", "ResNet", "stale-statistics")(_stale)
    fault("last norm of scale 0", "ResNet", "silent-norm")(
        lambda c: (c.model.norm.weight.zero_(), c.model.norm.bias.zero_())
    )
    fault("half of the channels copied", "ResNet", "identical-units")(_copied_channels)
    fault("every example the same", "ResNet", "inputs-constant")(
        lambda c: c.inputs.copy_(c.inputs[:1].expand_as(c.inputs))
    )
    fault("all weights 0", "ResNet", *ZERO)(lambda c: every(c.model, nn.init.zeros_))
    fault("blocks are copies", "ResNet", "identical-layers")(
        lambda c: [b.load_state_dict(c.model.blocks[0].state_dict()) for b in c.model.blocks]
    )
    fault("branches not scaled with depth", "ResNet without norms", "residual-growth", "exploding-signal")(
        lambda c: [b.two.weight.mul_(10**0.5) for b in c.model.blocks]
    )
    fault("branches 3 times too large", "ResNet without norms", "residual-growth", "exploding-signal")(
        lambda c: [b.two.weight.mul_(3 * 10**0.5) for b in c.model.blocks]
    )
    pre = "transformer, pre-norm"
    fault("scores without 1 / sqrt(d)", pre, "attention-not-scaled")(_unscaled)
    fault("queries and keys 12 times too large", pre, "attention-saturated")(
        lambda c: [p.weight.mul_(12) for a in c.model.layers for p in (a.attention.q, a.attention.k)]
    )
    fault("queries and keys next to 0", pre, "attention-uniform")(
        lambda c: [p.weight.mul_(1e-3) for a in c.model.layers for p in (a.attention.q, a.attention.k)]
    )
    fault("softmax over the queries", pre, "attention-wrong-axis")(
        lambda c: [setattr(a.attention, "axis", -2) for a in c.model.layers]
    )
    fault("head of std 5", pre, "output-saturated", "loss-above-chance")(lambda c: c.model.head.weight.normal_(std=5))
    fault("layers are copies", pre, "identical-layers")(
        lambda c: [a.load_state_dict(c.model.layers[0].state_dict()) for a in c.model.layers]
    )
    fault("last norm of scale 0", pre, "silent-norm")(lambda c: c.model.norm.weight.zero_())
    fault("detach after layer 4", pre, "no-gradient")(lambda c: setattr(c.model, "cut", True))
    fault("softmax before cross-entropy", pre, "probabilities-as-scores")(
        lambda c: setattr(c.model, "last", lambda s: s.softmax(1))
    )
    fault("frozen token table", pre, "no-gradient")(lambda c: c.model.token.requires_grad_(False))
    fault("all weights 0", pre, *ZERO)(lambda c: every(c.model, nn.init.zeros_))
    fault("positions 100 times the tokens", pre, "positions-too-large")(lambda c: c.model.place.weight.mul_(100))
    fault("learning rate of 0.3, Adam", pre, "update-too-large")(
        lambda c: c.options.update(learning_rate=0.3, optimizer="adam")
    )
    post = "transformer, post-norm"
    fault("layers are copies", post, "identical-layers")(
        lambda c: [a.load_state_dict(c.model.layers[0].state_dict()) for a in c.model.layers]
    )
    fault("queries and keys 8 times too large", post, "attention-saturated")(
        lambda c: [a.self_attn.in_proj_weight[:128].mul_(8) for a in c.model.layers]
    )
    fault("a feature 1000 times the others", post, "inputs-uneven")(lambda c: c.inputs[..., 3].mul_(1000))
    fault("inputs of 1e3", post, *INPUTS)(lambda c: c.inputs.mul_(1e3))
    fault("forget bias of -5", "LSTM", "forget-gate-shut")(
        lambda c: [b[48:96].fill_(-5) for n, b in c.model.rnn.named_parameters() if "bias" in n]
    )
    fault("recurrent weights of 0.001", "LSTM", "recurrent-too-small")(
        lambda c: every(c.model.rnn, lambda w: w.normal_(std=1e-3), ("hh_l0", "hh_l1"))
    )
    fault("recurrent weights of 5", "LSTM", "recurrent-too-large", "gates-saturated")(
        lambda c: every(c.model.rnn, lambda w: w.normal_(std=5), ("hh_l0", "hh_l1"))
    )
    fault("input weights of 10", "LSTM", "gates-saturated")(
        lambda c: every(c.model.rnn, lambda w: w.normal_(std=10), ("ih_l0", "ih_l1"))
    )
    fault("last state detached", "LSTM", "no-gradient")(lambda c: setattr(c.model, "cut", True))
    fault("targets (N), outputs (N, 1)", "LSTM, numbers", "targets-stretched")(
        lambda c: setattr(c, "targets", c.targets[:, 0])
    )
    fault("targets of mean 1000", "LSTM, numbers", "loss-above-chance")(lambda c: c.targets.add_(1000))
    fault("decoder's end 100 times too large", "VAE", "output-saturated", "loss-above-chance", "weight-too-large")(
        lambda c: c.model.decode[2].weight.mul_(100)
    )
    fault("sigmoid before a loss with logits", "VAE", "probabilities-as-scores")(
        lambda c: setattr(c.model, "squash", True)
    )
    fault("log-variance of std 100", "VAE", "not-finite", "exploding-signal", "weight-too-large")(
        lambda c: c.model.spread.weight.normal_(std=100)
    )
    fault("z detached", "VAE", "no-gradient")(lambda c: setattr(c.model, "cut", True))
    fault("tanh at its ends", "GAN", "saturated-units")(lambda c: c.model.g[4].weight.mul_(60))
    fault("sigmoid before a loss with logits", "GAN", "probabilities-as-scores")(
        lambda c: setattr(c.model, "squash", True)
    )
    fault("images detached", "GAN", "no-gradient")(lambda c: setattr(c.model, "cut", True))
    fault("generator's weights and biases 0", "GAN", *ZERO)(lambda c: [p.zero_() for p in c.model.g.parameters()])
    fault(
        "neighbours summed, 64 of them", "GNN", "exploding-signal", "collapsed", "output-saturated", "loss-above-chance"
    )(lambda c: c.model.near.fill_(1.0))
    fault("neighbours are all nodes, averaged", "GNN", "collapsed")(lambda c: c.model.near.fill_(1 / 64))
    fault("weights of std 2", "GNN", *SIZES)(lambda c: every(c.model, lambda w: w.normal_(std=2)))
    fault("experts are copies", "MoE", "identical-layers")(
        lambda c: [e.load_state_dict(c.model.experts[0].state_dict()) for e in c.model.experts]
    )
    fault("experts of weights and biases 0", "MoE", *ZERO)(lambda c: [p.zero_() for p in c.model.experts.parameters()])
    fault("router of std 100", "MoE", "exploding-signal", "weight-too-large")(
        lambda c: c.model.router.weight.normal_(std=100)
    )
    fault("couplings of std 3", "flow", "not-finite", "exploding-signal", "weight-too-large", "exploding-gradient")(
        lambda c: every(c.model, lambda w: w.normal_(std=3))
    )
    fault("output detached", "flow", "backward-failed", "no-gradient")(lambda c: setattr(c.model, "cut", True))
    fault(
        "He's weights at frequency 30", "SIREN", "chaotic", "exploding-gradient", "weight-too-large", "exploding-signal"
    )(lambda c: every(c.model, nn.init.kaiming_normal_))
    fault("frequency forgotten", "SIREN", "vanishing-signal", "vanishing-gradient", "collapsed")(
        lambda c: setattr(c.model, "frequency", 1.0)
    )
    fault("weights of std 10", "MLP, tanh", "saturated-units", "weight-too-large")(
        lambda c: every(c.model, lambda w: w.normal_(std=10))
    )
    fault("one weight for all", "MLP, tanh", "identical-units")(lambda c: every(c.model, lambda w: w.fill_(0.1)))
    fault("PyTorch's default, 30 layers", "MLP, 30 layers", "vanishing-signal", "vanishing-gradient", "collapsed")(
        lambda c: [m.reset_parameters() for m in c.model if isinstance(m, nn.Linear)]
    )
    fault("sigmoids, 30 layers", "MLP, 30 layers", "vanishing-gradient", "collapsed")(
        lambda c: setattr(c, "model", _sigmoids())
    )
    fault(
        "weights 1.5 times too large, 30 layers", "MLP, 30 layers", "exploding-signal", "exploding-gradient", "chaotic"
    )(lambda c: every(c.model, lambda w: w.mul_(1.5)))
    fault("nll_loss of scores", "MLP", "scores-not-logarithms")(lambda c: setattr(c, "loss", functional.nll_loss))
    fault("all biases -100", "MLP", "dead-units")(
        lambda c: [m.bias.fill_(-100) for m in c.model[:-1] if isinstance(m, nn.Linear)]
    )
    fault("targets of 1e4", "MLP, numbers", "loss-above-chance")(lambda c: c.targets.add_(1e4))


def _stale(case: Case) -> None:
    for module in case.model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.fill_(20)
            module.running_var.fill_(400)
    case.model.eval()


def _unscaled(case: Case) -> None:
    for layer in case.model.layers:
        layer.attention.scaled = False


def _copied_channels(case: Case) -> None:
    """So that the gradients of a channel and its copy are the same too."""
    case.model.stem.weight[8:] = case.model.stem.weight[:8]
    case.model.head.weight[:, 8:] = case.model.head.weight[:, :8]
    for block in case.model.blocks:
        for conv in (block.one, block.two):
            conv.weight[8:] = conv.weight[:8]
            conv.weight[:, 8:] = conv.weight[:, :8]


def _sigmoids() -> nn.Module:
    model = plain(30, nn.Sigmoid)
    every(model, lambda w: nn.init.xavier_normal_(w))
    return model


planted()
