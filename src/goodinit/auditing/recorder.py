"""A dispatch mode that follows every write to the memory of tensors: through views, copies and arithmetic."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, Final

import torch
from torch.multiprocessing.reductions import StorageWeakRef
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from goodinit.auditing.laws import DrawnLaw, after
from goodinit.auditing.records import Write
from goodinit.errors import GoodinitError

__all__ = ["Memory", "Recorder"]

_TORCH: Final = str(Path(torch.__file__).parent) + os.sep
_OWN: Final = str(Path(__file__).parent) + os.sep
_INIT: Final = torch.nn.init.__file__
_IS_META: Final = torch.Tensor.is_meta.__get__  # type: ignore[attr-defined]  # a property's getter, as PyTorch tells it
_WRAPPERS: Final = (f"transformers{os.sep}initialization.py",)
_EMPTY: Final = frozenset(("empty", "empty_like", "new_empty", "empty_strided", "new_empty_strided", "empty_permuted"))
_SAME: Final = frozenset(("clone", "_to_copy", "contiguous"))  # new memory with the values of the old
_CAST: Final = frozenset(("mul", "add", "sub", "div", "neg", "erfinv", "clamp"))  # on nothing they give nothing
# Arithmetic in place: on memory that nobody wrote it leaves what nobody wrote.
_ARITHMETIC: Final = frozenset((*(f"{each}_" for each in _CAST), "clamp_min_", "clamp_max_"))
_LIMIT: Final = 64  # writes kept of one memory


@dataclass
class Memory:
    """What is known of one storage: who wrote which part of it, and the law of its elements."""

    reference: StorageWeakRef
    writes: list[Write] = field(default_factory=list)
    parts: dict[tuple[Any, ...], int] = field(default_factory=dict)
    full: bool = False
    law: DrawnLaw | None = None
    lost: list[Write] = field(default_factory=list)
    checkpoint: bool = False
    overwritten: Write | None = None

    def verdict(self, tensor: torch.Tensor) -> str:
        """What became of the tensor in this memory."""
        if self.full:
            return "checkpoint" if self.checkpoint else "filled"
        start, end = _extent(tensor)
        written = sum(min(n, end - start) for (low, high, *_), n in self.parts.items() if low < end and start < high)
        if written >= tensor.numel():
            return "filled"
        return "partial" if written else "lost" if self.lost else "never"


def _extent(tensor: torch.Tensor) -> tuple[int, int]:
    """First and last byte."""
    size, first = tensor.element_size(), int(tensor.storage_offset())
    if tensor.numel() == 0:
        return first * size, first * size
    last = first + sum((int(n) - 1) * abs(int(s)) for n, s in zip(tensor.shape, tensor.stride(), strict=True))
    return first * size, (last + 1) * size


class Recorder(TorchDispatchMode):
    """Records while it is active; `of` tells what became of a tensor's memory.

    Raises GoodinitError, before it is written, where a tensor takes what is held in memory beyond `most` bytes.
    """

    def __init__(self, most: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # PyTorch's carries no types
        self.memories: dict[int, Memory] = {}
        self.most = most
        self._held: list[tuple[StorageWeakRef, int]] = []
        self._bytes = 0

    def of(self, tensor: torch.Tensor) -> Memory | None:
        """The record of a tensor's memory, or None where it was not made under the recorder."""
        try:
            return self.memories.get(tensor.untyped_storage()._cdata)
        except (NotImplementedError, RuntimeError):  # a tensor subclass without a storage of its own
            return None

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        self._record(func, args, kwargs, result)
        return result

    @contextmanager
    def active(self, on_meta: bool) -> Iterator[Recorder]:
        """Record, on the meta device also what `torch.nn.init` leaves out there."""
        with self, _Initializers(self) if on_meta else nullcontext():
            yield self

    def initialized(self, name: str, tensor: torch.Tensor, options: dict[str, Any]) -> None:
        """Record an initializer that does nothing on the meta device by its arguments."""
        text = tuple(f"{key}={options[key]}" for key in ("mean", "std", "a", "b", "gain", "sparsity") if key in options)
        law = DrawnLaw("unknown")
        if name == "_no_grad_trunc_normal_":
            law = DrawnLaw("truncated_normal", *(float(options[key]) for key in ("mean", "std", "a", "b")))
        self._write(name.removeprefix("_no_grad_"), tensor, text, law)

    def forget(self, model: torch.nn.Module) -> None:
        """Take all writes as lost, as `to_empty` leaves them."""
        for tensor in [*model.parameters(), *model.buffers()]:
            memory = self.of(tensor)
            if memory is not None:
                memory.lost = memory.lost or memory.writes
                memory.writes, memory.parts, memory.full, memory.law = [], {}, False, None
                memory.checkpoint, memory.overwritten = False, None

    def _record(self, func: Any, args: Any, kwargs: Any, result: Any) -> None:
        schema = func._schema
        name: str = schema.name.rpartition("::")[2].removeprefix("_foreach_")
        written = [
            _given(index, argument.name, args, kwargs)
            for index, argument in enumerate(schema.arguments)
            if argument.alias_info is not None and argument.alias_info.is_write
        ]
        rest = [*args[1:], *(v for k, v in kwargs.items() if k == "value")]
        for each in written:
            if isinstance(each, torch.Tensor):
                self._write_in_place(name, each, rest)
            elif isinstance(each, list | tuple):
                for position, tensor in enumerate(each):
                    own = [_nth(value, position, len(each)) for value in rest]
                    self._write_in_place(name, tensor, own)
        if written:
            return
        if any(each.alias_info is not None for each in schema.returns) and name != "lift_fresh":
            return  # a view
        for tensor in result if isinstance(result, list | tuple) else [result]:
            if isinstance(tensor, torch.Tensor):
                self._made(name, tensor, args)

    def _made(self, name: str, tensor: torch.Tensor, args: Any) -> None:
        try:
            storage = tensor.untyped_storage()
        except (NotImplementedError, RuntimeError):
            return
        memory = Memory(StorageWeakRef(storage))
        if tensor.device.type != "meta":
            self._hold(memory.reference, storage.nbytes())
        source = self.of(args[0]) if args and isinstance(args[0], torch.Tensor) else None
        self.memories[storage._cdata] = memory
        if name in _EMPTY:
            if source is not None and name == "empty_like":
                memory.lost = [*source.lost, *source.writes]
            return
        if source is not None and name in _SAME | _CAST and not (source.full or source.parts):
            memory.lost = list(source.lost)
            return
        if source is not None and name in _SAME:
            memory.writes, memory.law, memory.full = list(source.writes), source.law, True
            memory.checkpoint = source.checkpoint
            return
        options = [a for a in args if not isinstance(a, list | tuple)]
        creation = not (args and isinstance(args[0], torch.Tensor))
        law = after(name, source.law if source else None, options if creation else options[1:])
        memory.writes = [*(source.writes if source and not creation else []), self._said(name, args, True)][-_LIMIT:]
        memory.law, memory.full = law, True
        memory.checkpoint = source is not None and source.checkpoint and not name.endswith("_like")

    def _hold(self, storage: StorageWeakRef, size: int) -> None:
        self._held.append((storage, size))
        self._bytes += size
        if self._bytes > self.most:
            self._held = [(each, n) for each, n in self._held if not each.expired()]
            self._bytes = sum(n for _, n in self._held)
            if self._bytes > self.most:
                raise GoodinitError(
                    "the meta device does not build this model, and in memory it takes more than "
                    f"{self.most / 2**30:g} GiB; audit a smaller configuration of it"
                )

    def _write_in_place(self, name: str, tensor: torch.Tensor, rest: list[Any]) -> None:
        memory = self.of(tensor)
        if name == "copy_" and rest and isinstance(rest[0], torch.Tensor):
            source = self.of(rest[0])
            if source is not None and not (source.full or source.parts):
                return  # a copy of nothing
            law = source.law if source is not None else None
            self._write(name, tensor, _text(rest), law or DrawnLaw("unknown"), source)
            return
        if name in _ARITHMETIC and memory is not None and not (memory.full or memory.parts):
            return
        law = after(name, memory.law if memory is not None else None, rest)
        self._write(name, tensor, _text(rest), law)

    def _write(
        self,
        name: str,
        tensor: torch.Tensor,
        arguments: tuple[str, ...],
        law: DrawnLaw,
        source: Memory | None = None,
    ) -> None:
        try:
            storage = tensor.untyped_storage()
        except (NotImplementedError, RuntimeError):
            return
        memory = self.memories.get(storage._cdata)
        if memory is None:  # made elsewhere, such as from NumPy: what was there is somebody's
            memory = self.memories[storage._cdata] = Memory(StorageWeakRef(storage), full=True)
        whole = tensor.numel() * tensor.element_size() >= storage.nbytes()
        file, line, through, loading = _where()
        write = Write(name, arguments, file, line, through, whole)
        memory.writes = [*memory.writes, *(source.writes if source is not None else []), write][-_LIMIT:]
        if whole:
            kept = loading or (source is not None and source.checkpoint) or (memory.checkpoint and name in _ARITHMETIC)
            memory.overwritten = None if kept else write if memory.checkpoint else memory.overwritten
            memory.full, memory.law, memory.checkpoint = True, law, kept
        else:
            memory.parts[(*_extent(tensor), tuple(tensor.stride()), tensor.dtype)] = tensor.numel()
            same = memory.law is not None and memory.law == law
            memory.law = law if same or (memory.law is None and not memory.full) else DrawnLaw("unknown")

    def _said(self, name: str, args: Any, full: bool) -> Write:
        file, line, through, _ = _where()
        return Write(name, _text([a for a in args if not isinstance(a, torch.Tensor)]), file, line, through, full)


