"""A scene as text that makes the same experiment outside the page: Python, and a command line."""

from __future__ import annotations

import shlex

from goodinit.comparison import PERTURBATIONS, rerun
from goodinit.lab.scene import OWN, Scene
from goodinit.results import Study

__all__ = ["as_command", "as_python"]

_END = "END OF POINTS"


def as_python(scene: Scene, study: Study) -> str:
    """A Python script: it writes the page's own points to a file where there are any, and compares."""
    again = rerun(study, perturbations=PERTURBATIONS, margin=0.0, target_loss=None)
    lines = [f"# {note}" for note in again.notes if scene.data.name != "own"]
    call = again.call.removeprefix("import goodinit\n\n")
    if scene.data.name == "own":
        points = f'Path("{OWN}").write_text("""{scene.own_csv()}""")'
        lines += ["from pathlib import Path", "", "import goodinit", "", points, call]
    else:
        lines += ["import goodinit", "", call]
    return "\n".join([*lines, "print(result)", ""])


def as_command(scene: Scene, study: Study) -> str:
    """A command for a shell: it writes the page's own points to a file where there are any, and compares."""
    again = rerun(study, perturbations=PERTURBATIONS, margin=0.0, target_loss=None)
    lines = [f"# {note}" for note in again.notes if scene.data.name != "own"]
    if scene.data.name == "own":
        lines.append(f"cat > {OWN} <<{shlex.quote(_END)}\n{scene.own_csv()}{_END}")
    return "\n".join([*lines, str(again.command), ""])
