"""Columns held fixed along curves: functions of them beside their straight lines."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np

from physlearn.causal.columns import Columns
from physlearn.causal.counterfactual_models.node_terms import Basis, noisy_design
from physlearn.causal.independence.mixed_columns import natural_splines
from physlearn.causal.spatial_layout import Floats

MOST_LEVELS = 12
"""A column with no more different values is held fixed level by level."""
FEWEST_AT_LEVEL = 5
N_SPLINES = 5
N_STEPS = 16
MOST_PRODUCTS = 6
"""With more columns than this products of two of them are left out."""
SEEN = 1e-2
"""A function whose part beyond the others is smaller than this share of it is left out."""

Exponents = tuple[int, ...]


def with_curves(
    columns: Columns,
    raw: Floats,
    trend: Floats,
    ends: tuple[int, int],
    given: tuple[int, ...],
    *,
    detail: int,
) -> tuple[Columns, tuple[int, ...]]:
    """Return the columns with functions of those held fixed beside them, and all to hold fixed.

    Columns without noise: powers, products, natural splines or levels, each less what the others
    say. Noisy ones: powers and products with the known noise taken out of their moments
    (`NoiseFreeMonomials`).

    Parameters
    ----------
    columns
        Prepared columns.
    raw
        The same columns as measured, shape (n, p), in their units.
    trend
        Orthonormal location terms (n, t).
    ends
        Positions of cause and outcome.
    given
        Positions of the columns held fixed.
    detail
        0: squares, products and levels; 1: cubes and splines, too; 2: also steps (columns without
        noise), or fourth and fifth powers.
    """
    values = (raw - columns.center) / columns.scale
    noisy = bool(columns.noise[list(given)].any())
    if noisy:
        found, noise = _noisy_terms(columns, values, trend, ends, given, detail)
    else:
        found = noise_free_terms(values[:, list(given)], trend, detail)
        noise = np.zeros((found.shape[1], len(columns.names) + found.shape[1]))
    k = found.shape[1]
    p = len(columns.names)
    whole = np.zeros((p + k, p + k))
    whole[:p, :p] = columns.noise
    whole[p:, :] = noise
    whole[:, p:] = noise.T
    extended = replace(
        columns,
        names=(*columns.names, *(f"curve {j + 1} of what is held fixed" for j in range(k))),
        values=np.column_stack([columns.values, found]),
        noise=whole,
        scale=np.concatenate([columns.scale, np.ones(k)]),
        center=np.concatenate([columns.center, np.zeros(k)]),
    )
    return extended, (*given, *range(p, p + k))


def noise_free_terms(values: Floats, trend: Floats, detail: int = 1) -> Floats:
    """Return functions (n, k) of columns (n, q) beyond their lines, of unit variance, orthogonal.

    The `detail` is that of `with_curves`.

    Examples
    --------
    >>> one = np.linspace(-1, 1, 50)[:, None]
    >>> noise_free_terms(one, np.full((50, 1), 50**-0.5), 0).shape
    (50, 1)
    """
    functions, steps, free = [], [], []
    for k, column in enumerate(values.T):
        marks = _levels(column)
        if marks is not None:
            functions += marks
            continue
        free.append(k)
        if detail > 0:
            functions += [column**3, *natural_splines(column, N_SPLINES)[:, 1:].T]
        if detail > 1:
            cuts = np.quantile(column, np.linspace(0, 1, N_STEPS + 1)[1:-1])
            steps += [(column > cut) * 1.0 for cut in cuts]
    functions += [_product(values, powers) for powers in _squares(values.shape[1], free)]
    known = values - trend @ (trend.T @ values)
    found = [_beyond(known, functions, trend)]
    if steps:
        found.append(_beyond(np.column_stack([known, *found]), steps, trend))
    return np.column_stack(found)


def _beyond(known: Floats, functions: list[Floats], trend: Floats) -> Floats:
    """Return what functions (n,) say beyond known columns and the trend, orthogonal (n, k)."""
    if not functions:
        return np.zeros((len(known), 0))
    stacked = np.stack(functions, axis=1)
    stacked = stacked - trend @ (trend.T @ stacked)
    left, singular, _ = np.linalg.svd(known / np.sqrt((known**2).sum(axis=0)), full_matrices=False)
    left = left[:, singular > 1e-8 * singular[0]]
    size = np.sqrt((stacked**2).sum(axis=0))
    rest = (stacked - left @ (left.T @ stacked)) / np.maximum(size, 1e-300)
    terms, singular, _ = np.linalg.svd(rest, full_matrices=False)
    return np.asarray(terms[:, singular > SEEN] * np.sqrt(len(known)), dtype=np.float64)


def _noisy_terms(
    columns: Columns,
    values: Floats,
    trend: Floats,
    ends: tuple[int, int],
    given: tuple[int, ...],
    detail: int,
) -> tuple[Floats, Floats]:
    """Return powers and products (n, k), and their noise with all columns and each other."""
    p = len(columns.names)
    index = [*given, *ends]
    q = len(index) - 1
    n_levels = [len(np.unique(values[:, k])) for k in given]
    curved = _squares(len(given), [k for k, n in enumerate(n_levels) if n > 2])
    for power in {0: (), 1: (3,), 2: (3, 4, 5)}[detail]:
        free = [k for k, n in enumerate(n_levels) if n > power]
        curved += [tuple(power * (j == k) for j in range(len(given))) for k in free]
    lines = [tuple(int(j == k) for j in range(q)) for k in range(q)]
    basis = Basis("cubic", (*lines, *((*powers, 0) for powers in curved)))
    by_patch = columns.noise_by_patch[:, index][:, :, index]
    found, noise = noisy_design(basis, values[:, index], by_patch, trend)
    terms = slice(q, q + len(curved))
    size = np.sqrt((found[:, terms] ** 2).mean(axis=0))
    whole = np.zeros((len(curved), p + len(curved)))
    whole[:, index] = noise[terms][:, [*range(q), q + len(curved)]] / size[:, None]
    whole[:, p:] = noise[terms, terms] / np.outer(size, size)
    return found[:, terms] / size, whole


def _squares(q: int, free: list[int]) -> list[Exponents]:
    """Return the squares of the `free` columns, and the products of any two of `q`."""
    powers = [tuple(2 * (j == k) for j in range(q)) for k in free]
    if q <= MOST_PRODUCTS:
        powers += [tuple(int(j in pair) for j in range(q)) for pair in combinations(range(q), 2)]
    return powers


def _product(values: Floats, powers: Exponents) -> Floats:
    return np.asarray(np.prod(values ** np.array(powers), axis=1), dtype=np.float64)


def _levels(column: Floats) -> list[Floats] | None:
    """Return the marks of a column's levels, less one; None for a column without levels."""
    levels, count = np.unique(column, return_counts=True)
    if len(levels) > MOST_LEVELS:
        return None
    return [(column == v) * 1.0 for v in levels[count >= FEWEST_AT_LEVEL][1:]]
