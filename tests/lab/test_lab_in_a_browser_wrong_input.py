"""Wrong links, wrong files, wrong values, a server that is gone: a message each time, and a page that goes on."""

from __future__ import annotations

import re
from typing import Any

import pytest
from lab_page import DROP, Lab, expect


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "empty"),
        ("a,b,label\n1,2\n3,4,x\n5,6,y\n", "row 1"),
        ("a,<img src=x onerror=alert(1)>,label\n1,nope,x\n2,3,y\n3,4,x\n", "nope"),
        ("\x00\x01\x02", ""),
    ],
)
def test_a_bad_csv_is_explained(lab: Lab, text: str, told: str) -> None:
    lab.open()
    lab.page.evaluate(DROP, [text, "bad<b>.csv"])
    expect(lab["#messages .error"].first).to_contain_text(told)
    assert lab["#messages img, #controls img, b"].count() == 0
    assert lab[".start"].count() == 2, "the pictures stay"
    assert lab["#starts.stale"].count() == (told == "nope"), "and are dimmed where the controls say another scene"
    lab.does(lab["#preset-dead"].click)
    lab.trained_all()
    assert lab["#messages .error"].count() == 0
    lab.refusals_are_expected()


@pytest.mark.parametrize(
    ("hash_", "told", "kept"),
    [
        ("#steps=-5&data=moons&hidden=4&init=ones", "-5 is outside of 1 to 100,000", {"hidden": [4]}),
        ("#steps=60&rate=abc&data=moons", "rate=abc", {"steps": 60, "learning_rate": 0.01}),
        ("#steps=60&colour=red", "colour", {"steps": 60}),
        ("#steps=60&data=<script>alert(1)</script>", "<script>alert(1)</script>", {"steps": 60}),
        ("#steps=60&init=he_normal&init=nope(x=1)&hidden=3", "nope", {"steps": 60, "hidden": [3]}),
        ("#steps=60&init=he_normal&init=he_normal", "same", {"steps": 60}),
        ("#steps=60&hidden=10,-3&activation=<b>bold</b>", "bold", {"steps": 60, "activation": "relu"}),
        ("#steps=60&data=csv&csv=gone", "CSV", {"steps": 60}),
        ("#steps=60&data=own&own=1,2;3", "own", {"steps": 60}),
        (
            "#steps=60&hidden=3&data=own&own=0,0,0;0,1,0;1,0,1;1,1,1;5,5,3;6,6,3",
            "too few",
            {"steps": 60, "hidden": [3]},
        ),
        ("#steps=200&hidden=128x64&init=ones", "too much work", {"steps": 200}),
        ("#%%%&steps=60&steps=%E0%A4", "steps", {}),
    ],
)
def test_a_bad_link_gives_a_message_and_a_page(lab: Lab, hash_: str, told: str, kept: dict[str, Any]) -> None:
    lab.open(hash_)
    expect(lab["#messages"]).to_contain_text(told)
    assert lab[".start .map"].count() >= 1
    for name, value in kept.items():
        assert lab.trained[-1][name] == value
    assert lab["script:not([src]), #messages b, #pictures b"].count() == 0
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
