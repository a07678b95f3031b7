"""Every method that needs no data depends on (seed, name, element) alone: on the meta device, in parts, at any size."""

import copy
import math
import tracemalloc

import numpy as np
import pytest
import torch
from hypernetworks import Hyper
from residual_plain import Block
from torch import nn
from transformers_plain import TOKENS, Transformer

import goodinit
from goodinit import methods
from goodinit.methods import as_method, assign
from goodinit.pytorch import read_structure
from goodinit.pytorch.fill import draw_box, is_whole
from goodinit.streams import KeyedStream

STRUCTURAL = [cls.name for cls in methods.catalogue() if set(cls.needs) <= {"run"} and cls.name != "default"]
_NORMS = {"deepnorm": "after", "sub_ln": "sub", "t_fixup": "none"}


def _fitting(name, width=8, depth=2):
    """A model that the method is for, and a batch."""
    if name == "hyperfan_in":
        return Hyper(2 * width), (torch.ones(2, 5), torch.ones(1, 8))
    if name in ("tanh_init", "unit_scaling"):
        layers = [part for _ in range(depth) for part in (nn.Linear(width, width), nn.Tanh())]
        return nn.Sequential(*layers, nn.Linear(width, 2)), torch.ones(2, width)
    if name in ("risotto", "fixup"):
        blocks = [Block(width, width, "linear") for _ in range(depth)]
        return nn.Sequential(nn.Linear(4, width), nn.ReLU(), *blocks, nn.Linear(width, 2)), torch.ones(2, 4)
    return Transformer(depth, _NORMS.get(name, "before"), width=2 * width), TOKENS


@pytest.mark.parametrize("name", STRUCTURAL)
def test_a_method_depends_on_seed_name_and_element_alone(name):
    model, X = _fitting(name)
    first = goodinit.draw(model, name, seed=3, inputs=X)
    again = goodinit.draw(copy.deepcopy(model), name, seed=3, inputs=X)
    assert all(torch.equal(first[key], again[key]) for key in first)
    with torch.device("meta"):
        bare, _ = _fitting(name)
    meta = goodinit.draw(bare, name, seed=3, inputs=X)
    assert set(meta) == set(first)
    assert all(torch.equal(first[key], meta[key]) for key in first), name
    other = goodinit.draw(model, name, seed=4, inputs=X)
    assert any(not torch.equal(first[key], other[key]) for key in first)


@pytest.mark.parametrize("name", STRUCTURAL)
def test_every_initializer_of_a_method_gives_its_parts_and_its_text(name):
    """A slice is that of the whole, a shard along either axis is, and the text comes back as the same initializer."""
    model, X = _fitting(name)
    structure = read_structure(model, X)
    for each in assign(as_method(name), structure):
        target = structure[each.name].target
        whole = each.initializer.draw(target, 5)
        size = target.size
        for start, stop in ((0, min(3, size)), (size // 2, size)):
            part = each.initializer.elements(target, KeyedStream(5), start, stop)
            assert np.array_equal(part, whole.reshape(-1)[start:stop])
        for axis, length in enumerate(target.shape):
            box = [(0, n) for n in target.shape]
            box[axis] = (length // 2, length)
            shard = draw_box(each.initializer, target, KeyedStream(5), tuple(box), None)
            cut = tuple(slice(*edges) for edges in box)
            assert np.array_equal(shard.numpy(), whole[cut])
        assert math.isfinite(each.initializer.expected_variance(target))
        assert methods.get(str(each.initializer)) == each.initializer


@pytest.mark.parametrize(
    "name", [name for name in STRUCTURAL if name not in ("mimetic", "risotto", "zer_o", "hyperfan_in")]
)
def test_a_slice_of_a_billion_parameters_takes_the_memory_of_a_slice(name):
    """On the meta device, 0.5 to 2 billion numbers; mimetic, risotto and zer_o make their matrices as a whole."""
    with torch.device("meta"):
        model, X = _fitting(name, 4096, 4 if name not in ("tanh_init", "unit_scaling", "fixup") else 30)
    structure = read_structure(model, X)
    assert sum(each.numel() for each in model.parameters()) > 5e8
    said = assign(as_method(name), structure)
    tracemalloc.start()
    for each in said:
        target = structure[each.name].target
        assert not is_whole(each.initializer)
        middle = target.size // 2
        values = each.initializer.elements(target, KeyedStream(0), middle, min(middle + 4096, target.size))
        assert np.isfinite(values).all()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4096 * 8 * 64  # 2 MB, where a matrix of these has 134 MB or more
