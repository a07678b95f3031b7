"""`initialize` and `draw`: the right values, the same everywhere, whole or not at all, and nothing else touched."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from every_layer import Everything, same, state
from torch import Tensor, nn
from torch.nn.utils import parametrizations, prune

import goodinit
from goodinit import GoodinitError, Weight, initializers


def test_every_kind_of_layer_gets_the_values_of_its_own_weight() -> None:
    model = Everything()
    done = goodinit.initialize(model, "he_normal(activation=relu)", seed=5)
    he = initializers.get("he_normal")
    for name, weight in {
        "conv.weight": Weight.conv("conv.weight", 3, 6, 3, groups=3),
        "up.weight": Weight.conv_transpose("up.weight", 6, 4, 4, stride=2),
        "lstm.weight_ih_l1_reverse": Weight.recurrent("lstm.weight_ih_l1_reverse", 6, 6),
        "lstm.weight_hr_l0": Weight.linear("lstm.weight_hr_l0", 6, 3),
        "attention.in_proj_weight": Weight.packed("attention.in_proj_weight", 8, (8, 8, 8)),
        "cross.k_proj_weight": Weight.linear("cross.k_proj_weight", 4, 8),
        "bilinear.weight": Weight.bilinear("bilinear.weight", 3, 4, 5),
    }.items():
        drawn = he.draw(weight, 5, np.float32)
        assert np.array_equal(model.get_parameter(name).detach().numpy(), drawn), name
        assert done[name].expected_std == pytest.approx(math.sqrt(2 / weight.fan_in))
        assert done[name].realised_std == pytest.approx(float(drawn.std()), rel=1e-5)
    gates = model.get_parameter("gru.weight_hh_l0").detach().double().reshape(3, 5, 5)
    assert torch.allclose(gates @ gates.mT, torch.eye(5).double(), atol=1e-6)  # each gate alone, as PEERS finds nowhere
    assert model.lstm.bias_ih_l0.tolist() == [0.0] * 6 + [1.0] * 6 + [0.0] * 12
    assert not model.lstm.bias_hh_l0.any()  # PyTorch adds the two: 1 in all
    assert model.prelu.weight.item() == 0.25
    assert (model.norm.weight == 1).all()
    assert not model.batch.bias.any()
    assert not model.embed.weight[0].any()
    assert model.embed.weight[1:].std().item() == pytest.approx(8**-0.5, rel=0.3)  # tied: the output layer's fan in
    drawn = torch.from_numpy(he.draw(Weight.linear("normed.weight", 8, 8), 5, np.float32))
    assert torch.allclose(model.normed.weight, drawn, rtol=1e-6)


def test_draw_is_what_initialize_leaves() -> None:
    model = Everything()
    before = state(model)
    drawn = goodinit.draw(model, "glorot_uniform", seed=1)
    assert same(state(model), before)
    goodinit.initialize(model, "glorot_uniform", seed=1)
    assert same(drawn, state(model))
    Everything().load_state_dict(drawn, strict=True)


def test_values_do_not_depend_on_device_dtype_order_other_weights_or_random_state() -> None:
    def layers() -> dict[str, nn.Module]:
        return {"a": nn.Linear(40, 30), "b": nn.Conv1d(4, 6, 3), "c": nn.LSTM(5, 4)}

    model = nn.ModuleDict(layers())
    goodinit.initialize(model, seed=3)
    expected = state(model)

    torch.manual_seed(99)
    turned = nn.ModuleDict(dict(reversed(layers().items())))
    turned["d"] = nn.Linear(3, 3)
    goodinit.initialize(turned, seed=3)
    assert all(torch.equal(turned.state_dict()[name], value) for name, value in expected.items())

    with torch.device("meta"):
        meta = nn.ModuleDict(layers())
    goodinit.initialize(meta, seed=3)
    assert same(state(meta), expected)

    last = nn.ModuleDict(layers())
    last["b"].weight.data = last["b"].weight.data.permute(2, 1, 0).contiguous().permute(2, 1, 0)
    assert not last["b"].weight.is_contiguous()
    goodinit.initialize(last, seed=3)
    assert same(state(last), expected)

    double = nn.ModuleDict(layers()).double()
    goodinit.initialize(double, seed=3)
    for name, value in expected.items():
        assert torch.equal(double.state_dict()[name].float(), value)
    for dtype in (torch.float16, torch.bfloat16):
        half = nn.ModuleDict(layers()).to(dtype)
        goodinit.initialize(half, seed=3)
        for name, value in expected.items():
            assert torch.equal(half.state_dict()[name], value.to(dtype))


def test_nothing_but_values_changes() -> None:
    model = Everything().eval()
    model.conv.train()
    handle = model.register_forward_hook(lambda *_: None)
    model.conv.weight.grad = torch.ones_like(model.conv.weight)
    model.batch.running_mean.fill_(3)
    parameters = list(model.parameters())
    version = model.conv.weight._version
    state_of_torch, state_of_numpy = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    goodinit.initialize(model, seed=0)
    assert torch.equal(torch.get_rng_state(), state_of_torch)
    assert (np.random.get_state()[1] == state_of_numpy).all()  # noqa: NPY002
    assert not model.training
    assert model.conv.training
    assert model.conv.weight.grad.eq(1).all()
    assert (model.batch.running_mean == 3).all()
    assert [id(p) for p in model.parameters()] == [id(p) for p in parameters]
    assert all(p.requires_grad and p.is_leaf for p in model.parameters())
    assert len(model._forward_hooks) == 1
    assert model.conv.weight._version > version  # autograd notices
    handle.remove()


def test_nothing_changes_where_one_parameter_cannot_be_filled_and_all_are_named() -> None:
    class Model(Everything):
        def __init__(self) -> None:
            super().__init__()
            self.token = nn.Parameter(torch.full((1, 8), 7.0))
            self.scales = nn.ParameterList([torch.full((2,), 7.0)])

    model = Model()
    before = state(model)
    with pytest.raises(GoodinitError) as error:
        goodinit.initialize(model, seed=0)
    for part in ("2 of", "token", "scales.0", "nothing was changed", "register_rule", "rules={'token'"):
        assert part in str(error.value)
    with pytest.raises(GoodinitError, match=r"outputs for .* inputs"):  # a layer that narrows has no such matrix
        goodinit.initialize(model, "delta_orthogonal", seed=0, rules={"token": "zeros", "scales*": "keep"})
    assert same(state(model), before)
    goodinit.initialize(model, seed=0, rules={"token": "normal(std=0.02)", "scales*": "keep"})
    assert (model.scales[0] == 7).all()
    assert 0 < model.token.std() < 0.1


def test_rules_by_name_role_and_class() -> None:
    model = nn.Sequential(nn.Embedding(5, 4), nn.Linear(4, 4), nn.Conv1d(4, 4, 3), nn.Linear(4, 4), nn.LayerNorm(4))
    done = goodinit.initialize(
        model,
        "orthogonal",
        seed=0,
        rules={
            "3.*": None,
            "embedding": "normal(std=0.02)",
            nn.Conv1d: "dirac",
            nn.LayerNorm: "zeros",
            "bias": "constant(value=0.1)",
            "?.weight": "init",
        },
    )
    assert {each.name: each.initializer for each in done.weights} == {
        "0.weight": "normal(std=0.02)",
        "1.weight": "orthogonal",
        "1.bias": "constant(value=0.1)",
        "2.weight": "dirac",
        "2.bias": "constant(value=0.1)",
        "3.weight": None,
        "3.bias": None,
        "4.weight": "zeros",
        "4.bias": "zeros",
    } or pytest.fail(str(done))


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"0.wieght": "zeros"}, r"did you mean 0\.weight"),
        ({nn.Conv2d: "zeros"}, "layers with parameters are Linear"),
        ({"*.weight": "he_norml"}, "did you mean he_normal"),
        ({3: "zeros"}, "is not a key of a rule"),
        ({"*.bias": "he_normal"}, "for weights that multiply"),
        ({"*.weight": "dirac(gain=0)"}, "gain"),
    ],
)
def test_wrong_rules_are_refused(rules, message: str) -> None:
    model = nn.Sequential(nn.Linear(4, 4))
    before = state(model)
    with pytest.raises(GoodinitError, match=message):
        goodinit.initialize(model, seed=0, rules=rules)
    assert same(state(model), before)


class Functional(nn.Module):
    """Activations that no module shows."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.third, self.last = (nn.Linear(16, 16) for _ in range(4))
        self.norm = nn.LayerNorm(16)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        x = torch.tanh(self.first(x))
        x = torch.relu_(self.norm(self.second(x)))
        x = x + self.third(x)
        return {"out": self.last(nn.functional.gelu(x))}


