"""The lab against other hosts' pages, broken and oversized requests, crowds, and connections that are cut."""

import asyncio
import contextlib
import gc
import json
import socket
import struct
import threading
import tracemalloc

import httpx
import pytest
from serving import ended, long, message, post, records, serving, wait_for

from goodinit.lab import jobs, server
from goodinit.lab.limits import LIMITS
from goodinit.lab.message import RecordKind


@pytest.fixture(scope="module")
def served():
    with serving() as (address, lab):
        list(records(address))  # everything is imported
        httpx.get(f"{address}/api/catalogue", timeout=120)
        yield address, lab


@pytest.fixture
def address(served):
    return served[0]


@pytest.fixture
def lab(served):
    yield served[1]
    wait_for(lambda: not served[1].jobs.running and not served[1].jobs.waiting)


def port_of(address):
    return int(address.rpartition(":")[2])


def raw(address, *parts, wait=5.0):
    """What the server answers to these bytes."""
    with socket.create_connection(("127.0.0.1", port_of(address)), timeout=wait) as connection:
        for part in parts:
            connection.sendall(part)
        answer = b""
        try:
            while part := connection.recv(65536):
                answer += part
        except (TimeoutError, ConnectionError):
            pass
        return answer


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "evil.example:80", "127.0.0.1.evil.example", "localhost.evil.example", "0.0.0.0", "[::1]"),
        *("127.0.0.1@evil.example", "evil.example@127.0.0.1", "127.1", "2130706433", "127.0.0.1, evil.example", ""),
        *("localhost:", "localhost:x", "localhost/x", "localhost#", "localhost?", "localhost:99999"),
    ],
)
def test_another_host_is_refused(address, host):
    answer = raw(address, f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    status = int(answer.split()[1])
    assert status in (400, 403), answer[:200]
    assert b"<html" not in answer


def test_two_hosts_or_none_are_refused(address):
    for lines in (b"", b"Host: localhost\r\nHost: evil.example\r\n"):
        answer = raw(address, b"GET / HTTP/1.1\r\n" + lines + b"Connection: close\r\n\r\n")
        assert int(answer.split()[1]) in (400, 403)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LOCALHOST", "localhost:1234"])
def test_this_machine_is_let_in(address, host):
    assert httpx.get(f"{address}/api/catalogue", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    ("headers", "welcome"),
    [
        ({}, True),
        ({"origin": "{address}"}, True),
        ({"origin": "http://evil.example"}, False),
        ({"origin": "null"}, False),
        ({"origin": "http://127.0.0.1:1"}, False),
        ({"origin": "http://localhost:{port}"}, False),  # the address is 127.0.0.1 here
        ({"origin": "https://127.0.0.1:{port}"}, False),
        ({"sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "cross-site"}, False),
        ({"sec-fetch-site": "same-site"}, False),
    ],
)
def test_another_pages_requests_are_refused(address, headers, welcome):
    told = {name: value.format(address=address, port=port_of(address)) for name, value in headers.items()}
    for method, path, options in (
        ("GET", "/api/catalogue", {}),
        ("POST", "/api/python", {"json": {}}),
        ("GET", "/static/js/main.js", {}),
    ):
        answer = httpx.request(method, address + path, headers=told, **options)
        assert answer.status_code == (200 if welcome else 403), path
        if not welcome:
            assert answer.json()["error"]["code"] == "forbidden"
    if "origin" not in headers:  # a link from elsewhere may open the page
        assert httpx.get(address + "/", headers=told).status_code == 200


def test_every_answer_has_the_headers(address):
    for path in ("/", "/api/catalogue", "/nothing", "/static/nothing", "/api/train"):
        answer = httpx.get(address + path)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert policy.count("unsafe") == policy.count("'wasm-unsafe-eval'") == 1
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "access-control-allow-origin" not in answer.headers
    assert httpx.get(address, headers={"host": "evil.example"}).headers["x-content-type-options"] == "nosniff"


def test_what_is_not_there_is_told_in_json(address):
    for method, path, status, code in (
        ("GET", "/nothing", 404, "not-found"),
        ("GET", "/docs", 404, "not-found"),
        ("GET", "/openapi.json", 404, "not-found"),
        ("GET", "/api/train", 405, "wrong-method"),
        ("DELETE", "/", 405, "wrong-method"),
        ("OPTIONS", "/api/train", 405, "wrong-method"),
    ):
        answer = httpx.request(method, address + path)
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), path


@pytest.mark.parametrize("path", ["/api/start", "/api/python", "/api/command", "/api/report"])
def test_a_post_must_be_a_json_object(address, path):
    def answered(content, kind="application/json"):
        answer = httpx.post(address + path, content=content, headers={"content-type": kind})
        return answer.status_code, answer.json()["error"]["code"]

    assert answered(b"{}", "text/plain") == (415, "wrong-content-type")  # what a form of another page can send
    assert answered(b"{}", "application/x-www-form-urlencoded") == (415, "wrong-content-type")
    for content in (b"", b"{", b"[]", b"\xff", b'{"scene": NaN}', b"[" * 100_000, b'{"a":' * 50_000, b"1" * 5000):
        assert answered(content) == (400, "bad-json")
    assert answered(b'{"scen": {}}') == (422, "unknown-field")
    if path != "/api/start":
        assert answered(b'{"scene": 3}') == (422, "wrong-type")
        assert answered(b'{"scene": {"steps": 1e999}}') == (422, "wrong-type")
        assert answered(b'{"scene": {"inits": ["' + b"(" * 300 + b'"]}}') == (422, "bad-initializer")
    answer = httpx.post(address + path, json={"scene": {}}, headers={"content-type": "text/csv"})
    assert answer.status_code == 415


def test_an_oversized_request_is_refused_before_it_is_read(address):
    most = LIMITS["json_bytes"]
    head = "POST {} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {}\r\n{}\r\n\r\n"
    for path, kind, size in (
        ("/api/start", "application/json", most),
        ("/api/python", "application/json", LIMITS["file_bytes"]),
        ("/api/train", "application/octet-stream", LIMITS["train_bytes"]),
    ):
        told = head.format(path, kind, f"Content-Length: {size + 1}").encode()
        answer = raw(address, told)  # not one byte of the body is sent
        assert answer.startswith(b"HTTP/1.1 413"), answer[:100]
        assert b'"code":"too-large"' in answer
        assert b"Traceback" not in answer
        exact = httpx.post(address + path, content=b" " * size, headers={"content-type": kind})
        assert exact.status_code in (400, 422)  # read, and found to be nothing


def test_a_chunked_body_without_a_length_is_bounded_too(address):
    head = (
        b"POST /api/start HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n"
    )
    chunk = b"10000\r\n" + b"a" * 0x10000 + b"\r\n"
    sent = 0
    with socket.create_connection(("127.0.0.1", port_of(address)), timeout=10) as connection:
        connection.sendall(head)
        try:
            for _ in range(1000):  # 64 MiB, if it were let
                connection.sendall(chunk)
                sent += len(chunk)
        except (ConnectionError, TimeoutError):
            pass
        else:
            pytest.fail("all of it was taken")
    assert sent < 160 * LIMITS["json_bytes"]
    assert httpx.get(f"{address}/api/catalogue").status_code == 200


def test_broken_http_is_survived(address):
    for noise in (
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # somebody speaks TLS
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\r\n" * 1000,
    ):
        answer = raw(address, noise, wait=1.0)
        assert b"Traceback" not in answer
    with socket.create_connection(("127.0.0.1", port_of(address))) as connection:
        connection.sendall(
            b"GET /api/train HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        assert b"101" not in connection.recv(100)
    assert httpx.get(f"{address}/api/catalogue").status_code == 200


def test_a_failure_of_ours_shows_no_traceback(served, monkeypatch, caplog):
    address, _ = served

    def broken(*_, **__):
        raise RuntimeError("secret detail")

    with monkeypatch.context() as patch:
        patch.setattr("goodinit.lab.work.train", broken)
        told = list(records(address))
    assert told[-1][0] == RecordKind.ERROR
    assert told[-1][1]["code"] == "internal"
    assert "secret" not in json.dumps(told[-1][1])
    assert "secret detail" in caplog.text  # the terminal says it
    with monkeypatch.context() as patch:
        patch.setattr("goodinit.lab.app.read_scene", broken)
        answer = post(address, "/api/python", {})
    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "internal"
    assert "secret" not in answer.text


def test_a_crowd_is_served_or_told_that_the_lab_is_busy(served, lab):
    address, _ = served
    before = threading.active_count()

    async def one(client):
        headers = {"content-type": "application/octet-stream"}
        for _ in range(5):
            with contextlib.suppress(httpx.ReadError):  # a client so slow that its place was needed asks again
                answer = await client.post(f"{address}/api/train", content=message(), headers=headers, timeout=120)
                break
        if answer.status_code == 200:
            return "busy" if b'"code": "busy"' in answer.content else "end"
        return answer.json()["error"]["code"]

    async def crowd():
        limits = httpx.Limits(max_connections=200)
        async with httpx.AsyncClient(limits=limits) as client:
            return await asyncio.gather(*(one(client) for _ in range(200)))

    most = []
    watching = threading.Event()

    def watch():
        while not watching.wait(0.01):
            most.append((threading.active_count(), len(lab.jobs.running), len(lab.jobs.waiting)))

    watcher = threading.Thread(target=watch)
    watcher.start()
    told = asyncio.run(crowd())
    watching.set()
    watcher.join()
    assert set(told) <= {"end", "busy"}
    assert told.count("end") >= jobs.WAITING  # what waits is not told from what is about to run
    threads, running, waiting = (max(column) for column in zip(*most, strict=True))
    assert threads <= before + 2  # the watcher, and what asyncio looks up names with
    assert running <= jobs.RUNNING
    assert waiting <= jobs.WAITING
    assert ended(address) == RecordKind.END


def test_a_cut_connection_stops_its_training(served, lab):
    address, _ = served
    for begun in (False, True):  # before the first event, and after it
        request = training(long())
        connection = socket.create_connection(("127.0.0.1", port_of(address)))
        connection.sendall(request)
        wait_for(lambda: lab.jobs.running)
        read = b""
        while begun and b"\x01\x00\x00\x00" not in read:
            read += connection.recv(4096) or pytest.fail("it was not trained")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset, as of a crash
        connection.close()
        wait_for(lambda: not lab.jobs.running, 10)


def training(body):
    """The bytes of a request to train."""
    head = "POST /api/train HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/octet-stream\r\nContent-Length: "
    return f"{head}{len(body)}\r\n\r\n".encode() + body


def test_many_cut_connections_leave_nothing_behind(served, lab):
    address, _ = served
    request = training(message(steps=500))

    def cut(times):
        for number in range(times):
            with socket.create_connection(("127.0.0.1", port_of(address))) as connection:
                connection.sendall(request[: None if number % 3 else -5])  # a third in the middle of a body
                if number % 3 and number % 2:
                    connection.recv(1000)
        wait_for(lambda: not lab.jobs.running and not lab.jobs.waiting)
        gc.collect()

    cut(6)
    threads = threading.active_count()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        cut(18)
        wait_for(lambda: threading.active_count() <= threads)
        gc.collect()
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert grown < 1_000_000  # the messages of two trainings are more


def test_a_page_that_does_not_read_is_given_up(served, lab, monkeypatch):
    address, _ = served
    monkeypatch.setattr(jobs, "STALLED", 0.5)
    monkeypatch.setattr(jobs, "HELD", 1 << 16)
    request = training(long(moments=[*range(200)]))  # 12 MB, soon
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", port_of(address)))
        connection.sendall(request)
        wait_for(lambda: lab.jobs.running)
        job = next(iter(lab.jobs.running))
        wait_for(lambda: not lab.jobs.running, 60)
        assert job.cancelled
        assert not job.messages or job.held < 1 << 20


def test_half_sent_headers_shut_nobody_out(served, monkeypatch):
    address, _ = served
    monkeypatch.setattr(server, "SOON", 0.1)
    half = [socket.create_connection(("127.0.0.1", port_of(address))) for _ in range(260)]
    try:
        for connection in half:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: local")
        wait_for(lambda: httpx.get(f"{address}/", timeout=30).status_code == 200)
    finally:
        for connection in half:
            connection.close()


def test_headers_that_do_not_come_end_the_connection(served, monkeypatch):
    address, _ = served
    monkeypatch.setattr(server, "HEADERS_SECONDS", 0.2)
    with socket.create_connection(("127.0.0.1", port_of(address))) as connection:
        connection.settimeout(30)
        connection.sendall(b"GET / HTTP/1.1\r\nHost: local")
        with contextlib.suppress(ConnectionResetError):
            assert connection.recv(100) == b""


def test_a_page_is_served_while_many_streams_are_not_read(served, lab, monkeypatch):
    address, _ = served
    monkeypatch.setattr(jobs, "STALLED", 0.2)
    monkeypatch.setattr(jobs, "HELD", 1 << 14)
    request = training(long(moments=[*range(200)]))  # 12 MB, soon
    unread = []
    try:
        for _ in range(40):
            connection = socket.socket()
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.connect(("127.0.0.1", port_of(address)))
            connection.sendall(request)
            unread.append(connection)
        wait_for(lambda: len(lab.jobs.running) == jobs.RUNNING)
        assert ended(address) == RecordKind.END
    finally:
        for connection in unread:
            connection.close()


@pytest.mark.parametrize(
    "scene",
    [{"loss": "\ud800"}, {"\ud800": 1}, {"inits": ["orthogonal(gain=1e308)"]}, {"inits": ["identity(gain=1e300)"]}],
)
def test_what_answered_500_is_refused(served, scene):
    address, _ = served
    for path in ("/api/python", "/api/report"):
        body = json.dumps({"scene": {"steps": 20, **scene}})
        answer = httpx.post(f"{address}{path}", content=body, headers={"Content-Type": "application/json"}, timeout=60)
        if answer.status_code != 200:
            assert 400 <= answer.status_code < 500
            assert answer.json()["error"]["code"] in ("bad-json", "bad-initializer", "refused")
