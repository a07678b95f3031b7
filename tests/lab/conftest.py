"""A server of the lab for all browser tests of a worker; a calm browser for each file of them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from lab_page import Lab

from children import child

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext

RARELY = "window.requestAnimationFrame = (draw) => setTimeout(() => draw(performance.now()), 150)"
SERVE = "from goodinit.lab import serve; serve(0, browser=False, tell=lambda address: print(address, flush=True))"


@pytest.fixture(scope="session")
def served() -> Iterator[str]:
    """The address of a server for all browser tests of a worker."""
    with child([sys.executable, "-c", SERVE], stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        yield server.stdout.readline().strip()


@pytest.fixture(scope="module")
def address(browser: Browser, request: pytest.FixtureRequest) -> str:
    """The server's address; only where there is a browser is one started."""
    found: str = request.getfixturevalue("served")
    return found


@pytest.fixture(scope="module")
def calm(browser: Browser) -> Iterator[BrowserContext]:
    """A browser of a person who wants no motion: a training's end is shown at once.

    It draws seldom while a training comes, which otherwise takes more time than all else.
    """
    context = browser.new_context(
        viewport={"width": 1600, "height": 1000}, locale="en", reduced_motion="reduce", accept_downloads=True
    )
    context.add_init_script(RARELY)
    yield context
    context.close()


@pytest.fixture
def lab(calm: BrowserContext, address: str) -> Iterator[Lab]:
    page = calm.new_page()
    lab = Lab(page, address)
    yield lab
    page.evaluate("() => { try { localStorage.clear() } catch {} }")  # the next test's language is its own choice
    page.close()
    assert lab.wrong == []
    foreign = [url for url in lab.asked if not url.startswith((address, f"blob:{address}"))]
    assert foreign == []
