"""Open the exported lab in Firefox: every preset, the classic figures, and the page again without its host.

    python tools/page_in_firefox.py [SCREENSHOT.png]

Firefox (Debian's `firefox-esr`, for one) is spoken to in its own protocol, Marionette, so that no driver is needed.
The exit code is 1 where a figure is not the published one, a script failed, or the page does not open without a host.
"""

from __future__ import annotations

import base64
import functools
import http.server
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from goodinit.lab import export_page

CLASSIC = [["50 %", "50 %"], ["83 %", "86 %"], ["99.33 %", "96 %"]]
WATCH = """
window.failures = [];
for (const kind of ["error", "unhandledrejection"])
  window.addEventListener(kind, event => window.failures.push(String(event.message || event.reason)));
"""
TRAINED = """
const told = [...document.querySelectorAll(".start .outcome")];
return !document.querySelector("#starts[aria-busy]") && told.length > 0 && told.every(each => each.innerText.trim());
"""
AT_THE_END = """
const scrub = document.querySelector("#scrub");
scrub.value = scrub.max;
scrub.dispatchEvent(new Event("input", {bubbles: true}));
"""
FIGURES = """
return [...document.querySelectorAll(".start")].map(start =>
  ["train", "test"].map(name => start.querySelector(`.figure-${name}`).innerText));
"""
PRESETS = "return [...document.querySelectorAll('#presets button')].map(each => each.innerText)"
PATIENCE = 300.0  # seconds


class Firefox:
    """A Firefox without a window, and its Marionette."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        (folder / "user.js").write_text(f'user_pref("marionette.port", {port});\n')
        name = shutil.which("firefox-esr") or shutil.which("firefox")
        if name is None:
            sys.exit("no firefox here")
        line = [name, "--headless", "--marionette", "--no-remote", "--profile", str(folder)]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.process = subprocess.Popen(line, env={**os.environ, "HOME": str(folder)}, **quiet)  # type: ignore[call-overload]
        self.socket = self._connected(port)
        self.number, self._rest = 0, b""
        self._read()
        self.does("WebDriver:NewSession")

    def _connected(self, port: int) -> socket.socket:
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            try:
                return socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
            except OSError:
                time.sleep(0.2)
        sys.exit("Firefox does not answer")

    def does(self, command: str, **given: Any) -> Any:
        """What a command of the protocol gives."""
        self.number += 1
        message = json.dumps([0, self.number, command, given]).encode()
        self.socket.sendall(b"%d:%s" % (len(message), message))
        _, _, error, result = self._read()
        if error:
            raise RuntimeError(f"{command}: {error['message']}")
        return result

    def _read(self) -> Any:
        while b":" not in self._rest:
            self._rest += self.socket.recv(1 << 16)
        length, _, self._rest = self._rest.partition(b":")
        while len(self._rest) < int(length):
            self._rest += self.socket.recv(1 << 20)
        message, self._rest = self._rest[: int(length)], self._rest[int(length) :]
        return json.loads(message)

    def runs(self, script: str, *given: Any) -> Any:
        """What a script of the page gives."""
        return self.does("WebDriver:ExecuteScript", script=script, args=given, sandbox=None)["value"]

    def opens(self, address: str) -> None:
        """Go there, and wait until all starts are trained."""
        self.does("WebDriver:Navigate", url=address)
        self.runs(WATCH)
        self.waits()

    def waits(self) -> None:
        """Until all starts are trained; then to the last step."""
        end = time.monotonic() + PATIENCE
        while not self.runs(TRAINED):
            if time.monotonic() > end:
                sys.exit(f"no end of training within {PATIENCE:g} s")
            time.sleep(0.1)
        self.runs(AT_THE_END)
        time.sleep(0.5)


@contextmanager
def hosted(root: Path) -> Iterator[str]:
    """A host of the folder's files."""
    serving = functools.partial(_Quiet, directory=str(root))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), serving) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *told: Any) -> None:
        """Say nothing."""


def main() -> None:
    """Print a line a preset, and what was wrong."""
    with tempfile.TemporaryDirectory() as folder:
        root, profile = Path(folder, "host"), Path(folder, "profile")
        profile.mkdir()
        export_page(root / "some/where")
        firefox = Firefox(profile)
        try:
            sys.exit(seen(firefox, root))
        finally:
            firefox.process.terminate()
            firefox.process.wait()


def seen(firefox: Firefox, root: Path) -> int:
    """Look at the page, and say whether something was wrong."""
    with hosted(root) as host:
        address = f"{host}/some/where/"
        firefox.opens(address)
        right = firefox.runs(FIGURES) == CLASSIC
        print(f"classic figures: {'as published' if right else firefox.runs(FIGURES)}")
        for number, name in enumerate(firefox.runs(PRESETS)):
            began = time.monotonic()
            firefox.runs("document.querySelectorAll('#presets button')[arguments[0]].click()", number)
            time.sleep(0.5)
            firefox.waits()
            print(f"{name}: {firefox.runs(FIGURES)}, {time.monotonic() - began:.1f} s", flush=True)
        failures = firefox.runs("return window.failures")
        if sys.argv[1:]:
            picture = firefox.does("WebDriver:TakeScreenshot", full=True, hash=False)["value"]
            Path(sys.argv[1]).write_bytes(base64.b64decode(picture))
    firefox.opens(address)  # its host is gone
    kept = firefox.runs(FIGURES) == CLASSIC
    print(f"without its host: {'the same' if kept else 'other figures'}")
    for each in failures:
        print(f"failed: {each}")
    return int(not right or not kept or bool(failures))


if __name__ == "__main__":
    main()
