"""Folds made of blocks in space and time: what is held out does not lie beside what is learned."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from physlearn.checks import InputError, as_generator, check_count, check_positive
from physlearn.datasets.components.prepared_table import (
    PreparedTable,
    prepare_table,
    repeated_rows,
)
from physlearn.records import PatchTable
from physlearn.records.storage import html_table, short_repr

__all__ = ["BlockFolds", "alike_length", "alike_time", "block_folds", "folds_of"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

MOST_COMPARED = 1500
"""Patches whose pairs are compared to find the correlation length."""
LENGTHS_A_BLOCK = 2.0
BLOCKS_A_FOLD = 2
N_BINS = 40
LEAST_CORRELATION = 0.05
"""Of next neighbours, below which patches count as unlike their neighbours."""


@dataclass(frozen=True, slots=True, eq=False)
class BlockFolds:
    """Which patches are held out together; a splitter for scikit-learn's ``cv``.

    Attributes
    ----------
    fold, block
        int64 (n,): fold and block of each patch. A fold is made of whole blocks.
    n_folds
        Number of folds.
    block_length
        Edge of a block, in the table's unit.
    gap
        Patches nearer than this (along x and y) to a held-out one are not learned from.
    block_duration, gap_duration
        The same in time; None when all frames of a place are held out together.
    correlation_length, correlation_time
        Where the mean autocorrelation of the columns falls below 1/e; time is None without frames.
    warnings
        What to know before using them.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from physlearn.records import PatchTable
    >>> y, x = np.mgrid[:12, :12].reshape(2, -1) * 8.0
    >>> column = pd.DataFrame({"strain": np.random.default_rng(0).normal(size=144)})
    >>> folds = block_folds(PatchTable.from_frame(column, np.stack([x, y], axis=1), 8.0), 4, rng=0)
    >>> len(list(folds.split())), int(folds.fold.max())
    (4, 3)
    """

    fold: Integers
    block: Integers
    n_folds: int
    block_length: float
    gap: float
    block_duration: float | None
    gap_duration: float | None
    correlation_length: float
    correlation_time: float | None
    seed: int
    warnings: tuple[str, ...]
    _points: Floats
    _groups: Integers

    __repr__ = short_repr
    _repr_html_ = html_table

    def split(
        self,
        X: object = None,  # noqa: ARG002
        y: object = None,  # noqa: ARG002
        groups: object = None,  # noqa: ARG002
    ) -> Iterator[tuple[Integers, Integers]]:
        """Yield (learned from, held out) row numbers of each fold; the arguments are not used."""
        for number in range(self.n_folds):
            held = np.flatnonzero(self.fold == number)
            yield self.away_from(held), held

    def away_from(self, held: Integers) -> Integers:
        """Return the patches beyond the gap around ``held`` that do not repeat one of them."""
        legal = ~np.isin(self._groups, self._groups[held])
        legal[held] = False
        others = np.flatnonzero(legal)
        distance, _ = cKDTree(self._points[held]).query(
            self._points[others], p=np.inf, distance_upper_bound=1.0 - 1e-9
        )
        return np.asarray(others[np.isinf(distance)], dtype=np.int64)

    def get_n_splits(
        self,
        X: object = None,  # noqa: ARG002
        y: object = None,  # noqa: ARG002
        groups: object = None,  # noqa: ARG002
    ) -> int:
        """Return the number of folds."""
        return self.n_folds


def block_folds(
    table: PatchTable | xr.DataArray,
    n_folds: int = 5,
    *,
    block_length: float | None = None,
    gap: float | None = None,
    block_duration: float | None = None,
    rng: int | np.random.Generator | None = None,
) -> BlockFolds:
    """Divide patches into folds of whole blocks of space and time, with a gap around each.

    Neighbouring patches are alike: a fold of scattered patches tests whether a patch can be
    copied from its neighbour, not whether a rule holds elsewhere. Blocks are squares of
    ``block_length``; a table with frames (covariate ``time`` or ``frame``) is divided along time
    too when there are enough of them.

    Parameters
    ----------
    table
        Patches, or a stack of spectra (y, x, spectral).
    n_folds
        Number of folds, at least 2.
    block_length
        Edge of a block, in the table's unit; by default a patch and twice the length over
        which the columns are alike, or less (with a warning) when fewer than two such blocks a
        fold would fit.
    gap
        Patches whose centres are nearer than this to a held-out patch are not learned from; by
        default the patch size and the error correlation length, or the correlation length
        where that is longer.
    block_duration
        The same as ``block_length`` along time.
    rng
        Which blocks go together.

    Raises
    ------
    InputError
        For fewer blocks than folds, or a gap that leaves a fold nothing to learn from.

    References
    ----------
    Roberts et al., Ecography 40, 913 (2017), doi:10.1111/ecog.02881.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> stack = xr.DataArray(np.random.default_rng(0).normal(size=(20, 20, 8)),
    ...                      dims=("y", "x", "energy"))
    >>> folds = block_folds(stack, 5, block_length=4, gap=2, rng=0)
    >>> learned, held = next(folds.split())
    >>> bool(len(learned) + len(held) < 400)
    True
    """
    prepared = prepare_table(table)
    if prepared.centers is None:
        raise InputError("table must say where its patches lie; give a PatchTable or a stack.")
    return folds_of(
        prepared,
        n_folds,
        block_length=block_length,
        gap=gap,
        block_duration=block_duration,
        rng=rng,
    )


def folds_of(
    table: PreparedTable,
    n_folds: int = 5,
    *,
    block_length: float | None = None,
    gap: float | None = None,
    block_duration: float | None = None,
    least_length: float = 0.0,
    rng: int | np.random.Generator | None = None,
) -> BlockFolds:
    """Return the folds of a prepared table; rows without places are scattered over the folds.

    ``least_length``: over which something else than the columns is known to be alike.
    """
    check_count("n_folds", n_folds, 2)
    generator, seed = as_generator(rng)
    groups = repeated_rows(table.values)
    if table.centers is None:
        return _scattered(table.n, groups, n_folds, generator, seed)
    notes: list[str] = []
    scaled = (table.values - table.values.mean(axis=0)) / table.values.std(axis=0)
    length = max(alike_length(table, scaled, generator), least_length)
    if block_length is None:
        block_length = _block_edge(table, table.centers, length, n_folds, notes)
    edge = check_positive("block_length", block_length)
    keys = [np.floor((table.centers - table.centers.min(axis=0)) / edge + 1e-9).astype(np.int64)]
    duration, time, time_gap = block_duration, None, None
    if table.times is not None:
        time = alike_time(table.centers, table.times, scaled)
        duration = _block_duration(table.times, time) if duration is None else duration
        if duration is not None:
            start = (table.times - table.times.min()) / check_positive("block_duration", duration)
            keys.append(np.floor(start + 1e-9).astype(np.int64)[:, None])
            time_gap = max(time, float(np.diff(np.unique(table.times)).min()))
    _, block = np.unique(np.hstack(keys), axis=0, return_inverse=True)
    blocks = np.asarray(block.ravel(), dtype=np.int64)
    if blocks.max() + 1 < n_folds:
        raise InputError(
            f"n_folds must not exceed the number of blocks, {blocks.max() + 1} of edge "
            f"{edge:.3g}; got {n_folds}: take fewer folds or a smaller block_length."
        )
    if gap is None:
        touching = table.patch_size * (1 - 1e-9)
        gap = min(max(touching + table.error_length, length), max(0.5 * edge, touching))
    check_positive("gap", gap, allow_zero=True)
    points = table.centers / max(gap, 1e-300)
    if time_gap is not None and table.times is not None:
        points = np.hstack([points, (table.times / time_gap)[:, None]])
    folds = BlockFolds(
        _balanced(blocks, n_folds, generator), blocks, n_folds, edge, gap, duration, time_gap,
        length, time, seed, tuple(notes), points, groups,
    )  # fmt: skip
    if any(len(learned) < 2 for learned, _ in folds.split()):
        raise InputError(
            f"gap {gap:.3g} leaves a fold nothing to learn from: take a smaller gap or more "
            "patches."
        )
    return folds


def _scattered(
    n: int, groups: Integers, n_folds: int, generator: np.random.Generator, seed: int
) -> BlockFolds:
    """Return folds of rows without places; equal rows stay together."""
    if groups.max() + 1 < n_folds:
        raise InputError(f"n_folds must not exceed the {groups.max() + 1} different rows.")
    fold = generator.permutation(int(groups.max()) + 1)[groups] % n_folds
    points = np.arange(n, dtype=np.float64)[:, None] * 2
    note = "rows without places: folds are scattered rows, as if all were independent."
    return BlockFolds(
        fold, groups, n_folds, 0.0, 0.0, None, None, 0.0, None, seed, (note,), points, groups
    )


def _block_edge(
    table: PreparedTable, centers: Floats, length: float, n_folds: int, notes: list[str]
) -> float:
    """Return the edge of a block: longer than the columns are alike, yet enough of them."""
    wanted = table.patch_size + LENGTHS_A_BLOCK * length
    extent = np.ptp(centers, axis=0) + table.patch_size
    most = _longest_block(extent, BLOCKS_A_FOLD * n_folds)
    if most < wanted:
        notes.append(
            f"patches are alike over {length:.3g}: blocks of {wanted:.3g} would be too few "
            f"for {n_folds} folds, so that blocks of {most:.3g} are not quite independent."
        )
    return min(most, wanted)


def alike_length(table: PreparedTable, values: Floats, generator: np.random.Generator) -> float:
    """Return the distance over which the autocorrelation of values (n, m) falls to 1/e.

    Columns of the values count by their variance; places and times are those of ``table``. 0 for
    rows without places.
    """
    if table.centers is None:
        return 0.0
    centers, rows = table.centers, np.arange(table.n)
    if table.times is not None:
        # one frame: pairs of one place at two times are no neighbours
        times, counts = np.unique(table.times, return_counts=True)
        rows = np.flatnonzero(table.times == times[np.argmax(counts)])
    if len(rows) > MOST_COMPARED:
        # patches around one point keep near pairs, which scattered ones would not
        middle = centers[generator.choice(rows)]
        order = np.argsort(np.abs(centers[rows] - middle).max(axis=1), kind="stable")
        rows = rows[order[:MOST_COMPARED]]
    scaled = values[rows]
    products = scaled @ scaled.T / scaled.shape[1]
    near = centers[rows]
    distance = np.linalg.norm(near[:, None] - near[None], axis=2)
    far = 0.5 * float(np.ptp(near, axis=0).max())
    pairs = np.triu(distance <= far, k=1)
    if not pairs.any():
        return 0.0
    step = max(table.patch_size * (1 - table.overlap), far / N_BINS)
    number = np.round(distance[pairs] / step).astype(np.int64)
    count = np.bincount(number)
    mean = np.bincount(number, weights=products[pairs]) / np.maximum(count, 1)
    lags = np.flatnonzero((count > 0) & (np.arange(len(count)) > 0))
    total = float(np.trace(products)) / len(rows)
    return _fall(np.asarray(lags * step, dtype=np.float64), np.asarray(mean[lags] / total))


def alike_time(centers: Floats, times: Floats, scaled: Floats) -> float:
    """Return the time over which a place's values (n, m) stay alike, from frame to frame."""
    _, place = np.unique(centers, axis=0, return_inverse=True)
    instants, frame = np.unique(times, return_inverse=True)
    cube = np.full((int(place.max()) + 1, len(instants), scaled.shape[1]), np.nan)
    cube[place.ravel(), frame.ravel()] = scaled
    lags, values = [], []
    for lag in range(1, max(len(instants) // 2, 2)):
        product = cube[:, lag:] * cube[:, :-lag]
        if np.isfinite(product).any():
            lags.append(float(np.median(instants[lag:] - instants[:-lag])))
            values.append(float(np.nanmean(product)))
    return _fall(np.array(lags), np.array(values))


def _fall(lags: Floats, values: Floats) -> float:
    """Return where a correlation falls to 1/e of its value between next neighbours.

    Not of its value at 0: measurement errors, which neighbours do not share, stand in that. 0 when
    next neighbours are not alike; the last lag when it never falls.
    """
    if not len(lags) or values[0] < LEAST_CORRELATION:
        return 0.0
    level = values[0] * np.exp(-1.0)
    below = np.flatnonzero(values < level)
    if not len(below):
        return float(lags[-1])
    after = int(below[0])
    share = (values[after - 1] - level) / (values[after - 1] - values[after])
    return float(lags[after - 1] + share * (lags[after] - lags[after - 1]))


def _longest_block(extent: Floats, least: float) -> float:
    """Return the longest edge of which at least ``least`` squares fit into the field."""
    edge = float(np.sqrt(extent.prod() / least))
    while np.prod(np.maximum(np.ceil(extent / edge - 1e-9), 1)) < least:
        edge *= 0.95
    return edge


def _block_duration(times: Floats, correlation: float) -> float | None:
    """Return the length of a block in time, None when there are too few frames for two."""
    frames = np.unique(times)
    step = float(np.diff(frames).min())
    duration = step + LENGTHS_A_BLOCK * correlation
    return duration if (frames[-1] - frames[0] + step) / duration >= 2 else None


def _balanced(block: Integers, n_folds: int, generator: np.random.Generator) -> Integers:
    """Return the fold of each patch: blocks in random order, the largest first, evenly dealt."""
    sizes = np.bincount(block)
    order = generator.permutation(len(sizes))
    order = order[np.argsort(-sizes[order], kind="stable")]
    held = np.zeros(n_folds)
    fold = np.empty(len(sizes), dtype=np.int64)
    for number in order:
        fold[number] = int(np.argmin(held))
        held[fold[number]] += sizes[number]
    return fold[block]
