"""The lab's server: scenes checked field by field, films streamed, exports that give the same experiment."""

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
from serving import CLIENT, events, post, serving, wait_for

import goodinit
from children import GOODINIT, PATIENCE, child
from goodinit import initializers
from goodinit.errors import GoodinitError
from goodinit.lab import fields
from goodinit.lab.catalogue import catalogue
from goodinit.lab.errors import LabError
from goodinit.lab.limits import LIMITS
from goodinit.lab.scene import Scene, read_scene
from goodinit.lab.uploads import Uploads

CSV = "size,shade,kind\n" + "".join(f"{i},{i % 5},{'cat' if i % 3 else 'dog'}\n" for i in range(40))
LONG = {"steps": 100_000, "hidden": [60, 60], "inits": ["he_normal", "glorot_normal"]}  # many seconds of work
OWN = [[0.1 * i, 0.5 * (-1) ** i, i % 2] for i in range(20)]


@pytest.fixture(scope="module")
def address():
    with serving() as (address, _):
        yield address


def test_nothing_told_is_the_classic_experiment():
    scene = read_scene({})
    assert scene == Scene()
    assert read_scene(json.loads(json.dumps(scene.to_dict()))) == scene
    study = scene.study(Uploads())
    assert study.tasks[0].name == "classic"
    assert [str(each) for each in study.initializers] == ["zeros", "normal(std=10)", "he_normal"]


def test_a_scene_that_tells_everything_comes_back():
    given = {
        "data": {"name": "moons", "noise": 0.25, "points": 100},
        "hidden": [],
        "activation": "leaky_relu(slope=0.2)",
        "loss": "squared_error",
        "inits": ["He-Normal", {"spec": "normal(std=10.0)", "gain": 0.5}, {"spec": "he_normal", "gain": 2}],
        "learning_rate": 1,
        "optimizer": "adam",
        "steps": 1e3,
        "batch_size": 16,
        "seed": 4294967286,
        "seeds": 10,
        "stream": "keyed",
    }
    scene = read_scene(given)
    assert [each.text for each in scene.inits] == [
        "he_normal",
        'scaled(of="normal(std=10)", gain=0.5)',
        "scaled(gain=2)",
    ]
    assert scene.steps == 1000
    assert isinstance(scene.steps, int)
    assert read_scene(json.loads(json.dumps(scene.to_dict()))) == scene
    assert scene.study(Uploads()).tasks[0].to_dict()["data"]["name"] == "moons(noise=0.25, points=100)"


