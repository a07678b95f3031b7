"""Audits of small models: known defects are found, and complete models are not accused."""

import inspect
import json
import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import goodinit
from goodinit import GoodinitError, audit
from goodinit.cli import main


class Renamed(nn.Linear):
    def reset_parameters(self):
        pass


class Marked(nn.Linear):
    """Marks what it has filled, and leaves that out the next time, as transformers does."""

    def reset_parameters(self):
        if not self.weight.is_meta:
            self.init_weights()

    def init_weights(self):
        if not getattr(self.weight, "filled", False):
            nn.init.normal_(self.weight)
            nn.init.zeros_(self.bias)
            self.weight.filled = True


class Block(nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.up = layer(4, 8)
        self.norm = nn.LayerNorm(4)

    def init_weights(self):
        for module in self.modules():
            if type(module) is nn.Linear:
                nn.init.normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)
            elif isinstance(module, nn.LayerNorm):
                module.reset_parameters()


def test_a_class_that_the_initialization_no_longer_matches():
    found = audit(lambda: Block(Renamed), init="init_weights")
    assert [each.where for each in found.findings] == ["up.weight", "up.bias"]
    assert {each.code for each in found.findings} == {"never-filled"}
    assert found["up.weight"].confirmed is True
    assert found["norm.weight"].verdict == "filled"
    assert audit(lambda: Block(nn.Linear), init="init_weights").complete


def test_memory_that_replaces_what_was_written():
    found = audit(lambda: nn.Linear(4, 3).to_empty(device="meta"))
    assert found["weight"].verdict == "lost"
    assert found["weight"].lost[-1].through == "Linear.reset_parameters"
    assert found.findings[0].code == "lost-write"
    cpu = audit(lambda: nn.Linear(4, 3, device="meta").to_empty(device="cpu"))
    assert cpu["weight"].verdict == "lost"
    assert cpu["weight"].confirmed is True


def test_skip_init_fills_nothing():
    found = audit(lambda: nn.utils.skip_init(nn.Linear, 4, 3))
    assert not found.complete
    assert all(each.confirmed for each in found)


def test_a_key_missing_after_a_load():
    def make():
        model = nn.utils.skip_init(nn.Linear, 4, 3)
        model.load_state_dict({"weight": torch.ones(3, 4)}, strict=False)
        return model

    found = audit(lambda: nn.Sequential(make()))
    assert found["0.weight"].verdict == "checkpoint"
    assert found["0.bias"].verdict in ("never", "lost")


def test_a_tied_weight_that_is_overwritten_names_both_writes():
    def make():
        model = nn.ModuleDict({"embedding": nn.Embedding(5, 4), "head": nn.Linear(4, 5, bias=False)})
        model["head"].weight = model["embedding"].weight
        nn.init.normal_(model["embedding"].weight, std=0.02)
        nn.init.zeros_(model["head"].weight)
        return model

    found = audit(make)
    row = found["head.weight"]
    assert row.name == "embedding.weight"
    assert row.tied == ("head.weight",)
    assert [each.operation for each in row.writes[-2:]] == ["normal_", "zero_"] or row.writes[-1].arguments == ("0",)
    assert row.writes[-2].line == inspect.getsourcelines(make)[1] + 3
    assert str(row.law) == "constant 0"


@pytest.mark.parametrize(
    ("fill", "mean", "std"),
    [
        (lambda w: nn.init.normal_(w, 1.0, 0.3).mul_(0.5), 0.5, 0.15),
        (lambda w: nn.init.uniform_(w, -1.0, 3.0).sub_(1.0), 0.0, 4 / 12**0.5),
        (lambda w: nn.init.trunc_normal_(w, std=0.5, a=-0.5, b=0.5), None, None),
        (lambda w: w.uniform_(-0.6, 0.6).erfinv_().mul_(0.1).add_(2.0), None, None),
        (lambda w: torch._foreach_mul_([w.normal_()], 0.25), 0.0, 0.25),
        (lambda w: w.copy_(torch.randn_like(w) * 3), 0.0, 3.0),
    ],
)
def test_the_law_is_that_of_the_values(fill, mean, std):
    def make(device=None):
        layer = nn.Linear(400, 250, bias=False, device=device)
        with torch.no_grad():
            fill(layer.weight)
        return layer

    got = audit(make)["weight"].law.moments
    if mean is not None:
        assert got == pytest.approx((mean, std))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        values = make("cpu").weight.detach().double()
    assert float(values.mean()) == pytest.approx(got[0], abs=6 * got[1] / 100_000**0.5)
    assert float(values.std()) == pytest.approx(got[1], rel=0.02)


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.utils.parametrizations.weight_norm(nn.Linear(3, 3)),
        lambda: nn.utils.parametrizations.orthogonal(nn.Linear(3, 3)),
        lambda: nn.Embedding(5, 4, padding_idx=0),
        lambda: nn.BatchNorm2d(3),
        lambda: nn.LSTM(3, 2, bidirectional=True),
        lambda: nn.TransformerEncoderLayer(8, 2),
        lambda: nn.GRU(3, 4).to(torch.float64),
        lambda: nn.utils.spectral_norm(nn.Conv1d(3, 4, 2)),
    ],
)
def test_a_complete_module_is_complete(make):
    found = audit(make)
    assert found.complete
    assert found.findings == ()


