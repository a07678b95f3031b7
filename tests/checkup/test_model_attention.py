"""Attentions: planted faults in how scores are made are found, in every way of writing them; sound ones are not."""

import math

import pytest
import torch
from checkup_models import batch
from torch import nn
from torch.nn import functional

import goodinit
from goodinit.pytorch.trace import trace

WIDTH, HEADS, PLACES = 128, 2, 12
WAYS = ["written", "fused", "scaled before", "einsum", "biased", "masked"]
X = torch.randn(16, PLACES, WIDTH, generator=torch.Generator().manual_seed(0))
Y = batch(16)[1]


class Attention(nn.Module):
    def __init__(self, how="written", scale=8.0, axis=-1, gain=1.0):
        super().__init__()
        torch.manual_seed(0)
        self.q, self.k, self.v = (nn.Linear(WIDTH, WIDTH) for _ in range(3))
        self.out = nn.Linear(WIDTH, 10)
        self.how, self.scale, self.axis = how, scale, axis
        with torch.no_grad():
            for layer in (self.q, self.k):
                layer.weight.mul_(gain)
                layer.bias.zero_()

    def forward(self, x):
        n = len(x)
        q, k, v = (f(x).view(n, PLACES, HEADS, -1).transpose(1, 2) for f in (self.q, self.k, self.v))
        if self.how == "fused":
            y = functional.scaled_dot_product_attention(q, k, v, scale=1 / self.scale)
        elif self.how == "scaled before":
            half = 1 / math.sqrt(self.scale)
            y = functional.scaled_dot_product_attention((half * q).contiguous(), k * half, v, scale=1.0)
        elif self.how == "einsum":
            scores = torch.einsum("bhid,bhjd->bhij", q / self.scale, k)
            y = torch.einsum("bhij,bhjd->bhid", scores.softmax(self.axis), v)
        elif self.how == "masked":
            scores = (q / self.scale) @ k.transpose(-2, -1) + x.new_zeros(PLACES, PLACES)
            y = scores.softmax(self.axis) @ v
        elif self.how == "capped":
            scores = 50.0 * torch.tanh(q @ k.transpose(-2, -1) / self.scale / 50.0)
            y = scores.softmax(self.axis) @ v
        elif self.how == "biased":
            bias = x.new_zeros(n * HEADS, 1, PLACES)
            scores = bias.baddbmm(batch1=q.flatten(0, 1), batch2=k.flatten(0, 1).mT, alpha=1 / self.scale)
            y = scores.view(n, HEADS, PLACES, PLACES).softmax(self.axis) @ v
        else:
            y = (q @ k.transpose(-2, -1) / self.scale).softmax(self.axis) @ v
        return self.out(y.transpose(1, 2).reshape(n, PLACES, WIDTH).mean(1))


def found(model):
    checkup = goodinit.check(model, X, Y, loss=functional.cross_entropy)
    return checkup, {each.code: each for each in checkup.findings if each.code.startswith("attention")}


@pytest.mark.parametrize("how", WAYS)
def test_what_is_measured_is_what_the_scores_are(how):
    model = Attention(how)
    checkup, findings = found(model)
    assert not findings
    (seen,) = checkup.start.attentions
    assert seen.head_size == WIDTH // HEADS
    assert seen.factor == pytest.approx(1 / model.scale)
    q, k = (f(X[:2]).detach().view(2, PLACES, HEADS, -1).transpose(1, 2).double() for f in (model.q, model.k))
    scores = torch.stack([(q[..., i, None, :] * k).sum(-1) for i in range(PLACES)], -2) / model.scale
    assert seen.scores_rms == pytest.approx(float(scores.var(-1, correction=0).mean().sqrt()), rel=1e-4)
    weights = scores.exp() / scores.exp().sum(-1, keepdim=True)
    entropy = -(weights * weights.log()).sum(-1).mean() / math.log(PLACES)
    assert seen.entropy == pytest.approx(float(entropy), rel=1e-4)


@pytest.mark.parametrize("how", WAYS)
def test_scores_without_a_scale_are_found_with_their_line(how):
    _, findings = found(Attention(how, scale=1.0))
    assert list(findings) == ["attention-not-scaled"]
    finding = findings["attention-not-scaled"]
    assert finding.severity == "warning"
    assert "1 / sqrt(64)" in finding.change()
    assert "test_model_attention.py:" in finding.change()


