"""`draw`: the values that `initialize` would fill a model with, as a state dict, a part of it, or a file."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from goodinit.errors import GoodinitError, nearest, shown
from goodinit.hidden import hidden_folder
from goodinit.initializers import Initializer
from goodinit.methods import Start, Unknown, get
from goodinit.pytorch.fill import Box, draw_box
from goodinit.pytorch.filling import Prepared, prepare, state_of
from goodinit.pytorch.losses import LossFunction
from goodinit.pytorch.own import ZeroStarts
from goodinit.pytorch.plan import WITHOUT_FANS, Rules
from goodinit.streams import KeyedStream
from goodinit.weights import Weight

__all__ = ["draw"]

Slices = Mapping[str, Sequence[slice]]


def draw(
    model: nn.Module | Mapping[str, Weight | Sequence[int]],
    init: str | Start = "he_normal",
    *,
    seed: int,
    inputs: Any = None,
    rules: Rules | None = None,
    unknown: Unknown | None = None,
    zero_starts: ZeroStarts | None = None,
    targets: Any = None,
    loss: LossFunction | None = None,
    buffers: Mapping[str, Tensor] | None = None,
    slices: Slices | None = None,
    path: str | Path | None = None,
    overwrite: bool = False,
) -> dict[str, Tensor]:
    """A model's start as a state dict; see `goodinit.draw`, which is this."""
    place = None if path is None else _place(Path(path), overwrite)
    if isinstance(model, nn.Module):
        ready = prepare(model, init, seed, inputs, rules, unknown, zero_starts, targets, loss)
        state = _sliced(ready, slices) if slices is not None else state_of(model, ready, buffers)[0]
    elif isinstance(model, Mapping):
        if rules or buffers or any(each is not None for each in (inputs, targets, loss)):
            raise GoodinitError(
                "rules, inputs, targets, loss and buffers go with a model; here weights or shapes were given"
            )
        start = get(init)
        if not isinstance(start, Initializer):
            raise GoodinitError(f"{start} is a start of a whole model; give the model, or name an initializer")
        state = _from_weights(model, start, KeyedStream(seed), slices)
    else:
        raise GoodinitError(
            f"{type(model).__name__} was given; give a torch.nn.Module, or a mapping of names to Weights"
        )
    if place is not None:
        _save(state, place, overwrite, {"init": str(get(init)), "seed": str(seed)})
    return state


def _from_weights(
    given: Mapping[str, Weight | Sequence[int]], initializer: Initializer, stream: KeyedStream, slices: Slices | None
) -> dict[str, Tensor]:
    weights = {name: _weight(name, each, initializer) for name, each in given.items()}
    boxes = {name: _box(weight.shape, name, None) for name, weight in weights.items()}
    if slices is not None:
        _known(slices, list(weights))
        boxes = {name: _box(weights[name].shape, name, cut) for name, cut in slices.items()}
    return {name: draw_box(initializer, weights[name], stream, box, None).float() for name, box in boxes.items()}


def _weight(name: str, given: Weight | Sequence[int], initializer: Initializer) -> Weight:
    if isinstance(given, Weight):
        return given
    if initializer.name not in WITHOUT_FANS:
        raise GoodinitError(
            f"{name}: a shape {shown(given)} does not tell the fans that {initializer.name} needs; give a Weight, "
            f"such as Weight.linear({name!r}, 784, 512)"
        )
    return Weight.elementwise(name, tuple(given) if isinstance(given, Sequence) else given)


def _sliced(ready: Prepared, slices: Slices) -> dict[str, Tensor]:
    """The parts asked for, each made without the memory of the rest."""
    by_name = {name: each for each in ready.made for name in (each.weight.name, *each.weight.aliases)}
    _known(slices, list(by_name))
    found: dict[str, Tensor] = {}
    for name, cut in slices.items():
        each = by_name[name]
        if each.initializer is None or each.weight.form != "plain":
            raise GoodinitError(f"slices: {name} is kept as it is, or parametrized; only what is drawn has slices")
        box = _box(each.target.shape, name, cut)
        staged = ready.staged.get(each.weight.name)
        if staged is not None:
            values = staged.values[each.weight.parameters[0]][tuple(slice(*pair) for pair in box)].clone()
        else:
            values = draw_box(each.initializer, each.target, ready.stream, box, each.weight.zero_row)
        single = values if each.weight.dtype == torch.float64 else values.float()
        found[name] = single.to(each.weight.dtype)
    return found


def _known(slices: Slices, names: list[str]) -> None:
    for name in slices:
        if name not in names:
            close = nearest(name, names)
            advice = f"did you mean {' or '.join(close)}?" if close else "read_model lists the names"
            raise GoodinitError(f"slices: there is no weight {name!r}; {advice}")


def _box(shape: tuple[int, ...], name: str, cut: Sequence[slice] | None) -> Box:
    """The part of the shape that the slices cut, those that are not given whole."""
    given = (cut,) if isinstance(cut, slice) else tuple(cut or ())
    if len(given) > len(shape) or any(not isinstance(each, slice) or each.step not in (None, 1) for each in given):
        raise GoodinitError(f"slices: {name} has shape {shape}; give at most {len(shape)} slices without steps")
    spans = (each.indices(size) for each, size in zip(given, shape, strict=False))
    whole = ((0, size) for size in shape[len(given) :])
    return (*((start, max(start, stop)) for start, stop, _ in spans), *whole)


def _place(path: Path, overwrite: bool) -> Path:
    """The file to write, known to be free and writable before anything is drawn."""
    try:
        import safetensors.torch  # noqa: F401
    except ImportError as error:
        raise GoodinitError("writing needs safetensors: pip install 'goodinit[torch]'") from error
    if os.path.lexists(path) and (path.is_dir() or not overwrite):
        raise GoodinitError(f"{path} is there already; choose another path, or say overwrite=True for a file")
    if not path.parent.is_dir():
        raise GoodinitError(f"{path}: there is no folder {path.parent}; make it first")
    return path


def _save(state: Mapping[str, Tensor], path: Path, overwrite: bool, facts: dict[str, str]) -> None:
    """Write the file whole or not at all. A tied tensor is written once, and the metadata name its other names."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    kept: dict[int, str] = {}
    facts = {"format": "pt", "goodinit": version("goodinit"), **facts}
    for name, tensor in state.items():
        first = kept.setdefault(id(tensor), name)
        if first != name:
            facts[name] = first  # as safetensors.torch.save_model says it
    try:
        with hidden_folder(path.parent) as folder:
            hidden = folder / "weights.safetensors"
            save_file({name: state[name].contiguous() for name in kept.values()}, hidden, metadata=facts)
            hidden.chmod(folder.stat().st_mode & 0o666)  # as open as other files: safetensors keeps it private
            if overwrite:
                hidden.replace(path)
            else:
                _name_new(hidden, path)
    except FileExistsError as error:
        raise GoodinitError(f"{path} is there already; choose another path, or say overwrite=True") from error
    except (OSError, SafetensorError) as error:  # the second is what a full disk gives
        why = getattr(error, "strerror", None) or error
        raise GoodinitError(f"{path}: it cannot be written ({why}); choose another path") from error


def _name_new(hidden: Path, path: Path) -> None:
    """Give the file its name, and refuse one that came meanwhile."""
    try:
        os.link(hidden, path)
    except FileExistsError:
        raise
    except (OSError, AttributeError):  # a system or a file system without hard links: between look and name is a moment
        if os.path.lexists(path):
            raise FileExistsError(path) from None
        hidden.rename(path)
