"""Two processes that shard their model: the check refuses it in one sentence."""

import subprocess
import sys

CODE = """
import os, sys
import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import Shard, distribute_tensor
from goodinit import GoodinitError, transfer

rank = int(sys.argv[1])
dist.init_process_group("gloo", init_method=f"file://{sys.argv[2]}", rank=rank, world_size=2)
mesh = init_device_mesh("cpu", (2,))

def make(width):
    model = nn.Linear(8, width)
    model.weight = nn.Parameter(distribute_tensor(model.weight.detach(), mesh, [Shard(0)]))
    return model

try:
    transfer(make, widths=[8, 16, 32], batch=(torch.zeros(4, 8), None), loss=torch.mean)
except GoodinitError as error:
    print(error)
dist.destroy_process_group()
"""


def test_a_sharded_model_is_refused_by_each_process(tmp_path):
    command = [sys.executable, "-c", CODE]
    several = [
        subprocess.Popen(
            [*command, str(rank), str(tmp_path / "store")], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for rank in range(2)
    ]
    for each in several:
        out, error = each.communicate(timeout=120)
        assert "spread over processes (DTensor)" in out, error
