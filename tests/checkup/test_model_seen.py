"""How a checkup is seen: table, notebook, page, JSON, command, and the line in a training loop."""

import json
import re
import subprocess
import sys
import warnings
from statistics import median

import pytest
import torch
from checkup_models import Encoder, batch, fill, he, mlp
from torch import nn
from torch.nn import functional
from typer.testing import CliRunner

import goodinit
from goodinit import cli, report
from goodinit.checkup.model_watch import StartWarning

X, Y = batch()
FACTORIES = """
import torch
from torch import nn

def good():
    print("chatter")
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 3))
    return model, torch.randn(64, 20), torch.randint(0, 3, (64,)), nn.functional.cross_entropy

def bad():
    model, *rest = good()
    for parameter in model.parameters():
        nn.init.zeros_(parameter)
    return (model, *rest)

def both():
    return {"good": good(), "bad": bad()}

def named():
    model, inputs, *_ = good()
    return {"model": model, "inputs": inputs}

def alone():
    return nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 1))

def numbers():
    return nn.Sequential(nn.Linear(1, 8), nn.ReLU(), nn.Linear(8, 1))

def fails():
    raise KeyError("nope")

def three():
    return 3
"""


@pytest.fixture(scope="module")
def sick():
    return goodinit.check(fill(mlp(4), lambda w: nn.init.normal_(w, std=10)), X, Y, loss=functional.cross_entropy)


@pytest.mark.parametrize("width", [80, 110])
def test_the_table_fits_and_keeps_its_numbers(width):
    torch.manual_seed(0)
    checkup = goodinit.check(Encoder(copies=True), torch.randn(8, 6, 16), Y[:8], loss=functional.cross_entropy)
    lines = checkup.text(max_rows=200, width=width).splitlines()
    assert max(map(len, lines)) <= width
    first = next(place for place, line in enumerate(lines) if line.startswith("into "))
    rows = lines[first : first + len(checkup.layers)]
    for layer, row in zip(checkup.layers, rows, strict=True):
        assert f"{layer.weight_std:.3g} / " in row
        assert f"{layer.signal.rms:.3g}" in row
        if width == 110:
            assert "\u2026" not in row


def test_repeated_blocks_are_one_row_with_median_and_range_and_a_page_has_forty_lines():
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = Encoder(copies=False, layers=14, norm_first=True)
    for number, block in enumerate(model.blocks):  # 14 blocks, each of a size of its own
        nn.init.normal_(block.linear1.weight, std=0.01 * (1 + number))
    checkup = goodinit.check(model, torch.randn(8, 6, 16), Y[:8], loss=functional.cross_entropy)
    lines = str(checkup).splitlines()
    assert len(lines) <= report.MAX_ROWS
    (row,) = [line for line in lines if line.startswith("blocks.0-13.linear1")]
    stds = sorted(layer.weight_std for layer in checkup.layers if layer.name.endswith("linear1"))
    assert f"{median(stds):.2g} ({stds[0]:.2g}..{stds[-1]:.2g}) / 0." in row
    assert lines[0] == lines[-1]
    assert lines[0].startswith("Encoder: ")
    assert len(checkup.text(max_rows=400).splitlines()) > len(checkup.layers) > report.MAX_ROWS
    with pytest.raises(goodinit.GoodinitError, match="max_rows"):
        checkup.text(max_rows=0)


def test_findings_come_first_and_those_without_room_are_named(sick):
    lines = str(sick).splitlines()
    first_layer = next(place for place, line in enumerate(lines) if line.startswith("layer "))
    assert next(place for place, line in enumerate(lines) if line.startswith("severe ")) < first_layer
    few = sick.text(max_rows=16).splitlines()
    assert len(few) < len(lines)
    left = " ".join(few).partition("more, with a higher max_rows")[2]
    assert sick.findings[-1].code in left
    assert f" {sick.findings[-1].code}:" not in left


def test_print_says_what_was_found_and_what_to_do(sick):
    text = str(sick)
    assert text.startswith("Sequential: not a healthy start: exploding-signal")
    assert "model[6].weight.mul_(" in text
    assert "2.3 for guessing one of 10 classes" in text


