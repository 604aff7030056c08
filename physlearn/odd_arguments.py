"""Whose fault was it: arguments that are not what a public function asks for, in one sentence.

Public names are guarded where their package hands them on (``lazy.py``). A guard costs a few
microseconds while a call works. When a call from outside the package ends in an error of Python,
numpy or numba, the arguments are held against their annotations and looked through for NaN, masks
and emptiness; where one of them does not fit, and the error can follow from it (``failures.py``),
an `InputError` says so, with the error as its cause. Any other error stays what it was.
"""

from __future__ import annotations

import inspect
import math
import os
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from physlearn.checks import InputError, NotEnoughMemory
from physlearn.declared_types import LONGEST_SHOWN, declared_types, fits, in_words, shown
from physlearn.failures import can_follow, could_be_an_argument, from_outside

__all__ = ["odd_argument", "unmasked"]

REAL = (int, float, np.integer, np.floating)
LONGEST_NAME = 255
SEEDS = ("rng", "seed")
LARGEST_SENSIBLE = 1e15
LARGE_AMOUNT = 1e6
LOOKED_AT = 20
"""Elements of a sequence that are held against the annotation."""


def odd_argument(
    function: Callable[..., Any], given: tuple[Any, ...], named: Mapping[str, Any], error: Exception
) -> InputError | None:
    """Return an error that names the argument that made a call fail, or None if none did.

    Examples
    --------
    >>> def area(width: float) -> float:
    ...     return width.real * 2
    >>> odd_argument(area, ("wide",), {}, TypeError("multiply"))
    InputError("width must be a number; got 'wide'.")
    """
    if not could_be_an_argument(error):
        return None
    arguments = _bound(function, given, named)
    # of a wrong number of arguments Python's own sentence is right
    if arguments is None or from_outside(error, function, arguments):
        return None
    if isinstance(error, MemoryError):
        said = _too_large(arguments, error)
        return NotEnoughMemory(said) if said else None
    said = (
        _misfit(function, arguments)
        or _lacking_column(arguments, error)
        or _unknown(arguments, error)
    )
    if said is None:
        said = (
            _too_long(arguments)
            if isinstance(error, OSError)
            else _unusable(function, arguments, error)
        )
    return InputError(said) if said else None


def _misfit(function: Callable[..., Any], arguments: Mapping[str, Any]) -> str | None:
    """Name the argument that is not what its annotation says."""
    hints = declared_types(function)
    for name, value in arguments.items():
        if name in hints and not fits(value, hints[name]):
            return f"{name} must be {in_words(hints[name])}; got {shown(value)}."
    return None


def _unusable(
    function: Callable[..., Any], arguments: Mapping[str, Any], error: Exception
) -> str | None:
    """Name the argument with a flaw from which the error can follow."""
    for name, value in arguments.items():
        if name in SEEDS and isinstance(value, REAL):
            continue  # any whole number will do
        flaw, told = _flaw(value)
        if flaw and can_follow(error, flaw):
            return f"{name} {told}, which {function.__name__} cannot use ({_first_line(error)})."
    return None


def _lacking_column(arguments: Mapping[str, Any], error: Exception) -> str | None:
    """Name the table without the column that pandas did not find."""
    if not isinstance(error, KeyError) or not error.args:
        return None
    asked = error.args[0]
    told = re.findall("'([^']*)'", asked) if isinstance(asked, str) and " in " in asked else [asked]
    for name, table in arguments.items():
        if not _is_table(table):
            continue
        known = list(table.columns)
        missing = [one for one in told if isinstance(one, str) and one not in known]
        if missing:
            return f"{name} must have the column {missing[0]!r}; got {shown(known)}."
    return None


def _unknown(arguments: Mapping[str, Any], error: Exception) -> str | None:
    """Name the text or the number that was looked up as it came, and not found."""
    if not isinstance(error, LookupError) or not error.args:
        return None
    key = error.args[0]
    place = re.match(r"index (-?\d+) is out of bounds", str(key))
    for name, value in arguments.items():
        if isinstance(error, KeyError) and isinstance(value, str) and value == key:
            return f"{name} must be one of the names that are known here; got {shown(value)}."
        whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
        if place and whole and int(place[1]) == value:
            return f"{name} is out of bounds ({key}); got {shown(value)}."
    return None


def _is_table(value: Any) -> bool:
    return type(value).__module__.startswith("pandas") and hasattr(value, "columns")


