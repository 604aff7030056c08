"""The joint covariance of fitted columns: each with its neighbours and the background free."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from physlearn.datasets.columns import background_covariance_kernels as background
from physlearn.datasets.columns import covariance_kernels as kernels
from physlearn.datasets.columns import information_kernels as information
from physlearn.records.storage import short_repr

if TYPE_CHECKING:
    from scipy.sparse import csc_array

__all__ = ["ColumnCovariance", "measure_covariance"]

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Integers = NDArray[np.int64]
COUPLED_WIDTHS = 6.5
"""Columns further apart share less than .001 of their information."""
WEAKEST_CHAIN = 0.07
SMALLEST_EIGENVALUE = 0.02
LARGEST_INVERSE = 1e6
"""Of whitened information: what is larger is the overflow of a crowd's rounding."""
SAFE_SUM = 0.9
BOUND_STEPS = 8
LANCZOS_STEPS = 24


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ColumnCovariance:
    """Covariances of columns (x, y, log amplitude, log width) and of those that overlap.

    Attributes
    ----------
    blocks
        Shape (n, 4, 4): each column's own covariance, everything else free.
    pairs
        Shape (m, 2): columns i < j that share pixels.
    cross
        float32, shape (m, 4, 4): covariance of column i's with column j's parameters.
    """

    blocks: Floats
    pairs: Integers
    cross: Singles

    __repr__ = short_repr

    def keep(self, flags: NDArray[np.bool_]) -> ColumnCovariance:
        """Return the covariance of the flagged columns (the others stay free)."""
        number = np.cumsum(flags) - 1
        both = flags[self.pairs].all(axis=1)
        return ColumnCovariance(self.blocks[flags], number[self.pairs[both]], self.cross[both])

    def scaled(self, factor: Floats) -> ColumnCovariance:
        """Return it with each parameter's variance times ``factor`` (4,) or (n, 4)."""
        root = np.broadcast_to(np.sqrt(factor), (len(self.blocks), 4))
        one, two = root[self.pairs[:, 0]], root[self.pairs[:, 1]]
        return ColumnCovariance(
            self.blocks * root[:, :, None] * root[:, None, :],
            self.pairs,
            (self.cross * one[:, :, None] * two[:, None, :]).astype(np.float32),
        )

    def in_unit(self, scale: tuple[float, float]) -> ColumnCovariance:
        """Return it with x and y in a unit of which a pixel has ``scale`` (x, y)."""
        return self.scaled(np.array([scale[0], scale[1], 1.0, 1.0]) ** 2)

    def sparse(self) -> csc_array:
        """Return the positive definite (4 n, 4 n) matrix, float32, four parameters a column."""
        from scipy.sparse import bsr_array

        n, m = len(self.blocks), len(self.pairs)
        rows = np.concatenate([np.arange(n), self.pairs[:, 0], self.pairs[:, 1]])
        columns = np.concatenate([np.arange(n), self.pairs[:, 1], self.pairs[:, 0]])
        data = np.empty((n + 2 * m, 4, 4), dtype=np.float32)
        data[:n] = self.blocks
        data[n : n + m] = self.cross
        data[n + m :] = self.cross.transpose(0, 2, 1)
        # symmetric: rows of blocks serve as columns
        order = np.argsort(columns, kind="stable")
        starts = np.searchsorted(columns[order], np.arange(n + 1))
        matrix = bsr_array(
            (data[order].transpose(0, 2, 1), rows[order], starts), shape=(4 * n, 4 * n)
        )
        return matrix.tocsr().T.tocsc()


