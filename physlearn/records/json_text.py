"""JSON text from a file: finite numbers, no more nesting or digits than anything of ours has."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, NoReturn

__all__ = ["fit_texts", "parse_json"]

LONGEST_NUMBER = 400
"""Digits; a float has at most 17 that count, and an exponent of three."""


def parse_json(text: str) -> Any:
    """Return what JSON text holds; whatever is wrong with it is one kind of error.

    Raises
    ------
    ValueError
        For text that is no JSON, holds NaN, an infinity or a number that no float can hold, or is
        nested deeper than Python reads.

    Examples
    --------
    >>> parse_json('{"a": [1, 2.5]}')
    {'a': [1, 2.5]}
    >>> parse_json("[1e999]")
    Traceback (most recent call last):
        ...
    ValueError: it holds 1e999, which is no finite number
    """
    try:
        return json.loads(text, parse_constant=_refuse, parse_float=_number, parse_int=_whole)
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def _refuse(text: str) -> NoReturn:
    raise ValueError(f"it holds {text[:20]}, which is no finite number")


def _number(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _refuse(text)


def _whole(text: str) -> int:
    if len(text) > LONGEST_NUMBER:
        raise ValueError(f"it holds a number of {len(text)} digits")
    return int(text)


def fit_texts(attrs: Mapping[str, Any]) -> tuple[str, dict[str, Any], tuple[str, ...]]:
    """Return model, diagnostics and warnings of a stored posterior, each of its own type.

    Raises
    ------
    KeyError, TypeError, ValueError
        For attributes that no fit has.
    """
    names = ("diagnostics", "units", "prior_sd", "verdicts")
    tables = [json.loads(attrs.get(name, "{}")) for name in names]
    model, said = json.loads(attrs["model"]), json.loads(attrs["warnings"])
    if not all(isinstance(one, dict) for one in tables) or not isinstance(model, str):
        raise TypeError("its description")
    return model, tables[0], tuple(map(str, said))