class Parts(nn.Module):
    def __init__(self, rows):
        super().__init__()
        self.qkv = nn.Parameter(torch.empty(6, 4))
        with torch.no_grad():
            for start in range(0, rows, 2):
                self.qkv[start : start + 2].normal_(std=0.1)


def test_parts_are_counted():
    assert audit(lambda: Parts(6))["qkv"].verdict == "filled"
    found = audit(lambda: Parts(4))
    assert found["qkv"].verdict == "partial"
    assert found["qkv"].confirmed is True


def test_arithmetic_fills_nothing_and_data_made_elsewhere_is_filled():
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.scaled = nn.Parameter(torch.empty(3) * 2)
            self.array = nn.Parameter(torch.from_numpy(np.ones(3, dtype=np.float32)))
            self.register_buffer("table", torch.tensor([1.0, 2.0]))
            self.register_buffer("left", torch.empty(2))

    found = audit(Odd)
    assert {each.name: each.verdict for each in found} == {
        "scaled": "never",
        "array": "filled",
        "table": "filled",
        "left": "never",
    }
    assert found["left"].kind == "buffer"


def test_random_states_and_flags_are_as_before():
    def make():
        torch.manual_seed(1)
        random.seed(1)
        np.random.seed(1)  # noqa: NPY002 (a factory that seeds)
        return nn.utils.skip_init(nn.Linear, 2, 2)

    state = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy()  # noqa: NPY002 (it is compared)
    audit(make)
    assert torch.equal(torch.get_rng_state(), state[0])
    assert random.getstate() == state[1]
    assert (np.random.get_state()[1] == state[2]).all()  # noqa: NPY002 (compared)
    assert not torch.are_deterministic_algorithms_enabled()


def test_marks_of_what_is_filled_do_not_outlive_the_build_on_meta():
    found = audit(lambda: Marked(4, 3), init="init_weights")
    assert found["weight"].verdict == "filled"
    assert found.findings == ()


class Lifted(nn.Module):
    """A buffer of a number, which PyTorch makes on the CPU, and a mask that holds infinity on purpose."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 2)
        self.register_buffer("beta", torch.tensor(0.5))
        self.register_buffer("mask", torch.full((3,), -torch.inf))

    def init_weights(self):
        self.layer.reset_parameters()
        self.mask.fill_(-torch.inf)


def test_a_buffer_made_of_a_number_is_lost_too_and_a_mask_may_be_infinite():
    assert audit(Lifted).findings == ()
    found = audit(Lifted, init="init_weights")
    assert [(each.code, each.where, each.severity) for each in found.findings] == [("lost-write", "beta", "severe")]
    assert found["beta"].confirmed
    assert audit(Lifted()).findings == ()


@pytest.mark.filterwarnings("ignore")
def test_a_container_whose_parameters_cannot_be_seen_says_so():
    packed = torch.ao.quantization.quantize_dynamic(nn.Sequential(nn.Linear(8, 8)), {nn.Linear})
    assert "no parameter can be seen" in str(audit(packed))
    assert audit(torch.jit.script(nn.Linear(3, 2))).findings == ()


def test_what_cannot_be_audited_is_said():
    with pytest.raises(GoodinitError, match=r"returned an object of type int; return a torch.nn.Module"):
        audit(lambda: 3)
    with pytest.raises(GoodinitError, match="failed: ZeroDivisionError"):
        audit(lambda: 1 / 0)
    with pytest.raises(GoodinitError, match="lazy weight; run it once"):
        audit(lambda: nn.LazyLinear(3))
    with pytest.raises(GoodinitError, match="has no method begin"):
        audit(lambda: nn.Linear(2, 2), init="begin")


def test_a_factory_that_needs_values_is_built_on_the_cpu():
    def make():
        layer = nn.Linear(2, 2)
        layer.weight.sum().item()
        return layer

    found = audit(make)
    assert found.device == "cpu"
    assert "Built on the CPU" in found.note


def test_the_device_can_be_chosen():
    assert [audit(lambda: nn.Linear(2, 2), device=each).device for each in ("meta", "cpu")] == ["meta", "cpu"]
    assert audit(lambda: nn.Linear(2, 2), device="meta")["weight"].measured is None
    assert audit(lambda: nn.Linear(2, 2))["weight"].measured is not None
    with pytest.raises(GoodinitError, match="builds on meta or cpu"):
        audit(lambda: nn.Linear(2, 2), device="cuda")
    with pytest.raises(GoodinitError, match="failed: RuntimeError"):
        audit(lambda: nn.Linear(2, int(torch.ones(1).item())), device="meta")


def test_values_that_a_loader_of_files_brings_are_said_to_come_from_elsewhere():
    """transformers loads in threads, whose writes no mode sees."""

    def make():
        layer = nn.Linear(3, 2)
        with ThreadPoolExecutor() as pool:
            layer.weight = pool.submit(lambda: nn.Parameter(torch.ones(2, 3))).result()
        return layer

    found = audit(make)
    assert found["weight"].verdict == "filled"
    assert found["weight"].shown_law == "made elsewhere, as by a loader of files; mean 1, std 0"


def test_repeated_blocks_are_one_row():
    found = audit(lambda: nn.Sequential(*(nn.Linear(4, 4) for _ in range(12))))
    assert "0-11.weight" in str(found)
    assert "11.bias" not in str(found).replace("0-11.bias", "")


def test_two_audits_side_by_side():
    one, other = audit(lambda: nn.Linear(4, 4)), audit(lambda: Renamed(4, 4))
    assert not one.beside(one)
    assert [name for name, _, _ in one.beside(other).changes] == ["weight", "bias"]


MODEL = """
from torch import nn, empty
class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 2)
        self.extra = nn.Parameter({extra})
