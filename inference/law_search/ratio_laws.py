"""Quotients of two short sums, (x + c) / (x**2 + c x + c): linear in y times the denominator.

Y Q(x) = P(x) is fitted by linear least squares for all short choices of powers in P and Q; dividing
by the denominator of the step before makes its weights those of y (Sanathanan and Koerner, IEEE
Trans. Autom. Control 8:56, 1963).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.law_data.search_data import SearchData
from physlearn.inference.law_search.expression_kernels import (
    ADD,
    CONSTANT,
    CUBE,
    DIV,
    INV,
    MAX_CONSTANTS,
    MUL,
    SQRT,
    SQUARE,
)
from physlearn.inference.law_search.link_laws import Link, through
from physlearn.inference.law_search.prefactor_laws import Start
from physlearn.inference.law_search.program_prices import NATS_OF_PRICE
from physlearn.inference.law_search.screening import spread_points
from physlearn.inference.law_search.skeletons import Code

__all__ = ["ratio_laws"]

Floats = NDArray[np.float64]
Powers = tuple[int, ...]

MOST_POINTS = 80
SQUARED = Link(np.square, lambda y: 0.25 / y**2, (SQRT,))
SIZES = ((1, 3), (2, 2), (2, 3), (3, 2), (3, 3))  # terms of numerator and denominator
SQUARES: tuple[Powers, ...] = ((0, 1, 2), (0, 2, 4))  # what may be the square of a sum
ROUNDS = 3
KEPT = 12
NATS_OF_CONSTANT = 2.0
POWER_CODES: dict[int, Code] = {1: (), 2: (SQUARE,), 3: (CUBE,), 4: (SQUARE, SQUARE)}


@dataclass(frozen=True, slots=True, eq=False)
class _Monomials:
    """Codes, values (m, n) and degrees of what P and Q are sums of; the first is one."""

    codes: list[Code]
    values: Floats
    degrees: list[float]
    squares: tuple[Powers, ...]  # places of what may be the square of a sum


def ratio_laws(data: SearchData, unary: Sequence[str], binary: Sequence[str]) -> list[Start]:
    """Return the best quotients of sums of powers, and roots of such, with first constants.

    Of two variables their products and squares are tried, of more nothing.

    Examples
    --------
    >>> x = np.linspace(-2.0, 2.0, 50)
    >>> y = 3 * (x - 0.5) / (x**2 + 0.3 * x + 0.8)
    >>> data = SearchData(x[None], y, np.ones(50), False, ("x",))
    >>> best = min(ratio_laws(data, ("square",), ("add", "mul", "div")), key=lambda s: s.cost)
    >>> np.round(best.constants, 3).tolist()
    [-0.5, 0.3, 0.8]
    """
    if not {"add", "mul", "div"} <= set(binary) or len(data.x) > 2 or not np.any(data.y):
        return []
    part = spread_points(data, MOST_POINTS)
    targets: list[tuple[SearchData, Code]] = [(part, ())]
    if "sqrt" in unary:
        there = through(part, SQUARED)
        targets += [(there, SQUARED.undone)] if there is not None else []
    found: list[Start] = []
    for monomials in _tables(part, unary):
        for target, undone in targets:
            own: list[Start] = []
            for above, below in SIZES:
                if (target.weight > 0.0).sum() > above + below:
                    own += _of_sizes(target, monomials, above, below, "inv" in unary)
            own = sorted(own, key=lambda start: start.cost)[: 2 * KEPT]
            found += [Start(s.cost, (*s.code, *undone), s.constants) for s in own]
    return found


def _tables(data: SearchData, unary: Sequence[str]) -> list[_Monomials]:
    """Powers of one variable and of its root, or products of two."""
    if "square" not in unary:
        return []
    one = np.ones(data.y.size)
    if len(data.x) == 2:
        x, y = data.x
        codes: list[Code] = [(), (0,), (1,), (0, 1, MUL), (0, SQUARE), (1, SQUARE)]
        values = np.stack([one, x, y, x * y, x * x, y * y])
        return [_Monomials(codes, values, [0.0, 1.0, 1.0, 2.0, 2.0, 2.0], ())]
    powers = [power for power in range(5) if power != 3 or "cube" in unary]
    row = data.x[0]
    codes = [(0, *POWER_CODES[power]) if power else () for power in powers]
    squares = tuple(
        tuple(powers.index(power) for power in triple) for triple in SQUARES
    )  # fmt: skip
    values = np.stack([row**power for power in powers])
    tables = [_Monomials(codes, values, [float(power) for power in powers], squares)]
    if "sqrt" in unary and "cube" in unary and row.min() > 0.0:
        codes = [(), (0, SQRT), (0,), (0, SQRT, CUBE), (0, SQUARE)]
        values = np.stack([row ** (0.5 * power) for power in range(5)])
        tables.append(_Monomials(codes, values, [0.0, 0.5, 1.0, 1.5, 2.0], ()))
    return tables


def _of_sizes(
    data: SearchData, table: _Monomials, n_above: int, n_below: int, inverts: bool
) -> list[Start]:
    """Return the best quotients with these numbers of terms."""
    places_of = range(len(table.codes))
    all_above, all_below = (list(combinations(places_of, n)) for n in (n_above, n_below))
    choices = [
        (above, below) for above, below in product(all_above, all_below)
        if 0 in (*above, *below)
    ]  # fmt: skip
    if n_above == n_below == 3:  # only as the square of a sum over such a sum
        choices = [(square, square) for square in table.squares]
    if not choices:
        return []
    values, count = table.values, len(table.codes)
    root = np.sqrt(data.weight)
    # Columns: powers, and y times powers; the highest power of the denominator has the factor 1
    columns = np.concatenate([values, -data.y * values])
    places = np.array(
        [(*above, *(count + place for place in below[:-1])) for above, below in choices]
    )
    lead = np.array([below[-1] for _, below in choices])
    wanted = data.y * values[lead]
    weight = np.ones_like(wanted) * root
    with np.errstate(all="ignore"):
        for _ in range(ROUNDS):
            matrix = columns[places] * weight[:, None]
            norm = np.linalg.norm(matrix, axis=2)[..., None] + 1e-300
            matrix = matrix / norm
            gram = matrix @ matrix.transpose(0, 2, 1) + 1e-12 * np.eye(places.shape[1])
            right = (matrix @ (wanted * weight)[..., None])[..., 0]
            linear = np.linalg.solve(gram, right[..., None])[..., 0] / norm[..., 0]
            top = np.einsum("bs,bsn->bn", linear[:, :n_above], values[places[:, :n_above]])
            rest = values[places[:, n_above:] - count]
            bottom = values[lead] + np.einsum("bs,bsn->bn", linear[:, n_above:], rest)
            largest = np.abs(bottom).max(axis=1, keepdims=True)
            weight = root / np.maximum(np.abs(bottom), 1e-4 * largest)
        misfit = (data.weight * (data.y - top / bottom) ** 2).sum(axis=1)
    misfit = np.where(np.isfinite(misfit), misfit, np.inf)
    floor = 1e-14 * float((data.weight * data.y**2).sum())
    size = np.array([sum(table.degrees[k] for k in (*a, *b)) for a, b in choices])
    cost = 0.5 * data.y.size * np.log(np.maximum(misfit, floor)) + NATS_OF_PRICE * 0.5 * size
    cost += (NATS_OF_CONSTANT + NATS_OF_PRICE * 8.0) * (n_above + n_below)
    found = []
    for index in np.argsort(cost, kind="stable")[:KEPT]:
        coefficients = linear[index].tolist()
        if np.isfinite(cost[index]) and all(coefficients):
            above, below = choices[index]
            own = float(cost[index])
            found += _forms(own, table, above, coefficients[:n_above], below,
                            [*coefficients[n_above:], 1.0], inverts)  # fmt: skip
    return found


def _forms(
    cost: float, table: _Monomials, above: Powers, top: list[float], below: Powers,
    bottom: list[float], inverts: bool,
) -> list[Start]:  # fmt: skip
    """Write a quotient out, and with the square of a sum for three terms that may be one."""
    result = []
    for first in _sums(table, above, top, square=True):
        for second in _sums(table, below, bottom, square=False):
            constants = (*first[1], *second[1])
            if len(constants) <= MAX_CONSTANTS:
                code = (*first[0], *second[0], DIV)
                if above == (0,):
                    if not inverts:
                        continue
                    code = (*second[0], INV)
                result.append(Start(cost, code, constants))
    return result


def _sums(
    table: _Monomials, places: Powers, factors: list[float], square: bool
) -> list[tuple[Code, tuple[float, ...]]]:
    """Return a sum with the factor 1 of the last; also as a square, or a square and a rest."""
    others = [factor / factors[-1] for factor in factors[:-1]]
    if places == (0,):
        return [((), ())]
    code = table.codes[places[-1]]
    for place in reversed(places[:-1]):
        tail = (*table.codes[place], CONSTANT, MUL, ADD) if place else (CONSTANT, ADD)
        code = (*code, *tail)
    result = [(code, tuple(reversed(others)))]
    if places in table.squares:
        middle = 0.5 * others[1]
        whole: Code = (*table.codes[places[1]], CONSTANT, ADD, SQUARE)
        if square:
            result.append((whole, (middle,)))
        else:
            result.append(((*whole, CONSTANT, ADD), (middle, others[0] - middle**2)))
    return result
