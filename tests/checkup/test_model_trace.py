"""What a run tells of a model, however it is written: the complaints filed against others, as tests."""

from collections import namedtuple
from dataclasses import dataclass

import pytest
import torch
from checkup_models import Decoder, Encoder, batch, fill, he, mlp, tokens
from torch import nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

import goodinit
from goodinit.pytorch.trace import trace


def calls(model, inputs):
    return [(call.module or call.weight, call.number, call.activation) for call in trace(model, inputs).calls]


@dataclass
class Answer:
    logits: torch.Tensor
    hidden: tuple[torch.Tensor, ...]


Pair = namedtuple("Pair", "logits hidden")


class Output(dict):
    """As the outputs of popular model libraries: keys that are attributes too."""

    __getattr__ = dict.__getitem__


class Structured(nn.Module):
    def __init__(self, form):
        super().__init__()
        self.one, self.two, self.form = nn.Linear(64, 64), nn.Linear(64, 10), form

    def forward(self, x):
        hidden = torch.relu(self.one(x))
        return self.form(self.two(hidden), hidden)


FORMS = {
    "tuple": lambda logits, hidden: (logits, (hidden, None, 3)),
    "dict": lambda logits, hidden: {"logits": logits, "more": [{"deep": (hidden,)}]},
    "dataclass": lambda logits, hidden: Answer(logits, (hidden,)),
    "namedtuple": Pair,
    "output": lambda logits, hidden: Output(loss=logits.square().mean(), logits=logits),
}
LOGITS = {"tuple": lambda o: o[0], "dict": lambda o: o["logits"], "output": lambda o: o.logits}


@pytest.mark.parametrize("form", FORMS)
def test_outputs_of_any_structure(form):
    x, y = batch()
    pick = LOGITS.get(form, lambda output: output.logits)
    checkup = goodinit.check(
        Structured(FORMS[form]), x, y, loss=lambda output, wanted: functional.cross_entropy(pick(output), wanted)
    )
    assert [layer.name for layer in checkup.layers] == ["one", "two"]
    assert all(layer.gradient.rms > 0 for layer in checkup.layers)


def test_the_loss_that_an_output_carries_is_used():
    checkup = goodinit.check(Structured(FORMS["output"]), batch()[0])
    assert checkup.start.loss is not None
    assert checkup.start.backward


def test_inputs_by_position_and_by_keyword():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.left, self.right = nn.Linear(8, 8), nn.Linear(8, 8)

        def forward(self, a, *, b=None):
            return torch.tanh(self.left(a) + self.right(a if b is None else b))

    x = torch.randn(4, 8)
    both = [("left", 0, "tanh"), ("right", 0, "tanh")]  # a sum of two layers: the activation is that of both
    assert calls(Two(), (x,)) == calls(Two(), {"a": x, "b": x}) == calls(Two(), x) == both


