"""Attacks on a served lab, one after another and then crowds: `python tools/attack_lab.py`.

Each answer must be a refusal (or an ordinary page for what is harmless), never a 500 and never a file from elsewhere,
and the page must be served all the while. docs/lab.md has its counts.
"""

from __future__ import annotations

import http.client
import json
import random
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

SERVE = "from goodinit.lab import serve; serve(0, browser=False, tell=lambda address: print(address, flush=True))"
HALF_SENT, UNREAD = 260, 60
SECRET = b"root:x:0"

Request = tuple[str, str, dict[str, str], bytes]
JSON = {"Content-Type": "application/json"}
RAW = {"Content-Type": "application/octet-stream"}
TASK: dict[str, Any] = {
    "network": {"widths": [2, 3, 1], "activation": "relu", "loss": "binary_cross_entropy"},
    "networks": 1,
    "examples": 8,
    "learning_rate": 0.1,
    "optimizer": "adam",
    "steps": 30,
    "record_every": 2,
    "batch_size": None,
    "seed": 3,
    "moments": [0, 30],
}


def post(path: str, body: bytes | Any, **headers: str) -> Request:
    """A POST of JSON, or of these bytes."""
    return ("POST", path, {**JSON, **headers}, body if isinstance(body, bytes) else json.dumps(body).encode())


def message(task: dict[str, Any], numbers: bytes | None = None, **headers: str) -> Request:
    """A message to train, of zeros where no numbers are given."""
    body = json.dumps(task).encode() + b"\n" + (b"\x00" * 8 * 37 if numbers is None else numbers)
    return post("/api/train", body, **RAW, **headers)


def hosts(port: int) -> Iterator[Request]:
    """Names that are not this machine's, and pages of other sites."""
    names = [
        "evil.example",
        "127.0.0.1.evil.example",
        "0.0.0.0",
        "[::1]",
        "127.1",
        "2130706433",
        "0x7f.1",
        "localhost.",
        "",
    ]
    names += [
        "127.0.0.1@evil.example",
        "evil.example@127.0.0.1",
        "localhost:",
        "localhost:x",
        "localhost/x",
        "localhost:99999",
    ]
    names += [
        "127.0.0.1, evil.example",
        "127.0.0.1 evil",
        "[::ffff:127.0.0.1]",
        "127.0.0.1%00.evil",
        "①②⑦.0.0.1".encode().decode("latin-1"),
    ]
    for name in names:
        for path in ("/", "/api/catalogue", "/static/js/main.js"):
            yield ("GET", path, {"Host": name}, b"")
    for origin in (
        "null",
        "http://evil.example",
        f"https://127.0.0.1:{port}",
        f"http://localhost:{port}",
        f"http://127.0.0.1:{port + 1}",
    ):
        for path in ("/api/start", "/api/python", "/api/report"):
            yield post(path, {"scene": {}}, Origin=origin)
        yield message(TASK, Origin=origin)
    for site in ("cross-site", "same-site", "weird"):
        for path in ("/api/catalogue", "/static/js/main.js"):
            yield ("GET", path, {"Sec-Fetch-Site": site}, b"")
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        for path in ("/api/start", "/api/train", "/api/python", "/api/report"):
            yield post(path, {"scene": {}}, **{"Content-Type": kind})


def traversal() -> Iterator[Request]:
    """Ways out of the folder."""
    ways = [
        "../" * 9 + "etc/passwd",
        "..%2f" * 9 + "etc/passwd",
        "%2e%2e/" * 9 + "etc/passwd",
        "..\\" * 9 + "etc\\passwd",
    ]
    ways += [
        "..%5c" * 9 + "etc/passwd",
        "....//" * 9 + "etc/passwd",
        "%252e%252e/" * 9 + "etc/passwd",
        "..%c0%af" * 9 + "etc/passwd",
    ]
    ways += [
        "/etc/passwd",
        "//etc/passwd",
        "%00",
        "index.html%00.js",
        "js/../../../../app.py",
        "../app.py",
        "..;/app.py",
        "~root",
        ".",
    ]
    for way in ways:
        for start in ("/static/", "/", "/static/js/"):
            yield ("GET", start + way, {}, b"")
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "PROPFIND"):
        for path in ("/", "/api/train", "/static/js/main.js"):
            yield (method, path, {}, b"")


