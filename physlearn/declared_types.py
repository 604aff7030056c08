"""What annotations ask for: whether a value is that, and the sentence about it."""

from __future__ import annotations

import builtins
import collections.abc
import inspect
import numbers
import os
import sys
import types
import typing
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from physlearn.checks import LARGEST_NUMBER

__all__ = ["declared_types", "fits", "in_words", "shown"]

ARRAYS = frozenset(typing.get_args(ArrayLike))
LONGEST_SHOWN = 60
SHORT_NAMES = {"np": "numpy", "nx": "networkx", "pd": "pandas", "xr": "xarray"}
LOOKED_AT = 20
"""Elements of a sequence that are held against the annotation."""


def fits(value: Any, hint: Any) -> bool:
    """Tell whether a value is what an annotation asks for; when in doubt, it is.

    Examples
    --------
    >>> fits(3, float), fits(True, float), fits("3", float | None), fits([1, "a"], list[int])
    (True, False, False, False)
    """
    if hint is Any or isinstance(hint, typing.TypeVar | str | typing.ForwardRef):
        return True
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated or isinstance(hint, typing.NewType):
        return fits(value, parts[0] if parts else hint.__supertype__)
    if origin in (typing.Union, types.UnionType):
        if set(parts) >= ARRAYS:
            # the members of ArrayLike stand for arrays alone: a text is none
            parts = tuple(part for part in parts if part not in ARRAYS)
            if _is_numbers(value):
                return True
        return any(fits(value, part) for part in parts)
    if origin is typing.Literal:
        return isinstance(value, str | int | None) and value in parts
    if hint is None or hint is type(None):
        return value is None
    if hint in (float, int, complex, bool):
        return _is_number(value, hint)
    kind = origin or hint
    if kind is np.ndarray:
        return _is_numbers(value)
    if kind is collections.abc.Callable:
        return callable(value)
    if not isinstance(kind, type):
        return True
    if getattr(kind, "_is_protocol", False):
        members = {*vars(kind), *inspect.get_annotations(kind)}
        return all(hasattr(value, name) for name in members if not name.startswith("_"))
    return _is_kind(value, kind, parts)


def in_words(hint: Any) -> str:
    """Return what an annotation asks for, in words.

    Examples
    --------
    >>> in_words(int | None), in_words(tuple[float, float]), in_words(str)
    ('a whole number or None', 'a pair of numbers', 'a text')
    """
    words = {
        float: "a number", int: "a whole number", str: "a text", bool: "True or False",
        complex: "a number", os.PathLike: "a path", Any: "anything",
    }  # fmt: skip
    if hint is None or hint is type(None):
        return "None"
    if hint in words:
        return words[hint]
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        found = ["an array of numbers"] if set(parts) >= ARRAYS else []
        rest = [part for part in parts if not (found and part in ARRAYS)]
        found += [in_words(part) for part in rest]
        return " or ".join(dict.fromkeys(found))
    if origin is typing.Literal:
        return "one of " + ", ".join(map(repr, parts))
    if origin in words:
        return words[origin]
    kind = origin or hint
    if kind is np.ndarray:
        return "an array of numbers"
    if kind is collections.abc.Callable:
        return "a function"
    if kind is np.random.Generator:
        return "a numpy.random.Generator"
    if kind is tuple and parts == (float, float):
        return "a pair of numbers"
    name = str(getattr(kind, "__name__", hint))
    if isinstance(kind, type) and kind.__module__ in ("builtins", "collections.abc") and parts:
        inner = ", ".join(in_words(part) for part in parts if part is not Ellipsis)
        return f"{_with_article(name.lower())} of {inner}"
    return _with_article(name)


def shown(value: Any) -> str:
    """Return a value in a few characters.

    Examples
    --------
    >>> shown(np.zeros((2, 3)))
    'an array of shape (2, 3) and type float64'
    """
    if isinstance(value, np.ndarray):
        masked = "a masked array" if np.ma.isMaskedArray(value) else "an array"
        return f"{masked} of shape {value.shape} and type {value.dtype}"
    if isinstance(value, str | int | float | complex | None):
        if isinstance(value, int) and abs(value) > 10**LONGEST_SHOWN:
            return f"about 2^{value.bit_length()}"
        text = repr(value)
        return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."
    if isinstance(value, list | tuple | dict) and len(value) <= 3:
        text = repr(value)
        if len(text) <= LONGEST_SHOWN:
            return text
    kind = type(value).__name__
    return f"{_with_article(kind)} of length {len(value)}" if _sized(value) else _with_article(kind)