def unmasked(
    given: tuple[Any, ...], named: Mapping[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return arguments without masks: a masked number is NaN, and no longer the number below it.

    Functions that know missing values take NaN; others refuse it and say where it stands. Most of
    numpy would go on with what lies under the mask.

    Examples
    --------
    >>> unmasked((np.ma.array([1, 2], mask=[False, True]), "b"), {})
    ((array([ 1., nan]), 'b'), {})
    """
    return tuple(map(_unmasked, given)), {name: _unmasked(one) for name, one in named.items()}


def _unmasked(value: Any) -> Any:
    if not isinstance(value, np.ma.MaskedArray):
        return value
    if not np.ma.getmaskarray(value).any():
        return np.asarray(value.data)
    if value.dtype.kind not in "biufc":
        raise InputError(f"an array of {value.dtype} must not be masked; got shape {value.shape}.")
    kind = value.dtype if value.dtype.kind in "fc" else np.float64
    return np.ma.filled(value.astype(kind), np.nan)


def _bound(
    function: Callable[..., Any], given: tuple[Any, ...], named: Mapping[str, Any]
) -> dict[str, Any] | None:
    """Return the arguments by name, without ``self``; None where they cannot be bound."""
    try:
        bound = inspect.signature(function).bind(*given, **named)
    except (TypeError, ValueError):
        return None
    arguments: dict[str, Any] = {}
    for name, value in bound.arguments.items():
        kind = bound.signature.parameters[name].kind
        if kind is inspect.Parameter.VAR_KEYWORD:
            arguments.update(value)
        elif name not in ("self", "cls"):
            arguments[name] = value
    return arguments


def _too_large(arguments: Mapping[str, Any], error: MemoryError) -> str | None:
    """Name the argument that asks for more memory than there is."""
    sizes = {name: _amount(value) for name, value in arguments.items()}
    name = max(sizes, key=lambda key: sizes[key], default="")
    if not name or sizes[name] < LARGE_AMOUNT:
        return None
    needed = re.search(r"allocate (.+?) for", str(error))
    more = f" ({needed[1]} at once)" if needed else ""
    return f"{name} asks for more memory than there is{more}; got {shown(arguments[name])}."


def _too_long(arguments: Mapping[str, Any]) -> str | None:
    """Name the text that is too long for a path."""
    for name, value in arguments.items():
        if isinstance(value, str | os.PathLike) and len(os.fspath(value)) > LONGEST_NAME:
            return f"{name} is too long for a path: {len(os.fspath(value))} characters."
    return None


def _amount(value: Any) -> float:
    """Return how many numbers an argument stands for: its size, or the number itself."""
    if isinstance(value, np.ndarray):
        return float(value.size)
    if isinstance(value, REAL) and not isinstance(value, bool):
        return max(0.0, _number(value))
    if isinstance(value, list | tuple):
        return float(max([len(value), *map(_amount, value[:LOOKED_AT])]))
    if isinstance(value, Mapping):
        return float(max([0.0, *map(_amount, list(value.values())[:LOOKED_AT])]))
    return 0.0


def _number(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:  # a whole number of Python that no float holds
        return math.inf if value > 0 else -math.inf


def _flaw(value: Any) -> tuple[str, str]:
    """Return what no calculation can use in a number, an array or a table: its kind, and words."""
    if isinstance(value, bool):
        return "", ""
    if isinstance(value, REAL):
        number = abs(_number(value))
        kind = "not finite" if math.isnan(number) or math.isinf(number) else "too large"
        return ("", "") if number <= LARGEST_SENSIBLE else (kind, f"is {shown(value)}")
    if isinstance(value, complex | np.complexfloating):
        return "not numbers", "is complex"
    if _is_table(value) and not value.columns.is_unique:
        twice = value.columns[value.columns.duplicated()][0]
        return "repeated columns", f"holds the column {twice!r} more than once"
    for part, array in _arrays(value):
        if array.size == 0:
            return "empty", f"is empty{part} (shape {array.shape})"
        nested = part and array.dtype.kind == "O" and isinstance(array[0], list | tuple | dict)
        if (array.dtype.kind in "OcUS" and not part) or nested:
            return "not numbers", f"holds {array.dtype} and not real numbers{part}"
        if array.dtype.kind == "f":
            bad = ~np.isfinite(array)
            if bad.any():
                where = tuple(int(i) for i in np.argwhere(bad)[0])
                told = f"holds {int(bad.sum())} NaN or infinite value(s){part}, first at {where}"
                return "not finite", told
        if array.dtype.kind in "iuf" and np.abs(array.astype(float)).max() > LARGEST_SENSIBLE:
            return "too large", f"holds values above {LARGEST_SENSIBLE:g}{part}"
    return "", ""


def _arrays(value: Any) -> Iterator[tuple[str, np.ndarray[Any, Any]]]:
    """Yield the arrays in an argument, and where in it each stands."""
    if isinstance(value, np.ndarray):
        yield "", np.asarray(value)
    elif _is_table(value):
        if len(value) == 0:
            yield "", np.empty((0, len(value.columns)))
        for name in value.columns:
            if getattr(value[name], "ndim", 0) == 1:
                yield f" in column {name!r}", value[name].to_numpy()
    elif isinstance(value, list | tuple):
        try:
            yield "", np.asarray(value)
        except ValueError:
            return
    elif isinstance(value, Mapping):
        for key, one in list(value.items())[:LOOKED_AT]:
            if isinstance(one, np.ndarray | list | tuple):
                yield from ((f" at {key!r}", array) for _, array in _arrays(one))
            elif isinstance(one, REAL):
                yield f" at {key!r}", np.asarray(_number(one))


def _first_line(error: Exception) -> str:
    text = str(error).strip().split("\n")[0]
    return f"{type(error).__name__}: {text[: 2 * LONGEST_SHOWN]}" if text else type(error).__name__
