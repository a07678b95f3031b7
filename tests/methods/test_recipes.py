"""Recipes applied: laws and roles on small transformers, rates beside a model that multiplies in its forward pass."""

import math
import re
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional
from typer.testing import CliRunner

import goodinit
from goodinit import methods, recipes
from goodinit.cli import app
from goodinit.errors import GoodinitError

WIDTH, LAYERS, HEADS, WORDS = 32, 3, 2, 61
TEXT = torch.arange(24).reshape(2, 12) * 7 % WORDS


class Block(nn.Module):
    """Attention and feed-forward behind norms; `names` are those of a library, or of nobody."""

    def __init__(self, names, norm):
        super().__init__()
        first, second, attention, feed = names
        self.names = names
        self.add_module(first, norm(WIDTH))
        self.add_module(second, norm(WIDTH))
        for name, size in ((attention[0], 3 * WIDTH), (feed[0], 4 * WIDTH)):
            self._put(name, nn.Linear(WIDTH, size))
        self._put(attention[1], nn.Linear(WIDTH, WIDTH))
        self._put(feed[1], nn.Linear(4 * WIDTH, WIDTH))

    def _put(self, path, module):
        above, _, local = path.rpartition(".")
        if above and not hasattr(self, above):
            self.add_module(above, nn.Module())
        (getattr(self, above) if above else self).add_module(local, module)

    def forward(self, x, branch=1.0):
        first, second, attention, feed = (
            [self.get_submodule(each) for each in ([name] if isinstance(name, str) else name)] for name in self.names
        )
        q, k, v = (
            part.reshape(*x.shape[:2], HEADS, -1).transpose(1, 2) for part in attention[0](first[0](x)).chunk(3, -1)
        )
        mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(x.shape)
        x = x + branch * attention[1](mixed)
        return x + branch * feed[1](functional.gelu(feed[0](second[0](x))))


NANOGPT = ("ln_1", "ln_2", ("attn.c_attn", "attn.c_proj"), ("mlp.c_fc", "mlp.c_proj"))
NOBODY = ("before", "between", ("mix", "collect"), ("grow", "shrink"))


class GPT(nn.Module):
    """A small GPT. `logits` and `branch` are what the forward pass multiplies by."""

    def __init__(self, names=NANOGPT, norm=nn.LayerNorm, tied=False, logits=1.0, branch=1.0):
        super().__init__()
        known = names is NANOGPT
        self.parts = ("wte", "wpe", "h", "ln_f", "lm_head") if known else ("one", "two", "three", "four", "five")
        made = (
            nn.Embedding(WORDS, WIDTH),
            nn.Embedding(32, WIDTH),
            nn.ModuleList(Block(names, norm) for _ in range(LAYERS)),
            norm(WIDTH),
            nn.Linear(WIDTH, WORDS, bias=False),
        )
        for name, module in zip(self.parts, made, strict=True):
            self.add_module(name, module)
        if tied:
            made[0].weight = made[4].weight
        self.logits, self.branch = logits, branch

    def forward(self, text):
        words, places, blocks, norm, head = (getattr(self, name) for name in self.parts)
        x = words(text) + places(torch.arange(text.shape[1]))
        for block in blocks:
            x = block(x, self.branch)
        return head(norm(x)) * self.logits


class Offset(nn.Module):
    """Gemma's norm: it multiplies by 1 + w."""

    def __init__(self, width):
        super().__init__()
        self.weight = nn.Parameter(torch.rand(width))

    def forward(self, x):
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-6) * (1 + self.weight)


# GPT-2's standard deviations by its paper and nanoGPT: 0.02, and at the ends of the 2 * 3 branches 0.02 / sqrt(6).
ENDS = 0.02 / math.sqrt(6)


