"""Small models are trained side by side in forked processes: the same trials, and the same errors."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import goodinit
from goodinit import GoodinitError
from goodinit.comparison import executor, side_by_side
from goodinit.comparison.batches import batched
from goodinit.comparison.design import design
from goodinit.comparison.executor import LocalExecutor

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only there are processes forked")
OPTIONS: dict[str, Any] = {"seeds": "0-3", "steps": 20, "batch_size": 16, "data": "moons", "record_every": 5}


def loaded() -> bool:
    """Whether another test has loaded a library beside which nothing is forked."""
    return any(name in sys.modules for name in side_by_side.THREADED)


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Two processors, and a trial that is worth a process however short it is."""
    if loaded():
        pytest.skip(
            "libraries with threads are loaded, beside which nothing is forked: run in a process of its own below"
        )
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    monkeypatch.setattr(side_by_side, "processors", lambda: 2)
    monkeypatch.setattr(side_by_side, "PAYS", 0.0)
    monkeypatch.setattr(side_by_side, "LOAD", 1000.0)
    yield
    torch.set_num_threads(before)


class Noting(nn.Sequential):
    """Notes which process makes it, and may end there."""

    def __init__(self, folder: Path, fails: str = "") -> None:
        super().__init__(nn.Linear(2, 8), nn.Tanh(), nn.Dropout(0.1), nn.Linear(8, 1))
        (folder / str(os.getpid())).touch()
        own = multiprocessing.parent_process() is None
        if fails == "killed" and not own:
            os.kill(os.getpid(), signal.SIGKILL)
        if fails == "raises" and (not own or len(list(folder.iterdir())) > 1):
            raise KeyError("lost")


def trials(found: goodinit.Comparison) -> list[Any]:
    return [replace(each, origin=None) for each in found.trials]


def test_the_same_trials_from_other_processes(two: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    together = goodinit.compare(["he_normal", "lsuv"], model=lambda: Noting(tmp_path), **OPTIONS)
    processes = len(list(tmp_path.iterdir()))
    assert processes == 5  # this one, and two for the trials of the first seed, and two for all others
    monkeypatch.setattr(executor, "places", lambda task, threads: 1)
    alone = goodinit.compare(["he_normal", "lsuv"], model=lambda: Noting(tmp_path), **OPTIONS)
    assert len(list(tmp_path.iterdir())) == processes
    assert trials(together) == trials(alone)


def test_what_is_lost_with_a_process_is_trained_here(two: None, tmp_path: Path) -> None:
    found = goodinit.compare("he_normal", model=lambda: Noting(tmp_path, "killed"), **OPTIONS)
    assert [each.seed for each in found.trials] == [0, 1, 2, 3]
    assert not any(each.failure for each in found.trials)


def test_an_error_comes_up_as_it_would_here(two: None, tmp_path: Path) -> None:
    with pytest.raises(GoodinitError, match="KeyError: 'lost'"):
        goodinit.compare("he_normal", model=lambda: Noting(tmp_path, "raises"), **OPTIONS)
    assert not multiprocessing.active_children()


def test_who_stops_listening_leaves_no_process(two: None, tmp_path: Path) -> None:
    study = design("he_normal", model=lambda: Noting(tmp_path), **OPTIONS)
    running = LocalExecutor().run(batched(study, study.jobs({})))
    next(running)
    assert multiprocessing.active_children()
    running.close()
    assert not multiprocessing.active_children()


def test_where_nothing_is_forked(two: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = design("he_normal", model=lambda: Noting(tmp_path), **OPTIONS).tasks[0]
    assert side_by_side.places(task) == 2
    assert side_by_side.places(task, threads=1) == 1
    network = design("he_normal", data="moons").tasks[0]
    assert side_by_side.places(network) == 1  # an engine trains many at once
    with monkeypatch.context() as patched:
        patched.setattr(side_by_side, "ALONE", 1.0)
        assert side_by_side.places(task) == 1  # worth both threads of its own
    done = threading.Event()
    other = threading.Thread(target=done.wait)
    other.start()
    assert side_by_side.places(task) == 1
    done.set()
    other.join()
    torch.set_num_threads(1)
    assert side_by_side.places(task) == 1  # as OMP_NUM_THREADS=1 has it


def test_all_of_this_in_a_process_of_its_own() -> None:
    if not loaded():
        pytest.skip("all of this file has run here")
    line = [sys.executable, "-m", "pytest", "--quiet", "-p", "no:cacheprovider", "-p", "no:xdist", __file__]
    done = subprocess.run(line, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout


def test_nothing_is_forked_beside_a_library_with_threads(two: None, monkeypatch: pytest.MonkeyPatch) -> None:
    task = design(["he_normal"], model=lambda: nn.Linear(2, 1), **OPTIONS).tasks[0]
    assert side_by_side.places(task) == 2
    monkeypatch.setitem(sys.modules, "ray", object())
    assert side_by_side.places(task) == 1


def test_a_process_that_never_says_that_it_runs_is_done_without(
    two: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(side_by_side, "GREETING", 0.2)
    monkeypatch.setattr(side_by_side, "_fulfil", lambda *given: time.sleep(600))  # as one forked with a lock held
    found = goodinit.compare("he_normal", model=lambda: Noting(tmp_path), **OPTIONS)
    assert [each.seed for each in found.trials] == [0, 1, 2, 3]
    assert len(list(tmp_path.iterdir())) == 1
