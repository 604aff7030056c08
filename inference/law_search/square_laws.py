"""Functions of the square of a sum: exp(-c (x + t)**2 / z) and 1 / (c + (x**2 + c x)**2).

Written out, w (u + c v)**2 is linear in w u**2, w u v and w v**2; a least-squares fit of log y or
of 1 / y by these three gives c, and the fit by the square alone says whether one constant will do.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.law_data.search_data import SearchData
from physlearn.inference.law_search.expression_kernels import (
    ADD,
    CONSTANT,
    CUBE,
    DIV,
    EXP,
    INV,
    MUL,
    SQRT,
    SQUARE,
)
from physlearn.inference.law_search.link_laws import LINKS, through
from physlearn.inference.law_search.prefactor_laws import Start
from physlearn.inference.law_search.program_prices import NATS_OF_PRICE
from physlearn.inference.law_search.screening import spread_points
from physlearn.inference.law_search.skeletons import PRICES, Code

__all__ = ["square_laws"]

Floats = NDArray[np.float64]

MOST_POINTS = 100
KEPT = 12
NATS_OF_CONSTANT = 2.0
LOSS_FLOOR = 1e-14
PRICE_OF_SQUARE = PRICES["combine"] + PRICES["square"]
PARTS: tuple[tuple[Code, float, float, str], ...] = (  # code, power, price, what it needs
    ((), 1.0, 1.0, "square"), ((SQUARE,), 2.0, 5.0, "square"), ((CUBE,), 3.0, 5.0, "cube"),
    ((SQRT,), 0.5, 6.0, "sqrt"), ((INV,), -1.0, 4.0, "inv"),
)  # fmt: skip


def square_laws(data: SearchData, unary: Sequence[str], binary: Sequence[str]) -> list[Start]:
    """Return the best functions of the square of a sum, with first constants.

    Examples
    --------
    >>> x = np.linspace(0.0, 1.8, 50)
    >>> y = 2 * np.exp(-((0.5 * x**3 - 0.8 * x) ** 2))
    >>> data = SearchData(x[None], y, np.ones(50), False, ("x",))
    >>> found = square_laws(data, ("exp", "square", "cube"), ("add", "mul"))
    >>> np.round(min(found, key=lambda start: start.cost).constants, 3).tolist()  # -1.6, -1 / 4
    [-1.6, -0.25]
    """
    if not {"add", "mul"} <= set(binary) or "square" not in unary or not np.any(data.y):
        return []
    part = spread_points(data, MOST_POINTS)
    parts = _parts(part, unary)
    weights: list[tuple[Code, Floats, float]] = [((), np.ones(part.y.size), 0.0)]
    for variable, row in enumerate(part.x if len(part.x) > 1 else ()):
        weights.append(((variable, MUL), row, 5.0))
        if "div" in binary and (row != 0.0).all():
            weights.append(((variable, DIV), 1.0 / row, 5.0))
    found: list[Start] = []
    for name, needed, tail in (
        ("log", "exp", (CONSTANT, MUL, EXP)), ("inv", "inv", (CONSTANT, ADD, INV)),
    ):  # fmt: skip
        there = through(part, LINKS[name]) if needed in unary else None
        if there is not None:
            own = [
                start for weight in weights
                for start in _squares(there, parts, weight, tail)
            ]  # fmt: skip
            found += sorted(own, key=lambda start: start.cost)[:KEPT]
    return found


def _parts(data: SearchData, unary: Sequence[str]) -> list[tuple[Code, Floats, float]]:
    """One, and powers of the variables."""
    result: list[tuple[Code, Floats, float]] = [((), np.ones(data.y.size), -2.0)]
    for variable, row in enumerate(data.x):
        for code, power, price, needed in PARTS:
            sound = (row > 0.0).all() if power == 0.5 else power > 0.0 or (row != 0.0).all()
            if needed in unary and sound:
                result.append(((variable, *code), row**power, price))
    return result


def _squares(
    data: SearchData, parts: list[tuple[Code, Floats, float]],
    weight: tuple[Code, Floats, float], tail: Code,
) -> list[Start]:  # fmt: skip
    """Return w (u + c v)**2 for all u and v, with what follows."""
    join, by, price = weight
    root = np.sqrt(data.weight)
    target = data.y * root
    n = int((root > 0.0).sum())
    floor = LOSS_FLOOR * float((data.weight * data.y**2).sum()) + 1e-290
    found = []
    for (code_u, u, price_u), (code_v, v, price_v) in permutations(parts, 2):
        if not code_u or (code_v and code_u > code_v):
            continue
        with np.errstate(all="ignore"):
            matrix = np.stack([np.ones_like(u), by * u * u, by * u * v, by * v * v], axis=1)
            scale = np.abs(matrix).max(axis=0)
            matrix = matrix / scale * root[:, None]
            if not np.isfinite(matrix).all():
                continue
            _, of_u, of_both, of_v = np.linalg.lstsq(matrix, target, rcond=None)[0] / scale
            choices = (0.5 * of_both / of_u, 2.0 * of_v / of_both)
        best = (np.inf, 0.0, 0.0, 0.0)
        for c in choices:
            if not np.isfinite(c) or c == 0.0:
                continue
            with np.errstate(all="ignore"):
                columns = np.stack([np.ones_like(u), by * (u + c * v) ** 2], axis=1)
                columns = columns * root[:, None]
            if not np.isfinite(columns).all():
                continue
            fit = np.linalg.lstsq(columns, target, rcond=None)[0]
            misfit = float(((target - columns @ fit) ** 2).sum())
            best = min(best, (misfit, float(c), float(fit[0]), float(fit[1])))
        misfit, c, offset, factor = best
        if not np.isfinite(misfit) or not factor:
            continue
        cost = 0.5 * n * np.log(max(misfit, floor)) + 3.0 * NATS_OF_CONSTANT
        cost += NATS_OF_PRICE * (price_u + price_v + price + PRICE_OF_SQUARE)
        inside = (*code_v, CONSTANT, MUL, ADD) if code_v else (CONSTANT, ADD)
        number = factor if tail[-1] == EXP else offset / factor
        code = (*code_u, *inside, SQUARE, *join, *tail)
        found.append(Start(float(cost), code, (c, number)))
    return found
