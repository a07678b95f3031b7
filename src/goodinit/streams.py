"""Random numbers addressed by (seed, name, element), never by the order of calls.

A `KeyedStream` reads the raw words of `numpy.random.Philox`, whose raw stream NumPy guarantees, under a key
made of the seed and a name. Element i of a name is made of word i alone: any slice can be drawn alone, on any
machine and thread, in any order. Where the compiled half of the package is there, it makes the same bits faster; the
environment variable GOODINIT_NATIVE=0 turns it off. The one exception is `RandomStateStream`, the sequential stream
of the classic experiment, kept because its published figures were drawn from it.
"""

from __future__ import annotations

import hashlib
import os
import warnings
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any, Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from goodinit import normal
from goodinit.arguments import is_integer
from goodinit.errors import GoodinitError, shown

__all__ = ["KeyedStream", "Law", "RandomStateStream", "Stream", "as_stream", "check_seed", "processors"]

Float64s = NDArray[np.float64]
_CHUNK: Final = 1 << 15  # elements worked on at a time, so that the intermediate arrays stay in cache
_NATIVE_CHUNK: Final = 1 << 20  # the same where the compiled half fills a chunk on all processors
_NATIVE_STOP: Final = 1 << 63  # elements from here on are NumPy's
_SEEDS: Final = 1 << 256
_DOMAIN: Final = b"goodinit stream1"  # part of the key: a change of the algorithm changes this


def check_seed(seed: int) -> int:
    """The seed as a plain int. Raises GoodinitError unless it is an integer of at least 0."""
    if not is_integer(seed) or not 0 <= seed < _SEEDS:
        raise GoodinitError(f"seed={shown(seed)}: a seed is an integer of at least 0, of 256 bits at most")
    return int(seed)


@dataclass(frozen=True)
class Law:
    """A distribution of independent elements, each scale * x + shift in float64, where x follows `kind`.

    `normal` is the standard normal, `truncated_normal` the same between `low` and `high`, `uniform` lies on (0, 1),
    `centred` is 2 u - 1 of it, on (-1, 1), and `signs` are -1 and 1. Without a shift nothing is added.
    """

    kind: Literal["normal", "truncated_normal", "uniform", "centred", "signs"]
    scale: float = 1.0
    shift: float | None = None
    low: float = -2.0
    high: float = 2.0


class Stream(ABC):
    """Where random numbers come from. Every method takes a name and a range of elements, start <= i < stop."""

    seed: int

    @abstractmethod
    def uniform(self, name: str, start: int, stop: int) -> Float64s:
        """Uniform on (0, 1), never 0 or 1."""

    @abstractmethod
    def normal(self, name: str, start: int, stop: int) -> Float64s:
        """Standard normal."""

    def truncated_normal(self, name: str, low: float, high: float, start: int, stop: int) -> Float64s:
        """Standard normal conditioned on low <= x <= high, by the quantile function: never an outlier."""
        cut = _cut(low, high)
        return _truncated(self.uniform(name, start, stop), cut)

    def signs(self, name: str, start: int, stop: int) -> Float64s:
        """-1.0 or 1.0, each with probability one half."""
        return np.where(self.uniform(name, start, stop) < 0.5, -1.0, 1.0)

    def permutation(self, name: str, size: int) -> NDArray[np.intp]:
        """A uniformly random order of range(size)."""
        return np.argsort(self.uniform(name, 0, size), kind="stable")

    def fill(self, name: str, law: Law, out: NDArray[Any], start: int = 0) -> None:
        """Writes the law's elements from `start` on into `out`, a one-dimensional array of any real dtype.

        They are made in float64 and rounded to the dtype; half precision is rounded to float32 first.
        """
        stop = start + out.size
        if law.kind == "truncated_normal":
            x = self.truncated_normal(name, law.low, law.high, start, stop)
        elif law.kind == "normal":
            x = self.normal(name, start, stop)
        elif law.kind == "signs":
            x = self.signs(name, start, stop)
        else:
            x = self.uniform(name, start, stop)
            x = 2.0 * x - 1.0 if law.kind == "centred" else x
        _write(law, x, out)


