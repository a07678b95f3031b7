"""Studies on a Ray cluster of several nodes on this machine: the same trials, whatever travels and from where."""

import json
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from ray_studies import SIZE, STARTS, STUDY, facts

import goodinit
from children import run
from goodinit.comparison import ray_executor
from goodinit.comparison.ray_executor import RayExecutor
from goodinit.errors import GoodinitError

ray = pytest.importorskip("ray")

pytestmark = pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::FutureWarning", "ignore::DeprecationWarning:ray"
)


def test_trials_are_those_without_ray_whatever_the_batches_and_the_nodes(nodes, monkeypatch, tmp_path):
    plain = facts(goodinit.compare(STARTS, **STUDY))
    assert len(plain) == 24
    used = set()
    original = RayExecutor._opened
    monkeypatch.setattr(RayExecutor, "_opened", lambda self, *a: (used.add(len(self.flying)), original(self, *a))[1])
    whole = ray_executor.MOST_TRIALS
    for most in (1, 5):
        monkeypatch.setattr(ray_executor, "MOST_TRIALS", most)
        assert facts(goodinit.compare(STARTS, **STUDY, cluster="auto", study=tmp_path / f"{most}.db")) == plain
        assert len(goodinit.open_study(tmp_path / f"{most}.db").trials) == 24
    assert max(used) <= 4  # two loads for each of the two processors are in flight, and no more
    monkeypatch.setattr(ray_executor, "MOST_TRIALS", whole)
    node = nodes.add_node(**SIZE)
    assert facts(goodinit.compare(STARTS, **STUDY, cluster="auto")) == plain
    nodes.remove_node(node)


def test_tuning_and_mini_batches_too(nodes):
    options = {"tasks": "moons", "learning_rate": "auto", "steps": 30, "seeds": "0-1", "batch_size": 20}
    plain = goodinit.compare("he_normal", **options, perturbations=0)
    found = goodinit.compare("he_normal", **options, perturbations=0, cluster="auto")
    assert found.to_json() == plain.to_json()
    assert [t.to_dict() for t in found.tuning] == [t.to_dict() for t in plain.tuning]


PERSON = """
import numpy as np, goodinit, sys
from dataclasses import dataclass
from importlib.util import find_spec
from goodinit.initializers import Initializer
from goodinit.datasets import Dataset
import beside

@dataclass(frozen=True)
class InScript(beside.Slow):
    name = "in_script"

if __name__ == "__main__":
    x = np.linspace(-1, 1, 60).reshape(30, 2)
    y = (x[:, 0] > 0).astype(np.intp)
    own = Dataset("own", x, y, x, y, ("a", "b"), ("p", "q"))
    cluster = sys.argv[1] if len(sys.argv) > 1 else None
    for data in ({"data": own}, {"data": "own.csv", "target": "label"}):
        found = goodinit.compare([InScript(), beside.Slow()], **data, steps=20, seeds="0-2", cluster=cluster,
                                 activation=goodinit.activations.Activation("twice", beside.twice, beside.two, None))
        print(found.to_json())
"""
BESIDE = """
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
import numpy as np
from goodinit.initializers import HeNormal

@dataclass(frozen=True)
class Slow(HeNormal):
    name = "slow"
    def law(self, weight):
        return None
    def elements(self, weight, stream, start, stop):
        from further import half
        with open("SEEN", "a") as seen:
            seen.write(f"{__file__}\\n")
        return half(super().elements(weight, stream, start, stop))

def twice(z):
    return 2 * z

def two(z):
    return np.full_like(z, 2)
"""


