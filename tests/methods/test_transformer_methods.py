"""DeepNorm, Sub-LN and T-Fixup beside their reference code, whose scales were read once and are kept here."""

import pytest
import torch
from torch import nn
from transformers_plain import TOKENS, Both, Transformer

import goodinit
from goodinit.errors import GoodinitError
from goodinit.initializers import Scaled
from goodinit.methods.deepnorm import deepnorm_constants
from goodinit.pytorch import read_structure
from goodinit.streams import KeyedStream

# torchscale 0.3.0 (commit 0cb9695), encoders of 6 and 12 layers alone and an encoder of 6 with a decoder of 3, weights
# filled with 1 before it scales them: what v_proj, out_proj, fc1 and fc2 hold then (q_proj and k_proj: 1), and `alpha`.
# An encoder's weights beside a decoder are times 1.15 there where the paper says 0.87, which is its reciprocal.
TORCHSCALE = {
    "deepnorm": {
        "alone 6": 0.37991783,
        "alone 12": 0.31947154,
        "encoder": 0.68602502 / 1.15 * 0.87,
        "decoder": 0.40824828,
    },
    "sub_ln": {"alone 6": 1.57635868, "alone 12": 1.78270972, "encoder": 1.34906113, "decoder": 1.48230386},
}
ALPHA = {"alone 6": 1.86120972, "alone 12": 2.21336384, "encoder": 1.35782222, "decoder": 1.73205081}
VALUE_PATH = ("self_attn.v_proj", "self_attn.out_proj", "fc1", "fc2")
NORMS = {"deepnorm": "after", "sub_ln": "sub", "t_fixup": "none"}


def _gains(done, start: str) -> dict[str, float]:
    """By a layer's name in the first block what its weight is scaled by, over Glorot's."""
    found = {}
    for each in done.weights:
        if each.name.startswith(start) and each.initializer and each.role == "weight":
            made = goodinit.initializers.get(each.initializer)
            found[each.name.removeprefix(start).removesuffix(".weight")] = (
                made.gain if isinstance(made, Scaled) else 1.0
            )
    return found


@pytest.mark.parametrize("name", ["deepnorm", "sub_ln"])
def test_the_scales_are_those_of_torchscale(name):
    theirs, norms = TORCHSCALE[name], NORMS[name]
    for layers in (6, 12):
        done = goodinit.initialize(Transformer(layers, norms), name, seed=0, inputs=TOKENS)
        gains = _gains(done, "layers.0.")
        ends = ALPHA[f"alone {layers}"] if name == "deepnorm" else 1.0
        assert gains["self_attn.q_proj"] == gains["self_attn.k_proj"] == 1
        for layer in VALUE_PATH:
            divisor = ends if layer in ("self_attn.out_proj", "fc2") else 1.0
            assert gains[layer] * divisor == pytest.approx(theirs[f"alone {layers}"], rel=1e-5)
    done = goodinit.initialize(Both(6, 3, norms), name, seed=0, inputs=(TOKENS, TOKENS))
    for part in ("encoder", "decoder"):
        gains = _gains(done, f"{part}.0.")
        ends = ALPHA[part] if name == "deepnorm" else 1.0
        for layer in VALUE_PATH:
            divisor = ends if layer in ("self_attn.out_proj", "fc2") else 1.0
            assert gains[layer] * divisor == pytest.approx(theirs[part], rel=1e-5)
    if name == "deepnorm":
        assert gains["encoder_attn.v_proj"] == pytest.approx(theirs["decoder"], rel=1e-5)
    else:
        assert gains["encoder_attn.v_proj"] == gains["encoder_attn.out_proj"] == 1


def test_the_constants_of_deepnorm():
    structure = read_structure(Both(6, 3, "after"), (TOKENS, TOKENS))
    encoder, decoder = structure.streams
    assert (encoder.blocks, decoder.blocks, decoder.memory) == (6, 3, {encoder.number})
    assert deepnorm_constants(encoder, structure.streams)[0] == pytest.approx(ALPHA["encoder"], rel=1e-5)
    assert deepnorm_constants(decoder, structure.streams)[0] == pytest.approx(ALPHA["decoder"], rel=1e-5)


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
def test_deepnorm_trains_as_the_model_that_is_edited(optimizer):
    """50 steps of LN(x + f / a) with the method's groups, and of LN(a x + f) with one rate: the same loss each step."""
    layers, X = 1, torch.from_numpy(KeyedStream(0).uniform("x", 0, 48) * 11).long().reshape(8, 6)
    y, a = (X + 1) % 11, (2 * layers) ** 0.25
    ours = Transformer(layers, "after").double()
    done = goodinit.initialize(ours, "deepnorm", seed=1, inputs=X)
    edited = Transformer(layers, "after", a=a, eps=1e-5 * a * a).double()
    state = {name: value.clone() for name, value in ours.state_dict().items()}
    for name in state:
        if name.endswith(("out_proj.weight", "out_proj.bias", "fc2.weight", "fc2.bias")):
            state[name] *= a
    edited.load_state_dict(state)
    decay = {"sgd": 0.01, "adam": 0.0, "adamw": 0.1}[optimizer]
    groups = done.param_groups(lr=0.03, weight_decay=decay, eps=1e-3, optimizer=optimizer)
    if optimizer == "sgd":
        groups = [{key: value for key, value in group.items() if key != "eps"} for group in groups]
        one, two = (
            torch.optim.SGD(groups, momentum=0.9),
            torch.optim.SGD(edited.parameters(), lr=0.03, momentum=0.9, weight_decay=decay),
        )
    else:
        kind = torch.optim.Adam if optimizer == "adam" else torch.optim.AdamW
        one, two = kind(groups), kind(edited.parameters(), lr=0.03, weight_decay=decay, eps=1e-3)
    losses = []
    for model, update in ((ours, one), (edited, two)):
        told = []
        for _ in range(50):
            loss = nn.functional.cross_entropy(model(X).flatten(0, 1), y.flatten())
            told.append(loss.item())
            update.zero_grad()
            loss.backward()
            update.step()
        losses.append(told)
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    assert losses[0][-1] < 0.8 * losses[0][0]


