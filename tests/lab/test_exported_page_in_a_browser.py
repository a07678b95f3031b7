"""The exported lab in Chromium, from a subfolder of a host of files: it trains by itself, and without a network."""

from __future__ import annotations

import functools
import http.server
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from lab_page import CSV, DROP, SMALL, Lab, expect

from goodinit.lab import export_page

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext


class Files(http.server.SimpleHTTPRequestHandler):
    """A host of files that says nothing."""

    def log_message(self, *told: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    root = tmp_path_factory.mktemp("host")
    export_page(Path(root) / "some/where")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Files, directory=str(root))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/some/where/"
        server.shutdown()


def test_the_classic_experiment_has_its_published_figures(lab: Lab) -> None:
    lab.open("")
    figures = [(lab.figure(k, "train"), lab.figure(k, "test")) for k in range(3)]
    assert figures == [("50 %", "50 %"), ("83 %", "86 %"), ("99.33 %", "96 %")]
    zeros = lab[".start >> nth=0"].locator(".outcome")
    assert "Did not learn" in zeros.inner_text()
    assert "severe" in zeros.get_attribute("class")
    assert "severe" not in lab[".start >> nth=2"].locator(".outcome").get_attribute("class")
    assert lab["#share-list button"].count() == 2
    assert not any("/api/" in url for url in lab.asked)


DRAWN = """window.maps = 0; window.requestIdleCallback = () => 0;
const put = CanvasRenderingContext2D.prototype.putImageData;
CanvasRenderingContext2D.prototype.putImageData = function (image, ...rest) {
    if (image.width === 192) window.maps += 1;
    return put.call(this, image, ...rest);
};"""


def test_a_map_is_drawn_once_and_charts_where_they_are_near_the_screen(lab: Lab) -> None:
    lab.page.add_init_script(DRAWN)
    lab.open(SMALL)
    lab.page.wait_for_function("document.querySelector('#clock').textContent === 'step 8 of 8'")
    drawn = lab.page.evaluate("window.maps")
    assert 4 <= drawn <= 2 * 9  # two starts, nine moments
    lab["#c-test"].check()
    assert lab.page.evaluate("window.maps") == drawn
    assert lab[".together .uplot"].count() == 0
    lab[".together-loss"].scroll_into_view_if_needed()
    expect(lab[".together .uplot"]).to_have_count(2)


def test_controls_points_and_files_train_in_the_page(lab: Lab) -> None:
    lab.open(SMALL)
    lab["#start-1"].select_option("orthogonal")
    lab.url_has("init=orthogonal")
    lab.trained_all()
    assert lab["#start-1 option:disabled"].all_inner_texts()
    lab.page.evaluate(DROP, [CSV, "boxes.csv"])
    expect(lab[".csv"]).to_contain_text("boxes.csv: 56 rows")
    lab.trained_all()
    assert lab.page.evaluate("document.querySelector('#starts').classList.contains('stale')") is False
    lab.page.goto(f"{lab.address}#data=own&own=0,0,0;1,1,1;0,1,1;1,0,0;2,0,0;2,2,1&steps=6&init=zeros")
    lab.trained_all()
    assert lab.figure(0, "loss") == "0.6931"


def test_a_reload_keeps_the_file_and_a_browser_that_cannot_says_so(lab: Lab) -> None:
    lab.open(SMALL)
    lab.does(lambda: lab.page.evaluate(DROP, [CSV, "boxes.csv"]))
    lab.url_has("data=csv")
    lab.trained_all()
    before = lab.figure(0, "loss")
    lab.page.reload()
    lab.trained_all()
    assert lab["#messages .message"].count() == 0
    expect(lab[".csv"]).to_contain_text("boxes.csv: 56 rows")
    assert lab.figure(0, "loss") == before
    lab.page.evaluate(
        "() => { Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError'); }; }"
    )
    lab.does(lambda: lab.page.evaluate(DROP, [CSV, "more.csv"]))
    expect(lab["#messages .note"]).to_contain_text("This browser does not keep more.csv over a reload")
    lab.trained_all()


def test_a_refused_scene_is_named_and_the_rest_kept(lab: Lab) -> None:
    lab.open("#steps=4&init=zero_hadamard&init=zeros&hidden=3")
    assert "needs goodinit itself" in lab[".message.error"].inner_text()
    assert lab[".start"].count() == 1


PROCESSORS = """Object.defineProperty(Navigator.prototype, "hardwareConcurrency", {value: %d});
window.helped = []; const told = Worker.prototype.postMessage;
Worker.prototype.postMessage = function (message, ...rest) {
    if (message.helps) window.helped.push(message.k);
    return told.call(this, message, ...rest);
};"""


def test_bands_over_seeds_are_the_same_however_many_workers_share_them(calm: BrowserContext, address: str) -> None:
    drawn = []
    for processors, helped in ((1, []), (3, [0, 1])):
        page = calm.new_page()
        page.add_init_script(PROCESSORS % processors)
        lab = Lab(page, address).open("#data=moons&hidden=3&steps=6&seeds=5&init=he_normal&init=lecun_normal")
        expect(lab["#status"]).to_contain_text("5 seeds")
        assert page.evaluate("window.helped") == helped
        lab[".together-loss"].scroll_into_view_if_needed()
        lab[".together-loss canvas"].wait_for()
        drawn.append(page.evaluate("document.querySelector('.together-loss canvas').toDataURL()"))
        assert lab.wrong == []
        page.close()
    assert drawn[0] == drawn[1]


