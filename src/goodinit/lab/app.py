"""The lab's application: its addresses, and how a request's body is read."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from importlib.resources import files
from pathlib import Path, PurePosixPath
from typing import Any, Final, TypeVar

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from goodinit.lab import export, fields, work
from goodinit.lab.catalogue import served_catalogue
from goodinit.lab.errors import BusyError, LabError
from goodinit.lab.guard import Guard
from goodinit.lab.jobs import Jobs, PageJob
from goodinit.lab.limits import LIMITS
from goodinit.lab.message import RecordKind, read_message, record
from goodinit.lab.page import digits_bytes
from goodinit.lab.scene import Scene, read_file, read_scene
from goodinit.lab.start import drawn_start
from goodinit.results import Study

__all__ = ["Lab"]

T = TypeVar("T")
BODY_SECONDS: Final = 20.0  # for a body to arrive
LIGHT: Final = 64  # requests that read a scene at the same time or wait to
_KINDS: Final = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
    ".txt": "text/plain; charset=utf-8",
    ".md": "text/plain; charset=utf-8",
    ".wasm": "application/wasm",
}


class Lab:
    """What one server holds: trainings, and the application (`app`) that serves them."""

    def __init__(self, link_base: str | None = None) -> None:
        self.jobs, self.link_base = Jobs(), link_base
        self.light = ThreadPoolExecutor(2, thread_name_prefix="goodinit-lab-reading")
        self.reading = 0
        self.static = Path(str(files("goodinit.lab").joinpath("static")))
        inner = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, lifespan=self._lifespan)
        for path, method, answer in (
            ("/", "GET", self.page),
            ("/static/engine/digits.bin", "GET", self.digits),
            ("/static/{path:path}", "GET", self.file),
            ("/api/catalogue", "GET", self.catalogue),
            ("/api/train", "POST", self.train),
            ("/api/start", "POST", self.start),
            ("/api/python", "POST", self.python),
            ("/api/command", "POST", self.command),
            ("/api/report", "POST", self.report),
        ):
            inner.add_api_route(path, answer, methods=[method], response_model=None)
        inner.add_exception_handler(LabError, _refuse)
        inner.add_exception_handler(HTTPException, _not_served)
        inner.add_exception_handler(Exception, _failed)
        self.app = Guard(inner)

    @asynccontextmanager
    async def _lifespan(self, app: FastAPI) -> AsyncIterator[None]:
        warm = asyncio.get_running_loop().run_in_executor(self.light, _warm_up)
        yield
        warm.cancel()
        self.close()

    def close(self) -> None:
        """Stop all trainings and end the threads."""
        self.jobs.close()
        self.light.shutdown(wait=False, cancel_futures=True)
        self.jobs.wait()

    async def page(self, request: Request) -> Response:
        """The page."""
        return self._static(request, "index.html")

    async def file(self, request: Request, path: str) -> Response:
        """One of the page's files."""
        return self._static(request, path)

    def _static(self, request: Request, path: str) -> Response:
        kind = _KINDS.get(PurePosixPath(path).suffix)
        place = (self.static / path).resolve() if kind and "\0" not in path else self.static
        if not (place.is_relative_to(self.static.resolve()) and place.is_file()):
            raise LabError("not-found", f"there is no file {path!r:.80}", given=path, status=404)
        content = place.read_bytes()
        tag = f'"{hashlib.sha256(content).hexdigest()[:20]}"'
        headers = {"etag": tag, "cache-control": "no-cache"}
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(content, headers={**headers, "content-type": str(kind)})

    async def digits(self) -> Response:
        """The digits data set, as the page reads it."""
        return Response(await self._read(digits_bytes), media_type="application/octet-stream")

    async def catalogue(self) -> Response:
        """What can be chosen."""
        return JSONResponse({**await self._read(served_catalogue), "link_base": self.link_base})

    async def train(self, request: Request) -> Response:
        """Train what the message says: records, as training comes to each of its steps."""
        _check_type(request, "application/octet-stream")
        body = await _body(request, LIMITS["train_bytes"])
        job = self.jobs.start(work.training(await self._read(partial(read_message, body))))
        return _Records(job, self.jobs)

    async def start(self, request: Request) -> Response:
        """A start of the catalogue, drawn."""
        body = await _json(request, ("network", "init", "seed", "stream"))
        return JSONResponse(await self._read(partial(drawn_start, body)), headers=_FRESH)

    async def python(self, request: Request) -> Response:
        """The scene as a Python script."""
        scene, study = await self._asked(request)
        return JSONResponse({"text": export.as_python(scene, study)}, headers=_FRESH)

    async def command(self, request: Request) -> Response:
        """The scene as a command."""
        scene, study = await self._asked(request)
        return JSONResponse({"text": export.as_command(scene, study)}, headers=_FRESH)

    async def report(self, request: Request) -> Response:
        """The scene's report, an HTML page to keep."""
        _, study = await self._asked(request)
        job = self.jobs.start(work.report(study))
        page = b""
        try:
            async for message in job.read():
                page += message
                if await request.is_disconnected():
                    break
        finally:
            self.jobs.leave(job)
        if job.failure is not None:
            raise job.failure
        if not page.startswith(b"<!"):
            raise LabError("cancelled", "the report was cancelled: the lab is closing", status=409)
        name = 'attachment; filename="goodinit-report.html"'
        return Response(page, media_type="text/html", headers={**_FRESH, "content-disposition": name})

    async def _asked(self, request: Request) -> tuple[Scene, Study]:
        """The scene of a request, with the file that it names."""
        body = await _json(request, ("scene", "file"), LIMITS["file_bytes"])

        def read() -> tuple[Scene, Study]:
            scene = read_scene(body.get("scene", {}))
            return scene, scene.study(read_file(body.get("file")))

        return await self._read(read)

    async def _read(self, job: Callable[[], T]) -> T:
        """Do something that takes a moment in a thread of its own, so that other pages are served meanwhile."""
        if self.reading >= LIGHT:
            raise BusyError
        self.reading += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self.light, job)
        finally:
            self.reading -= 1


