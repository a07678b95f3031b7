"""Defects that public projects had, as small models in the state before they were mended: found, with the line."""

import inspect

import torch
from torch import nn

from goodinit import audit


def line(function, text):
    """The number of the line of a function's source that holds the text."""
    lines, first = inspect.getsourcelines(function)
    return first + next(number for number, each in enumerate(lines) if text in each)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.c_fc = nn.Linear(8, 32)
        self.c_proj = nn.Linear(32, 8)


class ScaleNeverApplied(nn.Module):
    """https://github.com/huggingface/transformers/issues/47458: the full name is never equal to `c_proj.weight`."""

    def __init__(self):
        super().__init__()
        self.wte = nn.Embedding(50, 8)
        self.h = nn.ModuleList(nn.ModuleDict({"mlp": Block()}) for _ in range(4))
        self.apply(self.fill)

    def fill(self, module):
        if isinstance(module, nn.Linear | nn.Embedding):
            nn.init.normal_(module.weight, std=0.02)
            if isinstance(module, nn.Linear):
                nn.init.zeros_(module.bias)
        if module is self:
            for name, parameter in module.named_parameters():
                if name == "c_proj.weight":
                    nn.init.normal_(parameter, std=0.02 / 8**0.5)


def test_gpt2s_scale_that_was_never_applied():
    found = audit(ScaleNeverApplied, recipe="gpt2")
    assert [each.where for each in found.findings] == [f"h.{layer}.mlp.c_proj.weight" for layer in range(4)]
    assert all("the scale by depth is missing" in each.message for each in found.findings)
    written = found["h.2.mlp.c_proj.weight"].writes[-1]
    assert (written.file, written.line) == (__file__, line(ScaleNeverApplied.fill, "std=0.02)"))


class DeclaredAlone(nn.Module):
    """https://github.com/karpathy/nanochat/pull/686: two scalars that the constructor fills, and `init_weights` not."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4)
        self.smear_lambda = nn.Parameter(torch.zeros(1))
        self.backout_lambda = nn.Parameter(0.2 * torch.ones(1))

    def init_weights(self):
        nn.init.normal_(self.layer.weight)
        nn.init.zeros_(self.layer.bias)


def test_nanochats_scalars_that_are_lost_with_the_meta_device():
    assert audit(DeclaredAlone).complete
    found = audit(DeclaredAlone, init="init_weights")
    assert [(each.code, each.where) for each in found.findings] == [
        ("lost-write", "smear_lambda"),
        ("lost-write", "backout_lambda"),
    ]
    assert all(found[each.where].confirmed for each in found.findings)
    assert found["backout_lambda"].lost[-1].line == line(DeclaredAlone.__init__, "0.2 * torch.ones")


class Norm(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))


class NormsLeftOut(nn.Module):
    """https://github.com/mosaicml/llm-foundry/pull/1745: Llama's norms, which its `_init_weights` did not name."""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(nn.ModuleDict({"norm": Norm(4), "up": nn.Linear(4, 4)}) for _ in range(3))

    def fill(self):
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)


def test_llamas_norms_after_to_empty():
    found = audit(NormsLeftOut, init="fill")
    assert [each.where for each in found.findings] == [f"layers.{layer}.norm.weight" for layer in range(3)]
    assert found.findings[0].code == "lost-write"
    assert found["layers.1.norm.weight"].lost[-1].line == line(Norm.__init__, "torch.ones")


class NewPart(nn.Module):
    """https://github.com/huggingface/transformers/issues/35437: a part that a checkpoint lacks, and nobody fills."""

    def __init__(self):
        super().__init__()
        self.proj = nn.utils.skip_init(nn.Linear, 4, 4, bias=False)
        self.index_new = nn.utils.skip_init(nn.Linear, 4, 4, bias=False)


def test_a_part_that_a_checkpoint_lacks():
    def loaded():
        model = NewPart()
        model.load_state_dict({"proj.weight": torch.ones(4, 4)}, strict=False)
        return model

    found = audit(loaded)
    assert found["proj.weight"].verdict == "checkpoint"
    assert [each.where for each in found.findings] == ["index_new.weight"]
    assert found["index_new.weight"].confirmed


