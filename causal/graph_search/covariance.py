"""What score-based searches see: the covariance without noise, and how many patches it is worth."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from physlearn.causal.columns import Columns
from physlearn.causal.graph_search.marks import Mask
from physlearn.causal.spatial_layout import Floats
from physlearn.causal.spatial_test import SpatialScore

SMALLEST = 1e-3
"""Smallest eigenvalue kept of a correlation matrix from which noise was taken out."""
MIN_BLOCKS, MAX_BLOCKS = 4, 8


@dataclass(frozen=True, slots=True, eq=False)
class ScoreData:
    """Correlations of the noise-free columns, and the number of independent patches behind them.

    Attributes
    ----------
    correlation
        Shape (p, p).
    n_effective
        Independent patches that carry the same information.
    block_grams, block_counts
        Sums of products (n_blocks, p, p) and patches (n_blocks,) of each spatial block.
    noise
        Covariance of the measurement errors, shape (p, p).
    """

    correlation: Floats
    n_effective: float
    block_grams: Floats
    block_counts: Floats
    noise: Floats

    def on_blocks(self, chosen: Mask) -> ScoreData:
        """Return the same for some of the spatial blocks."""
        count = self.block_counts[chosen].sum()
        gram = self.block_grams[chosen].sum(axis=0) / count
        return ScoreData(
            noise_free_correlation(gram, self.noise),
            self.n_effective * float(count / self.block_counts.sum()),
            self.block_grams[chosen],
            self.block_counts[chosen],
            self.noise,
        )

    def in_order(self, order: NDArray[np.intp]) -> ScoreData:
        """Return the same with the columns in another order."""
        both = np.ix_(order, order)
        return replace(
            self,
            correlation=self.correlation[both],
            block_grams=self.block_grams[:, order][:, :, order],
            noise=self.noise[both],
        )


def score_data(columns: Columns) -> ScoreData:
    """Return the noise-free correlations of columns and their effective number of patches.

    The effective number is the median over pairs of columns of the one at which their mean
    product has its spatial variance (Clifford, Richardson and Hemon, doi:10.2307/2532039), times
    the shares of variance that are not noise: noise taken out leaves its scatter behind.
    """
    spatial = SpatialScore(columns.values, columns.layout, columns.noise, n_trend=columns.n_trend)
    true = np.maximum(1.0 - np.diag(columns.noise) / np.diag(spatial.gram), 0.05)
    pairs = list(combinations(range(len(columns.names)), 2))
    effective = [spatial.error(i, j, ())[1] for i, j in pairs]
    worth = [n * true[i] * true[j] for n, (i, j) in zip(effective, pairs, strict=True)]
    per_side = int(np.clip(np.sqrt(np.median(effective)), MIN_BLOCKS, MAX_BLOCKS))
    grams, counts = spatial.block_grams(columns.layout.blocks(per_side))
    return ScoreData(
        noise_free_correlation(spatial.gram, columns.noise),
        float(np.clip(np.median(worth), len(columns.names) + 2, len(columns.values))),
        grams,
        counts,
        columns.noise,
    )


def noise_free_correlation(gram: Floats, noise: Floats) -> Floats:
    """Return the correlation matrix of what is left without noise, made positive definite."""
    true = gram - noise
    diagonal = np.maximum(np.diag(true), 0.05 * np.diag(gram))
    np.fill_diagonal(true, diagonal)
    correlation = true / np.sqrt(np.outer(diagonal, diagonal))
    values, vectors = np.linalg.eigh(correlation)
    if values[0] < SMALLEST:
        correlation = (vectors * np.maximum(values, SMALLEST)) @ vectors.T
        size = np.sqrt(np.diag(correlation))
        correlation = correlation / np.outer(size, size)
    return np.asarray(correlation, dtype=np.float64)
