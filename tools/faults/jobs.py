"""Every command that writes, as a small job: what it is run with, what it writes, and how that is looked at."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import goodinit
from goodinit.hidden import HIDDEN
from goodinit.report.folder import INCOMPLETE

__all__ = ["JOBS", "Job", "leftovers"]

MODELS: Final = """
import torch

def plain():
    return torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))

def make():
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))
    return model, torch.randn(16, 4), torch.randint(2, (16,)), torch.nn.functional.cross_entropy

def model():
    return make()[0]

def sized(width):
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(4, width), torch.nn.ReLU(), torch.nn.Linear(width, 2))
    return model, torch.randn(16, 4), torch.randint(2, (16,)), torch.nn.functional.cross_entropy
"""
COMPARE: Final = ["compare", "--data", "moons(points=40)", "--init", "he_normal", "--init", "zeros", "--steps", "60"]
QUIET: Final = ["--record-every", "20", "--perturbations", "0", "--quiet"]

RECOMMEND: Final = [
    "recommend", "moons", "--budget", "40", "--steps", "20", "--seeds", "6", "--candidate", "he_normal",
    "--candidate", "glorot_uniform", "--learning-rate", "0.1", "--learning-rate", "1",
]  # fmt: skip


@dataclass(frozen=True)
class Job:
    """A command line in a folder of its own; `whole` raises, or says in words, what is wrong with what it left."""

    arguments: list[str]
    whole: Callable[[Path], str | None]  # what is wrong with the folder after it ended by itself
    target: str  # what it writes
    study: bool = False  # whether it is a study's file, which the same command goes on from

    def wrong(self, folder: Path, before: bool) -> str | None:
        """What is wrong after it was stopped: `before` says that an older run was there to be replaced."""
        place = folder / self.target
        if not place.exists():
            return "what was there is gone" if before else None
        if place.is_dir() and (place / INCOMPLETE).exists():
            return None  # it says so itself
        return self.whole(folder)


def leftovers(folder: Path) -> list[Path]:
    """Hidden files of a writing that was stopped."""
    return [path for path in folder.rglob(f"{HIDDEN}*") if path.exists()]


def _page(name: str) -> Callable[[Path], str | None]:
    def whole(folder: Path) -> str | None:
        text = (folder / name).read_text(encoding="utf-8")
        return (
            None
            if text.lower().startswith("<!doctype html>") and text.rstrip().endswith("</html>")
            else f"{name} is half a page"
        )

    return whole


def _run(folder: Path) -> str | None:
    names = {path.name for path in (folder / "out").iterdir() if not path.name.startswith(HIDDEN)}
    if names != {"result.json", "loss.png", "decision_boundary.png"}:
        return f"out/ holds {sorted(names)}"
    return _json(folder / "out" / "result.json") or _pictures(folder / "out")


def _bench(folder: Path) -> str | None:
    names = {path.name for path in (folder / "out").iterdir() if not path.name.startswith(HIDDEN)}
    if names != {"bench.md", "bench.json", "bench.png"}:
        return f"out/ holds {sorted(names)}"
    return _json(folder / "out" / "bench.json") or _pictures(folder / "out")


def _json(path: Path) -> str | None:
    try:
        json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        return f"{path.name}: {error}"
    return None


def _pictures(folder: Path) -> str | None:
    half = [path.name for path in folder.glob("*.png") if not path.read_bytes().endswith(b"IEND\xaeB`\x82")]
    return f"half of {half}" if half else None


def _file(name: str) -> Callable[[Path], str | None]:
    return lambda folder: _json(folder / name)


def _weights(folder: Path) -> str | None:
    from safetensors.numpy import load_file

    return None if {"0.weight", "2.bias"} <= set(load_file(folder / "w.safetensors")) else "weights are missing"


def _lab(folder: Path) -> str | None:
    page = folder / "site"
    worker = (page / "sw.js").read_text(encoding="utf-8")
    listed = json.loads(worker.partition("const FILES = ")[2].partition(";")[0])
    missing = [name for name in listed if name != "./" and not (page / name).is_file()]
    return f"the page lacks {missing[:3]}" if missing else _json(page / "static" / "catalogue.json")


def _study(name: str) -> Callable[[Path], str | None]:
    """Sound where SQLite says so and every trial can be read; studies.py holds them against an uninterrupted run."""

    def whole(folder: Path) -> str | None:
        database = sqlite3.connect(folder / name)
        try:
            if database.execute("PRAGMA integrity_check").fetchone() != ("ok",):
                return "the study's file is damaged"
            if not database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                return None  # stopped before its tables were made: nothing was stored
        finally:
            database.close()
        study = goodinit.open_study(folder / name)
        return "; ".join(study.notes) or None

    return whole


def _figures(folder: Path) -> str | None:
    names = {path.name for path in (folder / "out").iterdir() if not path.name.startswith(HIDDEN)}
    return _pictures(folder / "out") if "phase_diagram.png" in names else f"out/ holds {sorted(names)}"


JOBS: Final = {
    "compare --out": Job([*COMPARE, "--seed", "0", *QUIET, "--out", "out", "--overwrite"], _run, "out"),
    "compare --report": Job(
        [*COMPARE, "--seeds", "0-1", *QUIET, "--report", "p.html", "--overwrite"], _page("p.html"), "p.html"
    ),
    "compare --study": Job(
        [*COMPARE, "--seeds", "0-11", "--batch-size", "10", *QUIET, "--json", "--study", "s.db"],
        _study("s.db"), "s.db", True,
    ),
    "compare --model --study": Job(
        ["compare", "--model", "models:plain", *COMPARE[1:-1], "6", "--seeds", "0-5", *QUIET, "--json",
         "--study", "s.db"],
        _study("s.db"), "s.db", True,
    ),
    "recommend --study": Job([*RECOMMEND, "--study", "s.db", "--quiet", "--json"], _study("s.db"), "s.db", True),
    "suite --study": Job(["suite", "--study", "s.db", "--quiet", "--json"], _study("s.db"), "s.db", True),
    "check --baseline": Job(["check", "models:make", "--baseline", "base.json"], _file("base.json"), "base.json"),
    "check --report": Job(["check", "models:make", "--report", "p.html", "--overwrite"], _page("p.html"), "p.html"),
    "audit --baseline": Job(["audit", "models:model", "--baseline", "base.json"], _file("base.json"), "base.json"),
    "audit --report": Job(["audit", "models:model", "--report", "p.html", "--overwrite"], _page("p.html"), "p.html"),
    "recommend --report": Job([*RECOMMEND, "--report", "p.html", "--overwrite", "--quiet"], _page("p.html"), "p.html"),
    "suite --out": Job(["suite", "--out", "suite.json", "--overwrite", "--quiet"], _file("suite.json"), "suite.json"),
    "show --out": Job(["show", "tanh", "--out", "out", "--overwrite"], _figures, "out"),
    "transfer --report": Job(
        ["transfer", "models:sized", "--widths", "4,8,16", "--steps", "2", "--seeds", "1", "--report", "p.html",
         "--overwrite"], _page("p.html"), "p.html",
    ),
    "draw(path=)": Job(["draw"], _weights, "w.safetensors"),
    "bench --out": Job(["bench", "--quick", "--out", "out", "--overwrite"], _bench, "out"),
    "lab --export": Job(["lab", "--export", "site"], _lab, "site"),
}  # fmt: skip


def fresh(folder: Path) -> Path:
    """An empty folder with the models in it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "models.py").write_text(MODELS)
    return folder
