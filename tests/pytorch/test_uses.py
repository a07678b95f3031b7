"""What one run tells of parameters whose class nobody knows: their roles, and which axis is fan in."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import goodinit
from goodinit import GoodinitError
from goodinit.pytorch import read_structure, register_rule
from goodinit.pytorch.trace import trace

X = torch.randn(6, 8, generator=torch.Generator().manual_seed(0))


class Own(nn.Module):
    """A module of somebody's own: one parameter, one forward."""

    def __init__(self, shape: tuple[int, ...], forward: Callable[[Tensor, Tensor], Tensor], start: float = 0.5) -> None:
        super().__init__()
        self.p = nn.Parameter(torch.full(shape, start))
        self.out = nn.Linear(8, 3)
        self._forward = forward

    def forward(self, x: Tensor) -> Tensor:
        return self._forward(x, self.p)


def rms(x: Tensor) -> Tensor:
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-6)


MATRICES = {  # shape, forward, (fan in, fan out), for inputs of 8 features
    "in x out": ((8, 24), lambda x, p: torch.addmm(torch.zeros(24), x, p), (8, 24)),
    "out x in": ((24, 8), functional.linear, (8, 24)),
    "out x in, turned": ((24, 8), lambda x, p: x @ p.t(), (8, 24)),
    "the weight first": ((24, 8), lambda x, p: p @ x.t(), (8, 24)),
    "half of it": ((48, 8), lambda x, p: torch.mm(x, p.chunk(2)[0].T), (8, 24)),
    "heads apart": ((4, 6, 8), lambda x, p: functional.linear(x, p.reshape(24, 8)), (8, 24)),
    "experts, chosen": ((5, 24, 8), lambda x, p: functional.linear(x, p[3]), (8, 24)),
    "experts, at once": ((5, 8, 24), lambda x, p: torch.bmm(x.expand(5, 6, 8), p), (8, 24)),
    "experts, by letters": ((5, 8, 24), lambda x, p: torch.einsum("ni,eio->neo", x, p), (8, 24)),
    "a copy": ((8, 24), lambda x, p: x.double() @ p.double(), (8, 24)),
    "convolution": ((10, 4, 3), lambda x, p: functional.conv1d(x[None, :, :].mT, p, groups=2), (12, 15)),
}


@pytest.mark.parametrize("case", MATRICES)
def test_the_fans_of_a_matrix_are_those_of_its_use(case: str) -> None:
    shape, forward, fans = MATRICES[case]
    done = goodinit.initialize(Own(shape, forward), seed=0, inputs=X)["p"]
    assert (done.role, (done.fan_in, done.fan_out)) == ("weight", fans)
    assert done.realised_std == pytest.approx((1 / fans[0]) ** 0.5, rel=0.2)  # nothing follows: variance 1/fan in


ROLES = {  # shape, forward, the role, what it is filled with
    "rms norm": ((8,), lambda x, p: rms(x) * p, "norm scale", "ones"),
    "rms norm, in float32": ((8,), lambda x, p: p * rms(x.float()).to(x.dtype), "norm scale", "ones"),
    "gemma's": ((8,), lambda x, p: rms(x) * (1.0 + p.float()), "norm offset", "zeros"),
    "a norm's function": ((8,), lambda x, p: functional.layer_norm(x, (8,), p), "norm scale", "ones"),
    "its shift": ((8,), lambda x, p: functional.layer_norm(x, (8,), None, p), "norm shift", "zeros"),
    "bias": ((8,), lambda x, p: x + p, "bias", "zeros"),
    "bias of a product": ((3,), lambda x, p: torch.addmm(p, x, torch.ones(8, 3)), "bias", "zeros"),
    "places": ((1, 6, 8), lambda x, p: x[None] + p, "position", "normal(std=0.02)"),
    "biases of experts": (
        (5, 1, 24),
        lambda x, p: torch.baddbmm(p, x.expand(5, 6, 8), torch.ones(5, 8, 24)),
        "bias",
        "zeros",
    ),
    "relative places": (
        (6, 6),
        lambda x, p: functional.scaled_dot_product_attention(x, x, x, attn_mask=p),
        "position",
        "normal(std=0.02)",
    ),
    "class token": ((1, 8), lambda x, p: torch.cat([p, x]), "position", "normal(std=0.02)"),
    "table": ((9, 8), lambda x, p: x + functional.embedding(torch.arange(6), p), "embedding", "normal"),
    "layer scale": ((8,), lambda x, p: x * p, "scale", None),
    "layer scale behind a whole norm": (
        (8,),
        lambda x, p: functional.layer_norm(x, (8,), torch.ones(8)) * p,
        "norm scale",
        "ones",
    ),
    "state space": ((8,), lambda x, p: x * torch.exp(-torch.exp(p)), "scale", None),
}