SHIFTS = """window.shifted = 0; new PerformanceObserver((list) => {
    for (const each of list.getEntries()) if (!each.hadRecentInput) window.shifted += each.value;
}).observe({type: "layout-shift", buffered: true});"""


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (390, 844)])
def test_nothing_moves_while_it_opens_and_plays(browser: Browser, address: str, width: int, height: int) -> None:
    context = browser.new_context(viewport={"width": width, "height": height}, locale="en", has_touch=width < 500)
    page = context.new_page()
    page.add_init_script(SHIFTS)
    lab = Lab(page, address).open("#data=moons&hidden=4&steps=400&init=he_normal&init=zeros")
    top = "document.querySelector('canvas.map').getBoundingClientRect().top"
    tops = set()
    page.locator("#speed").select_option("4")
    lab[".outcome"].filter(has_text="Did not learn").wait_for()
    tops.add(page.evaluate(top))
    lab["#reset"].click()
    tops.add(page.evaluate(top))
    assert len(tops) == 1
    assert page.evaluate("window.shifted") < 0.05
    assert page.evaluate("document.querySelectorAll('[role=img]:not([aria-label])').length") == 0
    context.close()


def test_the_end_is_told_at_the_end_and_a_link_copied_while_it_plays_plays(browser: Browser, address: str) -> None:
    context = browser.new_context(locale="en")
    lab = Lab(context.new_page(), address).open("#data=moons&hidden=4&steps=100&init=he_normal&activation=tanh")
    lab["#reset"].click()
    expect(lab[".outcome"]).to_contain_text("play to its end")
    expect(lab[".mismatch"]).to_have_text("Made for relu; the network has tanh.")
    lab["#speed"].select_option("0.25")
    lab["#play"].click()
    expect(lab["#scrub"]).not_to_have_value("0")
    lab["#share"].click()
    lab["#copy-link"].click()
    assert "at=" not in lab["#textbox-text"].inner_text()
    context.close()


def test_a_page_that_is_not_shown_for_a_while_is_not_drawn(lab: Lab) -> None:
    lab.open(SMALL)
    shown = """shown => new Promise(go => {
        document.querySelector('.body').style.display = shown ? '' : 'none';
        setTimeout(go, 300);
    })"""
    lab.page.evaluate(shown, False)
    lab.page.evaluate(shown, True)
    assert lab.page.evaluate("document.querySelector('.map').width") > 100


def test_all_pictures_are_printed(lab: Lab) -> None:
    lab.open(SMALL)
    drawn = "[...document.querySelectorAll('canvas.layer-strips')].map((each) => each.toDataURL().length)"
    before = lab.page.evaluate(drawn)
    lab.page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert all(after > first for first, after in zip(before, lab.page.evaluate(drawn), strict=True))
    lab.page.emulate_media(media="print")
    lab.page.set_viewport_size({"width": 720, "height": 1000})
    assert lab.page.evaluate(
        "[...document.querySelectorAll('.start')].every((e) => e.getBoundingClientRect().right < 720)"
    )
    assert lab.page.evaluate("[...document.querySelectorAll('.map')].every((e) => e.clientWidth === e.clientHeight)")
    assert lab["#transport"].is_hidden()


def test_it_opens_without_a_network_after_the_first_visit(calm: BrowserContext, address: str) -> None:
    page = calm.new_page()
    lab = Lab(page, address).open(SMALL)
    page.evaluate("navigator.serviceWorker.ready.then(() => caches.keys())")
    page.wait_for_function("caches.keys().then((names) => names.length === 1)")
    page.reload()
    lab.trained_all()
    calm.set_offline(True)
    try:
        page.reload()
        lab.trained_all()
        assert lab.figure(1, "loss") == "0.6931"
    finally:
        calm.set_offline(False)
        page.close()
    assert lab.wrong == []


def test_values_under_the_pointer_and_under_the_keys(lab: Lab) -> None:
    lab.open("#hidden=4&steps=8&init=he_normal&axes=own")
    lab.page.set_viewport_size({"width": 1440, "height": 2400})
    tip, spoken = lab[".tip"], lab.page.locator("p[role=status]").last
    for picture, told in (
        ("canvas.map", r"x1 = .*, x2 = .*\nprobability of class inner: \d+ %"),
        ("canvas.net", r"(layer|link|input|output) .*"),
        ("canvas.layer-strips", r"layer \d, step \d+\n(activations|gradients) .* %"),
        (".chart.loss", r"step \d+\nTrain 0\.\d+\nTest 0\.\d+"),
        (".chart.forward", r"layer \d\nat the start [\d.]+\nnow [\d.]+\ntheory [\d.]+"),
    ):
        lab[picture].first.focus()
        lab.page.keyboard.press("ArrowDown")
        before = spoken.inner_text()
        lab.page.keyboard.press("ArrowRight")
        assert lab["#clock"].inner_text() == "step 8 of 8", "the arrows read the picture that has the focus"
        expect(tip).to_have_text(re.compile(told.replace("\\n", "")))
        assert spoken.inner_text() != before or picture == "canvas.layer-strips"
        lab.page.keyboard.press("Escape")
        assert tip.is_hidden()
        lab[picture].first.hover()
    lab[".as-table summary"].click()
    theory = lab[".as-table tr:has(th[scope=row]:text-is('2')) td"].first
    assert theory.inner_text()
    lab["#reset"].click()
    assert "theory" in lab[".as-table thead"].first.inner_text()


