"""The compiled half: native/*.cpp. Absent where the package was installed without a compiler."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

def isa() -> str: ...
def lanes(element_size: int) -> int: ...
def peak(*, element_size: int, turns: int, threads: int) -> float: ...
def train_float32(
    *,
    widths: list[int],
    function: str,
    option: float,
    loss: str,
    optimizer: str,
    parameters: list[NDArray[Any]],
    first: NDArray[Any] | None,
    second: NDArray[Any] | None,
    rates: NDArray[Any],
    X: NDArray[Any],
    Y: NDArray[Any],
    begin: int,
    end: int,
    steps: int,
    record_every: int,
    offsets: NDArray[np.int64] | None,
    indices: NDArray[np.int32] | None,
    losses: NDArray[np.float64],
    final_loss: NDArray[np.float64],
    diverged_by: NDArray[np.int64],
    snapshot_steps: NDArray[np.int64],
    snapshots: list[NDArray[Any]],
    threads: int,
    layout: str,
    progress: Callable[[int], None],
) -> None: ...

train_float64 = train_float32

def activation_float32(
    name: str, option: float, z: NDArray[np.float32], value: NDArray[np.float32], slope: NDArray[np.float32]
) -> None: ...
def activation_float64(
    name: str, option: float, z: NDArray[np.float64], value: NDArray[np.float64], slope: NDArray[np.float64]
) -> None: ...
def stream_fill(
    out: NDArray[np.float32] | NDArray[np.float64] | NDArray[np.uint64],
    kind: str,
    key: tuple[int, int],
    start: int,
    *,
    scale: float = 1.0,
    shift: float = -0.0,
    cut: tuple[float, float, float, float, float, float, bool] | None = None,
    threads: int = 1,
    isa: str = "",
) -> None: ...
def stream_transform(
    words: NDArray[np.uint64],
    out: NDArray[np.float32] | NDArray[np.float64],
    kind: str,
    *,
    scale: float = 1.0,
    shift: float = -0.0,
    cut: tuple[float, float, float, float, float, float, bool] | None = None,
    isa: str = "",
) -> None: ...
def stream_isas() -> list[str]: ...
