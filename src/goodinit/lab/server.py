"""The lab's server: on this machine only, until Ctrl-C."""

from __future__ import annotations

import asyncio
import os
import re
import select
import signal
import socket
import sys
import threading
import webbrowser
from collections.abc import Callable
from types import FrameType
from typing import ClassVar, Final

import threadpoolctl
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from goodinit.errors import GoodinitError
from goodinit.lab.app import Lab

__all__ = ["Patient", "serve"]

HOST: Final = "127.0.0.1"
_ADDRESS: Final = re.compile(r"https?://[^\s/?#]+(/[^\s?#]*)?")
CONNECTIONS: Final = 256  # open at a time; more are answered 503 at once
HEADERS_SECONDS: Final = 15.0  # for a request's headers to arrive, and between requests
SOON: Final = 1.0  # seconds in which a request that was not stopped has come
MOST_WAITING: Final = 64  # connections that wait longer than that without a request: a browser opens some ahead


class Patient(H11Protocol):
    """A connection whose requests must come whole, headers and all, within some seconds.

    Where very many wait with half a request, those that have waited longest give their places to new ones.
    """

    waiting: ClassVar[dict[Patient, asyncio.TimerHandle]] = {}

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A new connection."""
        super().connection_made(transport)
        self._look()

    def data_received(self, data: bytes) -> None:
        """Some of a request, or all of it."""
        super().data_received(data)
        self._look()

    def on_response_complete(self) -> None:
        """The answer is sent; uvicorn closes the connection where no other request begins."""
        super().on_response_complete()
        self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        """The end."""
        self._come()
        super().connection_lost(exc)

    def _look(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            self._come()
        elif self not in self.waiting and not self.transport.is_closing():
            self.waiting[self] = self.loop.call_later(HEADERS_SECONDS, self._give_up)
            late = self.loop.time() + HEADERS_SECONDS - SOON
            for each in [each for each, timer in self.waiting.items() if timer.when() < late][:-MOST_WAITING]:
                if not each._unread():
                    each._give_up()

    def _unread(self) -> bool:
        """Whether some of a request has come that this busy process has not read yet."""
        try:
            return bool(select.select([self.transport.get_extra_info("socket")], [], [], 0)[0])
        except (OSError, ValueError):  # it is closed, or its number is above what `select` takes
            return False

    def _come(self) -> None:
        timer = self.waiting.pop(self, None)
        if timer is not None:
            timer.cancel()

    def _give_up(self) -> None:
        self._come()
        self.transport.abort()


class _Server(uvicorn.Server):
    """Says when it serves, and stops the trainings before it waits for their pages."""

    def __init__(self, config: uvicorn.Config, lab: Lab, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self.lab, self.ready = lab, ready
        self.ignored = [each for each in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(each) is signal.SIG_IGN]

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self.ready()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if sig in self.ignored:  # as the background of a script has it
            return
        self.lab.jobs.close()
        super().handle_exit(sig, frame)


def serve(port: int, browser: bool, tell: Callable[[str], None], link_base: str | None = None) -> None:
    """Serve the lab on a port of 127.0.0.1, 0 for any free one, until Ctrl-C; `tell` is told the address.

    Raises GoodinitError where the port is taken or is none.
    """
    if link_base is not None and not (link_base.isprintable() and _ADDRESS.fullmatch(link_base)):
        raise GoodinitError(f"link base {link_base!r}: give an address such as https://example.org/lab/")
    place = _bound(port)
    address = f"http://{HOST}:{place.getsockname()[1]}/"

    def ready() -> None:
        tell(address)
        if browser and _has_screen():
            threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()

    # The pictures' matrix products are small, and the engine has threads of its own: more for BLAS only get in its
    # way, twentyfold on a busy machine.
    threadpoolctl.threadpool_limits(1, user_api="blas")
    lab = Lab(link_base)
    config = uvicorn.Config(
        lab.app,
        log_level="warning",
        access_log=False,
        server_header=False,
        ws="none",
        lifespan="on",
        http=Patient,
        limit_concurrency=CONNECTIONS,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=2,
    )
    server = _Server(config, lab, ready)
    try:
        server.run(sockets=[place])
    except KeyboardInterrupt:  # which uvicorn raises again when it has ended
        pass
    finally:
        lab.close()
        place.close()
    if not server.started:
        raise GoodinitError(f"the lab could not be served at {address}")


def _bound(port: int) -> socket.socket:
    """A socket of that port."""
    if not 0 <= port <= 65535:
        raise GoodinitError(f"port {port}: give an integer from 1 to 65535, or 0 for any free one")
    place = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    if os.name == "posix":  # elsewhere it would share a port that is taken
        place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        place.bind((HOST, port))
        place.listen(128)
    except OSError as error:
        place.close()
        raise GoodinitError(
            f"port {port} cannot be used ({error.strerror or error}); choose another with --port, or --port 0 for any"
        ) from None
    return place


def _has_screen() -> bool:
    """Whether a browser would open beside the terminal, not in it."""
    if sys.platform in ("win32", "darwin"):
        return True
    return any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"))
