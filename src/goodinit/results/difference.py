"""What differs between two records of one kind."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Difference"]


@dataclass(frozen=True)
class Difference:
    """What differs between two audits or checkups: `(name, what it was, what it is)`; None where it is absent.

    >>> print(Difference((("loss at the start", "2.3", "11"), ("finding dead-units in 0", None, "severe"))))
    loss at the start: 2.3 -> 11
    finding dead-units in 0: absent -> severe
    """

    changes: tuple[tuple[str, str | None, str | None], ...]

    def __bool__(self) -> bool:
        return bool(self.changes)

    def __str__(self) -> str:
        if not self.changes:
            return "Nothing changed."
        return "\n".join(f"{name}: {old or 'absent'} -> {new or 'absent'}" for name, old, new in self.changes)
