"""Random numbers addressed by (seed, name, element), never by the order of calls.

A `KeyedStream` reads the raw words of `numpy.random.Philox`, whose raw stream NumPy guarantees, under a key
made of the seed and a name. Element i of a name is made of word i alone: any slice can be drawn alone, on any
machine and thread, in any order. The one exception is `RandomStateStream`, the sequential stream of the classic
experiment, kept because its published figures were drawn from it.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from typing import Final

import numpy as np
from numpy.typing import NDArray

from goodinit import normal
from goodinit.errors import GoodinitError

__all__ = ["KeyedStream", "RandomStateStream", "Stream", "as_stream", "check_seed"]

Float64s = NDArray[np.float64]
_CHUNK: Final = 1 << 15  # elements worked on at a time, so that the intermediate arrays stay in cache
_DOMAIN: Final = b"goodinit stream1"  # part of the key: a change of the algorithm changes this


def check_seed(seed: int) -> int:
    """The seed as a plain int. Raises GoodinitError unless it is a whole number of at least 0."""
    if isinstance(seed, bool | np.bool_) or not isinstance(seed, int | np.integer) or seed < 0:
        raise GoodinitError(f"seed={seed!r}: a seed is a whole number of at least 0")
    return int(seed)


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
        if not low < high:
            raise GoodinitError(f"truncated normal with low={low!r}, high={high!r}: low must be below high")
        if low > 0:  # the far upper tail, where probabilities near 1 would lose their digits: mirror it
            return -self.truncated_normal(name, -high, -low, start, stop)
        below = normal.cdf_lower(low)
        if high <= 0:
            u = self.uniform(name, start, stop)
            p = below + (normal.cdf_lower(high) - below) * u
            return np.clip(normal.quantile_lower(p), low, high)
        above = normal.cdf_lower(-high)
        left, total = 0.5 - below, (0.5 - below) + (0.5 - above)
        out = np.empty(stop - start)
        for at in range(start, stop, _CHUNK):
            u = self.uniform(name, at, min(at + _CHUNK, stop))
            on_left = u * total < left
            # The probability of the nearer tail, always a sum of positive terms: no digits are lost.
            p = np.where(on_left, below + u * total, above + (1.0 - u) * total)
            x = normal.quantile_lower(np.minimum(p, 0.5))
            out[at - start : at - start + u.size] = np.where(on_left, x, -x)
        return np.clip(out, low, high, out=out)

    def signs(self, name: str, start: int, stop: int) -> Float64s:
        """-1.0 or 1.0, each with probability one half."""
        return np.where(self.uniform(name, start, stop) < 0.5, -1.0, 1.0)

    def permutation(self, name: str, size: int) -> NDArray[np.intp]:
        """A uniformly random order of range(size)."""
        return np.argsort(self.uniform(name, 0, size), kind="stable")


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
        text = str(self.seed).encode() + b"\0" + name.encode("utf-8", "surrogatepass")
        digest = hashlib.blake2b(text, digest_size=16, person=_DOMAIN).digest()
        key = np.frombuffer(digest, dtype="<u8").astype(np.uint64)
        philox = np.random.Philox(key=key, counter=start // 4)
        skip = start % 4  # a counter value gives four words
        return philox.random_raw(stop - start + skip)[skip:] if stop > start else np.empty(0, np.uint64)

    def uniform(self, name: str, start: int, stop: int) -> Float64s:
        """Uniform on (0, 1): the centres of 2^52 equal cells, so that u and 1 - u are both exact and alike."""
        words = self.words(name, start, stop)
        return ((words >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52

    def normal(self, name: str, start: int, stop: int) -> Float64s:
        """Standard normal: the quantile of the centre of the word's cell among 2^64, symmetric, up to 9.2 sigma."""
        out = np.empty(max(stop - start, 0))
        for at in range(start, stop, _CHUNK):
            words = self.words(name, at, min(at + _CHUNK, stop))
            signed = (words ^ np.uint64(1 << 63)).view(np.int64)  # the word less 2^63
            nearer = np.where(signed < 0, words, ~words)  # cells between this one and the nearer end
            q = (signed.astype(np.float64) + 0.5) * 2.0**-64
            p = (nearer.astype(np.float64) + 0.5) * 2.0**-64
            out[at - start : at - start + words.size] = normal.quantile(q, p)
        return out

    def signs(self, name: str, start: int, stop: int) -> Float64s:
        """-1.0 or 1.0 by the word's highest bit."""
        return np.where(self.words(name, start, stop) >> np.uint64(63), 1.0, -1.0)


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
        raise GoodinitError(f"stream {kind!r} is not known; choose keyed or randomstate")
    return KeyedStream(seed) if kind == "keyed" else RandomStateStream(seed)
