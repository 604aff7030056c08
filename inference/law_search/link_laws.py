"""Functions of sums: 1 / (u + v), exp(u + v) and 1 / sqrt(u + v) are linear laws of 1 / y, log y.

A law that no short expression holds may be a short sum for a function of y. The sum is found by
linear least squares with the weights of that function of y, and only then fitted to y itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.law_data.search_data import SearchData
from physlearn.inference.law_search.expression_kernels import (
    ADD,
    CONSTANT,
    CUBE,
    EXP,
    INV,
    LOG,
    MAX_CONSTANTS,
    MUL,
    POW,
    SQRT,
    SQUARE,
)
from physlearn.inference.law_search.linear_laws import all_subsets, subset_costs
from physlearn.inference.law_search.program_prices import NATS_OF_PRICE, price_of_program
from physlearn.inference.law_search.programs import terms_of
from physlearn.inference.law_search.screening import Fitted
from physlearn.inference.law_search.skeletons import (
    PRICES,
    Code,
    Skeletons,
    pack_skeletons,
)
from physlearn.inference.laws.equation import Term
from physlearn.inference.laws.expression import Program

__all__ = ["LINKS", "Link", "joined", "plain_features", "through", "with_links"]

Floats = NDArray[np.float64]

MOST_FEATURES = {1: 80, 2: 80, 3: 64}  # by the number of terms
FEATURE_PRICE = 10.0
KEPT = {1: 10, 2: 24}  # sums a link and a number of terms, by the number of variables; of more: 24
LEAST_OF_ONE_SIGN = 0.9


@dataclass(frozen=True)
class Link:
    """A function of |y|, its slope's inverse square by |y|, and what undoes it."""

    of: Callable[[Floats], Floats]
    weight: Callable[[Floats], Floats]
    undone: Code


LINKS = {
    "inv": Link(lambda y: 1.0 / y, lambda y: y**4, (INV,)),
    "log": Link(np.log, lambda y: y**2, (EXP,)),
    "sqrt": Link(lambda y: y**-2.0, lambda y: 0.25 * y**6, (SQRT, INV)),
}


def with_links(
    data: SearchData, skeletons: Skeletons, screened: Fitted, unary: Sequence[str],
    binary: Sequence[str], allows: Callable[[Program], bool] | None = None,
) -> tuple[Skeletons, Fitted]:  # fmt: skip
    """Add the functions of sums, with their constants, to what passed the screening.

    ``allows`` says whether an expression may be used; None allows all.

    Examples
    --------
    >>> from physlearn.inference.law_search.candidates import candidate_laws
    >>> from physlearn.inference.law_search.programs import terms_of
    >>> x = np.linspace(0.5, 3.0, 40)
    >>> y = 1 / (0.3 + 2 * x + 0.5 / x)
    >>> data = SearchData(x[None], y, np.ones(40), False, ("x",))
    >>> pool = candidate_laws(1, 9, ("inv",), ("add", "mul"), 1, None)
    >>> empty = Fitted(np.zeros(0, int), np.zeros(0, int), np.zeros(0), np.zeros((0, 3)))
    >>> more, fitted = with_links(data, pool, empty, ("inv",), ("add", "mul"))
    >>> codes = zip(more.programs[fitted.rows], more.lengths[fitted.rows], strict=True)
    >>> found = [terms_of(code[:n].tolist(), [0.0] * 3, ("x",))[0] for code, n in codes]
    >>> ("x", "x", "inv", 0.0, "mul", "add", 0.0, "add", "inv") in found
    True
    """
    if not {"add", "mul"} <= set(binary) or not np.any(data.y):
        return skeletons, screened
    found: list[tuple[int, int, Code, list[float]]] = []
    features = plain_features(data, skeletons)
    for name, link in LINKS.items():
        if {"inv": "inv", "log": "exp", "sqrt": "sqrt"}[name] in unary and (
            name != "sqrt" or "inv" in unary
        ):
            there = through(data, link)
            if there is not None:
                found += _of_link(there, name, link, features, "pow" in binary)
    if allows is not None:
        found = [row for row in found if allows(terms_of(row[2], row[3], data.names)[0])]
    if not found:
        return skeletons, screened
    extra = pack_skeletons([row[:3] for row in found])
    constants = np.zeros((len(found), MAX_CONSTANTS))
    for row, (*_, start) in zip(constants, found, strict=True):
        row[: len(start)] = start
    # Not fitted yet: whoever is asked for the best so far names none of them
    unknown = float((data.weight * data.y**2).sum())
    everything = Fitted(
        np.concatenate([screened.rows, len(skeletons) + np.arange(len(found))]),
        np.concatenate([screened.offsets, np.zeros(len(found), dtype=np.int64)]),
        np.concatenate([screened.misfits, np.full(len(found), unknown)]),
        np.concatenate([screened.constants, constants]),
    )
    return joined(skeletons, extra), everything