class MarkedInTheConstructor(nn.Module):
    """https://github.com/ByteDance-Seed/VeOmni/issues/163: filled once, marked, and so not filled after `to_empty`."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4)
        self.filled = False
        self.init_weights()

    def init_weights(self):
        if not self.filled:
            nn.init.normal_(self.layer.weight)
            nn.init.zeros_(self.layer.bias)
        self.filled = True


def test_a_mark_that_outlives_what_it_marks():
    found = audit(MarkedInTheConstructor, init="init_weights")
    assert [(each.code, each.where) for each in found.findings] == [
        ("lost-write", "layer.weight"),
        ("lost-write", "layer.bias"),
    ]
    assert found["layer.weight"].lost[-1].line == line(MarkedInTheConstructor.init_weights, "nn.init.normal_")


class Rotary(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("inv_freq", 1 / 10_000 ** (torch.arange(0, 8, 2) / 8), persistent=False)


class WithRotary(nn.Module):
    """https://github.com/huggingface/transformers/issues/45902: frequencies that no checkpoint keeps, and no init."""

    def __init__(self):
        super().__init__()
        self.rotary, self.layer = Rotary(), nn.Linear(4, 4)
        self.register_buffer("cache", torch.empty(4, 4), persistent=False)  # made empty, to be filled while it runs

    def init_weights(self):
        nn.init.normal_(self.layer.weight)
        nn.init.zeros_(self.layer.bias)


def test_a_rotary_embeddings_frequencies_that_to_empty_loses():
    assert audit(WithRotary).sound
    found = audit(WithRotary, init="init_weights")
    assert [(each.code, each.where) for each in found.findings if each.severity == "severe"] == [
        ("lost-write", "rotary.inv_freq")
    ]
    assert not found.complete
    assert found["rotary.inv_freq"].confirmed
    assert found["rotary.inv_freq"].lost[-1].line == line(Rotary.__init__, "inv_freq")


class GatedDelta(nn.Module):
    """https://github.com/allenai/OLMo-core/pull/602: a mixer of another class, whose layers the author's init left."""

    def __init__(self, width):
        super().__init__()
        self.w_q, self.w_out = (nn.Linear(width, width, bias=False) for _ in range(2))
        self.a_log = nn.Parameter(torch.empty(4).uniform_(0, 16).log())


class Attention(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.w_q, self.w_out = (nn.Linear(width, width, bias=False) for _ in range(2))


class Hybrid(nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList([Attention(8), GatedDelta(8), Attention(8)])

    def init_weights(self):
        for block in self.blocks:
            if isinstance(block, Attention):
                nn.init.trunc_normal_(block.w_q.weight, std=0.02, a=-0.06, b=0.06)
                nn.init.trunc_normal_(block.w_out.weight, std=0.02, a=-0.06, b=0.06)


def test_olmos_gated_delta_net_that_no_rule_named():
    left = [f"blocks.1.{name}" for name in ("a_log", "w_q.weight", "w_out.weight")]
    found = audit(Hybrid, init="init_weights")
    assert [(each.code, each.where) for each in found.findings] == [("lost-write", name) for name in left]
    assert found["blocks.1.a_log"].lost[-1].line == line(GatedDelta.__init__, "a_log")
    assert found["blocks.1.w_q.weight"].lost[-1].through == "Linear.reset_parameters"


class FilledAfterItsCheckpoint(nn.Module):
    """https://github.com/huggingface/transformers/issues/46620: what a checkpoint brought is drawn anew."""

    def __init__(self):
        super().__init__()
        self.layer, self.head = nn.Linear(4, 4), nn.Linear(4, 2)

    def init_weights(self):
        for module in self.modules():
            if isinstance(module, nn.Linear):
                module.weight.data.normal_(std=0.02)


def test_weights_drawn_after_their_checkpoint():
    def loaded(first, scale=1.0):
        model = FilledAfterItsCheckpoint()
        steps = [
            lambda: model.load_state_dict({f"layer.{name}": p + 1 for name, p in model.layer.state_dict().items()}, 0),
            model.init_weights,
        ]
        for step in steps[::-1] if first else steps:
            step()
        with torch.no_grad():
            model.layer.weight.mul_(scale)  # a change of what was loaded loses nothing
        return model

    found = audit(lambda: loaded(first=False))
    assert [(each.code, each.where) for each in found.findings] == [("checkpoint-overwritten", "layer.weight")]
    assert f"{line(FilledAfterItsCheckpoint.init_weights, 'normal_')}" in found.findings[0].message
    assert found["layer.bias"].verdict == "checkpoint"
    found = audit(lambda: loaded(first=True, scale=2.0))
    assert found.sound
    assert found["layer.weight"].verdict == "checkpoint"
