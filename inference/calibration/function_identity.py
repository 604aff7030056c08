"""A text that tells functions apart by what they do, the same in every session."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from functools import partial
from types import CodeType, FunctionType, MethodType
from typing import Any

import numpy as np

__all__ = ["function_identity"]

DEEPEST = 8


def function_identity(function: Callable[..., Any]) -> str:
    """Return name and fingerprint: code, defaults, closure, and what ``partial`` binds.

    Numbers, texts, arrays, tuples, functions and frozen dataclasses count by value. Other objects,
    whose state may change while they work, count by their type.

    Examples
    --------
    >>> def fit(data, scale):
    ...     return scale * data
    >>> one, same, other = (partial(fit, scale=s) for s in (1.0, 1.0, 2.0))
    >>> function_identity(one) == function_identity(same)
    True
    >>> function_identity(one) == function_identity(other)
    False
    """
    inner = function
    while isinstance(inner, partial):
        inner = inner.func
    name = getattr(inner, "__qualname__", type(inner).__qualname__)
    digest = hashlib.sha256(repr(_told(function, 0)).encode()).hexdigest()
    return f"{getattr(inner, '__module__', '')}.{name} {digest[:16]}"


def _told(value: Any, depth: int) -> Any:
    """Return nested tuples of texts that stand for a value."""
    kind = f"{type(value).__module__}.{type(value).__qualname__}"
    deeper = depth + 1
    if depth > DEEPEST:
        return kind
    if value is None or isinstance(value, bool | int | float | complex | str | bytes | np.generic):
        return kind, repr(value)
    if isinstance(value, np.ndarray) and value.dtype != object:
        own = hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()
        return str(value.dtype), value.shape, own
    if isinstance(value, tuple):
        return kind, tuple(_told(one, deeper) for one in value)
    if isinstance(value, frozenset):
        return kind, tuple(sorted(repr(_told(one, deeper)) for one in value))
    if isinstance(value, CodeType):
        told = tuple(_told(one, deeper) for one in value.co_consts)
        return value.co_code, value.co_names, value.co_varnames, value.co_freevars, told
    if isinstance(value, partial):
        # what is bound by name or place is a choice: lists and mappings count by value too
        bound = [_bound(one, deeper) for one in value.args]
        named = sorted((name, repr(_bound(one, deeper))) for name, one in value.keywords.items())
        return kind, _told(value.func, deeper), bound, named
    if isinstance(value, MethodType):
        return kind, _told(value.__func__, deeper), _told(value.__self__, deeper)
    if isinstance(value, FunctionType):
        return _told_function(value, deeper)
    if is_dataclass(value) and not isinstance(value, type) and _is_frozen(value):
        return kind, [(f.name, _told(getattr(value, f.name), deeper)) for f in fields(value)]
    return kind


def _told_function(function: FunctionType, depth: int) -> Any:
    cells = []
    for cell in function.__closure__ or ():
        try:
            cells.append(_told(cell.cell_contents, depth))
        except ValueError:  # a name that is not bound yet
            cells.append("empty")
    named = sorted((function.__kwdefaults__ or {}).items())
    return (
        function.__module__, function.__qualname__, _told(function.__code__, depth),
        _told(function.__defaults__, depth), [(n, _told(v, depth)) for n, v in named], cells,
    )  # fmt: skip


def _bound(value: Any, depth: int) -> Any:
    if isinstance(value, list):
        return "list", [_bound(one, depth) for one in value]
    if isinstance(value, Mapping):
        return "mapping", sorted((repr(k), repr(_bound(v, depth))) for k, v in value.items())
    return _told(value, depth)


def _is_frozen(value: Any) -> bool:
    return bool(type(value).__dataclass_params__.frozen)