class KeyedStream(Stream):
    """Words of Philox 4x64-10 under the key blake2b-128(domain, seed, name); word i makes element i.

    >>> stream = KeyedStream(0)
    >>> whole = stream.normal("layer1.weight", 0, 1000)
    >>> bool((stream.normal("layer1.weight", 600, 700) == whole[600:700]).all())
    True

    Source: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3".
    """

    def __init__(self, seed: int) -> None:
        self.seed = check_seed(seed)

    def words(self, name: str, start: int, stop: int) -> NDArray[np.uint64]:
        """The raw 64-bit words start <= i < stop of that name."""
        key = self._key(name)
        native = _native()
        if native is None or not 0 <= start < stop < _NATIVE_STOP:
            return _philox(key, start, stop)
        words = np.empty(stop - start, np.uint64)
        native.stream_fill(words, "words", key, start, threads=_threads(words.size))
        return words

    def uniform(self, name: str, start: int, stop: int) -> Float64s:
        """Uniform on (0, 1): the centres of 2^52 equal cells, so that u and 1 - u are both exact and alike."""
        return self._values(name, Law("uniform"), start, stop)

    def normal(self, name: str, start: int, stop: int) -> Float64s:
        """Standard normal: the quantile of the centre of the word's cell among 2^64, symmetric, up to 9.2 sigma."""
        return self._values(name, Law("normal"), start, stop)

    def truncated_normal(self, name: str, low: float, high: float, start: int, stop: int) -> Float64s:
        """Standard normal conditioned on low <= x <= high, by the quantile function: never an outlier."""
        return self._values(name, Law("truncated_normal", low=low, high=high), start, stop)

    def signs(self, name: str, start: int, stop: int) -> Float64s:
        """-1.0 or 1.0 by the word's highest bit."""
        return self._values(name, Law("signs"), start, stop)

    def fill(self, name: str, law: Law, out: NDArray[Any], start: int = 0) -> None:
        """Writes the law's elements from `start` on into `out`, a one-dimensional array of any real dtype.

        They are made in float64 and rounded to the dtype; half precision is rounded to float32 first. float32 and
        float64 arrays are written directly, on all processors; others a chunk at a time.

        >>> half = np.empty(1000, np.float16)
        >>> KeyedStream(0).fill("layer1.weight", Law("normal", scale=0.1), half)
        """
        if out.ndim != 1:
            raise GoodinitError(
                f"fill takes a one-dimensional array, got one of shape {out.shape}; pass out.reshape(-1)"
            )
        cut = _cut(law.low, law.high) if law.kind == "truncated_normal" else None
        key = self._key(name)
        native = _native()
        if native is None or start < 0 or start + out.size >= _NATIVE_STOP:
            for at in range(0, out.size, _CHUNK):
                part = out[at : at + _CHUNK]
                _write(law, _from_words(law, _philox(key, start + at, start + at + part.size), cut), part)
            return
        options: dict[str, Any] = {"scale": float(law.scale), "cut": cut}
        if law.shift is not None:
            options["shift"] = float(law.shift)
        if out.dtype in (np.float32, np.float64) and out.dtype.isnative and out.flags.carray:
            native.stream_fill(out, law.kind, key, start, threads=_threads(out.size), **options)
            return
        single = out.dtype.itemsize < 4
        for at in range(0, out.size, _NATIVE_CHUNK):
            part = out[at : at + _NATIVE_CHUNK]
            values = np.empty(part.size, np.float32 if single else np.float64)
            native.stream_fill(values, law.kind, key, start + at, threads=_threads(values.size), **options)
            part[...] = values.astype(out.dtype)

    def _values(self, name: str, law: Law, start: int, stop: int) -> Float64s:
        out = np.empty(max(stop - start, 0))
        self.fill(name, law, out, start)
        return out

    def _key(self, name: str) -> tuple[int, int]:
        if not isinstance(name, str):
            raise GoodinitError(f"name={shown(name)}: numbers are drawn for a name, which is a text")
        text = str(self.seed).encode() + b"\0" + name.encode("utf-8", "surrogatepass")
        digest = hashlib.blake2b(text, digest_size=16, person=_DOMAIN).digest()
        return int.from_bytes(digest[:8], "little"), int.from_bytes(digest[8:], "little")


class RandomStateStream(Stream):
    """NumPy's legacy `RandomState(seed)`, read in the order of the calls, as the classic experiment did.

    Its numbers depend on call order, so a slice cannot be drawn alone: `start` must be 0, and a name is only a
    label. Use it to repeat published figures, and `KeyedStream` for everything else.
    """

    def __init__(self, seed: int) -> None:
        self.seed = check_seed(seed)
        if self.seed >= 2**32:
            raise GoodinitError(f"seed={seed}: the randomstate stream takes seeds below 2**32; use the keyed stream")
        self._state = np.random.RandomState(self.seed)

    def _whole(self, start: int) -> None:
        if start:
            raise GoodinitError("the randomstate stream is sequential: it cannot draw a slice; use the keyed stream")

    def uniform(self, name: str, start: int, stop: int) -> Float64s:
        """Uniform on [0, 1), the next `stop` numbers of `random_sample`."""
        self._whole(start)
        return self._state.random_sample(stop)

    def normal(self, name: str, start: int, stop: int) -> Float64s:
        """Standard normal, the next `stop` numbers of `randn`."""
        self._whole(start)
        return self._state.randn(stop)


