"""A part of the planted faults is found with its cause, and nothing in the healthy models; docs/faults.md has all."""

import re
import warnings

import pytest
import torch
from fault_kinds import FAULTS
from fault_models import HEALTHY
from fault_table import PAGE, check, judged

PART = FAULTS[::6]


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize("fault", PART, ids=[f"{fault.base}: {fault.name}" for fault in PART])
def test_a_planted_fault_is_named_first_and_its_remedy_was_tried(fault):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch's, of the planted fault
        row = judged(fault, steps=0)
    assert row.first in fault.codes
    line = next(e for e in PAGE.read_text("utf-8").splitlines() if e.startswith(f"| {fault.base} | {fault.name} |"))
    assert row.right or line.endswith("**no** |")  # it is found, and no start of weights helps


@pytest.mark.parametrize("name", HEALTHY)
def test_nothing_is_found_in_a_healthy_model(name):
    torch.manual_seed(0)
    assert [each for each in check(HEALTHY[name]()) if each.severity != "info"] == []


def test_the_page_has_every_fault():
    page = PAGE.read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \| `", page, flags=re.MULTILINE)
    assert rows == [(fault.base, fault.name) for fault in FAULTS]
    right, total = map(int, re.search(r"\*\*(\d+) of (\d+) right; 0 false", page).groups())
    assert total == len(FAULTS) >= 60
    assert right >= 0.9 * total
