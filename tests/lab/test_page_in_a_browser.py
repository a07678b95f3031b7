"""The exported lab in Chromium, from a subfolder of a host of files: it trains by itself, and without a network."""

from __future__ import annotations

import functools
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from lab_page import CSV, DROP, SMALL, Lab, expect

from goodinit.lab import export_page

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext

pytestmark = pytest.mark.xdist_group("browser")


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


def test_controls_points_and_files_train_in_the_page(lab: Lab) -> None:
    lab.open(SMALL)
    lab["#start-1"].select_option("orthogonal")
    lab.url_has("init=orthogonal")
    lab.trained_all()
    assert lab["#start-1 option:disabled"].all_inner_texts()
    lab.page.evaluate(DROP, [CSV, "boxes.csv"])
    expect(lab["#status"]).to_contain_text("60")
    lab.trained_all()
    assert lab.page.evaluate("document.querySelector('#starts').classList.contains('stale')") is False
    lab.page.goto(f"{lab.address}#data=own&own=0,0,0;1,1,1;0,1,1;1,0,0;2,0,0;2,2,1&steps=30&init=zeros")
    lab.trained_all()
    assert lab.figure(0, "loss") == "0.6931"


def test_a_refused_scene_is_named_and_the_rest_kept(lab: Lab) -> None:
    lab.open("#steps=40&init=zero_hadamard&init=zeros&hidden=3")
    assert "needs goodinit itself" in lab[".message.error"].inner_text()
    assert lab[".start"].count() == 1


def test_bands_over_seeds(lab: Lab) -> None:
    lab.open("#data=moons&hidden=3&steps=40&seeds=5&init=he_normal&init=lecun_normal")
    expect(lab["#status"]).to_contain_text("5 seeds")


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
