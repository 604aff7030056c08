"""Features of all columns of a table, filtered once, and their moments block by block."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from physlearn.causal.independence.channel_dictionary import (
    Base,
    Dictionary,
    Grid,
    block_rows,
    copies,
    location_terms,
    radial_spectrum,
    smoothing,
    wick_powers,
)
from physlearn.causal.independence.channel_noise import ChannelNoise, Powers, noise_grams
from physlearn.causal.spatial_layout import Floats, Integers

Array = TypeVar("Array", Floats, NDArray[np.float32])


@dataclass(frozen=True, slots=True, eq=False)
class ChannelMoments:
    """Moments of the features of all columns under one common filter.

    Attributes
    ----------
    features
        Filtered features at the patches used, shape (p * size + n_trend, n_used), block by block;
        feature `size * c` is column c itself. Of columns that are not in `whole` only that one
        is there, and zeros for the others, in all moments, too.
    blocks
        Means over each block of products of features, the errors' part taken out,
        shape (n_blocks, n_features, n_features).
    mean
        The same over all patches, shape (n_features, n_features).
    counts
        Patches of each block.
    noise
        The errors' part of the mean products over all patches; zeros without errors.
    size
        Features of one column.
    n_columns, n_trend
        Number of columns, and of location terms at the end.
    order
        Flat grid cell of each patch used.
    grid
        The cells.
    band
        Share of the waves that the filter lets through.
    of_neighbours
        Which features of a column are powers of its neighbours' copies.
    transfer
        The common filter on cosine modes.
    whole
        Columns of which all features are there: those that can be held fixed.
    """

    features: NDArray[np.float32]
    blocks: NDArray[np.float32]
    mean: Floats
    counts: Floats
    noise: Floats
    size: int
    n_columns: int
    n_trend: int
    order: Integers
    grid: Grid
    band: float
    of_neighbours: Integers
    transfer: Floats
    whole: frozenset[int]

    def features_of(self, given: Sequence[int]) -> Integers:
        """Return the features of columns and the trend, in order."""
        own = [np.arange(c * self.size, (c + 1) * self.size) for c in given]
        total = self.n_columns * self.size
        return np.concatenate([*own, np.arange(total, total + self.n_trend)]).astype(np.int64)


def common_filter(fields: Floats, grid: Grid, noise: ChannelNoise, cutoff: float) -> Floats:
    """Return the transfer that whitens the columns on average, on cosine modes.

    One filter serves all tests of a table. It is the inverse root of the geometric mean of the
    columns' spectra, damped above `cutoff` and where errors hold most of a column's variance
    (Wiener). It decides which waves count, not what is true: no test is biased by it.

    Parameters
    ----------
    fields
        Columns on the grid, shape (p, rows, columns).
    grid, noise
        Cells and errors.
    cutoff
        In radians per patch.
    """
    waves = grid.waves
    modes = fft.dctn(fields, axes=(1, 2), norm="ortho")
    log = np.zeros(grid.shape)
    reliable = np.zeros(grid.shape)
    for c, coefficients in enumerate(modes):
        spectrum = radial_spectrum(coefficients**2, waves)
        log += np.log(spectrum) / len(modes)
        share = float(noise.covariance[:, c, c].mean()) * noise_spectrum(noise, grid, c) / spectrum
        reliable += np.log(np.clip(1.0 - share, 0.02, 1.0)) / len(modes)
    squared = np.exp(-log + 1.5 * reliable)
    squared *= np.exp(-2.0 * (waves / cutoff) ** 4) / squared.mean()
    return np.asarray(np.sqrt(squared / squared.mean()))


def noise_spectrum(noise: ChannelNoise, grid: Grid, column: int) -> Floats:
    """Return the spectrum of errors of unit variance on cosine modes: 1 for white ones."""
    rows, columns = (np.pi * np.arange(k) / k for k in grid.shape)
    total = np.zeros(grid.shape)
    for (a, b), correlation in zip(noise.lags, noise.correlations(column, column), strict=True):
        total += correlation * np.cos(a * rows)[:, None] * np.cos(b * columns)[None, :]
    return np.maximum(total, 0.0)


def block_count(shape: tuple[int, int], margin: int) -> tuple[int, int]:
    """Return the number of blocks along rows and columns: 7 x 7 for a large squared grid."""
    inner = [k - 2 * margin for k in shape]
    whole = float(np.sqrt(inner[0] * inner[1]))
    per_side = 5 if whole < 26 else 6 if whole < 40 else 7
    ratio = float(np.clip(np.sqrt(inner[0] / inner[1]), 0.25, 4.0))
    return max(2, round(per_side * ratio)), max(2, round(per_side / ratio))


def channel_moments(
    values: Floats,
    grid: Grid,
    noise: ChannelNoise,
    dictionary: Dictionary,
    *,
    transfer: Floats | None = None,
    whole: Sequence[int] | None = None,
) -> ChannelMoments:
    """Return the moments of the features of all columns.

    Parameters
    ----------
    values
        Standardised columns, shape (n_patches, p).
    grid
        Cells of the patches.
    noise
        Errors of the columns, same units.
    dictionary
        The features.
    transfer
        The common filter, when it is known already; else `common_filter`.
    whole
        Columns that will be held fixed, all by default. One question needs no more of the others
        than themselves, which is half of the work.
    """
    fields = grid.filled(grid.image(np.ascontiguousarray(values.T)))
    if transfer is None:
        transfer = common_filter(fields, grid, noise, dictionary.cutoff)
    locations = location_terms(grid.shape, max(dictionary.degree, dictionary.trend))
    rows = block_rows(grid, dictionary.margin, block_count(grid.shape, dictionary.margin))
    order, cuts = rows
    p, size = values.shape[1], dictionary.size
    n_trend = (dictionary.trend + 1) * (dictionary.trend + 2) // 2
    held = frozenset(range(p) if whole is None else whole)
    own_size = [size if c in held else 1 for c in range(p)]
    begin = np.concatenate([[0], np.cumsum(own_size)])
    features = np.empty((begin[-1] + n_trend, len(order)))
    powers = []
    for c in range(p):
        bases = dictionary.bases if c in held else [Base()]
        own = powers_of(fields[c], grid, noise, c, bases)
        powers.append(own)
        _write_features(
            features[begin[c] : begin[c + 1]], own, locations, grid, transfer, bases, order
        )
    features[begin[-1] :] = locations[:n_trend].reshape(n_trend, -1)[:, order]
    counts = np.diff(cuts).astype(np.float64)
    blocks = np.stack([features[:, a:b] @ features[:, a:b].T / (b - a) for a, b in pairwise(cuts)])
    total = np.zeros((len(features), len(features)))
    if noise.present:
        found = noise_grams(noise, grid, dictionary, powers, locations, transfer**2, rows, held)
        for (i, j), grams in found.items():
            first, second = slice(begin[i], begin[i + 1]), slice(begin[j], begin[j + 1])
            mean = np.tensordot(counts / counts.sum(), grams, axes=1)
            blocks[:, first, second] -= grams
            total[first, second] += mean
            if i != j:
                blocks[:, second, first] -= grams.transpose(0, 2, 1)
                total[second, first] += mean.T
    band = float((transfer**2).sum() ** 2 / (transfer**4).sum() / transfer.size)
    mean = np.tensordot(counts / counts.sum(), blocks, axes=1)
    # every test reads a part of these: half of the memory is half of the time
    single, parts = features.astype(np.float32), blocks.astype(np.float32)
    if len(held) < p:
        spans = [np.arange(c * size, c * size + own_size[c]) for c in range(p)]
        place = np.concatenate([*spans, p * size + np.arange(n_trend)])
        n_features = p * size + n_trend
        every = np.zeros((n_features, len(order)), dtype=np.float32)
        every[place] = single
        single, parts = every, _spread(parts, place, n_features)
        mean, total = _spread(mean, place, n_features), _spread(total, place, n_features)
    return ChannelMoments(
        features=single,
        blocks=parts,
        mean=mean,
        counts=counts,
        noise=total,
        size=size,
        n_columns=p,
        n_trend=n_trend,
        order=order,
        grid=grid,
        band=band,
        of_neighbours=dictionary.of_neighbours,
        transfer=transfer,
        whole=held,
    )


def powers_of(
    field: Floats, grid: Grid, noise: ChannelNoise, column: int, bases: Sequence[Base]
) -> Powers:
    """Return the `wick_powers` of each copy of a column, by copy and power."""
    variance = noise.images(grid, column, column)
    found: Powers = {}
    for k, copy in enumerate(copies(field)):
        highest = max((b.power for b in bases if b.copy == k), default=0)
        if highest:
            factor = float(noise.of_copies(column, column)[0, 0][k, k])
            own = wick_powers(copy, factor * variance, highest)
            found[k] = [own[0], *(grid.filled(t) for t in own[1:])]
    return found


def _write_features(
    out: Floats,
    powers: Powers,
    locations: Floats,
    grid: Grid,
    transfer: Floats,
    bases: Sequence[Base],
    order: Integers,
) -> None:
    """Write the filtered features of one column, shape (size, n_used), into `out`."""
    waves = grid.waves
    columns = grid.shape[1]
    modes: dict[tuple[int, int, int], Floats] = {}
    row = 0
    for base in bases:
        key = base.field
        if key not in modes:
            field = powers[base.copy][base.power] * locations[base.term]
            modes[key] = fft.dctn(field - field.mean(), norm="ortho") * transfer
        coefficients = modes[key]
        if base.length:
            coefficients = coefficients * smoothing(waves, base.length)
        filtered = fft.idctn(coefficients, norm="ortho").ravel()
        for a, b in base.shifts:
            out[row] = filtered[order + (a * columns + b)]
            row += 1


def _spread(values: Array, place: Integers, n_features: int) -> Array:
    """Return square moments (..., k, k) at their places among those of `n_features` features."""
    found = np.zeros((*values.shape[:-2], n_features, n_features), dtype=values.dtype)
    found[..., place[:, None], place] = values
    return found
