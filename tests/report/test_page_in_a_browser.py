"""The page in Chromium without a network: nothing asked for, nothing wrong, no sideways scrolling."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import goodinit

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = goodinit.compare(
        ["zeros", "he_normal", "normal(std=1.0000000000000002)"], learning_rate=[0.01, 1000.0], seeds="0-3", steps=20
    )
    return found.report(tmp_path_factory.mktemp("browser") / "report.html")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1400])
def test_the_page_in_a_browser(browser: Browser, path: Path, width: int, scheme: Any) -> None:
    context = browser.new_context(offline=True, color_scheme=scheme, viewport={"width": width, "height": 900})
    page = context.new_page()
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    page.wait_for_load_state("networkidle")
    assert said == []
    assert asked == [path.as_uri()]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == (
        "rgb(246, 247, 249)" if scheme == "light" else "rgb(18, 21, 26)"
    )
    widths = page.evaluate("[...document.querySelectorAll('.scroll > svg')].map(e => e.getBoundingClientRect().width)")
    assert len(widths) == page.locator("svg").count() == 4
    assert min(widths) > 300
    context.close()


def test_the_page_prints_light(browser: Browser, path: Path) -> None:
    context = browser.new_context(offline=True, color_scheme="dark", viewport={"width": 1000, "height": 900})
    page = context.new_page()
    page.goto(path.as_uri())
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(27, 31, 36)"
    assert page.pdf().startswith(b"%PDF")
    context.close()