def joined(first: Skeletons, second: Skeletons) -> Skeletons:
    """Return both tables, one under the other."""
    width = max(first.programs.shape[1], second.programs.shape[1])
    programs = [
        np.pad(one.programs, ((0, 0), (0, width - one.programs.shape[1])))
        for one in (first, second)
    ]
    return Skeletons(
        np.concatenate(programs),
        np.concatenate([first.lengths, second.lengths]),
        np.concatenate([first.counts, second.counts]),
        np.concatenate([first.prices, second.prices]),
    )


def through(data: SearchData, link: Link) -> SearchData | None:
    """Return the points of the usual sign with y through the link; None where both are usual."""
    sign = 1.0 if np.median(data.y) > 0.0 else -1.0
    size = sign * data.y
    usual = size > 0.0
    if usual.mean() < LEAST_OF_ONE_SIGN:
        return None
    size = np.where(usual, size, 1.0) / size[usual].max()
    with np.errstate(all="ignore"):
        target, weight = link.of(size), data.weight * link.weight(size)
    sound = usual & np.isfinite(target) & np.isfinite(weight)
    if sound.sum() < 4:
        return None
    return SearchData(
        data.x, np.where(sound, target, 0.0), np.where(sound, weight, 0.0), False, data.names
    )


def plain_features(data: SearchData, skeletons: Skeletons) -> list[tuple[Code, Floats, float]]:
    """Plain expressions with their values on the points and prices, the constant first."""
    spare = 6.0 * math.log(len(data.x))
    rows = np.flatnonzero((skeletons.counts == 0) & (skeletons.prices <= FEATURE_PRICE + spare))
    result: list[tuple[Code, Floats, float]] = [((), np.ones(data.y.size), 0.0)]
    seen: set[bytes] = set()
    for row in rows:
        code: Code = tuple(skeletons.programs[row, : skeletons.lengths[row]].tolist())
        programs = terms_of(code, (), data.names)
        if len(programs) != 1 or not _is_usual(code):
            continue
        with np.errstate(all="ignore"):
            value = Term(1.0, programs[0]).values(data.columns)
            size = float(np.abs(value).max())
        if not np.isfinite(value).all() or not np.ptp(value) > 1e-9 * size:
            continue
        # Beside an offset, what differs by a factor and a shift is the same
        moved = (value - value.mean()) / np.std(value)
        shape = np.round(moved * np.sign(moved[0]), 7).tobytes()
        if shape not in seen:
            seen.add(shape)
            result.append((code, value, price_of_program(programs[0], len(data.names))))
    first, *rest = result
    return [first, *sorted(rest, key=lambda feature: feature[2])[: MOST_FEATURES[1]]]