WRONG = [
    ({"dta": 1}, "dta", "unknown-field", "did you mean data"),
    ({"data": {"nois": 1}}, "data.nois", "unknown-field", "did you mean noise"),
    ({"data": "circles"}, "data", "wrong-type", "data is a text; it must be an object"),
    ({"data": {"name": "cirlces"}}, "data.name", "unknown-name", "did you mean circles"),
    ({"data": {"name": 3}}, "data.name", "wrong-type", "a number; it must be a text"),
    ({"data": {"noise": -0.1}}, "data.noise", "out-of-range", "-0.1: give a number from 0 to 0.5"),
    ({"data": {"noise": 10**400}}, "data.noise", "out-of-range", "beyond 1e300"),
    ({"data": {"noise": True}}, "data.noise", "wrong-type", "true or false; it must be a number"),
    ({"data": {"noise": "0.1"}}, "data.noise", "wrong-type", "a text; it must be a number"),
    ({"data": {"points": 19}}, "data.points", "out-of-range", "from 20 to 1,000"),
    ({"data": {"points": 20.5}}, "data.points", "wrong-type", "an integer"),
    ({"data": {"name": "digits", "noise": 0.1}}, "data.noise", "unknown-field", "digits has no noise"),
    ({"data": {"name": "own"}}, "data.own", "out-of-range", "has 0 items"),
    ({"data": {"name": "own", "own": [[0, 0, 1]] * 2001}}, "data.own", "out-of-range", "has 2001 items"),
    ({"data": {"name": "own", "own": [[0, 0, 1]] * 4}}, "data.own", "bad-data", "two classes or more"),
    ({"data": {"name": "own", "own": [[0, 0, 1], *OWN, [0, 0, 2]]}}, "data.own", "bad-data", "1 of class 2"),
    ({"data": {"name": "own", "own": [[0, 0]] * 4}}, "data.own.0", "out-of-range", "has 2 items"),
    ({"data": {"name": "own", "own": [[0, 1001, 1]] * 4}}, "data.own.0.1", "out-of-range", "from -1000 to 1000"),
    ({"data": {"name": "own", "own": [[0, 0, 8]] * 4}}, "data.own.0.2", "out-of-range", "from 0 to 7"),
    ({"data": {"name": "own", "own": {"0": 1}}}, "data.own", "wrong-type", "an object; it must be a list"),
    ({"data": {"name": "csv"}}, "data.csv", "wrong-type", "null; it must be a text"),
    ({"data": {"name": "csv", "csv": "gone"}}, "data.csv", "expired-csv", "drop it on the page again"),
    ({"hidden": 10}, "hidden", "wrong-type", "a list"),
    ({"hidden": [10, 0]}, "hidden.1", "out-of-range", "from 1 to 128"),
    ({"hidden": [1] * 65}, "hidden", "out-of-range", "has 65 items"),
    ({"hidden": [[1]]}, "hidden.0", "wrong-type", "a list; it must be an integer"),
    ({"hidden": [128] * 10}, "hidden", "too-much-work", "weights"),
    ({"hidden": [100] * 9, "data": {"points": 1000}, "steps": 10**5}, "steps", "too-much-work", "goodinit compare"),
    ({"activation": "rellu"}, "activation", "unknown-name", "did you mean relu"),
    ({"activation": "sine(frequency=1e400)"}, "activation", "unknown-name", "finite"),
    ({"activation": "__import__('os')"}, "activation", "unknown-name", "is not of the form"),
    ({"loss": "hinge"}, "loss", "unknown-name", "cross_entropy"),
    ({"inits": []}, "inits", "out-of-range", "has 0 items"),
    ({"inits": ["zeros"] * 5}, "inits", "out-of-range", "has 5 items"),
    ({"inits": ["zeros", "ones", "zeros"]}, "inits.2.spec", "repeated", "zeros is there already"),
    ({"inits": ["he_norml"]}, "inits.0.spec", "bad-initializer", "did you mean he_normal"),
    ({"inits": ["normal(std=-1)"]}, "inits.0.spec", "bad-initializer", "std"),
    ({"inits": [{"spec": "zeros", "gain": 0}]}, "inits.0.gain", "out-of-range", "from 0.01 to 100"),
    ({"inits": [{"gain": 1}]}, "inits.0.spec", "wrong-type", "null; it must be a text"),
    ({"inits": [{"spec": "scaled", "gain": 2}]}, "inits.0.spec", "bad-initializer", "multiply the gains"),
    ({"inits": ["x" * 401]}, "inits.0.spec", "out-of-range", "at most 400 characters"),
    ({"inits": ["zeros\n"]}, "inits.0.spec", "out-of-range", "one line"),
    ({"inits": ["forget_bias"]}, None, "refused", "cannot fill weight 'W1'"),
    ({"learning_rate": 0}, "learning_rate", "out-of-range", "from 1e-10 to 10000"),
    ({"learning_rate": None}, "learning_rate", "wrong-type", "null; it must be a number"),
    ({"optimizer": "sgd"}, "optimizer", "unknown-name", "gradient_descent"),
    ({"steps": 0}, "steps", "out-of-range", "from 1 to 100,000"),
    ({"steps": 10**30}, "steps", "out-of-range", "from 1 to 100,000"),
    ({"batch_size": 0}, "batch_size", "out-of-range", "from 1"),
    ({"seed": -1}, "seed", "out-of-range", "from 0"),
    ({"seed": 2**32 - 1, "seeds": 2}, "seed", "out-of-range", "from 0"),
    ({"seeds": 101}, "seeds", "out-of-range", "from 1 to 100"),
    ({"stream": "global"}, "stream", "unknown-name", "randomstate"),
    ([], None, "wrong-type", "the scene is a list"),
]


@pytest.mark.parametrize(("given", "field", "code", "words"), WRONG, ids=[str(row[0])[:40] for row in WRONG])
def test_a_wrong_field_is_named(given, field, code, words):
    with pytest.raises(LabError) as caught:
        read_scene(given).study(Uploads())
    error = caught.value.to_dict()["error"]
    assert (error["field"], error["code"]) == (field, code)
    assert words in error["message"]
    json.dumps(error, allow_nan=False)
    assert len(json.dumps(error)) < 2000


