"""Audits of models that several processes hold: replicas, and a model in shards."""

import re
import subprocess
import sys

import pytest
from torch import nn

from children import child, spoken
from goodinit import GoodinitError, audit

RANK = """
import sys, torch, goodinit
from torch import nn, distributed
rank, file = int(sys.argv[1]), sys.argv[2]
distributed.init_process_group("gloo", init_method=f"file://{file}", rank=rank, world_size=2)
torch.manual_seed(0)
model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
torch.manual_seed(rank)
nn.init.normal_(model[1].weight)
print([(f.code, f.where, f.message) for f in goodinit.audit(model, replicas=True).findings])
"""


def test_replicas_that_differ(tmp_path):
    line = [sys.executable, "-c", RANK]
    with pytest.raises(GoodinitError, match="init_process_group first"):
        audit(nn.Linear(2, 2), replicas=True)
    with pytest.raises(GoodinitError, match="give each process's model"):
        audit(lambda: nn.Linear(2, 2), replicas=True)
    lines = [[*line, str(rank), tmp_path / "s"] for rank in (0, 1)]
    with child(lines[0], stdout=subprocess.PIPE) as one, child(lines[1], stdout=subprocess.PIPE) as other:
        said = [spoken(each.communicate(timeout=120)[0]) for each in (one, other)]
    assert said == [
        [f"[('replicas-differ', '1.weight', 'process {1 - rank} holds other values than process {rank}')]"]
        for rank in (0, 1)
    ]


SHARDED = """
import sys, torch, goodinit
from torch import nn, distributed
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
distributed.init_process_group("gloo", init_method=f"file://{sys.argv[1]}", rank=0, world_size=1)
def make(fill):
    with torch.device("meta"):
        model = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 4))
    fully_shard(model, mesh=init_device_mesh("cpu", (1,)))
    model.to_empty(device="cpu")
    for layer in list(model)[:fill]:
        layer.reset_parameters()
    return model
for fill in (2, 1):
    found = goodinit.audit(lambda: make(fill))
    print([(f.code, f.where, found[f.where].confirmed) for f in found.findings], found["0.weight"].law)
"""


def test_a_sharded_model_filled_after_to_empty(tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SHARDED, tmp_path / "s"], capture_output=True, text=True, check=True
    )
    said = spoken(done.stdout)
    assert said[0] == "[] uniform(-0.3536, 0.3536)"
    code = re.match(r"\[\('([a-z-]+)'", said[1])[1]
    assert code in ("never-filled", "lost-write")  # PyTorch 2.8 gives shards memory of their own at every access
    assert said[1:] == [f"[('{code}', '1.weight', True), ('{code}', '1.bias', True)] uniform(-0.3536, 0.3536)"]
