"""What fills or makes a tensor without an operation that a dispatch mode could see."""

from __future__ import annotations

import sys
from types import CodeType, FrameType
from typing import Any, Final, Protocol

import torch
from torch.overrides import TorchFunctionMode

__all__ = ["Functions"]

_INIT: Final = torch.nn.init.__file__
_IS_META: Final = torch.Tensor.is_meta.__get__  # type: ignore[attr-defined]  # a property's getter, as PyTorch tells it
_SHAPE: Final = torch.Tensor.shape.__get__  # type: ignore[attr-defined]  # likewise
_OF_NUMBERS: Final = {torch.tensor: 0, torch.as_tensor: 0, torch.asarray: 0, torch.Tensor.new_tensor: 1}
_LOADING: Final[CodeType] = torch.nn.Module._load_from_state_dict.__code__


class _Recorder(Protocol):
    def initialized(self, name: str, tensor: torch.Tensor, options: dict[str, Any]) -> None: ...
    def given(self, name: str, tensor: torch.Tensor, data: Any) -> None: ...
    def assigned(self, tensor: torch.Tensor) -> None: ...


class Functions(TorchFunctionMode):
    """Tells a recorder of `torch.tensor`, of `load_state_dict(assign=True)`, and of initializers on the meta device.

    Those of `torch.nn.init` ask whether a tensor is on the meta device, and some then do nothing.
    """

    def __init__(self, recorder: _Recorder) -> None:
        super().__init__()
        self.recorder = recorder

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if func == _IS_META:
            if result is True and (frame := _asking()) is not None and frame.f_code.co_filename == _INIT:
                self.recorder.initialized(frame.f_code.co_name, args[0], frame.f_locals)
        elif func == _SHAPE:
            if (frame := _asking()) is not None and frame.f_code is _LOADING:
                it_is = frame.f_locals.get("input_param") is args[0]
                if it_is and frame.f_locals.get("assign_to_params_buffers"):
                    self.recorder.assigned(args[0])
        elif (place := _OF_NUMBERS.get(func)) is not None:
            data = args[place] if len(args) > place else (kwargs or {}).get("data")
            if not isinstance(data, torch.Tensor):
                self.recorder.given(func.__name__, result, data)
        return result


def _asking() -> FrameType | None:
    """The frame that called the function, below other modes such as a device."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and frame.f_code.co_name == "__torch_function__":
        frame = frame.f_back
    return frame
