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
DICTIONARY_PASSES = 30
PENALTY = 0.12
"""Of the sum of weights, as a share of the length of a patch's row."""
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
    """Return orthonormal patterns in the order of their variance.

    The rows are centred already, with the mean of all rows: a fold's own mean would make another
    model.
    """
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
    """Return unit patterns of which a patch uses few."""
    from sklearn.decomposition import MiniBatchDictionaryLearning

    learner = MiniBatchDictionaryLearning(
        rank,
        batch_size=128,
        max_iter=DICTIONARY_PASSES,
        fit_algorithm="cd",
        transform_algorithm="omp",
        alpha=PENALTY * float(np.sqrt((rows**2).sum(axis=1).mean())),
        random_state=seed,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        learner.fit(rows)
    return cast("Floats", learner.components_)


def _sparse(patterns: Floats, entries: Floats, kept: Integers) -> Floats:
    """Return weights of which few are not 0 (orthogonal matching pursuit)."""
    from sklearn.decomposition import sparse_encode

    used = patterns[:, kept]
    length = np.maximum(np.linalg.norm(used, axis=1), 1e-12)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        weights = sparse_encode(
            entries, used / length[:, None], algorithm="omp",
            n_nonzero_coefs=min(ATOMS_A_PATCH, len(patterns)),
        )  # fmt: skip
    return np.asarray(weights / length)
