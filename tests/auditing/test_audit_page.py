"""The page of an audit in Chromium: what was found, the model as a tree, the search."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import nn

import goodinit

if TYPE_CHECKING:
    from playwright.sync_api import Browser


class Blocks(nn.Module):
    """Blocks of which one has a weight that nobody fills."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(nn.Sequential(nn.Linear(8, 8), nn.LayerNorm(8)) for _ in range(6))
        self.head = nn.Linear(8, 3)
        self.scale = nn.Parameter(torch.empty(3))


@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1440, "light")])
def test_the_page_in_a_browser(browser: Browser, tmp_path: Path, width: int, scheme: Any) -> None:
    path = goodinit.audit(Blocks).report(tmp_path / "audit.html")
    context = browser.new_context(offline=True, color_scheme=scheme, viewport={"width": width, "height": 900})
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(path.as_uri())
    assert page.inner_text(".answer").strip() == "1 of 27 not filled."
    assert "never-filled" in page.inner_text(".finding")
    assert page.inner_text("#count") == "7 rows"
    assert page.locator(".leaf:visible").all_inner_texts()[0].startswith("scale")
    page.fill("#search", "blocks.3 layernorm")  # a name of a folded block, and what wrote it
    assert page.inner_text("#count") == "2 of 7 rows"
    assert page.locator(".leaf:visible").count() == 2
    page.fill("#search", "")
    assert page.inner_text("#count") == "7 rows"
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert said == []
    context.close()


def test_names_are_text(tmp_path: Path) -> None:
    model = nn.Module()
    model.register_parameter('<b>&"', nn.Parameter(torch.ones(2)))
    text = goodinit.audit(lambda: model).report(tmp_path / "a.html").read_text()
    assert "<b>&" not in text.split("<main>")[1].split("<script>")[0].replace("<b>&lt;b&gt;&amp;", "")
