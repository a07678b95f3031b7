from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import goodinit

if TYPE_CHECKING:
    from playwright.sync_api import Browser

CHROMIUM = Path("/usr/bin/chromium")
SWITCHES = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]

LONGEST = (  # files of many seconds, by the clock: a worker that is given one last ends alone
    "lab/test_lab_in_a_browser.py",
    "cluster/test_cluster_trials.py",
    "initializers/test_peers_same.py",
    "lab/test_exported_page_in_a_browser.py",
    "lab/test_lab_in_a_browser_wrong_input.py",
    "test_course_notebooks.py",
    "test_cli.py",
    "bench/test_bench.py",
    "report/test_page.py",
    "lab/test_page_engine.py",
    "lab/test_lab_server.py",
    "transfer/test_transfer.py",
    "recommending/test_recommend.py",
    "checkup/test_model_findings.py",
    "auditing/test_audit_ranks.py",
    "test_studies.py",
    "test_hard_inputs.py",
    "test_suite.py",
    "checkup/test_model_seen.py",
    "initializers/test_peers_fans.py",
    "transfer/test_sharded.py",
    "test_course.py",
    "training/test_lanes.py",
    "lab/test_lab_figures.py",
    "lab/test_lab_server_safety.py",
    "statistics/test_statistics_bootstrap.py",
    "statistics/test_statistics_ranking.py",
)
TESTS = Path(__file__).parent
# JAX compiles what a test runs once: to compile takes longer than to run
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One more than processors: tests of clusters, browsers and notebooks wait for processes a part of their time."""
    return 1 + (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first; with `--dist loadfile` a worker runs a whole file, and makes its fixtures once."""
    order = {TESTS / name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(item.path, len(order)))


# Tests that run in a shell's background inherit an ignored SIGINT, and so would the commands that they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def classic() -> goodinit.Comparison:
    """The classic experiment with its own seed, run once for all tests that read it."""
    return goodinit.compare(seed=3)


@pytest.fixture
def without_windows() -> Iterator[None]:
    """Figures that pyplot shows are drawn, without a window, and closed."""
    import matplotlib.pyplot as plt

    plt.switch_backend("agg")
    yield
    plt.close("all")


def missing(what: str) -> None:
    """Without a browser the tests are skipped on a person's machine; where CI is set it must be there."""
    if os.environ.get("CI"):
        pytest.fail(f"{what} is missing, and CI is set")
    pytest.skip(f"{what} is missing")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A Chromium for each file of browser tests."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing("Playwright")
        raise
    if not CHROMIUM.exists():
        missing(str(CHROMIUM))
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=str(CHROMIUM), args=SWITCHES)
        yield chromium
        chromium.close()