def test_json_holds_everything_and_no_number_that_json_lacks(sick):
    facts = json.loads(sick.to_json())
    assert facts["healthy"] is False
    assert set(facts["findings"][0]) == {
        "code", "severity", "message", "where", "values", "measured", "expected", "remedy", "effect", "change",
    }  # fmt: skip
    assert len(facts["layers"]) == 4
    assert facts["layers"][0]["correlation"] == pytest.approx(1 - facts["layers"][0]["spread"])


def test_the_page_needs_nothing_else_and_escapes_names(tmp_path, sick):
    class Named(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.ModuleDict({"<script>alert(1)</script>": nn.Linear(64, 10)})

        def forward(self, x):
            return next(iter(self.layers.values()))(x)

    hostile = goodinit.check(Named(), X, Y, loss=functional.cross_entropy)
    for checkup in (sick, hostile):
        path = checkup.report(tmp_path / "page.html", overwrite=True)
        page = path.read_text()
        assert "<script" not in page
        assert "<script" not in checkup._repr_html_()
        assert not re.findall(r'(?:src|href)="(?!#)[^"]*"', page)
        assert "default-src &#39;none&#39;" in page or "default-src 'none'" in page
    page = sick.report(tmp_path / "more" / "sick.html").read_text()
    for finding in sick.findings:
        assert finding.code in page
    assert "built-in method" not in page
    with pytest.raises(goodinit.GoodinitError, match="exists"):
        sick.report(tmp_path / "more" / "sick.html")
    with pytest.raises(goodinit.GoodinitError, match="folder"):
        sick.report(tmp_path)


def test_a_model_without_layers_is_shown_too(tmp_path):
    checkup = goodinit.check(nn.ReLU(), X)
    assert checkup.layers == ()
    assert "healthy" in str(checkup)
    checkup.report(tmp_path / "empty.html")


def test_a_weight_used_very_often_and_one_that_is_empty():
    model = nn.Sequential(*[nn.Linear(8, 8)] * 200)
    checkup = goodinit.check(model, torch.randn(4, 8))
    assert len(checkup.layers) == 200
    assert "0 #2-200" in str(checkup)
    assert "0 #200" in checkup.text(max_rows=400)
    experts = nn.Linear(8, 4)
    assert goodinit.check(experts, torch.randn(0, 8)).layers[0].call.output_shape == (0, 4)


@pytest.fixture
def command(tmp_path, monkeypatch):
    (tmp_path / "my_factories.py").write_text(FACTORIES)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return lambda *args: CliRunner().invoke(cli.app, ["check", *args])


def test_the_command_exits_with_1_where_a_finding_is_severe(command, tmp_path):
    good = command("my_factories:good")
    assert good.exit_code == 0
    assert good.stdout.startswith("Sequential: a healthy start")
    assert "chatter" in good.stderr
    bad = command("my_factories:bad", "--json", "--report", "bad.html")
    assert bad.exit_code == 1
    assert "all-zero" in {finding["code"] for finding in json.loads(bad.stdout)["findings"]}
    assert (tmp_path / "bad.html").exists()
    both = command("my_factories.py:both", "--json")
    assert both.exit_code == 1
    assert {name: facts["healthy"] for name, facts in json.loads(both.stdout).items()} == {"good": True, "bad": False}
    assert command("my_factories:named").exit_code == 0
    assert command("my_factories:alone", "--data", "circles").exit_code == 0


def test_the_same_seed_gives_the_same_checkup(command):
    first, again, other = (
        command("my_factories:alone", "--data", "circles", "--seed", seed, "--json").stdout for seed in "001"
    )
    assert first == again
    assert first != other


def test_the_targets_of_a_data_file_are_not_cut_to_integers(command, tmp_path):
    """The variance of the targets is that of their fractions: cut to integers they would all be 0."""
    rows = [(x / 64, 0.9 * abs(x / 64 - 0.5)) for x in range(64)]
    (tmp_path / "numbers.csv").write_text("x,y\n" + "".join(f"{x},{y}\n" for x, y in rows))
    checked = command(
        "my_factories:numbers", "--data", "numbers.csv", "--target", "y", "--loss", "squared_error", "--json"
    )
    loss = json.loads(checked.stdout)["loss"]
    assert loss["term"] == "mse_loss"
    assert loss["total"] > 0.01


@pytest.mark.parametrize(
    ("argument", "says"),
    [
        ("my_factories:fails", "fails() failed: KeyError: 'nope'"),
        ("my_factories:three", "returned a int"),
        ("my_factories:alone", "returned no inputs"),
        ("my_factories:nothing", "has no function nothing"),
        ("no_such_module:make", "cannot be imported"),
        ("my_factories", "write MODULE:FUNCTION"),
    ],
)
def test_wrong_input_is_one_sentence(command, argument, says):
    result = command(argument)
    assert isinstance(result.exception, goodinit.GoodinitError)  # for which the command exits with 2
    assert says in str(result.exception)


def test_one_line_in_a_training_loop():
    def train(model, rate, watch=None, steps=6):
        optimizer = torch.optim.SGD(model.parameters(), lr=rate)
        for _ in range(steps):
            loss = functional.cross_entropy(model(X), Y)
            optimizer.zero_grad()
            loss.backward()
            if watch is not None:
                watch(loss)
            optimizer.step()
        return [p.detach().clone() for p in model.parameters()]

    model = fill(mlp(3), he)
    watch = goodinit.watch(model, steps=4)
    torch.manual_seed(0)
    watched, plain = train(model, 0.05, watch), train(fill(mlp(3), he), 0.05)
    assert all(torch.equal(a, b) for a, b in zip(watched, plain, strict=True))
    assert len(watch.steps) == 4
    assert watch.healthy
    assert "update/weight" in str(watch)

    wild = fill(mlp(3), he)
    watch = goodinit.watch(wild)
    with pytest.warns(StartWarning, match=r"loss-rising|not-finite"):
        train(wild, 1e3, watch)
    assert not watch.healthy
    with pytest.raises(goodinit.GoodinitError, match="steps=0"):
        goodinit.watch(model, steps=0)


def test_without_pytorch_the_error_names_the_extra():
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "import goodinit\n"
        "from goodinit import Checkup, check, watch\n"
        "try:\n    check(object(), None)\nexcept goodinit.GoodinitError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "goodinit[torch]" in done.stdout


def test_importing_goodinit_does_not_import_pytorch():
    code = "import sys, goodinit; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


class Couplings(nn.Module):
    """A flow whose couplings begin as the identity; it gives its loss, or what it makes of its inputs."""

    def __init__(self, gives: str) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.gives = gives
        self.nets = nn.ModuleList(nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 16)) for _ in range(4))
        for net in self.nets:
            nn.init.zeros_(net[2].weight)
            nn.init.zeros_(net[2].bias)

    def forward(self, x):
        stretched = 0
        for net in self.nets:
            one, other = x.chunk(2, 1)
            size, shift = net(one).chunk(2, 1)
            x = torch.cat([other * torch.exp(torch.tanh(size)) + shift, one], 1)
            stretched = stretched + torch.tanh(size).sum(1)
        loss = (x.square().sum(1) / 2 - stretched).mean()
        return {"loss": loss, "outputs": x, "both": (x, loss)}[self.gives]


@pytest.mark.parametrize("gives", ["loss", "outputs", "both"])
def test_zero_ends_that_the_signal_goes_past_are_no_fault(gives):
    inputs = torch.randn(64, 16, generator=torch.Generator().manual_seed(1))
    checkup = goodinit.check(Couplings(gives), inputs)
    assert checkup.healthy
    assert (checkup.start.loss is None) == (gives == "outputs")
    assert (checkup.start.parameters[0].has_gradient is None) == (gives == "outputs")


def test_zero_weights_that_stop_the_signal_are_a_fault_without_a_loss_too():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 32))
    nn.init.zeros_(model[2].weight)
    checkup = goodinit.check(model, torch.randn(64, 16))
    assert "all-zero" in [each.code for each in checkup.findings if each.severity == "severe"]