def as_stream(seed: int | Stream, kind: str = "keyed") -> Stream:
    """A stream as it is, or the stream of that kind (`keyed` or `randomstate`) for a seed."""
    if isinstance(seed, Stream):
        return seed
    if kind not in ("keyed", "randomstate"):
        raise GoodinitError(f"stream {shown(kind)} is not known; choose keyed or randomstate")
    return KeyedStream(seed) if kind == "keyed" else RandomStateStream(seed)


class _Cut(NamedTuple):
    """A truncated normal's bounds in probabilities: u * total is the way from `low`, left of 0 as long as below `left`.

    Where both bounds lie above 0 everything is `mirrored`, so that the probabilities keep their digits. With
    low <= 0 < high, `below` and `above` are the probabilities cut off; with high <= 0, all is on the left.
    """

    low: float
    high: float
    below: float
    above: float
    left: float
    total: float
    mirrored: bool


@cache
def _cut(low: float, high: float) -> _Cut:
    if not low < high:
        raise GoodinitError(f"truncated normal with low={low!r}, high={high!r}: low must be below high")
    low, high = float(low), float(high)
    if low > 0:
        return _cut(-high, -low)._replace(mirrored=True)
    below = normal.cdf_lower(low)
    if high > 0:
        above = normal.cdf_lower(-high)
        left = 0.5 - below
        return _Cut(low, high, below, above, left, left + (0.5 - above), False)
    total = normal.cdf_lower(high) - below
    if not total > 0:
        raise GoodinitError(
            f"truncated normal with low={low!r}, high={high!r}: no float64 probability lies between them; "
            "move the bounds within 37 of 0, or apart"
        )
    return _Cut(low, high, below, 0.0, np.inf, total, False)


def _truncated(u: Float64s, cut: _Cut) -> Float64s:
    """The quantiles, between the bounds, of the uniforms u."""
    out = np.empty(u.size)
    for at in range(0, u.size, _CHUNK):
        part = u[at : at + _CHUNK]
        across = part * cut.total
        on_left = across < cut.left
        # The probability of the nearer tail, always a sum of positive terms: no digits are lost.
        p = np.where(on_left, cut.below + across, cut.above + (1.0 - part) * cut.total)
        x = normal.quantile_lower(np.minimum(p, 0.5))
        x = np.where(on_left, x, -x)
        x = np.where(x < cut.low, cut.low, x)
        x = np.where(x > cut.high, cut.high, x)
        out[at : at + _CHUNK] = -x if cut.mirrored else x
    return out


def _from_words(law: Law, words: NDArray[np.uint64], cut: _Cut | None) -> Float64s:
    """The law's x, before scale and shift, of the keyed stream's words."""
    if law.kind == "signs":
        return np.where(words >> np.uint64(63), 1.0, -1.0)
    if law.kind == "normal":
        signed = (words ^ np.uint64(1 << 63)).view(np.int64)  # the word less 2^63
        nearer = np.where(signed < 0, words, ~words)  # cells between this one and the nearer end
        q = (signed.astype(np.float64) + 0.5) * 2.0**-64
        return normal.quantile(q, (nearer.astype(np.float64) + 0.5) * 2.0**-64)
    u: Float64s = ((words >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52
    if cut is not None:
        return _truncated(u, cut)
    return 2.0 * u - 1.0 if law.kind == "centred" else u


def _write(law: Law, x: Float64s, out: NDArray[Any]) -> None:
    with np.errstate(over="ignore"):  # a scale near the largest number: infinite weights are an outcome
        values = x * law.scale
        if law.shift is not None:
            values += law.shift
        if out.dtype.itemsize < 4:
            values = values.astype(np.float32)
        out[...] = values.astype(out.dtype)


def _philox(key: tuple[int, int], start: int, stop: int) -> NDArray[np.uint64]:
    philox = np.random.Philox(key=np.array(key, dtype=np.uint64), counter=start // 4)
    skip = start % 4  # a counter value gives four words
    return philox.random_raw(stop - start + skip)[skip:] if stop > start else np.empty(0, np.uint64)


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _threads(size: int) -> int:
    """As many as there are processors to run on, each with enough to do that starting it pays."""
    return max(1, min(processors(), size >> 17, 1024))


def _native() -> ModuleType | None:
    """The compiled half of the package, or None where it was not built or is turned off."""
    return None if os.environ.get("GOODINIT_NATIVE") == "0" else _built()


@cache
def _built() -> ModuleType | None:
    try:
        native = import_module("goodinit._native")
    except ImportError:
        return None
    if not hasattr(native, "stream_fill"):
        return None
    # A stale build, or a compiler that fuses operations, would break the promise of the same bits everywhere.
    words = np.arange(1, 513, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    values = np.empty(words.size)
    native.stream_transform(words, values, "normal")
    if values.tobytes() == _from_words(Law("normal"), words, None).tobytes():
        return native
    warnings.warn(
        f"{native.__file__} makes other bits than this version of goodinit, which goes on without it: install again",
        RuntimeWarning,
        stacklevel=2,
    )
    return None