@pytest.mark.parametrize("case", ROLES)
def test_the_role_of_a_parameter_is_its_use(case: str) -> None:
    shape, forward, role, filled = ROLES[case]
    model = Own(shape, forward)
    with torch.no_grad():  # one number alone would be its own
        model.p.copy_(torch.linspace(0.4, 0.6, model.p.numel()).reshape(shape))
    before = model.p.detach().clone()
    done = goodinit.initialize(model, seed=0, inputs=X)["p"]
    assert (done.role, done.initializer) == (role, filled)
    if filled is None:
        assert torch.equal(model.p, before)


class Mixed(nn.Module):
    """As in RWKV: a share of a signal that a norm has scaled already is no norm's scale."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.share = nn.LayerNorm(8), nn.Parameter(torch.full((8,), 0.3))

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(x)
        return x * self.share + x.roll(1, 0) * (1 - self.share)


def test_what_multiplies_behind_a_whole_norm_is_kept() -> None:
    model = Mixed()
    done = goodinit.initialize(model, seed=0, inputs=X)["share"]
    assert (done.role, done.initializer, done.because) == ("scale", None, "its own")


def test_a_class_that_is_registered_wins() -> None:
    with register_rule(Own, lambda module: {"p": "bias"}):
        assert goodinit.initialize(Own((8,), lambda x, p: rms(x) * p), seed=0, inputs=X)["p"].role == "bias"


def test_what_stays_unknown_is_kept_or_refused() -> None:
    model = Own((8,), lambda x, p: torch.where(x > 0, x, p))
    done = goodinit.initialize(model, seed=0, inputs=X)
    assert done["p"].because == "unknown"
    assert any(text.startswith("p: ") and "register_rule(Own" in text for text in done.cautions)
    assert torch.equal(model.p, torch.full((8,), 0.5))
    assert torch.equal(goodinit.draw(model, seed=0, inputs=X)["p"], model.p)
    for options in ({"inputs": X, "unknown": "refuse"}, {}):
        with pytest.raises(GoodinitError, match="'ones'") as told:
            goodinit.initialize(model, seed=0, **options)
        assert "normal(std=0.02)" not in str(told.value)  # of one axis it may be a norm's scale
    with pytest.raises(GoodinitError, match="give 'keep' or 'refuse'"):
        goodinit.initialize(model, seed=0, unknown="ask")


class Branch(nn.Module):
    """A residual block and a head, both ends zero, the last norm's scale zero too; and one zero where it is a fault."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.up, self.down = nn.LayerNorm(8), nn.Linear(8, 16), nn.Linear(16, 8)
        self.fault, self.after = nn.Linear(8, 8), nn.Linear(8, 8)
        self.last, self.head = nn.LayerNorm(8), nn.Linear(8, 3)
        for each in (self.down, self.head, self.last, self.fault):
            nn.init.zeros_(each.weight)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.down(torch.relu(self.up(self.norm(x))))
        return self.head(self.last(x) + self.after(torch.relu(self.fault(x))))


def test_deliberate_zeros_are_kept_and_faults_filled() -> None:
    done = goodinit.initialize(Branch(), seed=0, inputs=X)
    kept = {each.name for each in done.weights if each.because == "zero start"}
    assert kept == {"down.weight", "head.weight", "last.weight"}
    assert done["down.weight"].caution is not None
    assert done["fault.weight"].realised_std > 0
    filled = goodinit.initialize(Branch(), seed=0, inputs=X, zero_starts="fill")
    assert all(each.initializer is not None for each in filled.weights)
    assert goodinit.initialize(Branch(), seed=0)["head.weight"].initializer is not None


def test_a_model_of_zeros_has_no_deliberate_start() -> None:
    model = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3))
    for each in model.parameters():
        nn.init.zeros_(each)
    assert all(each.initializer is not None for each in goodinit.initialize(model, seed=0, inputs=X).weights)


def test_stacked_experts_are_each_a_matrix() -> None:
    model = Own((5, 8, 24), lambda x, p: torch.bmm(x.expand(5, 6, 8), p))
    done = goodinit.initialize(model, "orthogonal", seed=0, inputs=X)["p"]
    lengths = torch.linalg.svdvals(model.p.detach())
    torch.testing.assert_close(lengths, torch.ones_like(lengths))  # nothing follows: gain 1
    assert done.expected_std == pytest.approx((1 / 24) ** 0.5)


