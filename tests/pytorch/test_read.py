"""Every layer kind is read with the role and the fans that a measurement of its output confirms."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, spectral_norm
from torch.nn.utils.prune import random_unstructured

import goodinit
from goodinit import GoodinitError, Weight
from goodinit.pytorch import Meaning, read_model, register_rule

# Module, its parameters with role and fan in (None where it does not multiply). The fans are by hand, from the sum
# that the layer's documentation writes down.
LAYERS: dict[str, tuple[Callable[[], nn.Module], dict[str, tuple[str, float | None]]]] = {
    "linear": (lambda: nn.Linear(5, 3), {"weight": ("weight", 5), "bias": ("bias", None)}),
    "bilinear": (lambda: nn.Bilinear(2, 3, 4), {"weight": ("weight", 6), "bias": ("bias", None)}),
    "conv1d": (lambda: nn.Conv1d(4, 6, 5, stride=2), {"weight": ("weight", 20), "bias": ("bias", None)}),
    "conv2d": (lambda: nn.Conv2d(4, 6, (3, 5), bias=False), {"weight": ("weight", 60)}),
    "conv3d": (lambda: nn.Conv3d(4, 6, 3, dilation=2, bias=False), {"weight": ("weight", 108)}),
    "grouped": (lambda: nn.Conv2d(8, 12, 3, groups=4, bias=False), {"weight": ("weight", 18)}),
    "depthwise": (lambda: nn.Conv2d(64, 64, 3, groups=64, bias=False), {"weight": ("weight", 9)}),
    "transposed 1d": (lambda: nn.ConvTranspose1d(6, 4, 6, stride=3, bias=False), {"weight": ("weight", 12)}),
    "transposed 2d": (lambda: nn.ConvTranspose2d(16, 32, 4, stride=2, bias=False), {"weight": ("weight", 64)}),
    "transposed 3d": (lambda: nn.ConvTranspose3d(4, 6, 2, stride=2, bias=False), {"weight": ("weight", 4)}),
    "transposed, uneven": (lambda: nn.ConvTranspose2d(4, 2, 3, stride=2, bias=False), {"weight": ("weight", 9)}),
    "transposed, grouped": (
        lambda: nn.ConvTranspose2d(8, 12, 4, stride=2, groups=4, bias=False),
        {"weight": ("weight", 8)},
    ),
    "embedding": (lambda: nn.Embedding(10, 4), {"weight": ("embedding", 1)}),
    "embedding bag": (lambda: nn.EmbeddingBag(10, 4), {"weight": ("embedding", 1)}),
    "rnn": (
        lambda: nn.RNN(3, 5, bias=False),
        {"weight_ih_l0": ("recurrent input", 3), "weight_hh_l0": ("recurrent hidden", 5)},
    ),
    "gru, two layers, both ways": (
        lambda: nn.GRU(3, 5, 2, bidirectional=True, bias=False),
        {
            f"weight_{which}_l{layer}{way}": (role, fan)
            for layer in (0, 1)
            for way in ("", "_reverse")
            for which, role, fan in (
                ("ih", "recurrent input", (3, 10)[layer]),
                ("hh", "recurrent hidden", 5),
            )
        },
    ),
    "lstm with a projection": (
        lambda: nn.LSTM(3, 5, proj_size=2),
        {
            "weight_ih_l0": ("recurrent input", 3),
            "weight_hh_l0": ("recurrent hidden", 2),
            "bias_ih_l0": ("gate bias", None),
            "bias_hh_l0": ("bias", None),
            "weight_hr_l0": ("recurrent projection", 5),
        },
    ),
    "gru cell": (
        lambda: nn.GRUCell(3, 5, bias=False),
        {"weight_ih": ("recurrent input", 3), "weight_hh": ("recurrent hidden", 5)},
    ),
    "lstm cell": (
        lambda: nn.LSTMCell(3, 5),
        {
            "weight_ih": ("recurrent input", 3),
            "weight_hh": ("recurrent hidden", 5),
            "bias_ih": ("gate bias", None),
            "bias_hh": ("bias", None),
        },
    ),
    "attention": (
        lambda: nn.MultiheadAttention(8, 2, add_bias_kv=True),
        {
            "in_proj_weight": ("attention", 8),
            "in_proj_bias": ("bias", None),
            "bias_k": ("bias", None),
            "bias_v": ("bias", None),
            "out_proj.weight": ("weight", 8),
            "out_proj.bias": ("bias", None),
        },
    ),
    "attention, unpacked": (
        lambda: nn.MultiheadAttention(8, 2, kdim=4, vdim=6, bias=False),
        {
            "q_proj_weight": ("attention", 8),
            "k_proj_weight": ("attention", 4),
            "v_proj_weight": ("attention", 6),
            "out_proj.weight": ("weight", 8),
        },
    ),
    **{
        name: (make, {"weight": ("norm scale", None), "bias": ("norm shift", None)})
        for name, make in {
            "layer norm": lambda: nn.LayerNorm(4),
            "batch norm": lambda: nn.BatchNorm2d(4),
            "group norm": lambda: nn.GroupNorm(2, 4),
            "instance norm": lambda: nn.InstanceNorm1d(4, affine=True),
        }.items()
    },
    "rms norm": (lambda: nn.RMSNorm(4), {"weight": ("norm scale", None)}),
    "prelu": (lambda: nn.PReLU(3), {"weight": ("slope", None)}),
}


@pytest.mark.parametrize("name", LAYERS)
def test_every_parameter_is_read_once_with_its_role_and_fan(name: str) -> None:
    make, expected = LAYERS[name]
    model = make()
    read = read_model(model)
    assert [each.parameters for each in read] == [(name,) for name, _ in model.named_parameters()]
    found = {
        each.name: (each.role, each.weight.fan_in if each.weight and each.weight.kind != "elementwise" else None)
        for each in read
    }
    assert found == expected
    assert all(each.weight is not None and each.weight.name == each.name for each in read)
    assert all(each.weight.shape == tuple(model.get_parameter(each.name).shape) for each in read if each.weight)


def outputs(module: nn.Module, features: int, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """The outputs for standard normal inputs, away from the edges, where a kernel is cut off."""
    x = torch.randn(64, features, *shape, generator=generator)
    with torch.no_grad():
        if isinstance(module, nn.Bilinear):
            return module(x, torch.randn(64, module.in2_features, generator=generator))
        y = module(x)
    inside = tuple(slice(size // 4, size // 4 + size // 4 * 2) for size in y.shape[2:])  # as many even places as odd
    return y[(..., *inside)]


@pytest.mark.parametrize(
    ("make", "features", "shape"),
    [
        (lambda: nn.Linear(64, 128), 64, ()),
        (lambda: nn.Bilinear(12, 12, 64), 12, ()),
        (lambda: nn.Conv1d(16, 32, 5, stride=2), 16, (40,)),
        (lambda: nn.Conv2d(16, 32, 3, dilation=2), 16, (16, 16)),
        (lambda: nn.Conv3d(8, 16, 3), 8, (8, 8, 8)),
        (lambda: nn.Conv2d(16, 32, 3, groups=4), 16, (12, 12)),
        (lambda: nn.Conv2d(64, 64, 3, groups=64), 64, (10, 10)),
        (lambda: nn.ConvTranspose1d(16, 32, 6, stride=3), 16, (24,)),
        (lambda: nn.ConvTranspose2d(16, 64, 4, stride=2), 16, (12, 12)),
        (lambda: nn.ConvTranspose2d(16, 64, 5, stride=2), 16, (12, 12)),
        (lambda: nn.ConvTranspose2d(16, 64, 4, stride=(2, 1), groups=4), 16, (12, 12)),
        (lambda: nn.ConvTranspose3d(8, 32, 2, stride=2), 8, (8, 8, 8)),
    ],
)
def test_weights_of_variance_1_over_fan_in_keep_the_variance(make, features, shape) -> None:
    generator = torch.Generator().manual_seed(1)
    module, ratios = make(), []
    for seed in range(12):
        goodinit.initialize(module, "lecun_normal", seed=seed)
        ratios.append(outputs(module, features, shape, generator).pow(2).mean().item())
    mean, error = torch.tensor(ratios).mean().item(), (torch.tensor(ratios).std() / len(ratios) ** 0.5).item()
    assert error < 0.05  # or the test shows nothing
    assert abs(mean - 1) < 4 * error


def test_tied_parameters_are_read_once_with_all_their_names() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Embedding(10, 4)
            self.head = nn.Linear(4, 10, bias=False)
            self.head.weight = self.embed.weight

    (table,) = read_model(Tied())
    assert (table.name, table.aliases, table.role) == ("embed.weight", ("head.weight",), "tied embedding")
    assert table.weight is not None
    assert table.weight.fan_in == 4  # the output layer's

    shared = nn.Linear(3, 3)
    first, _ = read_model(nn.Sequential(shared, nn.ReLU(), shared))
    assert (first.name, first.aliases) == ("0.weight", ("2.weight",))


def test_a_parametrized_tensor_is_one_weight_under_its_own_name() -> None:
    def names(model: nn.Module) -> list[tuple[str, str, tuple[str, ...], str]]:
        return [(each.name, each.role, each.parameters, each.form) for each in read_model(model) if each.role != "bias"]

    start = "parametrizations.weight.original"
    normed = parametrizations.weight_norm(nn.Conv1d(2, 3, 3))
    assert names(normed) == [("weight", "weight", (f"{start}0", f"{start}1"), "parametrized")]
    assert names(parametrizations.orthogonal(nn.Linear(2, 3))) == [("weight", "weight", (start,), "parametrized")]
    with pytest.warns(FutureWarning):
        old = nn.utils.weight_norm(nn.Linear(2, 3))
    assert names(old) == [("weight", "weight", ("weight_g", "weight_v"), "weight_norm")]
    assert names(spectral_norm(nn.Linear(2, 3))) == [("weight", "weight", ("weight_orig",), "original")]
    pruned = random_unstructured(nn.Linear(2, 3), "weight", 0.5)
    assert names(pruned) == [("weight", "weight", ("weight_orig",), "original")]


class Scale(nn.Module):
    """Somebody's own layer, of which goodinit knows nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel = nn.Parameter(torch.zeros(3, 8))
        self.gamma = nn.Parameter(torch.zeros(8))


