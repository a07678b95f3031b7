"""Planted faults are found and named, their healthy counterparts are not, and each remedy removes what it is for."""

import copy
import math

import pytest
import torch
from checkup_models import (
    Autoencoder,
    Decoder,
    Encoder,
    EncoderDecoder,
    Experts,
    Recurrent,
    Residual,
    ResidualConv,
    Siren,
    batch,
    fill,
    he,
    images,
    mlp,
    next_token,
    separable,
    tokens,
)
from torch import nn
from torch.nn import functional

import goodinit

X, Y = batch()
CLASSES = torch.arange(16) % 10


def glorot(weight):
    return nn.init.xavier_normal_(weight)


def times_ten(weight):
    return nn.init.normal_(weight, std=10)


def with_bias(place, value):
    model = fill(mlp(6), he)
    nn.init.constant_(model[place].bias, value)
    return model


def with_large_head(times):
    model = fill(mlp(6), he)
    with torch.no_grad():
        model[-1].weight.mul_(times)
    return model


def transposed(right_fan):
    """The layer whose output has variance 0.0155 instead of 1, by PyTorch's fan and by the right one."""
    model = nn.Sequential(nn.ConvTranspose2d(16, 256, 4, 2))
    if right_fan:
        goodinit.initialize(model, "lecun_normal", seed=0)
        return model
    return fill(model, lambda weight: nn.init.kaiming_normal_(weight, nonlinearity="linear"))


def depthwise(mode):
    layers = [nn.Conv2d(3, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 32, 3, padding=1, groups=32), nn.ReLU()]
    model = nn.Sequential(*layers, nn.Conv2d(32, 16, 1), nn.Flatten(), nn.Linear(16 * 256, 10))
    if mode == "right":
        goodinit.initialize(model, "he_normal", seed=0, inputs=images())
        return model
    return fill(model, lambda weight: nn.init.kaiming_normal_(weight, mode=mode))


def packed(glorot_of_all):
    model = nn.MultiheadAttention(64, 4, batch_first=True)
    if not glorot_of_all:
        for part in model.in_proj_weight.detach().chunk(3):
            nn.init.xavier_uniform_(part)
    return model


def partly_frozen(frozen):
    model = fill(mlp(5), he)
    model[2].weight.requires_grad_(not frozen)
    return model


