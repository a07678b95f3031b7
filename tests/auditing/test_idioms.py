"""How people fill their models: nothing is accused that is filled, and the line is theirs."""

import copy
import inspect
import json
import math
import re
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import prune

from goodinit import audit

IDIOMS = []


def idiom(function):
    """A factory; a comment `# <- NAME` marks the line that wrote a parameter last."""
    IDIOMS.append(function)
    return function


def holding(**parameters):
    """A module of these parameters."""
    module = nn.Module()
    for name, value in parameters.items():
        module.register_parameter(name, nn.Parameter(value))
    return module


@idiom
def data_of_each_class():
    model = nn.Sequential(nn.Embedding(9, 8, padding_idx=0), nn.Linear(8, 8), nn.LayerNorm(8))

    def fill(module):
        if isinstance(module, nn.Linear):
            module.weight.data.normal_(0, 0.02)  # <- 1.weight
            module.bias.data.zero_()  # <- 1.bias
        elif isinstance(module, nn.Embedding):
            module.weight.data.normal_(0, 0.02)
            module.weight.data[module.padding_idx].zero_()  # <- 0.weight

    return model.apply(fill)


@idiom
def timms_truncated_normal():
    model = holding(pos_embed=torch.zeros(1, 17, 64))
    low, high = (0.5 * (1 + math.erf(each / math.sqrt(2))) for each in (-2, 2))
    with torch.no_grad():
        weight = model.pos_embed.uniform_(2 * low - 1, 2 * high - 1)
        weight.erfinv_().mul_(0.02 * math.sqrt(2)).add_(0.0)
        weight.clamp_(min=-0.04, max=0.04)  # <- pos_embed
    return model


@idiom
def torchtitans_to_empty():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm, self.out = nn.RMSNorm(8), nn.Linear(8, 4, bias=False)
            self.register_buffer("freqs", self.table(), persistent=False)

        def table(self):
            angles = torch.outer(torch.arange(6).float(), 1e4 ** -(torch.arange(0, 8, 2) / 8))
            return torch.polar(torch.ones_like(angles), angles)  # <- freqs

        def init_weights(self):
            with torch.device(self.out.weight.device):
                self.freqs = self.table()
            self.norm.reset_parameters()  # <- norm.weight
            nn.init.trunc_normal_(self.out.weight, std=0.3, a=-0.9, b=0.9)  # <- out.weight

    with torch.device("meta"):
        model = Model()
    model.to_empty(device="cpu").init_weights()
    return model


@idiom
def nanogpts_tie_and_scale():
    model = nn.ModuleDict({"wte": nn.Embedding(9, 8), "c_proj": nn.Linear(8, 8), "head": nn.Linear(8, 9, bias=False)})
    model["wte"].weight = model["head"].weight
    for module in model.values():
        nn.init.normal_(module.weight, std=0.02)  # <- wte.weight
    for name, parameter in model.named_parameters():
        if name.endswith("c_proj.weight"):
            nn.init.normal_(parameter, std=0.02 / math.sqrt(4))  # <- c_proj.weight
    return model


@idiom
def tied_after_it_is_filled():
    model = nn.ModuleDict({"wte": nn.Embedding(9, 8), "head": nn.Linear(8, 9, bias=False)})
    nn.init.normal_(model["wte"].weight, std=0.02)  # <- head.weight
    model["head"].weight = model["wte"].weight
    return model


@idiom
def numbers_of_numpy():
    model = holding(kernel=torch.empty(8, 4), scale=torch.tensor(0.5))  # <- scale
    drawn = np.random.default_rng(0).standard_normal((8, 4)).astype("f")
    with torch.no_grad():
        model.kernel.copy_(torch.from_numpy(drawn))  # <- kernel
    return model


@idiom
def truncated_normals_in_bfloat16():
    layer = nn.Linear(256, 256, dtype=torch.bfloat16)
    nn.init.trunc_normal_(layer.weight, std=0.02, a=-0.06, b=0.06)  # <- weight
    return layer


@idiom
def copies_filled_anew():
    layer = nn.TransformerEncoderLayer(8, 2, 8)
    model = nn.ModuleList(copy.deepcopy(layer) for _ in range(2))
    for parameter in model.parameters():
        if parameter.dim() > 1:
            nn.init.xavier_uniform_(parameter)  # <- 1.linear1.weight
    return model


@idiom
def packed_projections_slice_by_slice():
    model = holding(qkv=torch.empty(24, 8), chunks=torch.empty(24, 8), experts=torch.empty(3, 8, 4))
    with torch.no_grad():
        for part in range(3):
            nn.init.xavier_uniform_(model.qkv[8 * part : 8 * part + 8])  # <- qkv
            nn.init.kaiming_uniform_(model.experts[part])  # <- experts
        for part in model.chunks.chunk(3):
            nn.init.orthogonal_(part)  # <- chunks
    return model


