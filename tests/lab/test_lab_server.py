"""The lab's server: scenes checked field by field, messages answered, exports that give the same experiment."""

import base64
import contextlib
import io
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import threading

import httpx
import numpy as np
import pytest
from serving import CSV, OWN, TASK, ended, long, message, post, records, serving, wait_for

import goodinit
from children import GOODINIT, PATIENCE, child
from goodinit import activations, initializers
from goodinit.errors import GoodinitError
from goodinit.lab.catalogue import catalogue, served_catalogue
from goodinit.lab.errors import LabError
from goodinit.lab.limits import LIMITS
from goodinit.lab.message import RecordKind, read_message
from goodinit.lab.scene import read_scene
from goodinit.networks import MLP, stack
from goodinit.streams import KeyedStream, as_stream
from goodinit.training import Schedule, batches, train


@pytest.fixture(scope="module")
def address():
    with serving() as (address, _):
        yield address


def trained(init, network, X, Y, schedule, moments, seeds=(3,)):
    """What goodinit's own call gives for these starts."""
    starts = [network.parameters(initializers.get(init), as_stream(seed, "keyed")) for seed in seeds]
    seen = {}
    order = batches(X.shape[0], schedule, KeyedStream(3))
    run = train(
        network, stack(starts), X.T.copy(), Y.T.copy(), schedule, order, snapshots=moments, watch=seen.__setitem__
    )
    return [flat(start, network) for start in starts], seen, run


def flat(parameters, network):
    names = [f"{letter}{layer}" for layer in range(1, network.depth + 1) for letter in "Wb"]
    return np.concatenate([parameters[name].ravel() for name in names])


@pytest.mark.parametrize("batch_size", [None, 16])
def test_a_message_is_answered_by_goodinits_own_training(address, batch_size):
    network = MLP((2, 5, 4, 1), activations.get("tanh"), "binary_cross_entropy")
    rng = np.random.default_rng(1)
    X = rng.normal(size=(40, 2))
    Y = (X[:, :1] > 0).astype(float)
    schedule = Schedule("adam", 0.05, 60, batch_size, record_every=4)
    moments = [0, 1, 30, 60]
    starts, seen, run = trained("glorot_normal", network, X, Y, schedule, moments, seeds=(3, 4))
    task = {
        **TASK, "network": network.facts, "networks": 2, "examples": 40, "learning_rate": 0.05, "optimizer": "adam",
        "steps": 60, "record_every": 4, "batch_size": batch_size, "moments": moments,
    }  # fmt: skip
    body = json.dumps(task).encode() + b"\n" + b"".join(each.tobytes() for each in (X, Y, *starts))
    told = list(records(address, body))
    assert [kind for kind, _ in told] == [RecordKind.PARAMETERS] * 4 + [RecordKind.END]
    for (_, numbers), step in zip(told, moments, strict=False):
        assert numbers[0] == step
        for k, row in enumerate(numbers[1:].reshape(2, -1)):
            own = {name: values[k] for name, values in seen[step].items()}
            np.testing.assert_array_equal(row, flat(own, network))
    np.testing.assert_array_equal(told[-1][1], [*run.final_loss, -1, -1])


def test_a_training_that_diverges_says_when(address):
    network = {"widths": [2, 3, 1], "activation": "linear", "loss": "squared_error"}
    kind, numbers = list(records(address, message(network=network, learning_rate=1e4, steps=500)))[-1]
    assert kind == RecordKind.END
    assert not np.isfinite(numbers[0])
    assert 0 < numbers[1] <= 500


@pytest.mark.parametrize(
    ("changed", "field", "code"),
    [
        ({"networks": 17}, "networks", "out-of-range"),
        ({"networks": 2.5}, "networks", "wrong-type"),
        ({"examples": 5001}, "examples", "out-of-range"),
        ({"steps": 0}, "steps", "out-of-range"),
        ({"record_every": 31}, "record_every", "out-of-range"),
        ({"optimizer": "adamww"}, "optimizer", "unknown-name"),
        ({"learning_rate": 0}, "learning_rate", "out-of-range"),
        ({"batch_size": 0}, "batch_size", "out-of-range"),
        ({"seed": -1}, "seed", "out-of-range"),
        ({"moments": []}, "moments", "out-of-range"),
        ({"moments": [0, 0]}, "moments", "out-of-range"),
        ({"moments": [0, 31]}, "moments.1", "out-of-range"),
        ({"moments": [*range(201)], "steps": 300}, "moments", "out-of-range"),
        ({"more": 1}, "more", "unknown-field"),
        ({"network": None}, "network", "wrong-type"),
        ({"network": {**TASK["network"], "widths": [2, 129, 1]}}, "network.widths.1", "out-of-range"),
        ({"network": {**TASK["network"], "widths": [2, 3, 2]}}, "network", "bad-network"),
        ({"network": {**TASK["network"], "activation": "rellu"}}, "network", "bad-network"),
        ({"network": {**TASK["network"], "loss": "hinge"}}, "network.loss", "unknown-name"),
        ({"network": {**TASK["network"], "widths": [2, *[128] * 10, 1]}}, "network", "too-much-work"),
        ({"network": {**TASK["network"], "widths": [2, 90, 90, 1]}, "steps": 10**5, "examples": 5000},
         "network", "too-much-work"),
    ],
)  # fmt: skip
def test_a_wrong_message_is_refused(changed, field, code):
    head = json.dumps({**TASK, **changed}).encode() + b"\n"
    with pytest.raises(LabError) as caught:
        read_message(head)
    assert (caught.value.field, caught.value.code) == (field, code)


