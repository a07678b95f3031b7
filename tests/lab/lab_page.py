"""One page of the lab in a browser, as the tests drive it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from playwright.sync_api import Page

SMALL = "#data=moons&hidden=4&steps=8&init=he_normal&init=zeros"  # few steps: each draws all pictures anew
PATIENCE = 180_000  # milliseconds, on a machine that does much else

CSV = "width,height,kind\n" + "".join(
    f"{x},{y},{'tall' if y > x else 'wide'}\n" for x in range(8) for y in range(8) if x != y
)
DROP = """([text, name]) => {
    const files = new DataTransfer();
    files.items.add(new File([text], name, {type: "text/csv"}));
    for (const type of ["dragenter", "dragover", "drop"])
        document.body.dispatchEvent(new DragEvent(type, {dataTransfer: files, bubbles: true, cancelable: true}));
}"""
SCENES = """window.scenes = []; const post = Worker.prototype.postMessage;
Worker.prototype.postMessage = function (message, ...rest) {
    if (message.scene && message.k === 0) window.scenes.push(message.scene);
    return post.call(this, message, ...rest);
};"""  # the first start's Worker is told every scene that is trained


class Lab:
    """One page of the lab, and what it said and asked for."""

    def __init__(self, page: Page, address: str) -> None:
        self.page, self.address = page, address
        self.wrong: list[str] = []
        self.asked: list[str] = []
        page.add_init_script(SCENES)
        page.set_default_timeout(PATIENCE)
        page.on("console", lambda message: self.wrong.append(message.text))
        page.on("pageerror", lambda error: self.wrong.append(str(error)))
        page.on("request", lambda request: self.asked.append(request.url))

    @property
    def trained(self) -> list[dict[str, Any]]:
        """The scenes that were asked for since the page was loaded."""
        found: list[dict[str, Any]] = self.page.evaluate("window.scenes")
        return found

    def open(self, hash_: str = SMALL) -> Lab:
        self.page.goto(self.address + hash_)
        return self.trained_all()

    def trained_all(self) -> Lab:
        """Wait until the training that was asked for last is here whole."""
        self.page.locator("#starts:not([aria-busy]) .outcome").first.wait_for()
        return self

    def __getitem__(self, selector: str) -> Any:
        return self.page.locator(selector)

    def does(self, act: Callable[[], Any]) -> dict[str, Any]:
        """Do something and give back the scene that is trained because of it."""
        before = len(self.trained)
        act()
        self.page.wait_for_function("before => window.scenes.length > before", arg=before)
        return self.trained[-1]

    def figure(self, start: int, name: str) -> str:
        return self[f".start >> nth={start}"].locator(f".figure-{name}").inner_text()

    def refusals_are_expected(self) -> None:
        """The browser itself writes a refused or failed request to the console: it alone is no fault of the page."""
        self.wrong = [text for text in self.wrong if not text.startswith("Failed to load resource")]

    def url_has(self, part: str) -> None:
        """Wait until the link says so."""

        def said(url: str) -> bool:
            return part in unquote(urlsplit(url).fragment).replace("+", " ").split("&")

        self.page.wait_for_url(said)

    def hash(self) -> str:
        return unquote(urlsplit(self.page.url).fragment)

    def picture(self, selector: str) -> str:
        drawn: str = self[selector].first.evaluate("canvas => canvas.toDataURL()")
        return drawn

    def number(self, selector: str, value: object) -> None:
        self[selector].fill(str(value))
        self[selector].press("Tab")


def expect(locator: Any) -> Any:
    from playwright.sync_api import expect as playwright_expect

    playwright_expect.set_options(timeout=PATIENCE)
    return playwright_expect(locator)
