"""Best sums of up to three plain expressions: all subsets of a dictionary, by its Gram matrix."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.law_data.search_data import SearchData
from physlearn.inference.law_search.description_length import CONSTANT_TERM
from physlearn.inference.law_search.left_over import HOPELESS
from physlearn.inference.law_search.program_prices import NATS_OF_PRICE, price_of_program
from physlearn.inference.law_search.programs import terms_of
from physlearn.inference.law_search.refinement import fit_terms
from physlearn.inference.law_search.skeletons import Skeletons
from physlearn.inference.laws.equation import Equation, Term
from physlearn.inference.laws.expression import Token

__all__ = ["all_subsets", "linear_laws", "plain_programs", "subset_costs"]

Floats = NDArray[np.float64]
Program = tuple[Token, ...]

MOST_FEATURES = {1: 300, 2: 80, 3: 40}  # by the number of terms
FEATURE_PRICE = 12
EXACT_POWERS = (4, 5, 6, 7, 8, 9, 10, 12, 13, 14)
KEPT = 30
ALWAYS_KEPT = 12  # also where one sum is ahead of all others
NATS_OF_COEFFICIENT = 3.0


def linear_laws(
    data: SearchData, skeletons: Skeletons, n_terms: int,
    allows: Callable[[Program], bool] | None = None,
) -> list[Equation]:  # fmt: skip
    """Fit all sums of at most ``n_terms`` plain expressions, with and without offset.

    ``allows`` says whether an expression may be used; None allows all.

    Examples
    --------
    >>> from physlearn.inference.law_search.candidates import candidate_laws
    >>> x = np.linspace(0.9, 2.0, 40)
    >>> data = SearchData(x[None], 3 / x**12 - 2 / x**6, np.ones(40), False, ("x",))
    >>> pool = candidate_laws(1, 10, ("inv", "square"), ("mul", "pow"), 2, None)
    >>> law = min(linear_laws(data, pool, 2), key=lambda law: law.description_length)
    >>> [term.program for term in law.terms]
    [('x', 6, 'pow', 'inv'), ('x', 12, 'pow', 'inv')]
    """
    programs, values, prices = _features(data, skeletons, allows)
    root = np.sqrt(data.weight)
    target = data.y * root
    features = values * root
    norm = np.linalg.norm(features, axis=1)
    features = features / norm[:, None]
    gram, moment = features @ features.T, features @ target
    scored: list[tuple[float, tuple[int, ...]]] = [(0.0, (0,))]  # the constant is always measured
    for size in range(1, n_terms + 1):
        count = min(len(programs), MOST_FEATURES[size])
        for offset in (False, True):
            subsets = all_subsets(count, size)
            if offset:
                subsets = np.concatenate([np.zeros_like(subsets[:, :1]), subsets], axis=1)
            cost = subset_costs(data, gram, moment, float(target @ target), subsets)
            cost += NATS_OF_PRICE * prices[subsets].sum(axis=1)
            top = np.argsort(cost, kind="stable")[:KEPT]
            scored += [
                (float(cost[index]), tuple(subsets[index].tolist()))
                for index in top if np.isfinite(cost[index])
            ]  # fmt: skip
    first, *rest = scored
    rest = sorted(rest)[: 2 * KEPT]
    rest = [row for k, row in enumerate(rest) if k < ALWAYS_KEPT or row[0] < rest[0][0] + HOPELESS]
    laws = []
    for _, subset in [first, *rest]:
        ordered = [programs[index] for index in subset if index] + [CONSTANT_TERM] * (0 in subset)
        law = fit_terms(data, ordered)
        if law is not None:
            laws.append(law)
    return laws


@lru_cache(maxsize=16)
def all_subsets(count: int, size: int) -> NDArray[np.int64]:
    """Return every choice of ``size`` of the features 1 to ``count`` - 1, a row each.

    Examples
    --------
    >>> all_subsets(4, 2).tolist()
    [[1, 2], [1, 3], [2, 3]]
    """
    rows = list(combinations(range(1, count), size))
    return np.array(rows, dtype=np.int64).reshape(-1, size)


def subset_costs(
    data: SearchData, gram: Floats, moment: Floats, total: float, subsets: NDArray[np.int64]
) -> Floats:
    """Nats of the best coefficients of every subset; infinite where nearly collinear."""
    inner = gram[subsets[:, :, None], subsets[:, None, :]]
    right = moment[subsets]
    with np.errstate(all="ignore"):
        sound = np.linalg.det(inner) > 1e-11
    inner[~sound] = np.eye(subsets.shape[1])
    solution = np.linalg.solve(inner, right[..., None])[..., 0]
    misfit = np.maximum(total - (solution * right).sum(axis=1), 1e-14 * total + 1e-290)
    n = data.y.size
    cost = 0.5 * misfit if data.noise_known else 0.5 * n * np.log(misfit / n)
    cost = cost + NATS_OF_COEFFICIENT * subsets.shape[1]
    return np.where(sound, cost, np.inf)


def plain_programs(skeletons: Skeletons, names: tuple[str, ...]) -> list[Program]:
    """Expressions without constants, cheapest first, and large whole powers of the variables."""
    programs: list[Program] = []
    for row in np.flatnonzero((skeletons.counts == 0) & (skeletons.prices <= FEATURE_PRICE)):
        programs += terms_of(skeletons.programs[row, : skeletons.lengths[row]].tolist(), (), names)
    for name in names:
        for power in EXACT_POWERS:
            programs += [(name, power, "pow"), (name, power, "pow", "inv")]
    programs = sorted(
        dict.fromkeys(programs), key=lambda program: price_of_program(program, len(names))
    )
    return programs


def _features(
    data: SearchData, skeletons: Skeletons, allows: Callable[[Program], bool] | None
) -> tuple[list[Program], Floats, Floats]:
    """Return the constant and what is defined on the data and different there; values, prices."""
    programs: list[Program] = [CONSTANT_TERM]
    values: list[Floats] = [np.ones(data.y.size)]
    prices = [4.0]
    seen: set[bytes] = set()
    with np.errstate(all="ignore"):
        for program in [*_of_shares(data), *plain_programs(skeletons, data.names)]:
            if allows is not None and not allows(program):
                continue
            value = Term(1.0, program).values(data.columns)
            size = float(np.abs(value).max())
            if not np.isfinite(value).all() or not np.ptp(value) > 1e-9 * size or size == 0.0:
                continue
            shape = np.round(value / size, 9).tobytes()
            if shape not in seen and len(programs) < MOST_FEATURES[1]:
                seen.add(shape)
                programs.append(program)
                values.append(value)
                prices.append(price_of_program(program, len(data.names)))
    return programs, np.stack(values), np.array(prices)


def _of_shares(data: SearchData) -> list[Program]:
    """Return what a mixture holds beside x: 1 - x, its logarithm, products.

    Only where x may be a share, between 0 and 1.
    """
    programs: list[Program] = []
    for name, row in zip(data.names, data.x, strict=True):
        if row.min() > 0.0 and row.max() < 1.0:
            rest: Program = (1, name, "sub")
            programs += [
                (name, name, "log", "mul"), (*rest, *rest, "log", "mul"), (*rest, "log"),
                (name, *rest, "mul"),
                (name, *rest, "mul", "square"), (name, "square", *rest, "mul"),
            ]  # fmt: skip
    return programs
