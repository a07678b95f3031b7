"""Make src/goodinit/initializers/critical_table.py: the critical weight variances of the activations without biases.

    python tools/derive_critical.py

Each is what goodinit.theory computes, to the 12 digits that weights are drawn with; a test computes them again.
"""

from __future__ import annotations

from pathlib import Path

from goodinit import activations, theory
from goodinit.errors import GoodinitError
from goodinit.initializers.base import same_everywhere

PLACE = Path(__file__).parents[1] / "src" / "goodinit" / "initializers" / "critical_table.py"


def main() -> None:
    """Write the module."""
    rows = []
    for name in activations.names():
        try:
            rows.append(f'    "{name}": {same_everywhere(theory.critical_weight_variance(name))!r},')
        except GoodinitError:
            rows.append(f'    "{name}": None,')
    PLACE.write_text(
        '"""The critical weight variances of activations without biases, which take a while to compute; None: none.\n\n'
        'Made by tools/derive_critical.py; not to be edited. An activation that is missing is computed.\n"""\n\n'
        '__all__ = ["CRITICAL"]\n\nCRITICAL: dict[str, float | None] = {\n' + "\n".join(rows) + "\n}\n"
    )


if __name__ == "__main__":
    main()
