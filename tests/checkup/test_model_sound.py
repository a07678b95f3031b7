"""What looks like a fault and is none: starts on purpose, models not seen inside, findings that are accepted."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from checkup_models import batch, fill, he, mlp
from torch import Tensor, nn
from torch.nn import functional

import goodinit
from goodinit import GoodinitError

X, Y = batch()
CE = functional.cross_entropy


def test_a_zero_scale_in_a_branch_is_a_start() -> None:
    class Branch(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.into, self.one, self.norm, self.head = (
                *(nn.Linear(64, 64), nn.Linear(64, 64), nn.LayerNorm(64)),
                nn.Linear(64, 10),
            )
            nn.init.zeros_(self.norm.weight)

        def forward(self, x: Tensor) -> Tensor:
            x = torch.relu(self.into(x))
            return self.head(x + self.norm(self.one(x)))

    assert "silent-norm" not in {each.code for each in goodinit.check(Branch(), X, Y, loss=CE).findings}


class Places(nn.Module):
    """Two towers, each with a table of places that is fixed, or should be learned; the tables are the same."""

    def __init__(self, tables: bool) -> None:
        super().__init__()
        self.into = nn.ModuleList(nn.Linear(8, 64) for _ in range(2))
        self.places = nn.ModuleList(nn.Embedding(12, 64) for _ in range(2))
        self.head = nn.Linear(128, 10)
        self.places[1].load_state_dict(self.places[0].state_dict())
        (self.places if tables else self.into).requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        places = torch.arange(12)
        towers = [into(x) + table(places) for into, table in zip(self.into, self.places, strict=True)]
        return self.head(torch.tanh(torch.cat(towers, -1)).mean(1))


def test_fixed_tables_of_places_are_no_fault() -> None:
    x = torch.randn(16, 12, 8, generator=torch.Generator().manual_seed(0))
    targets = torch.arange(16) % 10
    fixed = goodinit.check(Places(True), x, targets, loss=CE).findings
    assert not [each for each in fixed if each.severity != "info"]
    found = goodinit.check(Places(False), x, targets, loss=CE).findings
    assert {each.code for each in found if each.severity != "info"} == {"no-gradient"}  # of the layers, which are drawn


def test_trained_tables_that_begin_alike_part_where_their_gradients_differ() -> None:
    """As an encoder's and a decoder's of places, which FSMT computes alike; with the same gradient they are one."""
    x = torch.randn(16, 12, 8, generator=torch.Generator().manual_seed(0))
    targets = torch.arange(16) % 10
    model = Places(False).requires_grad_(True)
    assert "identical-layers" not in {each.code for each in goodinit.check(model, x, targets, loss=CE).findings}
    model.into[1].load_state_dict(model.into[0].state_dict())
    with torch.no_grad():
        model.head.weight[:, 64:] = model.head.weight[:, :64]
    found = [each for each in goodinit.check(model, x, targets, loss=CE).findings if each.code == "identical-layers"]
    assert [(each.severity, each.measured) for each in found] == [("severe", 2.0)]  # a table and a weight


def test_frozen_vectors_alone_are_a_remark() -> None:
    """A bias of zeros that nothing trains, as one that balances experts and is moved by hand."""
    model = mlp(3)
    model[0].bias.requires_grad_(False)
    nn.init.zeros_(model[0].bias)
    found = {each.code: each.severity for each in goodinit.check(model, X, Y, loss=CE).findings}
    assert found["no-gradient"] == "info"


def test_accepted_findings_are_left_out() -> None:
    model, inputs = fill(mlp(5), he), (X.sigmoid() * 255).round()
    assert not goodinit.check(model, inputs, Y, loss=CE).healthy
    for ignore in (["inputs-not-scaled"], "inputs-not-scaled"):
        assert goodinit.check(model, inputs, Y, loss=CE, ignore=ignore).findings == ()
    with pytest.raises(GoodinitError, match="did you mean inputs-not-scaled"):
        goodinit.check(model, inputs, Y, loss=CE, ignore=["inputs-not-scale"])


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:torch.quantize_per_tensor:UserWarning")
@pytest.mark.parametrize("form", ["scripted", "a part scripted", "quantized"])
def test_what_cannot_be_seen_inside_is_told(form: str) -> None:
    model: nn.Module = nn.Sequential(mlp(2, outputs=64), nn.ReLU(), nn.Linear(64, 10))
    if form == "scripted":
        model = torch.jit.script(model)
    elif form == "a part scripted":
        model[0] = torch.jit.script(model[0])
    else:
        model = torch.ao.quantization.quantize_dynamic(model, {nn.Linear})
    before = {name: value.clone() for name, value in model.named_parameters()}
    checkup = goodinit.check(model, X, Y, loss=CE)
    assert checkup.healthy
    assert [note for note in checkup.start.notes if note.endswith("what it does inside was not seen")]
    assert all(torch.equal(value, before[name]) for name, value in model.named_parameters())
    assert [layer.name for layer in checkup.layers] == (["2"] if form == "a part scripted" else [])


@pytest.mark.filterwarnings("ignore")
def test_a_sharded_model_is_checked_as_far_as_it_is_seen() -> None:
    dist = torch.distributed
    if not dist.is_available():
        pytest.skip("this PyTorch has no distributed package")
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    dist.init_process_group("gloo", rank=0, world_size=1, store=dist.HashStore())
    try:
        model = fully_shard(fill(mlp(3), he), mesh=init_device_mesh("cpu", (1,)))
        checkup = goodinit.check(model, X, Y, loss=CE)
        assert checkup.healthy
        assert checkup.start.notes[0].startswith("the model is sharded: none of its layers")
        assert all(each.gradient_rms for each in checkup.start.parameters)
        assert all(parameter.grad is None for parameter in model.parameters())
        from torch.distributed.fsdp import FullyShardedDataParallel

        whole = fill(mlp(3), he)
        own = goodinit.check(whole, X, Y, loss=CE).start.parameters
        model = FullyShardedDataParallel(whole, use_orig_params=True, device_id=torch.device("cpu"))
        checkup = goodinit.check(model, X, Y, loss=CE)
        assert checkup.healthy
        assert checkup.start.notes[0].startswith("FSDP keeps the parameters in flat pieces")
        flat = [each.gradient_rms for each in checkup.start.parameters]
        assert flat == pytest.approx([each.gradient_rms for each in own])
        assert all(parameter.grad is None for parameter in model.parameters())
    finally:
        dist.destroy_process_group()


class Recomputed(torch.autograd.Function):
    """A layer that is computed again on the way back, and fills `.grad` itself, as reversible blocks do."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, layer: nn.Module) -> Tensor:
        ctx.layer = layer
        ctx.save_for_backward(x)
        return layer(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, None]:
        (x,) = ctx.saved_tensors
        x = x.detach().requires_grad_()
        with torch.enable_grad():
            torch.autograd.backward(ctx.layer(x), gradient)
        return x.grad, None


