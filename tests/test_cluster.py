"""Studies on a Ray cluster of several nodes on this machine: the same trials, and what survives crashes and kills."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import goodinit
from children import GOODINIT, child
from goodinit.comparison import cluster as clusters
from goodinit.comparison import owner, ray_executor, serialization
from goodinit.comparison.batches import Batch, batched
from goodinit.comparison.cluster import Cluster
from goodinit.comparison.design import design
from goodinit.comparison.limits import time_limit
from goodinit.comparison.ray_executor import RayExecutor, most_trials
from goodinit.errors import GoodinitError
from goodinit.initializers import HeNormal

ray = pytest.importorskip("ray")

pytestmark = pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::FutureWarning", "ignore::DeprecationWarning:ray"
)

SIZE = {"num_cpus": 1, "object_store_memory": 100_000_000}
COMMAND = [*GOODINIT, "compare"]
STUDY = {"tasks": ["moons", "classic"], "steps": 60, "seeds": "0-3", "perturbations": 2}
STARTS = ["zeros", "he_normal", "normal(std=10)"]


@pytest.fixture(scope="module")
def nodes():
    """A cluster of a head and two more nodes, each a raylet of its own."""
    from ray.cluster_utils import Cluster

    started = Cluster(initialize_head=True, head_node_args={**SIZE, "include_dashboard": False})
    for _ in range(2):
        started.add_node(**SIZE)
    # this process joins it too: a study finds its workers running
    ray.init(address=started.address, log_to_driver=False, logging_level="error", namespace="goodinit")
    yield started
    ray.shutdown()
    started.shutdown()


def facts(comparison):
    return [(trial.to_dict(), {k: v.tobytes() for k, v in trial.parameters.items()}) for trial in comparison.trials]


def owners():
    """The owners that are alive."""
    return [each for each in ray.util.list_named_actors(all_namespaces=True) if each["namespace"] == "goodinit"]


# ---- the same trials ----


def test_trials_are_those_without_ray_whatever_the_batches_and_the_nodes(nodes, monkeypatch, tmp_path):
    plain = facts(goodinit.compare(STARTS, **STUDY))
    assert len(plain) == 24
    used = set()
    original = RayExecutor._opened
    monkeypatch.setattr(RayExecutor, "_opened", lambda self, *a: (used.add(len(self.flying)), original(self, *a))[1])
    for most in (1, 5, 256):
        monkeypatch.setattr(ray_executor, "MOST_TRIALS", most)
        assert facts(goodinit.compare(STARTS, **STUDY, cluster="auto", study=tmp_path / f"{most}.db")) == plain
        assert len(goodinit.open_study(tmp_path / f"{most}.db").trials) == 24
    assert max(used) <= 6  # two loads for each of the three processors are in flight, and no more
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


def test_loads_are_of_about_the_same_work():
    study = design(["zeros", "he_normal"], tasks=["moons", "classic"], seeds="0-999")
    place = object.__new__(Cluster)
    place.engine = "lanes"
    executor = RayExecutor(place, 0, lambda trained: None)
    loads = list(executor._loads(batched(study, study.jobs({}))))
    assert sum(len(batch.jobs) for load in loads for batch in load) == 4000
    assert all(len({batch.task.name for batch in load}) == 1 for load in loads)
    sizes = {load[0].task.name: sum(len(batch.jobs) for batch in load) for load in reversed(loads)}
    assert sizes["classic"] == 96  # 75 weights, 300 examples, 15,000 steps: 2e9 operations each
    assert 16 < sizes["moons"] <= ray_executor.MOST_TRIALS
    heavy = design("he_normal", tasks="deep-relu", seeds="0-2", batch_size=1000)
    assert most_trials(heavy.tasks[0]) == 1
    halves = ray_executor._halves(loads[0])
    assert [job for half in halves for batch in half for job in batch.jobs] == [
        job for batch in loads[0] for job in batch.jobs
    ]


# ---- crashes, memory, hangs ----


def _planted(name, what):
    """An initializer, sent by value as it is defined here, that does something instead of filling weights."""

    @dataclass(frozen=True)
    class Planted(HeNormal):
        def law(self, weight):
            return None

        def elements(self, weight, stream, start, stop):
            what()
            return HeNormal().elements(weight, stream, start, stop)

    Planted.name = name
    return Planted()


def _hang():
    while True:
        time.sleep(0.01)


def _deaf_hang():
    """No alarm is heard, as where native code does not return to Python."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
    time.sleep(3600)


