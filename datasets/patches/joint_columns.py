"""One covariance of the measurement errors between all columns of a patch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from physlearn.datasets.descriptors.column_block import ColumnBlock
from physlearn.datasets.patches.atom_column import AtomColumn, Curvature
from physlearn.datasets.patches.atom_errors import AtomErrors

__all__ = ["joint_blocks"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

LARGEST_COVARIANCE = 20_000_000
"""Above this many numbers one pooled matrix is handed on instead of one a patch."""
PATCHES_AT_ONCE = 4_096
ROWS_AT_ONCE = 3_000
"""Rows of second derivatives that are multiplied with one another at once."""
SMALLEST_PART = 0.5
"""The second derivatives' part of an error is not taken smaller than this share of itself."""
LARGEST_CUT = 0.9
"""Doubt about labels takes off at most this share of a measurement's variance."""
SPREAD_SAMPLE = 24
"""Patches from which the scatter of squared gradients by noise alone is taken."""


def joint_blocks(
    columns: Sequence[AtomColumn], errors: AtomErrors, *, pooled: bool = False
) -> list[ColumnBlock]:
    """Return the columns with known errors as one block, those without as another.

    To second order in the atoms' errors d, with first derivatives g and second derivatives H of a
    column, cov(a, b) = g_a S g_b + tr(H_a S H_b S) / 2. The derivatives are taken at the measured
    atoms, where g has noise of its own, H d: its part of g S g, tr(H S H S) on average, is taken
    off.
    """
    known = [column for column in columns if column.needs <= errors.known]
    blocks = []
    if known:
        n, k = len(known[0].values), len(known)
        pooled = pooled or n * k * k > LARGEST_COVARIANCE
        blocks.append(_block(known, _covariance(known, errors, pooled)))
    unknown = [column for column in columns if not column.needs <= errors.known]
    if unknown:
        blocks.append(_block(unknown, None))
    return blocks


def _block(columns: Sequence[AtomColumn], covariance: Floats | None) -> ColumnBlock:
    """Return columns as a block."""
    return ColumnBlock(
        tuple(column.name for column in columns),
        np.stack([column.values for column in columns], axis=1),
        tuple(column.tier for column in columns),
        tuple(column.unit for column in columns),
        covariance,
        derived={column.name: column.derived for column in columns if column.derived},
        flags={column.name: column.flag for column in columns if column.flag},
    )


def _covariance(columns: list[AtomColumn], errors: AtomErrors, pooled: bool) -> Floats:
    """Return the covariance (n_patches or 1, k, k) of the columns' errors."""
    n, k = len(columns[0].values), len(columns)
    second, ratio = _second_order(columns, errors, n)
    second += _crossing(columns, n)
    total = np.zeros((1 if pooled else n, k, k))
    lacking = np.stack([~np.isfinite(column.values) for column in columns], axis=1)
    number = np.maximum((~lacking[:, :, None] & ~lacking[:, None, :]).sum(axis=0), 1.0)
    common = None
    if any(column.common is not None for column in columns):
        zero = np.zeros(errors.size)
        common = np.stack([zero if c.common is None else c.common for c in columns])
    for first in range(0, n, PATCHES_AT_ONCE):
        part = np.arange(first, min(first + PATCHES_AT_ONCE, n))
        found = _first_order(columns, errors, part, common)
        found *= ratio[part, :, None] * ratio[part, None, :]
        found += second[part]
        for i, column in enumerate(columns):
            if column.own is not None:
                # labels in doubt may take off some of the error of a measurement
                found[:, i, i] += np.maximum(column.own[part], -LARGEST_CUT * found[:, i, i])
            for j, other in enumerate(columns):
                if other.name in column.shared:
                    extra = np.nan_to_num(column.shared[other.name][part])
                    found[:, i, j] += extra
                    found[:, j, i] += extra
        found = np.where(lacking[part][:, :, None] | lacking[part][:, None, :], 0.0, found)
        found = np.nan_to_num(found)
        diagonal = np.arange(k)
        # sums of squares of nothing may round to below 0
        found[:, diagonal, diagonal] = np.maximum(found[:, diagonal, diagonal], 0.0)
        if pooled:
            total[0] += found.sum(axis=0) / number
        else:
            total[part] = found
    return total


def _crossing(columns: list[AtomColumn], n: int) -> Floats:
    """Return what points near the patches' edges add (n, k, k): means of the same points agree."""
    total = np.zeros((n, len(columns), len(columns)))
    for i, one in enumerate(columns):
        for j, two in enumerate(columns[: i + 1]):
            if one.points is None or one.points is not two.points:
                continue
            if one.point_values is None or two.point_values is None:
                continue
            found = one.points.crossing(one.point_values, two.point_values)
            if one is two:
                noise = 0.0 if one.point_noise is None else one.points.noise_there(one.point_noise)
                found = found - noise
            for column in (one, two):
                if column.point_factor is not None:
                    found = found * column.point_factor
            total[:, i, j] = total[:, j, i] = found
    return total


def _first_order(
    columns: list[AtomColumn], errors: AtomErrors, part: Integers, common: Floats | None
) -> Floats:
    """Return the covariance of some patches' columns from first derivatives alone."""
    m, k = len(part), len(columns)
    if not errors.errors.known:
        return np.zeros((m, k, k))
    empty = sparse.csr_array((m, errors.size))
    stacked = sparse.csr_array(
        sparse.vstack(
            [empty if c.linear is None else c.linear[part] for c in columns], format="csr"
        )
    )
    # column by column to patch by patch
    order = (np.arange(k)[None, :] * m + np.arange(m)[:, None]).ravel()
    return errors.errors.blocks(sparse.csr_array(stacked[order]), k, common)