@pytest.mark.parametrize("tied", [False, True])
def test_gpt2_by_names_and_by_one_run(tied):
    named, seen = GPT(tied=tied), GPT(NOBODY, tied=tied)
    by_name = goodinit.initialize(named, "gpt2", seed=0)
    by_run = goodinit.initialize(seen, "gpt2", seed=0, inputs=TEXT)
    for done in (by_name, by_run):
        assert done.init == "gpt2"
        ends = [each for each in done.weights if each.because in ("attention out", "mlp out")]
        assert len(ends) == 2 * LAYERS
        assert all(each.expected_std == pytest.approx(ENDS, rel=1e-9) for each in ends)
        for each in done.weights:
            if each.role in ("bias", "norm shift"):
                assert each.initializer == "zeros"
            elif each.role == "norm scale":
                assert each.initializer == "ones"
            elif each not in ends:
                assert each.expected_std == 0.02
            if each.expected_std:
                error = each.expected_std / math.sqrt(2 * math.prod(each.shape))
                assert abs(each.realised_std - each.expected_std) < 4 * error
    assert sorted(each.because for each in by_name.weights) == sorted(each.because for each in by_run.weights)
    with pytest.raises(GoodinitError, match="no attention is found in this model; pass inputs"):
        goodinit.initialize(GPT(NOBODY), "gpt2", seed=0)


@pytest.mark.parametrize(
    ("recipe", "norm", "start"),
    [("gemma2", Offset, 0.0), ("llama", Offset, 0.0), ("gemma2", nn.LayerNorm, 1.0), ("llama", nn.LayerNorm, 1.0)],
)
def test_a_norm_multiplies_by_1_whichever_way_it_keeps_its_scale(recipe, norm, start):
    model = GPT(norm=norm)
    goodinit.initialize(model, recipe, seed=0, inputs=TEXT)
    assert all((block.ln_1.weight == start).all() for block in model.h)
    if norm is Offset and recipe == "gemma2":  # by names alone it is the recipe's own norm
        goodinit.initialize(GPT(norm=norm), recipe, seed=0)


def _trained(model, groups, optimizer, steps=6):
    made = optimizer(groups)
    losses = []
    for _ in range(steps):
        made.zero_grad()
        loss = functional.cross_entropy(model(TEXT[:, :-1]).flatten(0, 1), TEXT[:, 1:].flatten())
        loss.backward()
        made.step()
        losses.append(loss.item())
    return losses


def _groups(model, m, depth, lr, wd, eps):
    """CompleteP's groups as its authors' code makes them, for a model that multiplies in its forward pass."""
    groups = []
    for name, parameter in model.named_parameters():
        hidden = name.startswith("h.")
        matrix = hidden and parameter.dim() == 2
        end = name in ("wte.weight", "wpe.weight", "lm_head.weight")
        decay = wd * m if matrix else wd if end else 0.0
        groups.append(
            {
                "params": [parameter],
                "lr": lr / m if matrix else lr,
                "weight_decay": decay,
                "eps": eps / m / depth if hidden else eps / m,
            }
        )
    return groups


def test_completep_trains_as_a_model_that_multiplies_in_its_forward_pass():
    m, depth = 4.0, 3.0
    own, theirs = GPT().double(), GPT(logits=1 / m, branch=1 / depth).double()
    done = goodinit.initialize(own, "nanogpt_completep(base_width=8, base_layers=1)", seed=0, inputs=TEXT)
    state = {}
    for name, value in own.state_dict().items():
        factor = depth if "c_proj" in name else m if name == "lm_head.weight" else 1.0
        state[name] = value * factor
    theirs.load_state_dict(state)
    assert theirs.h[0].mlp.c_proj.weight.std().item() == pytest.approx(0.02 / math.sqrt(m), rel=0.05)
    given = {"lr": 0.01, "weight_decay": 0.1, "eps": 1e-4}
    ours = _trained(own, done.param_groups(**given), torch.optim.AdamW)
    groups = _groups(theirs, m, depth, *given.values())
    assert ours == pytest.approx(_trained(theirs, groups, torch.optim.AdamW), rel=1e-9)
    assert ours[-1] < ours[0] - 0.2
    with pytest.raises(GoodinitError, match="known for adam, adamw; 'sgd' was given"):
        done.param_groups(lr=0.1, optimizer="sgd")