def same_experts(copied):
    class Parallel(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.two, self.head = nn.Linear(64, 32), nn.Linear(64, 32), nn.Linear(32, 10)
            if copied:
                self.two.load_state_dict(self.one.state_dict())

        def forward(self, x):
            return self.head(torch.tanh(self.one(x)) + torch.tanh(self.two(x)))

    return Parallel()


def constant(value):
    return fill(mlp(4), lambda weight: nn.init.constant_(weight, value) if value else he(weight))


def collapsing(bad):
    model = fill(mlp(20), (lambda w: nn.init.normal_(w, std=0.02)) if bad else he)
    for layer in model:
        if bad and isinstance(layer, nn.Linear):
            nn.init.uniform_(layer.bias, 0.5, 1.5)
    return model


def cross_entropy(output, targets):
    return functional.cross_entropy(output, targets)


ZEROS = lambda bad: fill(mlp(5), nn.init.zeros_ if bad else he)  # noqa: E731  # a row of the table
PLANTED = {
    "zeros": (ZEROS, {"all-zero", "zero-gradient"}, "severe"),
    "constant": (lambda bad: constant(0.1 if bad else 0), {"identical-units"}, "severe"),
    "random x 10": (
        lambda bad: fill(mlp(5), times_ten if bad else he),
        {"exploding-signal", "exploding-gradient", "output-saturated", "loss-above-chance", "weight-too-large"},
        "severe",
    ),
    "glorot, 50 relu": (
        lambda bad: fill(mlp(50), glorot if bad else he),
        {"vanishing-signal", "vanishing-gradient"},
        "severe",
    ),
    "he, 50 tanh": (lambda bad: fill(mlp(50, nn.Tanh), he if bad else glorot), {"chaotic"}, "severe"),
    "dead": (lambda bad: with_bias(4, -30.0 if bad else 0.0), {"dead-units", "zero-gradient"}, "severe"),
    "saturated": (
        lambda bad: fill(mlp(5, nn.Tanh), lambda w: nn.init.normal_(w, std=2.0 if bad else 0.125)),
        {"saturated-units"},
        "severe",
    ),
    "saturated output": (
        lambda bad: with_large_head(50 if bad else 1),
        {"output-saturated", "loss-above-chance"},
        "severe",
    ),
    "collapsed": (collapsing, {"collapsed"}, "severe"),
    "residual": (
        lambda bad: fill(Residual(scale=1 if bad else 0.25), he),
        {"residual-growth", "exploding-gradient"},
        "severe",
    ),
    "same experts": (same_experts, {"identical-layers"}, "severe"),
    "deep gelu": (
        lambda bad: fill(mlp(50 if bad else 8, nn.GELU), lambda w: nn.init.orthogonal_(w, 1.5335)),
        {"chaotic"},
        "severe",
    ),
    "frozen": (partly_frozen, {"no-gradient"}, "warning"),
}


def run(model, inputs=X, targets=Y, loss=cross_entropy, **options):
    return goodinit.check(model, inputs, targets, loss=loss, **options)


def severe(checkup):
    return {finding.code for finding in checkup.findings if finding.severity == "severe"}


def remedied(finding, model, inputs, targets):
    """The same model after the remedy, with the batch as the remedy left it."""
    space = {"model": copy.deepcopy(model), "inputs": inputs, "targets": targets, "torch": torch, "goodinit": goodinit}
    exec(finding.remedy, space)
    return space["model"], space["inputs"], space["targets"]


@pytest.mark.parametrize("fault", PLANTED)
def test_a_planted_fault_is_found_and_its_remedy_removes_it(fault):
    make, codes, severity = PLANTED[fault]
    model = make(True)
    checkup = run(model)
    found = {finding.code: finding for finding in checkup.findings}
    assert codes <= found.keys()
    assert severity in {found[code].severity for code in codes}
    assert checkup.healthy == (severity != "severe")
    for finding in checkup.findings:
        if finding.severity == "severe":
            again = goodinit.check(*remedied(finding, model, X, Y), loss=cross_entropy)
            assert finding.code not in severe(again), finding


@pytest.mark.parametrize("fault", PLANTED)
def test_the_healthy_counterpart_of_a_fault_has_nothing_severe(fault):
    make, codes, _ = PLANTED[fault]
    checkup = run(make(False))
    assert checkup.healthy, checkup.findings
    assert not codes & {finding.code for finding in checkup.findings if finding.severity != "info"}


def test_copied_encoder_layers():
    model, x = Encoder(copies=True), torch.randn(8, 6, 16)
    found = {finding.code: finding for finding in run(model, x, CLASSES[:8]).findings}
    assert found["identical-layers"].where.startswith("blocks.layers.1.")
    again = goodinit.check(*remedied(found["identical-layers"], model, x, CLASSES[:8]), loss=cross_entropy)
    assert "identical-layers" not in {finding.code for finding in again.findings}
    duplicate = run(Encoder(copies=False), x, CLASSES[:8])
    assert "identical-layers" not in {finding.code for finding in duplicate.findings}


@pytest.mark.parametrize(
    ("make", "x", "severity", "factor"),
    [
        (lambda: transposed(False), torch.randn(8, 16, 5, 5), "severe", 1 / 8),
        (lambda: depthwise("fan_out"), images(), "severe", math.sqrt(9 / 288)),
    ],
)
def test_the_fan_that_pytorch_computes_is_told_from_the_layers_own(make, x, severity, factor):
    model = make()
    finding = next(f for f in goodinit.check(model, x).findings if f.code == "wrong-fan")
    assert finding.severity == severity
    assert finding.measured / finding.expected == pytest.approx(factor, rel=0.15)
    again = goodinit.check(remedied(finding, model, x, None)[0], x)
    assert finding.where not in {f.where for f in again.findings if f.code == "wrong-fan"}


@pytest.mark.parametrize(
    ("make", "x"), [(lambda: transposed(True), torch.randn(8, 16, 5, 5)), (lambda: depthwise("right"), images())]
)
def test_the_right_fan_is_no_finding(make, x):
    assert "wrong-fan" not in {f.code for f in goodinit.check(make(), x).findings}


def test_many_wrong_fans_are_one_finding():
    layers = [layer for _ in range(3) for layer in (nn.ConvTranspose2d(16, 256, 4, 2, 1), nn.Conv2d(256, 16, 1))]
    model = fill(nn.Sequential(*layers), lambda weight: nn.init.kaiming_normal_(weight, nonlinearity="linear"))
    found = [f for f in goodinit.check(model, torch.randn(2, 16, 4, 4)).findings if f.code == "wrong-fan"]
    assert len(found) == 1
    assert all(name in found[0].message for name in ("0.weight", "2.weight", "4.weight"))


@pytest.mark.parametrize("channels", [32, 64, 192, 256, 576])
def test_a_round_std_is_chosen_and_computed_from_no_fan(channels):
    """0.02 is near some gain over some fan for every width: that is no evidence of a wrong fan."""
    model = nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1, groups=channels), nn.ReLU(), nn.Flatten(2))
    fill(model, lambda weight: nn.init.normal_(weight, std=0.02))
    assert "wrong-fan" not in {f.code for f in goodinit.check(model, torch.randn(2, channels, 6, 6)).findings}