def test_what_is_not_known_is_told_and_a_rule_teaches_it() -> None:
    model = nn.Sequential(nn.Linear(3, 3), Scale())
    unknown = [each for each in read_model(model) if each.weight is None]
    assert [each.name for each in unknown] == ["1.kernel", "1.gamma"]
    assert all(each.role == "unknown" and "Scale" in str(each.reason) for each in unknown)

    def rule(module: Scale) -> dict[str, object]:
        return {"kernel": Weight.linear("kernel", 3, 8, layout="keras"), "gamma": "norm scale"}

    with register_rule(Scale, rule):
        read = {each.name: each for each in read_model(model)}
        assert read["1.kernel"].weight == Weight.linear("1.kernel", 3, 8, layout="keras")
        assert read["1.gamma"].role == "norm scale"
        with register_rule(Scale, lambda module: {"kernel": Meaning("unknown"), "gamma": Meaning("slope")}):
            assert read_model(model)[-1].role == "slope"
        assert read_model(model)[-1].role == "norm scale"
    assert read_model(model)[-1].role == "unknown"


def test_a_rule_may_name_a_class_to_be_read_like() -> None:
    class Norm(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(4))

    handle = register_rule(Norm, nn.RMSNorm)
    try:
        assert read_model(Norm())[0].role == "norm scale"
    finally:
        handle.remove()
        handle.remove()
    assert read_model(Norm())[0].role == "unknown"


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (lambda module: {"gamma": "scale of sorts"}, "it must say a Weight"),
        (lambda module: {"gamma": Weight.linear("g", 2, 2)}, "has shape"),
        (lambda module: {"gamma": module.no_such}, "AttributeError"),
    ],
)
def test_a_wrong_rule_is_told_where_it_counts(rule, message: str) -> None:
    with register_rule(Scale, rule):
        assert message in str({each.name: each.reason for each in read_model(Scale())}["gamma"])


