"""Known measurement noise of channels on a grid, and what it adds to products of features."""

from __future__ import annotations

from dataclasses import dataclass
from math import comb, factorial

import numpy as np
from scipy import fft

from physlearn.causal.independence.channel_dictionary import Dictionary, Grid, smoothing
from physlearn.causal.spatial_layout import Floats, Integers


@dataclass(frozen=True, slots=True, eq=False)
class ChannelNoise:
    """Covariance of the measurement errors of columns on a grid.

    Attributes
    ----------
    covariance
        Of the columns of a patch, shape (1 or n_patches, p, p), standardised units.
    lags
        Row and column lags at which errors of neighbours agree, (0, 0) included, shape (m, 2).
    correlation
        Correlation of the errors at each lag, one for all columns or one each, shape (m, 1 or p);
        1 at lag (0, 0).
    """

    covariance: Floats
    lags: Integers
    correlation: Floats

    @property
    def present(self) -> bool:
        """Whether any column has errors."""
        return bool(self.covariance.any())

    def correlations(self, first: int, second: int) -> Floats:
        """Return the correlation of the errors of two columns at each lag, 1 at lag (0, 0)."""
        if self.correlation.shape[1] == 1:
            return self.correlation[:, 0]
        one, two = self.correlation[:, first], self.correlation[:, second]
        # between columns nothing is measured: their geometric mean, which is exact for equal ones
        return np.asarray(np.sign(one + two) * np.sqrt(np.maximum(one * two, 0.0)))

    def images(self, grid: Grid, first: int, second: int) -> Floats:
        """Return the covariance of the errors of two columns of the same patch, on the grid."""
        values = self.covariance[:, first, second]
        if len(values) == 1:
            return np.full(grid.shape, float(values[0]))
        return np.where(grid.observed, grid.image(values), float(values.mean()))


def kernel_overlaps(
    shape: tuple[int, int], weights: Floats, lengths: list[float], reach: int
) -> Floats:
    """Return the overlap of each pair of smoothing kernels, both filtered, at whole lags.

    Parameters
    ----------
    shape
        Rows and columns of the grid.
    weights
        Squared transfer of the common filter on cosine modes, shape `shape`.
    lengths
        Smoothing lengths of the kernels, in patches.
    reach
        Largest lag.

    Returns
    -------
    ndarray
        Shape (n_kernels, n_kernels, reach + 1, reach + 1).
    """
    rows, columns = shape
    k_rows = np.minimum(np.arange(2 * rows), 2 * rows - np.arange(2 * rows))
    k_columns = np.minimum(np.arange(2 * columns), 2 * columns - np.arange(2 * columns))
    waves = np.hypot(np.pi * k_rows[:, None] / rows, np.pi * k_columns / columns)
    power = weights[np.ix_(np.minimum(k_rows, rows - 1), np.minimum(k_columns, columns - 1))]
    m = len(lengths)
    overlaps = np.empty((m, m, reach + 1, reach + 1))
    for i in range(m):
        for j in range(i, m):
            joint = power * smoothing(waves, lengths[i]) * smoothing(waves, lengths[j])
            found = fft.ifft2(joint).real[: reach + 1, : reach + 1]
            overlaps[i, j] = overlaps[j, i] = found
    return overlaps


def noise_grams(
    noise: ChannelNoise,
    grid: Grid,
    dictionary: Dictionary,
    powers: list[list[Floats]],
    locations: Floats,
    weights: Floats,
    rows: tuple[Integers, Integers],
) -> dict[tuple[int, int], Floats]:
    """Return what the errors add to mean products of features, block by block.

    Errors of two sites enter products of Hermite powers of the columns as
    ``-sum_j (-nu)^j j! C(r, j) C(s, j) t_{r-j} t'_{s-j}``, j from 1, whose mean is that of the
    true product's excess (Gaussian errors of covariance ``nu``).

    Parameters
    ----------
    noise, grid, dictionary
        Errors, cells and features.
    powers
        `wick_powers` of each column on the grid.
    locations
        Location terms on the grid.
    weights
        Squared transfer of the common filter.
    rows
        `block_rows`.

    Returns
    -------
    dict
        Column pair (i <= j) -> shape (n_blocks, n_features of a column, the same).
    """
    order, cuts = rows
    bases = dictionary.bases
    kernels = sorted({length for _, _, length, _ in bases})
    shifts = np.array([shift for *_, group in bases for shift in group])
    own = np.repeat(np.arange(len(bases)), [len(group) for *_, group in bases])
    kind = np.array([kernels.index(length) for _, _, length, _ in bases])[own]
    reach = 2 * int(np.abs(shifts).max()) + int(np.abs(noise.lags).max(initial=0))
    overlaps = kernel_overlaps(grid.shape, weights, kernels, reach)
    grams: dict[tuple[int, int], Floats] = {}
    p = noise.covariance.shape[1]
    counts = np.diff(cuts).astype(np.float64)
    for i in range(p):
        for j in range(i, p):
            if not noise.covariance[:, i, j].any():
                continue
            nu = noise.images(grid, i, j)
            total = np.zeros((len(counts), len(own), len(own)))
            for lag, correlation in zip(noise.lags, noise.correlations(i, j), strict=True):
                if correlation == 0.0:
                    continue
                # errors of the same patch are counted block by block, those of neighbours as one
                parts = cuts if not lag.any() else cuts[[0, -1]]
                base = _base_products(
                    bases, powers[i], powers[j], locations, correlation * nu, lag, order, parts
                )
                apart = np.abs(shifts[None, :] - shifts[:, None] - lag)
                factor = overlaps[kind[:, None], kind[None, :], apart[..., 0], apart[..., 1]]
                base /= np.diff(parts)[:, None, None]
                total += base[:, own[:, None], own[None, :]] * factor
            grams[i, j] = total
    return grams


def _base_products(
    bases: list[tuple[int, int, float, tuple[tuple[int, int], ...]]],
    first: list[Floats],
    second: list[Floats],
    locations: Floats,
    nu: Floats,
    lag: Integers,
    order: Integers,
    cuts: Integers,
) -> Floats:
    """Return block sums of the errors' part of products of unfiltered features, one lag apart."""
    highest = max(r for r, *_ in bases)
    n_blocks, m = len(cuts) - 1, len(bases)
    sums = np.zeros((n_blocks, m, m))
    there = (-int(lag[0]), -int(lag[1]))
    covariance = nu.ravel()[order]
    for j in range(1, highest + 1):
        left, right = np.zeros((m, len(order))), np.zeros((m, len(order)))
        for b, (r, term, _, _) in enumerate(bases):
            if r >= j:
                size = np.sqrt(factorial(j)) * comb(r, j)
                left[b] = size * (locations[term] * first[r - j]).ravel()[order]
                field = locations[term] * second[r - j]
                if there != (0, 0):
                    field = np.roll(field, there, axis=(0, 1))
                right[b] = size * field.ravel()[order]
        left *= -((-covariance) ** j)
        for block in range(n_blocks):
            part = slice(cuts[block], cuts[block + 1])
            sums[block] += left[:, part] @ right[:, part].T
    return sums
