"""Edits beside models written so by hand, taken back to the bit, saved and loaded, and refused with a reason."""

import copy
import io

import pytest
import torch
from torch import nn
from torch.nn import functional

import goodinit
from goodinit.errors import GoodinitError

WIDTH, BRANCHES = 8, 3
BATCH = torch.randn(16, WIDTH, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
TARGETS = torch.randn(16, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


class Branch(nn.Module):
    def __init__(self, end=None):
        super().__init__()
        self.first, self.second = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.end = end or nn.Identity()

    def forward(self, x):
        return x + self.end(self.second(functional.relu(self.first(x))))


class Model(nn.Module):
    """A residual network as its author wrote it; `end` makes a norm that ends each branch."""

    def __init__(self, end=None, branch=Branch):
        super().__init__()
        self.blocks = nn.ModuleList(branch(end() if end else None) for _ in range(BRANCHES))
        self.head = nn.Linear(WIDTH, 2)

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        return self.head(x)


class Written(nn.Module):
    """ReZero, SkipInit or LayerScale as their papers write them: x + a * f(x)."""

    def __init__(self, end=None, start=0.0, size=1):
        super().__init__()
        self.first, self.second = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.end = end or nn.Identity()
        self.alpha = nn.Parameter(torch.full((size,), start))

    def forward(self, x):
        return x + self.alpha * self.end(self.second(functional.relu(self.first(x))))


class FixupBranch(nn.Module):
    """Fixup's branch, as figure 1 of its paper has it."""

    def __init__(self, end=None):
        super().__init__()
        self.first, self.second = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.a, self.b, self.c, self.d = (nn.Parameter(torch.zeros(1)) for _ in range(4))
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, x):
        inside = functional.relu(self.first(x + self.a) + self.b) + self.c
        return x + functional.linear(inside, self.second.weight * self.scale, self.second.bias) + self.d


def _made(cls=Model, **options):
    torch.manual_seed(0)
    return cls(**options).double()


def _trained(model, optimizer, steps=50):
    made = optimizer(model.parameters())
    losses = []
    for _ in range(steps):
        made.zero_grad()
        loss = functional.mse_loss(model(BATCH), TARGETS)
        loss.backward()
        made.step()
        losses.append(loss.item())
    return losses


def _bits(model):
    return {name: value.clone() for name, value in model.state_dict().items()}, [n for n, _ in model.named_parameters()]


def _same(model, bits):
    state, names = bits
    assert [name for name, _ in model.named_parameters()] == names
    assert list(model.state_dict()) == list(state)
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())


def norm():
    return nn.LayerNorm(WIDTH)


CASES = (
    ("rezero", "sgd", 0.0, 1, None),
    ("rezero", "adam", 0.0, 1, None),
    ("rezero", "sgd", 0.0, 1, norm),
    ("skipinit(alpha=root)", "adam", BRANCHES**-0.5, 1, None),
    ("layerscale(init=0.05)", "sgd", 0.05, WIDTH, None),
    ("layerscale", "adam", 0.1, WIDTH, norm),
)


@pytest.mark.parametrize(("name", "kind", "start", "size", "end"), CASES)
def test_an_edited_model_trains_as_the_one_written_by_hand(name, kind, start, size, end):
    model = _made(end=end)
    bits = _bits(model)
    theirs = _made(end=end, branch=lambda given: Written(given, start, size))
    theirs.load_state_dict(model.state_dict(), strict=False)
    done = goodinit.edit(model, name, inputs=BATCH)
    assert len({each.scale for each in done.steps}) == BRANCHES
    optimizer = {
        "sgd": lambda each: torch.optim.SGD(each, lr=0.05, momentum=0.9),
        "adam": lambda each: torch.optim.Adam(each, lr=0.01),
    }[kind]
    steps = 50 if end is None else 15
    ours, wanted = _trained(copy.deepcopy(model), optimizer, steps), _trained(theirs, optimizer, steps)
    assert ours == pytest.approx(wanted, rel=1e-6)
    assert ours[-1] < 0.9 * ours[0]
    done.undo()
    _same(model, bits)
    with pytest.raises(GoodinitError, match="was undone already"):
        done.undo()


def test_fixups_scalars_train_as_those_written_by_hand():
    model = _made()
    goodinit.initialize(model, "fixup", seed=0, inputs=BATCH)
    bits = _bits(model)
    theirs = _made(branch=FixupBranch)
    theirs.load_state_dict(model.state_dict(), strict=False)
    theirs.shift = nn.Parameter(torch.zeros(1).double())
    theirs.head.register_forward_pre_hook(lambda module, args: (args[0] + theirs.shift,))
    done = goodinit.edit(model, "fixup", inputs=BATCH)
    assert len(done.parameters) == 5 * BRANCHES + 1
    ours = _trained(copy.deepcopy(model), lambda each: torch.optim.SGD(each, lr=0.05))
    assert ours == pytest.approx(_trained(theirs, lambda each: torch.optim.SGD(each, lr=0.05)), rel=1e-9)
    with pytest.raises(GoodinitError, match="cannot be folded"):
        done.fold()
    done.undo()
    _same(model, bits)


