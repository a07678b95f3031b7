"""The door: only this machine's own page comes in, and every answer says what a browser may do with it.

A page of another site can make a browser send requests here. Its own name in Host (DNS rebinding), Origin or
Sec-Fetch-Site gives it away, and its POST of JSON would have to ask first, which is never allowed.
"""

from __future__ import annotations

import json
from typing import Any, Final
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from goodinit.lab.errors import LabError
from goodinit.lab.page import POLICY

__all__ = ["Guard"]

HOSTS: Final = ("127.0.0.1", "localhost")
HEADERS: Final = (
    (b"content-security-policy", f"{POLICY}; frame-ancestors 'none'".encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)


class Guard:
    """Wraps an application: refuses what comes from elsewhere, and adds the headers to every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *HEADERS]
            await send(message)

        if scope["type"] != "http":  # a web socket: there are none here
            await send({"type": "websocket.close", "code": 1008})
            return
        refusal = _refusal(scope)
        if refusal is None:
            await self.app(scope, receive, guarded)
            return
        body = json.dumps(refusal.to_dict()).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await guarded({"type": "http.response.start", "status": refusal.status, "headers": headers})
        await guarded({"type": "http.response.body", "body": body})


def _refusal(scope: Scope) -> LabError | None:
    """Why a request may not come in, or None."""
    host = _one(scope, b"host")
    if host is None or _hostname(f"http://{host}") not in HOSTS:
        return _forbidden("Host", host, "open the lab by the address that it printed")
    origin = _values(scope, b"origin")
    if origin and origin != [f"http://{host}"]:
        return _forbidden("Origin", origin[0], "another page may not use the lab")
    site = _one(scope, b"sec-fetch-site")
    opened = scope["path"] == "/" and scope["method"] == "GET"  # a link to a scene may stand anywhere
    if site not in (None, "same-origin", "none") and not opened:
        return _forbidden("Sec-Fetch-Site", site, "another page may not use the lab")
    return None


def _values(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in scope["headers"] if key == name]


def _one(scope: Scope, name: bytes) -> str | None:
    """A header that came once at most; a name that no host has where it came more often."""
    values = _values(scope, name)
    return values[0] if len(values) == 1 else None if not values else "several"


def _hostname(address: str) -> str | None:
    """The host of an address that holds nothing else but a port."""
    try:
        parts = urlsplit(address)
        plain = parts.port is not None or not parts.netloc.endswith(":")
    except ValueError:
        return None
    bare = parts.netloc == address.removeprefix("http://") and "@" not in parts.netloc
    return parts.hostname if bare and plain else None


def _forbidden(header: str, given: Any, advice: str) -> LabError:
    return LabError("forbidden", f"the request's {header} is {given!r:.80}; {advice}", given=given, status=403)
