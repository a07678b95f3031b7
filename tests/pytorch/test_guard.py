"""What a block does to a model is undone: attributes, and containers with their order and the objects they held."""

from __future__ import annotations

from collections import OrderedDict, defaultdict

import torch
from torch import nn

from goodinit.pytorch.guard import untouched


def test_containers_hold_what_they_held() -> None:
    model = nn.Linear(2, 2)
    inner = [1]
    given = {
        "list": [inner, 2],
        "empty": [],
        "dict": {"a": inner, "b": 2},
        "ordered": OrderedDict(a=1, b=2),
        "counted": defaultdict(list, a=inner),
        "set": {1, 2},
    }
    model.__dict__.update(given)
    with untouched(model, torch.ones(1, 2)):
        model.empty.append(3)
        model.list.reverse()
        del model.dict["a"]
        model.dict["a"] = inner
        model.ordered.move_to_end("a")
        model.counted["b"].append(1)
        model.set.discard(2)
        model.new = 1
    assert not hasattr(model, "new")
    assert model.list == [inner, 2]
    assert model.list[0] is inner
    assert model.empty == []
    assert list(model.dict) == ["a", "b"]
    assert list(model.ordered) == ["a", "b"]
    assert model.counted == {"a": inner}
    assert model.set == {1, 2}
    assert all(model.__dict__[name] is value for name, value in given.items())
