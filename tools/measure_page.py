"""What the exported lab costs a visitor, measured in a headless Chromium: `python tools/measure_page.py [AXE.js]`.

Bytes, layout shift, the first film on a slow processor, the presets, the heap, tab stops; with axe-core's file
(`npm pack axe-core`), violations of accessibility in both languages, both themes and two
sizes. docs/lab.md has its figures.
"""

from __future__ import annotations

import functools
import http.server
import sys
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playwright.sync_api import sync_playwright

from goodinit.lab import export_page

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

CHROMIUM = "/usr/bin/chromium"
SIZES = ((1440, 900), (390, 844))
PRESETS = ("classic", "symmetry", "small", "large", "depth", "chaos", "dead", "orthogonal")
SHIFTS = """window.shifted = 0; new PerformanceObserver((list) => {
    for (const each of list.getEntries()) if (!each.hadRecentInput) window.shifted += each.value;
}).observe({type: "layout-shift", buffered: true});"""
DONE = "#starts:not([aria-busy]) .outcome"
MARKED = """name => new Promise(go => new PerformanceObserver((list) => {
    if (list.getEntriesByName(name).length) go();
}).observe({type: "mark", buffered: true}))"""
SCENES = (
    "",
    "#lesson=zeros",
    "#lesson=dead",
    "#data=xor&steps=200&init=he_normal&init=zeros&seeds=3",
    "#data=digits&steps=60&hidden=8",
)


class Files(http.server.SimpleHTTPRequestHandler):
    """A host of files that says nothing, and counts the bytes it sends."""

    sent = 0

    def log_message(self, *told: Any) -> None:
        """Say nothing."""

    def copyfile(self, source: Any, outputfile: Any) -> None:
        """Send a file."""
        content = source.read()
        Files.sent += len(content)
        outputfile.write(content)


def say(name: str, told: object) -> None:
    """One line."""
    sys.stdout.write(f"{name:44} {told}\n")
    sys.stdout.flush()


def whole(page: Page, address: str) -> Page:
    """Open a scene and wait until its training is here."""
    page.goto("about:blank")
    page.goto(address)
    page.locator(DONE).first.wait_for(state="attached", timeout=120_000)
    return page


def mark(page: Page, name: str) -> float:
    """When a mark was set, in milliseconds after the page's start."""
    found: float = page.evaluate(f"performance.getEntriesByName('{name}').at(-1).startTime")
    return found


def shift(browser: Browser, address: str) -> None:
    """Layout shift of the classic scene, opened and played to its end."""
    for width, height in SIZES:
        page = browser.new_page(viewport={"width": width, "height": height})
        page.add_init_script(SHIFTS)
        whole(page, address)
        page.locator("#clock:text-matches('^step 15,000')").wait_for(timeout=60_000)
        say(f"layout shift, {width} x {height}", f"{page.evaluate('window.shifted'):.4f}")
        page.close()


def slow(context: BrowserContext, address: str) -> None:
    """The first film with the processor four times slower."""
    page = context.new_page()
    context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": 4})
    page.goto(address)
    page.evaluate(MARKED, "lab:whole")  # to ask the page again and again would take of its own time
    say("first film at 4x throttling, ms", f"{mark(page, 'lab:first'):.0f}")
    page.close()


def presets(context: BrowserContext, address: str) -> None:
    """From the click on a preset to its first picture and its end, the best of three."""
    page = whole(context.new_page(), address)
    for name in PRESETS:
        times = []
        for _ in range(3):
            page.evaluate("performance.clearMarks()")
            page.locator(f"#preset-{name}").click()
            page.evaluate(MARKED, "lab:whole")
            begun = mark(page, "lab:change")
            times.append((mark(page, "lab:whole") - begun, mark(page, "lab:first") - begun))
        say(f"preset {name}, first picture / whole, ms", f"{min(times)[1]:.0f} / {min(times)[0]:.0f}")
    page.close()


def heap(context: BrowserContext, address: str, minutes: float) -> None:
    """The heap after collections, while the classic scene is trained and played again and again."""
    page = whole(context.new_page(), address)
    page.evaluate("document.querySelectorAll('#controls details').forEach((each) => { each.open = true; })")
    session = context.new_cdp_session(page)
    sizes = []
    for turn in range(round(minutes * 12)):
        control = "another-seed" if turn % 4 == 0 else "play"
        page.evaluate(f"document.getElementById('{control}').click()")
        page.wait_for_timeout(5000)
        if turn % 12 == 11:
            session.send("HeapProfiler.collectGarbage")
            used = session.send("Runtime.getHeapUsage")["usedSize"]
            sizes.append(f"{used / 1e6:.1f}")
    say("heap minute by minute, MB", ", ".join(sizes))
    page.close()


def narrow(context: BrowserContext, address: str) -> None:
    """Whether a page of 320 pixels scrolls sideways, and how many stops the tab key makes to the pictures."""
    page = context.new_page()
    page.set_viewport_size({"width": 320, "height": 640})
    for scene in ("", "#lesson=why"):
        whole(page, address + scene)
        say(f"width of the document at 320 px {scene}", page.evaluate("document.documentElement.scrollWidth"))
    page.set_viewport_size({"width": 1440, "height": 900})
    whole(page, address)
    order = []
    for _ in range(60):
        page.keyboard.press("Tab")
        order.append(
            page.evaluate(
                "document.activeElement.id || document.activeElement.className || document.activeElement.tagName"
            )
        )
        if order[-1] == "map":
            break
    say(f"tab stops to the first map: {len(order)}", " ".join(order))
    page.close()


def accessible(browser: Browser, address: str, axe: str) -> None:
    """Violations of axe's rules, of any severity."""
    runs = found = 0
    for language in ("en", "zh-CN"):
        for scheme in ("light", "dark"):
            for width, height in SIZES:
                context = browser.new_context(
                    viewport={"width": width, "height": height}, locale=language, color_scheme=scheme,  # type: ignore[arg-type]
                    reduced_motion="reduce", bypass_csp=True,
                )  # fmt: skip
                page = context.new_page()
                for scene in SCENES:
                    whole(page, address + scene)
                    for summary in page.locator(".as-table summary").all() if scene == "" else []:
                        summary.click()
                    page.evaluate(axe)
                    runs += 1
                    for violation in page.evaluate("axe.run(document)")["violations"]:
                        found += len(violation["nodes"])
                        say(
                            f"{language} {scheme} {width} {scene}",
                            (violation["id"], violation["nodes"][0]["html"][:100]),
                        )
                context.close()
    say(f"axe: violating nodes in {runs} pages", found)


def main() -> None:
    """Export, serve from a subfolder, measure, print."""
    root = Path(tempfile.mkdtemp())
    export_page(root / "some/where")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Files, directory=str(root)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/some/where/"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        context = browser.new_context(viewport={"width": 1440, "height": 900}, locale="en", service_workers="block")
        whole(context.new_page(), address)
        say("sent for the classic scene, without compression, kB", round(Files.sent / 1000))
        slow(context, address)
        presets(context, address)
        narrow(context, address)
        shift(browser, address)
        if len(sys.argv) > 1:
            accessible(browser, address, Path(sys.argv[1]).read_text("utf-8"))
        heap(context, address, 5)
        browser.close()
    server.shutdown()


if __name__ == "__main__":
    main()