def test_a_unit_of_zeros_is_said_to_be_0_for_every_example(lab: Lab) -> None:
    lab.open("#hidden=1&steps=4&init=zeros")
    canvas = lab["canvas.net"]
    canvas.focus()
    for _ in range(3):
        lab.page.keyboard.press("ArrowRight")
    expect(lab[".tip"]).to_contain_text("layer 1, unit 1")
    expect(lab[".tip"]).to_contain_text("0 for 100 % of them")


def test_the_bar_on_top_trains_and_all_controls_are_seen(browser: Browser, address: str) -> None:
    context = browser.new_context(viewport={"width": 1440, "height": 900}, locale="en", reduced_motion="reduce")
    lab = Lab(context.new_page(), address).open("#steps=5&init=he_normal")
    tops = lab["#controls .group > summary"].evaluate_all("all => all.map(each => each.getBoundingClientRect().bottom)")
    assert max(tops) <= 900
    for act, part in (
        (lambda: lab["#c-quick-data"].select_option("moons"), "data=moons"),
        (lab["#quick-deeper"].click, "hidden=10,5,5"),
        (lambda: lab["#c-quick-activation"].select_option("tanh"), "activation=tanh"),
        (lambda: lab["#c-quick-rate"].select_option("0.1"), "rate=0.1"),
    ):
        act()
        lab.url_has(part)
    lab.trained_all()
    assert lab.wrong == []
    context.close()


def test_the_lesson_asks_first_and_tells_after(lab: Lab) -> None:
    lab.page.goto(f"{lab.address}#lesson=zeros")
    lab["#starts:not([aria-busy]) .outcome"].first.wait_for(state="attached")
    hidden = (".figures", ".words", ".start .loss", ".together", ".lesson-told")
    assert [part for part in hidden if lab[part].first.is_visible()] == []
    assert lab["#lesson-train"].is_disabled()
    lab.page.keyboard.press("End")
    assert lab["#clock"].inner_text() == "step 0 of 15,000"
    lab["#prediction-2"].check()
    lab["#lesson-train"].click()
    expect(lab[".verdict"]).to_have_text("You predicted “Nearly all”; what came is “About half, as by guessing”.")
    assert [part for part in hidden if not lab[part].first.is_visible()] == []
    assert lab.hash() == "lesson=zeros"
    lab["#lang-zh"].click()
    expect(lab[".verdict"]).to_contain_text("你的预测是“几乎全部”")
    lab["#lang-en"].click()


def test_the_lesson_shows_the_formula_at_work_and_its_link_keeps_the_deviation(lab: Lab) -> None:
    lab.page.goto(f"{lab.address}#lesson=why")
    lab["#prediction-1"].check()
    lab["#lesson-train"].click()
    expect(lab[".verdict"]).to_contain_text("Right: 0.25")
    lab.number("#lesson-std", 0.25)
    expect(lab[".lesson-formula"]).to_contain_text("0.25² / 2 = 1 a layer")
    lab.url_has("init=normal(std=0.25)")
    lab.page.reload()
    expect(lab["#start-0-std"]).to_have_value("0.25")


def test_an_exercise_is_checked(lab: Lab) -> None:
    lab.page.goto(f"{lab.address}#lesson=dead")
    expect(lab[".verdict"]).to_contain_text("Not yet")
    lab["#c-quick-activation"].select_option("leaky_relu")
    lab.url_has("activation=leaky_relu")
    lab.trained_all()
    expect(lab[".verdict"]).to_contain_text("Not yet")
    lab.number("#c-seed", 4)
    expect(lab[".verdict"]).to_contain_text("Something else was changed")
    lab.number("#c-seed", 3)
    lab["#c-quick-activation"].select_option("tanh")
    expect(lab[".verdict"]).to_contain_text("Solved")
    assert lab[".lesson-steps"].inner_text().count("✓") == 1


def test_a_scene_of_ones_own_is_explained_and_red_where_it_did_not_learn(lab: Lab) -> None:
    lab.open("#data=xor&steps=200&rate=1&init=he_normal&init=normal(std=0.001)")
    told = lab[".explain li"]
    expect(told.first.locator(".became.good")).to_have_text("learned")
    expect(told.nth(1).locator(".became.severe")).to_have_text("did not learn")
    assert "shrink" in told.nth(1).inner_text()
    lab["#reset"].click()
    expect(told.first.locator(".became")).to_have_text("ahead")
