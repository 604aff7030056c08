"""PCA, NMF and dictionaries as one thing: patterns from rows, weights of patterns from entries."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from physlearn.datasets.components.prepared_table import PreparedTable

__all__ = ["METHODS", "FactorModel", "factor_model"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
METHODS = ("pca", "nmf", "dictionary")

NMF_ITERATIONS = 400
NMF_TOLERANCE = 1e-4
DICTIONARY_PASSES = 20
DICTIONARY_STARTS = 3
ATOMS_A_PATCH = 2
"""Patterns of a dictionary that one patch may use."""


@dataclass(frozen=True, slots=True, eq=False)
class FactorModel:
    """One method in its own metric.

    ``fit(rows, rank, seed)`` returns patterns (rank, c); ``encode(patterns, entries, kept)`` the
    weights (n, rank) from the kept columns. ``nested``: patterns of a smaller rank are the first of
    a larger one.
    """

    name: str
    nested: bool
    centered: bool
    fit: Callable[[Floats, int, int], Floats]
    encode: Callable[[Floats, Floats, Integers], Floats]

    def rows(self, table: PreparedTable, values: Floats) -> Floats:
        """Return values in the method's metric."""
        if self.centered:
            return np.asarray((values - table.center) @ table.metric)
        return np.asarray(np.maximum(values, 0.0) @ table.metric)


def factor_model(name: str) -> FactorModel:
    """Return the model of a method."""
    if name == "pca":
        return FactorModel("pca", True, True, _fit_pca, _least_squares)
    if name == "nmf":
        return FactorModel("nmf", False, False, _fit_nmf, _non_negative)
    return FactorModel("dictionary", False, True, _fit_dictionary, _sparse)


def _fit_pca(rows: Floats, rank: int, seed: int) -> Floats:
    """Return orthonormal patterns of centred rows, in the order of their variance."""
    from sklearn.decomposition import PCA

    pca = PCA(n_components=min(rank, *rows.shape), random_state=seed)
    pca.fit(rows)
    patterns = cast("Floats", pca.components_)
    largest = np.abs(patterns).argmax(axis=1)
    return np.asarray(patterns * np.sign(patterns[np.arange(len(patterns)), largest])[:, None])


def _least_squares(patterns: Floats, entries: Floats, kept: Integers) -> Floats:
    """Return the weights that fit the kept entries best."""
    return np.asarray(np.linalg.lstsq(patterns[:, kept].T, entries.T, rcond=None)[0].T)


def _fit_nmf(rows: Floats, rank: int, seed: int) -> Floats:
    """Return non-negative patterns."""
    from sklearn.decomposition import NMF

    with warnings.catch_warnings():
        # a fit that has not settled to the last digit is judged by its held-out error
        warnings.simplefilter("ignore")
        nmf = NMF(
            rank, init="nndsvda", max_iter=NMF_ITERATIONS, tol=NMF_TOLERANCE, random_state=seed
        )
        nmf.fit(rows)
    return cast("Floats", nmf.components_)


def _non_negative(patterns: Floats, entries: Floats, kept: Integers) -> Floats:
    """Return the non-negative weights that fit the kept entries best."""
    from sklearn.decomposition import non_negative_factorization

    used = patterns[:, kept]
    start = np.maximum(_least_squares(patterns, entries, kept), 1e-12)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        weights, _, _ = non_negative_factorization(
            np.ascontiguousarray(entries), W=np.ascontiguousarray(start),
            H=np.ascontiguousarray(used), n_components=len(patterns), init="custom",
            update_H=False, max_iter=NMF_ITERATIONS, tol=1e-6,
        )  # fmt: skip
    return cast("Floats", weights)


def _fit_dictionary(rows: Floats, rank: int, seed: int) -> Floats:
    """Return unit patterns of which a patch uses few: weights and patterns in turn (MOD).

    scikit-learn's mini-batch learner took 28 times as long here and needed 11 patterns for 4: its
    weights follow a penalty, not the number of patterns that a patch may use.
    """
    generator = np.random.default_rng(seed)
    every = np.arange(rows.shape[1])
    best, least = np.empty((0, 0)), np.inf
    for _ in range(DICTIONARY_STARTS):
        patterns = _spread_rows(rows, rank, generator)
        for _ in range(DICTIONARY_PASSES):
            weights = _sparse(patterns, rows, every)
            idle = ~weights.any(axis=0)
            patterns = np.asarray(np.linalg.lstsq(weights, rows, rcond=None)[0], dtype=np.float64)
            length = np.linalg.norm(patterns, axis=1)
            if (idle | (length < 1e-12)).any():
                # a pattern that no patch uses starts again from the patch explained worst
                missed = ((rows - weights @ patterns) ** 2).sum(axis=1)
                patterns[idle | (length < 1e-12)] = rows[int(missed.argmax())]
                length = np.linalg.norm(patterns, axis=1)
            patterns = patterns / np.maximum(length, 1e-12)[:, None]
        missed = float(((rows - _sparse(patterns, rows, every) @ patterns) ** 2).sum())
        if missed < least:
            best, least = patterns, missed
    return best


def _spread_rows(rows: Floats, rank: int, generator: np.random.Generator) -> Floats:
    """Return unit rows that point apart: each is drawn by what those before leave of it."""
    left = rows.copy()
    chosen = []
    for _ in range(rank):
        power = (left**2).sum(axis=1)
        share = power / max(float(power.sum()), 1e-300)
        row = rows[generator.choice(len(rows), p=share / share.sum())]
        row = row / max(float(np.linalg.norm(row)), 1e-12)
        chosen.append(row)
        left = left - np.outer(left @ row, row)
    return np.stack(chosen)


def _sparse(patterns: Floats, entries: Floats, kept: Integers) -> Floats:
    """Return weights of which few are not 0 (orthogonal matching pursuit, all rows at once)."""
    used = patterns[:, kept]
    length = np.maximum(np.linalg.norm(used, axis=1), 1e-12)
    unit = used / length[:, None]
    gram, start = unit @ unit.T, entries @ unit.T
    n, k = start.shape
    count = min(ATOMS_A_PATCH, k)
    chosen = np.empty((n, count), dtype=np.int64)
    rows = np.arange(n)
    left, taken = start.copy(), np.zeros((n, k), dtype=bool)
    small = np.empty((n, 0))
    for step in range(count):
        chosen[:, step] = np.where(taken, -1.0, np.abs(left)).argmax(axis=1)
        taken[rows, chosen[:, step]] = True
        mine = chosen[:, : step + 1]
        block = gram[mine[:, :, None], mine[:, None, :]] + 1e-9 * np.eye(step + 1)
        small = np.linalg.solve(block, np.take_along_axis(start, mine, axis=1)[..., None])[..., 0]
        left = start - np.einsum("ns,nsk->nk", small, gram[mine])
    weights = np.zeros((n, k))
    np.put_along_axis(weights, chosen, small, axis=1)
    return np.asarray(weights / length)
