"""An audit conducted: the factory runs under the recorder, on the meta device where it can."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from goodinit import recipes
from goodinit.auditing.conformity import conformity
from goodinit.auditing.records import INCOMPLETE, ParameterAudit
from goodinit.auditing.result import Audit
from goodinit.errors import GoodinitError, shown
from goodinit.factories import load_factory
from goodinit.findings import Finding
from goodinit.recipes import Recipe

if TYPE_CHECKING:
    import torch

    from goodinit.auditing.checkpoints import Loaded
    from goodinit.auditing.recorder import Recorder

__all__ = ["audit"]

_AFFORDABLE: Final = 20_000_000  # elements: as many are built in memory to confirm that nobody wrote them
_MOST: Final = 8 * 2**30  # bytes of a model that only the CPU builds


def audit(
    make_or_model: str | Callable[[], Any] | torch.nn.Module,
    init: str | Callable[[Any], Any] | None = None,
    recipe: str | Recipe | None = None,
    *,
    device: str | None = None,
    replicas: bool = False,
) -> Audit:
    """Who filled every parameter and buffer of a model, with what, from which line, or that nobody did.

    The factory runs under a recorder that follows writes through views, copies and arithmetic, on PyTorch's meta
    device, so that no memory is needed; where that raises, on the CPU, and the audit says so. A small model is also
    built in memory that holds NaN: what nobody filled is confirmed there, and the values of the rest are compared with
    the law that their writes leave. Random states stay as they are.

    Arguments:
        make_or_model: a function that returns a model, `MODULE:FUNCTION`, or a model, of which only the values can be
            judged, as its writes are past.
        init: what fills the model after `to_empty`, as a function of the model or the name of a method of it: what the
            constructor wrote then counts as lost.
        recipe: the recipe that the model should start as, such as `gpt2` (`goodinit.recipes.names()`): where it does
            not, a finding says in what it differs and which line did it.
        device: `cpu` builds the model in memory at once, `meta` on no account; None tries the meta device first.
        replicas: of a built model, also compare its values with those of the other processes of torch.distributed's
            group, each of which must call `audit`. Shards are left out.

    >>> import torch
    >>> found = audit(lambda: torch.nn.Linear(4, 2))
    >>> found.complete, str(found["weight"].law), found["weight"].writes[-1].through
    (True, 'uniform(-0.5, 0.5)', 'Linear.reset_parameters')

    Raises GoodinitError where the function cannot be found, fails, or returns something else.
    """
    wanted = None if recipe is None else recipes.get(recipe)
    found = _audited(make_or_model, init, device, replicas)
    if wanted is None:
        return found
    rows, findings, note = conformity(found.parameters, wanted)
    note = f"{found.note} {note}".strip()
    return replace(found, parameters=tuple(rows), findings=(*found.findings, *findings), note=note)


def _audited(make_or_model: Any, init: Any, wanted: str | None, replicas: bool) -> Audit:
    import torch

    if wanted not in (None, "meta", "cpu"):
        raise GoodinitError(f"device={shown(wanted)}: an audit builds on meta or cpu; leave it out to try meta first")
    if isinstance(make_or_model, torch.nn.Module):
        if init is not None:
            raise GoodinitError("init= was given with a model that is built; give the function that makes the model")
        return _of_values(make_or_model, replicas)
    if replicas:
        raise GoodinitError("replicas= compares models that are built; give each process's model")
    name, make = _factory(make_or_model)
    from goodinit.auditing.checkpoints import loaded

    with _random_states_kept():
        recorder, model, device, note = _recorded(name, make, init, wanted)
        tensors = _tensors(model)
        origin = loaded(model)
        rows = [_row(recorder, origin.get(id(entry[2])), *entry) for entry in tensors]
        scattered = {name for name, _, tensor, _ in tensors if (found := recorder.of(tensor)) and found.scattered}
        suspects = bool(scattered) or any(row.verdict in INCOMPLETE for row in rows)
        small = wanted != "meta" and sum(tensor.numel() for _, _, tensor, _ in tensors) <= _AFFORDABLE
        built = _poisoned(make, init, device) if small and (suspects or device == "meta") else {}
    if not built and device == "cpu":
        built = {name: tensor for name, _, tensor, _ in tensors}
    rows = [_settled(row, built.get(row.name), row.name in scattered) for row in rows]
    findings = [finding for row in rows if (finding := _provenance(row)) is not None]
    whole = [row for row in rows if row.verdict not in INCOMPLETE]
    seen, wrong = _look([(row, built[row.name]) for row in whole if row.name in built], known=True)
    values = {row.name: row for row in seen}
    note = f"{note} The values are those of a build in memory.".strip() if values else note
    return Audit(name, device, tuple(values.get(row.name, row) for row in rows), (*findings, *wrong), note)


class _NoModelError(GoodinitError):
    """What a function returned cannot be audited, on whatever device it is made."""


def _recorded(
    name: str, make: Callable[[], Any], init: Any, wanted: str | None
) -> tuple[Recorder, torch.nn.Module, str, str]:
    """The recorder of a build, the model, the device it was built on, and what is to be said of that."""
    from goodinit.auditing.recorder import Recorder

    note = ""
    if wanted != "cpu":
        try:
            recorder = Recorder(_MOST)
            return recorder, _build(name, make, init, recorder, "meta"), "meta", ""
        except (Exception, SystemExit) as error:
            if wanted == "meta" or isinstance(error, SystemExit):
                raise _failed(name, error) from error
            if isinstance(error, _NoModelError):
                raise
            note = f"Built on the CPU: the meta device does not do ({type(error).__name__})."
    try:
        recorder = Recorder(_MOST)
        return recorder, _build(name, make, init, recorder, "cpu"), "cpu", note
    except (Exception, SystemExit) as error:
        raise _failed(name, error) from error


def _failed(name: str, error: BaseException) -> GoodinitError:
    if isinstance(error, GoodinitError):
        return error
    return GoodinitError(f"{name}() failed: {type(error).__name__}: {error}")


def _factory(given: str | Callable[[], Any]) -> tuple[str, Callable[[], Any]]:
    return (given.__qualname__, given) if isinstance(given, type) else load_factory(given)


def _build(name: str, make: Callable[[], Any], init: Any, recorder: Recorder, device: str) -> Any:
    import torch

    with recorder.active(), torch.device(device) if device == "meta" else nullcontext():
        model = _model_of(make())
        if not isinstance(model, torch.nn.Module):
            raise _NoModelError(f"{name}() returned an object of type {type(model).__name__}; return a torch.nn.Module")
        lazy = [key for key, p in model.named_parameters() if torch.nn.parameter.is_lazy(p)]
        if lazy:
            raise _NoModelError(
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
                    raise _NoModelError(f"init={shown(init)}: the model that {name}() returned has no method {init}")
                getattr(model, init)()
            else:
                init(model)
    return model


def _tensors(model: torch.nn.Module) -> list[tuple[str, str, Any, tuple[str, ...]]]:
    """Name, kind, tensor and the other names of each parameter and buffer."""
    names: dict[int, list[str]] = {}
    tensors: dict[int, tuple[str, Any]] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        names.setdefault(id(parameter), []).append(name)
        tensors[id(parameter)] = ("parameter", parameter)
    for prefix, module in model.named_modules():
        for key, buffer in module._buffers.items():
            if buffer is not None:
                names.setdefault(id(buffer), []).append(f"{prefix}.{key}" if prefix else key)
                kept = key not in module._non_persistent_buffers_set
                tensors[id(buffer)] = ("buffer" if kept else "non-persistent buffer", buffer)
    return [(found[0], *tensors[key], tuple(found[1:])) for key, found in names.items()]


def _row(
    recorder: Recorder, origin: Loaded | None, name: str, kind: str, tensor: torch.Tensor, tied: tuple[str, ...]
) -> ParameterAudit:
    memory = recorder.of(tensor)
    shape = tuple(tensor.shape)
    path = origin.path if origin is not None else None
    brought = origin is not None and origin.holds
    if memory is None or tensor.numel() == 0:  # made where PyTorch tells nobody, such as from a file: somebody's values
        return ParameterAudit(name, kind, shape, "checkpoint" if brought else "filled", tied=tied, checkpoint=path)
    verdict = "checkpoint" if brought else memory.verdict(tensor)
    known = brought or not memory.elsewhere
    return ParameterAudit(
        name,
        kind,
        shape,
        verdict,
        memory.law,
        tuple(memory.writes),
        tuple(memory.lost),
        tied,
        overwritten=memory.overwritten if known else None,
        checkpoint=memory.source or path,
    )


def _provenance(row: ParameterAudit) -> Finding | None:
    """What is wrong with who wrote a parameter."""
    values = {} if row.checkpoint is None else {"case": "missing", "checkpoint": row.checkpoint}
    if row.verdict == "never":
        return Finding("never-filled", "severe" if row.incomplete else "warning", row.name, values)
    if row.verdict == "lost":
        return Finding("lost-write", "severe", row.name, values)
    if row.verdict == "partial":
        return Finding("partly-filled", "severe", row.name)
    if row.overwritten is not None:
        return Finding("checkpoint-overwritten", "severe", row.name, {"write": str(row.overwritten)})
    return None


def _settled(row: ParameterAudit, built: torch.Tensor | None, scattered: bool) -> ParameterAudit:
    """The row with what the build in memory showed; `scattered` says that it was written at places not followed.

    Where no NaN is left, somebody wrote it unseen. Where it is full of it, what was made elsewhere was lost.
    """
    import torch

    from goodinit.pytorch.held import is_packed

    unseen = row.verdict == "filled" and row.law is None and not row.writes
    if not (unseen or scattered or row.verdict in INCOMPLETE) or built is None:
        return row
    if not built.is_floating_point() or built.is_meta or is_packed(built):
        return row
    nan = torch.isnan(built.detach())
    if unseen:
        return replace(row, verdict="lost", confirmed=True) if nan.numel() and bool(nan.all()) else row
    left = bool(nan.any())
    if row.verdict in INCOMPLETE:
        return replace(row, confirmed=left, verdict=row.verdict if left else "filled")
    return replace(row, confirmed=True, verdict="partial") if left else row


def _poisoned(make: Callable[[], Any], init: Any, device: str) -> dict[str, torch.Tensor]:
    """The tensors of a build in memory that holds NaN, by name; none where it cannot be built.

    With `init` the model is made on the device of the recorded build first, as marks that its constructor leaves, such
    as transformers' of what is initialized, would stay.
    """
    import torch

    with _poison():
        try:
            with torch.device("cpu" if init is None else device):
                model = _model_of(make())
            if init is not None:
                model.to_empty(device="cpu")
                getattr(model, init)() if isinstance(init, str) else init(model)
        except Exception:
            return {}
        return {name: tensor for name, _, tensor, _ in _tensors(model)}


def _look(
    rows: Sequence[tuple[ParameterAudit, torch.Tensor]], known: bool
) -> tuple[list[ParameterAudit], list[Finding]]:
    """The rows with what their tensors hold, and what is wrong with it; `known` says that their writes are known."""
    from goodinit.auditing.laws import UNKNOWN
    from goodinit.auditing.values import alike, judged, measured

    seen, findings, drawn = [], [], []
    for row, tensor in rows:
        values = measured(tensor, known)
        if values is None:
            continue
        if values.finite:
            row = replace(row, measured=(values.mean, values.std))
        seen.append(row)
        law = row.law or UNKNOWN if known else None
        matrix = row.kind == "parameter" and len([side for side in row.shape if side > 1]) > 1
        finding = judged(row.name, values, law, matrix=matrix, buffer=row.kind != "parameter")
        findings += [finding] if finding is not None else []
        if matrix and (law is None or law.random):
            drawn.append((row.name, tensor, values))
    return seen, [*findings, *alike(drawn)]


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


def _of_values(model: torch.nn.Module, replicas: bool) -> Audit:
    from goodinit.auditing.values import differing

    tensors = _tensors(_model_of(model))
    rows = [
        ParameterAudit(name, kind, tuple(tensor.shape), "values", tied=tied) for name, kind, tensor, tied in tensors
    ]
    seen, findings = _look([(row, tensor) for row, (_, _, tensor, _) in zip(rows, tensors, strict=True)], known=False)
    if replicas:
        if not _distributed():
            raise GoodinitError("replicas= compares processes; call torch.distributed.init_process_group first")
        findings += differing([(name, tensor) for name, _, tensor, _ in tensors])
    found = {row.name: row for row in seen}
    note = "The model is built: only its values can be judged; give the function that makes it to know who wrote them."
    return Audit(
        type(_model_of(model)).__name__, "cpu", tuple(found.get(row.name, row) for row in rows), tuple(findings), note
    )


def _distributed() -> bool:
    from torch import distributed

    return distributed.is_available() and distributed.is_initialized()


def _model_of(made: Any) -> Any:
    """The model of what a factory returned: the first of several; of a compiled one what was compiled."""
    model = made[0] if isinstance(made, tuple | list) and made else made
    return getattr(model, "_orig_mod", model)
