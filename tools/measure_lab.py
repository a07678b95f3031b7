"""How fast the lab's page is, measured in a headless Chromium: `python tools/measure_lab.py`.

From a change to the first picture, a whole scene, and frames a second while playing. The figures in
docs/benchmarks.md are this script's.
"""

from __future__ import annotations

import itertools
import statistics
import subprocess
import sys
from typing import TYPE_CHECKING

from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from playwright.sync_api import Page

CHROMIUM = "/usr/bin/chromium"
SERVE = "from goodinit.lab import serve; serve(0, browser=False, tell=lambda address: print(address, flush=True))"
TURNS = 15
MARKS = "Object.fromEntries(performance.getEntriesByType('mark').map(mark => [mark.name, mark.startTime]))"
PLAY = """speed => new Promise(done => {
    const select = document.getElementById("speed");
    select.value = speed;
    select.dispatchEvent(new Event("change"));
    document.getElementById("reset").click();
    document.getElementById("play").click();
    const times = [], begun = performance.now();
    requestAnimationFrame(function frame(now) {
        times.push(now);
        if (now - begun < 1800) return requestAnimationFrame(frame);
        document.getElementById("play").click();
        done(times);
    });
})"""


def changes(page: Page) -> tuple[list[float], list[float]]:
    """Milliseconds from a change of the seed to the first picture, and to the whole scene, turn by turn."""
    first, whole = [], []
    for _ in range(TURNS):
        page.evaluate("performance.clearMarks()")
        page.locator("#another-seed").click()
        while "lab:whole" not in (marks := page.evaluate(MARKS)):
            page.wait_for_timeout(20)
        first.append(marks["lab:first"] - marks["lab:change"])
        whole.append(marks["lab:whole"] - marks["lab:change"])
    return first, whole


def frames(page: Page, speed: str) -> tuple[float, float]:
    """Frames a second while playing, and the longest time between two, in milliseconds."""
    times = page.evaluate(PLAY, speed)
    waits = [later - earlier for earlier, later in itertools.pairwise(times)]
    return 1000 * len(waits) / sum(waits), max(waits)


def main() -> None:
    """Serve, open the classic scene, measure, print."""
    with (
        subprocess.Popen([sys.executable, "-c", SERVE], stdout=subprocess.PIPE, text=True) as server,
        sync_playwright() as playwright,
    ):
        assert server.stdout is not None
        address = server.stdout.readline().strip()
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        page = browser.new_page(viewport={"width": 1600, "height": 1000})
        page.goto(address)
        page.locator("#starts:not([aria-busy]) .outcome").first.wait_for()
        page.wait_for_timeout(10_000)  # until it has played
        first, whole = changes(page)
        for name, found in (("change to first picture", first), ("classic scene whole", whole)):
            sys.stdout.write(
                f"{name:26} median {statistics.median(found):5.0f} ms, worst of {TURNS} {max(found):5.0f} ms\n"
            )
        for speed in ("1", "4"):
            rate, longest = frames(page, speed)
            sys.stdout.write(
                f"{f'playing at {speed}x':26} {rate:5.1f} frames a second, longest wait {longest:.0f} ms\n"
            )
        browser.close()
        server.terminate()


if __name__ == "__main__":
    main()