_FRESH: Final = {"cache-control": "no-store"}


class _Records(StreamingResponse):
    """A job's messages; the job stops when they are no longer read, or never were."""

    def __init__(self, job: PageJob, jobs: Jobs) -> None:
        super().__init__(_kept_alive(job), media_type="application/octet-stream", headers=_FRESH)
        self.job, self.jobs = job, jobs

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self.jobs.leave(self.job)


async def _kept_alive(job: PageJob) -> AsyncIterator[bytes]:
    async for message in job.read():
        yield message or record(RecordKind.ALIVE)


def _warm_up() -> None:
    """Import and compute what a first page needs, before it comes."""
    served_catalogue()
    digits_bytes()


def _check_type(request: Request, wanted: str) -> None:
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given != wanted:
        message = f"the request's Content-Type is {given!r:.60}; it must be {wanted}"
        raise LabError("wrong-content-type", message, given=given, status=415)


async def _json(request: Request, known: tuple[str, ...], most: int = LIMITS["json_bytes"]) -> dict[str, Any]:
    """The JSON object of a request, with no other keys than the known ones."""
    _check_type(request, "application/json")
    body = fields.read_json(await _body(request, most))
    return dict(fields.items(body, "", known))


async def _body(request: Request, most: int) -> bytes:
    """The body, as it comes: refused as soon as it is too large, whatever it said of its length."""
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length[:20]) > most:
        raise _too_large(most)
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for part in request.stream():
                body += part
                if len(body) > most:
                    raise _too_large(most)
    except TimeoutError:
        raise LabError("too-slow", "the request did not arrive in time; send it again", status=408) from None
    except ClientDisconnect:
        raise LabError("gone", "the page is gone", status=400) from None
    return bytes(body)


def _too_large(most: int) -> LabError:
    message = f"the request is larger than {most:,} bytes; send less"
    return LabError("too-large", message, allowed={"most": most}, status=413)


async def _refuse(request: Request, error: Exception) -> Response:
    assert isinstance(error, LabError)
    headers = {**_FRESH, "connection": "close"} if error.status in (408, 413) else _FRESH
    return JSONResponse(error.to_dict(), error.status, headers)


async def _not_served(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = {404: "not-found", 405: "wrong-method"}.get(error.status_code, "refused")
    refusal = LabError(code, f"{request.method} {request.url.path[:80]}: {error.detail}", status=error.status_code)
    return JSONResponse(refusal.to_dict(), error.status_code, dict(error.headers or {}))


async def _failed(request: Request, error: Exception) -> Response:
    refusal = LabError(
        "internal", "the lab failed at this request; the terminal it was started from says how", status=500
    )
    return JSONResponse(refusal.to_dict(), 500)