def test_json_that_is_none():
    for body, words in {
        b"": "Expecting value",
        b"{": "Expecting property name",
        b"[1]": "it is a list, not an object",
        b'"text"': "it is a str",
        b"\xff\xfe": "codec can't decode",
        b'{"a": NaN}': "NaN is not a JSON number",
        b'{"a": -Infinity}': "Infinity",
        b'{"a": ' + b"9" * 5000 + b"}": "Exceeds the limit",
        b'{"a": ' + b"[" * 5000 + b"]" * 5000 + b"}": "nested 5001 deep",
        b"[" * 200_000: "nested 200000 deep",
    }.items():
        with pytest.raises(LabError, match="not a JSON object") as caught:
            fields.read_json(body)
        assert words in str(caught.value)
        assert caught.value.status == 400


def test_the_catalogue_can_all_be_chosen():
    told = json.loads(json.dumps(catalogue(), allow_nan=False))
    assert read_scene(told["defaults"]) == Scene()
    names = [each["name"] for each in told["initializers"]]
    assert set(initializers.names()) - set(names) == {"forget_bias", "bilinear_upsampling", "scaled"}
    for each in told["initializers"]:
        for option in each["options"]:
            values = option.get("choices", [option["default"]])
            assert option["default"] in values
            for bound in ("low", "high"):
                if bound in option and not option.get("above" if bound == "low" else "", False):
                    values = [*values, option[bound]]
            for value in values:
                more = {"bias_variance": 0.6} if each["name"] == "edge_of_chaos" and option["type"] == "choice" else {}
                if more and value == "softplus":  # it has no critical line, and the page is told so
                    continue
                made = initializers.get(each["name"], **{option["name"]: value}, **more)
                even = {"hidden": [8, 8], "inits": [str(made)]}
                even["data"] = {"name": "own", "own": [[0.1 * i, i, i % 8] for i in range(32)]}
                square = {**even, "hidden": [2, 2], "data": {"name": "circles"}}
                assert any(_fits(scene) for scene in (even, square)), str(made)
    for each in told["activations"]:
        options = ", ".join(f"{option['name']}={option['default']}" for option in each["options"])
        assert read_scene({"activation": f"{each['name']}({options})"}).activation == each["name"]
    for each in told["data"]:
        for option in ("noise", "points"):
            for value in ((each.get(option) or {}).get("low"), (each.get(option) or {}).get("high")):
                if value is not None:
                    read_scene({"data": {"name": each["name"], option: value}}).study(Uploads())


def _fits(scene):
    try:
        read_scene(scene).study(Uploads())
    except LabError:
        return False
    return True


def unpacked(text, kind="u1"):
    return np.frombuffer(base64.b64decode(text), kind)


def test_the_classic_scene_streams_the_classic_experiment(address, classic):
    told = list(events(address))
    names = [name for name, _ in told]
    assert names[:2] == ["scene", "begin"]
    assert set(names[2:-1]) == {"frames"}
    assert names[-1] == "end"
    scene, begin, end = told[0][1], told[1][1], told[-1][1]
    frames = [frame for name, facts in told if name == "frames" for frame in facts["frames"]]
    assert [frame["step"] for frame in frames] == scene["steps"][1:]
    assert scene["steps"][0] == 0
    assert scene["steps"][-1] == 15000
    shown = [(start["train_accuracy"], start["test_accuracy"]) for start in frames[-1]["starts"]]
    assert shown == [(0.5, 0.5), (0.83, 0.86), (pytest.approx(0.9933, abs=5e-5), 0.96)]
    for at, trial in enumerate(classic.trials):
        assert end["starts"][at]["loss"] == trial.final_loss
        assert end["starts"][at]["why"] == trial.why
        assert end["starts"][at]["name"] == trial.initialization == scene["starts"][at]["name"]
        assert frames[-1]["starts"][at]["loss"] == pytest.approx(trial.final_loss, rel=1e-12)
        assert begin["starts"][at]["frame"]["loss"] == pytest.approx(trial.loss_values[0], rel=1e-12)
        found = [(each["code"], each["message"]) for each in begin["starts"][at]["findings"]]
        assert found == [(each.code, each.message) for each in trial.findings if each.code != "sensitive-to-rounding"]
        W = unpacked(frames[-1]["starts"][at]["layers"][1]["W"], "<f4").reshape(5, 10)
        np.testing.assert_array_equal(W, trial.parameters["W2"].astype(np.float32))
        predicted = unpacked(frames[-1]["starts"][at]["predicted"]["test"])
        assert (predicted == unpacked(scene["data"]["test"]["labels"])).mean() == trial.test_accuracy
    points = unpacked(scene["data"]["train"]["points"], "<f4").reshape(300, 2)
    np.testing.assert_array_equal(points, goodinit.datasets.load("circles").X_train.astype(np.float32))
    assert begin["starts"][2]["expected"]["backward"] == pytest.approx([0.1, 0.2, 1])  # units times variance, halved
    assert unpacked(begin["starts"][0]["frame"]["map"]["p"]).tolist() == [127] * scene["map"]["size"] ** 2
    assert begin["starts"][1]["measure"]["chance_loss"] == pytest.approx(np.log(2))


