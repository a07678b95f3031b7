"""Kill nodes, workers and the driver of a study at random moments, and see that every trial is there once, as without.

    python tools/cluster_chaos.py --runs 20 --seed 0

Each run starts a cluster of several nodes on this machine, runs one study on it, and while that lasts kills with
SIGKILL a node (raylet), a worker, the owner of what is in flight or the driver, every second or so. A killed node is
replaced, a killed driver started again with the same command. At the end the store must hold exactly the trials of a
run without Ray, to the bit.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
from ray.cluster_utils import Cluster

PROCESSES = {"worker": "ray::work", "owner": "ray::Owner"}  # those that train, and the actor that holds what flies
VICTIMS = ["driver", "node", "worker", "worker", "owner"]
SIZE = {"num_cpus": 1, "object_store_memory": 100_000_000}
STUDY = ["--task", "moons", "--task", "classic", "--init", "he_normal", "--init", "zeros", "--init", "normal(std=10)"]
STUDY += ["--perturbations", "0", "--quiet", "--json"]
COMMAND = [sys.executable, "-c", "from goodinit.cli import main; main()", "compare", *STUDY]


def main() -> None:
    """Run the given number of times, and exit with 1 where a run did not end as it must."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0, help="of the first run; the next ones count on")
    parser.add_argument("--trials", type=int, default=240, help="of a study, about")
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--kills", type=int, default=8, help="a run, at most")
    parser.add_argument("--limit", type=float, default=300.0, help="seconds that a run may take")
    given = parser.parse_args()
    command = [*COMMAND, "--steps", str(given.steps), "--seeds", f"0-{max(1, given.trials // 6) - 1}"]
    print("without Ray ...", flush=True)
    plain = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)["trials"]
    wrong = 0
    for seed in range(given.seed, given.seed + given.runs):
        report = one_run(command, plain, random.Random(seed), given.kills, given.limit)
        wrong += not report.endswith("equal")
        print(f"seed {seed}: {report}", flush=True)
    print(f"{given.runs} runs, {wrong} wrong")
    sys.exit(wrong > 0)


def one_run(command: list[str], plain: list[dict[str, object]], rng: random.Random, kills: int, limit: float) -> str:
    """One study under kills; what happened, ending in `equal` where it ended as without them."""
    began, killed = time.monotonic(), []
    cluster = Cluster(initialize_head=True, head_node_args={**SIZE, "include_dashboard": False})
    nodes = [cluster.add_node(**SIZE) for _ in range(2)]
    with tempfile.TemporaryDirectory() as folder:
        line = [*command, "--study", "s.db", "--cluster", cluster.address]
        errors = (Path(folder) / "stderr").open("w+b")
        driver = subprocess.Popen(line, cwd=folder, stdout=subprocess.PIPE, stderr=errors)
        out = b""
        try:
            next_kill, chosen = time.monotonic() + rng.uniform(2, 6), rng.choice(VICTIMS)
            while driver.poll() is None or driver.returncode == -signal.SIGKILL:
                if time.monotonic() - began > limit:
                    driver.kill()
                    return f"{', '.join(killed)}: stuck"
                if driver.poll() is not None:
                    driver.communicate()
                    driver = subprocess.Popen(line, cwd=folder, stdout=subprocess.PIPE, stderr=errors)
                due = len(killed) < kills and time.monotonic() > next_kill
                if due and kill(chosen, rng, cluster, nodes, driver):  # or there is none yet: the next turn looks again
                    killed.append(chosen)
                    next_kill, chosen = time.monotonic() + rng.uniform(0.3, 6), rng.choice(VICTIMS)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    out, _ = driver.communicate(timeout=0.1)
            errors.seek(0)
            if driver.returncode != 0 or not out:
                return f"{', '.join(killed)}: exit code {driver.returncode}, {errors.read().decode()[-2000:]}"
            found = json.loads(out)["trials"]
            stored = stored_trials(Path(folder) / "s.db")
            seconds = f"{time.monotonic() - began:.0f} s"
            verdict = "equal" if found == plain and stored == len(plain) else "DIFFERENT"
            return f"{len(killed)} kills ({', '.join(killed)}), {seconds}, {stored} trials stored, {verdict}"
        finally:
            errors.close()
            cluster.shutdown()


def kill(what: str, rng: random.Random, cluster: Cluster, nodes: list[object], driver: subprocess.Popen[bytes]) -> bool:
    """Kill the driver, a node, a worker or the owner; False where there is no such process."""
    if what == "driver":
        driver.kill()
    elif what == "node":
        cluster.remove_node(nodes.pop(rng.randrange(len(nodes))), allow_graceful=False)
        nodes.append(cluster.add_node(**SIZE))
    else:
        found = []
        for process in psutil.process_iter(["cmdline"]):
            line = process.info["cmdline"] or []
            if line and line[0].startswith(PROCESSES[what]) and descends(process):
                found.append(process)
        if not found:
            return False
        victim = rng.choice(sorted(found, key=lambda process: process.pid))
        try:
            victim.kill()
        except psutil.NoSuchProcess:
            return False
    return True


def descends(process: psutil.Process) -> bool:
    """Whether the process was started by this one's cluster: only those may be killed."""
    try:
        return any(parent.pid == psutil.Process().pid for parent in process.parents())
    except psutil.NoSuchProcess:
        return False


def stored_trials(path: Path) -> int:
    """The number of rows, where the file is intact."""
    database = sqlite3.connect(path)
    try:
        intact = database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return int(database.execute("SELECT count(*) FROM trial").fetchone()[0]) if intact else -1
    finally:
        database.close()


if __name__ == "__main__":
    main()
