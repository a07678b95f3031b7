"""`goodinit bench`: its arithmetic on hand-made timings, who takes part, and the command on tiny sizes."""

import itertools
import json
import subprocess
import sys
import time
from importlib.util import find_spec

import numpy as np
import pytest

from children import run
from goodinit import bench, cli
from goodinit.bench import (
    Bench,
    BenchFolder,
    Contest,
    Entry,
    GridCell,
    Growth,
    Sizes,
    Timing,
    clock,
    conduct,
    models,
    trainers,
    weights,
)
from goodinit.training import lanes

TINY = Sizes(
    seconds=0.001,
    repeats=2,
    ensembles=(2,),
    product=16,
    digits_width=8,
    elements=4096,
    networks=(1, 3),
    widths=(4,),
    depths=(1, 2),
    samples=(30,),
    drawn=(64, 128),
    growth_seconds=0.001,
    growth_repeats=1,
    growth_networks=2,
    grid_widths=(3, 20),
    grid_depths=(1,),
    grid_networks=(1, 2),
    model_trials=1,
    model_steps=2,
    compiles=False,
)


def contest(**options):
    entries = (
        Entry("NumPy loop", "loop", Timing((2.0, 4.0, 3.0)), work=3.0, operations=1e9),
        Entry("PyTorch eager (64)", "peer", Timing((1.0,)), work=4.0, operations=1e9),
        Entry("PyTorch eager (256)", "peer", Timing((1.0,)), work=5.0, operations=1e9),
        Entry("goodinit lanes (64)", "goodinit", Timing((0.5, 0.25, 0.5)), work=20.0, operations=1e9),
    )
    options = {"matrix_product": Timing((2.0,)), "matrix_operations": 160e9, **options}
    options = {"peak": Timing((0.5,)), "peak_operations": 80e9, **options}
    return Contest("classic", "networks/s", entries, **options)


def hand_made(**options):
    growth = Growth(
        "width", "network steps/s", (4, 8), {"goodinit auto": (2e6, 1e6), "JAX vmap": (1e5, None)}, (1e3, 4e3)
    )
    return Bench({"processor": "abacus"}, {}, (contest(**options),), (growth,))


def test_ratios_are_of_medians_and_best_sizes():
    found = contest()
    assert found.entries[0].timing.median == 3.0
    assert found.entries[0].timing.spread == pytest.approx(2 / 3)
    assert [entry.rate for entry in found.entries] == [1.0, 4.0, 5.0, 40.0]
    assert found.ratio("peer") == 8.0
    assert found.ratio("loop") == 40.0
    assert found.matrix_gflops == 80.0
    assert found.share(found.entries[-1]) == 0.5
    assert found.peak_gflops == 160.0
    assert found.share_of_peak(found.entries[-1]) == 0.25
    assert found.bound == 160.0


def test_without_a_peer_there_is_no_ratio():
    entries = tuple(entry for entry in contest().entries if entry.kind != "peer")
    assert Contest("alone", "networks/s", entries).ratio("peer") is None
    assert "none installed" in bench.markdown(Bench({}, {}, (Contest("alone", "networks/s", entries),), ()))


def test_the_tables_say_it():
    text = bench.markdown(hand_made(absent={"JAX vmap": "jax is not installed"}))
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]
    assert ["classic", "8 x", "PyTorch eager (256)", "40 x", "40 networks/s", "50%", "25%"] in rows
    assert ["NumPy loop", "1", "67%", "1", "1%", "1%", ""] in rows
    assert "can exceed 160 networks/s, which is 32 times the best peer." in text
    assert ["8", "1,000,000 (4 GFLOP/s)", ""] in rows
    assert "- JAX vmap did not take part: jax is not installed." in text


def test_the_grid_holds_goodinit_against_its_best_peer():
    rates = {"PyTorch eager": 50.0, "JAX vmap": 200.0, "goodinit auto": 300.0}
    cells = (GridCell(64, 2, 8, rates, 2e9), GridCell(128, 2, 8, {"goodinit auto": 10.0}, 2e9))
    assert (cells[0].ratio, cells[0].best_peer, cells[1].ratio) == (1.5, "JAX vmap", None)
    text = bench.markdown(Bench({}, {}, (contest(),), (), cells))
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]
    assert ["64", "2", "8", "1.5 x", "50", "200", "300", "600"] in rows
    assert ["128", "2", "8", "", "", "", "10", "20"] in rows


def test_the_json_says_it():
    found = json.loads(bench.to_json(hand_made()))
    assert found["contests"][0]["times_best_peer"] == 8.0
    assert found["contests"][0]["entries"][3]["share_of_matrix_product"] == 0.5
    assert found["contests"][0]["entries"][3]["share_of_peak"] == 0.25
    assert found["contests"][0]["bound"] == 160.0
    assert found["growth"][0]["rates"]["JAX vmap"] == [1e5, None]


def test_turns_alternate():
    turns = []
    timings = clock.interleaved({"A": lambda: turns.append("A"), "B": lambda: turns.append("B")}, 3)
    assert turns == ["A", "B"] * 3
    assert [len(timing.seconds) for timing in timings.values()] == [3, 3]


def test_calibration_stays_within_bounds(monkeypatch):
    now = itertools.count(0.0)
    done = []

    class Time:
        perf_counter = staticmethod(lambda: next(now))  # every call takes a second

    monkeypatch.setattr(clock, "time", Time)
    assert clock.calibrated(done.append, 1e9, 500) == 500
    assert clock.calibrated(done.append, 1e-9, 500) == 2
    assert max(done) <= 500


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", trainers.TRAINERS)
def test_every_contestant_computes_the_same(name, dtype):
    trainer = trainers.TRAINERS[name]
    if (why := trainers.missing(trainer)) is not None:
        pytest.skip(why)
    if name == "goodinit auto" and dtype == "float32" and not lanes.available():
        pytest.skip("the reference computes in float64 only")
    for task in (trainers.classic(), trainers.digits(16)):
        assert trainers.disagreement(trainer, task, dtype) is None