@idiom
def gates_of_an_lstm():
    model = nn.LSTM(4, 4)
    for gate in range(4):
        nn.init.orthogonal_(model.weight_hh_l0.data[4 * gate : 4 * gate + 4])  # <- weight_hh_l0
    model.bias_hh_l0.data.zero_()
    model.bias_hh_l0.data[4:8].fill_(1.0)  # <- bias_hh_l0
    return model


@idiom
def views_and_places():
    model = holding(turned=torch.empty(8, 4), flat=torch.empty(4, 6), rows=torch.empty(6, 4), eye=torch.zeros(5, 5))
    with torch.no_grad():
        model.turned.t().normal_()  # <- turned
        model.flat.view(-1).uniform_(-1, 1)  # <- flat
        model.rows[torch.arange(6)] = torch.randn(6, 4)  # <- rows
        model.eye.diagonal().fill_(1.0)  # <- eye
    return model


@idiom
def joined_and_stacked():
    parts = [nn.init.xavier_uniform_(torch.empty(8, 8)) for _ in range(3)]
    return holding(joined=torch.cat(parts), stacked=torch.stack(parts))  # <- stacked


@idiom
def an_average_of_the_model():
    model = nn.Linear(8, 8)
    mean = copy.deepcopy(model).requires_grad_(False)
    for own, other in zip(mean.parameters(), model.parameters(), strict=True):
        own.data.lerp_(other.data, 0.1)  # <- mean.weight
    return nn.ModuleDict({"model": model, "mean": mean, "swa": torch.optim.swa_utils.AveragedModel(model)})


@idiom
def buffers_that_come_late():
    model = nn.Linear(4, 4)
    model.register_buffer("step", torch.tensor(0))  # <- step
    model.register_buffer("mask", torch.triu(torch.full((4, 4), -math.inf), 1))  # <- mask
    return model


@idiom
def quantization_aware():
    import torch.ao.quantization as quantization

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = nn.Sequential(nn.Linear(4, 4), nn.ReLU()).train()
        model.qconfig = quantization.get_default_qat_qconfig("fbgemm")
        return quantization.prepare_qat(model)


@idiom
def mambas_steps():
    model = holding(a_log=torch.log(torch.arange(1, 5).float().repeat(8, 1)), bias=torch.empty(8))  # <- a_log
    step = torch.exp(torch.rand(8) * 4.6 - 6.9).clamp(min=1e-4)
    with torch.no_grad():
        model.bias.copy_(step + torch.log(-torch.expm1(-step)))  # <- bias
    return model


@idiom
def a_shard_of_a_master_weight():
    master = nn.init.normal_(torch.empty(16, 8), std=0.02)
    model = holding(weight=torch.empty(8, 8))
    with torch.no_grad():
        torch.cat(torch.split(master, 8)[1:2], out=model.weight.data)  # <- weight
    return model


@idiom
def masks_and_generators():
    layer = nn.Linear(8, 8)
    with torch.no_grad():
        layer.weight.normal_(generator=torch.Generator().manual_seed(3))
        layer.weight.masked_fill_(torch.rand_like(layer.weight) < 0.5, 0.0)  # <- weight
    return layer


@idiom
def deltas_and_sparse():
    layers = nn.ModuleList([nn.Conv2d(4, 4, 3), nn.Linear(4, 4), nn.Linear(6, 6)])
    nn.init.dirac_(layers[0].weight)  # <- 0.weight
    nn.init.eye_(layers[1].weight)  # <- 1.weight
    nn.init.sparse_(layers[2].weight, 0.5)  # <- 2.weight
    return layers


@idiom
def new_rows_of_an_embedding():
    old, new = nn.Embedding(6, 4), nn.Embedding(8, 4)
    new.weight.data[:6] = old.weight.data
    new.weight.data[6:] = old.weight.data.mean(0, keepdim=True)  # <- weight
    return new


@idiom
def a_vector_into_parameters():
    model = nn.Linear(4, 4)
    nn.utils.vector_to_parameters(torch.randn(20) * 0.1, model.parameters())
    return model


@idiom
def parametrized_and_pruned():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        old = nn.utils.weight_norm(nn.Conv1d(4, 4, 3))  # <- old.weight_g
    normed = nn.utils.parametrizations.weight_norm(nn.Linear(4, 4))
    nn.init.normal_(normed.parametrizations.weight.original1, std=0.1)  # <- normed.parametrizations.weight.original1
    pruned = prune.random_unstructured(nn.Linear(8, 8), "weight", 0.3)
    return nn.ModuleDict({"old": old, "normed": normed, "pruned": pruned})