@pytest.mark.parametrize("kind", ["sgd", "adam"])
def test_megatrons_mup_trains_as_a_model_that_multiplies_in_its_forward_pass(kind):
    m = 4.0
    own, theirs = GPT().double(), GPT(logits=1 / m).double()
    done = goodinit.initialize(own, "megatron_mup(base_width=8)", seed=0, inputs=TEXT)
    theirs.load_state_dict({key: value * (m if "lm_head" in key else 1) for key, value in own.state_dict().items()})
    matrices = [name for name, p in own.named_parameters() if name.startswith("h.") and p.dim() == 2]
    groups = []
    for name, parameter in theirs.named_parameters():
        if kind == "sgd":
            groups.append({"params": [parameter], "lr": 0.1 if name in matrices else 0.1 * m})
        else:
            rate = 1 / m if name in matrices else 1.0
            groups.append({"params": [parameter], "lr": 0.003 * rate, "eps": 1e-5 * rate})
    made = torch.optim.SGD if kind == "sgd" else torch.optim.Adam
    given = {"lr": 0.1} if kind == "sgd" else {"lr": 0.003, "eps": 1e-5}
    ours = _trained(own, done.param_groups(**given, weight_decay=0.0, optimizer=kind), made)
    assert ours == pytest.approx(_trained(theirs, groups, made), rel=1e-9)
    assert ours[-1] < ours[0]


def test_a_tied_head_that_a_recipe_multiplies_is_refused_and_the_model_is_as_it_was():
    model = GPT(tied=True)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    for inputs in (TEXT, None):
        with pytest.raises(GoodinitError, match=r"wte.weight is the embedding and the readout.*untie them"):
            goodinit.initialize(model, "megatron_mup(base_width=8)", seed=0, inputs=inputs)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    goodinit.initialize(model, f"megatron_mup(base_width={WIDTH})", seed=0)  # nothing is multiplied at the base width


def test_what_a_recipe_does_not_cover_is_kept_and_told():
    class Odd(GPT):
        def __init__(self):
            super().__init__()
            self.strange = nn.Parameter(torch.full((3, 3), 5.0))

    model = Odd()
    done = goodinit.initialize(model, "gpt2", seed=0)
    assert "gpt2 says nothing of a parameter of that name, and it was kept" in done["strange"].caution
    assert (model.strange == 5).all()
    assert goodinit.initialize(model, "gpt2", seed=0, rules={"strange": "zeros"})["strange"].initializer == "zeros"


def test_a_model_of_another_kind_is_refused():
    layers = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    with pytest.raises(GoodinitError, match=r"gpt2 is for decoder-only transformers.*no attention"):
        goodinit.initialize(layers, "gpt2", seed=0, inputs=torch.ones(1, 4))
    with pytest.raises(GoodinitError, match="no attention is found"):
        goodinit.compare("gpt2", steps=20, seeds="0-1", perturbations=0, engine="reference")


def test_the_meta_device_and_slices_give_the_same_values():
    with torch.device("meta"):
        meta = GPT()
    state = goodinit.draw(GPT(), "megatron(std=0.01)", seed=3)
    cut = goodinit.draw(meta, "megatron(std=0.01)", seed=3, slices={"h.1.mlp.c_fc.weight": (slice(5, 9), slice(0, 3))})
    assert torch.equal(cut["h.1.mlp.c_fc.weight"], state["h.1.mlp.c_fc.weight"][5:9, :3])
    goodinit.initialize(meta, "megatron(std=0.01)", seed=3)
    assert all(torch.equal(value, state[name]) for name, value in meta.state_dict().items())


def test_the_docs_list_the_recipes():
    docs = (Path(__file__).parents[2] / "docs" / "recipes.md").read_text(encoding="utf-8")
    listed = docs[docs.index("## All recipes") :]
    assert re.findall(r"^\| `(\w+)` \|", listed, flags=re.MULTILINE) == recipes.names()


def test_names_and_options():
    assert not set(recipes.names()) & {*methods.names(), *goodinit.initializers.names()}
    assert str(methods.get("llama", std=0.01)) == "llama(std=0.01)"
    assert methods.get("llama(std=0.01)") == methods.get("llama", std=0.01)
    for text, message in (
        ("llama(depth=3)", "recipe 'llama' has no option 'depth'; it takes std"),
        ("llama(std=-1)", "must be a number above 0"),
        ("lama", "did you mean llama"),
    ):
        with pytest.raises(GoodinitError, match=message.replace("(", r"\(")):
            methods.get(text)

    class Llama(methods.Method):
        name = "llama"

    with pytest.raises(GoodinitError, match="taken"):
        methods.register(Llama)
    shown = CliRunner().invoke(app, ["show", "nanogpt_completep"]).stdout
    assert "rate x base_width / width" in " ".join(shown.split())
    assert "2026-01-19" in shown
