"""`initialize` and `draw` on slices, shards, files, copies and wrapped models, and what they refuse."""

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
from every_layer import Everything, same, state
from torch import nn

import goodinit
from goodinit import GoodinitError, Weight, initializers
from goodinit.pytorch import register_rule
from goodinit.streams import KeyedStream


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


class OwnNorm(nn.Module):
    def __init__(self, begins: float) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.full((32,), begins))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-6) * self.gamma


@pytest.mark.parametrize(("begins", "kept"), [(32**-0.5, True), (1.0, False)])
def test_a_norm_of_its_own_class_keeps_the_scale_that_its_model_begins_it_at(begins: float, kept: bool) -> None:
    model = nn.Sequential(nn.Linear(8, 32), OwnNorm(begins), nn.Linear(32, 4))
    done = goodinit.initialize(model, seed=0, inputs=torch.randn(16, 8))
    told = done["1.gamma"]
    assert [each.name for each in done] == ["0.weight", "0.bias", "1.gamma", "2.weight", "2.bias"]
    assert told.role == "norm scale"
    assert (told.initializer is None, told.because) == (kept, "its own" if kept else "default")
    assert bool((model[1].gamma == begins).all())
    trained = nn.Sequential(nn.Linear(8, 32), OwnNorm(1.0), nn.Linear(32, 4))
    with torch.no_grad():
        trained[1].gamma.add_(torch.linspace(0, 1, 32))
    goodinit.initialize(trained, seed=0, inputs=torch.randn(16, 8))
    assert bool((trained[1].gamma == 1).all())


def test_a_parametrization_that_takes_no_values_is_kept() -> None:
    class Unit(nn.Module):
        def forward(self, weight: torch.Tensor) -> torch.Tensor:
            return nn.functional.normalize(weight, dim=-1)

    model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 4))
    nn.utils.parametrize.register_parametrization(model[0], "weight", Unit())
    before = state(model)
    with pytest.raises(GoodinitError, match="keep it, with rules"):
        goodinit.initialize(model, seed=0)
    assert same(before, state(model))
    done = goodinit.initialize(model, seed=0, inputs=torch.randn(16, 8))
    told = done["0.weight"]
    assert told.initializer is None
    assert "Unit of its parametrization has no right_inverse" in (told.caution or "")
    assert torch.equal(model[0].parametrizations.weight.original, before["0.parametrizations.weight.original"])
    with pytest.raises(GoodinitError, match="parametrization does not take"):
        goodinit.initialize(model, seed=0, inputs=torch.randn(16, 8), unknown="refuse")


def test_ones_and_zeros_that_mix_streams_and_a_gates_bias_are_the_models_own() -> None:
    class Mixed(nn.Module):
        """Two streams, mixed as hyper-connections mix theirs, and a gate that begins open."""

        def __init__(self) -> None:
            super().__init__()
            self.into, self.gate, self.head = nn.Linear(8, 16), nn.Linear(16, 16, bias=False), nn.Linear(16, 4)
            self.beta, self.open = nn.Parameter(torch.ones(2)), nn.Parameter(torch.full((16,), 2.0))
            self.shift = nn.Parameter(torch.randn(16))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.into(x)
            weights = torch.tanh(x.mean()) * 0.01 + self.beta
            x = weights[0] * x + weights[1] * torch.sigmoid(self.gate(x) + self.open) * x
            return self.head(x + self.shift)

    torch.manual_seed(0)
    model = Mixed()
    done = goodinit.initialize(model, seed=0, inputs=torch.randn(16, 8))
    assert {name: done[name].because for name in ("beta", "open")} == {"beta": "its own", "open": "its own"}
    assert "begins it with 2 alone" in (done["open"].caution or "")
    assert bool((model.beta == 1).all())
    assert bool((model.open == 2).all())
    assert done["shift"].initializer is not None
    done = goodinit.initialize(model, seed=0, inputs=torch.randn(16, 8), zero_starts="fill")
    assert done["open"].initializer == "zeros"
