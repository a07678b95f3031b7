"""The lab's application: its addresses, and how a request's body is read."""

from __future__ import annotations

import asyncio
import hashlib
import re
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
from goodinit.lab.catalogue import catalogue
from goodinit.lab.errors import BusyError, LabError
from goodinit.lab.guard import Guard
from goodinit.lab.jobs import Jobs, PageJob
from goodinit.lab.limits import LIMITS
from goodinit.lab.scene import Scene, read_scene
from goodinit.lab.uploads import Uploads
from goodinit.results import Study
from goodinit.scenes import Film

__all__ = ["Lab"]

T = TypeVar("T")
BODY_SECONDS: Final = 20.0  # for a body to arrive
LIGHT: Final = 64  # requests that read a scene at the same time or wait to
_CLIENT: Final = re.compile(r"[A-Za-z0-9_-]{8,64}")
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
    """What one server holds: trainings, uploads, and the application (`app`) that serves them."""

    def __init__(self, link_base: str | None = None) -> None:
        self.jobs, self.uploads, self.link_base = Jobs(), Uploads(), link_base
        self.light = ThreadPoolExecutor(2, thread_name_prefix="goodinit-lab-reading")
        self.reading = 0
        self.static = Path(str(files("goodinit.lab").joinpath("static")))
        inner = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, lifespan=self._lifespan)
        for path, method, answer in (
            ("/", "GET", self.page),
            ("/static/{path:path}", "GET", self.file),
            ("/api/catalogue", "GET", self.catalogue),
            ("/api/train", "POST", self.train),
            ("/api/check", "POST", self.check),
            ("/api/cancel", "POST", self.cancel),
            ("/api/csv", "POST", self.csv),
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

    async def catalogue(self) -> Response:
        """What can be chosen."""
        return JSONResponse({**await self._read(catalogue), "link_base": self.link_base})

    async def train(self, request: Request) -> Response:
        """Film a scene: server-sent events."""
        body = await _json(request, ("client", "scene"))
        client = _client(body)
        scene, study = await self._read(partial(self._scene, body))
        job = self.jobs.start(client, work.train(scene, study))
        return _Events(job, self.jobs)

    async def check(self, request: Request) -> Response:
        """A scene with every field explicit, or what is wrong with it."""
        scene, _ = await self._read(partial(self._scene, await _json(request, ("scene",))))
        return JSONResponse({"scene": scene.to_dict()}, headers=_FRESH)

    async def cancel(self, request: Request) -> Response:
        """Stop a page's training, and its report."""
        client = _client(await _json(request, ("client",)))
        stopped = client is not None and any([self.jobs.cancel(client), self.jobs.cancel(f"{client}/report")])
        return JSONResponse({"cancelled": stopped}, headers=_FRESH)

    async def csv(self, request: Request, name: str = "data.csv") -> Response:
        """Keep an uploaded CSV file for a while."""
        _check_type(request, "text/csv")
        shown = fields.text(name, "name").replace("\\", "/").rpartition("/")[2] or "data.csv"
        body = await _body(request, LIMITS["csv_bytes"])
        key, upload = await self._read(partial(self.uploads.add, shown, body))
        columns = list(upload.columns)
        facts = {"csv": key, "name": shown, "rows": upload.rows, "columns": columns, "target": columns[-1]}
        return JSONResponse(facts, headers=_FRESH)

    async def python(self, request: Request) -> Response:
        """The scene as a Python script."""
        scene, study = await self._read(partial(self._scene, await _json(request, ("scene",))))
        return JSONResponse({"text": export.as_python(scene, study)}, headers=_FRESH)

    async def command(self, request: Request) -> Response:
        """The scene as a command."""
        scene, study = await self._read(partial(self._scene, await _json(request, ("scene",))))
        return JSONResponse({"text": export.as_command(scene, study)}, headers=_FRESH)

    async def report(self, request: Request) -> Response:
        """The scene's report, an HTML page to keep."""
        body = await _json(request, ("client", "scene"))
        client = _client(body)
        _, study = await self._read(partial(self._scene, body))
        job = self.jobs.start(None if client is None else f"{client}/report", work.report(study))
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
            raise LabError("cancelled", "the report was cancelled: the page went on to something else", status=409)
        name = 'attachment; filename="goodinit-report.html"'
        return Response(page, media_type="text/html", headers={**_FRESH, "content-disposition": name})

    def _scene(self, body: dict[str, Any]) -> tuple[Scene, Study]:
        scene = read_scene(body.get("scene", {}))
        return scene, scene.study(self.uploads)

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


class _Events(StreamingResponse):
    """A job's messages as server-sent events; the job stops when they are no longer read, or never were."""

    def __init__(self, job: PageJob, jobs: Jobs) -> None:
        super().__init__(_kept_alive(job), media_type="text/event-stream", headers=_FRESH)
        self.job, self.jobs = job, jobs

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self.jobs.leave(self.job)


async def _kept_alive(job: PageJob) -> AsyncIterator[bytes]:
    async for message in job.read():
        yield message or b": alive\n\n"


def _warm_up() -> None:
    """Import and compute what a first scene needs, before it comes."""
    catalogue()
    scene = Scene()
    study = scene.study(Uploads())
    Film(study.tasks[0], study.initializers, scene.seed).openings()


def _client(body: dict[str, Any]) -> str | None:
    given = body.get("client")
    if given is None:
        return None
    name = fields.text(given, "client")
    if not _CLIENT.fullmatch(name):
        message = "client must be 8 to 64 letters, digits, - or _"
        raise LabError("out-of-range", message, field="client", given=name)
    return name


def _check_type(request: Request, wanted: str) -> None:
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given != wanted:
        message = f"the request's Content-Type is {given!r:.60}; it must be {wanted}"
        raise LabError("wrong-content-type", message, given=given, status=415)


async def _json(request: Request, known: tuple[str, ...]) -> dict[str, Any]:
    """The JSON object of a request, with no other keys than the known ones."""
    _check_type(request, "application/json")
    body = fields.read_json(await _body(request, LIMITS["json_bytes"]))
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
