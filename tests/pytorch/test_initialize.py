"""`initialize` and `draw`: the right values, the same everywhere, whole or not at all, and nothing else touched."""

from __future__ import annotations

import copy
import errno
import math
import os
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, prune

import goodinit
from goodinit import GoodinitError, Weight, initializers
from goodinit.pytorch import register_rule
from goodinit.streams import KeyedStream


class Everything(nn.Module):
    """One of every kind of layer."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(12, 8, padding_idx=0)
        self.conv = nn.Conv2d(3, 6, 3, groups=3)
        self.up = nn.ConvTranspose2d(6, 4, 4, stride=2)
        self.batch = nn.BatchNorm2d(4)
        self.lstm = nn.LSTM(8, 6, 2, bidirectional=True, proj_size=3)
        self.gru = nn.GRU(8, 5)
        self.attention = nn.MultiheadAttention(8, 2, add_bias_kv=True)
        self.cross = nn.MultiheadAttention(8, 2, kdim=4, vdim=6)
        self.bilinear = nn.Bilinear(3, 4, 5)
        self.prelu = nn.PReLU()
        self.norm = nn.LayerNorm(8)
        self.normed = parametrizations.weight_norm(nn.Linear(8, 8))
        self.head = nn.Linear(8, 12, bias=False)
        self.head.weight = self.embed.weight


def state(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return list(one) == list(other) and all(torch.equal(one[name], other[name]) for name in one)


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
    assert set(filled("he_normal(activation=relu)").values()) == {"he_normal"}
    assert set(filled("glorot_normal(gain=1)").values()) == {"glorot_normal"}
    assert set(filled(initializers.HeNormal(activation="relu")).values()) == {"he_normal"}
    assert set(filled(initializers.GlorotNormal(1.0)).values()) == {"glorot_normal"}
    assert set(filled(initializers.get("glorot_normal", gain=1)).values()) == {"glorot_normal"}
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


def test_slices_are_parts_of_the_whole() -> None:
    model = Everything()
    whole = goodinit.draw(model, seed=4)
    part = goodinit.draw(
        model,
        seed=4,
        slices={
            "up.weight": (slice(2, 5), slice(None), slice(1, 3)),
            "head.weight": (slice(0, 2),),
            "gru.weight_hh_l0": (slice(3, 11), slice(1, 2)),
            "prelu.weight": (slice(0, 0),),
        },
    )
    assert torch.equal(part["up.weight"], whole["up.weight"][2:5, :, 1:3])
    assert torch.equal(part["head.weight"], whole["head.weight"][:2])
    assert torch.equal(part["gru.weight_hh_l0"], whole["gru.weight_hh_l0"][3:11, 1:2])
    assert part["prelu.weight"].shape == (0,)
    weight = Weight.linear("W", 700, 3000)
    named = goodinit.draw({"W": weight}, seed=4, slices={"W": (slice(2900, 2901),)})["W"]
    drawn = initializers.get("he_normal").draw(weight, 4, np.float32)
    assert np.array_equal(named.numpy(), drawn[2900:2901])
    with pytest.raises(GoodinitError, match=r"did you mean up\.weight"):
        goodinit.draw(model, seed=4, slices={"up.wieght": ()})
    with pytest.raises(GoodinitError, match="without steps"):
        goodinit.draw(model, seed=4, slices={"up.weight": (slice(0, 4, 2),)})
    with pytest.raises(GoodinitError, match="does not tell the fans"):
        goodinit.draw({"W": (3, 4)}, seed=4)
    assert goodinit.draw({"W": (3, 4)}, "normal", seed=4)["W"].shape == (3, 4)


@pytest.mark.parametrize("axis", [0, 1])
def test_a_sharded_tensor_gets_its_part_of_the_values(axis: int) -> None:
    distributed = pytest.importorskip("torch.distributed")
    from torch.distributed.device_mesh import DeviceMesh
    from torch.distributed.tensor import DTensor, Shard
    from torch.testing._internal.distributed.fake_pg import FakeStore

    whole = nn.Linear(10, 7)
    goodinit.initialize(whole, "orthogonal", seed=1)
    plain = nn.Linear(10, 7)
    goodinit.initialize(plain, seed=1)
    # The second of three processes: PyTorch keeps what it learned of the first rank that a process was.
    distributed.init_process_group("fake", rank=1, world_size=3, store=FakeStore())
    try:
        mesh = DeviceMesh("cpu", list(range(3)))
        for init, expected in (("orthogonal", whole), ("he_normal", plain)):
            model = nn.Linear(10, 7)
            local = model.weight.detach().chunk(3, axis)[1].clone()
            shard = DTensor.from_local(local, mesh, [Shard(axis)], run_check=False, shape=(7, 10), stride=(10, 1))
            model.weight = nn.Parameter(shard)
            goodinit.initialize(model, init, seed=1)
            assert torch.equal(model.weight.to_local(), expected.weight.chunk(3, axis)[1])
    finally:
        distributed.destroy_process_group()


def test_ctrl_c_waits_until_the_model_is_whole() -> None:
    class Interrupting(KeyedStream):
        def fill(self, *args, **kwargs) -> None:  # type: ignore[no-untyped-def]
            os.kill(os.getpid(), signal.SIGINT)
            super().fill(*args, **kwargs)

    model, expected = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3)), nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    goodinit.initialize(expected, seed=0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("goodinit.pytorch.filling.KeyedStream", Interrupting)
        with pytest.raises(KeyboardInterrupt):
            goodinit.initialize(model, seed=0)
    assert same(state(model), state(expected))
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_safetensors_hold_the_same_and_are_not_overwritten(tmp_path: Path) -> None:
    from safetensors import safe_open
    from safetensors.torch import load_file, load_model

    path = tmp_path / "start.safetensors"
    model = Everything()
    drawn = goodinit.draw(model, seed=6, path=path)
    assert list(tmp_path.iterdir()) == [path]
    loaded = load_file(path)
    assert set(drawn) - set(loaded) == {"head.weight"}  # tied: once
    assert all(torch.equal(loaded[name], drawn[name]) for name in loaded)
    load_model(model, path, strict=True)
    assert same(state(model), drawn)
    with safe_open(path, "pt") as file:
        assert file.metadata()["seed"] == "6"
        assert file.metadata()["head.weight"] == "embed.weight"
    with pytest.raises(GoodinitError, match="is there already"):
        goodinit.draw(model, seed=7, path=path)
    goodinit.draw(model, seed=7, path=path, overwrite=True)
    assert not torch.equal(load_file(path)["up.weight"], drawn["up.weight"])
    for wrong in (tmp_path, tmp_path / "no" / "x.safetensors"):
        with pytest.raises(GoodinitError):
            goodinit.draw(model, seed=7, path=wrong, overwrite=True)


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOTSUP, None])
def test_a_file_is_written_where_there_are_no_hard_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int | None
) -> None:
    def refused(*_: object) -> None:
        raise OSError(number, "no hard links")

    if number is None:
        monkeypatch.delattr(os, "link")
    else:
        monkeypatch.setattr(os, "link", refused)
    path = tmp_path / "start.safetensors"
    goodinit.draw(nn.Linear(3, 2), seed=0, path=path)
    before = path.read_bytes()
    with pytest.raises(GoodinitError, match="is there already"):
        goodinit.draw(nn.Linear(3, 2), seed=1, path=path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What safetensors raises on one: its own error, which is no OSError."""
    import safetensors.torch

    def full(*_: object, **__: object) -> None:
        raise safetensors.SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(safetensors.torch, "save_file", full)
    with pytest.raises(GoodinitError, match=r"cannot be written .*No space left"):
        goodinit.draw(nn.Linear(3, 2), seed=0, path=tmp_path / "start.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_what_others_do_wrong() -> None:
    """The table of PEERS: fans, packed projections, copied layers, half precision."""
    up = nn.ConvTranspose2d(16, 256, 4, stride=2, bias=False)
    x = torch.randn(8, 16, 10, 10, generator=torch.Generator().manual_seed(0))
    nn.init.normal_(
        up.weight,
        std=nn.init._calculate_fan_in_and_fan_out(up.weight)[0] ** -0.5,
        generator=torch.Generator().manual_seed(0),
    )
    with torch.no_grad():
        assert up(x)[..., 4:-4, 4:-4].var().item() == pytest.approx(0.0155, rel=0.05)  # PyTorch's fan
        goodinit.initialize(up, "lecun_normal", seed=0)
        assert up(x)[..., 4:-4, 4:-4].var().item() == pytest.approx(1.0, rel=0.05)
    attention = nn.MultiheadAttention(256, 4)
    torch.manual_seed(0)
    nn.init.xavier_uniform_(attention.in_proj_weight)
    assert attention.in_proj_weight[:256].std().item() == pytest.approx(0.0442, rel=0.02)
    goodinit.initialize(attention, "glorot_uniform", seed=0)
    assert attention.in_proj_weight[:256].std().item() == pytest.approx(0.0625, rel=0.02)
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(16, 2, 32), 2, enable_nested_tensor=False)
    assert torch.equal(encoder.layers[0].linear1.weight, encoder.layers[1].linear1.weight)
    goodinit.initialize(encoder, seed=0)
    assert not torch.equal(encoder.layers[0].linear1.weight, encoder.layers[1].linear1.weight)
    half = nn.Linear(64, 64, dtype=torch.bfloat16)
    goodinit.initialize(half, "orthogonal", seed=0)
    product = half.weight.float() @ half.weight.float().T
    assert torch.allclose(product, torch.eye(64), atol=0.05)
    tiny = nn.Linear(1000, 100, dtype=torch.float16)
    goodinit.initialize(tiny, "normal(std=1e-6)", seed=0)
    assert tiny.weight.float().std().item() == pytest.approx(1e-6, rel=0.02)
    with pytest.warns(UserWarning, match="no-op"):
        empty = nn.Linear(0, 3)
    goodinit.initialize(empty, "glorot_normal", seed=0)
    assert empty.weight.shape == (3, 0)


