"""A session of Python's prompt, made by running it."""

from __future__ import annotations

import ast
import contextlib
import io
from collections.abc import Sequence
from typing import Any

__all__ = ["transcript"]


def transcript(lines: Sequence[str], space: dict[str, Any]) -> str:
    """The lines, one statement each, with what the prompt shows after them; they run in `space`.

    >>> print(transcript(["a = 2", "a + 1"], {}))
    >>> a = 2
    >>> a + 1
    3
    """
    shown = []
    for line in lines:
        shown.append(f">>> {line}")
        held = io.StringIO()
        with contextlib.redirect_stdout(held):
            if isinstance(ast.parse(line).body[0], ast.Expr):
                value = eval(line, space)
                if value is not None:
                    print(repr(value))
            else:
                exec(line, space)
        shown += held.getvalue().splitlines()
    return "\n".join(shown)
