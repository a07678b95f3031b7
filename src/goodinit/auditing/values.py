"""What really is in memory: values that their law cannot make, constants for random numbers, layers that are alike."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import torch
from scipy.special import erfcinv

from goodinit.auditing.laws import DrawnLaw
from goodinit.findings import Finding
from goodinit.pytorch.held import is_packed

__all__ = ["Values", "alike", "differing", "judged", "measured"]

_CHUNK: Final = 2**20
_SOME: Final = 10_000  # values that the middle half is taken of
_SURE: Final = 7.0  # standard errors between a moment and its law's
_CHANCE: Final = 1e-9  # that a tensor of its law holds a value as far out
_FAR: Final = 100.0  # standard deviations of the middle half, beyond which a value of an unknown law is told
_NUMBER: Final = re.compile(r"\d+")
_ENOUGH: Final = 50  # values, below which a variance tells nothing


@dataclass(frozen=True)
class Values:
    """What a tensor holds: mean and deviation of its `size` elements, its ends, the middle half's deviation."""

    size: int
    finite: bool
    mean: float = 0.0
    std: float = 0.0
    low: float = 0.0
    high: float = 0.0
    middle: float = 0.0
    digits: float = 0.0

    @property
    def constant(self) -> bool:
        """Whether all elements are the same."""
        return self.low == self.high


def measured(tensor: torch.Tensor, known: bool) -> Values | None:
    """The values of a tensor of real numbers; of a distributed one, those of this process. None where none is held.

    The deviation of the middle half is only measured where the writes are not `known`.
    """
    try:
        held = _local(tensor)
        if held.is_meta or not held.is_floating_point() or not held.numel():
            return None
        return _moments(held.detach().reshape(-1), known)
    except (NotImplementedError, RuntimeError):  # a container, such as of packed 4-bit numbers, that has no such view
        return None


def _local(tensor: Any) -> torch.Tensor:
    local = tensor.to_local() if hasattr(tensor, "to_local") else tensor
    found: torch.Tensor = local.dequantize() if local.is_quantized or is_packed(local) else local
    return found


def _moments(flat: torch.Tensor, known: bool) -> Values:
    low, high = (float(each) for each in torch.aminmax(flat))
    if not (math.isfinite(low) and math.isfinite(high)):
        return Values(flat.numel(), False, low=low, high=high)
    size = flat.numel()
    parts = flat.split(_CHUNK) if flat.dtype in (torch.float32, torch.float64) else flat.float().split(_CHUNK)
    mean = sum(float(part.sum()) for part in parts) / size
    variance = sum(float(torch.linalg.vector_norm(part)) ** 2 for part in parts) / size - mean**2
    if variance < mean**2:  # where the difference of the two loses digits
        variance = sum(float(torch.linalg.vector_norm(part - mean)) ** 2 for part in parts) / size
    middle = 0.0
    if not known:
        some = flat[:: max(1, size // _SOME)].double().sort().values
        middle = float(some[3 * len(some) // 4] - some[len(some) // 4]) / 1.349
    eps = torch.finfo(flat.dtype).eps
    return Values(size, True, mean, math.sqrt(variance), low, high, middle, eps)


def judged(name: str, values: Values, law: DrawnLaw | None, *, matrix: bool, buffer: bool) -> Finding | None:
    """What is wrong with the values of one tensor; `law` is what its writes leave, None where they are not known.

    A buffer may hold infinity, as masks do.
    """
    if not values.finite:
        if buffer and not (math.isnan(values.low) or math.isnan(values.high)):
            return None
        return Finding("not-finite", "severe", name, {"case": "held"})
    if law is not None and law.random:
        return _against(name, values, law)
    if law is None and matrix and values.constant and values.low != 0:
        return Finding("constant-values", "warning", name, {"size": values.size, "value": values.low})
    far = max(abs(values.low - values.mean), abs(values.high - values.mean))
    if law is None and values.middle > 0 and far > _FAR * values.middle:
        return Finding("outliers", "warning", name, measured=far / values.middle)
    return None


def _against(name: str, values: Values, law: DrawnLaw) -> Finding | None:
    moments = law.moments
    if moments is None or values.size < 2:
        return None
    mean, std = moments
    room = 4 * values.digits * max(abs(values.low), abs(values.high), abs(mean))
    if values.constant and std > room:
        return Finding("constant-values", "severe", name, {"case": "law", "value": values.low, "law": str(law)})
    far = math.sqrt(2) * float(erfcinv(_CHANCE / values.size)) * law.scale
    low = max(law.low if law.low is not None else -math.inf, law.location - far if law.scale else -math.inf)
    high = min(law.high if law.high is not None else math.inf, law.location + far if law.scale else math.inf)
    if values.low < low - room or values.high > high + room:
        worst = values.low if low - values.low > values.high - high else values.high
        sigmas = abs(worst - mean) / std if std else math.inf
        return Finding("outliers", "severe", name, {"case": "law", "value": worst, "law": str(law)}, sigmas)
    off = abs(values.mean - mean) > _SURE * std / math.sqrt(values.size) + room
    if values.size >= _ENOUGH:  # a normal's error, which those of cut and uniform laws are below
        off = off or abs(values.std**2 - std**2) > _SURE * std**2 * math.sqrt(2 / values.size) + 2 * room * std
    if off:
        found = {"mean": values.mean, "std": values.std, "law": str(law)}
        return Finding("off-its-law", "severe", name, found, values.std, std)
    return None


def alike(rows: Sequence[tuple[str, torch.Tensor, Values]]) -> Iterator[Finding]:
    """Parameters, none of them tied, that hold the same values: layers that start as copies of each other.

    Those are told whose names differ in numbers alone: an average of a model or a target network is a copy on purpose.
    """
    groups: dict[tuple[Any, ...], list[tuple[str, torch.Tensor]]] = {}
    for name, tensor, values in rows:
        if values.finite and not values.constant:
            key = (_NUMBER.sub("*", name), tuple(tensor.shape), tensor.dtype, values.mean, values.std)
            groups.setdefault(key, []).append((name, tensor))
    for group in groups.values():
        first, *rest = group
        same = [name for name, tensor in rest if torch.equal(_local(tensor), _local(first[1]))]
        if same:
            yield Finding("identical-values", "warning", first[0], {"others": same})


def differing(rows: Sequence[tuple[str, torch.Tensor]]) -> Iterator[Finding]:
    """Parameters whose values are not the same in every process of the group, where each should hold all of them."""
    from hashlib import blake2b

    from torch import distributed

    digests = {}
    for name, tensor in rows:
        placements = getattr(tensor, "placements", ())
        if all(each.is_replicate() for each in placements):
            held = _local(tensor).detach().cpu().contiguous().reshape(-1)
            digests[name] = blake2b(held.view(torch.uint8).numpy().tobytes()).hexdigest()
    every: list[dict[str, str] | None] = [None] * distributed.get_world_size()
    distributed.all_gather_object(every, digests)
    for name in digests:
        others = [rank for rank, found in enumerate(every) if found is not None and found.get(name) != digests[name]]
        if others:
            ranks = {"others": list(map(str, others)), "own": distributed.get_rank()}
            yield Finding("replicas-differ", "severe", name, ranks)
