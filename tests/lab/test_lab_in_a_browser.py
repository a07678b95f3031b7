"""The lab's page in Chromium, with the real server: every control, the presets, playing, links, both languages."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab_page import CSV, DROP, SMALL, Lab, expect

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext


def test_the_classic_experiment(lab: Lab) -> None:
    lab.open("")
    figures = [(lab.figure(start, "train"), lab.figure(start, "test")) for start in range(3)]
    assert figures == [("50 %", "50 %"), ("83 %", "86 %"), ("99.33 %", "96 %")]
    assert lab["#clock"].inner_text() == "step 15,000 of 15,000"
    assert lab["#preset-classic"].get_attribute("aria-pressed") == "true"
    codes = lab[".finding"].evaluate_all("all => all.map(each => each.dataset.code)")
    assert codes[:3] == ["identical-units", "zero-gradient", "dead-units"]
    assert "healthy" in codes
    expect(lab[".start >> nth=1"]).to_contain_text("the first loss is 1773.6, 2559 times the 0.6931 of guessing")
    assert lab["#starts h2"].all_inner_texts() == ["A\nzeros", "B\nnormal(std=10)", "C\nhe_normal"]
    assert lab.hash() == ""
    lab["#reset"].click()
    expect(lab["#clock"]).to_have_text("step 0 of 15,000")
    assert lab.figure(1, "loss") == "1774"
    lab.url_has("at=0")
    expect(lab["#status"]).to_contain_text("Trained for 15,000 steps.")


def test_a_preset_is_chosen_and_trained(lab: Lab) -> None:
    """What comes of each is tested beside `compare`, without drawing their trainings; the deep ones take longest."""
    lab.open()
    for name in ("symmetry", "large", "dead"):
        lab.does(lab[f"#preset-{name}"].click)
        assert lab[f"#preset-{name}"].get_attribute("aria-pressed") == "true"
        assert len(re.findall(r"[.](?= |$)", lab["#reason p"].inner_text())) == 2, name
    lab["#starts.stale, #starts[aria-busy]"].wait_for(state="detached")
    lab.trained_all()
    expect(lab[".outcome"]).to_have_count(2)
    assert (lab.figure(0, "loss"), lab.figure(1, "test")) == ("0.6931", "95 %")


def test_every_control_sends_what_it_says_and_the_link_brings_it_back(lab: Lab, calm: BrowserContext) -> None:
    lab.open()

    def slide(selector: str) -> None:
        lab[selector].focus()
        lab.page.keyboard.press("End")

    controls: list[tuple[Callable[[], Any], str, Any]] = [
        (lab["#controls"].get_by_text("spirals", exact=True).click, "data.name", "spirals"),
        (lambda: lab.number("#c-data-noise", 0.2), "data.noise", 0.2),
        (lambda: slide("#c-data-noise-slider"), "data.noise", 0.3),
        (lambda: lab.number("#c-data-points", 120), "data.points", 120),
        (lambda: slide("#c-data-points-slider"), "data.points", 1000),
        (lambda: lab.number("#c-hidden", "6,3"), "hidden", [6, 3]),
        (lab["#more-0"].click, "hidden", [7, 3]),
        (lab["#fewer-1"].click, "hidden", [7, 2]),
        (lab["#add-layer"].click, "hidden", [7, 2, 2]),
        (lab["#drop-0"].click, "hidden", [2, 2]),
        (lab["#remove-layer"].click, "hidden", [2]),
        (lambda: lab.number("#c-hidden", "3x6"), "hidden", [3] * 6),
        (lambda: lab["#c-activation"].select_option("leaky_relu"), "activation", "leaky_relu"),
        (
            lambda: lab.number("#c-activation-slope", 0.2),
            "activation",
            "leaky_relu(slope=0.2)",
        ),
        (lambda: lab["#c-loss"].select_option("squared_error"), "loss", "squared_error"),
        (lambda: lab["#start-1"].select_option("normal"), "inits.1.spec", "normal"),
        (lambda: lab.number("#start-1-std", 0.7), "inits.1.spec", "normal(std=0.7)"),
        (lambda: lab.number("#gain-1", 2.5), "inits.1.gain", 2.5),
        (lambda: slide("#gain-1-slider"), "inits.1.gain", 100),
        (
            lambda: lab["#start-0-mode"].select_option("fan_out"),
            "inits.0.spec",
            "he_normal(mode=fan_out)",
        ),
        (lab["#add-start"].click, "inits.2.spec", "he_normal"),
        (lab["#add-start"].click, "inits.3.spec", "glorot_normal"),
        (lab["#remove-start-0"].click, "inits.0.spec", "normal(std=0.7)"),
        (lambda: lab.number("#c-learning_rate", 0.03), "learning_rate", 0.03),
        (lambda: slide("#c-learning_rate-slider"), "learning_rate", 10),
        (lambda: lab["#c-optimizer"].select_option("adam"), "optimizer", "adam"),
        (lambda: lab.number("#c-steps", 9), "steps", 9),
        (lambda: lab.number("#c-batch_size", 16), "batch_size", 16),
        (lambda: lab.number("#c-seed", 11), "seed", 11),
        (lab["#another-seed"].click, "seed", 12),
        (lambda: lab.number("#c-seeds", 3), "seeds", 3),
        (lambda: lab["#c-stream"].select_option("keyed"), "stream", "keyed"),
    ]
    for act, path, value in controls:

        def at(scene: Any, path: str = path) -> Any:
            for part in path.split("."):
                scene = scene[int(part)] if part.isdecimal() else scene[part]
            return scene

        assert at(lab.does(act)) == value, path
    lab.url_has("stream=keyed")
    lab.trained_all()
    expect(lab["#status"]).to_contain_text("from 3 seeds")
    assert lab["#messages .error"].count() == 0

    other = Lab(calm.new_page(), lab.address).open("#" + lab.page.url.partition("#")[2])
    assert other.trained == [lab.trained[-1]]
    assert other["#c-activation"].input_value() == "leaky_relu"
    assert other["#c-activation-slope"].input_value() == "0.2"
    assert [other[f"#start-{k}"].input_value() for k in range(3)] == ["normal", "he_normal", "glorot_normal"]
    assert [other[f"#c-{name}"].input_value() for name in ("hidden", "steps", "batch_size", "seed")] == [
        "3x6", "9", "16", "12",
    ]  # fmt: skip
    assert [other.figure(k, "loss") for k in range(3)] == [lab.figure(k, "loss") for k in range(3)]
    other.page.close()


def test_four_starts_at_most_and_one_at_least(lab: Lab) -> None:
    lab.open("#hidden=4&steps=4&init=ones")
    assert lab["#remove-start-0"].is_disabled()
    for _ in range(3):
        lab.does(lab["#add-start"].click)
    lab.trained_all()
    assert lab["#add-start"].is_disabled()
    assert lab[".start"].count() == 4
    assert lab["#together .legend li"].count() == 4


def test_playing(browser: Browser, address: str) -> None:
    """Play, pause, one step, reset, the slider, the speed and the keys; a page opened plays by itself."""
    context = browser.new_context(viewport={"width": 1600, "height": 1000}, locale="en")
    lab = Lab(context.new_page(), address)
    lab.page.goto(address + SMALL.replace("steps=8", "steps=60"))
    expect(lab["#play"]).to_have_attribute("aria-label", "Pause (space)")
    lab.trained_all()
    lab["#speed"].select_option("4")
    expect(lab["#clock"]).to_have_text("step 60 of 60")
    expect(lab["#play"]).to_have_attribute("aria-label", "Play (space)")

    def step() -> int:
        return int(lab["#clock"].inner_text().split()[1])

    lab["#reset"].click()
    assert step() == 0
    first = lab.picture(".map")
    lab["#step"].click()
    assert step() == 1
    lab["#step"].click()
    lab["#back"].click()
    assert step() == 1
    lab["#scrub"].evaluate(
        "slider => { slider.value = slider.max; slider.dispatchEvent(new Event('input', {bubbles: true})); }"
    )
    assert step() == 60
    last = lab.picture(".map")
    assert first != last
    lab["#scrub"].evaluate("slider => { slider.value = 0; slider.dispatchEvent(new Event('input', {bubbles: true})); }")
    assert (step(), lab.picture(".map")) == (0, first)
    lab["body"].click(position={"x": 5, "y": 5})
    press = lab.page.keyboard.press
    press("End")
    assert (step(), lab.picture(".map")) == (60, last)
    press("ArrowLeft")
    assert step() == 59
    press("ArrowRight")
    assert step() == 60
    press("Home")
    assert step() == 0
    lab["#speed"].select_option("0.25")
    lab["#scrub"].focus()
    press("Space")
    expect(lab["#clock"]).not_to_have_text("step 0 of 60")
    press("Space")
    expect(lab["#play"]).to_have_attribute("aria-label", "Play (space)")
    paused = step()
    assert 0 < paused < 60
    lab.page.wait_for_timeout(250)
    assert step() == paused
    lab.url_has(f"at={paused}")
    moment = Lab(context.new_page(), address).open("#" + lab.page.url.partition("#")[2])
    assert moment["#clock"].inner_text() == f"step {paused} of 60"
    assert (lab.wrong, moment.wrong) == ([], [])
    context.close()


def test_back_and_an_edited_link(lab: Lab) -> None:
    lab.open("#hidden=4&steps=6")
    lab.does(lab["#preset-dead"].click)
    lab.trained_all()
    lab.does(lab.page.go_back)
    lab.trained_all()
    assert lab["#c-hidden"].input_value() == "4"
    assert lab["#preset-dead"].get_attribute("aria-pressed") == "false"
    lab.does(lambda: lab.page.evaluate("location.hash = 'hidden=7&steps=6'"))
    lab.trained_all()
    assert lab["#c-hidden"].input_value() == "7"


def test_how_it_is_shown(lab: Lab) -> None:
    lab.open("#data=moons&hidden=4&steps=8&rate=5&init=he_normal&init=zeros")
    lab.page.set_viewport_size({"width": 1600, "height": 3000})
    lab["#c-scale"].wait_for()
    for act, selector, in_url in (
        (lambda: lab["#c-cells"].check(), ".map", "cells=1"),
        (lambda: lab["#c-wrong"].uncheck(), ".map", "wrong=0"),
        (lambda: lab["#c-test"].check(), ".map", "test=1"),
        (lambda: lab["#c-links"].select_option("gradient"), ".net", "links=gradient"),
        (lambda: lab["#c-scale"].select_option("linear"), ".loss canvas", "scale=linear"),
        (lambda: lab["#c-axes"].select_option("own"), ".start:nth-child(2) .loss canvas", "axes=own"),
    ):
        before, trainings = lab.picture(selector), len(lab.trained)
        act()
        lab.url_has(in_url)
        assert lab.picture(selector) != before, in_url
        assert len(lab.trained) == trainings, "a view is not trained"
    view = lab.hash()
    lab.page.reload()
    lab.trained_all()
    assert lab.hash() == view
    assert [lab[f"#c-{name}"].is_checked() for name in ("cells", "wrong", "test")] == [True, False, True]
    assert [lab[f"#c-{name}"].input_value() for name in ("links", "scale")] == ["gradient", "linear"]


COLOURFUL = """canvas => new Promise((done) => (function look() {
    const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", {willReadFrequently: true});
    copy.drawImage(canvas, 0, 0);  // to read the page's own often would make Chromium warn
    const data = copy.getImageData(0, 0, canvas.width, canvas.height).data;
    if (new Set(new Uint32Array(data.buffer)).size > 8) done();
    else requestAnimationFrame(look);
})())"""  # ends when more than eight colours are there


def test_every_picture_is_drawn(lab: Lab) -> None:
    lab.open()
    lab.page.set_viewport_size({"width": 1600, "height": 3200})
    expect(lab["#together canvas"]).to_have_count(2)
    canvases = lab["#pictures canvas:not([aria-hidden])"]
    expect(canvases).to_have_count(2 * 7 + 2)
    for number in range(2 * 7 + 2):
        canvases.nth(number).evaluate(COLOURFUL)
    assert lab["#pictures [role=img]:not([aria-label])"].count() == 0


def test_digits_show_what_is_mistaken(lab: Lab) -> None:
    lab.open("#data=digits&hidden=16&steps=200&rate=0.5&init=he_normal&init=zeros")
    assert float(lab.figure(0, "test").split()[0]) > 80
    assert float(lab.figure(1, "test").split()[0]) < 15
    before = lab.picture(".map")
    lab["#c-wrong"].uncheck()
    assert lab.picture(".map") != before
    assert lab[".points"].is_hidden()


def test_points_by_click_and_by_coordinates(lab: Lab) -> None:
    lab.open()
    area = lab[".map"].first.bounding_box()
    lab[".map"].first.click(position={"x": area["width"] / 2, "y": 4})
    assert len(lab.trained) == 1, "clicks add nothing until a class is chosen"
    lab["label[for=point-mode-1]"].click()
    sent = lab.does(lambda: lab[".map"].first.click(position={"x": area["width"] / 2, "y": 4}))
    assert (sent["data"]["name"], len(sent["data"]["own"])) == ("own", 401)
    x, y, label = sent["data"]["own"][-1]
    assert label == 1
    assert abs(x - 0.5) < 0.4
    assert y > 1
    shifted = lab.does(lambda: lab[".map"].first.click(position={"x": area["width"] / 2, "y": 30}, modifiers=["Shift"]))
    assert shifted["data"]["own"][-1][2] == 0
    lab["#point-x"].fill("0.25")
    lab["#point-y"].fill("-0.5")
    assert lab.does(lab["#point-add"].click)["data"]["own"][-1] == [0.25, -0.5, 1]
    lab.trained_all()
    lab.page.wait_for_url(lambda url: url.count(";") == 402)
    assert len(lab.does(lab["#point-undo"].click)["data"]["own"]) == 402
    assert lab.does(lab["#point-clear"].click)["data"]["name"] == "moons"
    lab.trained_all()


def test_a_csv_by_drop_and_by_its_button(lab: Lab, tmp_path: Path) -> None:
    lab.open()
    sent = lab.does(lambda: lab.page.evaluate(DROP, [CSV, "shapes.csv"]))
    assert (sent["data"]["name"], sent["data"]["target"]) == ("csv", "kind")
    lab.trained_all()
    expect(lab[".csv"]).to_contain_text("shapes.csv: 56 rows")
    assert lab["#c-data-target option"].all_inner_texts() == ["width", "height", "kind"]
    assert not lab.does(lab["#c-data-standardize"].uncheck)["data"]["standardize"]
    lab.trained_all()
    file = tmp_path / "again.csv"
    file.write_text(CSV)
    lab.does(lambda: lab["#csv-file"].set_input_files(file))
    lab.trained_all()
    expect(lab[".csv"]).to_contain_text("again.csv: 56 rows")
    assert lab["#messages .error"].count() == 0
    assert lab["#drop"].is_hidden()


def test_copies_of_the_experiment(lab: Lab) -> None:
    lab.open()
    for name, start, part in (
        ("python", "import goodinit", "he_normal"),
        ("command", "goodinit compare", "--init he_normal"),
        ("link", lab.address, "hidden=4"),
    ):
        lab["#share"].click()
        lab[f"#copy-{name}"].click()
        expect(lab["#textbox-text"]).to_have_text(re.compile(f"^{re.escape(start)}.*{re.escape(part)}", re.DOTALL))
        lab["#textbox-close"].click()
        assert lab["#share-list"].is_hidden()


def test_a_picture_and_a_report_are_saved(lab: Lab) -> None:
    lab.open()
    for name, file in (("save-picture", "goodinit-lab.png"), ("make-report", "goodinit-report.html")):
        lab["#share"].click()
        with lab.page.expect_download() as saved:
            lab[f"#{name}"].click()
        assert saved.value.suggested_filename == file
        content = Path(saved.value.path()).read_bytes()
        if file.endswith("png"):
            assert content[:8] == b"\x89PNG\r\n\x1a\n"
            width, height = struct.unpack(">II", content[16:24])
            assert (width, height > 1000) == (2 * (24 + 2 * (360 + 24)), True)
        else:
            assert content.lower().startswith(b"<!doctype html>")
            assert b"he_normal" in content
        expect(lab["#messages .note"]).to_have_text(re.compile(f"Saved as {file}"))


def test_both_languages(browser: Browser, address: str) -> None:
    """Chinese by the browser's language, English by the switch, which lasts; nothing is left in the other language."""
    context = browser.new_context(viewport={"width": 1600, "height": 1000}, locale="zh-CN", reduced_motion="reduce")
    lab = Lab(context.new_page(), address).open("#steps=8&colour=red")
    assert lab["html"].get_attribute("lang") == "zh-CN"
    assert lab.page.title() == "goodinit 实验室"
    expect(lab["#clock"]).to_have_text("第 8 / 8 步")
    expect(lab[".start >> nth=0"]).to_contain_text("重复的单元永远不会分开")
    english = lab["body"].evaluate(
        """body => {
            const own = "code, option, .formula, #lang-en, .exact-point, label[for^=start-], #status, [hidden], " +
                "noscript";
            const walker = document.createTreeWalker(body, NodeFilter.SHOW_TEXT);
            const found = [];
            while (walker.nextNode())
                if (!walker.currentNode.parentElement.closest(own))
                    found.push(...walker.currentNode.textContent.match(/[A-Za-z]{3,}/g) ?? []);
            return found;
        }"""
    )
    names = {"goodinit", "ReLU", "tanh", "Glorot", "CSV", "logit", "Shift", "Home", "End", "colour"}
    assert set(english) - names == set()
    expect(lab["#messages .error"]).to_have_text(re.compile("链接中的 colour 不是"))
    lab["#lang-en"].click()
    expect(lab["#messages .error"]).to_have_text(re.compile("The link names colour"))
    expect(lab["#clock"]).to_have_text("step 8 of 8")
    assert not re.search("[\u4e00-\u9fff]", lab["#pictures"].inner_text() + lab["#controls"].inner_text())
    lab.page.reload()
    lab.trained_all()
    assert lab["html"].get_attribute("lang") == "en"
    lab["#lang-zh"].click()
    expect(lab["#panel summary"].nth(1)).to_have_text("起点")
    assert lab.wrong == []
    context.close()