@pytest.mark.parametrize("norm", [nn.LayerNorm(64), nn.RMSNorm(64), functional.normalize])
def test_normalized_queries_and_keys_are_not_blamed_for_the_codes_factor(norm):
    """Six times as large as 1 / sqrt(64) after normalization, as Muse Spark's (5.47): no weight of theirs matters."""
    scale = 8 / 6 if isinstance(norm, nn.Module) else 1 / 48

    class Normed(Attention):
        def __init__(self):
            super().__init__()
            self.norms = norm if isinstance(norm, nn.Module) else None

        def forward(self, x):
            q, k, v = (f(x).view(len(x), PLACES, HEADS, -1).transpose(1, 2) for f in (self.q, self.k, self.v))
            normed = self.norms or (lambda value: functional.normalize(value, dim=-1))
            y = (normed(q) @ normed(k).mT / scale).softmax(-1) @ v
            return self.out(y.transpose(1, 2).reshape(len(x), PLACES, WIDTH).mean(1))

    _, findings = found(Normed())
    assert findings["attention-saturated"].severity == "warning"
    assert "though queries and keys are normalized" in findings["attention-saturated"].message
    assert findings["attention-saturated"].remedy == ""


@pytest.mark.parametrize("how", WAYS)
def test_a_saturated_softmax_is_found_and_its_remedy_helps(how):
    _, findings = found(Attention(how, gain=6))
    assert findings["attention-saturated"].severity == "severe"
    assert findings["attention-saturated"].effect.gone


def test_scores_that_are_all_alike_are_found_and_zero_weights_are_told_as_such():
    _, findings = found(Attention("fused", gain=1e-4))
    assert list(findings) == ["attention-uniform"]
    assert findings["attention-uniform"].effect.gone
    checkup, findings = found(Attention("fused", gain=0))
    assert not findings
    assert any(each.code in ("all-zero", "zero-start", "zero-gradient") for each in checkup.findings)


def test_a_softmax_along_another_axis_than_that_of_the_keys_is_found():
    _, findings = found(Attention(axis=1))
    assert findings["attention-wrong-axis"].severity == "severe"
    assert ".softmax(self.axis)" in findings["attention-wrong-axis"].change()


def test_packed_attention_and_masks():
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True)
    model = nn.Sequential(layer, nn.Flatten(1), nn.Linear(32 * PLACES, 10))
    checkup = goodinit.check(model, X[..., :32], Y, loss=functional.cross_entropy)
    (seen,) = checkup.start.attentions
    assert seen.head_size == 8
    assert seen.factor == pytest.approx(1 / math.sqrt(8))
    assert 0.9 < seen.entropy <= 1

    class Causal(Attention):
        def forward(self, x):
            q, k, v = (f(x).view(len(x), PLACES, HEADS, -1).transpose(1, 2) for f in (self.q, self.k, self.v))
            return self.out(functional.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2))

    causal = goodinit.check(Causal(), X)
    assert 0.9 < causal.start.attentions[0].entropy <= 1


def test_a_quotient_is_a_product_with_the_inverse():
    class Quotient(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 4)

        def forward(self, x):
            x = x + self.first(x) / 4
            return x + self.second(x) * torch.tensor(0.5)

    assert [each.scale for each in trace(Quotient(), torch.ones(2, 4)).sums] == [0.25, 0.5]


def test_scores_below_a_cap_are_measured():
    (capped,), (plain,) = (found(Attention(how))[0].start.attentions for how in ("capped", "written"))
    assert capped.factor == pytest.approx(plain.factor)
    assert capped.head_size == plain.head_size
    assert capped.scores_rms == pytest.approx(plain.scores_rms, rel=1e-2)
    assert list(found(Attention("capped", scale=1.0))[1]) == ["attention-not-scaled"]


class Stacked(nn.Module):
    """Attentions one behind another, with or without a residual stream."""

    def __init__(self, layers, residual):
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.ModuleList(nn.ModuleList(nn.Linear(64, 64) for _ in range(4)) for _ in range(layers))
        self.norms = nn.ModuleList(nn.LayerNorm(64) for _ in range(layers))
        self.embed, self.places, self.head = nn.Embedding(50, 64), nn.Parameter(torch.randn(16, 64)), nn.Linear(64, 50)
        self.residual = residual

    def forward(self, tokens):
        x = self.embed(tokens) + self.places
        for (q, k, v, out), norm in zip(self.layers, self.norms, strict=True):
            y = norm(x)
            heads = (f(y).unflatten(-1, (4, -1)).transpose(1, 2) for f in (q, k, v))
            y = out(functional.scaled_dot_product_attention(*heads).transpose(1, 2).flatten(2))
            x = x + y if self.residual else y
        return self.head(x).transpose(1, 2)


