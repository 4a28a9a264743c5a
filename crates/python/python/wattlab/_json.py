"""Python values as JSON for the compiled part."""

from __future__ import annotations

import json
import math
from typing import Any

from wattlab.errors import InputError


def dumps(value: Any) -> str:
    """The JSON text; numbers that are not finite become null, as do numpy's."""
    try:
        return json.dumps(plain(value), allow_nan=False)
    except RecursionError:
        raise InputError("a dictionary or list contains itself, or hundreds of others inside one another") from None


def plain(value: Any) -> Any:
    """A value of plain Python; numpy's and pandas' scalars and arrays become numbers and lists."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if hasattr(value, "item"):
        return plain(value.item())
    if hasattr(value, "__fspath__"):
        return str(value)
    if hasattr(value, "__float__"):
        return plain(float(value))
    raise TypeError(f"{value!r} of type {type(value).__name__} cannot be used; give numbers, texts or lists")
