"""All short expressions, each once, with places for constants, by the length of their code.

An expression grows by steps; every step has a price in half nats, `PRICES`, which is its code under
the grammar: shapes that physics uses often are short. The price is what orders the enumeration and
what `description_length` charges, so the number of expressions searched is paid for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.law_search.expression_kernels import (
    ADD,
    CONSTANT,
    DIV,
    MAX_CONSTANTS,
    MUL,
    NEG,
    ONE,
    OPERATIONS,
    POW,
    SUB,
)

__all__ = ["PRICES", "Skeletons", "enumerate_skeletons", "pack_skeletons"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Code = tuple[int, ...]

# Half nats. plus_c, times_c, to_c: a constant on the right; from_c: c - u; combine: u + c v
PRICES = {
    "variable": 1, "times_c": 3, "plus_c": 4, "from_c": 6, "to_c": 5, "plus_one": 4, "less_one": 4,
    "exp": 3, "inv": 3, "square": 4, "sqrt": 5, "log": 5, "cube": 4, "tanh": 5, "sin": 5, "cos": 5,
    "abs": 6, "neg": 2, "mul": 4, "div": 4, "add": 4, "sub": 4, "combine": 7,
}  # fmt: skip
APPENDED = {
    "plus_c": (CONSTANT, ADD), "times_c": (CONSTANT, MUL), "to_c": (CONSTANT, POW),
    "plus_one": (ONE, ADD), "less_one": (ONE, SUB), "from_c": (NEG, CONSTANT, ADD),
}  # fmt: skip
JOINED = {
    "mul": (MUL,), "div": (DIV,), "add": (ADD,), "sub": (SUB,), "combine": (CONSTANT, MUL, ADD),
}  # fmt: skip
SUMS = ("plus_c", "from_c", "plus_one", "less_one", "shifted", "add", "sub", "combine")
SIGNED = ("sqrt", "log", "to_c")  # elsewhere the sign of u - c is taken up by a factor
POWERS = ("sqrt", "inv", "square", "cube", "to_c")
# What the last step of an argument may not be: the same law is written more simply elsewhere
NOT_INSIDE = {
    "exp": ("exp", "log", "plus_c", "shifted", "plus_one", "less_one"),
    "log": ("exp", "log", "times_c", "shifted", *POWERS, "mul", "div"),
    "inv": ("inv", "times_c", "shifted", "exp", "div", "to_c"),
    "sqrt": ("times_c", "shifted", "exp", "inv", "square", "to_c", "abs"),
    "square": ("times_c", "shifted", "exp", "sqrt", "inv", "to_c", "abs"),
    "cube": ("times_c", "shifted", "exp", "sqrt", "inv", "square", "to_c"),
    "to_c": ("times_c", "shifted", "exp", "abs", *POWERS),
    "times_c": ("times_c", "plus_c", "shifted", "plus_one", "less_one"),
    "plus_c": ("plus_c", "shifted", "plus_one", "less_one"),
    "from_c": ("plus_c", "shifted", "plus_one", "less_one", "neg"),
    "sin": ("sin", "cos", "tanh"), "cos": ("sin", "cos", "tanh"),
    "tanh": ("sin", "cos", "tanh"), "abs": ("exp", "square", "abs", "shifted"),
    "neg": (*SUMS, "neg", "times_c", "mul", "div"),
}  # fmt: skip
ONE_BESIDE = ("times_c", "exp", "tanh", "cos")  # 1 + and - 1 stand only beside these
FACTORS = ("times_c", "inv", "neg", "from_c", "shifted", "abs")
NOT_LEFT = {
    "mul": FACTORS, "div": (*FACTORS, "div"),
    "add": (*SUMS, "times_c", "neg"), "sub": (*SUMS, "times_c", "neg"),
    "combine": (*SUMS, "times_c", "neg"),
}  # fmt: skip
NOT_RIGHT = {**NOT_LEFT, "div": (*FACTORS, "div", "exp", "to_c")}
NOT_A_LAW = ("times_c", "plus_c", "from_c", "shifted", "neg", "combine")
CONSTANTS = np.array([0.7345, 1.3127, 0.4219, 1.7071])
N_POINTS = 12


@dataclass(frozen=True, slots=True, eq=False)
class Skeletons:
    """Programs without their numbers, cheapest first.

    Attributes
    ----------
    programs
        Shape (m, longest), operation codes of `expression_kernels`, filled up with 0.
    lengths, counts, prices
        Shape (m,): tokens used, non-linear constants, price in half nats.
    """

    programs: Integers
    lengths: Integers
    counts: Integers
    prices: Integers

    def __len__(self) -> int:
        return len(self.lengths)


@dataclass(slots=True, eq=False)
class _Level:
    """Expressions of one price and last step; ``values`` (m, first constant, points)."""

    codes: list[Code]
    count: int
    values: Floats


@lru_cache(maxsize=32)
def enumerate_skeletons(
    n_variables: int, highest_price: int, unary: tuple[str, ...], binary: tuple[str, ...]
) -> Skeletons:
    """All different expressions of at most this price, up to a factor (which is fitted).

    Two programs that agree at random points of two sign regions, with equal constants, are the
    same; so are those that agree up to a factor. Sums are left out: they are laws of several terms.

    Examples
    --------
    >>> found = enumerate_skeletons(1, 9, ("exp", "inv"), ("mul",))
    >>> len(found), found.programs[0, : found.lengths[0]].tolist()  # the variable is the cheapest
    (14, [0])
    """
    generator = np.random.default_rng(20)
    points = generator.uniform(0.6, 1.9, size=(n_variables, N_POINTS))
    points[:, N_POINTS // 2 :] *= generator.choice([-1.0, 1.0], (n_variables, N_POINTS // 2))
    seen: set[int] = set()
    shapes: set[int] = set()
    levels: dict[tuple[int, str, int], _Level] = {}
    kept: list[tuple[int, int, Code]] = []
    weights = generator.integers(1, 2**62, size=N_POINTS + 1, dtype=np.int64)
    for price in range(1, highest_price + 1):
        fresh: dict[tuple[str, int], list[tuple[list[Code], Floats]]] = {}
        for kind, count, codes, values in _grown(levels, price, points, unary, binary):
            fresh.setdefault((kind, count), []).append((codes, values))
        for (kind, count), parts in fresh.items():
            codes = [code for part, _ in parts for code in part]
            values = np.concatenate([part for _, part in parts])
            whole, shape, sound = _fingerprints(values[:, 0], weights)
            rows = []
            for row in np.flatnonzero(sound):
                if whole[row] in seen:
                    continue
                seen.add(whole[row])
                rows.append(row)
                if _is_law(kind, count) and shape[row] not in shapes:
                    shapes.add(shape[row])
                    kept.append((price, count, codes[row]))
            if rows:
                levels[price, kind, count] = _Level([codes[r] for r in rows], count, values[rows])
    return pack_skeletons(kept)


def _grown(
    levels: dict[tuple[int, str, int], _Level],
    price: int,
    points: Floats,
    unary: tuple[str, ...],
    binary: tuple[str, ...],
) -> Iterator[tuple[str, int, list[Code], Floats]]:
    """All expressions of exactly this price: last step, constants, codes, values."""
    if price == PRICES["variable"]:
        values = np.repeat(points[:, None, :], CONSTANTS.size, axis=1)
        yield "variable", 0, [(v,) for v in range(len(points))], values
    needed = {"to_c": "pow", "from_c": "sub"}
    steps = [*unary, *(s for s in APPENDED if s not in needed or needed[s] in binary)]
    with np.errstate(all="ignore"):
        for (before, kind, count), level in list(levels.items()):
            for step in steps:
                if before + PRICES[step] == price and _may_follow(kind, step):
                    constant = step.endswith("_c")
                    if count + constant <= MAX_CONSTANTS:
                        # A shifted multiple is for sin, cos and tanh only
                        name = "shifted" if (step, kind) == ("plus_c", "times_c") else step
                        tail = APPENDED.get(step) or (OPERATIONS[step],)
                        codes = [(*code, *tail) for code in level.codes]
                        yield name, count + constant, codes, _stepped(step, level)
        yield from _joined(levels, price, binary)


def _is_law(kind: str, count: int) -> bool:
    """Whether it is a law of one term: a plain sum is one of two, constants inside tie them."""
    return kind not in NOT_A_LAW and (count > 0 or kind not in ("add", "sub"))


def _may_follow(kind: str, step: str) -> bool:
    if step in ("plus_one", "less_one"):
        return kind in ONE_BESIDE
    if kind == "shifted":
        return step in ("sin", "cos", "tanh")
    if kind == "from_c":
        return step in SIGNED
    return kind not in NOT_INSIDE[step]


def _stepped(step: str, level: _Level) -> Floats:
    v = level.values
    if step in ("plus_one", "less_one"):
        return v + (1.0 if step == "plus_one" else -1.0)
    if step in APPENDED:
        last = np.append(CONSTANTS, CONSTANTS)[level.count : level.count + CONSTANTS.size]
        c = last[None, :, None]
        if step == "to_c":
            return _power(v, c)
        return v + c if step == "plus_c" else c - v if step == "from_c" else v * c
    functions: dict[str, Callable[[Floats], Floats]] = {
        "exp": np.exp, "log": np.log, "sqrt": np.sqrt, "inv": np.reciprocal, "square": np.square,
        "cube": lambda u: u**3, "sin": np.sin, "cos": np.cos, "tanh": np.tanh, "abs": np.abs,
        "neg": np.negative,
    }  # fmt: skip
    result: Floats = functions[step](v)
    return result


def _power(base: Floats, exponent: Floats) -> Floats:
    return np.where(base > 0, np.abs(base) ** exponent, np.nan)


def _joined(
    levels: dict[tuple[int, str, int], _Level], price: int, binary: tuple[str, ...]
) -> Iterator[tuple[str, int, list[Code], Floats]]:
    joins = [n for n in JOINED if n in binary or (n == "combine" and {"add", "mul"} <= set(binary))]
    items = list(levels.items())
    for (left_price, left_kind, left_count), left in items:
        for (right_price, right_kind, right_count), right in items:
            for join in joins:
                count = left_count + right_count + (join == "combine")
                if left_price + right_price + PRICES[join] != price or count > MAX_CONSTANTS:
                    continue
                if left_kind in NOT_LEFT[join] or right_kind in NOT_RIGHT[join]:
                    continue
                if join == "mul" and left_kind == right_kind == "exp":
                    continue
                symmetric = join != "div"
                if symmetric and (left_price, left_kind) > (right_price, right_kind):
                    continue
                yield join, count, *_all_pairs(join, left, right)


def _all_pairs(join: str, left: _Level, right: _Level) -> tuple[list[Code], Floats]:
    i, j = (a.ravel() for a in np.indices((len(left.codes), len(right.codes))))
    u = left.values[i]
    moved = (np.arange(CONSTANTS.size) + left.count) % CONSTANTS.size
    v = right.values[j][:, moved]
    if join == "combine":
        c = CONSTANTS[(np.arange(CONSTANTS.size) + left.count + right.count) % CONSTANTS.size]
        values = u + c[None, :, None] * v
    else:
        values = u + v if join == "add" else u - v if join == "sub" else u * v
        if join == "div":
            values = u / v
    codes = [
        (*left.codes[a], *right.codes[b], *JOINED[join])
        for a, b in zip(i.tolist(), j.tolist(), strict=True)
    ]
    return codes, values


def _fingerprints(values: Floats, weights: Integers) -> tuple[Integers, Integers, NDArray[np.bool]]:
    """Whole numbers that agree for equal values, and for values equal up to a factor."""
    finite = np.isfinite(values) & (values != 0.0)
    with np.errstate(all="ignore"):
        size = np.where(finite, np.log(np.abs(values)), 0.0)
        highest = np.where(finite, values, -np.inf).max(axis=1)
        lowest = np.where(finite, values, np.inf).min(axis=1)
        sound = finite.sum(axis=1) >= N_POINTS // 2 - 2
        sound &= highest - lowest > 1e-9 * np.abs(np.where(finite, values, 0.0)).max(axis=1)
    first = finite.argmax(axis=1)[:, None]
    own = np.take_along_axis(size, first, axis=1)
    negative = values < 0.0
    turned = negative ^ np.take_along_axis(negative, first, axis=1)
    # Relative to the first value, logarithms to 1e-8: neither a pole nor a factor hides the rest
    grain = np.round((size - own) * 1e8).astype(np.int64) * 2 + turned
    of_shape = (np.where(finite, grain, 77) * weights[:-1]).sum(axis=1)
    scale = np.round(own[:, 0] * 1e8).astype(np.int64) * 2
    scale += np.take_along_axis(negative, first, axis=1)[:, 0]
    return of_shape + scale * weights[-1], of_shape, sound


def pack_skeletons(kept: list[tuple[int, int, Code]]) -> Skeletons:
    """Put (price, number of constants, code) rows into arrays."""
    if not kept:
        empty = np.zeros(0, dtype=np.int64)
        return Skeletons(np.zeros((0, 1), dtype=np.int64), empty, empty, empty)
    programs = np.zeros((len(kept), max(len(code) for *_, code in kept)), dtype=np.int64)
    for row, (_, _, code) in enumerate(kept):
        programs[row, : len(code)] = code
    return Skeletons(
        programs,
        np.array([len(code) for *_, code in kept], dtype=np.int64),
        np.array([count for _, count, _ in kept], dtype=np.int64),
        np.array([price for price, *_ in kept], dtype=np.int64),
    )