def test_folding_keeps_what_was_learned_without_the_edit():
    model = _made(end=lambda: nn.LayerNorm(WIDTH))
    names = [name for name, _ in model.named_parameters()]
    done = goodinit.edit(model, "layerscale", inputs=BATCH)
    _trained(model, lambda each: torch.optim.Adam(each, lr=0.01), steps=10)
    before = model(BATCH)
    done.fold()
    assert torch.equal(model(BATCH), before)
    assert [name for name, _ in model.named_parameters()] == names
    assert all(type(module).__module__.startswith(("torch.nn", __name__)) for module in model.modules())


@pytest.mark.parametrize("name", ["rezero", "fixup"])
def test_the_state_dict_carries_it(name):
    model = _made()
    goodinit.edit(model, name, inputs=BATCH)
    _trained(model, lambda each: torch.optim.Adam(each, lr=0.01), steps=5)
    file = io.BytesIO()
    torch.save(model.state_dict(), file)
    file.seek(0)
    fresh = _made()
    goodinit.edit(fresh, name, inputs=BATCH)
    fresh.load_state_dict(torch.load(file, weights_only=True))
    assert torch.equal(fresh(BATCH), model(BATCH))
    with pytest.raises(RuntimeError, match=r"Missing key|Unexpected key"):
        _made().load_state_dict(model.state_dict())


def test_a_scale_of_1_changes_nothing_and_the_table_says_what_is_changed():
    model = _made()
    before = model(BATCH)
    done = goodinit.edit(model, "rezero(alpha=1)", inputs=BATCH)
    assert torch.equal(model(BATCH), before)
    shown = " ".join(str(done).split())
    assert "rezero(alpha=1): 6 changes, 3 new parameters" in shown
    assert "blocks.0.second.weight weight weight times a number, from 1" in shown
    assert done.to_dict()["changes"][0] == {
        "where": "blocks.0.second.weight",
        "before": "weight",
        "after": "weight times a number, from 1",
    }


class Unscaled(nn.Module):
    """A branch that a norm without a scale ends."""

    def __init__(self, end=None):
        super().__init__()
        self.layer = nn.Linear(WIDTH, WIDTH)

    def forward(self, x):
        return x + functional.layer_norm(self.layer(x), (WIDTH,))


class Activated(nn.Module):
    """A branch that an activation ends."""

    def __init__(self, end=None):
        super().__init__()
        self.layer = nn.Linear(WIDTH, WIDTH)

    def forward(self, x):
        return x + torch.tanh(self.layer(x))


def _tied():
    model = _made()
    model.blocks[0].second.weight = model.blocks[1].first.weight
    return model


REFUSED = {
    "no stream": ("rezero", lambda: nn.Sequential(nn.Linear(WIDTH, 2)).double(), "has no residual stream"),
    "no stream for fixup": ("fixup", lambda: nn.Sequential(nn.Linear(WIDTH, 2)).double(), "has no residual stream"),
    "a norm for fixup": ("fixup", lambda: _made(end=lambda: nn.LayerNorm(WIDTH)), "for models without norms"),
    "an activation": ("rezero", lambda: _made(branch=Activated), "tanh lies between blocks.0.layer and the sum"),
    "a norm without a scale": ("layerscale", lambda: _made(branch=Unscaled), "a norm without a scale"),
    "a tied end": ("rezero", _tied, "is tied to"),
    "a name": ("rezoro", _made, "did you mean rezero"),
    "an option": ("rezero(scale=1)", _made, "has no option 'scale'"),
    "a value": ("skipinit(alpha=half)", _made, "give a number, or root"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_edited_is_refused_and_left_as_it_was(what):
    name, make, says = REFUSED[what]
    model = make()
    bits = _bits(model)
    with pytest.raises(GoodinitError, match=says):
        goodinit.edit(model, name, inputs=BATCH)
    _same(model, bits)


def test_an_edited_model_is_not_edited_again_nor_undone_out_of_turn():
    model = _made()
    done = goodinit.edit(model, "rezero", inputs=BATCH)
    with pytest.raises(GoodinitError, match=r"parametrized already|no residual stream"):
        goodinit.edit(model, "layerscale", inputs=BATCH)
    torch.nn.utils.parametrize.remove_parametrizations(model.blocks[2].second, "weight")
    with pytest.raises(GoodinitError, match="no longer is"):
        done.undo()
