"""The lab as a folder: what is written, that nothing else is overwritten, that its engine belongs to the sources."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from goodinit import cli
from goodinit.datasets.builtin import make
from goodinit.errors import GoodinitError
from goodinit.lab import export_page, serve
from goodinit.lab.page import digits_bytes

TOOLS = Path(__file__).parents[2] / "tools"


def test_the_committed_engine_belongs_to_the_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(TOOLS))
    import build_page_engine

    names = [line.split("  ")[1] for line in build_page_engine.sources().splitlines()[1:]]
    assert {"native/lanes_alone_kernel.cpp", "native/functions.hpp", "native/page/blake2b.hpp"} <= set(names)
    assert build_page_engine.NOTE.read_text("utf-8") == build_page_engine.note(), "run `make page`"
    sys.modules.pop("build_page_engine")


def test_a_folder_holds_the_page_and_all_that_it_asks_for(tmp_path: Path) -> None:
    written = export_page(tmp_path / "lab")
    page = (tmp_path / "lab/index.html").read_text("utf-8")
    assert 'content="page"' in page
    assert re.search(r"script-src 'self' 'wasm-unsafe-eval';", page)
    assert "unsafe-inline" not in page
    for name in re.findall(r'(?:href|src)="(static/[^"]+)"', page):
        assert (tmp_path / "lab" / name).is_file(), name
    for path in written:
        assert path.is_file()
        for name in re.findall(
            r'(?:from|import\() ?"(\.[^"]+)"', path.read_text("utf-8") if path.suffix == ".js" else ""
        ):
            assert (path.parent / name).is_file(), f"{path.name} imports {name}"
    assert sum(path.stat().st_size for path in written) < 1_000_000
    engine = (tmp_path / "lab/static/engine/worker.js").read_text("utf-8")
    assert {"./film.js", "./streams.js", "../js/spec.js"} <= set(
        re.findall(r'^import "([^"]+)";', engine, re.MULTILINE)
    )
    worker = (tmp_path / "lab/sw.js").read_text("utf-8")
    listed = json.loads(re.search(r"const FILES = (\[.*\]);", worker)[1])
    assert sorted(listed[1:]) == sorted(
        p.relative_to(tmp_path / "lab").as_posix() for p in written if p.name != "sw.js"
    )


def test_an_export_is_written_over_and_nothing_else_is(tmp_path: Path) -> None:
    export_page(tmp_path / "lab")
    (tmp_path / "lab/static/js/old.js").write_text("gone")
    export_page(tmp_path / "lab")
    assert not (tmp_path / "lab/static/js/old.js").exists()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.txt").write_text("mine")
    with pytest.raises(GoodinitError, match="not the lab's"):
        export_page(tmp_path / "mine")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.txt"]
    (tmp_path / "file").write_text("a file")
    with pytest.raises(GoodinitError, match="cannot be written"):
        export_page(tmp_path / "file")


def test_the_command_writes_the_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = CliRunner().invoke(cli.app, ["lab", "--export", str(tmp_path / "lab")])
    assert told.exit_code == 0
    assert "http.server" in told.output
    assert (tmp_path / "lab/static/catalogue.json").is_file()
    refused = CliRunner().invoke(cli.app, ["lab", "--export", str(tmp_path / "lab"), "--port", "1"])
    assert isinstance(refused.exception, GoodinitError)


def test_the_digits_are_those_of_the_data_set() -> None:
    images = np.frombuffer(digits_bytes(), np.uint8).reshape(-1, 65)
    data = make("digits", 0)
    everything = np.vstack([data.X_train, data.X_test])
    assert len(images) == len(everything)
    assert sorted(map(bytes, images)) == sorted(
        bytes([*(16 * row).astype(np.uint8), label])
        for row, label in zip(everything, [*data.y_train, *data.y_test], strict=True)
    )


def test_links_may_point_to_a_public_copy() -> None:
    from goodinit.lab.app import Lab

    lab = Lab("https://example.org/lab/")
    try:
        assert lab.link_base == "https://example.org/lab/"
    finally:
        lab.close()
    for wrong in ("example.org", "javascript:alert(1)", "https://", "https://a b/", "https://a/?q=1"):
        with pytest.raises(GoodinitError, match="link base"):
            serve(0, browser=False, link_base=wrong)
