"""The command as a person types it: output, errors, exit codes, Ctrl-C and a kill in the middle."""

import json
import os
import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest

import goodinit
from children import GOODINIT, run, training
from goodinit import __main__ as command_line
from goodinit import initializers, report
from goodinit.cli import app
from goodinit.cli_ends import guarded

FAST = ["--steps", "40", "--perturbations", "0"]


def test_json_is_all_there_is_on_standard_output(tmp_path):
    line = [*GOODINIT, "compare", "--json", "--init", "he_normal", "--init", "normal(std=10)", *FAST]
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0
    result = json.loads(done.stdout)
    assert [t["initialization"] for t in result["trials"]] == ["he_normal", "normal(std=10)"]
    assert done.stderr == ""
    assert list(tmp_path.iterdir()) == []


def test_tables_and_reasons_are_printed_and_the_default_folder_is_numbered(tmp_path):
    done = run("compare", *FAST, cwd=tmp_path)
    assert done.returncode == 0
    for part in ("zeros", "normal(std=10)", "he_normal", "0.693147", "1773.6", "identical", "goodinit-compare"):
        assert part in done.stdout
    quiet = run("compare", "--quiet", *FAST, "--seed", "3", cwd=tmp_path)
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, "", "")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["goodinit-compare", "goodinit-compare-2"]