def test_queries_and_keys_without_gradient_are_found_where_tokens_have_become_alike():
    tokens = torch.randint(0, 50, (8, 17), generator=torch.Generator().manual_seed(1))

    def gradients(residual):
        model = Stacked(6, residual)
        checkup = goodinit.check(model, tokens[:, :-1], tokens[:, 1:], loss=functional.cross_entropy, remedies=False)
        layers = {each.name.removesuffix(".weight"): each.gradient_rms for each in checkup.start.parameters}
        ratios = [layers[f"layers.{at}.2"] / max(layers[f"layers.{at}.{own}"] for own in (0, 1)) for at in range(6)]
        return ratios, {each.code: each for each in checkup.findings}

    ratios, findings = gradients(residual=False)
    finding = findings["attention-gradient"]
    assert finding.severity == "warning"
    at = int(finding.where.split(".")[1])
    assert finding.values["times"] == pytest.approx(ratios[at])
    assert max(ratios) > 1e4
    ratios, findings = gradients(residual=True)
    assert max(ratios) < 100
    assert "attention-gradient" not in findings


def test_a_packed_attention_that_is_saturated_is_remedied_by_a_start_for_transformers():
    """Rows of size 1 times sqrt(width), as in the tutorials, on PyTorch's layers with norms after the sums."""

    class Translator(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.table, self.head = nn.Embedding(60, 64), nn.Linear(64, 60)
            self.layers = nn.TransformerEncoder(nn.TransformerEncoderLayer(64, 4, 128, batch_first=True), 2)
            self.places = nn.Parameter(torch.randn(12, 64))

        def forward(self, tokens):
            return self.head(self.layers(self.table(tokens) * 8 + self.places)).mT

    tokens = torch.randint(0, 60, (16, 12), generator=torch.Generator().manual_seed(1))
    checkup = goodinit.check(Translator(), tokens, tokens.flip(1), loss=functional.cross_entropy)
    finding = next(each for each in checkup.findings if each.code == "attention-saturated")
    assert finding.severity == "severe"
    assert "small_init" in finding.remedy
    assert finding.effect.gone


class Packed(nn.Module):
    """`Stacked`'s attentions, with queries, keys and values of one matrix: a linear layer's, or PyTorch's own."""

    def __init__(self, own, residual):
        super().__init__()
        torch.manual_seed(0)
        if own:
            layers = (nn.MultiheadAttention(64, 4, batch_first=True) for _ in range(6))
        else:
            layers = (nn.ModuleList([nn.Linear(64, 192), nn.Linear(64, 64)]) for _ in range(6))
        self.layers, self.norms = nn.ModuleList(layers), nn.ModuleList(nn.LayerNorm(64) for _ in range(6))
        self.embed, self.places, self.head = nn.Embedding(50, 64), nn.Parameter(torch.randn(16, 64)), nn.Linear(64, 50)
        self.own, self.residual = own, residual

    def forward(self, tokens):
        x = self.embed(tokens) + self.places
        for layer, norm in zip(self.layers, self.norms, strict=True):
            y = norm(x)
            if self.own:
                y = layer(y, y, y)[0]
            else:
                heads = (f.unflatten(-1, (4, -1)).transpose(1, 2) for f in layer[0](y).chunk(3, -1))
                y = layer[1](functional.scaled_dot_product_attention(*heads).transpose(1, 2).flatten(2))
            x = x + y if self.residual else y
        return self.head(x).transpose(1, 2)


@pytest.mark.parametrize("own", [False, True])
def test_queries_and_keys_of_a_packed_matrix_are_told_apart_from_its_values(own):
    tokens = torch.randint(0, 50, (8, 17), generator=torch.Generator().manual_seed(1))
    model = Packed(own, residual=False)
    loss = functional.cross_entropy(model(tokens[:, :-1]), tokens[:, 1:])
    name = "layers.5.in_proj_weight" if own else "layers.5.0.weight"
    (gradient,) = torch.autograd.grad(loss, [model.get_parameter(name)])
    expected = gradient[128:].square().mean().sqrt() / gradient[:128].square().mean().sqrt()
    checkup = goodinit.check(model, tokens[:, :-1], tokens[:, 1:], loss=functional.cross_entropy, remedies=False)
    assert checkup.start.parameter(name).values_to_scores == pytest.approx(float(expected))
    finding = next(each for each in checkup.findings if each.code == "attention-gradient")
    assert finding.values["times"] > 1e4
    sound = goodinit.check(Packed(own, residual=True), tokens[:, :-1], tokens[:, 1:], loss=functional.cross_entropy)
    assert "attention-gradient" not in {each.code for each in sound.findings}
    assert all(1 < each.values_to_scores < 100 for each in sound.start.parameters if each.values_to_scores)


class Placed(Attention):
    """Scores to which a bias of places is added: looked up, a parameter as it is, in a mask, or fixed."""

    def __init__(self, how, std):
        super().__init__("written")
        self.how, self.bias = how, nn.Embedding(2 * PLACES, HEADS)
        self.own = nn.Parameter(torch.randn(HEADS, PLACES, PLACES) * std)
        self.fixed = nn.Buffer(self.own.detach().clone())
        nn.init.normal_(self.bias.weight, std=std)

    def forward(self, x):
        q, k, v = (f(x).view(len(x), PLACES, HEADS, -1).transpose(1, 2) for f in (self.q, self.k, self.v))
        places = torch.arange(PLACES)
        if self.how in ("looked up", "mask"):
            bias = self.bias(places[:, None] - places + PLACES).permute(2, 0, 1)
        else:
            bias = self.fixed if self.how == "fixed" else self.own
        if self.how == "mask":
            y = functional.scaled_dot_product_attention(q, k, v, attn_mask=bias[None])
        else:
            y = (q @ k.mT / 8 + bias).softmax(-1) @ v
        return self.out(y.transpose(1, 2).reshape(len(x), PLACES, WIDTH).mean(1))


@pytest.mark.parametrize("how", ["looked up", "mask", "parameter"])
def test_a_large_bias_of_places_is_told_from_large_queries_and_keys(how):
    torch.manual_seed(0)
    _, findings = found(Placed(how, 10.0))
    finding = findings["attention-saturated"]
    assert finding.severity == "severe"
    assert finding.where == ("own" if how == "parameter" else "bias.weight")
    assert finding.effect.gone
    assert finding.where in finding.message
    assert not found(Placed(how, 0.5))[1]


def test_what_is_added_to_scores_and_is_no_parameter_is_meant():
    torch.manual_seed(0)
    checkup, findings = found(Placed("fixed", 10.0))
    assert checkup.start.attentions[0].entropy < 0.3
    assert not findings


@pytest.mark.parametrize("empty", [False, True])
def test_pytorchs_attention_with_matrices_of_their_own(empty):
    class Apart(nn.Module):
        """Of another size of keys than of queries; or called with an empty packed matrix, as WavLM does."""

        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.own = nn.MultiheadAttention(32, 2, kdim=16, vdim=16, batch_first=True)
            self.q, self.k, self.v, self.end = (nn.Linear(32, 32) for _ in range(4))
            self.head = nn.Linear(32, 10)

        def forward(self, x):
            if not empty:
                return self.head(self.own(x, x[..., :16], x[..., :16])[0].mean(1))
            x, none = x.transpose(0, 1), torch.empty(0)
            weights = {f"{name}_proj_weight": getattr(self, name).weight for name in "qkv"}
            bias = torch.cat([getattr(self, name).bias for name in "qkv"])
            given = (x, x, x, 32, 2, none, bias, None, None, False, 0.0, self.end.weight, self.end.bias)
            y = functional.multi_head_attention_forward(*given, use_separate_proj_weight=True, **weights)
            return self.head(y[0].mean(0))

    model = Apart()
    checkup = goodinit.check(model, X[..., :32], Y, loss=functional.cross_entropy)
    (seen,) = checkup.start.attentions
    names = ("q.weight", "k.weight") if empty else ("own.q_proj_weight", "own.k_proj_weight")
    assert seen.weights == names
    assert seen.head_size == 16
    x = X[:2, :, :32]
    if empty:
        q, k = (f(x).detach() for f in (model.q, model.k))
    else:
        q, k = x @ model.own.q_proj_weight.detach().T, x[..., :16] @ model.own.k_proj_weight.detach().T
    q, k = (each.view(2, PLACES, 2, 16).transpose(1, 2) for each in (q, k))
    scores = q @ k.mT / 4
    assert seen.scores_rms == pytest.approx(float(scores.var(-1, correction=0).mean().sqrt()), rel=1e-4)
