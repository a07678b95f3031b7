"""What is wrong with the inputs is found as that, as the first layer meets them, and no weight is blamed for it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from checkup_models import batch, fill, he, images, mlp
from torch import Tensor, nn
from torch.nn import functional

import goodinit

X, Y = batch()
CE = functional.cross_entropy


def uneven(feature: int, times: float) -> Tensor:
    x = X.clone()
    x[:, feature] *= times
    return x


INPUTS: dict[str, tuple[Tensor, str | None]] = {
    "standard normal": (X, None),
    "between 0 and 1": (X.sigmoid(), None),
    "0 to 255": ((X.sigmoid() * 255).round(), "inputs-not-scaled"),
    "of size 1e-4": (X * 1e-4, "inputs-not-scaled"),
    "mean 1000": (X + 1000, "inputs-not-centred"),
    "one feature 1000 times the others": (uneven(7, 1000), "inputs-uneven"),
    "one feature 3 times the others": (uneven(7, 3), None),
    "all the same": (X[:1].expand(64, 64).clone(), "inputs-constant"),
    "a constant feature": (uneven(7, 0), None),
}


@pytest.mark.parametrize("case", INPUTS)
def test_inputs_are_judged_before_weights(case: str) -> None:
    inputs, code = INPUTS[case]
    model = fill(mlp(5), he)
    checkup = goodinit.check(model, inputs, Y, loss=CE)
    found = {each.code: each for each in checkup.findings if each.severity != "info"}
    assert set(found) == (set() if code is None else {code})
    if code is None or code == "inputs-constant":
        return
    assert found[code].severity == "severe"
    space: dict[str, Any] = {"inputs": inputs, "torch": torch}
    exec(found[code].remedy, space)
    assert goodinit.check(model, space["inputs"], Y, loss=CE).healthy


class Within(nn.Module):
    """Brings its inputs into their units itself, and has a second one that no layer meets."""

    def __init__(self, model: nn.Module, shift: float = 0.0, times: float = 1.0) -> None:
        super().__init__()
        self.model, self.times = model, times
        self.register_buffer("shift", torch.tensor(shift))

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        x = self.model((x.float() - self.shift) * self.times)
        return x if mask is None else x.where(mask.sum(1, keepdim=True) > 0, x)


def test_inputs_are_judged_as_the_first_layer_meets_them() -> None:
    pixels, model = (X.sigmoid() * 255).round(), fill(mlp(5), he)
    codes = {"inputs-not-scaled", "inputs-not-centred"}

    def found(model: nn.Module, inputs: Any) -> set[str]:
        return codes & {each.code for each in goodinit.check(model, inputs, Y, loss=CE).findings}

    assert not found(Within(model, 128.0, 1 / 64), pixels)
    assert not found(Within(model, times=1 / 255), pixels)
    assert not found(Within(model, times=1 / 255), pixels.to(torch.uint8))
    assert found(Within(model), pixels.to(torch.uint8)) == {"inputs-not-scaled"}
    assert found(Within(model, times=1000.0), X) == {"inputs-not-scaled"}
    assert not found(Within(model), (X, 1e4 * X.abs()))
    assert not found(nn.Sequential(nn.BatchNorm1d(64), *model), pixels)


def test_an_input_beside_a_larger_signal_is_judged_alone() -> None:
    class Beside(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.head = nn.Linear(64, 64), nn.Linear(67, 10)

        def forward(self, x: Tensor, direction: Tensor) -> Tensor:
            return self.head(torch.cat([direction, self.layer(x).relu() / 100], 1))

    direction = functional.normalize(X[:, :3], dim=1)
    checkup = goodinit.check(Beside(), (X, direction), Y, loss=CE)
    assert [each.uneven is None or each.uneven < 2 for each in checkup.start.inputs] == [True, True]
    assert checkup.start.inputs[1].rms == pytest.approx(3**-0.5)


@pytest.mark.filterwarnings("ignore:Sparse CSR tensor support is in beta")
def test_a_sparse_input_is_taken() -> None:
    class Graph(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(64, 10)

        def forward(self, x: Tensor, near: Tensor) -> Tensor:
            return torch.sparse.mm(near, self.layer(x))

    near = torch.eye(64).to_sparse()
    for each in (near, near.to_sparse_csr()):
        assert goodinit.check(Graph(), (X, each), Y, loss=CE).healthy


def test_images_are_judged_channel_by_channel_and_a_norm_makes_up() -> None:
    pictures, classes = images() * 50 + 120, torch.arange(16) % 10
    plain = nn.Sequential(nn.Conv2d(3, 16, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10))
    found = {each.code: each for each in goodinit.check(plain, pictures, classes, loss=CE).findings}
    assert found["inputs-not-scaled"].severity == "severe"
    space: dict[str, Any] = {"inputs": pictures, "torch": torch}
    exec(found["inputs-not-scaled"].remedy, space)
    assert space["inputs"].mean((0, 2, 3)).abs().max() < 1e-4
    normed = nn.Sequential(nn.Conv2d(3, 16, 3), nn.BatchNorm2d(16), *plain[1:])
    assert goodinit.check(normed, pictures, classes, loss=CE).healthy
    first = nn.Sequential(nn.BatchNorm2d(3), *plain)
    assert not [e for e in goodinit.check(first, pictures, classes, loss=CE).findings if e.code.startswith("inputs")]


def test_a_dict_of_inputs_is_named_as_python_does() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = mlp(3)

        def forward(self, near: Tensor, far: Tensor) -> Tensor:
            return self.net(near + far)

    inputs = {"near": X, "far": X.flip(0) * 300}
    found = goodinit.check(Two(), inputs, Y, loss=CE).findings[0]
    assert found.where == "inputs['far']"
    exec(found.remedy, {"inputs": inputs, "torch": torch})
    assert inputs["far"].std() == pytest.approx(1, abs=0.01)
