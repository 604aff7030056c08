"""Columns held fixed that act together: what products of two of them leave between residuals."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from physlearn.causal.independence.channel_dictionary import copies, cosine_filter
from physlearn.causal.independence.channel_moments import ChannelMoments
from physlearn.causal.independence.channel_score import Scorer
from physlearn.causal.spatial_layout import Floats


class PairProducts:
    """Filtered products of two columns of a table, kept for the next test.

    Parameters
    ----------
    values
        Standardised columns, shape (n_patches, p).
    moments
        Moments of the columns, for their grid and filter.
    """

    def __init__(self, values: Floats, moments: ChannelMoments) -> None:
        grid = moments.grid
        self.moments = moments
        self._fields = grid.filled(grid.image(np.ascontiguousarray(values.T)))
        self._products: dict[tuple[int, int], Floats] = {}

    def of(self, first: int, second: int) -> Floats:
        """Return the products of two columns and of their neighbours' means, shape (2, n_used)."""
        key = (first, second)
        if key not in self._products:
            pairs = zip(copies(self._fields[first]), copies(self._fields[second]), strict=True)
            raw = np.stack([one * other for one, other in list(pairs)[:2]])
            raw -= raw.mean(axis=(1, 2), keepdims=True)
            filtered = cosine_filter(raw, self.moments.transfer)
            self._products[key] = filtered.reshape(2, -1)[:, self.moments.order]
        return self._products[key]

    def left_by(self, scorer: Scorer, x: int, y: int, given: Sequence[int]) -> float:
        """Return the mean product of two residuals that joint action of columns explains.

        Parameters
        ----------
        scorer
            The fits on the columns' own features, of the same moments.
        x, y, given
            Numbers of columns.
        """
        features, key = scorer.moments.features, tuple(given)
        products = np.concatenate([self.of(i, j) for i, j in combinations(key, 2)])
        fit = scorer.inverse(key)
        own = features[fit.index]
        products = products - (products @ own.T / own.shape[1]) @ fit.inverse @ own
        left = []
        for k in (x, y):
            weights = scorer.residual(k, key).weights.astype(np.float32)
            used = fit.used(k * self.moments.size)
            left.append(products @ (weights[used] @ features[used]) / own.shape[1])
        gram = products @ products.T / own.shape[1]
        gram += 1e-6 * np.trace(gram) / len(gram) * np.eye(len(gram))
        return float(left[0] @ np.linalg.solve(gram, left[1]))