def test_a_crash_and_a_hang_end_as_failed_trials_with_their_reasons(nodes, monkeypatch):
    planted = [_planted("crash", os.abort), _planted("hang", _hang)]
    options = {"steps": 20, "seed": 0, "perturbations": 0}
    found = goodinit.compare([*planted, "he_normal"], **options, cluster="auto", time_limit=3)
    crash, hang, healthy = found.trials
    assert crash.failure.startswith("WorkerCrashedError: its process died every time")
    assert hang.failure == "TimeoutError: it took longer than the time limit of 3 s"
    assert [healthy] == list(goodinit.compare("he_normal", **options).trials)
    assert "could not be trained" in crash.why


def test_a_hang_that_hears_no_alarm_ends_with_its_process(nodes, monkeypatch):
    monkeypatch.setattr(ray_executor, "RETRIES", 0)  # each time takes ten seconds
    found = goodinit.compare(
        [_planted("deaf", _deaf_hang)], steps=20, seed=0, perturbations=0, cluster="auto", time_limit=3
    )
    assert "hung for longer than the time limit of 3 s" in found.trials[0].failure


def test_a_time_limit_here():
    with pytest.raises(TimeoutError, match=r"time limit of 0\.05 s"), time_limit(0.05):
        _hang()
    assert signal.getsignal(signal.SIGALRM) is signal.SIG_DFL
    found = goodinit.compare([_planted("hang", _hang), "he_normal"], steps=5, perturbations=0, seed=0, time_limit=2)
    assert [trial.failure for trial in found.trials] == [
        "TimeoutError: it took longer than the time limit of 2 s",
        None,
    ]
    compiled = goodinit.compare("he_normal", steps=10**8, perturbations=0, seed=0, time_limit=0.3)
    assert "time limit" in compiled.trials[0].failure


@pytest.mark.parametrize("limit", [0, -1, float("nan"), float("inf"), True, "1"])
def test_a_time_limit_that_is_none_is_refused(limit):
    with pytest.raises(GoodinitError, match="time limit"):
        goodinit.compare("zeros", steps=1, seed=0, time_limit=limit)


