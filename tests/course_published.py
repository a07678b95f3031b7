"""What copies of the course's assignment show, and where its notebooks are."""

from __future__ import annotations

import math
import os
import re
from pathlib import Path

import goodinit

FOLDER = Path(__file__).parents[1] / "examples" / "course"
NOTEBOOK = FOLDER / "initialization.ipynb"
STARTS = ("zeros", "random", "he")

# The figures that public copies of the assignment's notebook show (deeplearning.ai, "Improving Deep Neural Networks",
# week 1). The copies of `he` differ in the last one or two digits; those of `random` from the third digit on, as this
# start amplifies rounding, while their accuracies are all the same.
PUBLISHED_COSTS = {
    "zeros": [math.log(2)] * 15,
    "random": [
        *[math.inf, 0.6247924745506072, 0.5980258056061102, 0.5637539062842213, 0.5501256393526495],
        *[0.5443826306793814, 0.5373895855049121, 0.47157999220550006, 0.39770475516243037, 0.3934560146692851],
        *[0.3920227137490125, 0.38913700035966736, 0.3861358766546214, 0.38497629552893475, 0.38276694641706693],
    ],
    "he": [
        *[0.8830537463419761, 0.6879825919728063, 0.6751286264523371, 0.6526117768893807, 0.6082958970572937],
        *[0.5304944491717495, 0.4138645817071795, 0.3117803464844441, 0.23696215330322562, 0.18597287209206836],
        *[0.15015556280371808, 0.12325079292273551, 0.09917746546525934, 0.08457055954024277, 0.07357895962677363],
    ],
}
TOLERANCE = {"zeros": {"rtol": 0, "atol": 1e-12}, "random": {"rtol": 0, "atol": 0.02}, "he": {"rtol": 1e-9, "atol": 0}}
PUBLISHED_ACCURACY = {"zeros": (0.5, 0.5), "random": (0.83, 0.86), "he": (0.9933333333333333, 0.96)}


def costs_in(text: str) -> tuple[list[int], list[float]]:
    found = re.findall(r"^Cost after iteration (\d+): (\S+)$", text, flags=re.MULTILINE)
    return [int(step) for step, _ in found], [float(cost) for _, cost in found]


def environment() -> dict[str, str]:
    """The environment of another process that is to import the package under test."""
    home = str(Path(goodinit.__file__).parents[1])
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, [home, os.environ.get("PYTHONPATH")]))}