class Stream(nn.Module):
    """Blocks of a kind, with weights that a plain residual stream would grow by."""

    def __init__(self, kind, blocks=12, width=32):
        super().__init__()
        self.kind, self.head = kind, nn.Linear(width, 10)
        self.ups = nn.ModuleList(nn.Linear(width, width) for _ in range(blocks))
        self.downs = nn.ModuleList(nn.Linear(width, width) for _ in range(blocks))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(blocks))
        fill(self, lambda weight: nn.init.kaiming_normal_(weight, nonlinearity="relu"))
        for norm in self.norms:
            nn.init.ones_(norm.weight)

    def forward(self, x):
        start = x
        for number, (up, down, norm) in enumerate(zip(self.ups, self.downs, self.norms, strict=True)):
            if self.kind == "restarted" and number % 3 == 0:
                x = start.roll(number, 1)
            branch = down(torch.relu(up(x)))
            if self.kind == "post-norm":
                x = norm(x + branch)
            else:
                x = x + (norm(branch) if self.kind == "sandwich" else branch)
        return self.head(x)


@pytest.mark.parametrize("kind", ["post-norm", "sandwich", "restarted", "plain"])
def test_a_stream_is_followed_only_where_it_goes_on(kind):
    x = torch.randn(64, 32, generator=torch.Generator().manual_seed(0))
    found = {f.code: f for f in goodinit.check(Stream(kind), x).findings}
    assert ("residual-growth" in found) == (kind == "plain")
    if kind == "plain":
        assert found["residual-growth"].severity == "severe"


def test_a_stream_that_begins_small_does_not_grow_from_block_to_block():
    x = 0.01 * torch.randn(64, 32, generator=torch.Generator().manual_seed(0))

    class PreNorm(Stream):
        def forward(self, x):
            for up, down, norm in zip(self.ups, self.downs, self.norms, strict=True):
                x = x + 0.3 * down(torch.relu(up(norm(x))))
            return self.head(x)

    assert "residual-growth" not in severe(goodinit.check(PreNorm("plain", blocks=4), x))


