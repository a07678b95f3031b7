"""Rows as a pandas DataFrame, which is optional."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from goodinit.errors import GoodinitError

if TYPE_CHECKING:
    import pandas  # type: ignore[import-untyped]  # it ships no types

__all__ = ["data_frame"]


def data_frame(rows: Sequence[Mapping[str, Any]], columns: Sequence[str] | None = None) -> pandas.DataFrame:
    """The rows as a DataFrame. Raises GoodinitError where pandas is not installed."""
    try:
        import pandas
    except ImportError as error:
        raise GoodinitError("to_frame needs pandas; pip install pandas, or use to_csv") from error
    return pandas.DataFrame(rows, columns=columns if columns is None else list(columns))
