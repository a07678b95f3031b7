"""Values as JSON holds them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

__all__ = ["finite_or_none", "json_fields", "json_value"]


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
