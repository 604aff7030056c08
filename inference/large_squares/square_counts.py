"""Pseudolikelihood and sandwich of a square Ising picture of any size, from one pass over it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, check_choice, check_count
from physlearn.inference.large_squares.square_kernels import count_kinds
from physlearn.inference.posteriors.site_features import SiteRows
from physlearn.lattice_models.replicas.packed_squares import BOUNDARIES
from physlearn.records.storage import short_repr

__all__ = ["LARGEST_SHELLS", "SquareCounts", "count_square"]

Float = NDArray[np.float64]
Int = NDArray[np.int64]
LARGEST_SHELLS = 3
"""The fourth shell has eight neighbours: its tables of pairs of kinds would fit into no cache."""
SHELLS = np.array([
    [(0, 1), (1, 0), (0, -1), (-1, 0)],
    [(1, 1), (1, -1), (-1, -1), (-1, 1)],
    [(0, 2), (2, 0), (0, -2), (-2, 0)],
])  # fmt: skip
REACH = (1, 1, 2)
STRIP_SITES = 1_000_000


@dataclass(frozen=True, eq=False)
class SquareCounts:
    """How the sites of a square picture are surrounded.

    Attributes
    ----------
    n_shells
        Shells of neighbours that were counted, K.
    shape
        Rows and columns.
    single
        int64, shape (2 * 5 ** K,): drawn sites of each kind, see ``square_kernels``.
    pairs
        int64, shape (2 * 5 ** K, 2 * 5 ** K): pairs of drawn sites of two kinds on a bond, each
        bond once.
    fingerprint
        SHA-256 of the picture's states, row by row.
    """

    n_shells: int
    shape: tuple[int, int]
    single: Int
    pairs: Int
    fingerprint: bytes

    __repr__ = short_repr

    @property
    def n_drawn(self) -> int:
        """Number of sites with a complete neighbourhood."""
        return int(self.single.sum())

    @property
    def state_counts(self) -> Int:
        """Drawn sites that are down and up, shape (2,)."""
        return np.asarray(self.single.reshape(-1, 2).sum(axis=0))

    def rows(self) -> SiteRows:
        """Return the sites by surroundings; parameters are the field and K couplings."""
        ups = np.indices((5,) * self.n_shells).reshape(self.n_shells, -1)[::-1].T
        around = np.concatenate([np.ones((len(ups), 1)), 2.0 * ups - 4.0], axis=1)
        features = np.array([-1.0, 1.0])[None, :, None] * around[:, None, :]
        counts = self.single.reshape(-1, 2).astype(np.float64)
        return SiteRows(features, counts, np.zeros(counts.shape))

    def sandwich(self, theta: Float) -> tuple[Float, Float]:
        """Return curvature H and variance J of the score at theta, as ``picture_sandwich`` does."""
        rows = self.rows()
        _, _, curvature = rows.score(theta)
        logit = rows.features @ theta
        share = np.exp(logit - logit.max(axis=1, keepdims=True))
        share /= share.sum(axis=1, keepdims=True)
        mean = np.einsum("nq,nqd->nd", share, rows.features)
        score = (rows.features - mean[:, None]).reshape(len(self.single), -1)
        cross = score.T @ self.pairs @ score
        return curvature, (score.T * self.single) @ score + cross + cross.T


def count_square(picture: ArrayLike, n_shells: int = 1, *, boundary: str = "rim") -> SquareCounts:
    """Count how the sites of a square picture are surrounded, in strips of rows.

    Parameters
    ----------
    picture
        States -1 and +1, shape (rows, columns); anything that gives rows by slices, such as a
        memory map or a zarr array.
    n_shells
        Shells of neighbours, 1 to 3.
    boundary
        ``rim``: sites without a complete neighbourhood only serve as neighbours; ``periodic``:
        both directions wrap.

    Raises
    ------
    InputError
        For other states, shapes or options.

    Examples
    --------
    >>> counts = count_square(np.ones((6, 6), np.int8))
    >>> counts.n_drawn, int(counts.pairs.sum())
    (16, 24)
    """
    check_choice("boundary", boundary, BOUNDARIES)
    if check_count("n_shells", n_shells, 1) > LARGEST_SHELLS:
        raise InputError(f"n_shells must be at most {LARGEST_SHELLS} here; got {n_shells}.")
    source = picture if hasattr(picture, "shape") else np.asarray(picture)
    shape = tuple(int(size) for size in source.shape)
    reach = max(REACH[:n_shells])
    if len(shape) != 2 or min(shape) < 2 * reach + 1:
        raise InputError(
            f"picture must have shape (rows, columns), at least {2 * reach + 1} each; got {shape}."
        )
    rows, columns = shape
    steps = SHELLS[:n_shells]
    half = steps[:, :2].reshape(-1, 2)
    single = np.zeros(2 * 5**n_shells, np.int64)
    pairs = np.zeros((len(single), len(single)), np.int64)
    digest = hashlib.sha256(f"square {shape}".encode())
    margin = 2 * reach  # a bond's far end has neighbours of its own
    strip = max(1, STRIP_SITES // columns)
    for first in range(0, rows, strip):
        last = min(first + strip, rows)
        part = _strip(source, first, last, margin, shape, periodic=boundary == "periodic")
        digest.update(part[margin : margin + last - first, margin : margin + columns].tobytes())
        kinds = _kinds(part, steps, reach)
        if boundary == "rim":  # sites at the rim are not drawn; the margin beyond it neither
            here = np.arange(len(part)) + first - margin
            kinds[(here < reach) | (here >= rows - reach)] = -1
            kinds[:, : margin + reach] = kinds[:, margin + columns - reach :] = -1
        count_kinds(
            kinds, half, margin, margin + last - first, margin, margin + columns, single, pairs
        )
    return SquareCounts(int(n_shells), (rows, columns), single, pairs, digest.digest())


def _kinds(part: NDArray[np.int8], steps: Int, reach: int) -> NDArray[np.int16]:
    """Return the kinds of all sites but the outermost ``reach``, which stay -1."""
    up = (part > 0).view(np.int8)
    rows, columns = (slice(reach, size - reach) for size in part.shape)
    inner = up[rows, columns].astype(np.int16)
    width = 2
    for shell in steps:
        around = np.zeros(inner.shape, np.int8)
        for down, right in shell:
            low, left = reach + int(down), reach + int(right)
            around += up[low : low + inner.shape[0], left : left + inner.shape[1]]
        inner += around * np.int16(width)
        width *= 5
    kinds = np.full(part.shape, -1, np.int16)
    kinds[rows, columns] = inner
    return kinds


def _strip(
    source: ArrayLike, first: int, last: int, margin: int, shape: tuple[int, int], *, periodic: bool
) -> NDArray[np.int8]:
    """Return rows first to last as int8 with ``margin`` more sites on all sides, 0 where none."""
    rows, columns = shape
    out = np.zeros((last - first + 2 * margin, columns + 2 * margin), np.int8)
    inner = slice(margin, margin + columns)
    low, high = max(first - margin, 0), min(last + margin, rows)
    given = np.asarray(source[low:high])  # type: ignore[index]
    wrong = (given != 1) & (given != -1)
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise InputError(
            f"picture may hold only -1 and +1; found {given[row, column]} at row {low + row}, "
            f"column {column}. If these are labels, convert first: "
            "np.where(labels == up_label, 1, -1)."
        )
    out[low - first + margin : high - first + margin, inner] = given
    if periodic:
        for row in [*range(first - margin, low), *range(high, last + margin)]:
            at = row % rows
            out[row - first + margin, inner] = np.asarray(source[at : at + 1])[0]  # type: ignore[index]
        out[:, :margin] = out[:, columns : columns + margin]
        out[:, margin + columns :] = out[:, margin : 2 * margin]
    return out