class _Anything:
    """Stands for a type, or a module of types, that is imported for type checkers alone."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __call__(self) -> None:  # annotations must be callable
        return None

    def __getitem__(self, _: object) -> _Anything:
        return self

    def __or__(self, _: object) -> Any:
        return Any

    __ror__ = __or__


class _Names(dict[str, Any]):
    """Names of a module; one that it imports for type checkers alone is looked for elsewhere.

    Found are libraries by their usual short names, and classes of this package that are loaded: a
    value of a class that is not loaded is of another class. What is not found is anything.
    """

    def __missing__(self, name: str) -> Any:
        if hasattr(builtins, name):
            raise KeyError(name)
        if SHORT_NAMES.get(name) in sys.modules:
            return sys.modules[SHORT_NAMES[name]]
        for place, module in list(sys.modules.items()):
            found = vars(module).get(name) if place.startswith("physlearn.") else None
            if isinstance(found, type) and found.__module__.startswith("physlearn."):
                return found
        return _Anything()


def declared_types(thing: Any) -> dict[str, Any]:
    """Return the annotations of a function or a class; what cannot be told is left out.

    Examples
    --------
    >>> def area(width: float) -> float:
    ...     return width
    >>> declared_types(area)["width"]
    <class 'float'>
    """
    plain = thing if isinstance(thing, type) else inspect.unwrap(thing)
    known = vars(sys.modules[plain.__module__]) if plain.__module__ in sys.modules else {}
    try:
        return typing.get_type_hints(plain, localns=_Names(getattr(plain, "__globals__", known)))
    except Exception:  # an annotation that cannot be told: its argument is not judged
        return {}


def _is_number(value: Any, hint: type) -> bool:
    if isinstance(value, np.ndarray):
        return value.ndim == 0 and value.dtype.kind in ("iu" if hint is int else "biuf")
    if hint is bool:
        return isinstance(value, bool | np.bool_)
    if isinstance(value, bool | np.bool_):
        return False
    if isinstance(value, int) and hint is not int and abs(value) > LARGEST_NUMBER:
        return False  # no float holds it
    wanted = {int: numbers.Integral, float: numbers.Real, complex: numbers.Complex}[hint]
    return isinstance(value, wanted)


def _is_numbers(value: Any) -> bool:
    if value is None or isinstance(value, str | bytes | Mapping):
        return False
    if np.ma.isMaskedArray(value):
        return False
    try:  # an array elsewhere, on a disk or of tasks, is not brought here to be looked at
        kind = getattr(getattr(value, "dtype", None), "kind", None) or np.asarray(value).dtype.kind
    except Exception:  # rows of unequal length, or an object that refuses to be an array
        return False
    return kind in "biufcmM" or (kind in "US" and isinstance(value, np.ndarray | list | tuple))


def _is_kind(value: Any, kind: type, parts: tuple[Any, ...]) -> bool:
    if kind in (collections.abc.Sequence, list, tuple):
        if isinstance(value, np.ndarray):
            return value.ndim > 0
        if isinstance(value, str | bytes) or not isinstance(value, collections.abc.Sequence):
            return False
        if kind is tuple and parts and parts[-1] is not Ellipsis:
            return len(value) == len(parts) and all(map(fits, value, parts))
        return not parts or all(fits(one, parts[0]) for one in value[:LOOKED_AT])
    if not isinstance(value, kind):
        return kind is os.PathLike and isinstance(value, str)
    if isinstance(value, Mapping) and len(parts) == 2:
        first = list(value.items())[:LOOKED_AT]
        return all(fits(key, parts[0]) and fits(one, parts[1]) for key, one in first)
    return True


def _sized(value: Any) -> bool:
    try:
        len(value)
    except Exception:
        return False
    return True


def _with_article(name: str) -> str:
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"
