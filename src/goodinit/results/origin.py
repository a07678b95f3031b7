"""What trained a trial: the engine, the versions and the processor that its digits may depend on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Origin"]


@dataclass(frozen=True)
class Origin:
    """What trained a trial.

    `engine` is the engine's name, `goodinit` the package's version, `packages` those that the engine computes with, as
    (name, version); `processor` the machine's kind and the newest instructions in use; `time_limit` the seconds that a
    trial was given, None without a limit.
    """

    engine: str
    goodinit: str
    packages: tuple[tuple[str, str], ...]
    processor: str
    time_limit: float | None = None

    @property
    def software(self) -> str:
        """The engine and the versions, as a sentence tells them."""
        packages = "".join(f", {name} {version}" for name, version in self.packages)
        return f"{self.engine} (goodinit {self.goodinit}{packages})"

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {
            "engine": self.engine,
            "goodinit": self.goodinit,
            "packages": dict(self.packages),
            "processor": self.processor,
            "time_limit": self.time_limit,
        }

    @classmethod
    def from_dict(cls, facts: Mapping[str, Any]) -> Origin:
        """The origin of which `to_dict` made these facts."""
        return cls(**{**facts, "packages": tuple(facts["packages"].items())})
