"""Arguments of another type that a function took without a word: text for a number, None for a law.

Most functions refuse these in their own words, and their words are better. What slips through, an
option that nobody looked at, is seen here: after a call that ended well, plain values of Python are
held against the annotations. Values of other libraries and of the caller's own classes pass, as do
whole numbers written 3.0, and whatever stands for an array.
"""

from __future__ import annotations

import collections.abc
import inspect
import numbers
import os
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from physlearn.checks import InputError
from physlearn.declared_types import declared_types, in_words, shown

__all__ = ["Judged", "judge_of", "judged_parameters"]

Legal = Callable[[Any], bool]
SCALARS = (
    type(None), bool, int, float, complex, str, bytes, object, types.FunctionType,
    types.BuiltinFunctionType,
)  # fmt: skip
PLAIN = frozenset({*SCALARS, list, tuple, dict, set, frozenset, np.ndarray})
"""Types that stand in no other's place; a value of any other type may have been made to."""

NUMBERS = frozenset({bool, int, float, complex, np.bool_})
SEQUENCES = (
    collections.abc.Sequence, collections.abc.Collection, collections.abc.Iterable, list, tuple,
    set, frozenset, collections.abc.Set,
)  # fmt: skip
MAPPINGS = (collections.abc.Mapping, dict)
LOOKED_AT = 20
"""Elements of a sequence or a mapping that are held against the annotation."""


class Judged(NamedTuple):
    """What one parameter takes: types that need no second look, and the look itself."""

    name: str
    at_once: frozenset[type]
    legal: Legal | None
    hint: Any
    default: Any


def judged_parameters(function: Callable[..., Any]) -> tuple[Judged, ...]:
    """Return what the parameters of a function take; one that cannot be told takes anything.

    Examples
    --------
    >>> def area(width: float, shape: "np.ndarray", *, unit: str = "nm") -> float:
    ...     return width**2
    >>> [one.name for one in judged_parameters(area) if one.legal is not None]
    ['width', 'unit']
    """
    hints = declared_types(function)
    found = []
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind is parameter.VAR_KEYWORD:
            continue
        rule = None
        if parameter.kind is not parameter.VAR_POSITIONAL and name in hints:
            rule = _rule(hints[name])
        at_once, legal = rule or (frozenset(), None)
        found.append(Judged(name, at_once, legal, hints.get(name), parameter.default))
    return tuple(found)


def judge_of(
    function: Callable[..., Any],
) -> Callable[[tuple[Any, ...], Mapping[str, Any]], None]:
    """Return a check of arguments: it refuses the first plain value that is of another type.

    Examples
    --------
    >>> def area(width: float, unit: str = "nm") -> str:
    ...     return f"{width} {unit}"
    >>> judge_of(area)((2.0,), {"unit": 7})
    Traceback (most recent call last):
        ...
    physlearn.checks.InputError: unit must be a text; got 7.
    """
    try:
        parameters, n_positional = judged_parameters(function), _n_positional(function)
    except Exception:  # a signature that cannot be read: nothing is judged
        parameters, n_positional = (), 0
    by_name = {one.name: one for one in parameters}
    order = parameters[:n_positional]

    def judge(given: tuple[Any, ...], named: Mapping[str, Any]) -> None:
        # values beyond these belong to *args, which is not judged
        for value, one in zip(given, order, strict=False):
            if type(value) not in one.at_once:
                _refuse_a_misfit(value, one)
        for name, value in named.items():
            known = by_name.get(name)
            if known is not None and type(value) not in known.at_once:
                _refuse_a_misfit(value, known)

    return judge


def _n_positional(function: Callable[..., Any]) -> int:
    kinds = [one.kind for one in inspect.signature(function).parameters.values()]
    return sum(kind in (kind.POSITIONAL_ONLY, kind.POSITIONAL_OR_KEYWORD) for kind in kinds)


def _refuse_a_misfit(value: Any, one: Judged) -> None:
    if one.legal is None or value is one.default:
        return
    try:
        legal = one.legal(value)
    except Exception:  # a value that cannot be looked at: the call worked, and nobody can tell
        return
    if legal:
        return
    raise InputError(f"{one.name} must be {in_words(one.hint)}; got {shown(value)}.")