def test_a_stream_whose_first_addition_is_small_grows_by_as_much_in_each_block_behind_norms():
    """As of a model whose attention averages its first values, in front of gates that square the size."""
    x = torch.randn(64, 32, generator=torch.Generator().manual_seed(0))

    class PreNorm(Stream):
        def forward(self, x):
            x = 0.05 * x
            for number, (up, down, norm) in enumerate(zip(self.ups, self.downs, self.norms, strict=True)):
                x = x + (1.0 if number else 0.25) * down(torch.relu(up(norm(x))))
            return self.head(x)

    found = goodinit.check(PreNorm("plain", blocks=12), x)
    assert found.start.sums[-1].total_rms > 10 * found.start.sums[0].total_rms
    assert "residual-growth" not in severe(found)


def test_a_remedy_of_many_layers_is_one_loop():
    layers = [nn.TransformerEncoderLayer(16, 2, 32, batch_first=True, norm_first=True) for _ in range(8)]
    model, x = nn.Sequential(*layers), torch.randn(4, 6, 16)
    finding = next(f for f in goodinit.check(model, x).findings if f.code == "packed-projection-too-small")
    loop, condition, statement = finding.remedy.splitlines()
    assert loop == "for name, parameter in model.named_parameters():"
    assert condition.strip() == "if name.endswith('.self_attn.in_proj_weight'):"
    assert statement.strip() == f"torch.nn.init.normal_(parameter, std={finding.expected:.4g})"
    assert finding.effect.gone


def test_a_packed_projection_drawn_as_one_matrix():
    x = torch.randn(4, 6, 64)
    inputs = {"query": x, "key": x, "value": x}
    model = packed(True)
    finding = next(f for f in goodinit.check(model, inputs).findings if f.code == "packed-projection-too-small")
    assert finding.measured / finding.expected == pytest.approx(1 / math.sqrt(2), rel=0.02)
    again = goodinit.check(remedied(finding, model, inputs, None)[0], inputs)
    for healthy in (again, goodinit.check(packed(False), inputs)):
        assert "packed-projection-too-small" not in {f.code for f in healthy.findings}


def test_residual_scaling_that_was_never_applied():
    """What a popular library's GPT-2 lacked for years: the ends of its branches as large as all other weights."""
    model, t = Decoder(layers=10, scaled=False), tokens()
    found = {f.code: f for f in goodinit.check(model, t, t.roll(-1, 1), loss=next_token).findings}
    assert found["residual-growth"].severity == "warning"
    again = goodinit.check(*remedied(found["residual-growth"], model, t, t.roll(-1, 1)), loss=next_token)
    scaled = goodinit.check(Decoder(layers=10), t, t.roll(-1, 1), loss=next_token)
    for healthy in (again, scaled):
        assert "residual-growth" not in {f.code for f in healthy.findings}


def test_a_learning_rate_above_what_the_curvature_allows():
    model = fill(mlp(2), he)
    checkup = run(model, learning_rate=100.0, curvature=True)
    finding = next(f for f in checkup.findings if f.code == "learning-rate-too-large")
    space = {}
    exec(finding.remedy, space)
    assert "learning-rate-too-large" not in severe(run(model, learning_rate=space["learning_rate"], curvature=True))


def test_a_loss_far_off_because_the_outputs_miss_the_targets_mean():
    model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 1))
    targets = 100 + torch.randn(64, 1, generator=torch.Generator().manual_seed(0))
    finding = next(
        f for f in run(model, targets=targets, loss=functional.mse_loss).findings if f.code == "loss-above-chance"
    )
    assert finding.severity == "warning"
    again = goodinit.check(*remedied(finding, model, X, targets), loss=functional.mse_loss)
    assert "loss-above-chance" not in {f.code for f in again.findings}


