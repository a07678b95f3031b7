"""An audit conducted: the factory runs under the recorder, on the meta device where it can."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from goodinit.auditing.audit import Audit
from goodinit.auditing.records import AuditFinding, ParameterAudit
from goodinit.errors import GoodinitError
from goodinit.factories import load_factory

if TYPE_CHECKING:
    import torch

    from goodinit.auditing.recorder import Recorder

__all__ = ["audit"]

_AFFORDABLE: Final = 20_000_000  # elements: as many are built in memory to confirm that nobody wrote them
_MOST: Final = 8 * 2**30  # bytes of a model that only the CPU builds
_MESSAGES: Final = {
    "never": ("never-filled", "nobody writes it: its memory holds whatever was there; initialize it"),
    "lost": ("lost-write", "it was written, and then replaced by new memory that nobody writes; initialize it after"),
    "partial": ("partly-filled", "a part of it is written, the rest holds whatever was there; initialize all of it"),
}


def audit(
    make_or_model: str | Callable[[], Any] | torch.nn.Module,
    init: str | Callable[[Any], Any] | None = None,
) -> Audit:
    """Who filled every parameter and persistent buffer of a model, with what, from which line, or that nobody did.

    The factory runs under a recorder that follows writes through views, copies and arithmetic, on PyTorch's meta
    device, so that no memory is needed; where that raises, on the CPU, and the audit says so. What nobody filled is
    confirmed by a build in memory that holds NaN, where the model is small. Random states stay as they are.

    Arguments:
        make_or_model: a function that returns a model, `MODULE:FUNCTION`, or a model, of which only the values can be
            judged, as its writes are past.
        init: what fills the model after `to_empty`, as a function of the model or the name of a method of it: what the
            constructor wrote then counts as lost.

    >>> import torch
    >>> found = audit(lambda: torch.nn.Linear(4, 2))
    >>> found.complete, str(found["weight"].law), found["weight"].writes[-1].through
    (True, 'uniform(-0.5, 0.5)', 'Linear.reset_parameters')

    Raises GoodinitError where the function cannot be found, fails, or returns something else.
    """
    import torch

    from goodinit.auditing.recorder import Recorder

    if isinstance(make_or_model, torch.nn.Module):
        if init is not None:
            raise GoodinitError("init= was given with a model that is built; give the function that makes the model")
        return _values(make_or_model)
    name, make = _factory(make_or_model)
    with _random_states_kept():
        try:
            device, note = "meta", ""
            recorder, model = Recorder(_MOST), None
            model = _build(name, make, init, recorder, device)
        except Exception as error:
            if isinstance(error, GoodinitError) and "returned" in str(error):
                raise
            device = "cpu"
            note = f"Built on the CPU: the meta device does not do ({type(error).__name__})."
            recorder = Recorder(_MOST)
            try:
                model = _build(name, make, init, recorder, device)
            except GoodinitError:
                raise
            except (Exception, SystemExit) as failure:
                raise GoodinitError(f"{name}() failed: {type(failure).__name__}: {failure}") from failure
        except SystemExit as error:
            raise GoodinitError(f"{name}() failed: {type(error).__name__}: {error}") from error
        rows = [_row(recorder, *entry) for entry in _tensors(model)]
        suspects = [row.name for row in rows if row.verdict in _MESSAGES]
        size = sum(tensor.numel() for _, _, tensor, _ in _tensors(model))
        seen = _poisoned(name, make, init, suspects) if suspects and size <= _AFFORDABLE else {}
    rows = [_settled(row, seen.get(row.name)) for row in rows]
    findings = [
        AuditFinding(_MESSAGES[r.verdict][0], r.name, _MESSAGES[r.verdict][1]) for r in rows if r.verdict in _MESSAGES
    ]
    return Audit(name, device, tuple(rows), tuple(findings), note)


def _factory(given: str | Callable[[], Any]) -> tuple[str, Callable[[], Any]]:
    return (given.__qualname__, given) if isinstance(given, type) else load_factory(given)


def _build(name: str, make: Callable[[], Any], init: Any, recorder: Recorder, device: str) -> Any:
    import torch

    with recorder.active(), torch.device(device):
        model = make()
        if isinstance(model, tuple | list) and model:
            model = model[0]
        if not isinstance(model, torch.nn.Module):
            raise GoodinitError(f"{name}() returned an object of type {type(model).__name__}; return a torch.nn.Module")
        lazy = [key for key, p in model.named_parameters() if torch.nn.parameter.is_lazy(p)]
        if lazy:
            raise GoodinitError(
                f"{name}() returned a model with lazy {lazy[0]}; run it once on a batch in the function"
            )
        if (
            init is None
            and device == "meta"
            and any(c.__module__.startswith("transformers.") for c in type(model).__mro__)
        ):
            init = "initialize_weights"  # which transformers leaves out on the meta device
        elif init is not None:
            recorder.forget(model)
    if init is not None:
        with recorder.active():
            if isinstance(init, str):
                if not callable(getattr(model, init, None)):
                    raise GoodinitError(f"init={init!r}: the model that {name}() returned has no method {init}")
                getattr(model, init)()
            else:
                init(model)
    return model


def _tensors(model: torch.nn.Module) -> list[tuple[str, str, Any, tuple[str, ...]]]:
    """Name, kind, tensor and the other names of each parameter and persistent buffer."""
    names: dict[int, list[str]] = {}
    tensors: dict[int, tuple[str, Any]] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        names.setdefault(id(parameter), []).append(name)
        tensors[id(parameter)] = ("parameter", parameter)
    for prefix, module in model.named_modules():
        for key, buffer in module._buffers.items():
            if buffer is not None and key not in module._non_persistent_buffers_set:
                names.setdefault(id(buffer), []).append(f"{prefix}.{key}" if prefix else key)
                tensors[id(buffer)] = ("buffer", buffer)
    return [(found[0], *tensors[key], tuple(found[1:])) for key, found in names.items()]


def _row(recorder: Recorder, name: str, kind: str, tensor: torch.Tensor, tied: tuple[str, ...]) -> ParameterAudit:
    memory = recorder.of(tensor)
    shape = tuple(tensor.shape)
    if memory is None or tensor.numel() == 0:  # made where PyTorch tells nobody, such as from a file: somebody's values
        return ParameterAudit(name, kind, shape, "filled", tied=tied)
    verdict = memory.verdict(tensor)
    return ParameterAudit(name, kind, shape, verdict, memory.law, tuple(memory.writes), tuple(memory.lost), tied)


def _settled(row: ParameterAudit, nan: bool | None) -> ParameterAudit:
    """The row with what the build in memory showed: where no NaN is left, somebody wrote it unseen."""
    return replace(row, confirmed=nan, verdict="filled" if nan is False else row.verdict)


def _poisoned(name: str, make: Callable[[], Any], init: Any, suspects: list[str]) -> dict[str, bool]:
    """Whether a build in memory that holds NaN leaves NaN in each; empty where it cannot be built."""
    import torch

    with _poison():
        try:
            model = make()
            model = model[0] if isinstance(model, tuple | list) else model
            if init is not None:
                model.to_empty(device="cpu")
                getattr(model, init)() if isinstance(init, str) else init(model)
        except Exception:
            return {}
        found = {key: tensor for key, _, tensor, _ in _tensors(model)}
        return {
            key: bool(torch.isnan(found[key].detach()).any())
            for key in suspects
            if key in found and found[key].is_floating_point() and not found[key].is_meta
        }


@contextmanager
def _poison() -> Iterator[None]:
    import torch

    memory: Any = torch.utils.deterministic
    deterministic = torch.are_deterministic_algorithms_enabled()
    warns = torch.is_deterministic_algorithms_warn_only_enabled()
    filled = memory.fill_uninitialized_memory
    try:
        torch.use_deterministic_algorithms(True, warn_only=True)
        memory.fill_uninitialized_memory = True
        yield
    finally:
        torch.use_deterministic_algorithms(deterministic, warn_only=warns)
        memory.fill_uninitialized_memory = filled


@contextmanager
def _random_states_kept() -> Iterator[None]:
    import torch

    own, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002 (read to be put back)
    try:
        with torch.random.fork_rng():
            yield
    finally:
        random.setstate(own)
        np.random.set_state(numpy)  # noqa: NPY002 (put back)


def _values(model: torch.nn.Module) -> Audit:
    import torch

    rows, findings = [], []
    for name, kind, tensor, tied in _tensors(model):
        rows.append(ParameterAudit(name, kind, tuple(tensor.shape), "values", tied=tied))
        if tensor.is_floating_point() and not tensor.is_meta and not bool(torch.isfinite(tensor.detach()).all()):
            findings.append(AuditFinding("not-finite", name, "it holds NaN or infinity; initialize it"))
    note = "The model is built: only its values can be judged; give the function that makes it to know who wrote them."
    return Audit(type(model).__name__, "cpu", tuple(rows), tuple(findings), note)
