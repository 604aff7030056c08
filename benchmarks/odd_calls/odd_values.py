"""Odd versions of an argument: what people hand over by mistake.

``same`` marks those that mean what the valid argument means: the answer must be the same.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

HUGE_COUNT = 10**12


class OwnArray(np.ndarray):
    """A subclass of numpy's array, as libraries of units bring them."""


@dataclasses.dataclass(frozen=True)
class Odd:
    """One odd argument: how it was made, the value, whether it means the same, what it asks."""

    kind: str
    make: Callable[[], Any]
    same: bool = False


def odd_versions(value: Any) -> Iterator[Odd]:
    """Return the odd versions of one valid argument."""
    if isinstance(value, np.ndarray):
        yield from _odd_arrays(value)
    elif isinstance(value, bool | np.bool_):
        yield from _plain("flag", [None, "yes", 2, np.nan])
    elif isinstance(value, int | float | np.integer | np.floating):
        yield from _odd_numbers(value)
    elif isinstance(value, str | Path):
        yield from _plain("text", ["", "nonsense \N{SNOWMAN}", 7, None, "x" * 5000, ["a"]])
    elif isinstance(value, pd.DataFrame):
        yield from _odd_tables(value)
    elif isinstance(value, Mapping):
        yield from _odd_mappings(value)
    elif isinstance(value, list | tuple):
        yield from _odd_sequences(value)
    elif value is None:
        yield from _plain("in place of None", [np.nan, -1, "nonsense", object(), HUGE_COUNT])
    elif callable(value):
        yield from _plain("callable", [None, 7, "nonsense", lambda *_: None, lambda *_: np.nan])
    else:
        yield from _plain("object", [None, 7, "nonsense", [], object(), {}, np.zeros(3), np.nan])


def _plain(of: str, values: list[Any]) -> Iterator[Odd]:
    for value in values:
        shown = repr(value)[:20] if not callable(value) else "odd function"
        shown = "object()" if type(value) is object else shown
        yield Odd(f"{of} -> {shown}", lambda value=value: value)


def _odd_numbers(value: Any) -> Iterator[Odd]:
    yield from _plain("number", [np.nan, np.inf, -np.inf, -1, 0, HUGE_COUNT, "3", None, True])
    yield from _plain("number", [1e300, -1e-300, 1 + 2j, [], object(), 2**70])
    yield Odd("number -> 0-d array", lambda: np.asarray(value))
    yield Odd("number -> array of 2", lambda: np.asarray([value, value]))
    if isinstance(value, float):
        yield Odd("number -> numpy's", lambda: np.float64(value), same=True)
    else:
        yield Odd("number -> numpy's", lambda: np.int64(value), same=True)
        yield Odd("number -> half more", lambda: value + 0.5)


