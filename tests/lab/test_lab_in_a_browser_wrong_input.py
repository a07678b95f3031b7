"""Wrong links, wrong files, wrong values, a server that is gone: a message each time, and a page that goes on."""

from __future__ import annotations

import re
from typing import Any

import pytest
from lab_page import DROP, SMALL, Lab, expect


def test_a_bad_csv_is_explained(lab: Lab) -> None:
    lab.open()
    for text, told in (
        ("", "empty"),
        ("a,b,label\n1,2\n3,4,x\n5,6,y\n", "row 1"),
        ("a,<img src=x onerror=alert(1)>,label\n1,nope,x\n2,3,y\n3,4,x\n", "nope"),
        ("\x00\x01\x02", ""),
    ):
        lab.page.evaluate(DROP, [text, "bad<b>.csv"])
        expect(lab["#messages .error"].first).to_contain_text(told)
        assert lab["#messages img, #controls img, b"].count() == 0, told
        assert lab[".start"].count() == 2, "the pictures stay"
        assert lab["#starts.stale"].count() == (told == "nope"), "and are dimmed where the controls say another scene"
        lab.does(lambda: lab.page.evaluate("hash => { location.hash = hash; }", f"{SMALL}&seed={len(lab.trained)}"))
        lab.trained_all()
        assert lab["#messages .error"].count() == 0
    lab.refusals_are_expected()


WRONG_LINKS: list[tuple[str, str, dict[str, Any]]] = [
    ("#steps=-5&data=moons&hidden=4&init=ones", "-5 is outside of 1 to 100,000", {"hidden": [4]}),
    ("#steps=6&rate=abc&data=moons", "rate=abc", {"steps": 6, "learning_rate": 0.01}),
    ("#steps=6&colour=red", "colour", {"steps": 6}),
    ("#steps=6&data=<script>alert(1)</script>", "<script>alert(1)</script>", {"steps": 6}),
    ("#steps=6&init=he_normal&init=nope(x=1)&hidden=3", "nope", {"steps": 6, "hidden": [3]}),
    ("#steps=6&init=he_normal&init=he_normal", "same", {"steps": 6}),
    ("#steps=6&hidden=10,-3&activation=<b>bold</b>", "bold", {"steps": 6, "activation": "relu"}),
    ("#steps=6&data=csv&csv=gone", "CSV", {"steps": 6}),
    ("#steps=6&data=own&own=1,2;3", "own", {"steps": 6}),
    ("#steps=6&hidden=3&data=own&own=0,0,0;0,1,0;1,0,1;1,1,1;5,5,3;6,6,3", "too few", {"steps": 6, "hidden": [3]}),
    ("#steps=200&hidden=128x64&init=ones", "too much work", {"steps": 200}),
    ("#%%%&steps=60&steps=%E0%A4", "steps", {}),
]


@pytest.mark.parametrize("opened", [True, False])
def test_a_bad_link_gives_a_message_and_a_page(lab: Lab, opened: bool) -> None:
    """Some are opened, others come to a page that is open, which takes less time."""
    if not opened:
        lab.open()
    for hash_, told, kept in WRONG_LINKS[:2] if opened else WRONG_LINKS[2:]:
        if opened:
            lab.page.goto("about:blank")
            lab.open(hash_)
        else:
            lab.does(lambda hash_=hash_: lab.page.evaluate("hash => { location.hash = hash; }", hash_))
            lab.trained_all()
        expect(lab["#messages"]).to_contain_text(told)
        assert lab[".start .map"].count() >= 1, hash_
        for name, value in kept.items():
            assert lab.trained[-1][name] == value, hash_
        assert lab["script:not([src]), #messages b, #pictures b"].count() == 0, hash_
    lab.refusals_are_expected()


def test_a_value_that_is_refused_is_told_at_its_control(lab: Lab) -> None:
    lab.open()
    lab.number("#c-steps", 10**9)
    expect(lab["#c-steps-trouble"]).to_have_text("Steps: 1000000000 is outside of 1 to 100,000.")
    assert lab["#c-steps"].get_attribute("aria-invalid") == "true"
    lab["#c-hidden"].fill("ten")
    lab["#c-hidden"].press("Tab")
    expect(lab["#c-hidden-trouble"]).to_have_text("Give widths such as 10,5 or 16x20.")
    lab.number("#c-steps", 30)
    lab.trained_all()
    assert lab["[aria-invalid]"].count() == 0
    assert lab["#messages .error"].count() == 0
    lab.refusals_are_expected()


def test_a_server_that_is_gone_is_told(lab: Lab) -> None:
    lab.open()
    lab.page.route("**/api/train", lambda route: route.abort())
    lab["#another-seed"].click()
    expect(lab["#messages .error"]).to_have_text(re.compile("does not answer"))
    lab.page.unroute("**/api/train")
    lab.does(lab["#another-seed"].click)
    lab.trained_all()
    assert lab["#messages .error"].count() == 0
    lab.refusals_are_expected()
