"""Values as JSON holds them."""

from __future__ import annotations

import errno
import json
import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, Final

__all__ = ["finite_or_none", "json_fields", "json_value", "read_json"]

_LARGEST: Final = 2**28  # bytes of a file that is read


def read_json(path: str | Path) -> Any:
    """The value that a JSON file holds.

    Raises OSError where there is no file that can be read, and ValueError where it is no JSON, larger than 256 MiB, or
    nested beyond what Python reads.
    """
    place = Path(path)
    if place.exists() and not place.is_file():
        raise OSError(errno.EINVAL, "it is not a file", str(place))
    with place.open("rb") as file:
        content = file.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise ValueError("it is larger than 256 MiB")
    try:
        return json.loads(content.decode("utf-8"))
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def finite_or_none(value: float | None) -> float | None:
    """The number, or None (null in JSON) for nan and the infinities."""
    return value if value is not None and math.isfinite(value) else None


def json_fields(record: Any) -> dict[str, Any]:
    """The fields of a dataclass by name, each as `json_value` gives it."""
    return {field.name: json_value(getattr(record, field.name)) for field in fields(record)}


def json_value(value: Any) -> Any:
    """The value in numbers, texts, lists and dictionaries: arrays as lists, what is not finite as None.

    A record is what its `to_dict` says, or its fields.

    >>> json_value({"loss": (0.5, float("inf"))})
    {'loss': [0.5, None]}
    """
    if isinstance(value, float):
        return finite_or_none(value)
    if isinstance(value, Mapping):
        return {key: json_value(each) for key, each in value.items()}
    if isinstance(value, tuple | list):
        return [json_value(each) for each in value]
    if hasattr(value, "to_dict"):
        return value.to_dict()
    if hasattr(value, "tolist"):
        return json_value(value.tolist())
    return json_fields(value) if is_dataclass(value) else value
