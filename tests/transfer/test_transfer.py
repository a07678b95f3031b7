"""Transfer checks of small models: a correct muP passes, mistakes are named, and models are left alone."""

import json
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

import goodinit
from goodinit import GoodinitError, transfer
from goodinit.cli import main

WIDTHS = [32, 64, 128, 256]


def run(make, **options):
    return transfer(partial(make, count=64), widths=WIDTHS, **{"seeds": 2, **options})


def test_a_correct_mup_transfers(models):
    found = run(models.mlp)
    assert found.verdict == "transfers"
    assert found.transfers is True
    assert found.findings == ()
    assert found.promise == "mup"
    row = next(each for each in found.parameters if each.name == "hidden.0.weight")
    assert row.role == "hidden"
    assert row.coordinates["rate"].slope.value == pytest.approx(-1)
    assert row.coordinates["start"].slope.value == pytest.approx(-0.5, abs=0.05)  # 1 / sqrt(fan in)
    assert [each.role for each in found.parameters if each.name.endswith("weight")] == [
        "input",
        "hidden",
        "hidden",
        "readout",
    ]


@pytest.mark.parametrize(
    ("mistake", "code"),
    [
        ("readout start", "readout-not-scaled"),
        ("hidden rate", "hidden-rate-not-scaled"),
        ("input rate", "embedding-rate-scaled"),
        ("vectors", "vector-rate-scaled"),
        ("adam decay", "decay-coupled"),
        ("base shapes", "base-shapes-mixed"),
    ],
)
def test_a_mistake_is_named(models, mistake, code):
    found = run(partial(models.mlp, mistake=mistake))
    assert found.transfers is False
    assert [each.code for each in found.findings] == [code]
    for each in found.findings:
        compile(each.remedy, "remedy", "exec")


def test_a_base_that_one_width_has_for_itself(models):
    def make(width, count):
        model, x, y, loss, _ = models.mlp(width, count=count)
        return model, x, y, loss, partial(models.optimizer, width=32 if width == 128 else width)

    found = run(make)
    assert found.findings[0].code == "base-shapes-mixed"
    assert "no one power" in found.findings[0].message


def test_an_attention_that_keeps_the_square_root(models):
    found = transfer(partial(models.gpt, mistake="attention", count=4), widths=[32, 64, 128], seeds=2, steps=2)
    assert [each.code for each in found.findings] == ["attention-scale"]
    assert found.findings[0].measured == pytest.approx(-0.5)


def test_a_zero_readout_hides_everything_at_the_first_step(models):
    found = run(partial(models.mlp, mistake="zero readout"), steps=1)
    assert found.verdict == "not enough data"
    assert found.transfers is None
    assert found.findings[0].code == "zero-readout"
    assert run(partial(models.mlp, mistake="zero readout")).transfers is True


def test_models_are_left_alone_and_the_random_state_too(models):
    made = []

    def make(width, count):
        model, *rest = models.mlp(width, count=count)
        made.append(model)
        return model, *rest

    before = torch.get_rng_state()
    run(make, seeds=1, steps=2)
    assert torch.equal(torch.get_rng_state(), before)
    fresh = models.MLP(32)
    for model in made:
        assert type(model) is models.MLP
        assert {n: set(vars(m)) for n, m in model.named_modules()} == {
            n: set(vars(m)) for n, m in fresh.named_modules()
        }
        assert not any(m._forward_hooks or m._forward_pre_hooks or m._backward_hooks for m in model.modules())
        assert list(model.state_dict()) == list(fresh.state_dict())


def test_it_trains_as_a_plain_loop_does(models):
    losses = run(models.mlp, seeds=[3], steps=3).losses[64]
    with torch.random.fork_rng():
        from goodinit.pytorch.loop import seeded

        with seeded(3, "transfer"):
            model, x, y, loss, optimizer = models.mlp(64, count=64)
    made, expected = optimizer(model), []
    for _ in range(3):
        made.zero_grad()
        value = loss(model(x), y)
        value.backward()
        made.step()
        expected.append(float(value.detach()))
    assert losses == pytest.approx(expected, rel=1e-6)


def test_a_model_that_was_saved_and_loaded_is_judged_the_same(models, tmp_path):
    def loaded(width, count):
        model, *rest = models.mlp(width, count=count)
        torch.save(model, tmp_path / "model.pt")
        return torch.load(tmp_path / "model.pt", weights_only=False), *rest

    one, other = run(models.mlp, seeds=1, steps=2), run(loaded, seeds=1, steps=2)
    assert one.to_dict()["layers"] == other.to_dict()["layers"]
    assert one.to_dict()["parameters"] == other.to_dict()["parameters"]


