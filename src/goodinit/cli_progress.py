"""A command's progress on standard error."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rich.progress import TaskID

    from goodinit.comparison import Plan

__all__ = ["ProgressBar"]

WORTH_SAYING: Final = 5  # seconds: a study that takes as long is announced


class ProgressBar:
    """A bar on standard error with the trained networks, their rate and the remaining time."""

    def __init__(self, hidden: bool) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        console = Console(stderr=True)
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("networks, {task.fields[rate]} a second"),
            TimeRemainingColumn(),
            console=console,
            disable=hidden or not console.is_terminal,
            transient=True,
        )
        self.tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Callable[[str, float, float], None]:
        self.bar.start()
        return self._update

    def __exit__(self, *_: object) -> None:
        if not self.bar.disable:  # Rich 13.0 ends one that was not shown with an empty line
            self.bar.stop()

    def announce(self, plan: Plan) -> None:
        """Say what a study will take, where that is worth saying."""
        if plan.seconds is None or plan.seconds >= WORTH_SAYING:
            self.bar.console.print(f"{plan}", markup=False, highlight=False)

    def _update(self, what: str, trained: float, total: float) -> None:
        if what not in self.tasks:
            self.tasks[what] = self.bar.add_task(what, total=round(total), rate="")
        task = self.bar.tasks[self.bar.task_ids.index(self.tasks[what])]
        rate = f"{trained / task.elapsed:.3g}" if task.elapsed else ""
        self.bar.update(self.tasks[what], completed=int(trained), rate=rate)
