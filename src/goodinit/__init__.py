"""goodinit: choose, check and compare the initial weights of neural networks.

All a network needs is a good start. `goodinit.compare()` runs the classic experiment; `goodinit.initializers` is the
catalogue, `goodinit.theory` says what each should do.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final, Literal

from goodinit.errors import GoodinitError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    import torch

    from goodinit import activations, datasets, initializers, methods, recipes, theory
    from goodinit.advising import Advice, advise
    from goodinit.auditing import Audit, audit
    from goodinit.checkup.model_check import Checkup, check
    from goodinit.checkup.model_watch import watch
    from goodinit.comparison import Comparison, compare, open_study
    from goodinit.initializers import Initializer
    from goodinit.methods import Method
    from goodinit.pytorch import Edit, Initialization, Rules
    from goodinit.recommending import Recommendation, recommend
    from goodinit.transferring import Transfer, transfer
    from goodinit.weights import Weight

    __version__: str

__all__ = [
    "Advice",
    "Audit",
    "Checkup",
    "Comparison",
    "GoodinitError",
    "Recommendation",
    "Transfer",
    "Weight",
    "__version__",
    "activations",
    "advise",
    "audit",
    "check",
    "compare",
    "datasets",
    "draw",
    "edit",
    "initialize",
    "initializers",
    "methods",
    "open_study",
    "recipes",
    "recommend",
    "tasks",
    "theory",
    "transfer",
    "watch",
]

_FROM: Final = {
    "Advice": "advising",
    "Audit": "auditing",
    "Checkup": "checkup.model_check",
    "Comparison": "comparison",
    "Initializer": "initializers",
    "Recommendation": "recommending",
    "Transfer": "transferring",
    "Weight": "weights",
    "advise": "advising",
    "audit": "auditing",
    "check": "checkup.model_check",
    "compare": "comparison",
    "open_study": "comparison",
    "recommend": "recommending",
    "transfer": "transferring",
    "watch": "checkup.model_watch",
}

if not TYPE_CHECKING:  # to a type checker a name that is not there stays an error

    def __getattr__(name: str) -> Any:
        """What is imported when it is first used, so that `import goodinit` takes no time."""
        if name in _FROM:
            found = getattr(import_module(f"goodinit.{_FROM[name]}"), name)
        elif name == "__version__":
            from importlib.metadata import version

            found = version("goodinit")
        elif not name.startswith("_") and find_spec(f"goodinit.{name}"):
            found = import_module(f"goodinit.{name}")
        else:
            raise AttributeError(f"module 'goodinit' has no attribute {name!r}")
        globals()[name] = found
        return found

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})


def tasks() -> list[str]:
    """The names of the tasks that `compare` knows.

    >>> tasks()[:3]
    ['classic', 'moons', 'spirals']
    """
    from goodinit.options import TASKS

    return list(TASKS)


def initialize(
    model: torch.nn.Module,
    init: str | Initializer | Method = "he_normal",
    *,
    seed: int,
    inputs: Any = None,
    rules: Rules | None = None,
    unknown: Literal["keep", "refuse"] | None = None,
    zero_starts: Literal["keep", "fill"] | None = None,
    targets: Any = None,
    loss: Callable[..., Any] | None = None,
    device: str | torch.device = "cpu",
    buffers: Mapping[str, torch.Tensor] | None = None,
) -> Initialization:
    """Fill a PyTorch model in place with an initialization, and say weight by weight what was done.

    Every layer gets its own fans: a grouped convolution those of a group, a transposed one those that its stride
    leaves, gates and packed projections each their own. With `inputs` the model is run once to learn which activation
    follows each layer, and an initializer that takes a gain gets that activation's; without, it keeps its own.
    Biases start at 0, an LSTM's forget gates at 1, norms at 1 and 0, recurrent matrices orthogonal, embeddings
    normal; `goodinit.pytorch.DEFAULTS` lists them. All of that `rules` can change.

    A weight's values depend on the seed, its name and its element alone: not on the device, the dtype (up to its
    rounding), other weights, sharding, or the state of PyTorch; with `inputs` also on what the model began with on
    purpose (`zero_starts`). Nothing but values is changed: no mode, gradient or hook.

    Arguments:
        model: any `torch.nn.Module`; one on the meta device gets memory, a lazy one needs `inputs`.
        init: what the weights get: a name of `goodinit.initializers.names()`, `goodinit.methods.names()` or
            `goodinit.recipes.names()`, a text such as `normal(std=0.02)`, an initializer or a method.
        seed: an integer of at least 0.
        inputs: a batch: a tensor, a tuple of positional arguments, or a dict of keywords.
        rules: what differs, `{key: initializer}`: the key is a pattern of names such as `"*.embed.weight"`, a role
            such as `"embedding"`, or a class of modules, whose biases are left alone; the value an initializer, `None`
            to keep what is there, or `"init"`. The first that matches counts.
        unknown: what becomes of a parameter that neither its layer's class nor the run tells the purpose of: `"keep"`
            leaves it as it is with a caution, as where `inputs` are given; `"refuse"` raises, as where they are not.
        zero_starts: what a model begins so on purpose: weights that are exactly zero where it may start so (a branch's
            end, an output layer, a norm's scale), other numbers that a class of its own adds or scales by, and ends of
            branches smaller than the rest, as GPT-2's, by that scale: `"keep"`, as where `inputs` are given, or
            `"fill"`, as where they are not.
        targets, loss: for a method that needs gradients: what the loss compares the output with, and a callable of
            (output, targets), or of the output where no targets are given; without it the output's own `.loss` counts.
        device: where a model on the meta device is to be.
        buffers: the values of buffers that the meta device did not keep, by name.

    Returns an Initialization: a table when printed, `.weights`, `.cautions`, `.to_dict()`, and `.param_groups(lr=...)`
    for an optimizer, with the learning rates that a method asks for. Of a method that measures a batch, such as
    `lsuv`, `.measured` is what it measured before and after, and `.notes` what it has to say.

    >>> import torch
    >>> model = torch.nn.Sequential(torch.nn.Linear(100, 50), torch.nn.Tanh(), torch.nn.Linear(50, 1))
    >>> done = initialize(model, seed=0, inputs=torch.zeros(1, 100))
    >>> done["0.weight"].initializer, done["2.weight"].initializer, done["0.bias"].initializer
    ('he_normal(activation=tanh)', 'he_normal(activation=linear)', 'zeros')

    Raises GoodinitError that names every parameter that cannot be filled, and what to do; the model is then as it was.
    """
    from goodinit import pytorch

    return pytorch.initialize(
        model,
        init,
        seed=seed,
        inputs=inputs,
        rules=rules,
        unknown=unknown,
        zero_starts=zero_starts,
        targets=targets,
        loss=loss,
        device=device,
        buffers=buffers,
    )


def draw(
    model: torch.nn.Module | Mapping[str, Weight | Sequence[int]],
    init: str | Initializer | Method = "he_normal",
    *,
    seed: int,
    inputs: Any = None,
    rules: Rules | None = None,
    unknown: Literal["keep", "refuse"] | None = None,
    zero_starts: Literal["keep", "fill"] | None = None,
    targets: Any = None,
    loss: Callable[..., Any] | None = None,
    buffers: Mapping[str, torch.Tensor] | None = None,
    slices: Mapping[str, Sequence[slice]] | None = None,
    path: str | Path | None = None,
    overwrite: bool = False,
) -> dict[str, torch.Tensor]:
    """The state dict that `initialize` would leave a model with, on the CPU; the model stays as it is.

    Arguments:
        model: a `torch.nn.Module`, also on the meta device; or a mapping of names to Weights, or to plain shapes for
            initializers that need no fans.
        init, seed, inputs, rules, unknown, zero_starts, targets, loss, buffers: as for `initialize`.
        slices: parts of weights, `{name: (slice(0, 128),)}`: only these are drawn, each without the memory of the rest.
            This serves a process that keeps a shard of a weight.
        path: a safetensors file to write, whole or not at all; tied weights are written once.
        overwrite: replace a file at `path`.

    >>> import torch
    >>> model = torch.nn.Linear(3, 2)
    >>> whole = draw(model, seed=0)["weight"]
    >>> bool((draw(model, seed=0, slices={"weight": (slice(1, 2),)})["weight"] == whole[1:2]).all())
    True

    Raises GoodinitError as `initialize` does, and where the file is there already or cannot be written.
    """
    from goodinit import pytorch

    return pytorch.draw(
        model,
        init,
        seed=seed,
        inputs=inputs,
        rules=rules,
        unknown=unknown,
        zero_starts=zero_starts,
        targets=targets,
        loss=loss,
        buffers=buffers,
        slices=slices,
        path=path,
        overwrite=overwrite,
    )


def edit(model: torch.nn.Module, name: str, *, inputs: Any) -> Edit:
    """Change what a model computes, as a published start asks where values are not enough; reversible, and announced.

    `rezero`, `skipinit` and `layerscale` put a scale at the end of every residual branch: a parametrization of the
    weight and bias that end it, or of the norm's or layer's scale through which its output goes; the forward pass
    stays as it is written. `fixup` adds a number before and behind every layer of a branch and before the readout, by
    hooks, and multiplies the branch's end. Fill the model first: `goodinit.initialize` gives values, this does not.

    Arguments:
        model: any `torch.nn.Module` with residual streams; it is changed in place.
        name: `rezero`, `skipinit`, `skipinit(alpha=root)`, `layerscale(init=0.1)`, `fixup`.
        inputs: a batch, on which one run shows the streams.

    Returns an Edit: a table of what is computed before and after when printed, `.changes`, `.parameters` (the names of
    what was added), `.undo()`, and `.fold()`, which keeps what the model computes in its plain parameters. What was
    added is in the model's state dict; a model that was edited the same way loads it.

    >>> import torch
    >>> class Residual(torch.nn.Linear):
    ...     def forward(self, x):
    ...         return x + super().forward(torch.tanh(x))
    >>> model = torch.nn.Sequential(Residual(4, 4), Residual(4, 4))
    >>> done = edit(model, "rezero", inputs=torch.ones(1, 4))
    >>> bool((model(torch.ones(1, 4)) == 1).all()), done.parameters[0]
    (True, '0.parametrizations.weight.0.scale')
    >>> done.undo()
    >>> list(model.state_dict())
    ['0.weight', '0.bias', '1.weight', '1.bias']

    Raises GoodinitError where the structure does not allow the edit; the model is then as it was.
    """
    from goodinit import pytorch

    return pytorch.edit(model, name, inputs=inputs)