def _second_order(columns: list[AtomColumn], errors: AtomErrors, n: int) -> tuple[Floats, Floats]:
    """Return tr(H_a S H_b S) / 2 of each patch (n, k, k), and factors (n, k) on first derivatives.

    The factors leave of each g S g what is not the noise of g; how much each patch differs from the
    mean of all is judged by the scatter of g S g that noise alone would give.
    """
    k = len(columns)
    second, ratio = np.zeros((n, k, k)), np.ones((n, k))
    curved = [i for i, column in enumerate(columns) if column.curvature is not None]
    if not curved or not errors.errors.known:
        return second, ratio
    shapes = [columns[i].curvature for i in curved]
    kept = [shape for shape in shapes if shape is not None]
    rows = sparse.csr_array(sparse.vstack([shape.rows for shape in kept], format="csr"))
    bounds = np.cumsum([0, *(shape.rows.shape[0] for shape in kept)])
    wide = [_widened(shape, bounds, m) for m, shape in enumerate(kept)]
    traces = np.zeros((n, len(curved), len(curved)))
    for part in _parts(wide, n):
        used = np.unique(np.concatenate([each[part].indices for each in wide]))
        if not len(used):
            continue
        product = errors.errors.joint(sparse.csr_array(rows[used]))
        assert product is not None  # noqa: S101 -- errors are known here
        squared = sparse.csr_array(product)
        squared.data **= 2
        narrow = [sparse.csr_array(each[part][:, used]) for each in wide]
        for a, left in enumerate(narrow):
            heavy = sparse.csr_array(left @ squared)
            for b in range(a, len(narrow)):
                found = np.asarray(heavy.multiply(narrow[b]).sum(axis=1)).ravel()
                traces[part, a, b] = traces[part, b, a] = found
    spread = _noise_scatter(wide, rows, errors, n)
    weight = np.ones((n, len(curved)))
    for a, i in enumerate(curved):
        linear = columns[i].linear
        trace = traces[:, a, a]
        if linear is None:
            continue
        square = errors.variances(linear)
        ratio[:, i], weight[:, a] = _true_share(square, trace, columns[i].values, spread[a])
    traces *= 0.5 * weight[:, :, None] * weight[:, None, :]
    second[:, np.array(curved)[:, None], np.array(curved)] = traces
    return second, ratio


def _widened(shape: Curvature, bounds: Integers, m: int) -> sparse.csr_array:
    """Return a column's weights over the rows of all columns."""
    weights = shape.weights.tocoo()
    return sparse.csr_array(
        (weights.data, (weights.row, weights.col + bounds[m])),
        shape=(shape.weights.shape[0], bounds[-1]),
    )


def _parts(wide: list[sparse.csr_array], n: int) -> list[Integers]:
    """Return runs of patches with a limited number of rows."""
    number = np.sum([np.diff(each.indptr) for each in wide], axis=0)
    run = np.cumsum(number) // ROWS_AT_ONCE
    return np.split(np.arange(n), np.flatnonzero(np.diff(run)) + 1)


def _noise_scatter(
    wide: list[sparse.csr_array], rows: sparse.csr_array, errors: AtomErrors, n: int
) -> Floats:
    """Return the mean relative variance of g S g where g is noise alone, by column."""
    spread = np.zeros(len(wide))
    sample = np.unique(np.linspace(0, n - 1, min(n, SPREAD_SAMPLE)).astype(np.int64))
    for a, weights in enumerate(wide):
        found = []
        for patch in sample:
            used = weights.indices[weights.indptr[patch] : weights.indptr[patch + 1]]
            value = weights.data[weights.indptr[patch] : weights.indptr[patch + 1]]
            if not 0 < len(used) <= ROWS_AT_ONCE:
                continue
            product = errors.errors.full(sparse.csr_array(rows[used]))
            assert product is not None  # noqa: S101 -- the caller has looked
            once = value[:, None] * product
            twice = once @ once
            trace = float(np.trace(twice))
            if trace > 0:
                found.append(2.0 * float(np.sum(twice * twice.T)) / trace**2)
        spread[a] = np.mean(found) if found else 0.0
    return spread


def _true_share(
    square: Floats, trace: Floats, values: Floats, spread: float
) -> tuple[Floats, Floats]:
    """Return factors on first and on second derivatives of each patch.

    The first is the root of the share of g S g that is not noise of g. Where g S g is smaller than
    its noise on average, the second derivatives' part is taken smaller too, so that the mean over
    patches stays right.
    """
    usable = np.isfinite(values) & (trace > 0) & (square > 0)
    share, weight = np.ones(len(values)), np.ones(len(values))
    if not usable.any():
        return share, weight
    size = square[usable] / trace[usable]
    mean, scatter = float(size.mean()), float(size.var())
    own = min(max(1.0 - spread / scatter, 0.0), 1.0) if scatter > 0 else 0.0
    left = mean - 1.0 + own * (size - mean)
    share[usable] = np.sqrt(np.maximum(left, 0.0) / size)
    weight[usable] = np.sqrt(np.clip(1.0 + 2.0 * left, SMALLEST_PART, 1.0))
    return share, weight
