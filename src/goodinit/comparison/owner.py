"""What runs on other nodes before anything is known of their goodinit; it is sent by value and imports none of it.

`Owner` is an actor that owns the batches in flight, so that they outlive the driver; `work` trains one load of
batches, once the node's versions are those of the driver.
"""

from __future__ import annotations

from typing import Any

__all__ = ["Owner", "versions", "work"]


def versions(packages: tuple[str, ...]) -> dict[str, str]:
    """What a trial's bits depend on here: goodinit with a hash of its code, Python, the packages, compiled code."""
    import hashlib
    import platform
    from importlib import import_module, metadata
    from importlib.util import find_spec
    from pathlib import Path

    def installed(package: str) -> str:
        try:
            return metadata.version(package)
        except metadata.PackageNotFoundError:
            return "none"

    found = {"goodinit": "none", "Python": ".".join(platform.python_version_tuple()[:2])}
    found |= {package: installed(package) for package in packages}
    spec = find_spec("goodinit")
    if spec is None or not spec.submodule_search_locations:
        return found
    root, code = Path(next(iter(spec.submodule_search_locations))), hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        code.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    found["goodinit"] = f"{installed('goodinit')} (code {code.hexdigest()[:8]})"
    try:
        fused = import_module("goodinit._native").isa() != "baseline"
        found["compiled engine"] = f"{platform.machine()}{', fused' if fused else ''}, {' '.join(platform.libc_ver())}"
    except ImportError:
        found["compiled engine"] = "none"
    return found


def work(order: dict[str, Any]) -> tuple[str, Any]:
    """Train the load of an order: `done` with its trials, or `versions` or `refused` with what stands against it."""
    import platform
    import sys

    agreed = getattr(sys.modules.get("goodinit.comparison.serialization"), "agreed", None)
    if agreed != order["versions"]:
        found = versions(order["packages"])
        if found != order["versions"]:
            return "versions", (platform.node(), found)
    from goodinit.comparison import serialization

    serialization.agreed = order["versions"]
    return serialization.fulfil(order)


class Owner:
    """Owns what one driver has in flight on the cluster, and keeps it for the next one where that driver is killed.

    A driver that has not been heard of for a lease is taken to be gone: the next one may `claim` what is held. After
    `idle` seconds without any driver the owner ends itself, and with it what it holds.
    """

    def __init__(self, idle: float) -> None:
        import threading

        import ray

        self.work = ray.remote(work)
        self.driver, self.heard, self.number = "", self._now(), 0
        self.payloads: dict[str, Any] = {}
        self.held: dict[int, tuple[bytes, list[Any]]] = {}
        self.idle = idle
        threading.Thread(target=self._end_when_idle, daemon=True).start()

    def claim(self, driver: str, lease: float) -> dict[int, tuple[bytes, list[Any]]] | None:
        """What is held, by number: a load's label and its result to be; None while another driver is at work."""
        if self.driver not in ("", driver) and self._now() - self.heard < lease:
            return None
        self.driver, self.heard = driver, self._now()
        return self.held

    def beat(self, driver: str) -> bool:
        """Whether the driver, which says by this that it lives, still has the claim."""
        if self.driver != driver:
            return False
        self.heard = self._now()
        return True

    def has(self, driver: str, digest: str) -> bool:
        """Whether the payload of that content is here."""
        return self.beat(driver) and digest in self.payloads

    def stock(self, driver: str, digest: str, content: Any) -> None:
        """Put a payload into the object store."""
        import ray

        if self.beat(driver) and digest not in self.payloads:
            self.payloads[digest] = ray.put(content)

    def submit(
        self, driver: str, label: bytes, order: dict[str, Any], digests: list[str], options: dict[str, Any]
    ) -> tuple[int, list[Any]] | None:
        """Send an order to the cluster: its number and, in a list, its result to be; None without the claim."""
        if not self.beat(driver):
            return None
        payloads = {digest: self.payloads[digest] for digest in digests}
        self.number += 1
        self.held[self.number] = (label, [self.work.options(**options).remote({**order, "payloads": payloads})])
        return self.number, self.held[self.number][1]

    def drop(self, driver: str, number: int) -> None:
        """Forget a result, which is stored."""
        if self.beat(driver):
            self.held.pop(number, None)

    def stop(self, driver: str) -> bool:
        """Cancel what is in flight, and end within seconds; whether the driver had the claim."""
        import ray

        if not self.beat(driver):
            return False
        for _, (result,) in self.held.values():
            ray.cancel(result, force=True)
        self.held.clear()
        self.idle = 0.0
        return True

    @staticmethod
    def _now() -> float:
        import time

        return time.monotonic()

    def _end_when_idle(self) -> None:
        import os
        import time

        while self._now() - self.heard < self.idle:
            time.sleep(5)
        os._exit(0)  # an actor can be ended from a thread only with its process
