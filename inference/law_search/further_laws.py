"""Longer laws of usual shapes join what passed the screening: products and quotients of sums."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from physlearn.inference.law_data.search_data import SearchData
from physlearn.inference.law_search.expression_kernels import MAX_CONSTANTS
from physlearn.inference.law_search.link_laws import joined
from physlearn.inference.law_search.prefactor_laws import prefactor_laws
from physlearn.inference.law_search.program_prices import price_of_program
from physlearn.inference.law_search.programs import terms_of
from physlearn.inference.law_search.ratio_laws import ratio_laws
from physlearn.inference.law_search.screening import (
    ROUND_POINTS,
    Fitted,
    fit_in_pieces,
    rough_cost,
    spread_points,
)
from physlearn.inference.law_search.skeletons import Code, Skeletons, pack_skeletons
from physlearn.inference.law_search.square_laws import square_laws
from physlearn.inference.laws.expression import Program

__all__ = ["with_further_laws"]

MOST_TRIED = {1: 120, 2: 180}
MOST_KEPT = {1: 24, 2: 36}
STEPS = 12
HIGHEST_PRICE = 40  # half nats


def with_further_laws(
    data: SearchData, skeletons: Skeletons, screened: Fitted, unary: Sequence[str],
    binary: Sequence[str], allows: Callable[[Program], bool] | None,
    goes_on: Callable[[float, Fitted], bool],
) -> tuple[Skeletons, Fitted]:  # fmt: skip
    """Add products with a factor and quotients of sums, with their constants.

    ``allows`` says whether an expression may be used; None allows all. ``goes_on`` is told the
    fraction done and what there is.

    Examples
    --------
    >>> from physlearn.inference.law_search.candidates import candidate_laws
    >>> x = np.linspace(0.2, 3.0, 40)
    >>> data = SearchData(x[None], 2 * x / (0.3 + 0.7 * x**2) ** 2, np.ones(40), False, ("x",))
    >>> pool = candidate_laws(1, 9, ("inv", "square"), ("add", "mul"), 1, None)
    >>> empty = Fitted(np.zeros(0, int), np.zeros(0, int), np.zeros(0), np.zeros((0, 3)))
    >>> goes_on = lambda done, so_far: True
    >>> more, fitted = with_further_laws(
    ...     data, pool, empty, ("inv", "square"), ("add", "mul"), None, goes_on)
    >>> codes = zip(more.programs[fitted.rows], more.lengths[fitted.rows], strict=True)
    >>> found = [terms_of(code[:n].tolist(), [0.0] * 3, ("x",))[0] for code, n in codes]
    >>> ("x", "square", 0.0, "add", "square", "inv", "x", "mul") in found
    True
    """

    def still() -> bool:
        return goes_on(0.75, screened)

    few = len(data.x) if len(data.x) in MOST_TRIED else 2
    starts = prefactor_laws(data, skeletons, unary, binary, still)
    if not still():
        return skeletons, screened
    starts += ratio_laws(data, unary, binary)
    starts += square_laws(data, unary, binary)
    rows: list[tuple[int, int, Code]] = []
    first: list[tuple[float, ...]] = []
    seen: set[tuple[Code, tuple[str, ...]]] = set()
    for start in sorted(starts, key=lambda start: start.cost):
        key = (start.code, tuple(f"{constant:.1e}" for constant in start.constants))
        if key in seen or len(rows) == MOST_TRIED[few]:
            continue
        seen.add(key)
        (program,) = terms_of(start.code, start.constants, data.names)
        price = round(price_of_program(program, len(data.names)))
        if price > HIGHEST_PRICE or (allows is not None and not allows(program)):
            continue
        rows.append((price, len(start.constants), start.code))
        first.append(start.constants)
    if not rows:
        return skeletons, screened
    everything = joined(skeletons, pack_skeletons(rows))
    constants = np.zeros((len(rows), MAX_CONSTANTS))
    for row, start_values in zip(constants, first, strict=True):
        row[: len(start_values)] = start_values
    places = len(skeletons) + np.arange(len(rows))
    ours = Fitted(places, np.zeros(len(rows), np.int64), np.ones(len(rows)), constants)
    part = spread_points(data, ROUND_POINTS[1])
    ours = fit_in_pieces(
        part, everything, ours, np.zeros((0, MAX_CONSTANTS)), STEPS, (0.75, 0.75),
        lambda done, _: goes_on(done, screened),
    )  # fmt: skip
    best = _best(part, everything, ours, MOST_KEPT[few])
    return everything, Fitted(
        np.concatenate([screened.rows, ours.rows[best]]),
        np.concatenate([screened.offsets, ours.offsets[best]]),
        np.concatenate([screened.misfits, ours.misfits[best]]),
        np.concatenate([screened.constants, ours.constants[best]]),
    )


def _best(part: SearchData, everything: Skeletons, ours: Fitted, most: int) -> list[int]:
    """Return the cheapest fits, of one code only the best."""
    cost = rough_cost(part, everything, ours)
    chosen: list[int] = []
    seen: set[bytes] = set()
    for index in np.argsort(cost, kind="stable").tolist():
        code = everything.programs[ours.rows[index]].tobytes()
        if np.isfinite(cost[index]) and code not in seen and len(chosen) < most:
            seen.add(code)
            chosen.append(index)
    return chosen
