"""What is wrong with the batch, the loss or the mode is found as that, and no weight is blamed for it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from checkup_models import batch, fill, he, images, mlp
from torch import Tensor, nn
from torch.nn import functional

import goodinit
from goodinit import GoodinitError

X, Y = batch()
CE = functional.cross_entropy
WEIGHTS = {  # what a weight is blamed with
    *(
        "vanishing-signal",
        "exploding-signal",
        "weight-too-large",
        "dead-units",
        "output-saturated",
        "loss-above-chance",
    ),
    *("vanishing-gradient", "exploding-gradient", "all-zero", "zero-gradient"),
}


def uneven(feature: int, times: float) -> Tensor:
    x = X.clone()
    x[:, feature] *= times
    return x


INPUTS: dict[str, tuple[Tensor, str | None]] = {
    "standard normal": (X, None),
    "between 0 and 1": (X.sigmoid(), None),
    "0 to 255": ((X.sigmoid() * 255).round(), "inputs-not-scaled"),
    "of size 1e-4": (X * 1e-4, "inputs-not-scaled"),
    "mean 1000": (X + 1000, "inputs-not-centred"),
    "one feature 1000 times the others": (uneven(7, 1000), "inputs-uneven"),
    "one feature 3 times the others": (uneven(7, 3), None),
    "all the same": (X[:1].expand(64, 64).clone(), "inputs-constant"),
    "a constant feature": (uneven(7, 0), None),
}


@pytest.mark.parametrize("case", INPUTS)
def test_inputs_are_judged_before_weights(case: str) -> None:
    inputs, code = INPUTS[case]
    model = fill(mlp(5), he)
    checkup = goodinit.check(model, inputs, Y, loss=CE)
    found = {each.code: each for each in checkup.findings if each.severity != "info"}
    assert set(found) == (set() if code is None else {code})
    if code is None or code == "inputs-constant":
        return
    assert found[code].severity == "severe"
    space: dict[str, Any] = {"inputs": inputs, "torch": torch}
    exec(found[code].remedy, space)
    assert goodinit.check(model, space["inputs"], Y, loss=CE).healthy


class Within(nn.Module):
    """Brings its inputs into their units itself, and has a second one that no layer meets."""

    def __init__(self, model: nn.Module, shift: float = 0.0, times: float = 1.0) -> None:
        super().__init__()
        self.model, self.times = model, times
        self.register_buffer("shift", torch.tensor(shift))

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        x = self.model((x.float() - self.shift) * self.times)
        return x if mask is None else x.where(mask.sum(1, keepdim=True) > 0, x)


def test_inputs_are_judged_as_the_first_layer_meets_them() -> None:
    pixels, model = (X.sigmoid() * 255).round(), fill(mlp(5), he)
    codes = {"inputs-not-scaled", "inputs-not-centred"}

    def found(model: nn.Module, inputs: Any) -> set[str]:
        return codes & {each.code for each in goodinit.check(model, inputs, Y, loss=CE).findings}

    assert not found(Within(model, 128.0, 1 / 64), pixels)
    assert not found(Within(model, times=1 / 255), pixels)
    assert not found(Within(model, times=1 / 255), pixels.to(torch.uint8))
    assert found(Within(model), pixels.to(torch.uint8)) == {"inputs-not-scaled"}
    assert found(Within(model, times=1000.0), X) == {"inputs-not-scaled"}
    assert not found(Within(model), (X, 1e4 * X.abs()))
    assert not found(nn.Sequential(nn.BatchNorm1d(64), *model), pixels)


def test_an_input_beside_a_larger_signal_is_judged_alone() -> None:
    class Beside(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.head = nn.Linear(64, 64), nn.Linear(67, 10)

        def forward(self, x: Tensor, direction: Tensor) -> Tensor:
            return self.head(torch.cat([direction, self.layer(x).relu() / 100], 1))

    direction = functional.normalize(X[:, :3], dim=1)
    checkup = goodinit.check(Beside(), (X, direction), Y, loss=CE)
    assert [each.uneven is None or each.uneven < 2 for each in checkup.start.inputs] == [True, True]
    assert checkup.start.inputs[1].rms == pytest.approx(3**-0.5)


@pytest.mark.filterwarnings("ignore:Sparse CSR tensor support is in beta")
def test_a_sparse_input_is_taken() -> None:
    class Graph(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(64, 10)

        def forward(self, x: Tensor, near: Tensor) -> Tensor:
            return torch.sparse.mm(near, self.layer(x))

    near = torch.eye(64).to_sparse()
    for each in (near, near.to_sparse_csr()):
        assert goodinit.check(Graph(), (X, each), Y, loss=CE).healthy


def test_images_are_judged_channel_by_channel_and_a_norm_makes_up() -> None:
    pictures, classes = images() * 50 + 120, torch.arange(16) % 10
    plain = nn.Sequential(nn.Conv2d(3, 16, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10))
    found = {each.code: each for each in goodinit.check(plain, pictures, classes, loss=CE).findings}
    assert found["inputs-not-scaled"].severity == "severe"
    space: dict[str, Any] = {"inputs": pictures, "torch": torch}
    exec(found["inputs-not-scaled"].remedy, space)
    assert space["inputs"].mean((0, 2, 3)).abs().max() < 1e-4
    normed = nn.Sequential(nn.Conv2d(3, 16, 3), nn.BatchNorm2d(16), *plain[1:])
    assert goodinit.check(normed, pictures, classes, loss=CE).healthy
    first = nn.Sequential(nn.BatchNorm2d(3), *plain)
    assert not [e for e in goodinit.check(first, pictures, classes, loss=CE).findings if e.code.startswith("inputs")]


def test_a_dict_of_inputs_is_named_as_python_does() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = mlp(3)

        def forward(self, near: Tensor, far: Tensor) -> Tensor:
            return self.net(near + far)

    inputs = {"near": X, "far": X.flip(0) * 300}
    found = goodinit.check(Two(), inputs, Y, loss=CE).findings[0]
    assert found.where == "inputs['far']"
    exec(found.remedy, {"inputs": inputs, "torch": torch})
    assert inputs["far"].std() == pytest.approx(1, abs=0.01)


def stretched(output: Tensor, targets: Tensor) -> Tensor:
    return (output - targets).square().mean()


NUMBERS = X[:, 0] * 2
LOSSES: dict[str, tuple[nn.Module | None, Any, Callable[..., Tensor], str | None]] = {
    "softmax before cross-entropy": (nn.Softmax(-1), Y, CE, "probabilities-as-scores"),
    "log_softmax before cross-entropy, which changes nothing": (nn.LogSoftmax(-1), Y, CE, None),
    "relu before cross-entropy": (nn.ReLU(), Y, CE, "activation-before-loss"),
    "log_softmax before nll_loss": (nn.LogSoftmax(-1), Y, functional.nll_loss, None),
    "softmax before nll_loss": (nn.Softmax(-1), Y, functional.nll_loss, "scores-not-logarithms"),
    "scores to nll_loss": (None, Y, functional.nll_loss, "scores-not-logarithms"),
    "one class only": (None, torch.full((64,), 3), CE, "targets-alike"),
}


@pytest.mark.parametrize("case", LOSSES)
def test_losses_are_given_what_they_want(case: str) -> None:
    last, targets, loss, code = LOSSES[case]
    model = fill(mlp(4), he)
    model = model if last is None else nn.Sequential(model, last)
    found = {each.code for each in goodinit.check(model, X, targets, loss=loss).findings if each.severity != "info"}
    assert found == (set() if code is None else {code})


@pytest.mark.parametrize("last", [None, nn.Sigmoid()])
def test_a_sigmoid_before_a_loss_that_takes_it(last: nn.Module | None) -> None:
    model, targets = fill(mlp(4, outputs=1), he), (Y % 2).float()[:, None]
    model = nn.Sequential(model, last) if last is not None else model
    checkup = goodinit.check(model, X, targets, loss=functional.binary_cross_entropy_with_logits)
    assert ("probabilities-as-scores" in {each.code for each in checkup.findings}) == (last is not None)


@pytest.mark.filterwarnings("ignore:Using a target size")
@pytest.mark.parametrize("loss", [functional.mse_loss, stretched, functional.l1_loss])
def test_outputs_and_targets_that_are_stretched_to_each_other(loss: Callable[..., Tensor]) -> None:
    model = fill(mlp(4, outputs=1), he)
    found = goodinit.check(model, X, NUMBERS, loss=loss).findings
    assert [each.code for each in found] == ["targets-stretched"]
    space: dict[str, Any] = {"targets": NUMBERS}
    exec(found[0].remedy, space)
    again = goodinit.check(model, X, space["targets"], loss=loss)
    assert "targets-stretched" not in {each.code for each in again.findings}
    squeezed = goodinit.check(model, X, NUMBERS, loss=lambda output, targets: loss(output.squeeze(1), targets))
    assert "targets-stretched" not in {each.code for each in squeezed.findings}


@pytest.mark.parametrize("shift", [1, -1])
def test_classes_out_of_range_are_told(shift: int) -> None:
    with pytest.raises(GoodinitError, match="classes are numbered from 0 to 9"):
        goodinit.check(fill(mlp(3), he), X, Y + shift, loss=CE)


@pytest.mark.parametrize(("share", "found"), [(0.5, False), (0.95, True)])
def test_a_dropout_that_leaves_nothing(share: float, found: bool) -> None:
    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Dropout(share), nn.Linear(64, 10))
    codes = {each.code for each in goodinit.check(model, X, Y, loss=CE).findings}
    assert ("dropout-too-large" in codes) == found
    assert "dropout-too-large" not in {each.code for each in goodinit.check(model.eval(), X, Y, loss=CE).findings}


def test_statistics_that_are_not_the_batch_s() -> None:
    model = nn.Sequential(nn.Linear(64, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 10))
    with torch.no_grad():
        model[0].weight.mul_(20)
    trained = goodinit.check(model, X, Y, loss=CE)
    assert "stale-statistics" not in {each.code for each in trained.findings}
    stale = {each.code: each for each in goodinit.check(model.eval(), X, Y, loss=CE).findings}
    assert stale["stale-statistics"].remedy == "model.train()"
    model.train()
    for _ in range(60):
        model(X)
    assert "stale-statistics" not in {each.code for each in goodinit.check(model.eval(), X, Y, loss=CE).findings}


def test_a_last_norm_whose_scale_is_zero() -> None:
    model = nn.Sequential(mlp(4, outputs=64), nn.LayerNorm(64), nn.Linear(64, 10))
    assert goodinit.check(model, X, Y, loss=CE).healthy
    nn.init.zeros_(model[1].weight)
    found = {each.code: each for each in goodinit.check(model, X, Y, loss=CE).findings}
    assert found["silent-norm"].severity == "severe"
    exec(found["silent-norm"].remedy, {"model": model, "torch": torch})
    assert goodinit.check(model, X, Y, loss=CE).healthy


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


def test_a_real_fault_of_weights_is_told_beside_a_batch_that_is_sound() -> None:
    model = fill(mlp(8), lambda weight: nn.init.normal_(weight, std=1e-3))
    codes = {each.code for each in goodinit.check(model, X, Y, loss=CE).findings if each.severity == "severe"}
    assert codes & WEIGHTS
    assert math.isfinite(goodinit.check(model, X, Y, loss=CE).start.inputs[0].rms)


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
    found = {each.code for each in goodinit.check(Places(False), x, targets, loss=CE).findings}
    assert {"no-gradient", "identical-layers"} <= found


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


def test_an_output_off_the_targets_mean_is_centred_channel_by_channel() -> None:
    pictures = images() * 0.1
    targets = pictures + torch.tensor([3.0, -2.0, 1.0])[:, None, None]
    model = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.Tanh(), nn.Conv2d(16, 3, 3, padding=1))
    found = {e.code: e for e in goodinit.check(model, images(), targets, loss=functional.mse_loss).findings}
    exec(found["loss-above-chance"].remedy, {"model": model, "targets": targets, "torch": torch})
    assert model[2].bias.tolist() == pytest.approx([3, -2, 1], abs=0.1)
    again = goodinit.check(model, images(), targets, loss=functional.mse_loss).start.loss
    assert again.value < found["loss-above-chance"].measured / 10


@pytest.mark.parametrize("examples", [2, 3, 64])
def test_the_loss_of_guessing_knows_how_few_examples_tell_the_mean(examples: int) -> None:
    targets = torch.randn(examples, 4096, generator=torch.Generator().manual_seed(0))
    loss = goodinit.check(nn.Linear(64, 4096), X[:examples], targets, loss=functional.mse_loss).start.loss
    assert loss.chance == pytest.approx(1, abs=0.05)  # the variance that the targets were drawn with
    assert loss.offset == pytest.approx(0, abs=0.4)


def test_scores_that_lie_between_0_and_1_are_not_taken_for_probabilities() -> None:
    """A sigmoid is seen where it is called."""
    model, targets = nn.Linear(64, 1), (X[:, :1] > 0).float()
    with torch.no_grad():
        model.weight.mul_(0.1)
        model.bias.fill_(0.5)
    assert 0 < float(model(X).min().detach()) < float(model(X).max().detach()) < 1
    for made, wrong in ((model, False), (nn.Sequential(model, nn.Sigmoid()), True)):
        found = goodinit.check(made, X, targets, loss=nn.functional.binary_cross_entropy_with_logits).findings
        assert ("probabilities-as-scores" in {each.code for each in found}) == wrong


def test_what_the_loss_does_with_the_outputs_is_no_activation_of_the_last_layer() -> None:
    """A head that begins at a small probability, as focal losses ask for."""
    model, targets = nn.Linear(64, 10), (X[:, :10] > 2).float()
    nn.init.constant_(model.bias, -math.log(99))

    def focal(scores: Tensor, wanted: Tensor) -> Tensor:
        p = scores.sigmoid()
        return -(wanted * (1 - p) ** 2 * p.log() + (1 - wanted) * p**2 * (1 - p).log()).mean()

    checkup = goodinit.check(model, X, targets, loss=focal)
    assert checkup.layers[-1].activation is None
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


def test_a_table_of_places_that_drowns_the_tokens() -> None:
    class Tokens(nn.Module):
        def __init__(self, times: float) -> None:
            super().__init__()
            self.token, self.place, self.head = nn.Embedding(50, 32), nn.Embedding(8, 32), nn.Linear(32, 50)
            nn.init.normal_(self.token.weight, std=0.02)
            nn.init.normal_(self.place.weight, std=0.02 * times)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(nn.functional.layer_norm(self.token(x) + self.place(torch.arange(8)), (32,)))

    tokens = torch.randint(0, 50, (16, 8), generator=torch.Generator().manual_seed(0))
    for times, wrong in ((1.0, False), (100.0, True)):
        found = {each.code: each for each in goodinit.check(Tokens(times), tokens).findings}
        assert ("positions-too-large" in found) == wrong
    assert found["positions-too-large"].where == "place.weight"
    assert found["positions-too-large"].effect is not None
    assert found["positions-too-large"].effect.gone


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