def make():
    return Model()
"""


def command(monkeypatch, *arguments):
    monkeypatch.setattr("sys.argv", ["goodinit", "audit", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code


def test_the_command(monkeypatch, capsys, tmp_path):
    good, bad = tmp_path / "good.py", tmp_path / "bad.py"
    good.write_text(MODEL.format(extra="empty(2).fill_(1)"))
    bad.write_text(MODEL.format(extra="empty(2)"))
    lock = tmp_path / "lock.json"
    assert command(monkeypatch, f"{good}:make", "--json") == 0
    assert json.loads(capsys.readouterr().out)["complete"] is True
    assert command(monkeypatch, f"{bad}:make") == 1
    assert "extra" in capsys.readouterr().out
    assert command(monkeypatch, f"{good}:make", "--baseline", lock) == 0
    capsys.readouterr()
    assert command(monkeypatch, f"{good}:make", "--baseline", lock) == 0
    assert capsys.readouterr().out == "Nothing changed.\n"
    assert command(monkeypatch, f"{bad}:make", "--baseline", lock) == 1
    assert capsys.readouterr().out.startswith("extra: filled, constant 1")
    assert command(monkeypatch, f"{bad}:make", "--report", tmp_path / "bad.html") == 1
    assert "severe: extra: nobody writes it" in capsys.readouterr().out
    assert command(monkeypatch, f"{good}:make", "--report", tmp_path / "bad.html") == 2
    assert "exists; choose another name" in capsys.readouterr().err
    assert command(monkeypatch, f"{good}:make", "--report", tmp_path / "bad.html", "--overwrite") == 0
    capsys.readouterr()
    lock.write_text("{}")
    assert command(monkeypatch, f"{good}:make", "--baseline", lock) == 2
    assert "not an audit" in capsys.readouterr().err


def test_the_public_names():
    assert isinstance(goodinit.audit(lambda: nn.Linear(2, 2)), goodinit.Audit)


def test_a_model_that_only_the_cpu_builds_is_refused_before_it_fills_the_memory(monkeypatch):
    monkeypatch.setattr("goodinit.auditing.run._MOST", 10_000)

    def make(features):
        layer = nn.Linear(features, 20)
        layer.weight.sum().item()  # which the meta device refuses
        return layer

    assert goodinit.audit(lambda: make(20)).device == "cpu"
    with pytest.raises(GoodinitError, match=r"meta device does not build this model.*smaller configuration"):
        goodinit.audit(lambda: make(20_000))


def test_names_are_shown_as_they_are():
    from rich.console import Console

    console = Console(width=100)
    with console.capture() as shown:
        console.print(replace(goodinit.audit(lambda: nn.Linear(2, 2)), model="my_models:ok: [bold]"))
    assert "my_models:ok: [bold]" in shown.get()