def test_numbers_that_do_not_fit_are_refused():
    body = message()
    read_message(body)
    for wrong in (
        body[:-8],
        body + b"1" * 8,
        body[:-3],
        body[:-8] + np.array([np.nan]).tobytes(),
        body.split(b"\n")[0],
    ):
        with pytest.raises(LabError) as caught:
            read_message(wrong)
        assert (caught.value.code, caught.value.status) == ("bad-numbers", 400)


def test_a_start_of_the_rest_of_the_catalogue_is_drawn(address):
    network = MLP((8, 8, 8), activations.get("relu"), "cross_entropy")
    for spec, gain in (("zero_hadamard", 1), ("orthogonal", 2.0), ("edge_of_chaos(bias_variance=0.1)", 1)):
        asked = {"network": network.facts, "init": {"spec": spec, "gain": gain}, "seed": 5, "stream": "keyed"}
        told = post(address, "/api/start", asked).json()
        kind = initializers.get(spec) if gain == 1 else initializers.get("scaled", of=spec, gain=gain)
        expected = network.parameters(kind, as_stream(5, "keyed"))
        np.testing.assert_array_equal(np.frombuffer(base64.b64decode(told["parameters"])), flat(expected, network))
        assert told["variances"] == [kind.expected_variance(weight) for weight in network.weights]
        assert told["bias_variances"] == [0.1 if "bias" in spec else 0] * 2
    for spec, code in (
        ("he_norml", "bad-initializer"),
        ("forget_bias", "refused"),
        ("orthogonal(gain=1e308)", "bad-initializer"),
    ):
        refused = post(address, "/api/start", {**asked, "init": {"spec": spec}})
        assert (refused.status_code, refused.json()["error"]["code"]) == (422, code), spec


def test_the_page_is_told_what_this_machine_takes(address):
    told = httpx.get(f"{address}/api/catalogue").json()
    assert told["served"]
    assert told["limits"]["work"] == served_catalogue()["limits"]["work"] > catalogue()["limits"]["work"]
    assert len(httpx.get(f"{address}/static/engine/digits.bin").content) == 65 * 1797


SCENES = [
    {"steps": 400},
    {
        "data": {"name": "moons", "noise": 0.3, "points": 120},
        "hidden": [6],
        "activation": "leaky_relu(slope=0.2)",
        "loss": "squared_error",
        "inits": ["glorot_uniform", {"spec": 'he_normal(activation="leaky_relu(slope=0.2)")', "gain": 0.3}],
        "learning_rate": 0.2,
        "optimizer": "momentum",
        "steps": 150,
        "batch_size": 32,
        "seed": 5,
        "seeds": 3,
        "stream": "keyed",
    },
    {"data": {"name": "own", "own": OWN}, "inits": ["he_normal"], "steps": 200, "learning_rate": 0.1},
]