def test_a_persons_modules_script_and_files_travel_with_the_job(nodes, tmp_path):
    """The nodes import the modules from what was sent, not from the folder of the script, which they might not have."""
    rows = "".join(f"{i % 7},{i % 5},{'no' if i % 3 else 'yes'}\n" for i in range(40))
    (tmp_path / "own.csv").write_text("a,b,label\n" + rows)
    (tmp_path / "beside.py").write_text("import further\n" + BESIDE.replace("SEEN", str(tmp_path / "seen")))
    (tmp_path / "further.py").write_text("def half(x):\n    return x / 2\n")
    (tmp_path / "script.py").write_text(PERSON)

    def run(*arguments):
        line = [sys.executable, "script.py", *arguments]
        return subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)

    there = run(nodes.address)
    sent = set((tmp_path / "seen").read_text().split())
    (tmp_path / "seen").unlink()
    here = run()
    assert there.returncode == 0, there.stderr
    assert there.stdout == here.stdout != ""
    assert there.stderr == ""
    assert set((tmp_path / "seen").read_text().split()) == {str(tmp_path / "beside.py")}
    assert sent
    assert not any(Path(each).is_relative_to(tmp_path) for each in sent)
    folder = Path(sent.pop()).parent
    assert sorted(p.name for p in folder.iterdir() if p.suffix) == ["beside.py", "further.py"]
    assert folder.stat().st_mode & 0o077 == 0 or folder.parent.stat().st_mode & 0o077 == 0


def test_data_is_sent_once_for_all_batches(nodes, monkeypatch):
    sent = []
    original = RayExecutor._ask

    def listening(self, what, *arguments):
        if what in ("stock", "submit"):
            sent.append(what)
        return original(self, what, *arguments)

    monkeypatch.setattr(RayExecutor, "_ask", listening)
    monkeypatch.setattr(ray_executor, "MOST_TRIALS", 2)
    examples = np.random.default_rng(0).normal(size=(200, 3))
    labels = (examples.sum(axis=1) > 0).astype(np.intp)
    own = goodinit.datasets.Dataset("own", examples, labels, examples, labels, ("a", "b"), ("x", "y", "z"))
    goodinit.compare("he_normal", data=own, steps=10, seeds="0-9", perturbations=0, cluster="auto")
    assert sent.count("stock") == 1
    assert sent.count("submit") == 6  # the first seed, then the others in pairs


def test_the_command_prints_one_object_and_takes_the_cluster_from_a_file(nodes, tmp_path):
    text = (
        f'init = ["zeros", "he_normal"]\nsteps = 20\nperturbations = 0\ncluster = "{nodes.address}"\ntime-limit = 60\n'
    )
    (tmp_path / "study.toml").write_text(text)
    done = run("compare", "study.toml", "--json", cwd=tmp_path)
    assert [trial["failure"] for trial in json.loads(done.stdout)["trials"]] == [None, None]
    assert done.stderr.startswith("2 trials: how long they take is not known\n")  # Ray may tell of nodes killed before
    assert "Traceback" not in done.stderr


def test_nodes_with_another_goodinit_are_refused_by_both_versions(nodes, tmp_path):
    """A node whose goodinit differs in one file: the study says so, whichever node its loads come to."""
    source = Path(goodinit.__file__).parent
    for path in source.rglob("*"):
        if path.suffix in (".py", ".so", ".json", ".html", ".css", ".js"):
            copy = tmp_path / "goodinit" / path.relative_to(source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
    compiled = find_spec("goodinit._native")
    if compiled is not None and compiled.origin is not None:  # an editable install has it elsewhere
        shutil.copy(compiled.origin, tmp_path / "goodinit")
    (tmp_path / "sitecustomize.py").write_text(  # an editable install would come before the path
        "import sys\nsys.meta_path[:] = [f for f in sys.meta_path if 'ScikitBuild' not in type(f).__name__]\n"
    )
    (tmp_path / "goodinit" / "errors.py").write_text((source / "errors.py").read_text() + "\nMORE = 1\n")
    other = nodes.add_node(**SIZE, env_vars={"PYTHONPATH": str(tmp_path)})
    try:
        with pytest.raises(GoodinitError, match=r"has goodinit .*code \w+\), not .*code \w+\); .*install the same"):
            goodinit.compare(STARTS, tasks="moons", steps=200, seeds="0-2999", perturbations=0, cluster="auto")
    finally:
        nodes.remove_node(other)


def test_a_value_refused_on_a_node_is_the_same_error(nodes):
    with pytest.raises(GoodinitError, match=r"cannot be held in float32|float32 cannot hold it"):
        goodinit.compare("zeros", steps=5, seed=0, learning_rate=1e300, dtype="float32", cluster="auto")


def test_another_address_than_the_one_joined_is_refused(nodes):
    with pytest.raises(GoodinitError, match="this process has joined"):
        goodinit.compare("zeros", steps=1, seed=0, cluster="10.0.0.1:6379")
