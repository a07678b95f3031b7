"""Crashes, hangs, kills and Ctrl-C on a cluster: failed trials have their reasons, and nothing is lost or doubled."""

import os
import signal
import subprocess
import sys
import time

import pytest
from planted import deaf_hang, hang, planted
from ray_studies import COMMAND, SIZE, STARTS, facts

import goodinit
from children import child
from goodinit.comparison import ray_executor
from goodinit.comparison.limits import time_limit

ray = pytest.importorskip("ray")

pytestmark = [
    pytest.mark.kills,
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::FutureWarning", "ignore::DeprecationWarning:ray"),
]


def owners():
    """The owners that are alive."""
    return [each for each in ray.util.list_named_actors(all_namespaces=True) if each["namespace"] == "goodinit"]


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

    options = {"tasks": "moons", "steps": 2000, "seeds": "0-9", "perturbations": 0}
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


def test_a_crash_and_a_hang_end_as_failed_trials_with_their_reasons(nodes, monkeypatch):
    monkeypatch.setattr(ray_executor, "RETRIES", 1)  # each time takes seconds
    trapped = [planted("crash", os.abort), planted("hang", hang)]
    options = {"steps": 20, "seed": 0, "perturbations": 0}
    found = goodinit.compare([*trapped, "he_normal"], **options, cluster="auto", time_limit=3)
    crash, hung, healthy = found.trials
    assert crash.failure.startswith("WorkerCrashedError: its process died every time")
    assert hung.failure == "TimeoutError: it took longer than the time limit of 3 s"
    assert [healthy] == list(goodinit.compare("he_normal", **options).trials)
    assert "could not be trained" in crash.why


def test_a_hang_that_hears_no_alarm_ends_with_its_process(nodes, monkeypatch):
    monkeypatch.setattr(ray_executor, "RETRIES", 0)  # each time takes ten seconds
    found = goodinit.compare(
        [planted("deaf", deaf_hang)], steps=20, seed=0, perturbations=0, cluster="auto", time_limit=3
    )
    assert "hung for longer than the time limit of 3 s" in found.trials[0].failure


def test_a_time_limit_here():
    with pytest.raises(TimeoutError, match=r"time limit of 0\.05 s"), time_limit(0.05):
        hang()
    assert signal.getsignal(signal.SIGALRM) is signal.SIG_DFL
    found = goodinit.compare([planted("hang", hang), "he_normal"], steps=5, perturbations=0, seed=0, time_limit=2)
    assert [trial.failure for trial in found.trials] == [
        "TimeoutError: it took longer than the time limit of 2 s",
        None,
    ]
    compiled = goodinit.compare("he_normal", steps=10**8, perturbations=0, seed=0, time_limit=0.3)
    assert "time limit" in compiled.trials[0].failure
