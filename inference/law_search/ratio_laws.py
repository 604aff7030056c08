"""Quotients of two short sums, (x + c) / (x**2 + c x + c): linear in y times the denominator.

Y Q(x) = P(x) is fitted by linear least squares for all short choices of powers in P and Q; dividing
by the denominator of the step before makes its weights those of y (Sanathanan and Koerner, IEEE
Trans. Autom. Control 8:56, 1963).
"""

from __future__ import annotations

from collections.abc import Sequence
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
    SQUARE,
)
from physlearn.inference.law_search.prefactor_laws import Start
from physlearn.inference.law_search.program_prices import NATS_OF_PRICE
from physlearn.inference.law_search.screening import spread_points
from physlearn.inference.law_search.skeletons import Code

__all__ = ["ratio_laws"]

Floats = NDArray[np.float64]
Powers = tuple[int, ...]

MOST_POINTS = 80
POWERS = range(5)
SIZES = ((1, 3), (2, 2), (2, 3), (3, 2), (3, 3))  # terms of numerator and denominator
SQUARES: tuple[Powers, ...] = ((0, 1, 2), (0, 2, 4))  # what may be the square of a sum
ROUNDS = 3
KEPT = 12
NATS_OF_CONSTANT = 2.0
POWER_CODES: dict[int, Code] = {1: (), 2: (SQUARE,), 3: (CUBE,), 4: (SQUARE, SQUARE)}


def ratio_laws(data: SearchData, unary: Sequence[str], binary: Sequence[str]) -> list[Start]:
    """Return the best quotients of sums of powers of one variable, with first constants.

    Examples
    --------
    >>> x = np.linspace(-2.0, 2.0, 50)
    >>> y = 3 * (x - 0.5) / (x**2 + 0.3 * x + 0.8)
    >>> data = SearchData(x[None], y, np.ones(50), False, ("x",))
    >>> best = min(ratio_laws(data, ("square",), ("add", "mul", "div")), key=lambda s: s.cost)
    >>> np.round(best.constants, 3).tolist()
    [-0.5, 0.3, 0.8]
    """
    if not {"add", "mul", "div"} <= set(binary) or len(data.x) != 1 or not np.any(data.y):
        return []
    part = spread_points(data, MOST_POINTS)
    powers = [p for p in POWERS if (p < 2) or ("square" in unary and (p != 3 or "cube" in unary))]
    found: list[Start] = []
    for above, below in SIZES:
        if part.y.size > above + below:
            found += _of_sizes(part, powers, above, below, "inv" in unary)
    return sorted(found, key=lambda start: start.cost)[: 3 * KEPT]


def _of_sizes(
    data: SearchData, powers: Sequence[int], n_above: int, n_below: int, inverts: bool
) -> list[Start]:
    """Return the best quotients with these numbers of terms."""
    choices = [
        (above, below)
        for above, below in product(combinations(powers, n_above), combinations(powers, n_below))
        if (min(*above, *below) == 0 and (n_above + n_below < 6 or above in SQUARES)
        and above != below) or (n_above + n_below == 6 and above == below and above in SQUARES)
    ]  # fmt: skip
    if not choices:
        return []
    values = np.stack([data.x[0] ** power for power in POWERS])
    root = np.sqrt(data.weight)
    # Columns: powers, and y times powers; the highest power of the denominator has the factor 1
    columns = np.concatenate([values, -data.y * values])
    places = np.array([(*above, *(5 + power for power in below[:-1])) for above, below in choices])
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
            rest = values[places[:, n_above:] - 5]
            bottom = values[lead] + np.einsum("bs,bsn->bn", linear[:, n_above:], rest)
            largest = np.abs(bottom).max(axis=1, keepdims=True)
            weight = root / np.maximum(np.abs(bottom), 1e-4 * largest)
        misfit = (data.weight * (data.y - top / bottom) ** 2).sum(axis=1)
    misfit = np.where(np.isfinite(misfit), misfit, np.inf)
    floor = 1e-14 * float((data.weight * data.y**2).sum())
    size = np.array([sum(above) + sum(below) for above, below in choices])
    cost = 0.5 * data.y.size * np.log(np.maximum(misfit, floor)) + NATS_OF_PRICE * 0.5 * size
    cost += (NATS_OF_CONSTANT + NATS_OF_PRICE * 8.0) * (n_above + n_below)
    found = []
    for index in np.argsort(cost, kind="stable")[:KEPT]:
        coefficients = linear[index].tolist()
        if np.isfinite(cost[index]) and all(coefficients):
            above, below = choices[index]
            own = float(cost[index])
            found += _forms(own, above, coefficients[:n_above], below,
                            [*coefficients[n_above:], 1.0], inverts)  # fmt: skip
    return found


def _forms(
    cost: float, above: Powers, top: list[float], below: Powers, bottom: list[float],
    inverts: bool,
) -> list[Start]:  # fmt: skip
    """Write a quotient out, and with the square of a sum for three terms that may be one."""
    result = []
    for first in _sums(above, top, square=True):
        for second in _sums(below, bottom, square=False):
            constants = (*first[1], *second[1])
            if len(constants) <= MAX_CONSTANTS:
                code = (*first[0], *second[0], DIV)
                if above == (0,) and inverts:
                    code = (*second[0], INV)
                result.append(Start(cost, code, constants))
    return result


def _sums(
    powers: Powers, factors: list[float], square: bool
) -> list[tuple[Code, tuple[float, ...]]]:
    """Return a sum with the factor 1 of the highest power; also as a square and a rest."""
    others = [factor / factors[-1] for factor in factors[:-1]]
    if powers == (0,):
        return [((), ())]
    code: Code = (0, *POWER_CODES[powers[-1]])
    for power in reversed(powers[:-1]):
        tail = (0, *POWER_CODES[power], CONSTANT, MUL, ADD) if power else (CONSTANT, ADD)
        code = (*code, *tail)
    result = [(code, tuple(reversed(others)))]
    if powers in SQUARES:
        middle = 0.5 * others[1]
        whole: Code = (0, *POWER_CODES[powers[1]], CONSTANT, ADD, SQUARE)
        if square:
            result.append((whole, (middle,)))
        else:
            result.append(((*whole, CONSTANT, ADD), (middle, others[0] - middle**2)))
    return result
