"""One check of the fields of options and settings: types as declared, numbers finite."""

from __future__ import annotations

import dataclasses
import math
from functools import cache
from typing import Any

import numpy as np

from physlearn.checks import LARGEST_COUNT, InputError
from physlearn.declared_types import declared_types, fits, in_words, shown

__all__ = ["check_fields"]


def check_fields(record: Any, *, signed: tuple[str, ...] = ()) -> None:
    """Refuse a field that is not of its declared type, NaN or infinite, or a negative count.

    For the ``__post_init__`` of records of options and settings. Further bounds are the record's.

    Parameters
    ----------
    record
        A dataclass whose annotations say what its fields hold. Infinity passes where it is the
        default of the field.
    signed
        Whole numbers that may be below 0; the others are counts, or seeds.

    Raises
    ------
    InputError
        Naming the field, what it must be and what came.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Options:
    ...     n_draws: int = 100
    ...     width: float = 2.0
    ...     def __post_init__(self) -> None:
    ...         check_fields(self)
    >>> Options(n_draws=2.5)
    Traceback (most recent call last):
        ...
    physlearn.checks.InputError: n_draws must be a whole number; got 2.5.
    """
    kind: Any = type(record)
    for name, hint, default in _fields(kind):
        value = getattr(record, name)
        if value is default:
            continue
        if hint is not None and not fits(value, hint):
            raise InputError(f"{name} must be {in_words(hint)}; got {shown(value)}.")
        fault = _fault(value, isinstance(default, float) and not math.isfinite(default))
        if fault is None and isinstance(value, int | np.integer) and name not in signed:
            fault = "of at least 0" if value < 0 else None
        if fault:
            raise InputError(f"{name} must be {fault}; got {shown(value)}.")


@cache
def _fields(kind: type) -> tuple[tuple[str, Any, Any], ...]:
    hints = declared_types(kind)
    return tuple(
        (field.name, hints.get(field.name), field.default)
        for field in dataclasses.fields(kind)
        if field.init
    )


def _fault(value: Any, may_be_infinite: bool) -> str | None:
    """Return what a number, or one in a tuple, must be and is not."""
    if isinstance(value, bool | str) or value is None:
        return None
    if isinstance(value, tuple | list):
        return next(filter(None, (_fault(part, may_be_infinite) for part in value)), None)
    if isinstance(value, np.ndarray) and value.dtype.kind == "f":
        return None if may_be_infinite or np.isfinite(value).all() else "finite"
    if isinstance(value, int | np.integer):
        return f"at most {LARGEST_COUNT:g}" if abs(int(value)) > LARGEST_COUNT else None
    if not isinstance(value, float | np.floating):
        return None
    bad = math.isnan(value) or (math.isinf(value) and not may_be_infinite)
    return "a finite number" if bad else None