def measure_covariance(
    model: NDArray[np.floating],
    columns: Floats,
    noise: Floats,
    nodes_shape: tuple[int, ...],
    *,
    reach: float = 4.0,
    weight: NDArray[np.floating] | None = None,
    width_precision: float = 0.0,
) -> ColumnCovariance:
    """Return the columns' covariance from the Fisher information of the whole picture.

    The information of overlapping columns is inverted around each column, over all that it feels
    through chains of overlaps; the background's nodes, after the columns have taken their part, add
    the error of the level under each column. White pixel noise; see ``variance_inflation``.

    Parameters
    ----------
    model
        Fitted picture, shape (rows, columns).
    columns
        Shape (n, 4): x, y (pixel), log amplitude, log width (pixel).
    noise
        (offset, gain, smallest variance): variance = offset + gain x model.
    nodes_shape
        Rows and columns of the background's nodes, from the first to the last pixel.
    reach
        Half-edge of a column's window in widths.
    weight
        Picture of 1 / variance, 0 where a pixel is masked; None takes it from model and noise.
    width_precision
        Precision of a prior on each log width.
    """
    n = len(columns)
    if n == 0:
        empty = np.empty((0, 4, 4))
        return ColumnCovariance(empty, np.empty((0, 2), np.int64), empty.astype(np.float32))
    if weight is None:
        weight = 1.0 / np.maximum(noise[0] + noise[1] * model, noise[2])
    weights: Floats = np.ascontiguousarray(weight, dtype=np.float64)
    columns = np.ascontiguousarray(columns, dtype=np.float64)
    # masked rows could be just those that are read
    coarse = bool(weights.min() > 0)
    pairs = overlapping_pairs(columns)
    own, blocks = np.empty((n, 4, 4)), np.empty((len(pairs), 4, 4))
    selves = np.repeat(np.arange(n, dtype=np.int64)[:, None], 2, axis=1)
    information.pair_information(weights, columns, selves, coarse, own)
    own[:, 3, 3] += width_precision
    information.pair_information(weights, columns, pairs, coarse, blocks)
    n_rows, n_columns = nodes_shape
    step_y = (weights.shape[0] - 1) / (n_rows - 1)
    step_x = (weights.shape[1] - 1) / (n_columns - 1)
    shares, first = np.empty((n, 9, 4)), np.empty((n, 2), np.int64)
    information.background_share(
        weights, columns, reach, step_y, step_x, n_rows, n_columns, coarse, shares, first
    )
    roots, strength = np.zeros((n, 4, 4)), np.empty(len(pairs))
    kernels.whiten(own, shares, roots)
    kernels.whiten_pairs(blocks, roots, pairs, strength)
    sums = np.zeros((n_rows - 1, n_columns - 1, 3, 3))
    information.cell_moments(weights, step_y, step_x, sums)
    stencil = np.zeros((*nodes_shape, 5, 5))
    background.node_information(sums, stencil)
    before = stencil.copy()
    pull, mixed = np.empty((n, 9, 4)), np.zeros((len(pairs), 4, 4))
    starts = np.zeros(n + 1, dtype=np.int64)
    near, lookup = np.empty(2 * len(pairs), np.int64), np.empty(2 * len(pairs), np.int64)
    kernels.neighbour_lists(pairs, starts, near, lookup)
    kernels.local_inverses(
        blocks, strength, starts, near, lookup, shares, first, WEAKEST_CHAIN, own, mixed, pull
    )
    _own_only(own, mixed, pull, shares, pairs)
    # whitened own blocks are at least 1, before the background
    safe = _largest_sum(np.sqrt(np.einsum("pab,pab->p", mixed, mixed)), pairs, n) < SAFE_SUM
    background.take_columns(blocks, pairs, shares, pull, first, stencil)
    inverses = np.empty((*nodes_shape, 9, 25))
    background.node_inverses(stencil, before, inverses)
    levels = np.zeros_like(mixed)
    background.add_background(pairs, pull, first, inverses, own, levels)
    if not safe:
        mixed, levels = _definite(own, mixed, levels, pairs)
    mixed += levels
    kernels.undo_whitening(roots, pairs, own, mixed)
    return ColumnCovariance(own, pairs, mixed.astype(np.float32))


def overlapping_pairs(columns: Floats, reach: float = COUPLED_WIDTHS) -> Integers:
    """Return pairs i < j of columns, within ``reach`` widths, that share information."""
    widths = np.exp(columns[:, 3])
    pairs = cKDTree(columns[:, :2]).query_pairs(reach * widths.max(), output_type="ndarray")
    pairs = pairs.astype(np.int64).reshape(-1, 2)
    one, two = columns[pairs[:, 0]], columns[pairs[:, 1]]
    square = (one[:, 0] - two[:, 0]) ** 2 + (one[:, 1] - two[:, 1]) ** 2
    total = widths[pairs[:, 0]] ** 2 + widths[pairs[:, 1]] ** 2
    return np.ascontiguousarray(np.sort(pairs[square < 0.5 * reach**2 * total], axis=1))