def test_the_own_part_and_the_rest_make_the_change(models):
    """By hand: W_t x_t - W_0 x_0 is (W_t - W_0) x_t and W_0 (x_t - x_0)."""
    from goodinit.transferring.given import Given
    from goodinit.transferring.runs import measured_run

    kept = []

    def make(width):
        model, *rest = models.mlp(width, count=32)
        kept.append((model, {name: each.detach().clone() for name, each in model.named_parameters()}))
        return model, *rest

    seen = measured_run(Given("mlp", make, "width"), 64, 0, 2).calls["hidden.0"].values
    (model, start), (x, _) = kept[0], models.digits(32)
    with torch.no_grad():
        first = functional.relu(x @ start["first.weight"].T + start["first.bias"])
        last = functional.relu(model.first(x))
        own = last @ (model.hidden[0].weight - start["hidden.0.weight"]).T + model.hidden[0].bias
        passed = (last - first) @ start["hidden.0.weight"].T
    assert seen["own"][2] == pytest.approx(float(own.square().mean().sqrt()), rel=1e-4)
    assert seen["passed"][2] == pytest.approx(float(passed.square().mean().sqrt()), rel=1e-4)
    assert seen["change"][2] == pytest.approx(float((own + passed).square().mean().sqrt()), rel=1e-4)


def test_spectral_norms_are_those_of_a_singular_value_decomposition():
    from goodinit.transferring.runs import _spectral

    matrix = torch.randn(40, 90, generator=torch.Generator().manual_seed(1)) * torch.linspace(1, 3, 90)
    assert _spectral(matrix) == pytest.approx(float(torch.linalg.svdvals(matrix)[0]), rel=0.02)


def test_attention_scores_of_every_way_to_write_them_are_the_same():
    from goodinit.transferring.coordinates import look

    class Attention(nn.Module):
        def __init__(self, way):
            super().__init__()
            self.way, self.packed = way, nn.MultiheadAttention(32, 4, batch_first=True, bias=False)

        def forward(self, x):
            if self.way == "module":
                return self.packed(x, x, x, need_weights=False)[0]
            q, k, v = (x @ self.packed.in_proj_weight.T).unflatten(-1, (3, 4, 8)).permute(2, 0, 3, 1, 4)
            if self.way == "function":
                return self.packed.out_proj(functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))
            scores = q @ k.transpose(-2, -1) / 8**0.5
            return self.packed.out_proj((scores.softmax(-1) @ v).transpose(1, 2).flatten(2))

    found = []
    x = torch.randn(3, 5, 32, generator=torch.Generator().manual_seed(0))
    for way in ("module", "function", "written out"):
        torch.manual_seed(0)
        seen = look(Attention(way), x, None).seen["attention scores 1"]
        found.append((seen.size, seen.factor, seen.input))
    assert found[0] == pytest.approx(found[1], rel=1e-5)
    assert found[1] == pytest.approx(found[2], rel=1e-5)
    assert found[0][1:] == (pytest.approx(8**-0.5), 8)


def test_slopes_of_a_known_law_have_the_coverage_they_claim():
    random = np.random.default_rng(0)
    sizes = np.array([32, 64, 128, 256])
    inside = 0
    for _ in range(400):
        values = sizes[:, None] ** -0.3 * np.exp(random.normal(0, 0.2, (4, 3)))
        found = goodinit.statistics.fit_slope(sizes, values)
        inside += found.low <= -0.3 <= found.high
    assert 0.92 <= inside / 400 <= 0.98
    bent = goodinit.statistics.fit_slope(sizes, np.exp(0.2 * np.log(sizes / 90) ** 2)[:, None] * [1, 1.001])
    assert bent.bent
    assert bent.low < 0 < bent.high


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"widths": [8, 16]}, "3 sizes or more"),
        ({}, "widths=.* or depths"),
        ({"widths": [8, 16, 32], "depths": [1, 2, 3]}, "one of them"),
        ({"widths": [8, 16, 32], "steps": 0}, "at least 1"),
        ({"widths": [8, 16, 32], "optimizer": "adams"}, "must be one of"),
        ({"widths": [8, 16, 32], "rates": [0.1]}, "three or more"),
        ({"widths": [8, 16, 32], "batch": (1, 2, 3)}, "inputs, targets"),
    ],
)
def test_wrong_arguments_are_told(options, message):
    batch = (torch.zeros(4, 8), torch.zeros(4, dtype=torch.long))
    with pytest.raises(GoodinitError, match=message):
        transfer(lambda width: nn.Linear(8, width), **{"batch": batch, "loss": functional.cross_entropy, **options})


