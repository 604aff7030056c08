"""Answers of calls as nested plain values, so that two can be compared."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

DEEPEST = 6
LARGEST = 10**8
RELATIVE = 1e-6


def plain(value: Any, depth: int = 0) -> Any:
    """Return arrays, numbers, texts and containers of them; what else there is, by its type."""
    if depth > DEEPEST:
        return "deep"
    if isinstance(value, np.ndarray | np.generic):
        array = np.asarray(value)
        if array.size > LARGEST:
            return f"array of {array.shape}"  # may be one number that stands for many
        return array if array.dtype.kind in "biufc" else array.astype(str).tolist()
    if isinstance(value, pd.DataFrame | pd.Series):
        return plain(value.to_dict("list" if isinstance(value, pd.DataFrame) else "dict"), depth)
    if isinstance(value, str | bytes | bool | int | float | complex) or value is None:
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = [field.name for field in dataclasses.fields(value)]
        return {name: plain(getattr(value, name, None), depth + 1) for name in fields}
    if type(value).__module__.startswith("xarray") and hasattr(value, "variables"):
        return {
            str(key): plain(part.to_numpy(), depth + 1) for key, part in value.variables.items()
        }
    if isinstance(value, Mapping):
        return {str(key): plain(part, depth + 1) for key, part in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(part, depth + 1) for part in list(value)[:10_000]]
    return type(value).__name__


def alike(one: Any, other: Any) -> bool:
    """Tell whether two plain answers are the same to rounding."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(alike(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(alike, one, other))
    if isinstance(one, str | bytes | None) or isinstance(other, str | bytes | None):
        return type(one) is type(other)  # texts hold times and digests
    first, second = np.asarray(one), np.asarray(other)
    if first.dtype.kind not in "biufc" or second.dtype.kind not in "biufc":
        return bool(first.dtype.kind == second.dtype.kind)
    return first.shape == second.shape and bool(
        np.allclose(first, second, rtol=RELATIVE, atol=1e-9, equal_nan=True)
    )


def holds_nan(value: Any) -> bool:
    """Tell whether a plain answer holds NaN or an infinity."""
    if isinstance(value, dict):
        return any(map(holds_nan, value.values()))
    if isinstance(value, list):
        return any(map(holds_nan, value))
    array = np.asarray(value)
    return bool(array.dtype.kind in "fc" and array.size and not np.isfinite(array).all())