class Tokens(nn.Module):
    """A table of tokens, one of places, and a parameter of places, all added; the table may be the output layer too."""

    def __init__(self, tied: bool, times: float = 1.0) -> None:
        super().__init__()
        self.table, self.places = nn.Embedding(50, 64), nn.Embedding(12, 64)
        self.more = nn.Parameter(torch.zeros(1, 12, 64))
        self.head, self.times = nn.Linear(64, 50, bias=False), times
        if tied:
            self.head.weight = self.table.weight

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.table(tokens) * self.times + self.places(torch.arange(12))
        return self.head(x + self.more)


@pytest.mark.parametrize(("tied", "times", "std"), [(False, 1.0, 1.0), (True, 1.0, 1 / 8), (True, 8.0, 1.0)])
def test_places_take_the_scale_of_the_look_up_that_they_are_added_to(tied: bool, times: float, std: float) -> None:
    tokens = torch.randint(0, 50, (4, 12), generator=torch.Generator().manual_seed(1))
    done = goodinit.initialize(Tokens(tied, times), seed=0, inputs=tokens)
    for name in ("places.weight", "more"):
        assert (done[name].expected_std, done[name].because) == (pytest.approx(std), "its look-up")
    chosen = goodinit.initialize(Tokens(tied), seed=0, inputs=tokens, rules={"places.weight": "normal(std=0.3)"})
    assert chosen["places.weight"].expected_std == 0.3


def test_a_table_that_is_given_the_shape_of_another_does_not_descend_from_it() -> None:
    class Expanded(Tokens):
        def forward(self, tokens: Tensor) -> Tensor:
            x = self.table(tokens)
            return self.head(x + self.places(torch.arange(12)[None]).expand_as(x) + self.more.type_as(x))

    tokens = torch.randint(0, 50, (4, 12), generator=torch.Generator().manual_seed(1))
    assert read_structure(Expanded(tied=False), tokens).streams == ()
    assert goodinit.initialize(Expanded(tied=False), seed=0, inputs=tokens)["places.weight"].because == "its look-up"


@pytest.mark.parametrize("first", [True, False])
def test_a_table_whose_rows_are_multiplied_is_drawn_smaller(first: bool) -> None:
    """Rows times sqrt(width), as transformers have them since 2017, on a stream whose norms come later."""

    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table, self.layer = nn.Embedding(50, 64), nn.TransformerEncoderLayer(64, 4, batch_first=True)
            self.head = nn.Linear(64, 50)
            self.register_buffer("waves", torch.ones(12, 64))

        def forward(self, tokens: Tensor) -> Tensor:
            x = self.table(tokens) * 8.0
            return self.head(self.layer(x + self.waves if first else x))

    tokens = torch.randint(0, 50, (4, 12), generator=torch.Generator().manual_seed(1))
    model = Scaled()
    done = goodinit.initialize(model, seed=0, inputs=tokens)
    assert (done["table.weight"].initializer, done["table.weight"].because) == ("normal(std=0.125)", "default")
    targets = torch.zeros(4, 50, dtype=torch.long)
    checkup = goodinit.check(model, tokens, targets, loss=lambda y, t: nn.functional.cross_entropy(y.mT, t[:, :12]))
    assert "attention-saturated" not in {each.code for each in checkup.findings}