def test_a_scene_that_diverges_streams_nulls(address):
    scene = {"learning_rate": 1e4, "loss": "squared_error", "activation": "linear", "steps": 500, "inits": ["ones"]}
    told = dict(events(address, scene))
    assert told["end"]["starts"][0]["diverged"]
    assert told["end"]["starts"][0]["loss"] is None
    assert told["frames"]["frames"][-1]["starts"][0]["map"] is None
    assert "diverged" in [each["code"] for each in told["end"]["starts"][0]["findings"]]


def test_digits_have_samples_and_no_map(address):
    scene = {"data": {"name": "digits"}, "hidden": [16], "steps": 20, "inits": ["he_normal"], "batch_size": 64}
    told = dict(events(address, scene))
    data = told["scene"]["data"]
    assert (data["box"], data["image"], data["train"]["points"]) == (None, [8, 8], None)
    values = unpacked(data["samples"]["values"], "<f4").reshape(40, 64)
    assert values.min() >= 0
    assert values.max() == 1
    frame = told["frames"]["frames"][-1]["starts"][0]
    assert frame["map"] is None
    assert len(unpacked(frame["samples"]["class"])) == 40


def test_bands_come_as_seeds_are_trained(address):
    scene = {"seeds": 20, "steps": 300, "data": {"name": "moons"}, "inits": ["he_normal", "zeros"]}
    told = [facts for name, facts in events(address, scene) if name == "seeds"]
    assert [facts["done"] for facts in told] == list(range(1, 21))
    last = told[-1]
    assert last["of"] == 20
    for name, band in last["starts"][0].items():
        for edge in ("low", "middle", "high"):
            assert len(band[edge]) == len(last["steps"]), name
        assert (np.array(band["low"]) <= np.array(band["middle"])).all()
        assert (np.array(band["middle"]) <= np.array(band["high"])).all()


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
    end = dict(events(address, scene))["end"]["starts"]
    python = post(address, "/api/python", {"scene": scene}).json()["text"]
    command = post(address, "/api/command", {"scene": scene}).json()["text"]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scene.py").write_text(python, encoding="utf-8")
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        result = runpy.run_path("scene.py")["result"]
    assert str(result) in printed.getvalue()
    runs = [(t.initialization, t.final_loss, t.train_accuracy, t.test_accuracy) for t in result.shown]
    shown = [(each["name"], each["loss"], each["train_accuracy"], each["test_accuracy"]) for each in end]
    assert runs == shown
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
    assert len(trials) == len(end) * scene.get("seeds", 1)
    found = [(t["initialization"], t["final_loss"], t["train_accuracy"], t["test_accuracy"]) for t in trials]
    assert found[: len(end)] == shown


def test_a_csv_is_uploaded_and_trained_on(address, tmp_path):
    answer = httpx.post(
        f"{address}/api/csv", params={"name": "../pets.csv"}, content=CSV, headers={"content-type": "text/csv"}
    )
    facts = answer.json()
    assert (facts["name"], facts["rows"], facts["target"]) == ("pets.csv", 40, "kind")
    assert facts["columns"] == ["size", "shade", "kind"]
    scene = {"data": {"name": "csv", "csv": facts["csv"]}, "steps": 100, "inits": ["he_normal"]}
    told = dict(events(address, scene))
    (tmp_path / "pets.csv").write_text(CSV, encoding="utf-8")
    options = {"target": "kind", "steps": 100, "perturbations": 0, "seed": 3}
    expected = goodinit.compare("he_normal", data=tmp_path / "pets.csv", **options)
    assert told["end"]["starts"][0]["loss"] == expected.trials[0].final_loss
    assert told["scene"]["data"]["classes"] == ["cat", "dog"]
    assert "standardized" in told["scene"]["data"]["note"]
    text = post(address, "/api/command", {"scene": scene}).json()["text"]
    assert "# The file pets.csv is not part of this page" in text
    assert "--data pets.csv --target kind" in text
    wrong = post(address, "/api/train", {"scene": {"data": {"name": "csv", "csv": facts["csv"], "target": "kid"}}})
    assert wrong.status_code == 422
    assert wrong.json()["error"]["field"] == "data.target"
    assert "no column 'kid'" in wrong.json()["error"]["message"]
    shade = post(address, "/api/check", {"scene": {"data": {"name": "csv", "csv": facts["csv"], "target": "shade"}}})
    assert "line 2, column 'kind': 'dog' is not a number" in shade.json()["error"]["message"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "the file is empty"),
        (b"\xff\xff", "not text in UTF-8"),
        (b"a,b\n1,2\n", "1 rows below the header"),
        (b"a,b\n1,2\n3\n4,5\n", "line 3: 1 values where the header has 2"),
        (b"1,2\n3,4\n5,6\n", "the first line holds numbers"),
        (b"PK\x03\x04\x00\x00", "not a CSV text file"),
        (b'a,b\n"' + b"x" * 200_000, "field larger than field limit"),
    ],
)
def test_a_bad_csv_is_told(address, content, words):
    answer = httpx.post(f"{address}/api/csv?name=bad.csv", content=content, headers={"content-type": "text/csv"})
    assert answer.status_code == 422
    error = answer.json()["error"]
    assert (error["code"], error["field"]) == ("bad-data", "data.csv")
    assert words in error["message"]


