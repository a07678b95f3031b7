"""What may be in a scene: every choice of the catalogue, a person's file, and each wrong field by its name."""

import json

import pytest
from serving import OWN

from goodinit import initializers
from goodinit.datasets import CsvText
from goodinit.lab import fields
from goodinit.lab.catalogue import catalogue
from goodinit.lab.errors import LabError
from goodinit.lab.scene import Scene, read_file, read_scene


def test_nothing_told_is_the_classic_experiment():
    scene = read_scene({})
    assert scene == Scene()
    assert read_scene(json.loads(json.dumps(scene.to_dict()))) == scene
    study = scene.study()
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
    assert scene.study().tasks[0].to_dict()["data"]["name"] == "moons(noise=0.25, points=100)"


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
    ({"data": {"name": "csv", "csv": "gone"}}, "data.csv", "expired-csv", "drop it there again"),
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
        read_scene(given).study()
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
                    read_scene({"data": {"name": each["name"], option: value}}).study()


def _fits(scene):
    try:
        read_scene(scene).study()
    except LabError:
        return False
    return True


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "the file is empty"),
        ("a,b\n1,2\n", "1 rows below the header"),
        ("a,b\n1,2\n3\n4,5\n", "line 3: 1 values where the header has 2"),
        ("1,2\n3,4\n5,6\n", "the first line holds numbers"),
        ("PK\x03\x04\x00\x00", "not a CSV text file"),
        ('a,b\n"' + "x" * 200_000, "field larger than field limit"),
    ],
)
def test_a_bad_csv_is_told(content, words):
    with pytest.raises(LabError) as caught:
        read_scene({"data": {"name": "csv", "csv": "any"}}).study(read_file({"name": "bad.csv", "text": content}))
    assert (caught.value.code, caught.value.field) == ("bad-data", "data.csv")
    assert words in str(caught.value)


def test_too_large_a_csv_is_for_the_command_line():
    scene = read_scene({"data": {"name": "csv", "csv": "any"}})
    wide = ",".join(f"c{i}" for i in range(102))
    rows = "".join(f"{'1,' * 101}{label}\n" for label in "abababab")
    with pytest.raises(LabError, match="101 features; the lab takes 100"):
        scene.study(CsvText("wide.csv", f"{wide}\n{rows}"))
    with pytest.raises(LabError, match="5,200 rows"):
        scene.study(CsvText("long.csv", "a,b\n" + "1,x\n2,y\n" * 2600))