class Functional(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.kernel = nn.Linear(8, 8), nn.Parameter(torch.randn(3, 8, 2))
        self.w, self.b = nn.Parameter(torch.randn(8, 8)), nn.Parameter(torch.zeros(8))

    def forward(self, x):
        x = functional.leaky_relu(self.a(x), 0.2)
        x = (x @ self.w + self.b).sigmoid_()
        x = torch.sin(30 * functional.linear(x, self.w.t()))
        return functional.gelu(functional.conv1d(x[:, None], self.kernel[:, None, :, 0].contiguous()))


def test_functional_activations_and_bare_parameters():
    seen = trace(Functional(), torch.randn(4, 8)).calls
    assert [(call.weight, call.kind, call.activation) for call in seen] == [
        ("a.weight", "linear", "leaky_relu(slope=0.2)"),
        ("w", "matmul", "sigmoid"),
        ("w", "linear", "sine(frequency=30)"),
        ("kernel", "conv", "gelu"),
    ]
    assert seen[1].parameters == ("w", "b")
    assert [call.number for call in seen] == [0, 0, 1, 0]
    assert [call.input_activation for call in seen] == [None, "leaky_relu(slope=0.2)", "sigmoid", "sine(frequency=30)"]


def test_a_module_used_several_times_gives_a_call_each():
    class Shared(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(64, 64)

        def forward(self, x):
            return self.layer(torch.relu(self.layer(torch.tanh(self.layer(x)))))

    model = Shared()
    assert calls(model, torch.randn(4, 64)) == [("layer", 0, "tanh"), ("layer", 1, "relu"), ("layer", 2, None)]
    layers = goodinit.check(model, torch.randn(4, 64)).layers
    assert [layer.title for layer in layers] == ["layer", "layer #2", "layer #3"]
    assert len({layer.signal.rms for layer in layers}) == 3


@pytest.mark.parametrize("inplace", [False, True])
def test_an_activation_in_place_does_not_spoil_the_measure(inplace):
    x, y = batch()
    model = fill(nn.Sequential(nn.Linear(64, 64), nn.ReLU(inplace), nn.Linear(64, 10)), he)
    first, _ = goodinit.check(model, x, y, loss=functional.cross_entropy).layers
    before = functional.linear(x, model[0].weight).detach().requires_grad_(True)
    assert first.signal.rms == pytest.approx(before.square().mean().sqrt().item(), rel=1e-5)
    assert first.signal.activation_rms == pytest.approx(before.relu().square().mean().sqrt().item(), rel=1e-5)
    functional.cross_entropy(model[2](before.relu()), y).backward()
    assert first.gradient.rms == pytest.approx(before.grad.square().mean().sqrt().item(), rel=1e-5)


def test_containers_are_counted_once():
    model = nn.Sequential(nn.Sequential(nn.Sequential(nn.Linear(4, 4), nn.ReLU()), nn.Sequential(nn.Linear(4, 4))))
    assert calls(model, torch.randn(2, 4)) == [("0.0.0", 0, "relu"), ("0.1.0", 0, None)]


def test_lazily_built_parameters_are_measured_as_the_first_call_will_draw_them():
    def make():
        return nn.Sequential(nn.LazyLinear(32), nn.ReLU(), nn.LazyLinear(10))

    x, y = batch()
    torch.manual_seed(7)
    model = make()
    state = torch.get_rng_state()
    checkup = goodinit.check(model, x, y, loss=functional.cross_entropy)
    assert isinstance(model[0].weight, nn.UninitializedParameter)
    assert torch.equal(torch.get_rng_state(), state)
    model(x)
    assert checkup.layers[0].weight_std == pytest.approx(model[0].weight.std(correction=0).item(), rel=1e-6)


def test_a_nan_inside_is_found_where_it_appears():
    class Broken(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.two = nn.Linear(64, 64), nn.Linear(64, 10)

        def forward(self, x):
            return self.two(torch.log(self.one(x)))

    x, y = batch()
    checkup = goodinit.check(Broken(), x, y, loss=functional.cross_entropy)
    assert checkup.start.first_not_finite == "log, after one"
    assert [(f.code, f.severity) for f in checkup.findings if f.code == "not-finite"] == [("not-finite", "severe")]
    assert "not finite" in str(checkup)
    assert '"rms": null' in checkup.to_json()
    holed = x.clone()
    holed[0, 0] = torch.nan
    assert goodinit.check(mlp(2), holed, y, loss=functional.cross_entropy).start.first_not_finite == "the inputs"
    model = mlp(2)
    with torch.no_grad():
        model[2].weight[0, 0] = torch.inf
    assert goodinit.check(model, x, y, loss=functional.cross_entropy).start.first_not_finite == "parameter 2.weight"


def test_masks_of_minus_infinity_are_no_fault():
    mask = nn.Transformer.generate_square_subsequent_mask(5)
    layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
    checkup = goodinit.check(layer, {"src": torch.randn(4, 5, 16), "src_mask": mask})
    assert checkup.start.first_not_finite is None


@pytest.mark.parametrize("training", [True, False])
def test_attention_is_seen_inside_also_where_pytorch_has_a_fast_path(training):
    model = Encoder(copies=False, layers=1).train(training)
    seen = trace(model, torch.randn(4, 5, 16)).calls
    assert [call.weight.removeprefix("blocks.0.") for call in seen] == [
        "into.weight",
        "self_attn.in_proj_weight",
        "self_attn.out_proj.weight",
        "linear1.weight",
        "linear2.weight",
        "head.weight",
    ]
    assert [call.residual for call in seen] == [False, False, True, False, True, False]
    assert seen[3].activation == "relu"


def test_residual_sums_norms_and_tied_weights():
    seen = {(call.module, call.number): call for call in trace(Decoder(layers=1), tokens()).calls}
    assert seen["blocks.0.qkv", 0].norm_before
    assert seen["blocks.0.out", 0].residual
    assert seen["blocks.0.up", 0].activation == "gelu"
    assert seen["blocks.0.down", 0].residual
    assert seen["blocks.0.down", 0].input_activation == "gelu"
    assert not seen["places", 0].varied
    assert ("head", 1) in seen  # the table's second use, by the layer that it is tied to
    assert seen["head", 1].weight == "table.weight"


def test_a_norm_that_is_written_out():
    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.two, self.scale = nn.Linear(8, 8), nn.Linear(8, 8), nn.Parameter(torch.ones(8))

        def forward(self, x):
            x = self.one(x)
            return self.two(x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * self.scale)

    one, two = trace(Own(), torch.randn(4, 8)).calls
    assert one.norm_after
    assert two.norm_before


def test_parametrized_weights_belong_to_their_module():
    weighted = nn.utils.parametrizations.weight_norm(nn.Linear(8, 8))
    model = nn.Sequential(weighted, nn.Tanh(), nn.utils.parametrizations.spectral_norm(nn.Linear(8, 8)))
    one, two = trace(model, torch.randn(4, 8)).calls
    assert (one.module, two.module) == ("0", "2")
    assert one.activation == "tanh"
    layer = goodinit.check(model, torch.randn(4, 8)).layers[0]
    assert layer.weight_std == pytest.approx(weighted.weight.std(correction=0).item(), rel=1e-5)


def test_a_compiled_model_is_looked_into():
    model = mlp(2)
    compiled = torch.compile(model, backend="eager")  # nothing is compiled before its first call
    assert calls(compiled, batch()[0]) == calls(model, batch()[0])


@pytest.mark.parametrize("reentrant", [False, True])
def test_checkpointed_parts_are_measured_once(reentrant):
    class Kept(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.head = fill(mlp(3, outputs=64), he), nn.Linear(64, 10)

        def forward(self, x):
            x = x.requires_grad_() if reentrant else x
            return self.head(checkpoint(self.body, x, use_reentrant=reentrant))

    model, (x, y) = Kept(), batch()
    checkup = goodinit.check(model, x, y, loss=functional.cross_entropy)
    assert [layer.title for layer in checkup.layers] == ["body.0", "body.2", "body.4", "head"]
    assert all(each.has_gradient for each in checkup.start.parameters)
    assert all(parameter.grad is None for parameter in model.parameters())


def test_unused_parameters_are_named():
    class Idle(nn.Module):
        def __init__(self):
            super().__init__()
            self.used, self.idle = nn.Linear(4, 4), nn.Linear(4, 4)

        def forward(self, x):
            return self.used(x)

    assert trace(Idle(), torch.randn(2, 4)).unused == ("idle.weight", "idle.bias")


def test_errors_name_what_the_model_said():
    with pytest.raises(goodinit.GoodinitError, match=r"float32 tensor of shape \(3, 7\).*shapes cannot be multiplied"):
        trace(mlp(2), torch.randn(3, 7))
    with pytest.raises(goodinit.GoodinitError, match="meta device"):
        trace(nn.Linear(2, 2, device="meta"), torch.randn(1, 2))
    with pytest.raises(goodinit.GoodinitError, match=r"give a torch\.nn\.Module"):
        trace(3, None)
    with pytest.raises(goodinit.GoodinitError, match="targets were given, but no loss"):
        goodinit.check(mlp(2), *batch())
    with pytest.raises(goodinit.GoodinitError, match="one number"):
        goodinit.check(mlp(2), *batch(), loss=lambda output, targets: output)


class Pooled(nn.Module):
    """Reduces and compares, with functions that have no option of dropout's."""

    def __init__(self, reduce):
        super().__init__()
        self.one, self.two, self.reduce = nn.Linear(64, 64), nn.Linear(64, 8), reduce

    def forward(self, x):
        return self.two(self.reduce(self.one(x)))


REDUCTIONS = {
    "sum": lambda h: h.sum(0, keepdim=True).expand(h.shape),
    "sum of the first axis": lambda h: torch.stack([h.sum(0), h.sum(0)]),
    "mean": lambda h: torch.stack([h.mean(0), h.mean(0)]),
    "largest": lambda h: torch.max(h, h.flip(0)),
    "largest of an axis": lambda h: torch.max(h.reshape(-1, 4, 64), 1).values,
    "negative": lambda h: torch.max(-h, torch.zeros_like(h)),
}


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_a_reduction_is_not_taken_for_the_identity(reduction):
    model, (x, _) = Pooled(REDUCTIONS[reduction]), batch()
    last = goodinit.check(model, x).layers[-1]
    assert (
        1 / 2 < last.signal.rms_expected / last.signal.rms < 2
    )  # by what reaches it: a sum of 64 or their mean is 8 times off
    goodinit.initialize(model, seed=0, inputs=x)


def test_a_dropout_that_drops_nothing_is_the_identity():
    x, _ = batch()
    seen = {}
    for name, reduce in {
        "evaluation": lambda h: functional.dropout(h, 0.5, False),
        "keywords": lambda h: functional.dropout(h, p=0.5, training=False),
        "none": lambda h: functional.dropout(h, 0.0, True),
        "half": lambda h: functional.dropout(h, 0.5, True),
    }.items():
        seen[name] = trace(Pooled(reduce), x).calls[-1].plain
    assert seen == {"evaluation": True, "keywords": True, "none": True, "half": False}
