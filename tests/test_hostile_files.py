"""JSON that a command is pointed at and did not write: what it can't use is said, whatever stands in it."""

import json
import os
import random

import pytest

from goodinit.auditing.result import read_baseline
from goodinit.checkup.model_changes import difference, read_checkups, worse
from goodinit.errors import GoodinitError
from goodinit.report import text
from goodinit.suite import read_result, suite_table

LAYER = {
    "name": "0",
    "weight": "0.weight",
    "number": 0,
    "kind": "Linear",
    "weight_std": 0.5,
    "rms": 1.0,
    "dead_share": 0.1,
}
CHECKUP = {
    "findings": [{"code": "collapsed", "severity": "severe", "where": "0"}],
    "loss": {"total": 0.7},
    "layers": [LAYER, {**LAYER, "name": "2", "correlation": None}],
}
PARAMETER = {"name": "0.weight", "verdict": "filled", "law": None, "shape": [8, 2], "tied": ["1.weight"]}
RESULT = {
    "start": "default",
    "budget": 1,
    "learning_rate": 0.1,
    "losses": [0.5, None],
    "scores": [0.9, None],
    "diverged": 1,
    "p_value": None,
    "verdict": "",
}
TASK = {
    "name": "t",
    "family": "mlp",
    "score": "accuracy",
    "seeds": [0, 1],
    "results": [RESULT],
    "left_out": [["lsuv", "no"]],
}


def use_checkups(path):
    for facts in read_checkups(path).values():
        assert difference(facts, CHECKUP) is not None
        worse(CHECKUP, facts)


READERS = {
    "check": (use_checkups, {"checkups": {"": CHECKUP}}),
    "audit": (read_baseline, {"parameters": [PARAMETER]}),
    "suite": (lambda path: text(suite_table(read_result(path))), {"tasks": [TASK], "origin": {}, "name": "small"}),
}
VALUES = [
    None,
    "x",
    "[/b]",
    1e308,
    10**400,
    -1,
    True,
    [],
    {},
    ["a"],
    {"a": 1},
    float("nan"),
    float("inf"),
    [[1]],
    2**63,
]


def places(value, above=()):
    yield above
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        yield from places(part, (*above, key))


def changed(value, place, new):
    if not place:
        return new
    parts = dict(value) if isinstance(value, dict) else list(value)
    parts[place[0]] = changed(parts[place[0]], place[1:], new)
    return parts


@pytest.mark.parametrize("name", READERS)
def test_any_value_in_any_place(tmp_path, name):
    use, sound = READERS[name]
    file = tmp_path / "f.json"
    file.write_text(json.dumps(sound))
    use(file)
    rng, refused, longest = random.Random(0), 0, 0
    where = list(places(sound))
    for _ in range(200):
        file.write_text(json.dumps(changed(sound, rng.choice(where), rng.choice(VALUES))))
        try:
            use(file)
        except GoodinitError as error:
            refused += 1
            longest = max(longest, len(f"{error}"))
    assert refused > 20
    assert longest < 2000


@pytest.mark.parametrize(
    "content", [b"[" * 200_000, b'{"a": ' * 200_000, b"\xff\xfe", b"9" * 10_000, b"", b"[]", b"null"]
)
@pytest.mark.parametrize("name", READERS)
def test_what_is_no_such_json(tmp_path, name, content):
    file = tmp_path / "f.json"
    file.write_bytes(content)
    with pytest.raises(GoodinitError, match="json"):
        READERS[name][0](file)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names here")
@pytest.mark.parametrize("name", READERS)
def test_a_pipe_is_not_waited_for(tmp_path, name):
    os.mkfifo(tmp_path / "f.json")
    with pytest.raises(GoodinitError, match="not a file"):
        READERS[name][0](tmp_path / "f.json")