def _is_usual(code: Code) -> bool:
    """Whether physics adds it to others: products of low powers, powers of logarithms."""
    high = sum(op in (SQUARE, CUBE) for op in code) > 1 and code[1:] != (SQUARE, SQUARE)
    of_logarithm = LOG in code and (code[1] != LOG or not set(code[2:]) <= {SQUARE, CUBE})
    return not high and not of_logarithm and EXP not in code


def _of_link(
    data: SearchData, name: str, link: Link, features: list[tuple[Code, Floats, float]],
    powers: bool,
) -> list[tuple[int, int, Code, list[float]]]:  # fmt: skip
    """Price, number of constants, code and constants of the best sums."""
    if name == "log":
        # Here a logarithm is a power
        features = [
            (code, value, price - PRICES["log"] * (code[-1:] == (LOG,)))
            for code, value, price in features if powers or LOG not in code
        ]  # fmt: skip
    features = [features[0], *sorted(features[1:], key=lambda feature: feature[2])]
    root = np.sqrt(data.weight)
    values = np.stack([value for _, value, _ in features]) * root
    norm = np.linalg.norm(values, axis=1)
    scaled = values / norm[:, None]
    target = data.y * root
    prices = np.array([price for *_, price in features])
    gram, moment, total = scaled @ scaled.T, scaled @ target, float(target @ target)
    kept = KEPT.get(len(data.x), KEPT[2])
    result = []
    for size in (1, 2, 3):
        subsets = all_subsets(min(len(features), MOST_FEATURES[size]), size)
        subsets = np.concatenate([np.zeros_like(subsets[:, :1]), subsets], axis=1)
        cost = subset_costs(data, gram, moment, total, subsets)
        cost = cost + NATS_OF_PRICE * prices[subsets].sum(axis=1)
        for index in np.argsort(cost, kind="stable")[:kept]:
            if np.isfinite(cost[index]):
                chosen = subsets[index]
                with np.errstate(all="ignore"):
                    linear = np.linalg.lstsq(scaled[chosen].T, target, rcond=None)[0] / norm[chosen]
                if not np.isfinite(linear).all() or not linear[1:].all():
                    continue
                codes = [features[place][0] for place in chosen[1:]]
                made = _of_logarithm if name == "log" else _of_sum
                code, start = made(codes, linear.tolist(), link.undone)
                if len(start) <= MAX_CONSTANTS and np.isfinite(start).all():
                    price = _price(code, len(start), data.names)
                    result.append((price, len(start), code, start))
    return result


def _price(code: Code, count: int, names: tuple[str, ...]) -> int:
    (program,) = terms_of(code, (0.5,) * count, names)
    return round(price_of_program(program, len(names)))


def _of_sum(codes: list[Code], linear: list[float], undone: Code) -> tuple[Code, list[float]]:
    """Return f(u + c v + d): the factor of u is the whole's."""
    code, start = codes[0], []
    for other, factor in zip(codes[1:], linear[2:], strict=True):
        code = (*code, *other, CONSTANT, MUL, ADD)
        start.append(factor / linear[1])
    return (*code, CONSTANT, ADD, *undone), [*start, linear[0] / linear[1]]


def _of_logarithm(codes: list[Code], linear: list[float], undone: Code) -> tuple[Code, list[float]]:
    """Return u**c exp(c v + c w): the offset is the whole's factor, logarithms are powers."""
    powers: list[tuple[Code, float]] = []
    others: list[tuple[Code, float]] = []
    for code, factor in zip(codes, linear[1:], strict=True):
        if code[-1] == LOG:
            powers.append((code[:-1], factor))
        else:
            others.append((code, factor))
    whole: Code = ()
    start: list[float] = []
    for code, factor in others:
        whole = (*whole, *code, CONSTANT, MUL, *((ADD,) if whole else ()))
        start.append(factor)
    whole = (*whole, *undone) if whole else whole
    for code, factor in powers:
        whole = (*whole, *code, CONSTANT, POW, *((MUL,) if whole else ()))
        start.append(factor)
    return whole, start