def bodies() -> Iterator[Request]:
    """Things that are no scene."""
    broken = [
        b"",
        b"{",
        b"[" * 5000,
        b"nul",
        b"\xff\xfe",
        b'{"scene": NaN}',
        b'{"scene": {}, "scene": 1}',
        b'"' + b"a" * 400_000 + b'"',
    ]
    broken += [
        b'{"scene": {"steps": 1e999}}',
        b'{"scene": {"loss": "\\ud800"}}',
        b'{"a":' * 50 + b"1" + b"}" * 50,
        b"[]",
        b"7",
        b"null",
    ]
    for body in broken:
        for path in ("/api/start", "/api/python", "/api/command"):
            yield post(path, body)
        yield post("/api/train", body, **RAW)
    odd = [
        None,
        [],
        {},
        "x",
        -1,
        1e308,
        True,
        "\x00",
        "<script>alert(1)</script>",
        "__import__('os').system('id')",
        "a" * 3000,
        "\U0001d54f" * 200,
        2**70,
    ]
    fields = [
        "hidden",
        "activation",
        "loss",
        "inits",
        "learning_rate",
        "optimizer",
        "steps",
        "batch_size",
        "seed",
        "seeds",
        "stream",
        "data",
    ]
    for field in fields:
        for value in odd:
            yield post("/api/python", {"scene": {field: value}})
    texts = [
        "normal(std=1e308)",
        "normal(std=-1)",
        "orthogonal(gain=1e308)",
        "identity(gain=1e300)",
        "scaled(of=zeros, gain=inf)",
        "zeros()" * 50,
    ]
    texts += [
        "he_normal(mode=__class__)",
        "he_normal(activation=open('/etc/passwd'))",
        "constant(value=nan)",
        "(" * 500,
        "sparse(sparsity=2)",
    ]
    texts += [
        "uniform(low=1, high=0)",
        "normal(std=1" + "0" * 400 + ")",
        "truncated_normal(std=0)",
        "load('/etc/passwd')",
        "../../etc/passwd",
    ]
    for text in texts:
        for path in ("/api/python", "/api/command"):
            yield post(path, {"scene": {"inits": [text], "steps": 5, "hidden": [3]}})
        yield post("/api/start", {"network": TASK["network"], "init": {"spec": text}, "seed": 3, "stream": "keyed"})


def messages() -> Iterator[Request]:
    """Trainings that are none, or too large."""
    odd = [None, [], {}, "x", -1, 0, 1e308, True, 2**70, "__import__('os').system('id')", [0] * 1000]
    for field in TASK:
        for value in odd:
            yield message({**TASK, field: value})
    for name in ("widths", "activation", "loss"):
        for value in odd:
            yield message({**TASK, "network": {**TASK["network"], name: value}})
            yield post("/api/start", {"network": {**TASK["network"], name: value}, "init": {"spec": "zeros"}})
    for widths in ([2, 128, 128, 128, 128, 128, 128, 128, 1], [2] * 67, [101, 1], [2, 129, 1], [10**9, 1]):
        yield message({**TASK, "network": {**TASK["network"], "widths": widths}})
    numbers = [b"", b"\x00" * 8, b"\x00" * 7, b"\xff" * 8 * 21, b"\x00" * (1 << 22), b"\x00" * (1 << 24)]
    for body in numbers:
        yield message(TASK, body)
    yield message({**TASK, "steps": 100_000, "networks": 16, "examples": 5000})
    yield message({**TASK, "moments": list(range(31)) * 2})


def files() -> Iterator[Request]:
    """Files that are no table, and names that are no names."""
    tables = [
        b"",
        b"\x00" * 100,
        b"a,b\n",
        b"a,b\n1\n2,3,4\n",
        b"\xff\xfea,b\n1,2\n",
        b"a" * 2_000_000,
        b"=cmd|' /C calc'!A0,b\n1,x\n2,y\n3,x\n4,y\n",
    ]
    tables += [
        b"a,a\n1,x\n2,y\n",
        b"," * 5000 + b"\n",
        b'a,b\n"' + b"x" * 9000,
        b"a,b\n" + b"1,x\n" * 20_000,
        b"a,b\r1,x\r2,y\r",
        b"1,2\n3,4\n",
    ]
    for table in tables:
        for name in ("x.csv", "../../etc/passwd", "\x00", "a" * 400, "<b>.csv"):
            file = {"name": name, "text": table.decode("latin-1")}
            yield post("/api/command", {"scene": {"data": {"name": "csv", "csv": "x"}}, "file": file})
    for key in ("../../etc/passwd", "/etc/passwd", "0" * 32, "", None):
        yield post("/api/python", {"scene": {"data": {"name": "csv", "csv": key}}})
    for file in ("/etc/passwd", {"name": "/etc/passwd"}, {"name": "x", "text": 7}, {"path": "/etc/passwd"}, []):
        yield post("/api/python", {"scene": {"data": {"name": "csv", "csv": "x"}}, "file": file})