def test_a_trial_that_eats_the_memory_ends_as_failed(tmp_path):
    """Ray's memory monitor ends it, on a cluster of its own whose threshold is near what the machine uses now."""
    import psutil

    memory = psutil.virtual_memory()
    if memory.available < 6e9:
        pytest.skip("less than 6 GB of memory are free")
    threshold = 1 - (memory.available - 2.5e9) / memory.total
    script = """
import sys, time
import numpy as np
import goodinit
from goodinit.comparison import ray_executor
from dataclasses import dataclass
from importlib.util import find_spec

@dataclass(frozen=True)
class Eater(goodinit.initializers.HeNormal):
    name = "eater"
    def law(self, weight):
        return None
    def elements(self, weight, stream, start, stop):
        eaten = []
        while len(eaten) < 60:
            eaten.append(np.ones(2**23))  # 64 MiB
            time.sleep(0.01)
        time.sleep(3600)

if __name__ == "__main__":
    ray_executor.MOST_TRIALS, ray_executor.RETRIES = 1, 0  # each time takes seconds
    found = goodinit.compare([Eater(), "he_normal"], steps=20, seed=0, perturbations=0, cluster="local")
    print(*(trial.failure for trial in found.trials), sep="\\n")
"""
    (tmp_path / "eat.py").write_text(script)
    variables = {**os.environ, "RAY_memory_usage_threshold": f"{threshold:.4f}", "RAY_memory_monitor_refresh_ms": "100"}
    done = subprocess.run(
        [sys.executable, "eat.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env=variables,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    eater, healthy = done.stdout.splitlines()[-2:]  # before them stands what Ray says of it
    assert eater == "OutOfMemoryError: its node ran out of memory every time, and Ray stopped its process"
    assert healthy == "None"


# ---- kills, stops and company ----

COUNTING = """
import sys, time
from dataclasses import dataclass
from importlib.util import find_spec
import goodinit
from goodinit.comparison import ray_executor

ray_executor.MOST_TRIALS = 1

@dataclass(frozen=True)
class Counted(goodinit.initializers.HeNormal):
    name = "counted"
    def law(self, weight):
        return None
    def elements(self, weight, stream, start, stop):
        if weight.name == "W1":
            with open("COUNT", "a") as count:
                count.write(f"{stream.seed}\\n")
            time.sleep(0.4)
        return super().elements(weight, stream, start, stop)

if __name__ == "__main__":
    goodinit.compare(Counted(), data="moons", stream="keyed", steps=20, seeds="0-11", perturbations=0,
                     cluster=sys.argv[1], study="s.db")
    print("done")
"""


def _counting(tmp_path, address):
    (tmp_path / "counting.py").write_text(COUNTING.replace("COUNT", str(tmp_path / "count")))
    line = [sys.executable, "counting.py", address]
    return child(line, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def _until(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _busy():
    """The processors of the cluster on which loads are trained."""
    return ray.cluster_resources()["CPU"] - ray.available_resources().get("CPU", 0)


def _count(tmp_path):
    path = tmp_path / "count"
    return path.read_text().split() if path.exists() else []


def test_what_ends_while_no_driver_lives_is_not_trained_again(nodes, tmp_path):
    with _counting(tmp_path, nodes.address):
        _until(lambda: len(_count(tmp_path)) >= 3)
    assert len(goodinit.open_study(tmp_path / "s.db").trials) < 12
    _until(lambda: _busy() == 0)  # all that was in flight has ended
    with _counting(tmp_path, nodes.address) as second:
        out, errors = second.communicate(timeout=90)
    assert (second.returncode, out) == (0, "done\n"), errors
    assert sorted(map(int, _count(tmp_path))) == list(range(12))
    assert len(goodinit.open_study(tmp_path / "s.db").trials) == 12
    _until(lambda: owners() == [], seconds=10)


def test_two_drivers_on_one_study_lose_nothing_and_double_nothing(nodes, tmp_path):
    with _counting(tmp_path, nodes.address) as one, _counting(tmp_path, nodes.address) as other:
        for driver in (one, other):
            out, errors = driver.communicate(timeout=120)
            assert (driver.returncode, out) == (0, "done\n"), errors
    assert len(goodinit.open_study(tmp_path / "s.db").trials) == 12


def test_a_killed_owner_and_node_lose_nothing(nodes, monkeypatch, tmp_path):
    monkeypatch.setattr(ray_executor, "MOST_TRIALS", 4)
    node, killed = nodes.add_node(**SIZE), []

    def kill(what, trained, total):
        if trained >= 8 and not killed:
            (each,) = ray.util.list_named_actors(all_namespaces=True)
            ray.kill(ray.get_actor(each["name"], namespace=each["namespace"]))
            nodes.remove_node(node, allow_graceful=False)
            killed.append(each)

    options = {"tasks": "moons", "steps": 2000, "seeds": "0-15", "perturbations": 0}
    found = goodinit.compare(STARTS, **options, cluster="auto", progress=kill, study=tmp_path / "s.db")
    assert killed
    assert facts(found) == facts(goodinit.compare(STARTS, **options))


def test_ctrl_c_says_how_to_go_on_and_leaves_nothing_on_the_cluster(nodes, tmp_path):
    line = [*COMMAND, "--seeds", "0-3", "--steps", "10000000", "--study", "s.db", "--cluster", nodes.address]
    with child(line, cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        _until(lambda: owners() and _busy() > 0)
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=30)
    assert process.returncode == 130, errors
    _until(lambda: owners() == [], seconds=10)
    assert errors.endswith("goodinit: stopped; the same command goes on from what s.db holds\n")
    assert "Traceback" not in errors
    assert out == ""


def test_the_command_prints_one_object_and_takes_the_cluster_from_a_file(nodes, tmp_path):
    text = (
        f'init = ["zeros", "he_normal"]\nsteps = 20\nperturbations = 0\ncluster = "{nodes.address}"\ntime-limit = 60\n'
    )
    (tmp_path / "study.toml").write_text(text)
    done = subprocess.run(
        [*COMMAND, "study.toml", "--json"], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=120
    )
    assert [trial["failure"] for trial in json.loads(done.stdout)["trials"]] == [None, None]
    assert done.stderr.startswith("2 trials: how long they take is not known\n")  # Ray may tell of nodes killed before
    assert "Traceback" not in done.stderr


# ---- what is refused ----


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


def test_versions_are_those_of_what_is_installed():
    import scipy

    found = owner.versions(("numpy", "scipy", "no-such-package"))
    assert found["numpy"] == np.__version__
    assert found["scipy"] == scipy.__version__
    assert found["no-such-package"] == "none"
    assert found["Python"] == f"{sys.version_info[0]}.{sys.version_info[1]}"
    assert found["goodinit"].startswith(f"{goodinit_version()} (code ")


def goodinit_version():
    from importlib.metadata import version

    return version("goodinit")


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("nonsense", "give auto, local, or the address"),
        ("ray://10.0.0.1:10001", "give auto, local, or the address"),
        ("127.0.0.1:99999", "give auto, local, or the address"),
        ("127.0.0.1:1", "nothing answers there"),
        ("no.such.host.invalid:6379", "nothing answers there"),
    ],
)
def test_a_bad_address_is_one_sentence(address, message):
    def check():
        clusters.check_cluster(address)
        clusters.check_alive(address)

    with pytest.raises(GoodinitError, match=message):
        check()


def test_a_bad_address_ends_the_command_with_2(tmp_path):
    line = [*COMMAND, "--steps", "1", "--seed", "0", "--cluster", "127.0.0.1:1", "--json"]
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-1].startswith("goodinit: cluster 127.0.0.1:1: nothing answers there")
    assert done.stderr.count("\n") == 2  # and how many trials there are


def test_what_is_no_ray_cluster_is_not_waited_for(monkeypatch):
    import socket

    monkeypatch.setattr(clusters, "ANSWER", 3.0)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with pytest.raises(GoodinitError, match="not a Ray cluster, or it is stuck"):
            clusters.check_alive(f"127.0.0.1:{silent.getsockname()[1]}")


def test_without_the_extra_its_name_is_told(tmp_path):
    hidden = "import sys; sys.modules['ray'] = None; from goodinit.cli import main; main()"
    line = [sys.executable, "-c", hidden, "compare", "--cluster", "local", "--study", "s.db"]
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert "pip install 'goodinit[ray]'" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_value_refused_on_a_node_is_the_same_error(nodes):
    with pytest.raises(GoodinitError, match=r"cannot be held in float32|float32 cannot hold it"):
        goodinit.compare("zeros", steps=5, seed=0, learning_rate=1e300, dtype="float32", cluster="auto")


def test_a_cluster_without_processors_is_told_and_not_waited_for(tmp_path):
    lines = [
        "import ray, goodinit",
        "from goodinit.comparison import ray_executor",
        "ray_executor.PATIENCE = 2.5",
        "ray.init('local', num_cpus=0, include_dashboard=False, object_store_memory=10**8, logging_level='error')",
        "goodinit.compare('zeros', steps=5, seed=0, cluster='auto')",
    ]
    line = [sys.executable, "-c", "\n".join(lines)]
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)
    assert "GoodinitError: cluster auto: for 2 seconds no node had 1 CPU to offer; add one" in done.stderr


