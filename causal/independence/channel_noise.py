"""Known measurement noise of channels on a grid, and what it adds to products of features."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from itertools import product
from math import comb, factorial

import numpy as np
from scipy import fft

from physlearn.causal.independence.channel_dictionary import COPIES, Dictionary, Grid, smoothing
from physlearn.causal.spatial_layout import Floats, Integers
from physlearn.records.storage import html_table, short_repr


def _copy_overlaps() -> dict[tuple[int, int], Floats]:
    """Return how much of the same patch two copies of a column hold, by lag and copies."""
    found: dict[tuple[int, int], Floats] = {}
    for (k, copy), (m, other) in product(enumerate(COPIES), repeat=2):
        for ((a, b), mine), ((c, d), theirs) in product(copy.items(), other.items()):
            matrix = found.setdefault((a - c, b - d), np.zeros((len(COPIES), len(COPIES))))
            matrix[k, m] += mine * theirs
    return found


COPY_OVERLAPS = _copy_overlaps()
Powers = dict[int, list[Floats]]
"""Wick powers of a column on the grid, by copy (`COPIES`) and power."""


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

    __repr__ = short_repr
    _repr_html_ = html_table

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

    def of_copies(self, first: int, second: int) -> dict[tuple[int, int], Floats]:
        """Return the correlation of errors of the copies of two columns, by lag.

        Returns
        -------
        dict
            Lag -> shape (n_copies, n_copies), in units of the errors of the columns themselves.
        """
        found: dict[tuple[int, int], Floats] = {}
        for lag, correlation in zip(self.lags, self.correlations(first, second), strict=True):
            for (a, b), overlap in COPY_OVERLAPS.items():
                key = (int(lag[0]) + a, int(lag[1]) + b)
                found[key] = found.get(key, 0.0) + correlation * overlap
        return {lag: matrix for lag, matrix in found.items() if np.abs(matrix).max() > 1e-9}

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
    powers: list[Powers],
    locations: Floats,
    weights: Floats,
    rows: tuple[Integers, Integers],
    whole: Collection[int],
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
        Powers of each column on the grid.
    locations
        Location terms on the grid.
    weights
        Squared transfer of the common filter.
    rows
        `block_rows`.
    whole
        Columns with all features; of others there is the first only.

    Returns
    -------
    dict
        Column pair (i <= j) -> shape (n_blocks, n_features of i, n_features of j).
    """
    bases = dictionary.bases
    kernels = sorted({base.length for base in bases})
    shifts = np.array([shift for base in bases for shift in base.shifts])
    repeats = [len(base.shifts) for base in bases]
    kind = np.repeat([kernels.index(base.length) for base in bases], repeats)
    # bases that differ in their smoothing only are one field before the filter
    fields = list(dict.fromkeys(base.field for base in bases))
    own = np.repeat([fields.index(base.field) for base in bases], repeats)
    copy = np.array([k for _, k, _ in fields])
    reach = 2 * int(np.abs(shifts).max()) + int(np.abs(noise.lags).max(initial=0)) + 2
    overlaps = kernel_overlaps(grid.shape, weights, kernels, reach)
    p = noise.covariance.shape[1]
    derived = [
        _derived(fields if k in whole else fields[:1], powers[k], locations) for k in range(p)
    ]
    used = [np.arange(len(own) if k in whole else 1) for k in range(p)]
    grams: dict[tuple[int, int], Floats] = {}
    for i in range(p):
        for j in range(i, p):
            if not noise.covariance[:, i, j].any():
                continue
            nu = noise.images(grid, i, j)
            one, two = used[i][:, None], used[j]
            of_patch, of_neighbours = np.zeros((2, 1, len(one), len(two)))
            for lag, correlation in noise.of_copies(i, j).items():
                if i == j and lag < (0, 0):
                    continue  # the transpose of what the opposite lag adds
                between = correlation[copy[:, None], copy]
                base = _field_products(derived[i], derived[j], between, nu, lag, rows)
                apart = np.abs(shifts[two] - shifts[one] - np.array(lag))
                factor = overlaps[kind[one], kind[two], apart[..., 0], apart[..., 1]]
                added = base[:, own[one], own[two]] * factor
                if lag == (0, 0):
                    of_patch = added
                else:
                    of_neighbours += added + (added.transpose(0, 2, 1) if i == j else 0.0)
            grams[i, j] = of_patch + of_neighbours
    return grams


def _derived(
    fields: list[tuple[int, int, int]], powers: Powers, locations: Floats
) -> list[tuple[Integers, Floats]]:
    """Return, for each number j of errors, the fields with as many and what multiplies them.

    That is root(j!) C(r, j) times the power r - j and the location term, shape (m, n_cells).
    """
    found = []
    for j in range(1, max(power for power, *_ in fields) + 1):
        chosen = [k for k, (power, *_) in enumerate(fields) if power >= j]
        values = [
            np.sqrt(factorial(j)) * comb(power, j) * (locations[term] * powers[copy][power - j])
            for power, copy, term in (fields[k] for k in chosen)
        ]
        found.append((np.array(chosen), np.stack(values).reshape(len(chosen), -1)))
    return found


def _field_products(
    first: list[tuple[Integers, Floats]],
    second: list[tuple[Integers, Floats]],
    correlation: Floats,
    nu: Floats,
    lag: tuple[int, int],
    rows: tuple[Integers, Integers],
) -> Floats:
    """Return block means of the errors' part of products of unfiltered fields, one lag apart."""
    order, cuts = rows
    there = order
    if lag != (0, 0):
        # errors of the same patch are counted block by block, those of neighbours as one
        cuts = cuts[[0, -1]]
        number = np.arange(nu.size).reshape(nu.shape)
        there = np.roll(number, (-lag[0], -lag[1]), axis=(0, 1)).ravel()[order]
    sums = np.zeros((len(cuts) - 1, *correlation.shape))
    covariance = nu.ravel()[order]
    # a column without its powers ends first, and where it ends errors have no more part
    for j, ((mine, left), (theirs, right)) in enumerate(zip(first, second, strict=False), 1):
        between = correlation[mine[:, None], theirs] ** j
        used, other = np.abs(between).max(axis=1) > 1e-9, np.abs(between).max(axis=0) > 1e-9
        if not used.any():
            continue
        one = left[used][:, order] * -((-covariance) ** j)
        two = right[other][:, there]
        factor = between[np.ix_(used, other)]
        here = np.ix_(mine[used], theirs[other])
        for block in range(len(sums)):
            part = slice(cuts[block], cuts[block + 1])
            sums[block][here] += factor * (one[:, part] @ two[:, part].T)
    return np.asarray(sums / np.diff(cuts)[:, None, None])
