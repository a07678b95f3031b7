"""The fast part of the zoo: models of PyTorch alone, and small ones of transformers where it is installed."""

from __future__ import annotations

import pytest
import torch
from zoo_models import Model, installed
from zoo_plain import plain
from zoo_run import see
from zoo_transformers import small
from zoo_vision import importable


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


PLAIN = {model.name: model for model in plain()}


@pytest.mark.parametrize("name", PLAIN)
def test_a_sound_model_is_filled_and_raises_no_alarm(name: str) -> None:
    _sound(PLAIN[name])


@pytest.mark.skipif(not installed("transformers"), reason="transformers is not installed")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["Bert", "GPT2", "Llama", "Gemma2", "Mamba", "Mixtral", "T5"])
def test_a_model_of_transformers_is_filled_and_raises_no_alarm(name: str) -> None:
    if installed("torchvision"):
        importable()
    _sound(small(name))


def _sound(model: Model) -> None:
    seen = see(model, timed=False)
    assert not seen.failure
    assert not seen.touched
    assert seen.filled is not None
    assert seen.filled + (seen.kept or 0) == seen.tensors
    assert seen.own == []
    assert seen.he is not None
    assert not [code for severity, code, _ in seen.he if severity == "severe"]