def _own_only(own: Floats, mixed: Floats, pull: Floats, shares: Floats, pairs: Integers) -> None:
    """Give columns of crowds that have no inverse there their own (whitened: 1) information."""
    bad = ~(np.isfinite(own).all(axis=(1, 2)) & np.isfinite(pull).all(axis=(1, 2)))
    bad |= np.abs(own).max(axis=(1, 2)) > LARGEST_INVERSE
    own[bad], pull[bad] = np.eye(4), shares[bad]
    mixed[bad[pairs].any(axis=1) | ~np.isfinite(mixed).all(axis=(1, 2))] = 0.0


def _largest_sum(norms: Floats, pairs: Integers, n: int) -> float:
    """Return a bound on the eigenvalues of the pairs' symmetric matrix of norms.

    The largest ratio of the matrix times a positive vector to that vector is one (Collatz 1942,
    Math. Z. 48, 221); of ones it is Gershgorin's. Of many columns some have crowded neighbours: a
    few products let these share in what is free further away.
    """
    one, two = pairs.T
    vector, bound = np.ones(n), np.inf
    for _ in range(BOUND_STEPS):
        new = np.bincount(one, norms * vector[two], n) + np.bincount(two, norms * vector[one], n)
        bound = min(bound, float((new / vector).max()))
        if bound < SAFE_SUM:
            break
        vector = vector + new
    return bound


def _definite(own: Floats, mixed: Floats, levels: Floats, pairs: Integers) -> tuple[Floats, Floats]:
    """Return what pairs share by overlap and by the background, so that the whole is definite.

    Far pairs are left out, which can spoil a matrix of strongly overlapping columns: then the
    background's part, and where that is not enough the other, is drawn towards 0. The smallest
    eigenvalue is concave, so that a mean of two matrices has at least the mean of theirs.
    """
    values, vectors = np.linalg.eigh(own)
    floor = 1e-9 * values[:, -1:]
    if (values < floor).any():  # columns that all but coincide
        own[:] = (vectors * np.maximum(values, floor)[:, None, :]) @ vectors.transpose(0, 2, 1)
    roots = np.linalg.inv(np.linalg.cholesky(own))

    def lowest(cross: Floats) -> float:
        white = roots[pairs[:, 0]] @ cross @ roots[pairs[:, 1]].transpose(0, 2, 1)
        return _lowest_eigenvalue(white, pairs, len(own))

    with_levels = lowest(mixed + levels)
    if with_levels >= SMALLEST_EIGENVALUE:
        return mixed, levels
    without = lowest(mixed)
    if without >= SMALLEST_EIGENVALUE:
        return mixed, levels * ((without - SMALLEST_EIGENVALUE) / (without - with_levels))
    return mixed * ((1.0 - SMALLEST_EIGENVALUE) / (1.0 - without)), 0.0 * levels


def _lowest_eigenvalue(white: Floats, pairs: Integers, n: int) -> float:
    """Return the smallest eigenvalue (Lanczos, a little low) of 1 + the pairs' symmetric matrix."""
    vector = np.random.default_rng(0).normal(size=(n, 4))
    vector /= np.linalg.norm(vector)
    before, beta = np.zeros_like(vector), 0.0
    diagonal, side = [], []
    for _ in range(LANCZOS_STEPS):
        new = kernels.pair_product(white, pairs, vector) - beta * before
        alpha = float(np.vdot(new, vector))
        new -= alpha * vector
        diagonal.append(alpha)
        beta = float(np.linalg.norm(new))
        if beta < 1e-12:
            break
        side.append(beta)
        before, vector = vector, new / beta
    bands = np.diag(diagonal) + np.diag(side[: len(diagonal) - 1], 1)
    bands += np.diag(side[: len(diagonal) - 1], -1)
    values, vectors = np.linalg.eigh(bands)
    # the residual bounds how far the true eigenvalue may lie below
    return 1.0 + float(values[0]) - abs(beta * float(vectors[-1, 0]))