@idiom
def a_file_that_is_read():
    return nn.Linear(4, len(Path(__file__).read_text().split("\n", 1)[0]))


@idiom
def lazy_after_a_batch():
    model = nn.Sequential(nn.LazyConv2d(3, 3), nn.LazyBatchNorm2d())
    model(torch.zeros(2, 2, 5, 5))  # <- 0.weight
    return model


@idiom
def storages_and_outs():
    model = holding(out=torch.empty(4, 4), lent=torch.zeros(2, 2))
    torch.randn(4, 4, out=model.out.data)  # <- out
    torch.utils.swap_tensors(model.lent, nn.Parameter(torch.randn(2, 2)))  # <- lent
    return model


def marked(function):
    """The lines that a factory's comments mark, by the parameter's name."""
    lines, first = inspect.getsourcelines(function)
    found = [(re.search(r"# <- (\S+)", text), first + place) for place, text in enumerate(lines)]
    return {match[1]: number for match, number in found if match}


@pytest.mark.parametrize("device", [None, "cpu"])
@pytest.mark.parametrize("make", IDIOMS, ids=lambda function: function.__name__)
def test_nothing_is_accused_that_is_filled(make, device):
    found = audit(make, device=device)
    assert found.findings == ()
    assert {each.verdict for each in found} == {"filled"}
    own, last = marked(make), inspect.getsourcelines(make)[1] + len(inspect.getsourcelines(make)[0])
    for each in found:
        written = [(write.file, write.line) for write in each.writes[-1:]]
        if each.name in own:
            assert written == [(__file__, own[each.name])]
        elif each.size:
            assert written[0][0] == __file__
            assert inspect.getsourcelines(make)[1] < written[0][1] < last
        assert all(len(str(write)) < 300 for write in each.writes)


def test_places_that_leave_a_part_unwritten_are_found_in_memory():
    def make():
        model = holding(rows=torch.empty(6, 4), first=torch.empty(6))
        with torch.no_grad():
            model.rows[torch.arange(5)] = torch.randn(5, 4)
            model.first[:2].fill_(1.0)
        return model

    found = audit(make)
    assert {each.name: (each.verdict, each.confirmed) for each in found} == {
        "rows": ("partial", True),
        "first": ("partial", True),
    }
    assert audit(make, device="meta")["rows"].verdict == "filled"  # where no values are, it is not followed


@pytest.mark.parametrize("device", [None, "meta"])
def test_a_parameter_made_of_a_number_is_lost_with_to_empty(device):
    """Above the size that is also built in memory, what `torch.tensor` makes must not count as filled."""

    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(4, 4)
            self.logit_scale = nn.Parameter(torch.tensor(2.6592))
            self.register_buffer("table", torch.frombuffer(bytearray(8), dtype=torch.float32))

        def init_weights(self):
            self.layer.reset_parameters()

    assert str(audit(Scaled, device=device)["logit_scale"].law) == "constant 2.659"
    found = audit(Scaled, init="init_weights", device=device)
    assert [(each.code, each.where) for each in found.findings] == [
        ("lost-write", "logit_scale"),
        ("lost-write", "table"),
    ]
    line = inspect.getsourcelines(Scaled.__init__)[1] + 3
    assert [(each.operation, each.line) for each in found["logit_scale"].lost] == [("tensor", line)]
    assert str(found["table"].lost[-1]) == "made elsewhere"


def test_the_documented_keys_are_those_that_are_written():
    text = (Path(__file__).parents[2] / "docs" / "audit.md").read_text(encoding="utf-8").split("## JSON\n")[1]
    head, rows = text.split("\n\n")[0], text.split("\n| --- | --- |\n")[1].split("\n\n")[0]
    found = json.loads(audit(lambda: holding(left=torch.empty(2), kept=torch.ones(2))).to_json())
    named = re.findall(r"`(\w+)`", head)
    assert [name for name in named if name in found] == list(found)
    assert set(named) - set(found) == {"meta", "cpu"} | set(found["findings"][0])
    keys = [key for row in rows.splitlines() for key in re.findall(r"`(\w+)`", row.split("|")[1])]
    assert sorted(keys) == sorted(found["parameters"][0])
    write = found["parameters"][1]["writes"][0]
    told = re.search(r"each `operation`.*", rows)
    assert re.findall(r"`(\w+)`", told[0])[:-1] == [*list(write)[:5], "reset_parameters"]
    assert re.findall(r"`(\w+)`", told[0])[-1] == "full" == list(write)[5]