def test_uploads_are_few_and_expire():
    now = [0.0]
    uploads = Uploads(lambda: now[0])
    keys = [uploads.add(f"{number}.csv", CSV.encode())[0] for number in range(20)]
    assert len(uploads.files) == LIMITS["csv_files"]
    assert uploads.get(keys[-1]).csv.name == "19.csv"
    with pytest.raises(LabError, match="not kept any more"):
        uploads.get(keys[0])
    now[0] = 3601.0
    with pytest.raises(LabError, match="not kept any more"):
        uploads.get(keys[-1])
    assert not uploads.files


def test_too_large_a_csv_is_for_the_command_line():
    uploads = Uploads()
    wide = ",".join(f"c{i}" for i in range(102))
    rows = "".join(f"{'1,' * 101}{label}\n" for label in "abababab")
    key, _ = uploads.add("wide.csv", f"{wide}\n{rows}".encode())
    with pytest.raises(LabError, match="101 features; the lab takes 100"):
        read_scene({"data": {"name": "csv", "csv": key}}).study(uploads)
    key, _ = uploads.add("long.csv", ("a,b\n" + "1,x\n2,y\n" * 2600).encode())
    with pytest.raises(LabError, match="5,200 rows"):
        read_scene({"data": {"name": "csv", "csv": key}}).study(uploads)


def test_a_report_is_one_page(address):
    scene = {"steps": 200, "inits": ["he_normal", "zeros"]}
    answer = post(address, "/api/report", {"client": CLIENT, "scene": scene})
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.headers["content-disposition"] == 'attachment; filename="goodinit-report.html"'
    assert answer.text.startswith("<!")
    assert "he_normal" in answer.text
    assert "--steps 200" in answer.text
    assert "-figures/" not in answer.text


def test_a_new_training_takes_the_place_of_the_old(address):
    told, done = [], threading.Event()

    def old():
        for name, _ in events(address, LONG, "another-page"):
            told.append(name)
        done.set()

    thread = threading.Thread(target=old)
    thread.start()
    wait_for(lambda: told)
    new = [name for name, _ in events(address, {"steps": 10}, "another-page")]
    assert new[-1] == "end"
    assert done.wait(20)
    thread.join()
    assert told[-1] == "cancelled"


def test_cancel_stops_the_training(address):
    stream = events(address, LONG, "third-page")
    assert next(stream)[0] == "scene"
    assert post(address, "/api/cancel", {"client": "third-page"}).json() == {"cancelled": True}
    assert [name for name, _ in stream][-1] == "cancelled"
    assert post(address, "/api/cancel", {"client": "third-page"}).json() == {"cancelled": False}
    assert post(address, "/api/cancel", {"client": "bad client!"}).status_code == 422


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
    assert [name for name, _ in events(address, {"steps": 20})][-1] == "end"
    stream = events(address, LONG)
    assert next(stream)[0] == "scene"
    process.send_signal(signal.SIGINT)
    with contextlib.suppress(httpx.HTTPError):
        list(stream)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 0
    assert errors == ""


def test_a_port_that_is_taken_is_told():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(
            [*GOODINIT, "lab", "--no-browser", "--port", str(port)],
            capture_output=True,
            text=True,
            timeout=60,
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
        assert [name for name, _ in events(address, {"steps": 20})][-1] == "end"
        assert len(set(threading.enumerate()) - before) <= 5
    wait_for(lambda: not {thread for thread in threading.enumerate() if thread not in before})
