"""A real server of the lab for tests: on a free port, in a thread of this process, or as the command."""

import contextlib
import itertools
import json
import socket
import struct
import threading
import time

import httpx
import numpy as np
import threadpoolctl
import uvicorn

from goodinit.lab.app import Lab
from goodinit.lab.message import RecordKind
from goodinit.lab.server import CONNECTIONS, Patient

TASK = {
    "network": {"widths": [2, 3, 1], "activation": "relu", "loss": "binary_cross_entropy"},
    "networks": 1,
    "examples": 8,
    "learning_rate": 0.1,
    "optimizer": "gradient_descent",
    "steps": 30,
    "record_every": 2,
    "batch_size": None,
    "seed": 3,
    "moments": [0, 10, 30],
}
CSV = "size,shade,kind\n" + "".join(f"{i},{i % 5},{'cat' if i % 3 else 'dog'}\n" for i in range(40))
OWN = [[0.1 * i, 0.5 * (-1) ** i, i % 2] for i in range(20)]


@contextlib.contextmanager
def serving():
    """A lab's address and the lab itself; all its threads have ended afterwards."""
    lab = Lab()
    place = socket.socket()
    place.bind(("127.0.0.1", 0))
    config = uvicorn.Config(
        lab.app,
        log_level="warning",
        ws="none",
        http=Patient,
        limit_concurrency=CONNECTIONS,
        timeout_graceful_shutdown=2,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [place]})
    thread.start()
    blas = threadpoolctl.threadpool_limits(1, user_api="blas")  # as `serve` sets it
    try:
        wait_for(lambda: server.started)
        yield f"http://127.0.0.1:{place.getsockname()[1]}", lab
    finally:
        lab.jobs.close()
        server.should_exit = True
        thread.join(30)
        place.close()
        blas.restore_original_limits()


def wait_for(condition, seconds=30.0):
    """Wait until the condition holds; fail where it does not in that time."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to that in time"
        time.sleep(0.02)


def message(**changed):
    """The body of a request to train: small, but for what is changed, on examples and weights that mean nothing."""
    task = {**TASK, **changed}
    widths, rng = task["network"]["widths"], np.random.default_rng(0)
    size = sum(outputs * (inputs + 1) for inputs, outputs in itertools.pairwise(widths))
    X = rng.normal(size=(task["examples"], widths[0]))
    Y = np.zeros((task["examples"], widths[-1]))
    parameters = 0.1 * rng.normal(size=(task["networks"], size))
    return json.dumps(task).encode() + b"\n" + b"".join(each.tobytes() for each in (X, Y, parameters))


def long(**changed):
    """The body of a request that takes many seconds of work."""
    network = {"widths": [2, 60, 60, 1], "activation": "relu", "loss": "binary_cross_entropy"}
    moments = [*range(0, 100_000, 1000), 100_000]
    told = {"network": network, "examples": 300, "steps": 100_000, "moments": moments, "networks": 2, **changed}
    return message(**told)


def records(address, body=None):
    """The records of a training, as pairs of a kind and numbers, or what an error tells."""
    body = message() if body is None else body
    headers = {"content-type": "application/octet-stream"}
    with httpx.stream("POST", f"{address}/api/train", content=body, headers=headers, timeout=120) as answer:
        assert answer.status_code == 200, answer.read()
        held = b""
        for part in answer.iter_bytes():
            held += part
            while len(held) >= 8 and len(held) >= 8 + struct.unpack_from("<I", held, 4)[0]:
                kind, size = struct.unpack_from("<II", held)
                told, held = held[8 : 8 + size], held[8 + size :]
                if kind != RecordKind.ALIVE:
                    yield kind, json.loads(told)["error"] if kind == RecordKind.ERROR else np.frombuffer(told)
        assert held == b""


def ended(address, body=None):
    """The kind of a training's last record."""
    return [kind for kind, _ in records(address, body)][-1]


def post(address, path, facts):
    """The answer to a POST of JSON."""
    return httpx.post(f"{address}{path}", json=facts, timeout=120)