class Forces(nn.Module):
    """Forces are a gradient that is taken inside `forward`."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel, self.out = nn.Parameter(torch.zeros(8, 16)), nn.Linear(16, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = x.detach().requires_grad_(True)
        return -torch.autograd.grad(self.out(torch.tanh(x @ self.kernel)).sum(), x, create_graph=True)[0]


def test_a_model_that_differentiates_inside_is_read() -> None:
    done = goodinit.initialize(Forces(), seed=0, inputs=X)
    assert (done["kernel"].fan_in, done["kernel"].activation) == (8, "tanh")


class Couplings(nn.Module):
    """A flow that starts as the identity: what the zero layers add to is the model's input, no layer's output."""

    def __init__(self) -> None:
        super().__init__()
        self.ups, self.ends = (nn.ModuleList(nn.Linear(*size) for _ in range(3)) for size in ((4, 16), (16, 4)))
        for end in self.ends:
            nn.init.zeros_(end.weight)

    def forward(self, x: Tensor) -> Tensor:
        one, two = x.chunk(2, -1)
        for up, end in zip(self.ups, self.ends, strict=True):
            one, two = two + end(torch.relu(up(one))), one
        return torch.cat((one, two), -1)


def test_the_zero_ends_of_couplings_are_kept() -> None:
    done = goodinit.initialize(Couplings(), seed=0, inputs=X)
    kept = {each.name for each in done.weights if each.because == "zero start"}
    assert kept == {f"ends.{step}.weight" for step in range(3)}


class OneMore(nn.LayerNorm):
    """As Nemotron's: PyTorch's norm, whose scale is kept as its distance from 1."""

    def forward(self, x: Tensor) -> Tensor:
        return functional.layer_norm(x, self.normalized_shape, self.weight + 1.0, self.bias)


def test_a_known_norm_s_scale_may_be_kept_as_its_distance_from_1() -> None:
    done = goodinit.initialize(nn.Sequential(OneMore(8), nn.Linear(8, 3), nn.LayerNorm(3)), seed=0, inputs=X)
    assert (done["0.weight"].role, done["0.weight"].initializer) == ("norm offset", "zeros")
    assert done["2.weight"].initializer == "ones"


class Attends(nn.Module):
    """Attention written out, a router that chooses two, and attention as one function."""

    def __init__(self) -> None:
        super().__init__()
        self.q, self.k, self.v, self.route, self.out = (nn.Linear(8, 8) for _ in range(5))

    def forward(self, x: Tensor) -> Tensor:
        x = x[None]
        scores = (self.q(x) @ self.k(x).mT / 8**0.5 + torch.zeros(6, 6)).softmax(-1)
        share = torch.softmax(self.route(x).topk(2)[0], -1).sum(-1, keepdim=True)
        x = share * (scores @ self.v(x))
        return self.out(functional.scaled_dot_product_attention(self.q(x), self.k(x), self.v(x)))


def test_queries_keys_and_routers_go_into_a_softmax() -> None:
    calls = trace(Attends(), X).calls
    assert [call.module for call in calls if call.scoring] == ["q", "k", "route", "q", "k"]


class Experts(nn.Module):
    """Stacked experts in a residual branch, two to a token; all tokens are sorted and multiplied at once."""

    def __init__(self, router: str) -> None:
        super().__init__()
        self.router, self.into = router, nn.Linear(8, 32)
        self.gate = nn.Linear(32, 4, bias=False)
        self.up, self.down = nn.Parameter(torch.randn(4, 128, 32)), nn.Parameter(torch.randn(4, 32, 64))

    def forward(self, x: Tensor) -> Tensor:
        x = self.into(x)
        scores = self.gate(x).softmax(-1) if self.router == "softmax" else torch.sigmoid(self.gate(x))
        shares, chosen = scores.topk(2, dim=-1)
        shares /= shares.sum(-1, keepdim=True)
        expert, order = chosen.reshape(-1).sort()
        ends = torch.bincount(expert, minlength=4).cumsum(0).int()
        one, other = functional.grouped_mm(x[order // 2], self.up.transpose(1, 2), offs=ends).chunk(2, dim=-1)
        made = functional.grouped_mm(functional.silu(one) * other, self.down.transpose(1, 2), offs=ends)
        made = made * shares.reshape(-1)[order, None]
        return x + made[order.argsort()].view(len(x), 2, 32).sum(1)


@pytest.mark.skipif(not hasattr(functional, "grouped_mm"), reason="PyTorch 2.10 has products of groups")
@pytest.mark.parametrize("router", ["softmax", "sigmoid"])
def test_experts_whose_products_are_made_at_once_are_layers_of_their_branch(router: str) -> None:
    model, x = Experts(router), torch.randn(64, 8)
    made = trace(model, x)
    assert [(call.weight, call.activation, call.residual) for call in made.calls[2:]] == [
        ("up", "silu", False),
        ("down", None, True),
    ]
    assert [each.branch for each in made.sums] == [(3,)]
    done = goodinit.initialize(model, "he_normal", seed=0, inputs=x)
    assert (done["up"].fan_in, done["down"].fan_in) == (32, 64)
    up, down = goodinit.check(model, x).layers[2:]
    assert (up.fan_in, down.fan_in) == (32, 64)
    assert up.signal.rms == pytest.approx(up.signal.rms_expected, rel=0.1)
    assert down.signal.rms == pytest.approx(down.signal.rms_expected, rel=0.1)


def test_what_becomes_of_an_output_outside_of_pytorch_is_not_taken_for_nothing() -> None:
    class Clipped(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.from_numpy(x.detach().numpy().clip(0))

    model = nn.Sequential(nn.Linear(8, 8), Clipped(), nn.Linear(8, 8))
    done = goodinit.initialize(model, "he_normal", seed=0, inputs=torch.ones(4, 8))
    hidden, last = done["0.weight"], done["2.weight"]
    assert hidden.gain == pytest.approx(2**0.5)
    assert hidden.caution == "what becomes of its output was not seen: its gain is the rule's own"
    assert last.gain == 1
    assert last.caution is None