def _odd_arrays(value: np.ndarray) -> Iterator[Odd]:
    def first_set(element: Any) -> np.ndarray:
        wide = np.array(value, dtype=float if value.dtype.kind in "biu" else value.dtype)
        wide.flat[:1] = element
        return wide

    def strided() -> np.ndarray:
        wide = np.repeat(value[..., None], 2, axis=-1)
        return wide[..., 0]

    def locked() -> np.ndarray:
        array = value.copy()
        array.setflags(write=False)
        return array

    if value.dtype.kind in "biuf":
        for element in (np.nan, np.inf, -np.inf, 1e300, -1e300):
            yield Odd(f"array -> one {element}", lambda element=element: first_set(element))
        yield Odd("array -> all NaN", lambda: np.full(value.shape, np.nan))
        yield Odd("array -> constant", lambda: np.zeros_like(value))
        yield Odd("array -> negative", lambda: -value.astype(float))
        yield Odd(
            "array -> masked",
            lambda: np.ma.array(value, mask=np.arange(value.size).reshape(value.shape) % 2 == 0),
        )
        yield Odd("array -> complex", lambda: value + 1j)
        yield Odd("array -> float16", lambda: value.astype(np.float16))
        yield Odd("array -> float32", lambda: value.astype(np.float32))
        yield Odd("array -> int64", lambda: value.astype(np.int64))
        yield Odd("array -> uint8", lambda: value.astype(np.uint8))
        if value.dtype.kind in "iu":
            yield Odd("array -> floats of the same", lambda: value.astype(float), same=True)
            yield Odd(
                "array -> one 2**40",
                lambda: np.where(
                    np.arange(value.size).reshape(value.shape) == 0, 2**40, value.astype(np.int64)
                ),
            )
            yield Odd(
                "array -> one -1",
                lambda: np.where(
                    np.arange(value.size).reshape(value.shape) == 0, -1, value.astype(np.int64)
                ),
            )
    yield Odd("array -> object", lambda: value.astype(object))
    yield Odd("array -> text", lambda: value.astype(str))
    yield Odd("array -> big-endian", lambda: value.astype(value.dtype.newbyteorder(">")), same=True)
    yield Odd("array -> Fortran order", lambda: np.array(value, order="F"), same=True)
    yield Odd("array -> strided", strided, same=True)
    yield Odd("array -> read-only", locked, same=True)
    yield Odd("array -> subclass", lambda: value.view(OwnArray), same=True)
    yield Odd("array -> nested list", value.tolist, same=True)
    yield Odd("array -> empty", lambda: value[:0])
    yield Odd("array -> no columns", lambda: value[..., :0])
    yield Odd("array -> first only", lambda: value[:1])
    yield Odd("array -> half", lambda: value[: len(value) // 2] if value.ndim else value)
    yield Odd("array -> extra axis", lambda: value[None])
    yield Odd("array -> transposed", lambda: value.T)
    yield Odd("array -> flat", lambda: value.ravel())
    yield Odd("array -> 0-d", lambda: np.asarray(value.flat[0] if value.size else 0.0))
    yield Odd(
        "array -> huge shape",
        lambda: (
            np.broadcast_to(np.float32(1.0), (200_000,) * max(value.ndim, 1))
            if value.ndim < 3
            else np.broadcast_to(np.float32(1.0), (3000,) * value.ndim)
        ),
    )
    yield from _plain("array", [None, "nonsense", 7, [], object(), np.nan, {}])


def _odd_tables(value: pd.DataFrame) -> Iterator[Odd]:
    names = list(value.columns)
    for name in names[:4]:
        yield Odd("table -> a column missing", lambda name=name: value.drop(columns=name))
        if pd.api.types.is_numeric_dtype(value[name]):
            yield Odd("table -> NaN", lambda name=name: value.assign(**{str(name): np.nan}))
            yield Odd("table -> inf", lambda name=name: value.assign(**{str(name): np.inf}))
            yield Odd("table -> constant", lambda name=name: value.assign(**{str(name): 1}))
        yield Odd("table -> text", lambda name=name: value.assign(**{str(name): "a"}))
        yield Odd(
            "table -> objects",
            lambda name=name: value.assign(**{str(name): [[] for _ in range(len(value))]}),
        )
    yield Odd("table -> empty", lambda: value.iloc[:0])
    yield Odd("table -> one row", lambda: value.iloc[:1])
    yield Odd("table -> no columns", lambda: value[[]])
    yield Odd("table -> columns twice", lambda: pd.concat([value, value], axis=1))
    yield Odd(
        "table -> other index", lambda: value.set_axis(np.arange(len(value)) + 1000), same=True
    )
    yield Odd(
        "table -> repeated index", lambda: value.set_axis(np.zeros(len(value), int)), same=True
    )
    yield Odd("table -> array", value.to_numpy)
    yield from _plain("table", [None, "nonsense", 7, [], object(), {}])


def _odd_mappings(value: Mapping[Any, Any]) -> Iterator[Odd]:
    yield from _plain("mapping", [{}, None, "nonsense", 7, [], {"nonsense": 1}, {1: "a"}])
    for key in list(value)[:2]:
        for odd in list(odd_versions(value[key]))[::3]:
            yield Odd(f"mapping of {odd.kind}", lambda key=key, odd=odd: {**value, key: odd.make()})


def _odd_sequences(value: list[Any] | tuple[Any, ...]) -> Iterator[Odd]:
    as_own = type(value) if type(value) in (list, tuple) else tuple
    yield from _plain("sequence", [[], None, "nonsense", 7, object(), {}, [None], [[]], ["a"] * 3])
    yield Odd("sequence -> twice", lambda: as_own([*value, *value]))
    yield Odd("sequence -> shorter", lambda: as_own(value[:-1]))
    yield Odd("sequence -> other type", lambda: list(value) if as_own is tuple else tuple(value))
    if value:
        for odd in odd_versions(value[0]):
            yield Odd(f"sequence of {odd.kind}", lambda odd=odd: as_own([odd.make(), *value[1:]]))
