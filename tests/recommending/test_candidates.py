"""Which starts of a model are raced where a person names none."""

import numpy as np
import pytest
import torch
from torch import nn

from goodinit.methods import get
from goodinit.recommending.candidates import MORE, MOST, SPARE, fillable, usual_candidates, usual_starts
from goodinit.recommending.given import RaceRequest, task_of

X = np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32)
DATA = (X, np.arange(40) % 2)


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.head = nn.Linear(6, 8), nn.Linear(8, 2)
        self.branch = nn.Sequential(nn.LayerNorm(8), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x)
        return self.head(x + self.branch(x))


def residual():
    return Residual()


def normalized():
    return nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2))


@pytest.mark.parametrize(
    ("make", "more"), [(normalized, {"lsuv", "orthogonal"}), (residual, {"lsuv", "orthogonal", "zero_branches"})]
)
def test_starts_that_advise_does_not_name_are_raced_where_they_fit(make, more):
    """What does not fit is passed over in silence; a start that a person names is told."""
    task, _ = task_of(RaceRequest(make, DATA, {"steps": 5}, "validation_loss"), None)
    named, own = usual_starts(task), get("default")
    starts, dropped, first = usual_candidates(task, own)
    raced = [str(each) for each in starts]
    assert raced[: len(named) + 1] == ["default", *named]
    assert set(raced[:first]) == {"default", *named, *more}
    assert set(raced[first:]) == set(SPARE) - set(named)
    assert first <= MOST + 1
    assert len(set(raced)) == len(raced)
    assert dropped == []
    starts, dropped = fillable(task, ["zero_branches"], own, MORE)
    assert [each.initialization for each in dropped] == ([] if "zero_branches" in more else ["zero_branches"])
    assert {str(each) for each in starts} == {"default", *more}
