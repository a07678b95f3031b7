"""AutoInit, unit scaling, the spectral condition, CompleteP, Tanh-Init and ZerO: what each promises, measured."""

import itertools
import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from transformers_plain import Transformer

import goodinit
from goodinit import activations
from goodinit.errors import GoodinitError
from goodinit.methods import get
from goodinit.methods.moments import moments_of
from goodinit.networks import MLP
from goodinit.streams import KeyedStream
from goodinit.structure import SignalForm


def _normal(name: str, *shape: int) -> Tensor:
    return torch.from_numpy(KeyedStream(0).normal(name, 0, math.prod(shape))).float().reshape(shape)


def _outputs(model: nn.Module, X: Tensor) -> dict[str, Tensor]:
    """What each linear layer or convolution gives."""
    found: dict[str, Tensor] = {}
    kinds = (nn.Linear, nn.Conv2d)
    for name, module in model.named_modules():
        if isinstance(module, kinds):
            module.register_forward_hook(lambda layer, args, out, name=name: found.update({name: out}) and None)
    with torch.no_grad():
        model(X)
    return found


class Mixed(nn.Module):
    """Activations whose mean is not 0, a residual sum, a join, pooling and dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2, self.conv3 = nn.Conv2d(8, 64, 3), nn.Conv2d(64, 64, 3, padding=1), nn.Conv2d(64, 64, 1)
        self.conv4, self.head = nn.Conv2d(128, 64, 3), nn.Linear(64, 64)
        self.drop = nn.Dropout(0.3)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.sigmoid(self.conv1(x))
        x = x + self.conv2(x)
        x = torch.cat([nn.functional.silu(x), self.conv3(nn.functional.max_pool2d(x, 3, 1, 1))], dim=1)
        x = self.conv4(self.drop(torch.relu(x)))
        return self.head(x.mean((2, 3)) * 8)


@pytest.mark.parametrize("distribution", ["normal", "truncated_normal", "uniform"])
def test_autoinit_gives_every_layer_the_variance_it_promises(distribution):
    model, X = Mixed(), _normal("images", 16, 8, 10, 10)
    done = goodinit.initialize(model, f"autoinit(distribution={distribution})", seed=0, inputs=X)
    out = _outputs(model, X)
    for name in ("conv1", "conv2", "conv4"):
        assert float(out[name].square().mean()) == pytest.approx(1, abs=0.25), name
    assert done["conv2.weight"].expected_std == pytest.approx(
        1 / math.sqrt(576 * (0.2933790 - 0.25 + 0.5**2)), rel=0.01
    )
    assert not done.cautions


def test_autoinit_knows_a_transformer():
    model = Transformer(3, "before", width=64)
    tokens = (KeyedStream(0).uniform("tokens", 0, 256) * 11).astype(int).reshape(8, 32)
    goodinit.initialize(model, "autoinit", seed=0, inputs=torch.from_numpy(tokens))
    out = _outputs(model, torch.from_numpy(tokens))
    for name, value in out.items():
        if "out_proj" not in name:  # behind a mean over places, which need not agree
            assert float(value.std()) == pytest.approx(1, abs=0.25), name


@pytest.mark.parametrize(
    ("form", "sample"),
    [
        (SignalForm("activation", (SignalForm("input"),), name="sigmoid"), lambda z: 1 / (1 + np.exp(-z[0]))),
        (
            SignalForm("activation", (SignalForm("scaled", (SignalForm("input"),), number=2.0),), name="relu"),
            lambda z: np.maximum(2 * z[0], 0),
        ),
        (SignalForm("max", (SignalForm("input"),), number=4.0), lambda z: z[:4].max(0)),
        (SignalForm("product", (SignalForm("input"), SignalForm("layer"))), lambda z: z[0] * z[1] * 2),
        (SignalForm("sum", (SignalForm("input"), SignalForm("layer"))), lambda z: z[0] + 2 * z[1]),
        (SignalForm("mean", (SignalForm("input"),), number=4.0), lambda z: z[:4].mean(0)),
    ],
)
def test_moments_against_samples(form, sample):
    z = KeyedStream(1).normal("z", 0, 400_000).reshape(4, -1)
    (found,) = moments_of((form,), lambda index: 4.0)
    values = sample(z)
    assert found.mean == pytest.approx(values.mean(), abs=5 * values.std() / math.sqrt(values.size))
    assert found.variance == pytest.approx(values.var(), rel=0.03)


def test_what_has_no_rule_is_told():
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = nn.Linear(4, 4), nn.Linear(4, 4)

        def forward(self, x: Tensor) -> Tensor:
            return self.two(torch.fft.fft(self.one(x)).real)

    done = goodinit.initialize(Odd(), "autoinit", seed=0, inputs=torch.ones(2, 4))
    assert "without a rule" in done["two.weight"].caution
    assert done["one.weight"].caution is None


def test_unit_scaling_trains_as_unit_weights_behind_constants():
    """Weights of variance 1 behind 1 / sqrt(n), and ReLU times sqrt(2): one rate, as the paper writes it."""
    X, y = _normal("x", 32, 16).double(), torch.arange(32) % 4
    sizes = (16, 64, 32, 4)
    model = nn.Sequential(*(nn.Linear(a, b, bias=False) for a, b in itertools.pairwise(sizes))).double()
    model = nn.Sequential(model[0], nn.ReLU(), model[1], nn.ReLU(), model[2])
    done = goodinit.initialize(model, "unit_scaling", seed=0, inputs=X)
    ours = torch.optim.AdamW(done.param_groups(lr=0.05, weight_decay=0.1, eps=1e-8))
    units = [
        nn.Parameter(layer.weight.detach() * math.sqrt(layer.in_features / (1 + (at > 0))))
        for at, layer in enumerate(model[::2])
    ]
    assert [float(each.detach().std()) for each in units] == pytest.approx([1, 1, 1], rel=0.15)
    theirs = torch.optim.AdamW(units, lr=0.05, weight_decay=0.1, eps=1e-8)

    def forward(x: Tensor) -> Tensor:
        for at, weight in enumerate(units):
            x = nn.functional.linear(x if at == 0 else math.sqrt(2) * torch.relu(x), weight) / math.sqrt(
                weight.shape[1]
            )
        return x

    for _ in range(10):
        losses = []
        for call, update in ((model, ours), (forward, theirs)):
            loss = nn.functional.cross_entropy(call(X), y)
            losses.append(loss.item())
            update.zero_grad()
            loss.backward()
            update.step()
        assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    with pytest.raises(GoodinitError, match="autoinit is for those"):
        goodinit.initialize(Transformer(1, "before"), "unit_scaling", seed=0, inputs=torch.arange(4)[None])
    with pytest.raises(GoodinitError, match="adam"):
        done.param_groups(lr=0.1, weight_decay=0, eps=1e-8, optimizer="sgd")


@pytest.mark.parametrize(("out", "into"), [(512, 128), (256, 256), (64, 512)])
def test_the_spectral_norm_is_that_of_the_condition(out, into):
    """||W|| / sqrt(fan out / fan in) is of order 1: between 1 and 2 by the norm of a Gaussian matrix."""
    network = MLP((8, into, out, into, 3), activations.get("relu"), "cross_entropy")
    said = next(each for each in network.assignments("spectral(base_width=64)") if each.name == "W2")
    norm = float(np.linalg.norm(said.initializer.draw(network.structure["W2"].target), 2))
    assert 0.95 < norm / math.sqrt(out / into) < 2.1


def test_completep_has_the_multipliers_of_its_code():
    """EleutherAI/nanoGPT-mup, branch completep (3904404), at 4 times the width and 8 times the depth of its base.

    Hidden rates / 4, epsilons / 4 / 8, decays * 4; branches / 8; embedding 1 and epsilon / 4. A branch's factor 1 / 8
    lies in its last weight here: its rate is / 4 / 8, its epsilon / 4.
    """
    model, X = Transformer(16, "before", width=64), torch.arange(4)[None]
    done = goodinit.initialize(model, "completep(base_width=16, of=lecun_normal)", seed=0, inputs=X)
    told = {each.name: each.adaptive for each in done.weights}
    inner, end = told["layers.3.fc1.weight"], told["layers.3.fc2.weight"]
    assert (inner.rate, inner.epsilon, inner.decay) == pytest.approx((1 / 4, 1 / 32, 4))
    assert (end.rate, end.epsilon, end.decay) == pytest.approx((1 / 32, 1 / 4, 32))
    assert (told["words.weight"].rate, told["words.weight"].epsilon) == pytest.approx((1, 1 / 4))
    assert told["layers.3.norm.0.weight"].epsilon == pytest.approx(1 / 32)
    assert done["layers.3.fc2.weight"].expected_std == pytest.approx(1 / math.sqrt(128) / 8)
    assert done["head.weight"].expected_std == pytest.approx(1 / 8 / 2)
    with pytest.raises(GoodinitError, match="come after the sums"):
        goodinit.initialize(Transformer(2, "after", width=64), "completep", seed=0, inputs=X)
    with pytest.raises(GoodinitError, match="adam"):
        done.param_groups(lr=0.1, weight_decay=0, eps=1e-8, optimizer="sgd")


def test_tanh_init_neither_fades_nor_saturates_at_2000_layers():
    """Lee, Choi & Kim 2025, figure 1: Xavier's values vanish with depth, the proposed ones stay, whatever the width."""
    for width in (16, 64):
        network = MLP((width,) * 2001 + (1,), activations.get("tanh"), "mean_squared_error")
        spread = {}
        for init in ("tanh_init", "glorot_normal"):
            x = KeyedStream(0).normal("x", 0, width * 50).reshape(width, 50)
            for each in network.assignments(init)[:4000:2]:
                x = np.tanh(each.initializer.draw(network.structure[each.name].target) @ x)
            spread[init] = float(x.max() - x.min())
        assert 0.2 < spread["tanh_init"] < 1.999
        assert spread["glorot_normal"] < 0.2
    with pytest.raises(GoodinitError, match="followed by relu"):
        goodinit.compare("tanh_init", activation="relu", steps=2, seed=0, engine="reference")