def test_a_width_that_is_not_used_is_told():
    batch = (torch.zeros(4, 8), torch.zeros(4, dtype=torch.long))
    with pytest.raises(GoodinitError, match="must use its argument"):
        transfer(lambda width: nn.Linear(8, 4), widths=[8, 16, 32], batch=batch, loss=functional.cross_entropy, steps=1)


def test_a_model_that_is_spread_over_processes_is_refused():
    def make(width):
        return nn.DataParallel(nn.Linear(8, width))

    with pytest.raises(GoodinitError, match=r"spread over processes \(DataParallel\)"):
        transfer(make, widths=[8, 16, 32], batch=(torch.zeros(4, 8), None), loss=torch.mean)


def test_the_command(models, tmp_path, monkeypatch, capsys):
    from pathlib import Path

    file = Path(models.__file__)
    page, figure = tmp_path / "page.html", tmp_path / "figure.svg"
    command = ["goodinit", "transfer", f"{file}:mlp", "--widths", "32,64,128,256", "--seeds", "2"]
    monkeypatch.setattr("sys.argv", [*command, "--json", "--report", str(page), "--figure", str(figure)])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 0
    told = json.loads(capsys.readouterr().out)
    assert told["verdict"] == "transfers"
    assert told["layers"][0]["coordinates"]["change"]["judged"] == "level"
    assert "The rate transfers" in page.read_text()
    assert figure.read_text().startswith("<?xml")
    (tmp_path / "wrong.py").write_text(
        f"import runpy\nmlp = runpy.run_path({str(file)!r})['mlp']\n"
        "def make(width):\n    return mlp(width, 'hidden rate')\n"
    )
    monkeypatch.setattr("sys.argv", ["goodinit", "transfer", f"{tmp_path / 'wrong.py'}:make", *command[3:]])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 1
    out = capsys.readouterr().out
    assert "does not transfer" in out
    assert "hidden-rate-not-scaled" in out


def test_depth_with_and_without_branch_multipliers(models):
    """CompleteP (arXiv 2505.01618) keeps the stream's change over depth; without its multiplier it grows as depth."""
    streams = {}
    for kind in ("standard", "completep"):
        found = transfer(partial(models.deep, kind=kind, count=4), depths=[4, 8, 16], seeds=2, steps=2)
        assert found.promise == kind
        codes = [each.code for each in found.findings]
        assert ("branch-multiplier-missing" in codes) is (kind == "standard")
        streams[kind] = found["stream after blocks.*.down"].coordinates["change"].slope.value
    assert streams["standard"] > 0.7  # L branches, each moved as far as in a shallow model
    assert streams["completep"] < 0.3


def test_the_best_rate_of_losses_made_up():
    from goodinit.transferring.proof import best_rates

    rates, sizes, seeds = [2.0**-k for k in range(4, 13)], [64, 256, 1024], [0, 1, 2]
    x = np.log2(rates)
    noise = 0.01 * np.random.default_rng(0).normal(size=(3, 1, 3))

    def losses(places):
        return np.exp(0.1 * (x[None, :, None] - np.array(places)[:, None, None]) ** 2 + noise)

    moving = best_rates("width", sizes, rates, seeds, 60, losses([-6.3, -8.3, -10.3]))
    assert [np.log2(each.rate) for each in moving.best] == pytest.approx([-6.3, -8.3, -10.3])
    assert moving.slope.value == pytest.approx(-1)  # two octaves of the rate for two of the width
    assert moving.verdict == "moves"
    assert best_rates("width", sizes, rates, seeds, 60, losses([-6.2, -6.1, -6.2])).verdict == "stays"
    assert best_rates("width", sizes, rates, seeds, 60, losses([-14, -14, -14])).verdict == "not enough data"


def test_the_proof_beside_the_check(models, tmp_path):
    rates = [2.0**-k for k in range(4, 12, 2)]
    make = partial(models.mlp, count=32)
    found = transfer(make, widths=[32, 64, 128], seeds=2, steps=2, rates=rates, proof_steps=6)
    assert found.proof.losses.shape == (3, 4, 2)
    assert np.isfinite(found.proof.losses).all()
    assert "best rate" in found.report(tmp_path / "page.html").read_text()
    assert found.figure(tmp_path / "figure.pdf").read_bytes().startswith(b"%PDF")
    json.dumps(found.to_dict(), allow_nan=False)
    with pytest.raises(GoodinitError, match="svg, pdf, png"):
        found.figure(tmp_path / "figure.bmp")
