"""What needs no cluster that is there: addresses, versions, loads, and clusters that a command starts."""

import os
import subprocess
import sys

import numpy as np
import pytest

import goodinit
from children import run
from goodinit.comparison import cluster as clusters
from goodinit.comparison import owner, ray_executor, serialization
from goodinit.comparison.batches import Batch, batched
from goodinit.comparison.cluster import Cluster
from goodinit.comparison.design import design
from goodinit.comparison.ray_executor import RayExecutor, most_trials
from goodinit.errors import GoodinitError

ray = pytest.importorskip("ray")

pytestmark = pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::FutureWarning", "ignore::DeprecationWarning:ray"
)


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
    done = run("compare", "--steps", "1", "--seed", "0", "--cluster", "127.0.0.1:1", "--json", cwd=tmp_path)
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


def test_without_the_extra_its_name_is_told(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    done = run("compare", "--cluster", "local", "--study", "s.db", cwd=tmp_path)
    assert done.returncode == 2
    assert "pip install 'goodinit[ray]'" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


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


@pytest.mark.parametrize("limit", [0, -1, float("nan"), float("inf"), True, "1"])
def test_a_time_limit_that_is_none_is_refused(limit):
    with pytest.raises(GoodinitError, match="time limit"):
        goodinit.compare("zeros", steps=1, seed=0, time_limit=limit)


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


@pytest.mark.kills
def test_a_trial_that_eats_the_memory_ends_as_failed(tmp_path):
    """Ray's memory monitor ends it, on a cluster of its own whose threshold is near what the machine uses now."""
    import psutil

    memory = psutil.virtual_memory()
    if memory.available < 8e9:
        pytest.skip("less than 8 GB of memory are free")
    threshold = 1 - (memory.available - 4e9) / memory.total  # room for what other tests take meanwhile
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
        while len(eaten) < 90:
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
