"""How many threads a piece of work is worth: threads that wait for each other cost more than small work itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, Final

__all__ = ["ALONE", "blas_threads", "torch_threads"]

ALONE: Final = 5e6
"""Operations of a call up to which one thread is taken: a fifth of a millisecond of work. Two threads make that at most
1.3 times as fast where nothing else runs, and many times as slow where each waits for a processor that others hold."""


@contextmanager
def torch_threads(operations: float) -> Iterator[None]:
    """PyTorch's threads in the block: one where a call has few operations, else those that PyTorch has; put back after.

    Operations are the multiplications and additions of one product or convolution, after which its threads meet.

    The number is the process's, so that blocks on several threads at once see each other's.
    """
    import torch

    before = torch.get_num_threads()
    if operations > ALONE or before == 1:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def blas_threads(operations: float) -> Iterator[None]:
    """The same for the library that NumPy's matrix products come from."""
    if operations > ALONE:
        yield
        return
    with _controller().limit(limits=1, user_api="blas"):
        yield


@cache
def _controller() -> Any:
    import numpy  # noqa: F401  # its library is found once it is loaded
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
