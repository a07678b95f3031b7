"""A dispatch mode that follows every write to the memory of tensors: through views, copies and arithmetic."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, Final, NamedTuple

import torch
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode

from goodinit.auditing.callers import caller
from goodinit.auditing.functions import Functions
from goodinit.auditing.laws import UNKNOWN, DrawnLaw, after, constant
from goodinit.auditing.memory import Memory, extent
from goodinit.auditing.records import ELSEWHERE, Write
from goodinit.errors import GoodinitError

__all__ = ["Recorder"]

_EMPTY: Final = frozenset(("empty", "empty_like", "new_empty", "empty_strided", "new_empty_strided", "empty_permuted"))
_SAME: Final = frozenset(("clone", "_to_copy", "contiguous"))  # new memory with the values of the old
_CAST: Final = frozenset(("mul", "add", "sub", "div", "neg", "erfinv", "clamp"))  # on nothing they give nothing
# Arithmetic in place: on memory that nobody wrote it leaves what nobody wrote.
_ARITHMETIC: Final = frozenset((*(f"{each}_" for each in _CAST), "clamp_min_", "clamp_max_"))
# Where memory that nobody wrote is written at some places, which they are is not followed.
_AT_PLACES: Final = frozenset(
    ("index_put_", "masked_fill_", "masked_scatter_", "scatter_", "index_copy_", "index_fill_", "put_")
)
_LIMIT: Final = 64  # writes kept of one memory
_LONG: Final = 60  # characters of an argument


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
    def active(self) -> Iterator[Recorder]:
        """Record, also what makes or fills a tensor where no operation is dispatched."""
        with self, Functions(self):
            yield self

    def initialized(self, name: str, tensor: torch.Tensor, options: dict[str, Any]) -> None:
        """Record an initializer that does nothing on the meta device by its arguments."""
        text = tuple(f"{key}={options[key]}" for key in ("mean", "std", "a", "b", "gain", "sparsity") if key in options)
        law = UNKNOWN
        if name == "_no_grad_trunc_normal_":
            law = DrawnLaw("truncated_normal", *(float(options[key]) for key in ("mean", "std", "a", "b")))
        self._write(name.removeprefix("_no_grad_"), tensor, text, law)

    def given(self, name: str, tensor: torch.Tensor, data: Any) -> None:
        """Record a tensor that is made of numbers, which the meta device does without an operation."""
        number = isinstance(data, int | float)
        storage = tensor.untyped_storage()
        memory = self.memories[storage._cdata] = Memory(StorageWeakRef(storage), full=True)
        file, line, _, _, read = caller()
        if read is not None:
            memory.read(read, file, line)
        else:
            memory.writes = [Write(name, _text((data if number else "data",)), file, line)]
            memory.law = constant(float(data)) if number else UNKNOWN

    def assigned(self, tensor: torch.Tensor) -> None:
        """Record a tensor that `load_state_dict(assign=True)` puts in a parameter's place, which writes nothing."""
        memory = self._memory(tensor)
        if memory is not None and memory.full:
            memory.checkpoint = True
            memory.writes = [*memory.writes, self._said("load_state_dict", ("assign=True",), True)][-_LIMIT:]

    def forget(self, model: torch.nn.Module) -> None:
        """Take all writes as lost, as `to_empty` leaves them; what was made unseen is lost as well."""
        for tensor in [*model.parameters(), *model.buffers()]:
            memory = self._memory(tensor)
            if memory is not None:
                if memory.elsewhere and not memory.writes:
                    memory.writes = [Write(ELSEWHERE)]
                memory.lose()

    def _record(self, func: Any, args: Any, kwargs: Any, result: Any) -> None:
        name, writes, is_view = _operation(func)
        rest = [*args[1:], *(v for k, v in kwargs.items() if k == "value")] if writes else []
        for index, argument in writes:
            each = _given(index, argument, args, kwargs)
            if isinstance(each, torch.Tensor):
                self._write_in_place(name, each, rest)
            elif isinstance(each, list | tuple):
                for position, tensor in enumerate(each):
                    own = [_nth(value, position, len(each)) for value in rest]
                    self._write_in_place(name, tensor, own)
        if writes or is_view:
            return
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
        if name == "lift_fresh" and source is not None:
            self.memories[storage._cdata] = source
            return
        if name in _EMPTY:
            if source is not None and name == "empty_like":
                memory.lost = [*source.lost, *source.writes]
            return
        if source is not None and name in _SAME | _CAST and not (source.full or source.parts):
            memory.lost = list(source.lost)
            return
        if source is not None and name in _SAME:
            memory.writes, memory.law, memory.full = list(source.writes), source.law, True
            memory.checkpoint, memory.source = source.checkpoint, source.source
            return
        options = [a for a in args if not isinstance(a, list | tuple)]
        creation = not (args and isinstance(args[0], torch.Tensor))
        law = after(name, source.law if source else None, options if creation else options[1:])
        memory.writes = [*(source.writes if source and not creation else []), self._said(name, args, True)][-_LIMIT:]
        memory.law, memory.full = law, True
        if source is not None and source.checkpoint and not name.endswith("_like"):
            memory.checkpoint, memory.source = True, source.source

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
            self._write(name, tensor, _text(rest), law or UNKNOWN, source)
            return
        unwritten = memory is not None and not memory.full
        if name in _ARITHMETIC and memory is not None and unwritten and not memory.parts:
            return
        law = after(name, memory.law if memory is not None else None, rest)
        self._write(name, tensor, _text(rest), law)
        if name in _AT_PLACES and memory is not None and unwritten:
            memory.scattered = True

    def _write(
        self,
        name: str,
        tensor: torch.Tensor,
        arguments: tuple[str, ...],
        law: DrawnLaw,
        source: Memory | None = None,
    ) -> None:
        memory = self._memory(tensor)
        if memory is None:
            return
        whole = tensor.numel() * tensor.element_size() >= tensor.untyped_storage().nbytes()
        file, line, through, loading, read = caller()
        if read is not None:  # a file's values, on their way into memory
            memory.read(read, file, line)
            return
        write = Write(name, arguments, file, line, through, whole)
        memory.writes = [*memory.writes, *(source.writes if source is not None else []), write][-_LIMIT:]
        if whole:
            brought = source is not None and source.checkpoint
            kept = loading or brought or (memory.checkpoint and name in _ARITHMETIC)
            held = memory.checkpoint or (memory.elsewhere and name not in _ARITHMETIC)
            memory.overwritten = None if kept else write if held else memory.overwritten
            memory.full, memory.law, memory.checkpoint, memory.scattered = True, law, kept, False
            memory.source = source.source if source is not None and brought else memory.source if kept else None
        else:
            memory.parts[(*extent(tensor), tuple(tensor.stride()), tensor.dtype)] = tensor.numel()
            same = memory.law is not None and memory.law == law
            memory.law = law if same or (memory.law is None and not memory.full) else UNKNOWN

    def _memory(self, tensor: torch.Tensor) -> Memory | None:
        """The record of a tensor's memory, a new one where it was made unseen: what is there is then somebody's."""
        try:
            storage = tensor.untyped_storage()
        except (NotImplementedError, RuntimeError):  # a tensor subclass without a storage of its own
            return None
        if storage._cdata not in self.memories:
            self.memories[storage._cdata] = Memory(StorageWeakRef(storage), full=True, elsewhere=True)
        return self.memories[storage._cdata]

    def _said(self, name: str, args: Any, full: bool) -> Write:
        file, line, through, _, _ = caller()
        return Write(name, _text([a for a in args if not isinstance(a, torch.Tensor)]), file, line, through, full)


