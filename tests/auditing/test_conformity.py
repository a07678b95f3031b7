"""Models beside recipes: GPT-2's start as its code has it, and with each of the mistakes that were made of it."""

import math
from datetime import date

import pytest
import torch
from torch import nn

from goodinit import GoodinitError, audit, recipes
from goodinit.recipes import places

WIDTH, LAYERS = 32, 3


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.c_attn = nn.Linear(WIDTH, 3 * WIDTH)
        self.c_proj = nn.Linear(WIDTH, WIDTH)


class FeedForward(nn.Module):
    def __init__(self):
        super().__init__()
        self.c_fc = nn.Linear(WIDTH, 4 * WIDTH)
        self.c_proj = nn.Linear(4 * WIDTH, WIDTH)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.ln_1 = nn.LayerNorm(WIDTH)
        self.attn = Attention()
        self.ln_2 = nn.LayerNorm(WIDTH)
        self.mlp = FeedForward()


class GPT(nn.Module):
    """GPT-2's parameters, as nanoGPT names and fills them; `mistake` changes what is done to one after that."""

    def __init__(self, mistake=None, scale=True, layers=LAYERS):
        super().__init__()
        self.wte = nn.Embedding(100, WIDTH)
        self.wpe = nn.Embedding(20, WIDTH)
        self.h = nn.ModuleList(Block() for _ in range(LAYERS))
        self.ln_f = nn.LayerNorm(WIDTH)
        self.lm_head = nn.Linear(WIDTH, 100, bias=False)
        self.wte.weight = self.lm_head.weight
        for name, parameter in self.named_parameters():
            if name.endswith("bias"):
                nn.init.zeros_(parameter)
            elif parameter.dim() > 1:
                ends = scale and name.endswith("c_proj.weight")
                nn.init.normal_(parameter, std=0.02 / math.sqrt(2 * layers) if ends else 0.02)
        if mistake is not None:
            mistake(self)


def wrong(make, recipe="gpt2"):
    found = audit(make, recipe=recipe)
    return {each.where: each.message for each in found.findings if each.code == "off-the-recipe"}


def test_as_its_code_has_it():
    found = audit(GPT, recipe="gpt2")
    assert found.findings == ()
    assert found["h.1.mlp.c_proj.weight"].expected == "normal(mean=0, std=0.008165)"
    assert found.sound


def test_the_scale_that_was_never_applied():
    """transformers' GPT-2 for years, and issues like it: the ends of the branches start as all else."""
    said = wrong(lambda: GPT(scale=False))
    assert sorted(said) == [f"h.{layer}.{part}.c_proj.weight" for layer in range(3) for part in ("attn", "mlp")]
    assert all("the scale by depth is missing" in message for message in said.values())
    assert "test_conformity.py:" in said["h.0.mlp.c_proj.weight"]


@pytest.mark.parametrize(("layers", "says"), [(6, "as of 6 layers, where there are 3"), (4, "as of 4 layers")])
def test_the_wrong_depth(layers, says):
    said = wrong(lambda: GPT(layers=layers))
    assert len(said) == 2 * LAYERS
    assert all(says in message for message in said.values())


MISTAKES = {
    "another cut": (
        lambda model: nn.init.trunc_normal_(model.h[0].mlp.c_fc.weight, std=0.02, a=-0.04, b=0.04),
        "h.0.mlp.c_fc.weight",
        "another distribution or cut of about that size",
    ),
    "another size": (lambda model: nn.init.normal_(model.wpe.weight), "wpe.weight", "50 times as large"),
    "a norm at 0": (lambda model: nn.init.zeros_(model.ln_f.weight), "ln_f.weight", "asks for constant 1"),
    "a random bias": (lambda model: nn.init.normal_(model.h[1].attn.c_attn.bias), "h.1.attn.c_attn.bias", "constant 0"),
}


@pytest.mark.parametrize("what", MISTAKES)
def test_one_mistake(what):
    mistake, name, says = MISTAKES[what]
    said = wrong(lambda: GPT(mistake))
    assert list(said) == [name]
    assert says in said[name]


def test_a_tied_weight_that_the_head_overwrote():
    said = wrong(lambda: GPT(lambda model: nn.init.normal_(model.lm_head.weight, std=0.001)), "nanochat")
    assert "the start of lm_head.weight, which it is tied to" in said["wte.weight"]


def test_a_built_model_is_compared_by_its_values():
    torch.manual_seed(0)
    assert wrong(GPT()) == {}
    assert set(wrong(GPT(scale=False))) == {f"h.{n}.{part}.c_proj.weight" for n in range(3) for part in ("attn", "mlp")}


def test_norms_that_multiply_by_one_more_than_their_weight():
    """Gemma's start at 0; at 1, as by a general rule, they would double."""
    said = wrong(GPT, "gemma2")
    assert {name for name in said if "ln_" in name and name.endswith("weight")} == {
        name for name, _ in GPT().named_parameters() if "ln_" in name and name.endswith("weight")
    }