def test_a_persons_csv(tmp_path):
    rows = "".join(f"{i},{i * i % 7},{('red', 'green', 'blue')[i % 3]}\n" for i in range(60))
    (tmp_path / "my.csv").write_text("a,b,colour\n" + rows)
    done = run("compare", "--data", "my.csv", "--target", "colour", "--json", *FAST, cwd=tmp_path)
    task = json.loads(done.stdout)["task"]
    assert (task["widths"], task["loss"]) == ([2, 10, 5, 3], "cross_entropy")
    assert task["data"]["classes"] == ["blue", "green", "red"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--init", "he_norml"], "did you mean he_normal"),
        (["--init", "normal(std=-1)"], "std must be a finite number of at least 0"),
        (["--init", "__import__('os').mkdir('x')"], "is not of the form name"),
        (["--widths", "10,0"], "every width must be an integer of at least 1"),
        (["--widths", "ten"], "integers with commas"),
        (["--learning-rate", "nan"], "finite number above 0"),
        (["--learning-rate", "fast"], "'fast' is not a number"),
        (["--steps", "0"], "steps 0"),
        (["--steps", "1e4"], "'1e4' is not an integer"),
        (["--data", "none.csv"], "no such file"),
        (["--data", "bad.csv", "--target", "y"], "the file is empty"),
        (["--out", "bad.csv"], "is not a folder"),
        (["--out", "/proc/none"], "cannot be written"),
    ],
)
def test_wrong_input_is_one_sentence_and_exit_code_2(tmp_path, arguments, message):
    (tmp_path / "bad.csv").write_text("")
    done = run("compare", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert [p.name for p in tmp_path.iterdir()] == ["bad.csv"]


def test_terminal_escapes_in_a_name_are_not_passed_on(tmp_path):
    done = run("compare", "--init", "\x1b[31mred", cwd=tmp_path)
    assert done.returncode == 2
    assert "\x1b" not in done.stderr


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_stopped_in_the_middle_it_leaves_nothing(tmp_path, how):
    with training("compare", steps=10_000_000, cwd=tmp_path) as command:
        command.begin()
        _, errors = command.end(how)
    assert command.process.returncode == {signal.SIGINT: 130, signal.SIGTERM: 143}.get(how, -how)
    assert ("stopped; nothing was written" in errors) == (how != signal.SIGKILL)
    assert "Traceback" not in errors
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_that_is_ignored_stays_so(tmp_path):
    """A script's background ignores Ctrl-C, which is for what runs in front."""
    options = ["--data", "moons", "--seeds", "0-1", "--init", "he_normal", "--json", "--quiet", "--perturbations", "0"]
    with training("compare", *options, steps=15_000, ignore=signal.SIGINT, cwd=tmp_path) as command:
        command.begin()
        output, errors = command.end(signal.SIGINT)
    assert (command.process.returncode, errors) == (0, "")
    assert len(json.loads(output)["trials"]) == 2


def test_show_lists_and_explains(tmp_path):
    listed = run("show", cwd=tmp_path).stdout
    assert all(name in listed for name in initializers.names())
    shown = run("show", "he_normal", cwd=tmp_path).stdout
    for part in ("2 / fan_in", "He, Zhang, Ren & Sun 2015", "truncated normal"):
        assert part in shown
    assert run("show", "he_norml", cwd=tmp_path).returncode == 2


def test_import_is_light():
    code = """
import sys, goodinit, goodinit.cli
def heavy(): print([name for name in ("torch", "matplotlib", "sklearn", "pandas") if name in sys.modules])
heavy()
goodinit.compare("zeros", tasks=["classic", "moons", "blobs"], seed=0, steps=1, perturbations=0)
heavy()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n[]\n"


def test_a_reader_that_leaves_early_is_no_error(tmp_path):
    command = " ".join(f"'{part}'" for part in GOODINIT) + " compare --json --steps 40 | head -c 10"
    done = subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert "Traceback" not in done.stderr


def test_version():
    assert run("--version", cwd=None).stdout.startswith("goodinit 0.")


def test_show_forecasts_a_network(tmp_path):
    done = run("show", "he_normal", "--widths", "784,512,512,10", "--activation", "gelu", cwd=tmp_path)
    assert done.returncode == 0
    for part in ("512 x 784", "0.050508", "1.8442", "he_normal(activation=gelu) is for gelu"):
        assert part in done.stdout
    assert run("show", "he_normal", "--widths", "784,0", cwd=tmp_path).returncode == 2
    assert run("show", "he_normal", "--widths", "784", cwd=tmp_path).returncode == 2


def test_show_tells_an_activations_theory(tmp_path):
    done = run("show", "tanh", "--bias-variance", "0.01", "--out", "theory", cwd=tmp_path)
    assert done.returncode == 0
    for part in ("1.592537", "1.424205", "critical", "chaotic", "ordered"):
        assert part in done.stdout
    assert sorted(p.name for p in (tmp_path / "theory").iterdir()) == ["depth_scales.png", "phase_diagram.png"]
    again = run("show", "tanh", "--out", "theory", cwd=tmp_path)
    assert again.returncode == 2
    assert "--overwrite" in again.stderr
    without = run("show", "softplus", "--out", "none", cwd=tmp_path)  # it has no critical line
    assert (without.returncode, without.stderr) == (0, "")
    assert run("show", "tanh", "--bias-variance", "-1", cwd=tmp_path).returncode == 2


def test_ctrl_c_before_the_command_begins_is_no_traceback(monkeypatch, capsys):
    """While its modules are imported, or Typer reads its options."""

    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr(goodinit, "cli", SimpleNamespace(main=interrupted), raising=False)
    monkeypatch.setattr(sys, "argv", ["goodinit", "show"])
    with pytest.raises(SystemExit) as end:
        command_line.main()
    assert end.value.code == 130
    assert capsys.readouterr().err == "goodinit: stopped\n"


@pytest.mark.parametrize(("how", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_anywhere_in_a_command_is_told_and_given_back(monkeypatch, capsys, how, code):
    """Typer ends with codes of its own, and says nothing."""
    monkeypatch.setattr(report, "catalogue", lambda *_: os.kill(os.getpid(), how) or pytest.fail("it went on"))
    monkeypatch.setattr(sys, "argv", ["goodinit", "show"])
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        with pytest.raises(SystemExit) as end:
            command_line.main()
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGTERM, before)
    assert end.value.code == code
    assert capsys.readouterr().err == "goodinit: stopped\n"


def test_ctrl_c_while_options_are_read_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("typer.core.TyperGroup.make_context", interrupted)
    with pytest.raises(SystemExit) as end:
        guarded(app)
    assert end.value.code == 130
    assert capsys.readouterr().err == "goodinit: stopped\n"


def test_ctrl_c_is_none_of_an_earlier_sigterm_whose_handler_is_another_library_s(monkeypatch) -> None:
    monkeypatch.setattr("goodinit.cli_ends._stopped", 143)
    before = signal.signal(signal.SIGTERM, lambda *given: None)
    try:
        with pytest.raises(SystemExit) as end:
            guarded(lambda: (_ for _ in ()).throw(KeyboardInterrupt))
    finally:
        signal.signal(signal.SIGTERM, before)
    assert end.value.code == 130


def test_ctrl_c_while_an_extension_is_imported_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    def importing() -> None:
        raise ImportError("initialization failed") from KeyboardInterrupt()

    with pytest.raises(SystemExit) as end:
        guarded(importing)
    assert end.value.code == 130
    assert capsys.readouterr().err == "goodinit: stopped\n"
    with pytest.raises(ImportError):
        guarded(lambda: (_ for _ in ()).throw(ImportError("no such module")))


def test_ctrl_c_while_a_library_writes_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """Matplotlib closes a PDF that was hardly begun, and fails at that."""

    def writing() -> None:
        try:
            raise KeyboardInterrupt
        finally:
            {}["pos"]

    with pytest.raises(SystemExit) as end:
        guarded(writing)
    assert end.value.code == 130
    assert capsys.readouterr().err == "goodinit: stopped\n"
    with pytest.raises(KeyError):
        guarded(lambda: {}["pos"])