def test_blocks_that_fill_their_gradients_themselves_are_not_cut_off() -> None:
    model = fill(mlp(3), he)

    class Reversible(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.ModuleList(model)

        def forward(self, x: Tensor) -> Tensor:
            for layer in self.layers:
                x = Recomputed.apply(x, layer) if x.requires_grad else layer(x)
            return x

    plain, same = (goodinit.check(each, X, Y, loss=CE) for each in (model, Reversible()))
    assert not [each for each in same.findings if each.severity != "info"]
    found, wanted = ([each.gradient_rms for each in checkup.start.parameters] for checkup in (same, plain))
    assert found == pytest.approx(wanted)
    assert all(parameter.grad is None for parameter in model.parameters())


class Scaled(nn.Module):
    """Branches behind a layer scale, as CaiT's, and an output layer that may be zero, as ResMLP's."""

    def __init__(self, scale: float, zero: bool) -> None:
        super().__init__()
        self.into, self.head = nn.Linear(64, 64), nn.Linear(64, 10)
        self.blocks = nn.ModuleList(nn.Sequential(nn.LayerNorm(64), nn.Linear(64, 64), nn.GELU()) for _ in range(4))
        self.ends = nn.ModuleList(nn.Linear(64, 64) for _ in range(4))
        self.scales = nn.ParameterList(torch.full((64,), scale) for _ in range(4))
        self.shift = nn.Parameter(torch.zeros(1, 64))
        if zero:
            nn.init.zeros_(self.head.weight)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.tanh(self.into(x)) + self.shift
        for block, end, scale in zip(self.blocks, self.ends, self.scales, strict=True):
            x = x + scale * end(block(x))
        return self.head(x)


@pytest.mark.parametrize(("scale", "zero"), [(1e-5, False), (1.0, False), (1.0, True), (1e-5, True)])
def test_layer_scales_and_zero_output_layers_are_starts(scale: float, zero: bool) -> None:
    torch.manual_seed(0)
    checkup = goodinit.check(Scaled(scale, zero), X, Y, loss=CE)
    assert not [each for each in checkup.findings if each.severity != "info"]


def test_what_is_frozen_on_purpose_is_a_remark() -> None:
    """Adapters that begin at zero, a copy, and weights that no initializer draws."""

    class Adapter(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.base = nn.Linear(64, 10).requires_grad_(False)
            self.down, self.up = nn.Linear(64, 4), nn.Linear(4, 10)
            nn.init.zeros_(self.up.weight)

        def forward(self, x: Tensor) -> Tensor:
            return self.base(x) + self.up(self.down(x))

    trained = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    trained[0].requires_grad_(False)
    severities = []
    for model in (trained, Adapter()):
        found = {each.code: each.severity for each in goodinit.check(model, X, Y, loss=CE).findings}
        severities.append(found["no-gradient"])
    with torch.no_grad():
        trained[0].weight.mul_(1.21)
    found = {each.code: each.severity for each in goodinit.check(trained, X, Y, loss=CE).findings}
    assert [*severities, found["no-gradient"]] == ["warning", "info", "info"]


class Product(nn.Module):
    """Branches that multiply two small signals, as FocalNet's do."""

    def __init__(self, residual: bool) -> None:
        super().__init__()
        self.stem, self.last, self.head = nn.Linear(64, 64), nn.Linear(64, 64), nn.Linear(64, 10)
        self.branches = nn.ModuleList(nn.ModuleList(nn.Linear(64, 64) for _ in range(3)) for _ in range(4))
        self.residual = residual
        for one, two, _ in self.branches:
            for each in (one, two):
                nn.init.normal_(each.weight, std=1e-4)
                nn.init.zeros_(each.bias)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for one, two, end in self.branches:
            y = functional.layer_norm(x, (64,))
            x = x + end(one(y) * two(y)) if self.residual else end(one(y) * two(y))
        return self.head(self.last(x).relu())


def test_gradients_that_are_small_inside_of_branches_alone_are_milder() -> None:
    severities = []
    for residual in (True, False):
        torch.manual_seed(0)
        findings = goodinit.check(Product(residual), X, Y, loss=CE, remedies=False).findings
        severities.append({each.code: each.severity for each in findings}.get("vanishing-gradient"))
    assert severities == ["warning", "severe"]


class Tokens(nn.Module):
    """Branches over 1,000 tokens, then attention of one query, of which each token gets a thousandth."""

    def __init__(self, gain: float) -> None:
        super().__init__()
        self.branches = nn.ModuleList(nn.Linear(32, 32) for _ in range(4))
        self.values = nn.ModuleList(nn.Linear(32, 32) for _ in range(3))
        self.gain, self.head = gain, nn.Linear(32, 10)

    def forward(self, x: Tensor) -> Tensor:
        for branch in self.branches:
            x = x + self.gain * branch(x.relu())
        found = [each(functional.layer_norm(x, (32,))).mean(1) for each in self.values]
        return self.head(0.1 * torch.stack(found).sum(0) + x[:, 0])


def test_gradients_that_are_small_behind_the_stream_alone_are_milder() -> None:
    found = []
    for gain in (0.5, 20.0):
        torch.manual_seed(0)
        given = torch.randn(4, 1000, 32), torch.arange(4)
        findings = goodinit.check(Tokens(gain), *given, loss=CE, remedies=False).findings
        found.append({each.code: each.severity for each in findings}.get("exploding-gradient"))
    assert found == ["info", "severe"]


def test_a_table_that_is_only_added_may_be_frozen() -> None:
    class Placed(nn.Module):
        def __init__(self, frozen: bool) -> None:
            super().__init__()
            self.layer, self.head = nn.Linear(8, 64), nn.Linear(64, 3)
            self.table = nn.Parameter(torch.randn(64) * 0.02 + torch.zeros(5, 64).normal_(std=0.1), requires_grad=False)
            self.head.weight.requires_grad_(not frozen)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(torch.tanh(self.layer(x[:, None]) + self.table)).mean(1)

    torch.manual_seed(0)
    given = (torch.randn(32, 8), torch.arange(32) % 3)
    for frozen, severity in ((False, "info"), (True, "warning")):
        checkup = goodinit.check(Placed(frozen), *given, loss=nn.functional.cross_entropy, remedies=False)
        assert [each.severity for each in checkup.findings if each.code == "no-gradient"] == [severity]


def test_the_size_of_a_gate_is_not_that_of_the_signal() -> None:
    """Squeeze and excitation on means of many places: the gates' layers are small, and the signal keeps its size."""

    class Excited(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.down, self.up = nn.Conv2d(16, 16, 1), nn.Conv2d(16, 8, 1), nn.Conv2d(8, 16, 1)

        def forward(self, x: Tensor) -> Tensor:
            y = self.conv(x)
            gate = self.up(nn.functional.relu(self.down(y.mean((2, 3), keepdim=True))))
            return y * gate.sigmoid() * 2

    torch.manual_seed(0)
    model = nn.Sequential(*(Excited() for _ in range(4)), nn.Flatten(), nn.Linear(16 * 48 * 48, 10))
    for each in model[:4]:
        for layer in (each.conv, each.down, each.up):
            nn.init.orthogonal_(layer.weight.flatten(1))
            nn.init.zeros_(layer.bias)
    checkup = goodinit.check(model, torch.randn(2, 16, 48, 48), remedies=False)
    sizes = [(each.name.rpartition(".")[2], each.signal.rms, each.call.gating) for each in checkup.start.layers]
    assert all(gating == (name in ("down", "up")) for name, _, gating in sizes)
    assert max(rms for _, rms, gating in sizes if gating) < 0.1
    assert "vanishing-signal" not in {each.code for each in checkup.findings}


class Decay(nn.Module):
    """A signal that a gate lets through, with an offset and a rate of its own, as state spaces have them."""

    def __init__(self, offset: float, rate: float) -> None:
        super().__init__()
        self.into, self.gate, self.head = nn.Linear(16, 64), nn.Linear(64, 64, bias=False), nn.Linear(64, 2)
        self.offset, self.rate = nn.Parameter(torch.full((64,), offset)), nn.Parameter(torch.full((64,), rate))

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.into(x))
        return self.head(x * (1 - torch.sigmoid(self.rate * (self.gate(x) + self.offset))))


@pytest.mark.parametrize(("offset", "rate", "found"), [(-5.0, 4.0, False), (0.0, 200.0, True)])
def test_gates_that_an_offset_holds_closed_are_a_start_and_torn_ones_are_not(offset, rate, found) -> None:
    torch.manual_seed(0)
    inputs, targets = torch.randn(64, 16), torch.randint(0, 2, (64,))
    checkup = goodinit.check(Decay(offset, rate), inputs, targets, loss=functional.cross_entropy)
    assert ("saturated-units" in {each.code for each in checkup.findings}) == found