def test_no_sideways_scrolling_and_the_right_colours(browser: Browser, address: str) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, locale="en", reduced_motion="reduce")
    lab = Lab(context.new_page(), address).open(f"{SMALL}&init=ones&init=0.5*orthogonal(gain=1.5)")
    background = lab["body"]
    light, dark = "rgb(244, 246, 248)", "rgb(15, 18, 22)"
    for width in (320, 390, 1100, 1600):
        lab.page.set_viewport_size({"width": width, "height": 844})
        expect(lab["#panel"]).to_have_js_property("open", width > 1000)
        for scheme, colour in (("light", light), ("dark", dark)):
            lab.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            expect(background).to_have_css("background-color", colour)
            assert lab.page.evaluate("document.documentElement.scrollWidth") <= width
            spilt = lab[".start, .panel, .transport"].evaluate_all(
                "all => all.filter(e => e.scrollWidth > e.clientWidth).map(e => e.className)"
            )
            assert spilt == [], (width, scheme)
    lab["#theme"].select_option("light")
    expect(background).to_have_css("background-color", light)
    lab["#theme"].select_option("auto")
    expect(background).to_have_css("background-color", dark)
    assert lab.wrong == []
    context.close()


def test_every_control_has_a_name_and_can_be_reached(lab: Lab) -> None:
    lab.open()
    nameless = lab["button, input, select, summary, canvas[role=img]"].evaluate_all(
        """all => all.filter(each => each.checkVisibility() && !(
            each.getAttribute("aria-label") || each.labels?.length || each.getAttribute("aria-labelledby")
            || each.textContent.trim())).map(each => each.outerHTML)"""
    )
    assert nameless == []
    unreachable = lab["button, input, select"].evaluate_all(
        "all => all.filter(each => each.tabIndex < 0 && each.id !== 'csv-file').map(each => each.outerHTML)"
    )
    assert unreachable == []
    lab["#another-seed"].focus()
    lab.page.keyboard.press("Tab")
    width = lab.page.evaluate("getComputedStyle(document.activeElement).outlineWidth")
    assert float(width.removesuffix("px")) >= 2