def test_the_scales_of_t_fixup_are_those_of_its_code():
    """fixup_initialization of layer6ai-labs/T-Fixup (commit cce506a): 0.67 * 6 ** -0.25 and (9 * 3) ** -0.25.

    Its tables are normal of standard deviation 16 ** -0.5, times (9 * layers) ** -0.25 of their own side.
    """
    done = goodinit.initialize(Both(6, 3, "none"), "t_fixup", seed=0, inputs=(TOKENS, TOKENS))
    encoder, decoder = _gains(done, "encoder.0."), _gains(done, "decoder.0.")
    assert [encoder[layer] for layer in VALUE_PATH] == pytest.approx([0.42809174] * 4, rel=1e-5)
    path = (*VALUE_PATH, "encoder_attn.v_proj", "encoder_attn.out_proj")
    assert [decoder[layer] for layer in path] == pytest.approx([0.43869134] * 6, rel=1e-5)
    assert encoder["self_attn.q_proj"] == decoder["encoder_attn.k_proj"] == 1
    assert done["source.weight"].expected_std == pytest.approx(0.25 * 0.36889398, rel=1e-5)
    assert done["target.weight"].expected_std == pytest.approx(0.25 * 0.43869134, rel=1e-5)


def test_packed_projections_are_scaled_in_their_values_alone():
    class Packed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm, self.qkv, self.proj = nn.LayerNorm(8), nn.Linear(8, 24), nn.Linear(8, 8)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            q, k, v = self.qkv(x).unflatten(-1, (3, 2, 4)).permute(2, 0, 3, 1, 4).unbind(0)
            mixed = nn.functional.scaled_dot_product_attention(q, k, v)
            return self.norm(x + self.proj(mixed.transpose(1, 2).flatten(2)))

    model, inputs = nn.Sequential(Packed(), Packed()), torch.randn(2, 5, 8, generator=torch.Generator().manual_seed(0))
    drawn = goodinit.draw(model, "deepnorm", seed=0, inputs=inputs)
    plain = goodinit.draw(model, "glorot_normal", seed=0, rules={"*proj*": "zeros"})["0.qkv.weight"]
    gain = 16**-0.25
    assert torch.equal(drawn["0.qkv.weight"][:16], plain[:16])
    assert torch.allclose(drawn["0.qkv.weight"][16:], gain * plain[16:], rtol=1e-6)
    theirs = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 8, batch_first=True), 2)
    drawn = goodinit.draw(theirs, "deepnorm", seed=0, inputs=inputs)["layers.1.self_attn.in_proj_weight"]
    assert drawn[16:].std() / drawn[:16].std() == pytest.approx(gain, rel=0.3)


@pytest.mark.parametrize(
    ("method", "norms", "message"),
    [
        ("deepnorm", "before", "norms that come after the sums, and at layers.0.self_attn.out_proj they lie before"),
        ("deepnorm", "none", "they are missing"),
        ("sub_ln", "before", "has none inside"),
        ("sub_ln", "none", "has none before"),
        ("t_fixup", "after", "without norms, and the stream that begins at layers.0.self_attn.out_proj has some"),
        ("fixup", "before", "for networks without norms"),
    ],
)
def test_what_the_norms_do_not_allow_is_refused_and_nothing_changes(method, norms, message):
    model = Transformer(2, norms)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(GoodinitError, match=message):
        goodinit.initialize(model, method, seed=0, inputs=TOKENS)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_without_attention_or_streams_they_are_refused():
    class Residual(nn.Linear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + super().forward(torch.tanh(x))

    for method in ("deepnorm", "t_fixup"):
        with pytest.raises(GoodinitError, match="has no attention"):
            goodinit.initialize(Residual(4, 4), method, seed=0, inputs=torch.ones(1, 4))
        with pytest.raises(GoodinitError, match="no residual stream"):
            goodinit.initialize(nn.Linear(4, 4), method, seed=0, inputs=torch.ones(1, 4))