def test_tensors_that_share_memory_are_one() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    model[1].weight.data = model[0].weight.data
    done = goodinit.initialize(model, seed=0)
    assert done["1.weight"].name == "0.weight"
    assert same(goodinit.draw(model, seed=0), state(model))


def test_wrapped_models_get_the_same_values() -> None:
    def make() -> nn.Module:
        return nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))

    plain = make()
    goodinit.initialize(plain, seed=0)
    for wrap in (nn.DataParallel, lambda model: torch.compile(model, backend="eager")):
        model = make()
        wrapped = wrap(model)
        goodinit.initialize(wrapped, seed=0)
        assert same(state(model), state(plain))
        wrapped.load_state_dict(goodinit.draw(wrapped, seed=0), strict=True)


def test_the_table_says_what_was_done() -> None:
    done = goodinit.initialize(nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Linear(8, 2)), seed=9)
    text = str(done)
    for part in ("he_normal, seed 9", "0.weight", "8 x 3 x 3 x 3", "27", "its own 1.414", "zeros"):
        assert part in text
    assert "<pre" in done._repr_html_()
    facts = done.to_dict()
    assert facts["seed"] == 9
    assert facts["weights"][0]["expected_std"] == pytest.approx(math.sqrt(2 / 27))
    assert done.size == 8 * 27 + 8 + 16 + 2
    with pytest.raises(KeyError):
        done["2.wieght"]