@pytest.mark.parametrize("scene", SCENES, ids=["classic", "moons", "own"])
def test_python_and_command_give_the_same_experiment(address, scene, tmp_path, monkeypatch):
    python = post(address, "/api/python", {"scene": scene}).json()["text"]
    command = post(address, "/api/command", {"scene": scene}).json()["text"]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scene.py").write_text(python, encoding="utf-8")
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        result = runpy.run_path("scene.py")["result"]
    assert str(result) in printed.getvalue()
    runs = [(t.initialization, t.final_loss, t.train_accuracy, t.test_accuracy) for t in result.shown]
    study = read_scene(scene).study()
    expected = goodinit.comparison.run_study(study, perturbations=0).shown
    assert runs == [(t.initialization, t.final_loss, t.train_accuracy, t.test_accuracy) for t in expected]
    for file in tmp_path.glob("points.csv"):
        file.unlink()
    assert "goodinit compare" in command
    script = command.replace("goodinit compare", '"$PYTHON" -c "from goodinit.cli import main; main()" compare')
    script = script.rstrip() + " --json --quiet\n"
    done = subprocess.run(
        ["bash", "-ec", script],
        cwd=tmp_path,
        env={**os.environ, "PYTHON": sys.executable},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    trials = json.loads(done.stdout)["trials"]
    assert len(trials) == len(runs) * scene.get("seeds", 1)
    found = [(t["initialization"], t["final_loss"], t["train_accuracy"], t["test_accuracy"]) for t in trials]
    assert found[: len(runs)] == runs


def test_a_scene_comes_with_its_file(address):
    scene = {"data": {"name": "csv", "csv": "any"}, "steps": 100, "inits": ["he_normal"]}
    file = {"name": "../pets.csv", "text": CSV}
    text = post(address, "/api/command", {"scene": scene, "file": file}).json()["text"]
    assert "# The file pets.csv is not part of this page" in text
    assert "--data pets.csv --target kind" in text
    assert post(address, "/api/report", {"scene": scene, "file": file}).text.startswith("<!")
    wrong = {"data": {"name": "csv", "csv": "any", "target": "kid"}}
    refused = post(address, "/api/python", {"scene": wrong, "file": file})
    assert refused.status_code == 422
    assert refused.json()["error"]["field"] == "data.target"
    assert "no column 'kid'" in refused.json()["error"]["message"]
    gone = post(address, "/api/python", {"scene": scene})
    assert (gone.status_code, gone.json()["error"]["code"]) == (410, "expired-csv")
    large = post(
        address, "/api/python", {"scene": scene, "file": {"name": "a.csv", "text": "a" * (1 + LIMITS["csv_bytes"])}}
    )
    assert large.json()["error"]["code"] == "too-large"


def test_a_report_is_one_page(address):
    scene = {"steps": 200, "inits": ["he_normal", "zeros"]}
    answer = post(address, "/api/report", {"scene": scene})
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.headers["content-disposition"] == 'attachment; filename="goodinit-report.html"'
    assert answer.text.startswith("<!")
    assert "he_normal" in answer.text
    assert "--steps 200" in answer.text
    assert "-figures/" not in answer.text


def test_static_files_have_their_kind_and_stay_inside(address):
    page = httpx.get(f"{address}/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    again = httpx.get(f"{address}/", headers={"if-none-match": page.headers["etag"]})
    assert again.status_code == 304
    for path in ("../app.py", "..%2fapp.py", "%2e%2e/app.py", "....//app.py", "/etc/passwd", "a%00.js", "", "js"):
        answer = httpx.get(f"{address}/static/{path}")
        assert answer.status_code == 404, path
        assert "import" not in answer.text


@pytest.fixture
def command():
    """The command `goodinit lab` on a free port, and its address."""
    line = [*GOODINIT, "lab", "--no-browser", "--port", "0"]
    with child(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        first = process.stdout.readline()
        assert first.startswith("The lab is at http://127.0.0.1:")
        yield process, first.split()[-1].rstrip("/")


def test_an_interrupt_that_is_ignored_does_not_end_it():
    line = [*GOODINIT, "lab", "--no-browser", "--port", "0"]
    with child(line, ignore=signal.SIGINT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        address = process.stdout.readline().split()[-1].rstrip("/")
        process.send_signal(signal.SIGINT)
        assert httpx.get(f"{address}/", timeout=PATIENCE).status_code == 200
        process.send_signal(signal.SIGTERM)
        assert process.communicate(timeout=PATIENCE)[1] == ""


def test_the_command_serves_and_ends_on_ctrl_c(command):
    process, address = command
    assert ended(address) == RecordKind.END
    stream = records(address, long())
    assert next(stream)[0] == RecordKind.PARAMETERS
    process.send_signal(signal.SIGINT)
    with contextlib.suppress(httpx.HTTPError, AssertionError):
        list(stream)
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, errors
    assert errors == ""


def test_a_port_that_is_taken_is_told():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(
            [*GOODINIT, "lab", "--no-browser", "--port", str(port)],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    assert done.returncode == 2
    assert f"goodinit: port {port} cannot be used" in done.stderr
    assert "choose another with --port" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_the_extra_the_error_names_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "goodinit.lab.server", None)
    with pytest.raises(GoodinitError, match=r"pip install 'goodinit\[lab\]'"):
        goodinit.lab.serve(0)
    monkeypatch.undo()
    with pytest.raises(GoodinitError, match="port 70000: give an integer"):
        goodinit.lab.serve(70000)


def test_all_threads_end_with_the_server():
    before = set(threading.enumerate())
    with serving() as (address, _):
        assert ended(address) == RecordKind.END
        assert len(set(threading.enumerate()) - before) <= 5
    wait_for(lambda: not {thread for thread in threading.enumerate() if thread not in before})
