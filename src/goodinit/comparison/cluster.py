"""The connection to a Ray cluster: its address, what it has, and the owner of what is in flight there (`owner.py`)."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import subprocess
import sys
import time
import uuid
import warnings
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

from goodinit.comparison import owner as on_nodes
from goodinit.comparison.executor import engine_of
from goodinit.errors import GoodinitError, shown
from goodinit.results import Task
from goodinit.training import EngineName

__all__ = ["ANSWER", "CPUS", "Cluster", "check_alive", "check_cluster", "first_line"]

CPUS: Final = 1  # of a load: many loads side by side use a node better than one with many threads
ANSWER: Final = 30.0  # seconds that a cluster has to say that it lives
LEASE: Final = 5.0  # seconds without a word after which a driver is taken to be gone
IDLE: Final = 3600.0  # seconds that the results of a driver which is gone are kept
NAMESPACE: Final = "goodinit"


def check_cluster(cluster: str | None) -> None:
    """Raise GoodinitError for a text that is not an address, and where Ray is not installed."""
    if cluster is None:
        return
    host, colon, port = cluster.rpartition(":") if isinstance(cluster, str) else ("", "", "")
    named = cluster in ("auto", "local")
    numbered = port.isascii() and port.isdigit() and int(port[:6]) < 65536
    if not named and not (host and colon and numbered and "/" not in host):
        raise GoodinitError(
            f"cluster {shown(cluster)}: give auto, local, or the address of a cluster's head, such as 10.0.0.1:6379"
        )
    _ray()


def _ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise GoodinitError(
            f"a cluster needs Ray, which cannot be imported ({error}); pip install 'goodinit[ray]'"
        ) from None
    return ray


class Cluster:
    """A study's connection to a cluster: made at the first use, closed with the block, which cancels what is in flight.

    `address` is `auto` (the cluster of this machine, or of RAY_ADDRESS), `local` (one of this process's own, on all
    processors of this machine), or `host:port` of a cluster's head. A Ray that this process is connected to is used as
    it is, and left so.
    """

    def __init__(
        self, address: str, tasks: Sequence[Task], engine: EngineName, time_limit: float | None, keep: frozenset[int]
    ) -> None:
        check_cluster(address)
        self.address, self.tasks, self.engine, self.time_limit, self.keep = address, tasks, engine, time_limit, keep
        self.ray = _ray()
        self.driver = uuid.uuid4().hex
        self.owner: Any = None
        self.mine = False  # whether the connection was made here
        self.here, self.gpus = "", False  # the node that this process is on; whether the cluster has GPUs
        self.left: dict[int, tuple[bytes, list[Any]]] = {}  # by a driver that is gone
        needed = dict.fromkeys(package for task in tasks for package in engine_of(task, engine).packages)
        self.packages = ("numpy", "scipy", *needed)
        self.versions = on_nodes.versions(self.packages)

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *_: object) -> None:
        ray = self.ray
        if self.owner is not None:
            with suppress(ray.exceptions.RayError):  # where it is gone, so is what was in flight
                if ray.get(self.owner.stop.remote(self.driver), timeout=10):  # else it is another driver's
                    ray.kill(self.owner)
            self.owner = None
        if self.mine:
            ray.shutdown()
            self.mine = False

    def join(self) -> None:
        """Connect, unless it is done. Raises GoodinitError where there is no cluster, or it does not answer."""
        if self.owner is None:
            self._connect()
            self.gpus = self.ray.cluster_resources().get("GPU", 0) >= 1
            self.hire()

    def _connect(self) -> None:
        ray = self.ray
        if ray.is_initialized():
            joined = ray.get_runtime_context().gcs_address
            if self.address not in ("auto", "local", joined):
                raise GoodinitError(
                    f"cluster {self.address}: this process has joined {joined}; call ray.shutdown() first, or use auto"
                )
            return
        options: dict[str, Any] = {"include_dashboard": False}
        if self.address != "local":
            address = os.environ.get("RAY_ADDRESS", "auto") if self.address == "auto" else self.address
            check_alive(address)
            options = {"address": address}
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Ray's advice to its own users
                ray.init(
                    namespace=NAMESPACE,
                    log_to_driver=False,
                    logging_level="error",
                    address=options.pop("address", "local"),
                    **options,
                )
        except (ConnectionError, RuntimeError, ValueError, OSError, ray.exceptions.RayError) as error:
            raise GoodinitError(
                f"cluster {self.address}: this process cannot join it ({first_line(error)}); run goodinit on a node "
                "of the cluster (`ray start --address=HOST:PORT` makes this machine one)"
            ) from None
        self.mine = True

    def hire(self) -> None:
        """Find the owner of this study that another driver left behind, or make one; no other driver may have it."""
        ray = self.ray
        ray.cloudpickle.register_pickle_by_value(on_nodes)
        self.here = ray.get_runtime_context().get_node_id()
        own = {
            "namespace": NAMESPACE,
            "num_cpus": 0,
            "scheduling_strategy": ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(self.here, soft=True),
            # without this Ray runs a load that takes too much memory again for ever
            "runtime_env": {"env_vars": {"RAY_task_oom_retries": "1"}},
        }
        shared = {"name": self._name(), "lifetime": "detached", "get_if_exists": True}
        refused, alone = 0.0, False
        while True:
            self.owner = ray.remote(on_nodes.Owner).options(**own, **({} if alone else shared)).remote(IDLE)
            try:
                left = ray.get(self.owner.claim.remote(self.driver, LEASE), timeout=60)
            except (ray.exceptions.ActorDiedError, ray.exceptions.ActorUnavailableError):
                left = None  # the name of a dead one is not free at once
            except ray.exceptions.RayError as error:
                raise GoodinitError(f"cluster {self.address}: it does not start work ({first_line(error)})") from None
            if left is not None:
                self.left = left
                return
            refused = refused or time.monotonic()
            alone = time.monotonic() - refused > LEASE + 1  # another driver is at the same study now
            time.sleep(0.5)

    def _name(self) -> str:
        """The owner's: drivers that train the same tasks in the same way find the same one."""
        facts = [[task.name, task.identity] for task in self.tasks], self.engine, self.versions
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]

    def lost(self, how: str) -> GoodinitError:
        """The error for a cluster that is gone."""
        return GoodinitError(
            f"cluster {self.address}: the connection is lost ({how}); what has ended is stored: run the same again"
        )

    def needs(self, task: Task) -> dict[str, int]:
        """The processors that a load of a task takes: a GPU where the engine uses one and the cluster has any."""
        return {"CPU": CPUS, "GPU": int(self.gpus and engine_of(task, self.engine).gpu)}

    def slots(self, needs: dict[str, int]) -> int:
        """How many such loads the cluster can train at a time. Raises GoodinitError where this node is lost."""
        alive = [node for node in self.ray.nodes() if node["Alive"]]
        if self.here not in {node["NodeID"] for node in alive}:
            raise self.lost("this machine is no longer one of its nodes")
        nodes = [node["Resources"] for node in alive]
        return sum(min(int(has.get(what, 0)) // number for what, number in needs.items() if number) for has in nodes)


def check_alive(address: str) -> None:
    """Raise GoodinitError unless a cluster answers there within seconds; Ray itself would try for minutes."""
    question = [sys.executable, "-m", "ray.scripts.scripts", "health-check"]
    if address != "auto":
        host, _, port = address.rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()
        except (OSError, OverflowError, ValueError) as error:
            raise GoodinitError(
                f"cluster {address}: nothing answers there ({error}); is it up, and spelt so?"
            ) from None
        question += ["--address", address]
    try:
        answer = subprocess.run(question, capture_output=True, timeout=ANSWER, check=False, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        raise GoodinitError(f"cluster {address}: what answers there is not a Ray cluster, or it is stuck") from None
    if answer.returncode != 0:
        what = "no cluster runs on this machine" if address == "auto" else "what answers there is not a Ray cluster"
        raise GoodinitError(f"cluster {address}: {what}; start one with `ray start --head`, or use cluster='local'")


def first_line(error: Exception) -> str:
    """What an error says, without what Ray adds to it."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