def test_what_a_recipe_does_not_speak_of_is_told():
    class Odd(GPT):
        def __init__(self):
            super().__init__()
            self.strange = nn.Parameter(torch.ones(3, 3))

    assert "gpt2 says nothing of: other (1)." in audit(Odd, recipe="gpt2").note
    with pytest.raises(GoodinitError, match=r"recipe 'gtp2' is not known.*gpt2"):
        audit(GPT, recipe="gtp2")


# Standard deviations of a model of 3 layers and width 32 by the published formulas, role by role.
FIGURES = {
    "gpt2": {"qkv": 0.02, "mlp_out": 0.02 / 6**0.5},
    "megatron": {"qkv": 0.02, "attention_out": 0.02 / 6**0.5},
    "olmo2": {"mlp_in": 0.0197316},  # scipy.stats.truncnorm(-3, 3).std() * 0.02
    "olmo_fan_in": {"mlp_out": 0.98658 / 128**0.5},
    "neox": {"qkv": (2 / 160) ** 0.5, "mlp_out": 2 / (3 * 32**0.5)},
    "nanochat": {"embedding": 0.8, "qkv": 32**-0.5, "mlp_in": 0.4 * 32**-0.5, "mlp_out": 0.0},
    "modded_nanogpt": {"qkv": 0.5 * 32**-0.5, "mlp_out": 0.0},
    "megatron_mup(base_width=8)": {"mlp_in": 0.01, "mlp_out": 0.01 / 6**0.5, "embedding": 0.02},
    "nanogpt_completep(base_width=8)": {"mlp_out": 0.01},
    "llama3_titan": {"embedding": 1.0, "mlp_out": 0.02 / 4**0.5, "attention_out": 0.02 / 4**0.5},
    "t5": {"embedding": 1.0, "mlp_out": 128**-0.5},
}


@pytest.mark.parametrize("name", FIGURES)
def test_a_recipes_figures(name):
    found = places({key: tuple(p.shape) for key, p in GPT().named_parameters()})
    second = {place.role: place for place in found.values() if place.layer in (0, 1)}
    for role, std in FIGURES[name].items():
        assert recipes.get(name).expected(second[role]).std == pytest.approx(std, rel=1e-4), role


def test_every_recipe_says_where_it_was_read():
    for name in recipes.names():
        recipe = recipes.get(name)
        assert recipe.repository.startswith("https://")
        assert recipe.version.split()[0] in ("commit", "release")
        assert date.fromisoformat(recipe.date) > date(2023, 1, 1)
        assert all((recipe.title, recipe.covers, recipe.file, recipe.rules))
    assert len(recipes.names()) >= 22


NAMES = {  # of transformers, torchtitan, OLMo-core, litgpt, Megatron-LM and timm
    "model.layers.3.self_attn.q_proj.weight": "query",
    "model.layers.3.self_attn.o_proj.weight": "attention_out",
    "model.layers.3.mlp.down_proj.weight": "mlp_out",
    "model.layers.3.mlp.gate_proj.weight": "mlp_gate",
    "model.layers.3.mlp.gate.weight": "router",
    "model.layers.3.mlp.experts.gate_up_proj": "expert_in",
    "layers.0.attention.wo.weight": "attention_out",
    "layers.0.feed_forward.w1.weight": "mlp_gate",
    "layers.0.feed_forward.w2.weight": "mlp_out",
    "tok_embeddings.weight": "embedding",
    "output.weight": "head",
    "blocks.7.attention.w_out.weight": "attention_out",
    "transformer.h.0.attn.proj.weight": "attention_out",
    "transformer.h.0.mlp.proj.weight": "mlp_out",
    "decoder.layers.1.self_attention.linear_qkv.weight": "qkv",
    "decoder.layers.1.mlp.linear_fc2.weight": "mlp_out",
    "blocks.2.attn.qkv.weight": "qkv",
    "pos_embed": "position",
    "patch_embed.proj.weight": "patch",
    "bert.encoder.layer.0.attention.output.dense.weight": "attention_out",
    "bert.encoder.layer.0.output.dense.weight": "mlp_out",
    "encoder.block.0.layer.1.DenseReluDense.wo.weight": "mlp_out",
    "embedding.word_embeddings.weight": "embedding",
    "backbone.layers.0.mixer.in_proj.weight": "mixer_in",
    "backbone.layers.0.mixer.out_proj.weight": "mixer_out",
    "backbone.layers.0.mixer.dt_proj.bias": "step_bias",
}


@pytest.mark.parametrize("name", NAMES)
def test_a_role_by_its_name(name):
    assert places({name: (8, 8)})[name].role == NAMES[name]