class _Initializers(TorchFunctionMode):
    """Sees `torch.nn.init` ask whether a tensor is on the meta device, where some of its functions then do nothing."""

    def __init__(self, recorder: Recorder) -> None:
        super().__init__()
        self.recorder = recorder

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if result is True and func == _IS_META:
            frame: FrameType | None = sys._getframe(1)
            while frame is not None and frame.f_code.co_name == "__torch_function__":  # other modes, such as a device
                frame = frame.f_back
            if frame is not None and frame.f_code.co_filename == _INIT:
                self.recorder.initialized(frame.f_code.co_name, args[0], frame.f_locals)
        return result


def _given(index: int, name: str, args: Any, kwargs: Any) -> Any:
    return args[index] if index < len(args) else kwargs.get(name)


def _nth(value: Any, position: int, count: int) -> Any:
    return value[position] if isinstance(value, list | tuple) and len(value) == count else value


def _text(values: Any) -> tuple[str, ...]:
    return tuple(
        f"tensor{list(v.shape)}" if isinstance(v, torch.Tensor) else f"{v:.6g}" if isinstance(v, float) else str(v)
        for v in values
    )


def _where() -> tuple[str | None, int | None, str | None, bool]:
    """File and line of the innermost frame that is neither PyTorch's nor ours, the layer between, and if it loads."""
    frame: FrameType | None = sys._getframe(2)
    through, loading = None, False
    while frame is not None:
        file = frame.f_code.co_filename
        name = frame.f_code.co_name
        if file.startswith(_TORCH):
            if name in ("reset_parameters", "_reset_parameters") and through is None:
                through = f"{type(frame.f_locals.get('self')).__name__}.{name}"
            loading = loading or name == "_load_from_state_dict"
        elif not file.startswith(_OWN) and not file.endswith(_WRAPPERS) and not file.startswith("<"):
            return file, frame.f_lineno, through, loading
        frame = frame.f_back
    return None, None, through, loading