def ask(port: int, request: Request) -> tuple[int, bytes]:
    """The status and the body of an answer; 0 where the connection was closed."""
    method, path, headers, body = request
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.putrequest(method, path.encode("ascii", "replace").decode(), skip_host="Host" in headers)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            connection.putheader(name, value.encode("latin-1", "replace"))
        connection.endheaders(body)
        answer = connection.getresponse()
        return answer.status, answer.read(1 << 20)
    except (OSError, http.client.HTTPException, ValueError):
        return 0, b""
    finally:
        connection.close()


def alive(port: int) -> float:
    """Seconds that the page took."""
    begun = time.monotonic()
    status, body = ask(port, ("GET", "/", {}, b""))
    if status != 200 or b"<html" not in body:
        raise SystemExit(f"the page was not served: {status}")
    return time.monotonic() - begun


def crowd(port: int, count: int, sent: bytes) -> list[float]:
    """How long the page takes while so many connections hang that sent this and read nothing."""
    held = []
    for _ in range(count):
        try:
            connection = socket.create_connection(("127.0.0.1", port), timeout=5)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.sendall(sent)
            held.append(connection)
        except OSError:
            break
    waits, refused = [], 0
    end = time.monotonic() + 30
    while time.monotonic() < end and len(waits) < 5:
        status, _ = ask(port, ("GET", "/", {}, b""))
        if status == 200:
            waits.append(alive(port))
        else:
            refused += 1
            time.sleep(0.5)
    for connection in held:
        connection.close()
    if not waits:
        raise SystemExit("nobody else was served for 30 seconds")
    sys.stdout.write(
        f"{len(held)} hanging connections: refused {refused} times, then served in {max(waits):.2f} s at most\n"
    )
    return waits


def main() -> None:
    """Serve, attack, count."""
    with subprocess.Popen(
        [sys.executable, "-c", SERVE], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        port = int(server.stdout.readline().strip().rstrip("/").rpartition(":")[2])
        requests = [*hosts(port), *traversal(), *bodies(), *messages(), *files()]
        random.Random(0).shuffle(requests)
        statuses: Counter[int] = Counter()
        bad = []
        slowest = 0.0
        for number, request in enumerate(requests):
            status, body = ask(port, request)
            statuses[status] += 1
            if (status >= 500 and status != 503) or SECRET in body or b"Traceback" in body or b"__all__" in body:
                bad.append((status, *request[:2], request[3][:80]))
            if number % 50 == 0:
                slowest = max(slowest, alive(port))
        sys.stdout.write(
            f"{len(requests)} attacks; statuses {dict(sorted(statuses.items()))}; the page in {slowest:.2f} s at most\n"
        )
        for each in bad:
            sys.stdout.write(f"through: {each}\n")
        half = f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nX-A: ".encode()
        crowd(port, HALF_SENT, half)
        wide = {"widths": [2, 60, 60, 1], "activation": "relu", "loss": "binary_cross_entropy"}
        task = {**TASK, "network": wide, "examples": 100, "steps": 20_000, "moments": list(range(200))}
        _, path, headers, body = message(task, bytes(8 * (300 + 2 * 60 + 60 + 60 * 60 + 60 + 60 + 1)))
        lines = [f"POST {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", f"Content-Length: {len(body)}"]
        head = "\r\n".join([*lines, *(f"{name}: {value}" for name, value in headers.items()), "", ""])
        crowd(port, UNREAD, head.encode() + body)
        sys.stdout.write("none through\n" if not bad else f"{len(bad)} through\n")
        server.terminate()
    raise SystemExit(bool(bad))


if __name__ == "__main__":
    main()