def test_a_repeated_identity_in_every_shape():
    from goodinit.initializers.padded import PaddedIdentity
    from goodinit.weights import Weight

    eye = np.eye(3)
    assert np.array_equal(PaddedIdentity().draw(Weight.linear("w", 6, 3)), np.concatenate([eye, eye], axis=1))
    assert np.array_equal(PaddedIdentity().draw(Weight.packed("w", 3, (3, 6))), np.concatenate([eye] * 3))
    conv = PaddedIdentity().draw(Weight.conv("w", 6, 6, 3, groups=2))
    assert conv[:, :, 1, 1].tolist() == np.concatenate([eye, eye]).tolist()
    assert conv.sum() == 6
    for weight in (Weight.linear("w", 6, 4), Weight.conv("w", 6, 6, 3, groups=2), Weight.packed("w", 3, (3, 6))):
        init = PaddedIdentity(noise=0.085)
        whole = init.draw(weight).reshape(-1)
        assert np.array_equal(
            np.concatenate(
                [init.elements(weight, KeyedStream(0), 0, 7), init.elements(weight, KeyedStream(0), 7, weight.size)]
            ),
            whole,
        )
        assert whole.mean() == pytest.approx(init.expected_mean(weight), abs=0.03)


def test_zer_o_is_zeros_and_ones():
    """Theorem 1 of the paper: units of a widening layer differ, which a padded identity's do not."""
    model = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 3))
    done = goodinit.initialize(model, "zer_o", seed=0, inputs=torch.ones(1, 4))
    assert torch.equal(model[2].weight, torch.eye(16))
    assert torch.equal(model[4].weight, torch.zeros(3, 16))
    assert torch.allclose(model[0].weight.abs(), torch.full((16, 4), 2**-1.5))
    assert done["4.weight"].because == "readout"
    words, head = nn.Embedding(11, 16), nn.Linear(16, 11)
    head.weight = words.weight
    with pytest.raises(GoodinitError, match="untie them"):
        goodinit.initialize(nn.Sequential(words, nn.ReLU(), head), "zer_o", seed=0, inputs=torch.arange(3)[None])
    assert str(get("zero_init")) == "zer_o"
    for name in ("spectral", "completep"):
        with pytest.raises(GoodinitError, match=rf"^{name}: (\w+\.weight is the embedding|the depth)"):
            goodinit.initialize(nn.Sequential(words, nn.ReLU(), head), name, seed=0, inputs=torch.arange(3)[None])