def _rule(hint: Any) -> tuple[frozenset[type], Legal] | None:
    """Return what an annotation takes; None where plain values cannot be judged by it."""
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return _rule(parts[0])
    if isinstance(hint, typing.NewType):
        return _rule(hint.__supertype__)
    if origin in (typing.Union, types.UnionType):
        rules = [_rule(part) for part in parts]
        if any(rule is None for rule in rules):
            return None
        every = [rule for rule in rules if rule is not None]
        looks = [legal for _, legal in every]
        return frozenset().union(*(at_once for at_once, _ in every)), lambda value: any(
            legal(value) for legal in looks
        )
    if origin is typing.Literal:
        return (
            frozenset(),
            lambda value: (
                type(value) not in PLAIN
                or any(type(value) is type(p) and value == p for p in parts)
            ),
        )
    if hint is None or hint is type(None):
        return frozenset({type(None)}), lambda value: value is None
    simple = _SIMPLE.get(hint) if isinstance(hint, type) else None
    if simple is not None:
        return simple
    kind = origin or hint
    if kind is collections.abc.Callable:
        return frozenset(), lambda value: callable(value) or type(value) not in PLAIN
    if kind in SEQUENCES:
        return _sequence_rule(kind, parts)
    if kind in MAPPINGS:
        return _mapping_rule(parts)
    return _class_rule(kind)


def _class_rule(kind: Any) -> tuple[frozenset[type], Legal] | None:
    if kind is np.random.Generator:
        return _third_party(kind)
    if kind in (Any, object) or not isinstance(kind, type) or kind.__module__.startswith("numpy"):
        return None
    if getattr(kind, "_is_protocol", False):
        members = [name for name in dir(kind) if not name.startswith("_")]
        return (frozenset(), lambda value: _has(value, members)) if members else None
    if kind.__module__.startswith("physlearn."):
        return frozenset({kind}), lambda value: _stands_for(value, kind)
    return _third_party(kind)


def _has(value: Any, members: list[str]) -> bool:
    return type(value) not in PLAIN or all(hasattr(value, name) for name in members)


def _stands_for(value: Any, kind: type) -> bool:
    # a dictionary of draws does for a fit, whose draws are reached the same way
    if type(value) is dict:
        return hasattr(kind, "__getitem__")
    return isinstance(value, kind) or type(value) not in PLAIN


def _third_party(kind: type) -> tuple[frozenset[type], Legal]:
    # lists, mappings and arrays are made into tables and graphs by many functions
    return frozenset({kind}), lambda value: isinstance(value, kind) or type(value) not in SCALARS


def _sequence_rule(kind: Any, parts: tuple[Any, ...]) -> tuple[frozenset[type], Legal]:
    if kind is tuple and parts and parts[-1] is not Ellipsis:
        rules = [_rule(part) for part in parts]
        length: int | None = len(parts)
    else:
        rules = [_rule(parts[0]) if parts else None]
        length = None

    def legal(value: Any) -> bool:
        if not isinstance(value, list | tuple):
            return type(value) not in SCALARS
        if length is not None and len(value) != length:
            return False
        by = rules if length is not None else rules * min(len(value), LOOKED_AT)
        return all(
            rule is None or type(one) in rule[0] or rule[1](one)
            for one, rule in zip(value, by, strict=False)
        )

    return frozenset(), legal


def _mapping_rule(parts: tuple[Any, ...]) -> tuple[frozenset[type], Legal]:
    rules = [_rule(part) for part in parts] if len(parts) == 2 else [None, None]

    def legal(value: Any) -> bool:
        if not isinstance(value, dict):
            return type(value) not in SCALARS
        return all(
            rule is None or type(one) in rule[0] or rule[1](one)
            for item in list(value.items())[:LOOKED_AT]
            for one, rule in zip(item, rules, strict=True)
        )

    return frozenset(), legal


def _is_real(value: Any) -> bool:
    if isinstance(value, np.ndarray):
        return value.ndim == 0 and value.dtype.kind in "iuf"
    if type(value) in NUMBERS:
        return type(value) in (int, float)
    return isinstance(value, numbers.Real) or type(value) not in PLAIN


def _is_whole(value: Any) -> bool:
    if isinstance(value, float | np.floating):
        return bool(value == np.floor(value)) and bool(np.isfinite(value))
    if isinstance(value, np.ndarray):
        return value.ndim == 0 and value.dtype.kind in "iuf" and _is_whole(value.item())
    return _is_real(value)


def _is_complex(value: Any) -> bool:
    return isinstance(value, complex | np.complexfloating) or _is_real(value)


def _is_flag(value: Any) -> bool:
    if isinstance(value, np.ndarray):
        return value.ndim == 0
    return isinstance(value, bool | np.bool_) or type(value) not in PLAIN or value in (0, 1)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) or type(value) not in PLAIN


_SIMPLE: dict[type, tuple[frozenset[type], Legal]] = {
    float: (frozenset({int, float, np.float64}), _is_real),
    int: (frozenset({int, np.int64}), _is_whole),
    complex: (frozenset({int, float, complex}), _is_complex),
    bool: (frozenset({bool}), _is_flag),
    str: (frozenset({str}), _is_text),
    os.PathLike: (frozenset({str}), _is_text),
}