def test_subclasses_are_read_as_their_base_and_what_they_add_is_unknown() -> None:
    class Scaled(nn.Linear):
        def __init__(self) -> None:
            super().__init__(4, 2)
            self.scale = nn.Parameter(torch.ones(2))

    read = {each.name: each for each in read_model(Scaled())}
    assert read["weight"].role == "weight"
    assert read["scale"].weight is None
    assert "no such parameter" in str(read["scale"].reason)


def test_lazy_meta_frozen_and_padding_are_told() -> None:
    lazy, *_ = read_model(nn.LazyLinear(3))
    assert lazy.lazy
    assert lazy.weight is None
    with torch.device("meta"):
        assert all(each.meta for each in read_model(nn.Linear(2, 2)))
    frozen = nn.Linear(2, 2).requires_grad_(False)
    assert not any(each.trainable for each in read_model(frozen))
    assert read_model(nn.Embedding(4, 2, padding_idx=1))[0].zero_row == 1


def test_wrappers_do_not_change_names() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    plain = [each.name for each in read_model(model)]
    assert [each.name for each in read_model(nn.DataParallel(model))] == plain
    assert [each.name for each in read_model(torch.compile(model, backend="eager"))] == plain
    model[1] = torch.compile(model[1], backend="eager")
    assert [each.name for each in read_model(model)] == plain


def test_what_is_no_model_is_refused() -> None:
    with pytest.raises(GoodinitError, match=r"give a torch\.nn\.Module"):
        read_model([nn.Linear(2, 2)])  # type: ignore[arg-type]
    with pytest.raises(GoodinitError, match="class of modules"):
        register_rule(nn.Linear(2, 2), nn.Linear)  # type: ignore[arg-type]
    with pytest.raises(GoodinitError, match="knows no such layer"):
        register_rule(Scale, Scale)