def test_the_gain_is_that_of_the_activation_that_follows() -> None:
    def filled(init: str, batch: bool = True) -> dict[str, str | None]:
        done = goodinit.initialize(Functional(), init, seed=0, inputs=torch.ones(2, 16) if batch else None)
        return {name: done[f"{name}.weight"].initializer for name in ("first", "second", "last")}

    assert filled("he_normal") == {
        "first": "he_normal(activation=tanh)",
        "second": "he_normal",
        "last": "he_normal(activation=linear)",
    }
    # tanh's gain by Monte Carlo, relu's is sqrt(2)
    z = torch.randn(10**6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    tanh = float(torch.tanh(z).pow(2).mean() ** -0.5)
    orthogonal = filled("orthogonal")
    assert float(str(orthogonal["first"])[16:-1]) == pytest.approx(tanh, rel=5e-3)
    assert orthogonal["second"] == "orthogonal(gain=1.41421356237)"
    assert orthogonal["last"] == "orthogonal"
    # what a person wrote stays; a rule that has no such option stays; without a batch each keeps its own
    assert set(filled("he_normal(activation=relu)").values()) == {"he_normal(activation=relu)"}
    assert set(filled("glorot_normal(gain=1)").values()) == {"glorot_normal(gain=1)"}
    assert set(filled(initializers.HeNormal(activation="relu")).values()) == {"he_normal(activation=relu)"}
    assert set(filled(initializers.GlorotNormal(1.0)).values()) == {"glorot_normal(gain=1)"}
    assert set(filled(initializers.get("glorot_normal", gain=1)).values()) == {"glorot_normal(gain=1)"}
    assert filled(initializers.HeNormal()) == filled("he_normal")
    assert set(filled("lecun_normal").values()) == {"lecun_normal"}
    assert set(filled("he_normal", batch=False).values()) == {"he_normal"}
    # an activation that the rule does not know is said, not guessed
    done = goodinit.initialize(Functional(), "random_walk", seed=0, inputs=torch.ones(1, 16))
    assert "does not follow tanh" in str(done["first.weight"].caution)


def test_inside_recurrent_and_attention_layers_the_class_tells_the_activation() -> None:
    model = nn.ModuleList([nn.RNN(4, 4), nn.LSTM(4, 4), nn.MultiheadAttention(4, 2), nn.RNN(4, 4, nonlinearity="relu")])
    done = goodinit.initialize(model, seed=0)
    names = ("0.weight_ih_l0", "1.weight_ih_l0", "2.in_proj_weight", "3.weight_ih_l0")
    assert [done[name].activation for name in names] == ["tanh", "linear", "linear", "relu"]


def test_biases_are_drawn_where_the_rule_draws_them() -> None:
    model = nn.Sequential(nn.Linear(50, 4000), nn.LayerNorm(4000))
    goodinit.initialize(model, "edge_of_chaos(bias_variance=0.09)", seed=0)
    assert model[0].bias.std().item() == pytest.approx(0.3, rel=4 / math.sqrt(2 * 4000))
    assert not model[1].bias.any()


def test_lazy_modules_take_their_shapes_from_the_batch() -> None:
    def make() -> nn.Module:
        return nn.Sequential(nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d(), nn.ReLU(), nn.Flatten(), nn.LazyLinear(2))

    batch = torch.randn(2, 3, 5, 5, generator=torch.Generator().manual_seed(0))
    with pytest.raises(GoodinitError, match="pass inputs"):
        goodinit.initialize(make(), seed=0)
    model, random = make(), torch.get_rng_state()
    parameters = [id(p) for p in model.parameters()]
    done = goodinit.initialize(model, seed=0, inputs=batch)
    assert torch.equal(torch.get_rng_state(), random)
    assert [id(p) for p in model.parameters()] == parameters  # an optimizer that holds them goes on
    assert type(model[4]) is nn.Linear
    assert done["0.weight"].activation == "relu"
    assert not model[1].running_mean.any()  # the run left no trace in the statistics
    assert model[1].num_batches_tracked == 0
    built = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(36, 2))
    goodinit.initialize(built, seed=0, inputs=batch)
    assert same(state(model), state(built))
    assert same(goodinit.draw(make(), seed=0, inputs=batch), state(built))
    assert model(batch).shape == (2, 2)