@pytest.mark.parametrize("seed", [-1, 1.5, True, "3"])
def test_a_seed_is_a_integer(seed: object) -> None:
    with pytest.raises(GoodinitError, match="seed"):
        goodinit.initialize(nn.Linear(2, 2), seed=seed)  # type: ignore[arg-type]


def test_a_copy_made_before_is_left_alone() -> None:
    model = Everything()
    duplicate = copy.deepcopy(model)
    before = state(duplicate)
    goodinit.initialize(model, seed=0)
    assert same(state(duplicate), before)


def test_a_registered_rule_lets_a_layer_of_ones_own_be_filled() -> None:
    class Mine(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.kernel = nn.Parameter(torch.zeros(100, 400))

    with register_rule(Mine, lambda module: {"kernel": Weight.linear("kernel", 100, 400, layout="keras")}):
        model = Mine()
        goodinit.initialize(model, seed=0)
    assert model.kernel.std().item() == pytest.approx(math.sqrt(2 / 100), rel=0.02)


def test_what_cannot_be_written_is_refused_before() -> None:
    expanded = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    expanded[1].weight.data = torch.zeros(1, 3).expand(3, 3)
    with torch.inference_mode():
        inference = nn.Linear(2, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # scripting is deprecated, and still there
        scripted = torch.jit.script(nn.Linear(2, 2))
    for model, message in ((expanded, "expanded"), (inference, "inference_mode"), (scripted, "is scripted")):
        before = state(model)
        with pytest.raises(GoodinitError, match=message):
            goodinit.initialize(model, seed=0)
        assert same(state(model), before)

    class Numbers(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.turns = nn.Parameter(torch.zeros(2, dtype=torch.complex64))
            self.layer = nn.Linear(2, 2)

    with pytest.raises(GoodinitError, match=r"turns: its dtype is complex64.*'keep'"):
        goodinit.initialize(Numbers(), seed=0)
    assert goodinit.initialize(Numbers(), seed=0, rules={"turns": None}).size == 6


def test_without_torch_the_error_names_the_extra() -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "import goodinit\n"
        "for call in (lambda: goodinit.initialize(0, seed=0), lambda: goodinit.draw(0, seed=0)):\n"
        "    try: call()\n"
        "    except goodinit.GoodinitError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.count("pip install 'goodinit[torch]'") == 2
    light = "import sys, goodinit; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", light], capture_output=True, text=True, check=True).stdout == "False\n"


@pytest.mark.parametrize("init", ["he_normal", "constant(value=0.1)", "normal(std=0.3, mean=5)", "orthogonal", "zeros"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_tensors_larger_than_a_piece_are_the_same_and_measured_right(init: str, dtype: torch.dtype) -> None:
    layer = nn.Linear(300, 9001, bias=False, dtype=dtype)
    done = goodinit.initialize(layer, init, seed=2)
    drawn = initializers.get(init).draw(Weight.linear("weight", 300, 9001), 2)
    values = torch.from_numpy(drawn).to(torch.float64 if dtype == torch.float64 else torch.float32).to(dtype)
    assert torch.equal(layer.weight, values)
    assert done["weight"].realised_std == pytest.approx(
        layer.weight.double().std(correction=0).item(), rel=1e-5, abs=1e-12
    )
