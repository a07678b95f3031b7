"""What trains here, as each trial keeps it, and whether trials of other engines or versions may stand beside it."""

from __future__ import annotations

import platform
from collections.abc import Iterable
from functools import lru_cache
from importlib import metadata

from goodinit.errors import GoodinitError
from goodinit.results import Origin, Task, Trial
from goodinit.training import Engine

__all__ = ["check_mixed", "mixture", "origin_of"]


def origin_of(task: Task, engine: Engine, time_limit: float | None = None) -> Origin:
    """What a trial of the task that this engine trains here is kept with."""
    packages = tuple((name, _version(name)) for name in ("numpy", *engine.packages))
    processor = f"{platform.machine()}, {engine.instructions()}"
    name = "torch.func" if task.network.ensemble > 1 else engine.name
    return Origin(name, _version("goodinit"), packages, processor, time_limit)


@lru_cache(maxsize=32)
def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "none"


def check_mixed(name: str, stored: Iterable[Trial], here: Origin) -> None:
    """Raise GoodinitError where a task's stored trials were trained by another engine or version than would go on."""
    others = sorted({trial.origin.software for trial in stored if trial.origin is not None} - {here.software})
    if others:
        raise GoodinitError(
            f"the stored trials of task {name!r} were trained by {' and by '.join(others)}, and {here.software} would "
            "train the missing ones: their digits may differ; choose that engine or version, another file, or allow it "
            "with mixed=True (--mixed)"
        )


def mixture(trials: Iterable[Trial]) -> str | None:
    """One sentence where trials of a task come from several engines, versions or processors, else None."""
    origins = [trial.origin for trial in trials if trial.failure is None]
    known = [origin for origin in origins if origin is not None]
    software = sorted({origin.software for origin in known})
    processors = sorted({origin.processor for origin in known})
    if len(software) > 1:
        return f"Trained by {' and by '.join(software)}: the last digits of some may differ."
    if known and len(known) < len(origins):
        unknown = len(origins) - len(known)
        return f"{unknown} of {len(origins)} trials do not say what trained them: the last digits of some may differ."
    if len(processors) > 1:
        return f"Trained on {' and on '.join(processors)}: the last digits of some may differ."
    return None