def test_one_that_computes_something_else_is_not_timed(monkeypatch):
    loop = trainers.TRAINERS["NumPy loop"]

    def faster(task, networks, dtype):
        return lambda steps: loop.ready(task, networks, dtype)(steps // 2)

    cheat = trainers.Trainer("cheat", "peer", None, faster)
    monkeypatch.setattr(conduct, "TRAINERS", {"NumPy loop": loop, "cheat": cheat})
    able, absent = conduct._able(TINY)
    assert set(able) == {"NumPy loop"}
    assert "computes something else" in absent["cheat"]


@pytest.mark.parametrize("name", models.MODELS)
def test_models_are_trained_alike_by_all(name):
    pytest.importorskip("torch")
    found = models.model_contest(name, 2, 3, 1, time.process_time, compiles=False)
    assert not found.absent
    assert [entry.kind for entry in found.entries] == ["goodinit", "goodinit", "loop", "peer"]
    assert found.unit == "trials/s"


def test_a_model_trained_otherwise_is_not_timed(monkeypatch):
    pytest.importorskip("torch")

    def losses(factor):
        return lambda: np.array([[2.3, 2.2]]) * factor

    able = {"plain loop": ("loop", losses(1)), "cheat": ("peer", losses(1.01)), "fails": ("peer", losses(np.nan))}
    monkeypatch.setattr(models, "contestants", lambda task, *, compiles: dict(able))
    found = models.model_contest("small transformer", 1, 2, 1, time.process_time, compiles=False)
    assert [entry.name for entry in found.entries] == ["plain loop"]
    assert set(found.absent) == {"cheat", "fails"}


def test_the_clock_is_the_processors_where_that_is_asked_for():
    assert TINY.timer is time.perf_counter
    assert Sizes(processor_time=True).timer is clock.processor_seconds


def test_the_operations_of_the_classic_network():
    # weights 20 + 50 + 5, three products each but two for the first layer, two operations, 300 examples
    assert trainers.classic().operations == 2 * 300 * (3 * 75 - 20)


def test_weights_have_the_moments_they_should():
    for distribution, (_, mean, deviation) in weights.DISTRIBUTIONS.items():
        for name, (_, draw) in weights.drawers(distribution, 1 << 16).items():
            found = np.asarray(draw(), np.float64)
            assert found.mean() == pytest.approx(mean, abs=0.03), name
            assert found.std() == pytest.approx(deviation, rel=0.02), name


@pytest.fixture
def tiny(monkeypatch):
    monkeypatch.setattr(bench, "QUICK", TINY)
    monkeypatch.setattr(conduct, "disagreement", lambda *_: None)  # tested above


def command(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["goodinit", "bench", *arguments])
    with pytest.raises(SystemExit) as end:
        cli.main()
    return end.value.code


def test_the_command_prints_and_writes(tiny, monkeypatch, tmp_path, capsys):
    for module in (trainers, weights):  # JAX compiles every size: half a minute
        monkeypatch.setattr(module, "find_spec", lambda name: None if name == "jax" else find_spec(name))
    assert command(monkeypatch, "--quick", "--out", str(tmp_path / "speed")) in (0, None)
    printed = capsys.readouterr().out
    assert printed.index("How many times as fast") < printed.index("Each contest") < printed.index("Growth")
    assert sorted(p.name for p in (tmp_path / "speed").iterdir()) == ["bench.json", "bench.md", "bench.png", "grid.png"]
    assert (tmp_path / "speed" / "bench.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "speed" / "bench.md").read_text() in printed
    assert command(monkeypatch, "--quick", "--out", str(tmp_path / "speed")) == 2
    assert "--overwrite" in capsys.readouterr().err


def test_json_is_all_there_is_and_missing_peers_are_told(tiny, monkeypatch, capsys):
    for module in (trainers, weights, models):
        monkeypatch.setattr(module, "find_spec", lambda name: None)
    assert command(monkeypatch, "--quick", "--json") in (0, None)
    found = json.loads(capsys.readouterr().out)
    assert found["absent"]["JAX vmap"] == "jax is not installed"
    assert found["absent"]["PyTorch eager"] == "torch is not installed"
    assert [growth["axis"] for growth in found["growth"]] == ["networks", "width", "depth", "samples", "weights"]
    assert all(entry["kind"] != "peer" or "NumPy" in entry["name"] for c in found["contests"] for entry in c["entries"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--quick", "--full"], "exclude each other"),
        (["--fast"], "No such option"),
        (["--out", "file"], "is not a folder"),
    ],
)
def test_wrong_options_are_one_sentence_and_exit_code_2(tmp_path, arguments, message):
    (tmp_path / "file").write_text("")
    done = run("bench", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_the_folder_is_refused_before_the_work(tmp_path):
    (tmp_path / "bench.json").write_text("{}")
    with pytest.raises(ValueError, match="holds another run"):
        BenchFolder(tmp_path)
    BenchFolder(tmp_path, overwrite=True)


def test_the_processors_seconds_of_other_processes_count():
    timer = Sizes(processor_time=True).timer
    before = timer()
    subprocess.run([sys.executable, "-c", "import time\nwhile time.process_time() < 0.3: pass"], check=True)
    assert timer() - before > 0.3