def test_everything_frozen_and_a_graph_that_is_cut():
    model = fill(mlp(3), he).requires_grad_(False)
    checkup = run(model)
    assert severe(checkup) == {"no-gradient"}
    assert run(remedied(checkup.findings[0], model, X, Y)[0]).healthy

    class Cut(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.head = nn.Linear(64, 64), nn.Linear(64, 10)

        def forward(self, x):
            return self.head(torch.relu(self.body(x)).detach())

    cut = next(f for f in run(Cut()).findings if f.code == "no-gradient")
    assert (cut.severity, cut.where) == ("severe", "body.weight")


def test_a_zero_output_layer_is_a_sound_start():
    model = fill(mlp(4), he)
    nn.init.zeros_(model[-1].weight)
    checkup = run(model)
    assert checkup.healthy
    assert [(f.code, f.where) for f in checkup.findings] == [("zero-start", "6.weight")]


def test_float16_ends_are_seen_ahead():
    model = fill(mlp(3), lambda weight: nn.init.normal_(weight, std=20))
    finding = next(f for f in run(model).findings if f.code == "float16-overflow")
    assert finding.measured > 65504 / 4
    small = run(model, loss=lambda output, targets: functional.cross_entropy(output, targets) * 1e-9)
    assert "float16-underflow" in {f.code for f in small.findings}


T = tokens()
SOUND = {
    "plain convolutions": (
        lambda: nn.Sequential(
            *(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 16, 3, padding=1), nn.ReLU()),
            *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10)),
        ),
        images(),
        CLASSES,
        cross_entropy,
    ),
    "residual convolutions": (ResidualConv, images(), CLASSES, cross_entropy),
    "autoencoder": (Autoencoder, images(), images(), functional.mse_loss),
    "gru": (lambda: Recurrent("GRU"), tokens(16), CLASSES, cross_entropy),
    "lstm": (lambda: Recurrent("LSTM"), tokens(16), CLASSES, cross_entropy),
    "encoder": (lambda: Encoder(False, norm_first=True), torch.randn(16, 6, 16), CLASSES, cross_entropy),
    "decoder": (Decoder, T, T.roll(-1, 1), next_token),
    "encoder and decoder": (EncoderDecoder, (T, T), T.roll(-1, 1), next_token),
    "siren": (Siren, torch.rand(128, 2) * 2 - 1, torch.rand(128, 1), functional.mse_loss),
    "experts": (Experts, torch.randn(8, 16), CLASSES[:8], cross_entropy),
    "depthwise separable": (separable, images(), CLASSES, cross_entropy),
    "stock layers": (lambda: mlp(4), X, Y, cross_entropy),
}


@pytest.mark.parametrize("name", SOUND)
def test_sound_models_of_many_kinds_raise_no_alarm(name):
    make, inputs, targets, loss = SOUND[name]
    torch.manual_seed(11)
    model = make()
    checkup = goodinit.check(model, inputs, targets, loss=loss)
    assert checkup.healthy, checkup.findings
    goodinit.initialize(model, "orthogonal" if name != "siren" else "siren", seed=0, inputs=inputs)
    filled = goodinit.check(model, inputs, targets, loss=loss)
    assert filled.healthy, filled.findings


def test_experts_without_tokens_are_no_alarm():
    torch.manual_seed(0)
    findings = run(Experts(), torch.randn(8, 16), CLASSES[:8]).findings
    assert {(f.code, f.severity) for f in findings} == {("unused-parameter", "info")}


@pytest.mark.parametrize(("width", "init"), [(64, "orthogonal"), (64, "glorot_uniform"), (512, "he_normal")])
@pytest.mark.parametrize("examples", [8, 256])
def test_no_false_alarm_across_widths_and_batches(width, examples, init):
    activation = nn.Tanh if init == "glorot_uniform" else nn.ReLU
    for seed in range(2):
        model = mlp(5, activation, width)
        goodinit.initialize(model, init, seed=seed, inputs=torch.zeros(1, width))
        x, y = batch(examples, width, seed=5000 + seed)
        findings = goodinit.check(model, x, y, loss=functional.cross_entropy).findings
        assert not [f for f in findings if f.severity != "info"], findings