def test_another_address_than_the_one_joined_is_refused(nodes):
    with pytest.raises(GoodinitError, match="this process has joined"):
        goodinit.compare("zeros", steps=1, seed=0, cluster="10.0.0.1:6379")


def test_only_a_persons_modules_travel(tmp_path, monkeypatch):
    (tmp_path / "mine_alone.py").write_text("class C: pass\n")
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "__init__.py").write_text("from pack.inner import f\n")
    (tmp_path / "pack" / "inner.py").write_text("def f(): pass\n")
    (tmp_path / "pack" / "data.json").write_text("{}")
    (tmp_path / "pack" / ".hidden").write_text("no")
    monkeypatch.syspath_prepend(tmp_path)
    import mine_alone  # type: ignore[import-not-found]
    import pack  # type: ignore[import-not-found]

    study = design("he_normal", seeds="0-1")
    load = tuple(batched(study, study.jobs({})))
    assert serialization.modules_of(serialization.packed(load, {})) is None
    sent = serialization.modules_of(serialization.packed(load, {"option": mine_alone.C()}))
    assert sorted(sent.content) == ["mine_alone.py", "pack/__init__.py", "pack/data.json", "pack/inner.py"]
    assert serialization.modules_of(serialization.packed(load, {"option": pack.f})) == sent
    assert serialization.modules_of(serialization.packed(load, {}), ["pack.inner"]) == sent
    monkeypatch.setattr(serialization, "MOST_CODE", 10)
    with pytest.raises(GoodinitError, match="too much to send"):
        serialization.modules_of(b".", ["pack"])


def test_loads_keep_their_label():
    study = design(["zeros", "he_normal"], tasks=["moons", "classic"], seeds="0-3")
    load = tuple(batched(study, study.jobs({})))[:2]
    again = serialization.unlabelled(serialization.label(load), study.tasks)
    assert [batch.jobs for batch in again] == [batch.jobs for batch in load]
    assert all(isinstance(batch, Batch) and batch.task is study.tasks[0] for batch in again)