class _Operation(NamedTuple):
    """What a dispatched operation does: its name, the arguments that it writes to, and whether it makes a view."""

    name: str
    writes: tuple[tuple[int, str], ...]
    is_view: bool


@cache
def _operation(func: Any) -> _Operation:
    schema = func._schema
    name: str = schema.name.rpartition("::")[2].removeprefix("_foreach_")
    writes = tuple(
        (index, argument.name)
        for index, argument in enumerate(schema.arguments)
        if argument.alias_info is not None and argument.alias_info.is_write
    )
    return _Operation(name, writes, name != "lift_fresh" and any(each.alias_info for each in schema.returns))


def _given(index: int, name: str, args: Any, kwargs: Any) -> Any:
    return args[index] if index < len(args) else kwargs.get(name)


def _nth(value: Any, position: int, count: int) -> Any:
    return value[position] if isinstance(value, list | tuple) and len(value) == count else value


def _text(values: Any) -> tuple[str, ...]:
    return tuple(_short(value) for value in values)


def _short(value: Any) -> str:
    if isinstance(value, torch.Tensor):
        return f"tensor{list(value.shape)}"
    if isinstance(value, torch.UntypedStorage | torch.TypedStorage):
        return "a storage"
    if isinstance(value, list | tuple) and any(isinstance(each, torch.Tensor) for each in value):
        return f"{len(value)} tensors"
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text if len(text) <= _LONG else f"{text[:_LONG]}..."
