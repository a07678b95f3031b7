"""A real server of the lab for tests: on a free port, in a thread of this process, or as the command."""

import contextlib
import json
import socket
import threading
import time

import httpx
import threadpoolctl
import uvicorn

from goodinit.lab.app import Lab
from goodinit.lab.server import CONNECTIONS, Patient

CLIENT = "test-client-1"


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


def events(address, scene=None, client=CLIENT):
    """The events of a training, as pairs of a name and what it tells."""
    with httpx.stream(
        "POST", f"{address}/api/train", json={"client": client, "scene": scene or {}}, timeout=120
    ) as answer:
        assert answer.status_code == 200, answer.read()
        assert answer.headers["content-type"].startswith("text/event-stream")
        name = None
        for line in answer.iter_lines():
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data: "):
                yield name, json.loads(line.removeprefix("data: "), parse_constant=_no_constant)


def _no_constant(name):
    raise AssertionError(f"{name} is not JSON")


def post(address, path, facts):
    """The answer to a POST of JSON."""
    return httpx.post(f"{address}{path}", json=facts, timeout=120)
