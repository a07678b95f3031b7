"""Values that come from a checkpoint: which one, by which line, and what is missing from it."""

import inspect
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from torch import nn

from goodinit import audit


def line(function, text):
    """The number of the line of a function's source that holds the text."""
    lines, first = inspect.getsourcelines(function)
    return first + next(number for number, each in enumerate(lines) if text in each)


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "layer.pt"
    torch.save(nn.Linear(3, 2).state_dict(), path)
    return path


@pytest.mark.parametrize("assign", [False, True])
@pytest.mark.parametrize("device", [None, "cpu"])
def test_a_file_that_is_loaded_is_named(saved, assign, device):
    def make():
        layer = nn.Linear(3, 2)
        layer.load_state_dict(torch.load(saved), assign=assign)
        return layer

    found = audit(make, device=device)
    assert found.findings == ()
    for each in found:
        assert (each.verdict, each.checkpoint) == ("checkpoint", str(saved))
        load = next(write for write in each.writes if write.operation == "load")
        assert (load.arguments, load.file, load.line) == ((str(saved),), __file__, line(make, "torch.load"))
    assert found["weight"].shown_law.startswith(f"from {saved}; mean ")
    assert found.to_dict()["parameters"][0]["checkpoint"] == str(saved)


def test_a_state_dict_that_is_assigned_to_a_model_on_meta():
    def make():
        with torch.device("meta"):
            layer = nn.Linear(3, 2)
        layer.load_state_dict(nn.Linear(3, 2).state_dict(), assign=True)
        return layer

    found = audit(make)
    assert {each.verdict for each in found} == {"checkpoint"}
    assert found["bias"].writes[-1].line == line(make, "assign=True")


def test_what_is_drawn_over_a_loaded_file(saved):
    def make():
        layer = nn.Linear(3, 2)
        layer.load_state_dict(torch.load(saved), assign=True)
        nn.init.normal_(layer.weight)
        return layer

    found = audit(make)
    assert [(each.code, each.where) for each in found.findings] == [("checkpoint-overwritten", "weight")]
    assert f"{line(make, 'normal_')}" in found.findings[0].message
    assert (found["weight"].verdict, found["weight"].checkpoint) == ("filled", None)


class Threaded(nn.Module):
    """Loads as transformers does: in a thread, with marks of what was loaded, and the rest into new memory."""

    __module__ = "transformers.made_up"

    def __init__(self):
        super().__init__()
        with torch.device("meta"):
            self.body, self.head = nn.Linear(4, 4), nn.Linear(4, 2)
            self.scale = nn.Parameter(torch.tensor(2.5))

    @classmethod
    def from_pretrained(cls, path, draw=True):
        model = cls()
        model.name_or_path = path
        with ThreadPoolExecutor() as pool:
            for name in ("weight", "bias"):
                value = pool.submit(torch.full, model.body._parameters[name].shape, 0.5).result()
                model.body._parameters[name] = nn.Parameter(value)
                model.body._parameters[name]._is_hf_initialized = True
        for module in (model, model.head):
            for name, value in module._parameters.items():
                module._parameters[name] = nn.Parameter(torch.empty_like(value, device="cpu"))
        if draw:
            model.head.reset_parameters()
        return model


@pytest.fixture
def threaded(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", sys)
    return Threaded


def test_what_a_loader_brings_in_threads_and_what_a_checkpoint_lacks(threaded):
    found = audit(lambda: threaded.from_pretrained("folder/model"), device="cpu")
    assert found["body.weight"].verdict == "checkpoint"
    assert found["body.weight"].shown_law == "from folder/model; mean 0.5, std 0"
    assert found["head.weight"].verdict == "filled"
    assert found["head.weight"].shown_law == "missing from folder/model; uniform(-0.5, 0.5)"
    assert [(each.code, each.where) for each in found.findings] == [("lost-write", "scale")]
    assert found.findings[0].message.startswith("it is missing from folder/model; it was written")
    assert "folder/model 中没有它" in found.findings[0].text("zh")
    assert found["scale"].lost[-1].line == line(Threaded.__init__, "torch.tensor(2.5)")


def test_a_head_that_a_checkpoint_lacks_and_nobody_draws(threaded):
    """https://github.com/huggingface/transformers/issues/46002: heads of a half precision checkpoint held NaN."""
    found = audit(lambda: threaded.from_pretrained("folder/model", draw=False), device="cpu")
    assert [each.where for each in found.findings] == ["scale", "head.weight", "head.bias"]
    assert all(found[each.where].confirmed for each in found.findings)
    assert found["head.weight"].lost[-1].through == "Linear.reset_parameters"


def test_a_loaded_value_that_init_weights_draws_anew(threaded):
    """https://github.com/huggingface/transformers/issues/46620, where no mode sees the load."""

    def make():
        model = threaded.from_pretrained("folder/model")
        model.scale.data.fill_(1.0)
        model.body.weight.data.normal_()
        return model

    found = audit(make, device="cpu")
    assert [(each.code, each.where) for each in found.findings] == [("checkpoint-overwritten", "body.weight")]
    assert f"{line(make, 'normal_')}" in found.findings[0].message


def test_a_small_model_of_transformers(tmp_path):
    transformers = pytest.importorskip("transformers")
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    folder = str(tmp_path / "bert")
    transformers.BertModel(transformers.BertConfig(**sizes, vocab_size=20)).save_pretrained(folder)
    found = audit(lambda: transformers.BertForSequenceClassification.from_pretrained(folder))
    assert found.sound
    kinds = {
        name: (found[name].verdict, found[name].checkpoint) for name in ("bert.pooler.dense.bias", "classifier.bias")
    }
    assert kinds == {"bert.pooler.dense.bias": ("checkpoint", folder), "classifier.bias": ("filled", folder)}
    assert str(found["classifier.weight"].law) == "normal(mean=0, std=0.02)"
    assert Path(found["classifier.weight"].writes[-1].file).name == "modeling_utils.py"
    whole = audit(lambda: transformers.BertModel(transformers.BertConfig(**sizes, vocab_size=20)))
    assert {each.checkpoint for each in whole} == {None}