def test_a_model_on_the_meta_device_gets_memory_and_its_buffers_are_not_invented() -> None:
    class Positions(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("table", torch.arange(4.0))
            self.layer = nn.Linear(4, 4)
            self.norm = nn.BatchNorm1d(4)

        def forward(self, x: Tensor) -> Tensor:
            return torch.tanh(self.norm(self.layer(x + self.table)))

    with torch.device("meta"):
        model = Positions()
    model.layer.weight.mark = "kept"
    with pytest.raises(GoodinitError, match=r"table of Positions.*buffers="):
        goodinit.initialize(model, seed=0)
    assert model.layer.weight.is_meta
    done = goodinit.initialize(model, seed=0, buffers={"table": torch.arange(4)}, inputs=torch.ones(2, 4))
    assert done["layer.weight"].activation == "tanh"  # learned without values
    duplicate = Positions()
    goodinit.initialize(duplicate, seed=0, inputs=torch.ones(2, 4))
    assert same(state(model), state(duplicate))
    assert model.layer.weight.mark == "kept"
    assert isinstance(model.layer.weight, nn.Parameter)
    with torch.device("meta"):
        frozen = nn.Linear(2, 2).requires_grad_(False)
    with pytest.raises(GoodinitError, match="no values to keep"):
        goodinit.initialize(frozen, seed=0)
    with torch.device("meta"), pytest.raises(GoodinitError, match="device='nowhere'"):
        goodinit.initialize(nn.Linear(2, 2), seed=0, device="nowhere")


def test_frozen_parameters_are_kept_and_said_unless_a_rule_names_them() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    model[0].requires_grad_(False)
    before = state(model)
    done = goodinit.initialize(model, seed=0)
    assert torch.equal(model[0].weight, before["0.weight"])
    assert done.cautions[0].startswith("0.weight: it is frozen")
    goodinit.initialize(model, seed=0, rules={"0.weight": "init"})
    assert not torch.equal(model[0].weight, before["0.weight"])


def test_parametrizations_take_the_values_through_their_inverse() -> None:
    plain = nn.Linear(6, 6)
    goodinit.initialize(nn.ModuleDict({"x": plain}), "orthogonal", seed=2)
    for wrap in (parametrizations.orthogonal, parametrizations.weight_norm):
        model = nn.ModuleDict({"x": wrap(nn.Linear(6, 6))})
        done = goodinit.initialize(model, "orthogonal", seed=2)
        assert torch.allclose(model["x"].weight, plain.weight, atol=1e-5)
        assert done["x.weight"].caution is None
    model = nn.ModuleDict({"x": parametrizations.orthogonal(nn.Linear(6, 6))})
    done = goodinit.initialize(model, "normal(std=0.1)", seed=2)
    eye = model["x"].weight @ model["x"].weight.T
    assert torch.allclose(eye, torch.eye(6), atol=1e-5)
    assert "its parametrization makes another tensor" in str(done["x.weight"].caution)

    states = []
    for _ in range(2):  # its power iterations start again, whatever they had come to
        spectral = nn.ModuleDict({"x": parametrizations.spectral_norm(nn.Linear(20, 30))})
        goodinit.initialize(spectral, "lecun_normal", seed=2)
        assert torch.linalg.matrix_norm(spectral.eval()["x"].weight, 2).item() == pytest.approx(1, abs=0.05)
        states.append(state(spectral))
    assert same(*states)


def test_older_hooks_show_the_new_values_at_once() -> None:
    with pytest.warns(FutureWarning):
        normed = nn.utils.weight_norm(nn.Linear(4, 4))
    pruned = prune.l1_unstructured(nn.Linear(4, 4), "weight", 4)
    spectral = nn.utils.spectral_norm(nn.Linear(4, 4))
    goodinit.initialize(nn.ModuleList([normed, pruned, spectral]), "orthogonal", seed=0)
    for module in (normed, pruned, spectral):
        shown = module.weight.clone()
        module.eval()(torch.zeros(1, 4))
        assert torch.allclose(module.weight, shown, atol=1e-6)
    assert (pruned.weight == 0).sum() == 4
    assert torch.allclose(normed.weight @ normed.weight.T, torch.eye(4), atol=1e-5)


def test_a_parametrization_without_an_inverse_is_refused_before_anything_changes() -> None:
    class Doubled(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return 2 * x

    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    nn.utils.parametrize.register_parametrization(model[1], "weight", Doubled())
    before = state(model)
    with pytest.raises(GoodinitError, match="right_inverse"):
        goodinit.initialize(model, seed=0)
    assert same(state(model), before)
    goodinit.initialize(model, seed=0, rules={"1.weight": "keep"})
    assert torch.equal(model[1].weight, 2 * before["1.parametrizations.weight.original"])
